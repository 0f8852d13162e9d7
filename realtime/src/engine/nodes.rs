//! The engine among other nodes: what it hears from them, what it tells them, and how it looks at inboxes whenever a
//! signal may have been lost (DESIGN §2, §4).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consilium_storage as storage;
use consilium_storage::ids::UserId;
use consilium_storage::states::session::Status;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Engine, Inner, WeakEngine};
use crate::bus::{Health, Listener, Signal, Slots, slot_of};
use crate::close::Close;
use crate::presence::Change;
use crate::presence::board::Noted;
use crate::shared::roster::Roster;

/// How long suspicions gather before inboxes are looked at.
const GATHER: Duration = Duration::from_millis(20);
/// The longest pause after looking.
const LONGEST: Duration = Duration::from_secs(1);
/// How often the bus is asked whether inboxes want to be looked at unasked.
const ASK: Duration = Duration::from_millis(250);

/// Slots whose signals may have been lost.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    slots: AtomicU64,
    more: Arc<Notify>,
}

impl Suspects {
    fn add(&self, slots: Slots) {
        self.slots.fetch_or(slots.0, Ordering::Relaxed);
        self.more.notify_one();
    }

    fn take(&self) -> Slots {
        Slots(self.slots.swap(0, Ordering::Relaxed))
    }
}

/// What of presence wants to be read again.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    state: Mutex<Doubt>,
    /// Something is being read.
    reading: AtomicBool,
    more: Notify,
}

/// What of presence may have been missed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Switches and running sessions: Postgres knows them.
    pub database: bool,
    /// The connected doctors of these nodes: Redis knows them.
    pub nodes: BTreeSet<u64>,
}

impl Doubts {
    fn add(&self, change: impl FnOnce(&mut Doubt)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.more.notify_one();
    }
}

impl Engine {
    /// The other nodes that are alive as far as this one hears.
    #[must_use]
    pub fn peers(&self) -> Vec<u64> {
        self.0.bus.peers()
    }

    /// The nodes that live, this one included; nothing while that is not certain.
    pub(crate) fn live_nodes(&self) -> Option<Vec<u64>> {
        self.0.bus.is_settled().then(|| self.0.bus.peers().into_iter().chain([self.0.node]).collect())
    }

    pub(crate) fn node_id(&self) -> u64 {
        self.0.node
    }

    pub(crate) fn roster(&self) -> Option<&Roster> {
        self.0.roster.as_ref()
    }

    /// Whether Redis holds all doctors connected here: other nodes read them only then.
    pub(crate) fn roster_written(&self, written: bool) {
        self.0.bus.presence_written(written);
    }

    /// Closes a connection that has to make room for a newer one of the same user, on whatever node it is.
    pub(crate) fn displace(&self, user: UserId, node: u64, connection: u64) {
        if node == self.0.node {
            self.0.displace(user, connection);
        } else {
            let signal = Signal::Displaced { user, node, connection };
            self.0.bus.publish(self.0.node, Some(slot_of(user)), signal);
        }
    }

    /// Whether the user holds a connection of any node; while nobody knows, only of this one.
    pub async fn is_connected(&self, user: UserId) -> bool {
        if self.0.hub.count(user) > 0 {
            return true;
        }
        let Some(registry) = &self.0.registry else { return false };
        registry.is_connected(user, &self.0.bus.peers()).await.unwrap_or(false)
    }

