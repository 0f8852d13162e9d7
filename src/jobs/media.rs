//! Webhooks get lost and tokens are used again: rooms are compared with what was permitted, and put right (DESIGN §5).
//! One node does it for all: whoever comes first when the last round's time is up.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_realtime::hub::sessions::LiveSession;
use consilium_storage::connect::payloads::ParticipantChanged;
use consilium_storage::connect::sessions::{self, Session, room_name, session_of_room};
use consilium_storage::connect::{calls, media};
use consilium_storage::events::Event;
use consilium_storage::ids::SessionId;
use consilium_storage::states::session::Status;
use consilium_storage::turns;
use uuid::Uuid;

use crate::app::App;
use crate::connect::video_permission::camera_right;
use crate::error::Result;
use crate::gateways::media::reconcile::{LiveRooms, Reconciled, Seen, reconcile_all};
use crate::gateways::media::{CameraRight, MediaError, Participant};

/// How often.
const EVERY: Duration = Duration::from_secs(5);
/// How long a round is one node's: less than a period, so that the node that had it comes in time for the next.
const TURN: TimeDelta = TimeDelta::seconds(4);

/// How long a room may take to close with its consultation, a person to be seen in it who has just joined, and the word of
/// that to come.
const CLOSES: TimeDelta = TimeDelta::seconds(10);
/// How many consultations one round looks at; the next one goes on after them.
const LOOKED_AT: i64 = 1000;
/// How many rooms one round closes.
const CLOSED: i64 = 20;

/// How often all open rooms are looked through for those whose consultations are over, and for how long that is one node's.
const SURVEY_EVERY: Duration = Duration::from_secs(60);
const SURVEY_TURN: TimeDelta = TimeDelta::seconds(55);
/// How many of them are looked into because nobody was said to be there.
const UNTOLD: usize = 100;
/// For how long after the last request it is worth asking: more than the longest life of a token.
const SURVEYED: TimeDelta = TimeDelta::hours(24);

/// The rooms of one round.
struct Round(HashMap<String, Known>);

struct Known {
    /// The right as Postgres had it when the round began.
    right: CameraRight,
    /// The session in memory, where that agreed: it hears of changes during the round. Memory that did not agree may
    /// have missed what another node did.
    live: Option<Arc<LiveSession>>,
}

impl Known {
    fn now(&self) -> Option<CameraRight> {
        self.live.as_deref().map_or(Some(self.right), right_in_memory)
    }
}

fn right_in_memory(live: &LiveSession) -> Option<CameraRight> {
    camera_right(live.status(), live.video().0)
}

impl Round {
    fn of(app: &App, running: &[Session]) -> Self {
        let known = running.iter().filter_map(|session| {
            let right = camera_right(session.status, session.video_state)?;
            let live = app.engine.sessions().known(session.id).filter(|live| right_in_memory(live) == Some(right));
            Some((room_name(session.id), Known { right, live }))
        });
        Self(known.collect())
    }

    /// What has changed since the other round's beginning.
    fn since(mut self, other: &Self) -> Self {
        self.0.retain(|room, known| other.0.get(room).is_none_or(|before| before.right != known.right));
        self
    }
}

impl LiveRooms for Round {
    fn rooms(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn camera(&self, room: &str) -> Option<CameraRight> {
        self.0.get(room)?.now()
    }
}

/// Starts the rounds.
pub(super) fn start(app: &App) {
    let rounds = Rounds::default();
    super::every(app, "media reconciler", EVERY, move |app| {
        let rounds = rounds.clone();
        async move { rounds.look(&app).await.map(drop) }
    });
    super::every(app, "media survey", SURVEY_EVERY, |app| async move { survey(&app).await.map(drop) });
}

/// Rounds that go on where the last one stopped, so that none of many consultations is left out.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    after: Arc<Mutex<Option<SessionId>>>,
}

