//! Calls inside a consultation (connect-v2 §3.14).

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::State;
use consilium_storage::connect::calls::{self, Call, CallType};
use consilium_storage::connect::payloads::CallChanged;
use consilium_storage::connect::sessions;
use consilium_storage::events::Event;
use consilium_storage::ids::{CallId, SessionId};
use consilium_storage::states::session::Status;
use consilium_storage::states::{Step, call, video};
use schemars::JsonSchema;
use serde::Deserialize;

use super::video_permission;
use crate::accounts::caller::{Caller, Participant};
use crate::app::App;
use crate::connect::sessions::access::{participant, participant_for_update};
use crate::error::{Error, Result};
use crate::http::input::{BodyOnly, Input, PathOnly};
use crate::http::reply::{Answer, Stored};

const TAG: &str = "Calls";

/// The routes 80 to 82.
pub fn router() -> ApiRouter<App> {
    let all = "/api/v2/connect/call-sessions";
    let one = "/api/v2/connect/call-sessions/{call_session_id}";
    ApiRouter::new()
        .api_route(all, post_with(create, |op| op.id("C80").tag(TAG).summary("Create or return the call")))
        .api_route(one, get_with(show, |op| op.id("C81").tag(TAG).summary("One call")))
        .api_route(
            &format!("{one}/end"),
            post_with(end, |op| op.id("C82").tag(TAG).summary("Hang up; the consultation goes on")),
        )
}

/// A call to open.
#[derive(Debug, Deserialize, JsonSchema)]
struct OpenCall {
    connect_session_id: SessionId,
    #[serde(default)]
    call_type: Option<CallType>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CallPath {
    call_session_id: CallId,
}

async fn create(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { body, .. }: BodyOnly<OpenCall>,
) -> Result<Stored<Call>> {
    let mut tx = app.begin().await?;
    let (session, party) = participant_for_update(tx.conn(), &caller, body.connect_session_id).await?;
    let status = session.status_at(tx.now());
    if status != Status::Ongoing {
        return Err(Error::invalid_session_state(status.as_str()));
    }
    if let Some(view) = calls::find_connected(tx.conn(), session.id).await? {
        caller.note(&mut tx, "call.read", session.patient_id, Some(session.id)).await?;
        app.commit(tx).await?;
        return Ok(Stored { created: false, view });
    }
    let id = CallId::new();
    let now = tx.now();
    calls::insert(tx.conn(), id, session.id, body.call_type.unwrap_or_default(), now).await?;
    let view = calls::find(tx.conn(), id).await?.ok_or_else(|| Error::internal("a call that was just opened"))?;
    tx.emit(Event::CallStarted(CallChanged { call: view.clone(), by: Some(party.into()) }), &session.parties());
    caller.note(&mut tx, "call.start", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    Ok(Stored { created: true, view })
}

async fn show(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<CallPath>,
) -> Result<Answer<Call>> {
    let mut tx = app.begin().await?;
    let call = calls::find(tx.conn(), path.call_session_id).await?.ok_or(NOT_FOUND)?;
    let (session, _) = participant(tx.conn(), &caller, call.connect_session_id).await.map_err(as_call)?;
    caller.note(&mut tx, "call.read", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    Ok(Answer(call))
}

async fn end(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<CallPath>,
) -> Result<Answer<Call>> {
    let mut tx = app.begin().await?;
    let call = calls::find(tx.conn(), path.call_session_id).await?.ok_or(NOT_FOUND)?;
    let (mut session, party) =
        participant_for_update(tx.conn(), &caller, call.connect_session_id).await.map_err(as_call)?;
    // Read again under the session's lock: two hang-ups, or a hang-up and the end, may race.
    let mut call = calls::find(tx.conn(), call.id).await?.ok_or(NOT_FOUND)?;
    if call::transition(call.status, call::Event::End) == Ok(Step::Held) {
        return Ok(Answer(call));
    }
    let now = tx.now();
    calls::set_ended(tx.conn(), call.id, now).await?;
    call.status = call::Status::Ended;
    call.ended_at = Some(now);
    let from = session.video_state;
    if let Ok(Step::To(to)) = video::transition(from, video::Event::Reset) {
        sessions::set_video_state(tx.conn(), session.id, from, to, session.consent_round).await?;
        session.video_state = to;
        call.video_permission_state = to;
        call.patient_video_enabled = to.patient_video_enabled();
        let data = video_permission::payload(&session, party.into());
        tx.emit_silently(Event::VideoPermission(data), &session.parties());
    }
    tx.emit(Event::CallEnded(CallChanged { call: call.clone(), by: Some(party.into()) }), &session.parties());
    caller.note(&mut tx, "call.end", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    video_permission::enforce(&app, &session);
    Ok(Answer(call))
}

const NOT_FOUND: Error = Error::NotFound("Call");

/// A stranger's call is not there, in the words of a call.
fn as_call(error: Error) -> Error {
    if matches!(error, Error::NotFound(_)) { NOT_FOUND } else { error }
}