    /// Whether what other nodes see cannot be heard right now.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        matches!(self.0.bus.health(), Health::Down(_))
    }

    /// Whether this node knows what the others see; presence is frozen while it does not, rather than to flap.
    #[must_use]
    pub fn knows_presence(&self) -> bool {
        let doubts = &self.0.doubts;
        let in_doubt = *doubts.state.lock().unwrap_or_else(PoisonError::into_inner) != Doubt::default();
        self.0.bus.is_settled() && !in_doubt && !doubts.reading.load(Ordering::Relaxed)
    }

    /// Tells the other nodes of signs of life that they were not told of yet.
    pub fn tell_untold(&self) {
        for (doctor, sign) in self.0.presence.untold(self.now()) {
            self.0.bus.publish(self.0.node, None, Signal::Presence(doctor, sign));
        }
    }

    /// Why the bus cannot be relied on, if so.
    #[must_use]
    pub fn bus_trouble(&self) -> Option<&'static str> {
        match self.0.bus.health() {
            Health::Up => None,
            Health::Healing(why) | Health::Down(why) => Some(why),
        }
    }

    /// Takes what was seen of a doctor here: tells those concerned and the other nodes.
    pub fn note(&self, noted: Noted) {
        if let Some(sign) = noted.tell {
            self.0.bus.publish(self.0.node, None, Signal::Presence(noted.doctor, sign));
            if let Some(roster) = &self.0.roster {
                roster.is_stale(sign);
            }
        }
        self.announce(noted.change);
    }

    /// Hands a change of presence to whoever tells those concerned. Losing one is healed by the next look at a list.
    pub fn announce(&self, changes: impl IntoIterator<Item = Change>) {
        self.0.announce(changes);
    }

    /// Waits until presence may have been missed, and says what; whoever asks reads it again.
    pub async fn presence_doubt(&self) -> Doubt {
        loop {
            let doubt = std::mem::take(&mut *self.0.doubts.state.lock().unwrap_or_else(PoisonError::into_inner));
            if doubt != Doubt::default() {
                self.0.doubts.reading.store(true, Ordering::Relaxed);
                return doubt;
            }
            self.0.doubts.more.notified().await;
        }
    }

    /// What was in doubt has been read.
    pub fn presence_is_read(&self) {
        self.0.doubts.reading.store(false, Ordering::Relaxed);
    }

    /// Switches and running sessions want to be compared with Postgres now and then: a node that dies may take the news
    /// of its last change with it.
    pub(crate) fn compare_presence(&self) {
        self.0.doubts.add(|doubt| doubt.database = true);
    }

    /// Presence could not be read: it is still in doubt.
    pub fn doubt_again(&self, doubt: &Doubt) {
        self.0.doubts.add(|state| {
            state.database |= doubt.database;
            state.nodes.extend(&doubt.nodes);
        });
    }

    /// Reads the connected doctors of other nodes again, where Redis knows them. A node that has written none is left
    /// as it was: it will say when it has.
    pub async fn read_rosters(&self, nodes: impl IntoIterator<Item = u64>) {
        let Some(roster) = &self.0.roster else { return };
        let mut unread = BTreeSet::new();
        for node in nodes {
            let asked = self.now();
            match roster.read(node).await {
                Ok(Some(doctors)) => self.announce(self.0.presence.hear_all(node, &doctors, asked, self.now())),
                // It has written nothing yet, or is gone.
                Ok(None) if !self.0.bus.peers().contains(&node) => {}
                Ok(None) => {
                    unread.insert(node);
                }
                Err(error) => {
                    tracing::debug!(%error, "the doctors of a node cannot be read");
                    unread.insert(node);
                }
            }
        }
        if !unread.is_empty() {
            self.doubt_again(&Doubt { nodes: unread, ..Doubt::default() });
        }
    }

    /// Something may stand in the inboxes of these users whose delivery is unsure, here and on every other node.
    pub fn look_at(&self, users: &[UserId]) {
        for user in users {
            let slot = slot_of(*user);
            self.0.suspects.add(Slots::one(slot));
            self.0.bus.publish(self.0.node, Some(slot), Signal::Look(vec![*user]));
        }
    }

    /// Compares the heads of connected users with Postgres: finds what no signal told of.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn check_heads(&self, slots: Slots, cause: &'static str) -> storage::Result<()> {
        let users = self.0.hub.users_of(|user| slots.contains(slot_of(user)));
        for some in users.chunks(5000) {
            metrics::counter!("consilium_inbox_head_checks_total", "cause" => cause).increment(1);
            let mut conn = self.0.pool.acquire().await?;
            for (user, head) in storage::inbox::heads(&mut conn, some).await? {
                for connection in self.0.hub.of_user(user) {
                    connection.announce(head);
                }
            }
        }
        Ok(())
    }

    /// Ends in good order as far as other nodes are concerned: they take over at once and miss nobody.
    pub async fn leave(&self) {
        if let Some(roster) = &self.0.roster {
            roster.remove().await;
        }
        self.0.bus.leave(self.0.node).await;
    }

    pub(super) fn tell_session(&self, doctor: UserId, session: consilium_storage::ids::SessionId, status: Status) {
        self.note(self.0.presence.session(doctor, session, status, self.now()));
    }
}