impl Rounds {
    /// One round, if it is this node's turn. Answers whether it was.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn look(&self, app: &App) -> Result<bool> {
        self.look_at(app, LOOKED_AT).await
    }

    /// As [`Rounds::look`], at so many consultations.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn look_at(&self, app: &App, count: i64) -> Result<bool> {
        let (asked, now, after) = (std::time::Instant::now(), app.now(), self.after());
        let before = now - CLOSES;
        let running = sessions::list_with_open_calls(&mut *app.conn().await?, after, count).await?;
        let outstayed = media::list_outstayed(&mut *app.conn().await?, before, CLOSED).await?;
        if running.is_empty() {
            self.go_on_after(None);
        }
        let nothing = running.is_empty() && outstayed.is_empty();
        if nothing || !turns::take(&mut *app.conn().await?, "media reconciler", app.now(), TURN).await? {
            return Ok(false);
        }
        let are_more = i64::try_from(running.len()).is_ok_and(|found| found >= count);
        self.go_on_after(running.last().filter(|_| are_more).map(|last| last.id));
        // Memory may lack what another node changed while its signals could not be heard.
        running.iter().for_each(|session| app.engine.sessions().take(session, asked));
        let round = Round::of(app, &running);
        let found = put_right(app, &round).await;
        if found.corrected > 0 {
            // A transition at another node may have come between the look and the change: then it is undone at once.
            let running = sessions::list_with_open_calls(&mut *app.conn().await?, after, count).await?;
            put_right(app, &Round::of(app, &running).since(&round)).await;
        }
        close(app, outstayed).await?;
        note_present(app, &found.seen, now).await?;
        forget_absent(app, &found.seen, before).await?;
        admit_present(app, &found.seen, before).await?;
        Ok(true)
    }

    fn after(&self) -> SessionId {
        let after = self.after.lock().unwrap_or_else(PoisonError::into_inner);
        after.unwrap_or(SessionId(Uuid::nil()))
    }

    fn go_on_after(&self, last: Option<SessionId>) {
        *self.after.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

/// One round by itself. Answers whether it was this node's turn.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn round(app: &App) -> Result<bool> {
    Rounds::default().look(app).await
}

/// Looks at the rooms that nobody was ever said to be in, as their webhooks were lost, or LiveKit could not be told when
/// their consultations ended: those that are over are closed, and whoever is in another has joined it. Answers whether it
/// was this node's turn.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn survey(app: &App) -> Result<bool> {
    let now = app.now();
    let last = media::last_request(&mut *app.conn().await?).await?;
    let is_worth_it = last.is_some_and(|last| now - last < SURVEYED);
    if !is_worth_it || !turns::take(&mut *app.conn().await?, "media survey", now, SURVEY_TURN).await? {
        // Only a call finds out that it is back, and nobody else may make one on this node.
        if app.media.is_away() {
            app.media.open_rooms().await.ok();
        }
        return Ok(false);
    }
    // Where it is away the gateway has said so.
    let Ok(open) = app.media.open_rooms().await else { return Ok(true) };
    let mut ids: Vec<SessionId> = open.iter().filter_map(|room| session_of_room(room)).collect();
    if !ids.is_empty() {
        let over = media::list_over(&mut *app.conn().await?, &ids).await?;
        ids.retain(|id| !over.contains(id));
        close(app, over).await?;
        let seen = look_into_untold(app, ids).await?;
        note_present(app, &seen, now).await?;
        admit_present(app, &seen, now - CLOSES).await?;
    }
    Ok(true)
}

/// Who is in those of these rooms that nobody was said to be in; of some of them where there are more.
async fn look_into_untold(app: &App, ids: Vec<SessionId>) -> Result<Vec<Seen>> {
    let told = media::list_joined(&mut *app.conn().await?, &ids, app.now()).await?;
    let told: HashSet<SessionId> = told.into_iter().map(|(id, _)| id).collect();
    let mut seen = Vec::new();
    for id in ids.into_iter().filter(|id| !told.contains(id)).take(UNTOLD) {
        let room = room_name(id);
        // It is away: the next time.
        let Ok(present) = app.media.participants(&room).await else { break };
        seen.push(Seen { room, present });
    }
    Ok(seen)
}

