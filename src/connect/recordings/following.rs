//! What the recorder says of a recording, by webhook (47) and by its own list. Webhooks get lost, come late and come
//! twice; a recorder may die; LiveKit may be away for hours. So every recording that the recorder may still be at is
//! looked at again and again, until it is known to be done with it or its time is up (connect-v2 §4.4).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::audit::{self, Entry};
use consilium_storage::connect::recordings::{self, Recording};
use consilium_storage::connect::sessions::{Session, room_name};
use consilium_storage::events::Event;
use consilium_storage::states::Step;
use consilium_storage::states::recording::{self, Status, transition};
use consilium_storage::tx::Tx;
use futures_util::{StreamExt, stream};

use super::ops::{LATE_FILE, count, fail_locked, held_session, stop_locked};
use crate::app::App;
use crate::connect::stored;
use crate::error::Result;
use crate::gateways::media::recorder::{Listed, Which};
use crate::gateways::media::{EgressReport, EgressStatus};

/// How many recordings of each kind one round looks at, and how many side by side.
const ROUND: i64 = 250;
const AT_ONCE: usize = 8;

/// What a round looks at, each kind by itself, so that many of one keep none of another waiting.
const KINDS: [&[Status]; 3] =
    [&[Status::Starting, Status::Recording], &[Status::Processing], &[Status::Dropped, Status::Failed, Status::Ready]];

/// How long a recording may be missing from the recorder's list: it may be about to be put there.
const GRACE: TimeDelta = TimeDelta::seconds(90);
/// How long a start may run whose beginning nobody was told of: the call that began it takes less, or has ended with its
/// node.
const UNTOLD: TimeDelta = TimeDelta::seconds(15);
/// How often a running recording's sign of life is written down.
const BEAT: TimeDelta = TimeDelta::seconds(60);
/// Without a report for so long it has FAILED (connect-v2 §4.4).
const SILENCE: TimeDelta = TimeDelta::hours(1);
/// How long a recorder that cannot be asked is asked to stop what is over.
const FORGET: TimeDelta = TimeDelta::hours(24);

/// What a report comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The recorder is at it.
    Alive,
    /// The file is written.
    Done {
        /// Its size, where somebody knows it.
        size_bytes: Option<i64>,
        /// How long it plays, where the recorder says.
        duration: Option<Duration>,
        /// Whether it is in the store, as far as that could be asked.
        is_there: bool,
    },
    /// There is no file.
    Failed,
    /// The recorder has ended it; the store, which alone knows of a file, cannot be asked.
    Ended,
}

/// Reads a report; of a file that is said to be written the store is asked. Outside of any transaction: both may take
/// their time.
pub async fn look_for_file(app: &App, recording: &Recording, report: &EgressReport) -> Word {
    match report.status {
        EgressStatus::Running | EgressStatus::Unknown => return Word::Alive,
        EgressStatus::Failed => {
            tracing::warn!(recording.id = %recording.id, egress.id = %report.egress_id, "the recorder failed");
            return Word::Failed;
        }
        EgressStatus::Complete | EgressStatus::LimitReached => {}
    }
    let stored = app.files.size(&recording.object()).await;
    let signed = |size: u64| i64::try_from(size).ok();
    let duration = report.file.as_ref().map(|file| file.duration).filter(|duration| !duration.is_zero());
    match (&report.file, stored) {
        (_, Ok(Some(size))) => Word::Done { size_bytes: signed(size), duration, is_there: true },
        // The recorder has the word (connect-v2 §4.4); that it writes elsewhere is the operator's to hear.
        (Some(file), stored) => Word::Done { size_bytes: signed(file.size_bytes), duration, is_there: stored.is_err() },
        (None, Ok(None)) => Word::Failed,
        // Asked again in the next round.
        (None, Err(_)) => Word::Ended,
    }
}

/// Asks the store for the file of a recording that the recorder has forgotten. One that was stopped may still be arriving.
async fn seek(app: &App, recording: &Recording) -> Word {
    let egress_id = recording.egress_id.clone().unwrap_or_default();
    let report = EgressReport { egress_id, status: EgressStatus::Complete, file: None, error: None };
    match look_for_file(app, recording, &report).await {
        Word::Failed if recording.status == Status::Processing => Word::Ended,
        word => word,
    }
}

