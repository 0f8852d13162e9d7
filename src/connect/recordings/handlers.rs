//! Thin: extract, call ops, wrap.

use axum::extract::State;
use consilium_storage::connect::recordings::RecordingOut;
use consilium_storage::ids::{RecordingId, SessionId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ops;
use crate::accounts::caller::{Caller, Participant};
use crate::app::App;
use crate::connect::sessions::wire::SessionPath;
use crate::error::Result;
use crate::http::input::{Input, PathOnly, PathQuery};
use crate::http::paging::{Paging, Portion};
use crate::http::reply::{Answer, Stored};

/// A recording in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct RecordingPath {
    /// The session.
    session_id: SessionId,
    /// Its recording.
    recording_id: RecordingId,
}

/// 55: 200 with the recording that is running already.
pub(super) async fn start(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Stored<RecordingOut>> {
    let (created, view) = ops::start(&app, &caller, path.session_id).await?;
    Ok(Stored { created, view })
}

/// 56.
pub(super) async fn stop(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<RecordingPath>,
) -> Result<Answer<RecordingOut>> {
    Ok(Answer(ops::stop(&app, &caller, path.session_id, path.recording_id).await?))
}

/// 57: newest first.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, query, .. }: PathQuery<SessionPath, Paging>,
) -> Result<Answer<Portion<RecordingOut>>> {
    let (items, total) = ops::list(&app, &caller, path.session_id, (query.limit, query.offset)).await?;
    Ok(Answer(Portion::new(items, total, query.limit, query.offset)))
}
