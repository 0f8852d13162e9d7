//! The operations on recordings. The recorder is never asked while a row is held: it may take seconds to answer.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use consilium_storage::connect::recordings::{self, NewRecording, Recording, RecordingOut};
use consilium_storage::connect::sessions::{self, Session, room_name};
use consilium_storage::events::Event;
use consilium_storage::ids::{RecordingId, SessionId};
use consilium_storage::states::Step;
use consilium_storage::states::recording::{self, Status, transition};
use consilium_storage::states::session;
use consilium_storage::tx::Tx;
use tokio::time::{Instant, sleep};

use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::sessions::access::{participant, participant_for_update};
use crate::connect::stored;
use crate::error::{Code, Error, Result};
use crate::gateways::files::Download;
use crate::gateways::media::MediaError;
use crate::gateways::media::recorder::{self, Target};

/// No such recording, or a stranger's.
const NOT_FOUND: Error = Error::NotFound("Recording");

/// How long a second start waits for what becomes of the first: longer than the recorder may take to answer.
const PATIENCE: Duration = Duration::from_secs(6);
/// How often it looks.
const GLANCE: Duration = Duration::from_millis(100);

/// How long after a recording came to nothing its file is removed: the recorder may still be sending it.
pub(super) const LATE_FILE: TimeDelta = TimeDelta::hours(24);

/// What a start finds.
enum Found {
    /// It is running already.
    Running(Recording),
    /// Somebody is asking the recorder just now.
    Starting,
    /// Nothing: it is this caller's to ask the recorder.
    Mine(Recording, Target),
}