/// Takes a word, in the transaction that holds the session. What is over stays as it is.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn hear(tx: &mut Tx, session: &Session, recording: Recording, word: Word, at: DateTime<Utc>) -> Result<()> {
    let now = tx.now();
    let (size_bytes, duration, is_there) = match word {
        Word::Alive => return Ok(recordings::set_heard(tx.conn(), &[recording.id], now).await?),
        Word::Failed if recording.status.is_final() => return settle(tx, recording).await,
        Word::Failed => {
            note(tx, session, "recording.fail").await?;
            return fail_locked(tx, session, recording, Some(now)).await.map(drop);
        }
        Word::Ended => return hear_ended(tx, session, recording, at).await,
        Word::Done { size_bytes, duration, is_there } => (size_bytes, duration, is_there),
    };
    let mut recording = stop_locked(tx, session, recording, at).await?;
    let from = recording.status;
    let Ok(Step::To(to)) = transition(from, recording::Event::Finish) else {
        return put_away(tx, recording).await;
    };
    let between = || Some(recording.stopped_at? - recording.started_at?);
    let seconds = duration.map_or_else(|| between().map(|span| span.num_seconds()), |span| Some(rounded(span)));
    recording.duration_seconds = seconds.and_then(|seconds| i32::try_from(seconds.max(0)).ok());
    recording.size_bytes = size_bytes;
    recording.status = to;
    recording.settled_at = Some(now);
    recordings::save(tx.conn(), &recording, from).await?;
    tx.emit(Event::RecordingReady(recording.view()), &session.parties());
    note(tx, session, "recording.ready").await?;
    count("ready");
    if !is_there {
        count("file_missing");
        tracing::warn!(recording.id = %recording.id, "a recording is ready that is not in the file store");
    }
    Ok(())
}

/// The recorder has ended it, and whether there is a file cannot be known: nobody is recorded any more, which is said at
/// once, and a file has its time to be found.
async fn hear_ended(tx: &mut Tx, session: &Session, recording: Recording, at: DateTime<Utc>) -> Result<()> {
    let recording = stop_locked(tx, session, recording, at).await?;
    match without_file(&recording, tx.now()) {
        Act::Fail(_) => {
            note(tx, session, "recording.fail").await?;
            fail_locked(tx, session, recording, Some(tx.now())).await.map(drop)
        }
        Act::Settle => put_away(tx, recording).await,
        _ => Ok(()),
    }
}

/// The recorder is done with one that was over before. A file of it nobody is to have, and it may have come after what was
/// failed with it was swept.
async fn put_away(tx: &mut Tx, recording: Recording) -> Result<()> {
    if matches!(recording.status, Status::Failed | Status::Dropped) {
        let now = tx.now();
        stored::give_up(tx, &recording.object(), now).await?;
    }
    settle(tx, recording).await
}

/// Whole seconds, as a player shows them.
fn rounded(span: Duration) -> i64 {
    i64::try_from((span + Duration::from_millis(500)).as_secs()).unwrap_or(i64::MAX)
}

async fn note(tx: &mut Tx, session: &Session, action: &str) -> Result<()> {
    let (subject, session) = (Some(session.patient_id), Some(session.id));
    let entry = Entry { at: tx.now(), actor: None, role: "system", action, subject, session };
    Ok(audit::append(tx.conn(), entry).await?)
}

/// The recorder is done with it.
async fn settle(tx: &mut Tx, mut recording: Recording) -> Result<()> {
    recording.settled_at = Some(tx.now());
    recordings::save(tx.conn(), &recording, recording.status).await?;
    Ok(())
}

/// What is known of a recording now.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// The recorder is at it.
    Active(String),
    /// The recorder has ended it.
    Over(EgressReport),
    /// The recorder knows nothing of it.
    Absent,
    /// The recorder could not be asked.
    Silent,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Wait,
    /// A sign of life.
    Heard,
    /// What the report says.
    Report,
    /// The recorder has forgotten it: the store knows whether it was written.
    Seek,
    /// It came to nothing; settled or not.
    Fail(bool),
    /// It is over for the recorder too.
    Settle,
}

