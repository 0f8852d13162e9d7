//! The doors of the inbox (realtime.md §3): WebSocket, SSE, poll and tickets.

use aide::axum::ApiRouter;
use axum::Router;

use crate::app::App;

pub mod asyncapi;

/// The documented routes.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
}

/// What stands outside the OpenAPI document.
pub fn pages() -> Router<App> {
    Router::new()
}