/// Records the session, or answers the recording that runs already, and whether it is new (55).
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE` unless ONGOING, 503 `MEDIA_UNAVAILABLE`.
pub(super) async fn start(app: &App, caller: &Account, id: SessionId) -> Result<(bool, RecordingOut)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match announce(app, caller, id).await? {
            Found::Running(recording) => return Ok((false, recording.view())),
            Found::Mine(recording, target) => return Ok((true, begin(app, recording, target).await?)),
            Found::Starting if Instant::now() < deadline => sleep(GLANCE).await,
            Found::Starting => return Err(unavailable("The recorder does not answer")),
        }
    }
}

/// Writes the row first: nothing is ever recorded that no row knows of.
async fn announce(app: &App, caller: &Account, id: SessionId) -> Result<Found> {
    let mut tx = app.begin().await?;
    let (session, party) = participant_for_update(tx.conn(), caller, id).await?;
    let now = tx.now();
    let status = session.status_at(now);
    if status != session::Status::Ongoing {
        return Err(Error::invalid_session_state(status.as_str()));
    }
    match recordings::find_open(tx.conn(), id).await? {
        Some(open) if open.status == Status::Recording => return Ok(Found::Running(open)),
        Some(_) => return Ok(Found::Starting),
        None => {}
    }
    let target = app.recorder.clone().ok_or_else(|| unavailable("Consultations are not recorded here"))?;
    let recording_id = RecordingId::new();
    let new = NewRecording {
        id: recording_id,
        session_id: id,
        started_by: party.into(),
        object_key: key(app, id, recording_id, now),
        requested_at: now,
    };
    recordings::insert(tx.conn(), &new).await?;
    caller.note(&mut tx, "recording.start", session.patient_id, Some(id)).await?;
    let row = recordings::find(tx.conn(), recording_id).await?;
    app.commit(tx).await?;
    let row = row.ok_or_else(|| Error::internal("a recording that was just written"))?;
    Ok(Found::Mine(row, target))
}

/// Goes on when the client hangs up: a recorder that was asked is also heard.
async fn begin(app: &App, recording: Recording, target: Target) -> Result<RecordingOut> {
    let (task, tracker) = (app.clone(), app.tracker.clone());
    let begun = tracker.spawn(async move {
        let place = task.files.place(&recording.object());
        let asked = task.media.start_recording(&room_name(recording.session_id), &target, &place).await;
        conclude(&task, &recording, asked).await
    });
    begun.await.map_err(Error::internal)?
}

/// RECORDING if the recorder has begun and the session still runs, else DROPPED.
async fn conclude(app: &App, asked_for: &Recording, asked: Result<String, MediaError>) -> Result<RecordingOut> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let session = held_session(&mut tx, asked_for.session_id).await?;
    let mut recording = recordings::find(tx.conn(), asked_for.id).await?.ok_or(NOT_FOUND)?;
    let from = recording.status;
    let is_wanted = session.status_at(now) == session::Status::Ongoing;
    let refused = asked.as_ref().err().cloned();
    recording.egress_id = asked.ok();
    let event =
        if is_wanted && recording.egress_id.is_some() { recording::Event::Begin } else { recording::Event::Drop };
    if let Ok(Step::To(to)) = transition(from, event) {
        recording.status = to;
    }
    if recording.status == Status::Recording {
        recording.started_at = Some(now);
        recording.heard_at = now;
        recordings::save(tx.conn(), &recording, from).await?;
        tx.emit(Event::RecordingStarted(recording.view()), &session.parties());
        app.commit(tx).await?;
        count("begun");
        return Ok(recording.view());
    }
    // Refused outright, nothing was begun; after silence only the recorder's own list tells.
    let is_sure = matches!(refused, Some(MediaError::Refused { .. } | MediaError::NoRoom | MediaError::Invalid(_)));
    recording.settled_at = is_sure.then_some(now);
    recordings::save(tx.conn(), &recording, from).await?;
    stored::give_up(&mut tx, &recording.object(), now + LATE_FILE).await?;
    app.commit(tx).await?;
    count("refused");
    halt(app, recording.session_id);
    match refused {
        _ if !is_wanted => Err(Error::invalid_session_state(session.status_at(now).as_str())),
        Some(error) => Err(away(&error)),
        None => Err(unavailable("The recorder took too long")),
    }
}

/// Stops a recording (56); one that is not running any more is answered as it stands.
///
/// # Errors
/// 404, 503 `MEDIA_UNAVAILABLE`: then it is still running.
pub(super) async fn stop(
    app: &App,
    caller: &Account,
    id: SessionId,
    recording_id: RecordingId,
) -> Result<RecordingOut> {
    let mut conn = app.conn().await?;
    participant(&mut conn, caller, id).await?;
    let recording = recordings::find(&mut conn, recording_id).await?;
    drop(conn);
    let recording = recording.filter(|one| one.session_id == id && one.status.is_visible()).ok_or(NOT_FOUND)?;
    if recording.status != Status::Recording {
        return Ok(recording.view());
    }
    let egress_id = recording.egress_id.ok_or_else(|| Error::internal("a recording that no recorder knows"))?;
    app.media.stop_recording(&egress_id).await.map_err(|error| away(&error))?;
    let mut tx = app.begin().await?;
    let (session, _) = participant_for_update(tx.conn(), caller, id).await?;
    let recording = recordings::find(tx.conn(), recording_id).await?.ok_or(NOT_FOUND)?;
    let now = tx.now();
    let recording = stop_locked(&mut tx, &session, recording, now).await?;
    caller.note(&mut tx, "recording.stop", session.patient_id, Some(id)).await?;
    app.commit(tx).await?;
    Ok(recording.view())
}

/// The recording stops, in the transaction that holds its session: by a party, with the session, or because the recorder
/// or the room ended. A start that is under way comes to nothing.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn stop_locked(
    tx: &mut Tx,
    session: &Session,
    mut recording: Recording,
    at: DateTime<Utc>,
) -> Result<Recording> {
    let from = recording.status;
    let Ok(Step::To(to)) = transition(from, recording::Event::Stop) else { return Ok(recording) };
    recording.status = to;
    // The clock of another node may be a little ahead.
    recording.stopped_at = recording.started_at.map(|started| at.max(started));
    recording.heard_at = recording.heard_at.max(at);
    recordings::save(tx.conn(), &recording, from).await?;
    if to == Status::Processing {
        tx.emit(Event::RecordingStopped(recording.view()), &session.parties());
    } else {
        let due = tx.now() + LATE_FILE;
        stored::give_up(tx, &recording.object(), due).await?;
    }
    Ok(recording)
}

/// The session's recordings, newest first, and how many they are in all (57).
///
/// # Errors
/// 404, 503 `STORAGE_UNAVAILABLE`.
pub(super) async fn list(
    app: &App,
    caller: &Account,
    id: SessionId,
    page: (i64, i64),
) -> Result<(Vec<RecordingOut>, i64)> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), caller, id).await?;
    let (found, total) = recordings::list_of_session(tx.conn(), id, page).await?;
    caller.note(&mut tx, "recording.list", session.patient_id, Some(id)).await?;
    app.commit(tx).await?;
    let mut items = Vec::with_capacity(found.len());
    for recording in &found {
        let link = if recording.status == Status::Ready { Some(address(app, recording).await?) } else { None };
        items.push(RecordingOut { download_url: link, ..recording.view() });
    }
    Ok((items, total))
}

async fn address(app: &App, recording: &Recording) -> Result<String> {
    let now = app.now();
    let day = recording.started_at.unwrap_or(recording.requested_at).format("%Y-%m-%d");
    let shown = Download {
        expires_at: (now + app.config.ttl.signed_url).trunc_subsecs(0),
        content_type: recorder::CONTENT_TYPE.to_owned(),
        filename: format!("recording-{day}.{}", recorder::EXTENSION),
        is_inline: true,
    };
    Ok(app.files.download_link(&recording.object(), &shown, now).await?)
}

/// Tells the recorder, in the background, that the session's recordings are over; what goes wrong is done by
/// [`super::follow`].
pub fn halt(app: &App, id: SessionId) {
    let app = app.clone();
    let tracker = app.tracker.clone();
    tracker.spawn(async move {
        if let Err(error) = halt_now(&app, id).await {
            tracing::debug!(%error, session.id = %id, "a recorder is left to the reconciler");
        }
    });
}

async fn halt_now(app: &App, id: SessionId) -> Result<()> {
    let over = recordings::list_to_halt(&mut *app.conn().await?, id).await?;
    for egress_id in over {
        app.media.stop_recording(&egress_id).await.map_err(|error| away(&error))?;
    }
    Ok(())
}

/// The row of the session, held until the transaction ends.
pub(super) async fn held_session(tx: &mut Tx, id: SessionId) -> Result<Session> {
    let session = sessions::find_for_update(tx.conn(), id).await?;
    session.ok_or_else(|| Error::internal("a recording without its session"))
}

/// It came to nothing: FAILED in the transaction that holds its session, and the file, if any comes, goes later.
///
/// # Errors
/// When Postgres cannot be asked.
pub(super) async fn fail_locked(
    tx: &mut Tx,
    session: &Session,
    mut recording: Recording,
    settled_at: Option<DateTime<Utc>>,
) -> Result<Recording> {
    let from = recording.status;
    let Ok(Step::To(to)) = transition(from, recording::Event::Fail) else { return Ok(recording) };
    let now = tx.now();
    recording.status = to;
    recording.settled_at = settled_at;
    if to == Status::Failed {
        recording.stopped_at = recording.stopped_at.or(Some(now));
        tx.emit(Event::RecordingFailed(recording.view()), &session.parties());
        count("failed");
    }
    recordings::save(tx.conn(), &recording, from).await?;
    stored::give_up(tx, &recording.object(), now + LATE_FILE).await?;
    Ok(recording)
}

pub(super) fn count(outcome: &'static str) {
    metrics::counter!("consilium_recordings_total", "outcome" => outcome).increment(1);
}

/// Environment, session, day, recording: it tells nothing but the consultation.
fn key(app: &App, session: SessionId, id: RecordingId, at: DateTime<Utc>) -> String {
    let (environment, day, extension) = (&app.config.environment, at.format("%Y/%m/%d"), recorder::EXTENSION);
    format!("{environment}/sessions/{session}/recordings/{day}/{id}.{extension}")
}

fn away(error: &MediaError) -> Error {
    match error {
        MediaError::NoRoom => unavailable("Nobody is in the room yet"),
        MediaError::Unreachable | MediaError::Refused { .. } | MediaError::Invalid(_) => {
            unavailable("The recorder cannot be reached")
        }
    }
}

const fn unavailable(detail: &'static str) -> Error {
    Error::Unavailable { code: Code::MediaUnavailable, detail }
}