/// The one rule of how long is waited for whom. `keeps_whole` says that the store has an object only when all of it was
/// written: on a disk what a dead recorder leaves may be half a file.
fn decide(recording: &Recording, known: &Known, now: DateTime<Utc>, keeps_whole: bool) -> Act {
    let quiet = now - recording.heard_at;
    let after = |limit: TimeDelta, act: Act| if quiet >= limit { act } else { Act::Wait };
    let overdue = if is_overdue(recording, now) { Act::Fail(false) } else { Act::Wait };
    match (recording.status, known) {
        (Status::Starting, Known::Active(_)) => after(UNTOLD, Act::Fail(false)),
        (Status::Starting, Known::Silent) => after(GRACE, Act::Fail(false)),
        (Status::Starting, Known::Over(_) | Known::Absent) => after(GRACE, Act::Fail(true)),
        // Also one that is over for us, and is stopped until it is over there: what is known to run is not forgotten.
        (Status::Recording | Status::Dropped | Status::Failed | Status::Ready, Known::Active(_)) => {
            after(BEAT, Act::Heard)
        }
        (_, Known::Over(_)) => Act::Report,
        (Status::Recording | Status::Processing, Known::Absent) if keeps_whole && quiet < SILENCE => {
            after(GRACE, Act::Seek)
        }
        (Status::Recording, Known::Absent) => after(GRACE, Act::Fail(true)),
        // Its file may be reported later than the list forgets it.
        (Status::Processing, Known::Absent) if is_overdue(recording, now) => Act::Fail(true),
        (Status::Processing, Known::Absent) => Act::Wait,
        (Status::Recording, Known::Silent) => after(SILENCE, Act::Fail(false)),
        (Status::Processing, Known::Active(_) | Known::Silent) => overdue,
        (Status::Dropped | Status::Failed | Status::Ready, Known::Absent) => after(GRACE, Act::Settle),
        (Status::Dropped | Status::Failed | Status::Ready, Known::Silent) => after(FORGET, Act::Settle),
    }
}

/// What becomes of one that the recorder has ended and of whose file nothing can be known.
fn without_file(recording: &Recording, now: DateTime<Utc>) -> Act {
    match recording.status {
        Status::Processing if is_overdue(recording, now) => Act::Fail(true),
        Status::Dropped | Status::Failed | Status::Ready => Act::Settle,
        Status::Processing | Status::Starting | Status::Recording => Act::Wait,
    }
}

/// Whether a file has had its time.
fn is_overdue(recording: &Recording, now: DateTime<Utc>) -> bool {
    now - recording.stopped_at.unwrap_or(recording.heard_at) >= SILENCE
}

/// Whether the recorder is to be told now that it should not be at it any more: each round, and after a day, when it has
/// not listened, with each sign of life.
fn is_over(recording: &Recording, act: Act, now: DateTime<Utc>) -> bool {
    let is_old = now - recording.stopped_at.unwrap_or(recording.requested_at) >= FORGET;
    match (recording.status, act) {
        (_, Act::Fail(_)) => true,
        (Status::Starting | Status::Recording, _) => false,
        (_, Act::Wait) => !is_old,
        _ => true,
    }
}

/// Looks at every recording that the recorder may still be at.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn follow(app: &App) -> Result<()> {
    let mut open = Vec::new();
    for kind in KINDS {
        open.append(&mut recordings::list_unsettled(&mut *app.conn().await?, kind, ROUND).await?);
    }
    if open.is_empty() {
        return Ok(());
    }
    // One question for all that run; only the rest is asked for one by one.
    let active = app.media.recordings(Which::Active).await.ok();
    let active = active.as_deref();
    stream::iter(open)
        .map(|recording| async move { look(app, active, recording).await })
        .buffer_unordered(AT_ONCE)
        .fold(Ok(()), |sum, looked| async move { sum.and(looked) })
        .await
}

