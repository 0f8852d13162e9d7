//! Reviews of consultations, the doctors' replies, and the wall where patients read both (connect-v2 §3.5, §3.16).

mod handlers;
pub mod ops;
pub mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with, put_with};
use axum::routing::patch;

use crate::app::App;

const TAG: &str = "Reviews";

/// The routes 17, 26 to 29, 72 and 85.
pub fn router() -> ApiRouter<App> {
    let reply = "/api/v2/doctors/me/reviews/{review_id}/reply";
    ApiRouter::new()
        .api_route(
            "/api/v2/reviews",
            post_with(handlers::create, |op| op.id("C85").tag(TAG).summary("Review an ended session")),
        )
        .api_route(
            "/api/v2/connect/sessions/{session_id}/review",
            get_with(handlers::show, |op| op.id("C72").tag(TAG).summary("The session's review")),
        )
        .api_route(
            "/api/v2/doctors/{doctor_id}/reviews",
            get_with(handlers::wall, |op| op.id("C17").tag(TAG).summary("Public reviews of a doctor")),
        )
        .api_route(
            "/api/v2/doctors/me/reviews",
            get_with(handlers::desk, |op| op.id("C26").tag(TAG).summary("The doctor's own reviews, filtered")),
        )
        .api_route(reply, post_with(handlers::reply, |op| op.id("C27").tag(TAG).summary("Reply to a review")))
        .api_route(reply, put_with(handlers::change_reply, |op| op.id("C28").tag(TAG).summary("Change the reply")))
        .api_route(reply, delete_with(handlers::remove_reply, |op| op.id("C29").tag(TAG).summary("Remove the reply")))
        // 28 under its other method.
        .route(reply, patch(handlers::change_reply))
}
