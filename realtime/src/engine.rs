//! The engine of one node: hub, reader, writer, presence and bus behind one cheap handle.

mod nodes;

pub use nodes::Doubt;
use nodes::{Doubts, Suspects};

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage as storage;
use consilium_storage::clock::Clock;
use consilium_storage::database::Pool;
use consilium_storage::events::SessionPatch;
use consilium_storage::ids::{LoginId, SessionId, UserId};
use consilium_storage::tx::{Committed, CommittedEvent, Tx};
use rand::seq::SliceRandom;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::bus::memory::MemoryBus;
use crate::bus::{Bus, Listener, Signal, slot_of};
use crate::close::Close;
use crate::connection::{Connection, Credential, Item, Kind};
use crate::cursor::Cursor;
use crate::drain::Spread;
use crate::frame::{Ack, EventFrame};
use crate::hub::Hub;
use crate::hub::sessions::{LiveSession, Sessions};
use crate::inbox::{Feed, Opening};
use crate::presence::{Board, Change, Leases};
use crate::reader::{ReadError, Reader};
use crate::redis::Redis;
use crate::shared;
use crate::shared::connections::Registry;
use crate::shared::roster::Roster;
use crate::writer::Writer;

/// What the engine is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The epoch of all cursors.
    pub epoch: String,
    /// How long events can be replayed.
    pub retention: TimeDelta,
    /// How long a doctor's sign of life counts.
    pub leases: Leases,
    /// How many commits may be under way at once.
    pub lanes: usize,
    /// How many commands one commit takes at most; 1 shows what batching is worth.
    pub batch: usize,
}

/// Where the engine's tasks are counted.
#[derive(Debug, Clone, Default)]
pub struct Trackers {
    /// Work that a drain waits for: commits and their delivery.
    pub tasks: TaskTracker,
    /// Loops that end when the last handle to the engine is dropped.
    pub background: TaskTracker,
}

/// What the engine has of the other nodes.
#[derive(Debug)]
pub struct Nodes {
    /// The bus between them.
    pub bus: Arc<dyn Bus>,
    /// What they share; without it there is one node.
    pub redis: Option<Redis>,
}

impl Nodes {
    /// One node alone.
    #[must_use]
    pub fn one() -> Self {
        Self { bus: Arc::new(MemoryBus::default()), redis: None }
    }
}

/// A handle to the engine.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: u64,
    epoch: Arc<str>,
    pool: Pool,
    clock: Clock,
    hub: Hub,
    sessions: Sessions,
    presence: Board,
    reader: Reader,
    writer: Writer,
    bus: Arc<dyn Bus>,
    /// How many local users each heard slot has.
    slots: Mutex<std::collections::HashMap<u16, usize>>,
    changes: mpsc::Sender<Change>,
    suspects: Suspects,
    doubts: Doubts,
    roster: Option<Roster>,
    registry: Option<Registry>,
    tracker: TaskTracker,
}

/// Whom an acknowledgement goes to: the connection that sent the command (settled 6).
#[derive(Debug, Clone)]
pub struct Origin {
    /// The sending connection.
    pub connection: Arc<Connection>,
    /// The command's `ref`, as JSON.
    pub reference: Box<str>,
}

impl Engine {
    /// Starts an engine. Changes of presence come out of the receiver, for whoever tells those concerned.
    #[must_use]
    pub fn start(
        settings: &Settings,
        pool: Pool,
        clock: Clock,
        nodes: Nodes,
        trackers: Trackers,
    ) -> (Self, mpsc::Receiver<Change>) {
        let (changes, receiver) = mpsc::channel(65_536);
        let reader = Reader::start(pool.clone(), clock.clone(), settings.retention, &trackers.background);
        let node = rand::random();
        let Nodes { bus, redis } = nodes;
        let engine = Self(Arc::new_cyclic(|weak: &Weak<Inner>| Inner {
            node,
            epoch: settings.epoch.as_str().into(),
            hub: Hub::default(),
            sessions: Sessions::default(),
            presence: Board::new(settings.leases),
            reader,
            writer: Writer::start(settings, &pool, &clock, &WeakEngine(weak.clone()), &trackers.background),
            bus,
            pool,
            clock,
            slots: Mutex::default(),
            changes,
            suspects: Suspects::default(),
            doubts: Doubts::default(),
            roster: redis.clone().map(|redis| Roster::new(redis, node)),
            registry: redis.map(|redis| Registry::start(redis, WeakEngine(weak.clone()), &trackers.background)),
            tracker: trackers.tasks,
        }));
        trackers.background.spawn(nodes::look_after_inboxes(WeakEngine(Arc::downgrade(&engine.0))));
        if engine.0.roster.is_some() {
            trackers.background.spawn(shared::roster::keep(WeakEngine(Arc::downgrade(&engine.0))));
        }
        let listener: Weak<dyn Listener> = Arc::downgrade(&engine.0) as Weak<dyn Listener>;
        engine.0.bus.attach(engine.0.node, listener);
        (engine, receiver)
    }