async fn look(app: &App, active: Option<&[Listed]>, recording: Recording) -> Result<()> {
    let known = known(app, active, &recording).await;
    let act = decide(&recording, &known, app.now(), app.files.disk().is_none());
    if let Known::Active(egress_id) = &known
        && is_over(&recording, act, app.now())
    {
        // Heard by the next round if not now.
        app.media.stop_recording(egress_id).await.ok();
    }
    let word = match (act, &known) {
        (Act::Wait, _) => return Ok(()),
        (Act::Heard, _) => Some(Word::Alive),
        (Act::Report, Known::Over(report)) => Some(look_for_file(app, &recording, report).await),
        (Act::Seek, _) => Some(seek(app, &recording).await),
        _ => None,
    };
    let mut tx = app.begin().await?;
    let now = tx.now();
    let session = held_session(&mut tx, recording.session_id).await?;
    let Some(mut found) = recordings::find(tx.conn(), recording.id).await? else { return Ok(()) };
    match (word, act) {
        (Some(word), _) => hear(&mut tx, &session, found, word, now).await?,
        // It moved while the recorder was asked.
        _ if found.status != recording.status => return Ok(()),
        (None, Act::Fail(is_settled)) => {
            if let Known::Active(egress_id) = known {
                found.egress_id = Some(egress_id);
            }
            note(&mut tx, &session, "recording.fail").await?;
            fail_locked(&mut tx, &session, found, is_settled.then_some(now)).await?;
        }
        (None, _) => {
            if matches!(found.status, Status::Failed | Status::Dropped) {
                // It may still be sending what it had.
                stored::give_up(&mut tx, &found.object(), now + LATE_FILE).await?;
            }
            settle(&mut tx, found).await?;
        }
    }
    app.commit(tx).await
}

async fn known(app: &App, active: Option<&[Listed]>, recording: &Recording) -> Known {
    let Some(active) = active else { return Known::Silent };
    let is_it = |listed: &&Listed| match &recording.egress_id {
        Some(id) => listed.report.egress_id == *id,
        // A start that nobody heard the answer of: the file's name tells.
        None => listed.path.as_ref().is_some_and(|path| path.ends_with(&recording.object_key)),
    };
    if let Some(listed) = active.iter().find(is_it) {
        return Known::Active(listed.report.egress_id.clone());
    }
    let room = room_name(recording.session_id);
    let which = recording.egress_id.as_deref().map_or(Which::Room(&room), Which::One);
    let Ok(listed) = app.media.recordings(which).await else { return Known::Silent };
    match listed.iter().find(is_it) {
        Some(listed) => match listed.report.status {
            // It has begun since.
            EgressStatus::Running => Known::Active(listed.report.egress_id.clone()),
            // A state that came with a later LiveKit, and not one of those that it calls active.
            EgressStatus::Unknown => Known::Absent,
            EgressStatus::Complete | EgressStatus::LimitReached | EgressStatus::Failed => {
                Known::Over(listed.report.clone())
            }
        },
        None => Known::Absent,
    }
}

#[cfg(test)]
mod tests {
    use consilium_storage::connect::Actor;
    use consilium_storage::ids::{RecordingId, SessionId};

    use super::*;

    fn recording(status: Status, quiet: TimeDelta, now: DateTime<Utc>) -> Recording {
        let heard_at = now - quiet;
        Recording {
            id: RecordingId::new(),
            session_id: SessionId::new(),
            status,
            started_by: Actor::Doctor,
            object_key: "key".to_owned(),
            egress_id: Some("EG_1".to_owned()),
            requested_at: heard_at,
            started_at: Some(heard_at),
            stopped_at: (status != Status::Recording).then_some(heard_at),
            heard_at,
            duration_seconds: None,
            size_bytes: None,
            settled_at: None,
        }
    }

    fn report(status: EgressStatus) -> EgressReport {
        EgressReport { egress_id: "EG_1".to_owned(), status, file: None, error: None }
    }

    /// Whatever the recorder says or does not say, a recording is brought to an end, also where the store never answers: one
    /// that the recorder is really at is the one thing that may go on for ever, and unless it is RECORDING it is stopped.
    #[test]
    fn none_sticks() {
        let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(9);
        let long = TimeDelta::hours(25);
        for status in Status::ALL {
            let known = [
                Known::Active("EG_1".to_owned()),
                Known::Over(report(EgressStatus::Complete)),
                Known::Absent,
                Known::Silent,
            ];
            let stores = known.into_iter().flat_map(|known| [(known.clone(), true), (known, false)]);
            for (known, keeps_whole) in stores {
                let recording = recording(status, long, now);
                let act = decide(&recording, &known, now, keeps_whole);
                let may_go_on = status == Status::Recording || status.is_final();
                let goes_on = may_go_on && matches!(known, Known::Active(_));
                let ends = match act {
                    // One that runs is stopped by any report, and has its time as PROCESSING from then on.
                    Act::Report => status == Status::Recording || without_file(&recording, now) != Act::Wait,
                    Act::Fail(_) | Act::Settle => true,
                    Act::Wait | Act::Heard | Act::Seek => false,
                };
                assert_eq!(ends, !goes_on, "{status:?} {known:?}: {act:?}");
                assert!(
                    !goes_on || is_over(&recording, act, now) == status.is_final(),
                    "{status:?} {known:?}: {act:?}"
                );
            }
        }
    }

