//! The doors of the inbox (realtime.md §3): WebSocket, SSE, poll and tickets.

pub mod asyncapi;
pub mod commands;
mod door;
mod poll;
mod sse;
pub mod tickets;
mod ws;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;

const TAG: &str = "Real time";

/// The documented routes.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/connect/events",
            get_with(sse::inbox, |op| op.id("R2").tag(TAG).summary("Server-sent events of the whole inbox")),
        )
        .api_route(
            "/api/v2/connect/sessions/requests/stream",
            get_with(sse::requests, |op| op.id("C40").tag("Sessions").summary("Server-sent events of requests")),
        )
        .api_route(
            "/api/v2/connect/events/poll",
            get_with(poll::poll, |op| op.id("R3").tag(TAG).summary("Poll or backfill")),
        )
        .api_route(
            "/api/v2/connect/tickets",
            post_with(tickets::create, |op| op.id("R4").tag(TAG).summary("A single-use ticket for a browser")),
        )
}

/// What stands outside the OpenAPI document: the WebSocket, and the document that describes it.
pub fn pages() -> Router<App> {
    Router::new().route("/api/v2/connect/ws", get(ws::upgrade)).route(
        "/asyncapi.json",
        get(|| async { ([(CONTENT_TYPE, "application/json")], asyncapi::document()).into_response() }),
    )
}
