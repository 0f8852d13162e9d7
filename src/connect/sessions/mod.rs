//! Consultations from request to end (connect-v2 §3.7).

pub mod access;
mod handlers;
pub mod ops;
pub mod rules;
pub mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use crate::app::App;

const TAG: &str = "Sessions";

/// The routes 37 to 46; the stream 40 is a door of the inbox.
pub fn router() -> ApiRouter<App> {
    let one = "/api/v2/connect/sessions/{session_id}";
    ApiRouter::new()
        .api_route(
            "/api/v2/connect/sessions",
            post_with(handlers::create, |op| op.id("C37").tag(TAG).summary("Request a consultation")),
        )
        .api_route(
            "/api/v2/connect/sessions/active",
            get_with(handlers::active, |op| op.id("C38").tag(TAG).summary("The caller's open sessions")),
        )
        .api_route(
            "/api/v2/connect/sessions/requests",
            get_with(handlers::requests, |op| op.id("C39").tag(TAG).summary("Open requests addressed to the doctor")),
        )
        .api_route(one, get_with(handlers::show, |op| op.id("C41").tag(TAG).summary("One session")))
        .api_route(
            &format!("{one}/accept"),
            post_with(handlers::accept, |op| op.id("C42").tag(TAG).summary("Start the consultation")),
        )
        .api_route(
            &format!("{one}/reject"),
            post_with(handlers::reject, |op| op.id("C43").tag(TAG).summary("Refuse the request")),
        )
        .api_route(
            &format!("{one}/cancel"),
            post_with(handlers::cancel, |op| op.id("C44").tag(TAG).summary("Withdraw an unanswered request")),
        )
        .api_route(
            &format!("{one}/end"),
            post_with(handlers::end, |op| op.id("C45").tag(TAG).summary("Finish the consultation")),
        )
        .api_route(
            &format!("{one}/token"),
            get_with(handlers::token, |op| op.id("C46").tag(TAG).summary("A fresh LiveKit token")),
        )
}
