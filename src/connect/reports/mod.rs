//! Documents of patients (connect-v2 §3.11): the patient uploads and deletes them, both parties read them.

mod handlers;
pub mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use crate::app::App;

const TAG: &str = "Reports";

/// The routes 58 to 62.
pub fn router() -> ApiRouter<App> {
    let all = "/api/v2/connect/sessions/{session_id}/reports";
    ApiRouter::new()
        .api_route(all, get_with(handlers::list, |op| op.id("C60").tag(TAG).summary("List")))
        .api_route(
            &format!("{all}/init"),
            post_with(handlers::init, |op| op.id("C58").tag(TAG).summary("Start a report upload")),
        )
        .api_route(
            &format!("{all}/{{report_id}}"),
            get_with(handlers::show, |op| op.id("C61").tag(TAG).summary("One, with its address"))
                .delete_with(handlers::remove, |op| op.id("C62").tag(TAG).summary("Delete")),
        )
        .api_route(
            &format!("{all}/{{report_id}}/complete"),
            post_with(handlers::complete, |op| op.id("C59").tag(TAG).summary("Finalise a report upload")),
        )
}
