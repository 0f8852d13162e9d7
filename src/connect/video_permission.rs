//! The patient's camera (connect-v2 §3.13): the doctor offers, the patient consents, either withdraws.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::State;
use consilium_realtime::engine::Origin;
use consilium_storage::connect::Actor;
use consilium_storage::connect::payloads;
use consilium_storage::connect::sessions::{self, Session, room_name};
use consilium_storage::events::Event as Emitted;
use consilium_storage::ids::SessionId;
use consilium_storage::states::session::Status;
use consilium_storage::states::video::{self, Event, State as Permission};
use consilium_storage::states::{Illegal, Step};
use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::caller::{Account, Caller, Client, Doctor, Participant};
use crate::app::App;
use crate::connect::sessions::access::{participant, participant_for_update};
use crate::connect::sessions::wire::SessionPath;
use crate::error::{Code, Error, Result};
use crate::gateways::media::{self, CameraRight};
use crate::http::input::{Input, PathOnly};
use crate::http::reply::Answer;

const TAG: &str = "Video permission";

/// The routes 73 to 79.
pub fn router() -> ApiRouter<App> {
    let one = "/api/v2/connect/sessions/{session_id}/video-permission";
    ApiRouter::new()
        .api_route(one, get_with(show, |op| op.id("C73").tag(TAG).summary("Current state")))
        .api_route(&format!("{one}/allow"), post_with(allow, |op| op.id("C74").tag(TAG).summary("Offer video")))
        .api_route(&format!("{one}/accept"), post_with(accept, |op| op.id("C75").tag(TAG).summary("Consent, video on")))
        .api_route(&format!("{one}/decline"), post_with(decline, |op| op.id("C76").tag(TAG).summary("Refuse")))
        .api_route(&format!("{one}/revoke"), post_with(revoke, |op| op.id("C77").tag(TAG).summary("Withdraw")))
        .api_route(
            &format!("{one}/off"),
            post_with(off, |op| op.id("C78").tag(TAG).summary("Camera off, consent kept")),
        )
        .api_route(&format!("{one}/on"), post_with(on, |op| op.id("C79").tag(TAG).summary("Camera on again")))
}

/// The body of all of them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VideoPermission {
    /// The session.
    pub session_id: SessionId,
    /// The state.
    pub video_permission_state: Permission,
    /// True exactly in VIDEO_ON.
    pub patient_video_enabled: bool,
    /// How many offers were made.
    pub consent_round: i32,
}

impl VideoPermission {
    fn new(session: &Session) -> Self {
        Self {
            session_id: session.id,
            video_permission_state: session.video_state,
            patient_video_enabled: session.video_state.patient_video_enabled(),
            consent_round: session.consent_round,
        }
    }
}

type Reply = Result<Answer<VideoPermission>>;

async fn show(State(app): State<App>, caller: Caller<Participant>, input: PathOnly<SessionPath>) -> Reply {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), &caller, input.path.session_id).await?;
    caller.note(&mut tx, "video.read", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    Ok(Answer(VideoPermission::new(&session)))
}

async fn allow(State(app): State<App>, caller: Caller<Doctor>, Input { path, .. }: PathOnly<SessionPath>) -> Reply {
    Ok(Answer(act(&app, &caller, path.session_id, Event::Allow, None).await?))
}

async fn accept(State(app): State<App>, caller: Caller<Client>, Input { path, .. }: PathOnly<SessionPath>) -> Reply {
    Ok(Answer(act(&app, &caller, path.session_id, Event::Accept, None).await?))
}

async fn decline(State(app): State<App>, caller: Caller<Client>, Input { path, .. }: PathOnly<SessionPath>) -> Reply {
    Ok(Answer(act(&app, &caller, path.session_id, Event::Decline, None).await?))
}

async fn revoke(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Reply {
    Ok(Answer(act(&app, &caller, path.session_id, Event::Revoke, None).await?))
}

async fn off(State(app): State<App>, caller: Caller<Client>, Input { path, .. }: PathOnly<SessionPath>) -> Reply {
    Ok(Answer(act(&app, &caller, path.session_id, Event::Off, None).await?))
}

async fn on(State(app): State<App>, caller: Caller<Client>, Input { path, .. }: PathOnly<SessionPath>) -> Reply {
    Ok(Answer(act(&app, &caller, path.session_id, Event::On, None).await?))
}

/// Moves the permission.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE` unless ONGOING, 409 `ILLEGAL_TRANSITION` with `current_state`.
pub async fn act(
    app: &App,
    caller: &Account,
    id: SessionId,
    event: Event,
    origin: Option<Origin>,
) -> Result<VideoPermission> {
    let mut tx = app.begin().await?;
    let (mut session, party) = participant_for_update(tx.conn(), caller, id).await?;
    let status = session.status_at(tx.now());
    if status != Status::Ongoing {
        return Err(Error::invalid_session_state(status.as_str()));
    }
    let from = session.video_state;
    let to = match video::transition(from, event) {
        Ok(Step::To(to)) => to,
        Ok(Step::Held) => {
            let view = VideoPermission::new(&session);
            app.acknowledge(origin, &view)?;
            return Ok(view);
        }
        Err(Illegal) => return Err(illegal(from)),
    };
    session.video_state = to;
    session.consent_round += i32::from(event == Event::Allow);
    sessions::set_video_state(tx.conn(), id, from, to, session.consent_round).await?;
    tx.emit(Emitted::VideoPermission(payload(&session, party.into())), &session.parties());
    caller.note(&mut tx, action(event), session.patient_id, Some(id)).await?;
    let view = VideoPermission::new(&session);
    app.commit_for(tx, origin, &view).await?;
    enforce(app, &session);
    Ok(view)
}

/// The event's data.
#[must_use]
pub fn payload(session: &Session, by: Actor) -> payloads::VideoPermission {
    payloads::VideoPermission {
        session_id: session.id,
        video_permission_state: session.video_state,
        patient_video_enabled: session.video_state.patient_video_enabled(),
        consent_round: session.consent_round,
        by,
    }
}

/// Brings the running room in line with the permission, in the background: the answer does not wait for the media
/// server, and the reconciler makes up for one that is away (settled 18).
pub fn enforce(app: &App, session: &Session) {
    let (app, id, patient) = (app.clone(), session.id, session.patient_id);
    let tracker = app.tracker.clone();
    tracker.spawn(async move {
        let Ok(Some(live)) = app.engine.session_now(id).await else { return };
        // Read again before each attempt, so that a slow permit never lands after a revoke.
        let right = move || camera_right(live.status(), live.video().0);
        let party = media::Party::Patient(patient.0);
        if let Err(error) = app.media.enforce_camera(&room_name(id), party, &right).await {
            tracing::debug!(%error, session.id = %id, "camera right not applied yet");
        }
    });
}

/// What the room may take of the patient: the camera with consent in a running session; nothing to say about others.
#[must_use]
pub fn camera_right(status: Status, state: Permission) -> Option<CameraRight> {
    (status == Status::Ongoing).then(|| state.camera_allowed().into())
}

fn illegal(current: Permission) -> Error {
    Error::conflict(Code::IllegalTransition, format!("not possible while the permission is {}", current.as_str()))
        .with("current_state", current.as_str())
}

const fn action(event: Event) -> &'static str {
    match event {
        Event::Allow => "video.allow",
        Event::Accept => "video.accept",
        Event::Decline => "video.decline",
        Event::Revoke => "video.revoke",
        Event::Off => "video.off",
        Event::On => "video.on",
        Event::Reset => "video.reset",
    }
}