impl Inner {
    fn announce(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            if self.changes.try_send(change).is_err() {
                metrics::counter!("consilium_presence_changes_lost_total").increment(1);
            }
        }
    }

    fn displace(&self, user: UserId, connection: u64) {
        for held in self.hub.of_user(user) {
            if held.id() == connection {
                held.close(Close::Displaced);
            }
        }
    }
}

impl Listener for Inner {
    fn hear(&self, from: u64, signal: &Signal) {
        match signal {
            Signal::Event { places, frame } => {
                for (user, seq) in places {
                    self.hub.offer(*user, *seq, frame, None);
                }
            }
            Signal::Session(patch, at) => self.sessions.apply(patch, *at),
            Signal::Ephemeral { users, frame } => self.hub.send_ephemeral(users, frame),
            Signal::Look(users) => users.iter().for_each(|user| self.suspects.add(Slots::one(slot_of(*user)))),
            Signal::Revoked(logins) => self.hub.close_logins(logins, Close::Unauthenticated),
            Signal::Presence(doctor, sign) => {
                self.announce(self.presence.hear(from, *doctor, *sign, self.clock.now()));
            }
            Signal::Displaced { user, node, connection } if *node == self.node => self.displace(*user, *connection),
            Signal::Displaced { .. } => {}
        }
    }

    fn suspect(&self, slots: Slots) {
        self.suspects.add(slots);
    }

    fn doubt_presence(&self, node: Option<u64>) {
        self.doubts.add(|doubt| match node {
            Some(node) => {
                doubt.nodes.insert(node);
            }
            None => {
                // What changed in sessions may have been missed too: they are read again when they are touched.
                self.sessions.doubt();
                doubt.database = true;
            }
        });
    }

    fn node_gone(&self, node: u64) {
        self.suspects.add(Slots::ALL);
        // It may have committed what it could not tell.
        self.doubt_presence(None);
        self.announce(self.presence.node_gone(node, self.clock.now()));
    }
}

/// Looks at the inboxes of suspected slots, and at all of them as often as the bus wants it.
pub(super) async fn look_after_inboxes(engine: WeakEngine) {
    loop {
        let Some((every, more)) =
            engine.upgrade().map(|engine| (engine.0.bus.look_every(), Arc::clone(&engine.0.suspects.more)))
        else {
            return;
        };
        // Nothing of the engine is held while waiting: it could never end.
        if tokio::time::timeout(every.unwrap_or(ASK), more.notified()).await.is_ok() {
            tokio::time::sleep(GATHER).await;
        }
        let Some(engine) = engine.upgrade() else { return };
        let (slots, cause) = match every {
            Some(_) => (Slots::ALL, "outage"),
            None => (engine.0.suspects.take(), "suspect"),
        };
        if slots.is_empty() {
            continue;
        }
        let began = Instant::now();
        if let Err(error) = engine.check_heads(slots, cause).await {
            tracing::debug!(%error, "inboxes cannot be looked at, trying again");
            engine.0.suspects.add(slots);
        }
        // However many users there are, looking takes at most about a quarter of the time.
        let pause = (began.elapsed() * 3).min(LONGEST);
        drop(engine);
        tokio::time::sleep(pause).await;
    }
}
