//! Attachments: of a consultation (connect-v2 §3.9), and general ones of four scopes (§3.20).

mod general;
mod session;
pub mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};

use crate::app::App;

const OF_SESSIONS: &str = "Attachments of a consultation";
const GENERAL: &str = "Attachments, general";

/// The routes 52 to 54 and 103 to 108.
pub fn router() -> ApiRouter<App> {
    let all = "/api/v2/connect/sessions/{session_id}/attachments";
    let general = "/api/v2/attachments";
    ApiRouter::new()
        .api_route(all, get_with(session::list, |op| op.id("C54").tag(OF_SESSIONS).summary("List")))
        .api_route(
            &format!("{all}/init"),
            post_with(session::init, |op| op.id("C52").tag(OF_SESSIONS).summary("Start an upload")),
        )
        .api_route(
            &format!("{all}/{{attachment_id}}/complete"),
            post_with(session::complete, |op| op.id("C53").tag(OF_SESSIONS).summary("Finalise an upload")),
        )
        .api_route(
            "/api/v2/attachments/init",
            post_with(general::init, |op| op.id("C103").tag(GENERAL).summary("Start an upload")),
        )
        .api_route(
            "/api/v2/attachments/{attachment_id}/upload",
            post_with(general::receive, |op| op.id("C104").tag(GENERAL).summary("Send the bytes")),
        )
        .api_route(
            "/api/v2/attachments/{attachment_id}/complete",
            post_with(general::complete, |op| op.id("C105").tag(GENERAL).summary("Finalise an upload")),
        )
        .api_route(
            general,
            post_with(general::upload, |op| op.id("C106").tag(GENERAL).summary("Upload in one step"))
                .get_with(general::list, |op| op.id("C107").tag(GENERAL).summary("List by scope")),
        )
        .api_route(
            "/api/v2/attachments/{attachment_id}",
            delete_with(general::remove, |op| op.id("C108").tag(GENERAL).summary("Delete")),
        )
}