    #[test]
    fn nobody_is_given_up_early() {
        let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(9);
        let act = |status, quiet, known: Known| decide(&recording(status, quiet, now), &known, now, true);
        let second = TimeDelta::seconds(1);
        assert_eq!(act(Status::Recording, SILENCE - second, Known::Silent), Act::Wait);
        assert_eq!(act(Status::Recording, SILENCE, Known::Silent), Act::Fail(false));
        assert_eq!(act(Status::Recording, GRACE - second, Known::Absent), Act::Wait);
        assert_eq!(act(Status::Recording, GRACE, Known::Absent), Act::Seek);
        assert_eq!(act(Status::Processing, GRACE, Known::Absent), Act::Seek);
        assert_eq!(act(Status::Processing, SILENCE, Known::Absent), Act::Fail(true));
        let on_disk = |status, quiet| decide(&recording(status, quiet, now), &Known::Absent, now, false);
        assert_eq!(on_disk(Status::Recording, GRACE), Act::Fail(true));
        assert_eq!(on_disk(Status::Starting, GRACE), Act::Fail(true));
        assert_eq!(on_disk(Status::Processing, SILENCE - second), Act::Wait);
        assert_eq!(on_disk(Status::Processing, SILENCE), Act::Fail(true));
        assert_eq!(act(Status::Processing, SILENCE - second, Known::Active("x".to_owned())), Act::Wait);
        assert_eq!(act(Status::Processing, SILENCE, Known::Active("x".to_owned())), Act::Fail(false));
        assert_eq!(act(Status::Starting, GRACE - second, Known::Absent), Act::Wait);
        assert_eq!(act(Status::Starting, GRACE - second, Known::Silent), Act::Wait);
        // It runs, and nobody was told: sooner.
        assert_eq!(act(Status::Starting, UNTOLD - second, Known::Active("x".to_owned())), Act::Wait);
        assert_eq!(act(Status::Starting, UNTOLD, Known::Active("x".to_owned())), Act::Fail(false));
        assert_eq!(act(Status::Failed, GRACE - second, Known::Absent), Act::Wait);
        // A recorder that is known to be at it is stopped for as long as it takes; one that cannot be asked for a day.
        assert_eq!(act(Status::Failed, FORGET, Known::Active("x".to_owned())), Act::Heard);
        assert_eq!(act(Status::Failed, FORGET - second, Known::Silent), Act::Wait);
        assert_eq!(act(Status::Failed, FORGET, Known::Silent), Act::Settle);
    }

    #[test]
    fn a_file_that_nobody_can_be_asked_about_has_an_hour() {
        let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(9);
        let act = |status, quiet| without_file(&recording(status, quiet, now), now);
        assert_eq!(act(Status::Processing, SILENCE - TimeDelta::seconds(1)), Act::Wait);
        assert_eq!(act(Status::Processing, SILENCE), Act::Fail(true));
        for status in [Status::Dropped, Status::Failed, Status::Ready] {
            assert_eq!(act(status, TimeDelta::zero()), Act::Settle, "{status:?}");
        }
    }

    #[test]
    fn what_is_over_is_stopped() {
        let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(9);
        for status in Status::ALL {
            let is_open = matches!(status, Status::Starting | Status::Recording);
            assert_eq!(is_over(&recording(status, GRACE, now), Act::Wait, now), !is_open);
            assert!(is_over(&recording(status, GRACE, now), Act::Fail(false), now));
        }
    }

    #[test]
    fn seconds_are_rounded() {
        assert_eq!(rounded(Duration::from_millis(1499)), 1);
        assert_eq!(rounded(Duration::from_millis(1500)), 2);
    }
}
