//! Live sessions in memory: who takes part, where they stand, the camera permission, and the receipts of the latest
//! messages. Built from Postgres on first touch, kept current by events, dropped when idle; memory never refuses by
//! status (DESIGN §3): what must be certain is decided in the transaction.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage as storage;
use consilium_storage::connect::Party;
use consilium_storage::connect::receipts::Kind;
use consilium_storage::connect::sessions::Session;
use consilium_storage::database::Pool;
use consilium_storage::events::SessionPatch;
use consilium_storage::ids::{MessageId, SessionId, UserId};
use consilium_storage::states::{session::Status, video};
use dashmap::DashMap;

/// How many of a session's latest messages have their receipts in memory.
const RECENT: usize = 64;

/// How long an untouched session stays in memory.
const IDLE: TimeDelta = TimeDelta::minutes(5);

/// One session in memory.
#[derive(Debug)]
pub struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// Its patient.
    pub patient_id: UserId,
    /// Its doctor.
    pub doctor_id: UserId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    status: Status,
    video: (video::State, i32),
    /// When a change was heard last, and when that change was made.
    changed: Option<(Instant, DateTime<Utc>)>,
    /// Signals may have been missed: the row is read again at the next touch.
    is_stale: bool,
    touched_at: DateTime<Utc>,
    typing_passed: [Option<DateTime<Utc>>; 2],
    recent: VecDeque<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    message: MessageId,
    sender: Party,
    delivered: bool,
    read: bool,
}

impl LiveSession {
    fn new(row: &Session, now: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self {
            id: row.id,
            patient_id: row.patient_id,
            doctor_id: row.doctor_id,
            state: Mutex::new(State {
                status: row.status,
                video: (row.video_state, row.consent_round),
                changed: None,
                is_stale: false,
                touched_at: now,
                typing_passed: [None, None],
                recent: VecDeque::new(),
            }),
        })
    }

    /// Which party this user is, if any.
    #[must_use]
    pub fn party(&self, user: UserId) -> Option<Party> {
        if user == self.patient_id {
            Some(Party::Client)
        } else if user == self.doctor_id {
            Some(Party::Doctor)
        } else {
            None
        }
    }

    /// The user who is this party.
    #[must_use]
    pub const fn user(&self, party: Party) -> UserId {
        match party {
            Party::Client => self.patient_id,
            Party::Doctor => self.doctor_id,
        }
    }

    /// The status as last heard.
    #[must_use]
    pub fn status(&self) -> Status {
        self.with(|state| state.status)
    }

    /// The camera permission and its round, as last heard.
    #[must_use]
    pub fn video(&self) -> (video::State, i32) {
        self.with(|state| state.video)
    }

    /// Whether typing by this party may be passed on: at most once a second (realtime.md §4).
    #[must_use]
    pub fn pass_typing(&self, party: Party, now: DateTime<Utc>) -> bool {
        self.with(|state| {
            let [client, doctor] = &mut state.typing_passed;
            let last = match party {
                Party::Client => client,
                Party::Doctor => doctor,
            };
            let pass = last.is_none_or(|last| now - last >= TimeDelta::seconds(1));
            if pass {
                *last = Some(now);
            }
            pass
        })
    }

    /// Notes a new message.
    pub(crate) fn note_message(&self, message: MessageId, sender: Party) {
        self.with(|state| {
            if state.recent.len() == RECENT {
                state.recent.pop_front();
            }
            state.recent.push_back(Seen { message, sender, delivered: false, read: false });
        });
    }

    /// Notes a receipt.
    pub(crate) fn note_receipts(&self, kind: Kind, messages: &[MessageId]) {
        self.with(|state| {
            for seen in state.recent.iter_mut().filter(|seen| messages.contains(&seen.message)) {
                match kind {
                    Kind::Delivered => seen.delivered = true,
                    Kind::Read => seen.read = true,
                }
            }
        });
    }

    /// Those of the messages whose receipt may still change something: a repeat costs no query.
    #[must_use]
    pub fn unmarked(&self, kind: Kind, receiver: Party, messages: &[MessageId]) -> Vec<MessageId> {
        self.with(|state| {
            let settled = |message: &MessageId| {
                state.recent.iter().any(|seen| {
                    seen.message == *message
                        && (seen.sender == receiver
                            || match kind {
                                Kind::Delivered => seen.delivered,
                                Kind::Read => seen.read,
                            })
                })
            };
            messages.iter().copied().filter(|message| !settled(message)).collect()
        })
    }

    /// Takes the row as it was read after `asked`, unless a change was heard since.
    fn renew(&self, row: &Session, asked: Instant) {
        self.with(|state| {
            if state.changed.is_none_or(|(heard, _)| heard < asked) {
                state.status = row.status;
                state.video = (row.video_state, row.consent_round);
            }
            state.is_stale = false;
        });
    }

    /// Changes come from several nodes: an older one that is late changes nothing.
    fn apply(&self, patch: &SessionPatch, at: DateTime<Utc>) {
        self.with(|state| {
            if state.changed.is_some_and(|(_, known)| known > at) {
                return;
            }
            state.changed = Some((Instant::now(), at));
            if let Some(status) = patch.status {
                state.status = status;
                if status.is_final() {
                    state.video.0 = video::State::NotAllowed;
                }
            }
            if let Some(video) = patch.video {
                state.video = video;
            }
        });
    }

    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The live sessions of this node.
