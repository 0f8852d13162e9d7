//! Webhooks get lost and tokens are used again: rooms are compared with what was permitted, and put right (DESIGN §5).
//! One node does it for all: whoever comes first when the last round's time is up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_realtime::hub::sessions::LiveSession;
use consilium_storage::connect::media;
use consilium_storage::connect::payloads::ParticipantChanged;
use consilium_storage::connect::sessions::{self, Session, room_name, session_of_room};
use consilium_storage::events::Event;
use consilium_storage::ids::SessionId;
use consilium_storage::turns;

use crate::app::App;
use crate::connect::video_permission::camera_right;
use crate::error::Result;
use crate::gateways::media::reconcile::{LiveRooms, Reconciled, Seen, reconcile_all};
use crate::gateways::media::{CameraRight, MediaError, Party};

/// How often.
const EVERY: Duration = Duration::from_secs(5);
/// How long a round is one node's: less than a period, so that the node that had it comes in time for the next.
const TURN: TimeDelta = TimeDelta::seconds(4);

/// How long a room may take to close with its consultation, and a person to be seen in it who has just joined.
const CLOSES: TimeDelta = TimeDelta::seconds(10);
/// How many rooms one round closes.
const CLOSED: i64 = 20;

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
    super::every(app, "media reconciler", EVERY, |app| async move { round(&app).await.map(drop) });
}

/// One round, if it is this node's turn. Answers whether it was.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn round(app: &App) -> Result<bool> {
    let (asked, now) = (std::time::Instant::now(), app.now());
    let before = now - CLOSES;
    let running = sessions::list_with_open_calls(&mut *app.conn().await?).await?;
    let outstayed = media::list_outstayed(&mut *app.conn().await?, before, CLOSED).await?;
    let nothing = running.is_empty() && outstayed.is_empty();
    if nothing || !turns::take(&mut *app.conn().await?, "media reconciler", app.now(), TURN).await? {
        return Ok(false);
    }
    // Memory may lack what another node changed while its signals could not be heard.
    running.iter().for_each(|session| app.engine.sessions().take(session, asked));
    let round = Round::of(app, &running);
    let found = put_right(app, &round).await;
    if found.corrected > 0 {
        // A transition at another node may have come between the look and the change: then it is undone at once.
        let running = sessions::list_with_open_calls(&mut *app.conn().await?).await?;
        put_right(app, &Round::of(app, &running).since(&round)).await;
    }
    close(app, outstayed).await?;
    note_present(app, &found.seen, now).await?;
    forget_absent(app, found.seen, before).await?;
    Ok(true)
}

/// Closes rooms that were open when their consultations ended and LiveKit was away, or this node died then.
async fn close(app: &App, outstayed: Vec<SessionId>) -> Result<()> {
    for id in outstayed {
        match app.media.close_room(&room_name(id)).await {
            Ok(()) => drop(media::clear_room(&mut *app.conn().await?, id).await?),
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
    let parties = |seen: &&Seen| seen.present.iter().any(|identity| Party::parse(identity).is_some());
    let ids: Vec<SessionId> = seen.iter().filter(parties).filter_map(|seen| session_of_room(&seen.room)).collect();
    if !ids.is_empty() {
        sessions::touch_many(&mut *app.conn().await?, &ids, at).await?;
    }
    Ok(())
}

/// Whoever LiveKit did not have in the room is not there, though the word of it was lost: otherwise the consultation would
/// never be idle. `before` is a time before LiveKit was asked.
async fn forget_absent(app: &App, seen: Vec<Seen>, before: DateTime<Utc>) -> Result<()> {
    let seen: HashMap<SessionId, Vec<String>> =
        seen.into_iter().filter_map(|seen| Some((session_of_room(&seen.room)?, seen.present))).collect();
    let ids: Vec<SessionId> = seen.keys().copied().collect();
    let mut absent: HashMap<SessionId, Vec<String>> = HashMap::new();
    for (id, identity) in media::list_joined(&mut *app.conn().await?, &ids, before).await? {
        if seen.get(&id).is_some_and(|present| !present.contains(&identity)) {
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
    for identity in identities {
        // Unless they came back meanwhile.
        if media::set_left(tx.conn(), id, identity, before).await? {
            let left = ParticipantChanged { session_id: id, identity: identity.clone(), at };
            tx.emit(Event::ParticipantLeft(left), &session.parties());
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