/// Closes rooms that were open when their consultations ended and LiveKit was away, or this node died then.
async fn close(app: &App, outstayed: Vec<SessionId>) -> Result<()> {
    for id in outstayed {
        match app.media.close_room(&room_name(id)).await {
            Ok(()) => drop(media::clear_room(&mut *app.conn().await?, id, app.now()).await?),
            // It is away: the next round tries again.
            Err(MediaError::Unreachable) => break,
            // The gateway has said why; the other rooms are none the worse.
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whoever is in a room keeps its consultation going, and is the end of what it costs should it end by itself and the word
/// of their leaving be lost.
async fn note_present(app: &App, seen: &[Seen], at: DateTime<Utc>) -> Result<()> {
    let parties = |seen: &&Seen| seen.present.iter().any(|one| one.party.is_some());
    let ids: Vec<SessionId> = seen.iter().filter(parties).filter_map(|seen| session_of_room(&seen.room)).collect();
    if !ids.is_empty() {
        sessions::touch_many(&mut *app.conn().await?, &ids, at).await?;
    }
    Ok(())
}

/// Whoever LiveKit did not have in the room is not there, though the word of it was lost: otherwise the consultation would
/// never be idle. `before` is a time before LiveKit was asked.
async fn forget_absent(app: &App, seen: &[Seen], before: DateTime<Utc>) -> Result<()> {
    let seen: HashMap<SessionId, &[Participant]> =
        seen.iter().filter_map(|seen| Some((session_of_room(&seen.room)?, seen.present.as_slice()))).collect();
    let ids: Vec<SessionId> = seen.keys().copied().collect();
    let mut absent: HashMap<SessionId, Vec<String>> = HashMap::new();
    for (id, identity) in media::list_joined(&mut *app.conn().await?, &ids, before).await? {
        if seen.get(&id).is_some_and(|present| present.iter().all(|one| one.identity != identity)) {
            absent.entry(id).or_default().push(identity);
        }
    }
    for (id, identities) in absent {
        forget(app, id, &identities, before).await?;
    }
    Ok(())
}

async fn forget(app: &App, id: SessionId, identities: &[String], before: DateTime<Utc>) -> Result<()> {
    let mut tx = app.begin().await?;
    let Some(session) = sessions::find(tx.conn(), id).await? else { return Ok(()) };
    let at = tx.now();
    let open = calls::find_connected(tx.conn(), id).await?;
    for identity in identities {
        // Unless they came back meanwhile.
        if media::set_left(tx.conn(), id, identity, before).await? {
            let left = ParticipantChanged::new(id, identity.clone(), at, open.clone());
            tx.emit(Event::ParticipantLeft(left), &session.parties());
        }
    }
    app.commit(tx).await
}

/// Whoever LiveKit has had in the room since `before` is there, though the word of it was lost: otherwise the consultation
/// would be idle while they talk.
async fn admit_present(app: &App, seen: &[Seen], before: DateTime<Utc>) -> Result<()> {
    let ids: Vec<SessionId> = seen.iter().filter_map(|seen| session_of_room(&seen.room)).collect();
    let known = media::list_joined(&mut *app.conn().await?, &ids, app.now()).await?;
    let known: HashSet<(SessionId, String)> = known.into_iter().collect();
    for seen in seen {
        let Some(id) = session_of_room(&seen.room) else { continue };
        let is_unknown = |one: &&Participant| {
            one.party.is_some() && one.joined_at <= before && !known.contains(&(id, one.identity.clone()))
        };
        let unknown: Vec<&Participant> = seen.present.iter().filter(is_unknown).collect();
        if !unknown.is_empty() {
            admit(app, id, &unknown, before).await?;
        }
    }
    Ok(())
}

async fn admit(app: &App, id: SessionId, unknown: &[&Participant], before: DateTime<Utc>) -> Result<()> {
    let mut tx = app.begin().await?;
    let found = sessions::find_for_update(tx.conn(), id).await?;
    // It may have ended meanwhile, or the word of it has come.
    let Some(session) = found.filter(|session| session.status == Status::Ongoing) else { return Ok(()) };
    let now = tx.now();
    let known = media::list_joined(tx.conn(), &[id], now).await?;
    let open = calls::find_connected(tx.conn(), id).await?;
    for one in unknown.iter().filter(|one| known.iter().all(|(_, identity)| *identity != one.identity)) {
        if media::set_joined(tx.conn(), id, &one.identity, before).await? {
            let joined = ParticipantChanged::new(id, one.identity.clone(), one.joined_at, open.clone());
            tx.emit(Event::ParticipantJoined(joined), &session.parties());
        }
    }
    app.commit(tx).await
}

async fn put_right(app: &App, round: &Round) -> Reconciled {
    reconcile_all(&app.media, round).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "media rooms not compared");
        Reconciled::default()
    })
}