#[derive(Debug, Default)]
pub struct Sessions {
    live: DashMap<SessionId, Arc<LiveSession>>,
    /// Changes heard so far: one that came while a row was read may not be in it.
    heard: AtomicU64,
}

impl Sessions {
    /// The session, from memory or Postgres.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn get(
        &self,
        pool: &Pool,
        id: SessionId,
        now: DateTime<Utc>,
    ) -> storage::Result<Option<Arc<LiveSession>>> {
        if let Some(known) = self.known(id) {
            let is_stale = known.with(|state| {
                state.touched_at = now;
                state.is_stale
            });
            if !is_stale {
                return Ok(Some(known));
            }
        }
        let heard = self.heard.load(Ordering::Relaxed);
        let read = self.renew(pool, id, now).await?;
        if self.heard.load(Ordering::Relaxed) == heard { Ok(read) } else { self.renew(pool, id, now).await }
    }

    /// The session as Postgres has it now.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn renew(
        &self,
        pool: &Pool,
        id: SessionId,
        now: DateTime<Utc>,
    ) -> storage::Result<Option<Arc<LiveSession>>> {
        let asked = Instant::now();
        let mut conn = pool.acquire().await?;
        let Some(row) = storage::connect::sessions::find(&mut conn, id).await? else { return Ok(None) };
        let live = Arc::clone(&self.live.entry(id).or_insert_with(|| LiveSession::new(&row, now)));
        live.renew(&row, asked);
        Ok(Some(live))
    }

    /// Takes a row that was read after `asked`, where the session is in memory.
    pub fn take(&self, row: &Session, asked: Instant) {
        if let Some(known) = self.known(row.id) {
            known.renew(row, asked);
        }
    }

    /// Signals may have been missed: all of them are read again when they are touched.
    pub(crate) fn doubt(&self) {
        self.live.iter().for_each(|session| session.with(|state| state.is_stale = true));
    }

    /// The session, if it is in memory.
    #[must_use]
    pub fn known(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        self.live.get(&id).map(|entry| Arc::clone(&entry))
    }

    /// Changes what an event changed.
    pub(crate) fn apply(&self, patch: &SessionPatch, at: DateTime<Utc>) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        if let Some(known) = self.known(patch.session_id) {
            known.apply(patch, at);
        }
    }

    /// Drops sessions that nobody touched lately.
    pub fn sweep(&self, now: DateTime<Utc>) {
        self.live.retain(|_, session| session.with(|state| now - state.touched_at < IDLE));
    }

    /// How many sessions are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }
}