    /// The epoch of all cursors.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.0.epoch
    }

    /// This node's name, new at each start.
    #[must_use]
    pub fn node(&self) -> String {
        format!("{:016x}", self.0.node)
    }

    /// A place as clients name it.
    #[must_use]
    pub fn cursor(&self, seq: i64) -> String {
        format!("{}-{seq}", self.0.epoch)
    }

    /// The connections of this node.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// The live sessions in memory.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// The doctors' presence.
    #[must_use]
    pub fn presence(&self) -> &Board {
        &self.0.presence
    }

    /// The door to shared inbox reads.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// The door to the batching writer.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.0.writer
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// A session, from memory or Postgres.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn session(&self, id: SessionId) -> storage::Result<Option<Arc<LiveSession>>> {
        self.0.sessions.get(&self.0.pool, id, self.now()).await
    }

    /// As [`Engine::session`], as Postgres has it now: for what must not act on a change that another node's signal has
    /// not brought yet.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn session_now(&self, id: SessionId) -> storage::Result<Option<Arc<LiveSession>>> {
        self.0.sessions.renew(&self.0.pool, id, self.now()).await
    }

    /// Opens a connection of this credential, from a cursor or the head. A doctor's counts as presence.
    ///
    /// # Errors
    /// When the inbox cannot be read.
    pub async fn open(
        &self,
        credential: Credential,
        is_doctor: bool,
        since: Option<&Cursor>,
    ) -> Result<(Feed, Opening), ReadError> {
        self.enlist(credential, is_doctor, Kind::Lasting).open(since).await
    }

    /// Registers a connection that begins where its opener says ([`Connection::start`]): what is announced in between
    /// is read then. A doctor's lasting one counts as presence.
    #[must_use]
    pub fn enlist(&self, credential: Credential, is_doctor: bool, kind: Kind) -> Feed {
        let connection = Connection::new(credential, kind, is_doctor, self.now());
        self.register(&connection);
        Feed::new(self.clone(), connection)
    }

    /// Cuts the sockets of streams whose close has been waiting too long.
    pub fn cut_overdue(&self) {
        self.0.hub.each(|connection| connection.cut_if_overdue());
    }

    /// Commits and delivers as one step that nobody can interrupt: a caller that goes away after the commit does not
    /// take the delivery with it.
    ///
    /// # Errors
    /// Whatever the commit is refused for.
    pub async fn commit(&self, tx: Tx, origin: Option<(Origin, Arc<str>)>) -> storage::Result<Committed> {
        let engine = self.clone();
        let task = self.0.tracker.spawn(async move {
            let recipients = tx.recipients();
            let committed = tx.commit().await.inspect_err(|error| {
                // Whether it was committed is not known: whoever is connected finds out by the inbox.
                if error.is_unavailable() {
                    engine.look_at(&recipients);
                }
            })?;
            engine.deliver(&committed.events, origin);
            Ok(committed)
        });
        task.await.unwrap_or_else(|_| Err(storage::Error::away()))
    }

    /// Delivers what was committed: to the connections here, then to the other nodes. The origin's connection gets
    /// its acknowledgement in place of the last event of its own inbox (settled 6).
    pub fn deliver(&self, events: &[CommittedEvent], origin: Option<(Origin, Arc<str>)>) {
        let mut origin = origin;
        let own = origin.as_ref().map(|(origin, _)| origin.connection.credential().user);
        let last_own = own.and_then(|user| {
            events.iter().rposition(|event| event.places.iter().any(|(recipient, _)| *recipient == user))
        });
        for (index, event) in events.iter().enumerate() {
            let frame = EventFrame::new(event.kind, event.at, event.session_id, &event.data);
            for (user, seq) in &event.places {
                let acked = if last_own == Some(index) && own == Some(*user) { origin.take() } else { None };
                let except = acked.as_ref().map(|(origin, _)| origin.connection.id());
                self.0.hub.offer(*user, *seq, &frame, except);
                if let Some((origin, data)) = acked {
                    origin.connection.offer(*seq, &frame, Some(Ack { reference: origin.reference, data }));
                }
            }
            if let Some(message) = &event.message
                && let Some(session) = self.0.sessions.known(message.session_id)
            {
                session.note_message(message.id, message.sender_role);
            }
            self.apply(event.patch.as_ref(), event.at, &event.places);
            self.publish(event, &frame);
        }
        metrics::counter!("consilium_events_delivered_total").increment(events.len() as u64);
        if let Some((origin, data)) = origin {
            origin.connection.send(Item::Ack(None, Ack { reference: origin.reference, data }));
        }
    }

    /// Sends an event without a place to these users, wherever they are connected.
    pub fn send_ephemeral(&self, users: &[UserId], frame: &Arc<EventFrame>) {
        self.0.hub.send_ephemeral(users, frame);
        for user in users {
            let signal = Signal::Ephemeral { users: vec![*user], frame: Arc::clone(frame) };
            self.0.bus.publish(self.0.node, Some(slot_of(*user)), signal);
        }
    }

    /// Closes the connections of revoked logins, here and on every other node.
    pub fn revoke(&self, logins: &[LoginId]) {
        self.0.hub.close_logins(logins, Close::Unauthenticated);
        self.0.bus.publish(self.0.node, None, Signal::Revoked(logins.to_vec()));
    }

    /// Makes the connections of these users look at their inboxes: something was committed whose delivery is unsure.
    pub async fn nudge(&self, users: &[UserId]) {
        for user in users {
            let connections = self.0.hub.of_user(*user);
            if connections.is_empty() {
                continue;
            }
            if let Ok(found) = self.0.reader.read(*user, None).await {
                for connection in connections {
                    connection.announce(found.head);
                }
            }
        }
    }

    /// Tells every connection when to come back, spread over a window that grows with their number, so that they do not
    /// all come back at once (DESIGN §9). Whoever serves a connection ends it then. Answers how many were told.
    pub async fn drain(&self, longest: Duration) -> usize {
        let mut connections = Vec::new();
        self.0.hub.each(|connection| connections.push(Arc::clone(connection)));
        connections.retain(|connection| connection.is_lasting());
        connections.shuffle(&mut rand::rng());
        let spread = Spread::new(connections.len(), longest);
        let began = Instant::now();
        for (index, connection) in connections.iter().enumerate() {
            tokio::time::sleep_until(began + spread.told(index)).await;
            let wait = spread.wait(index, rand::random(), began.elapsed());
            connection.send(Item::GoingAway(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        }
        connections.len()
    }

    fn register(&self, connection: &Arc<Connection>) {
        let user = connection.credential().user;
        if self.0.hub.register(connection) {
            let slot = slot_of(user);
            let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let users = slots.entry(slot).or_insert(0);
            *users += 1;
            if *users == 1 {
                self.0.bus.hear_slot(self.0.node, slot);
            }
        }
        if connection.is_presence() {
            self.note(self.0.presence.connected(user, self.now()));
        }
        if let Some(registry) = self.0.registry.as_ref().filter(|_| connection.is_lasting()) {
            registry.opened(connection);
        }
        metrics::gauge!("consilium_connections").increment(1.0);
    }

    pub(crate) fn unregister(&self, connection: &Arc<Connection>) {
        let user = connection.credential().user;
        if self.0.hub.unregister(connection) {
            let slot = slot_of(user);
            let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(users) = slots.get_mut(&slot) {
                *users = users.saturating_sub(1);
                if *users == 0 {
                    slots.remove(&slot);
                    self.0.bus.leave_slot(self.0.node, slot);
                }
            }
        }
        if connection.is_presence() {
            self.note(self.0.presence.disconnected(user, self.now()));
        }
        if let Some(registry) = self.0.registry.as_ref().filter(|_| connection.is_lasting()) {
            registry.closed(connection);
        }
        metrics::gauge!("consilium_connections").decrement(1.0);
    }

    fn apply(&self, patch: Option<&SessionPatch>, at: DateTime<Utc>, places: &[(UserId, i64)]) {
        let Some(patch) = patch else { return };
        // An end names no doctor, and the session need not be in memory: then it is the recipient who is busy with it.
        let busy = || places.iter().map(|(user, _)| *user).find(|user| self.0.presence.runs(*user, patch.session_id));
        let known = || self.0.sessions.known(patch.session_id).map(|session| session.doctor_id);
        let doctor = patch.doctor_id.or_else(known).or_else(busy);
        self.0.sessions.apply(patch, at);
        self.0.bus.publish(self.0.node, None, Signal::Session(*patch, at));
        if let (Some(doctor), Some(status)) = (doctor, patch.status) {
            self.tell_session(doctor, patch.session_id, status);
        }
    }

    fn publish(&self, event: &CommittedEvent, frame: &Arc<EventFrame>) {
        let slots: HashSet<u16> = event.places.iter().map(|(user, _)| slot_of(*user)).collect();
        for slot in slots {
            let places = event.places.iter().copied().filter(|(user, _)| slot_of(*user) == slot).collect();
            let signal = Signal::Event { places, frame: Arc::clone(frame) };
            self.0.bus.publish(self.0.node, Some(slot), signal);
        }
    }
}

/// The engine as its own parts hold it, so that dropping the last handle ends them.
#[derive(Debug, Clone)]
pub(crate) struct WeakEngine(Weak<Inner>);

impl WeakEngine {
    pub(crate) fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}
