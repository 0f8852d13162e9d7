//! Recordings of consultations (connect-v2 §3.10): the media server's recorder makes them, both parties are told of them
//! at once, and what the recorder says is compared with what it lists, so that none sticks (docs/decisions/023).

mod following;
mod handlers;
mod ops;

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;

use crate::app::App;

pub use following::{Word, follow, hear, look_for_file};
pub use ops::{halt, stop_locked};

const TAG: &str = "Recordings";

/// The routes 55 to 57.
pub fn router() -> ApiRouter<App> {
    let all = "/api/v2/connect/sessions/{session_id}/recordings";
    ApiRouter::new()
        .api_route(
            all,
            post_with(handlers::start, |op| op.id("C55").tag(TAG).summary("Record the consultation"))
                .get_with(handlers::list, |op| op.id("C57").tag(TAG).summary("The session's recordings")),
        )
        .api_route(
            &format!("{all}/{{recording_id}}/stop"),
            post_with(handlers::stop, |op| op.id("C56").tag(TAG).summary("Stop recording")),
        )
}
