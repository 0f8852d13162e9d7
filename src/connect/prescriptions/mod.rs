//! Prescriptions (connect-v2 §3.12, 65–68): written by the doctor of a consultation, in versions, read by both parties and
//! printed as PDF.

mod handlers;
mod ops;
mod pdf;
mod printing;
mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use crate::app::App;
use crate::error::Error;

const TAG: &str = "Prescriptions";

/// There is none yet.
const NOT_FOUND: Error = Error::NotFound("Prescription");

/// The routes 65 to 68.
pub fn router() -> ApiRouter<App> {
    let one = "/api/v2/connect/sessions/{session_id}/prescription";
    ApiRouter::new()
        .api_route(
            one,
            post_with(handlers::create, |op| op.id("C65").tag(TAG).summary("Write the prescription"))
                .get_with(handlers::show, |op| op.id("C66").tag(TAG).summary("Read the prescription"))
                .put_with(handlers::replace, |op| op.id("C67").tag(TAG).summary("Replace the prescription")),
        )
        .api_route(
            &format!("{one}/pdf"),
            get_with(handlers::pdf, |op| op.id("C68").tag(TAG).summary("A link to the prescription as PDF")),
        )
}
