//! Chat messages and their receipts (connect-v2 §3.8).

mod handlers;
pub mod ops;
pub mod rules;
pub mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;

use crate::app::App;

const TAG: &str = "Messages";

/// The routes 48 to 51.
pub fn router() -> ApiRouter<App> {
    let all = "/api/v2/connect/sessions/{session_id}/messages";
    ApiRouter::new()
        .api_route(
            all,
            post_with(handlers::send, |op| op.id("C48").tag(TAG).summary("Store a message"))
                .get_with(handlers::list, |op| op.id("C49").tag(TAG).summary("History")),
        )
        .api_route(
            &format!("{all}/delivered"),
            post_with(handlers::delivered, |op| op.id("C50").tag(TAG).summary("Delivery receipts")),
        )
        .api_route(
            &format!("{all}/read"),
            post_with(handlers::read, |op| op.id("C51").tag(TAG).summary("Read receipts")),
        )
}
