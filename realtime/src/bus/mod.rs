//! Between nodes: what one committed, the others' connections must hear of. The inbox is the truth, so a bus may lose
//! anything; it must never delay or fail whoever publishes, and it must find out that it lost something (DESIGN §2).

pub mod memory;
pub mod redis;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use consilium_storage::events::SessionPatch;
use consilium_storage::ids::{LoginId, UserId};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::frame::EventFrame;
use crate::presence::Sign;

/// Into how many slots users are divided; a node hears the slots of its connected users alone (DESIGN §10).
pub const SLOTS: u16 = 64;

/// The slot of a user.
#[must_use]
pub fn slot_of(user: UserId) -> u16 {
    let low = user.0.as_u128() & u128::from(u64::MAX);
    u16::try_from(low % u128::from(SLOTS)).unwrap_or(0)
}

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slots(pub u64);

impl Slots {
    /// All of them.
    pub const ALL: Self = Self(u64::MAX);

    /// This one alone.
    #[must_use]
    pub const fn one(slot: u16) -> Self {
        Self(1 << (slot % SLOTS))
    }

    /// Whether it holds this one.
    #[must_use]
    pub const fn contains(self, slot: u16) -> bool {
        self.0 & Self::one(slot).0 != 0
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// One thing the other nodes should know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Signal {
    /// An event stands at these places.
    Event {
        /// Who has it where; all of one slot.
        places: Vec<(UserId, i64)>,
        /// The event.
        frame: Arc<EventFrame>,
    },
    /// A session changed: every node may hold it in memory, whether or not its users are connected there.
    Session(SessionPatch, DateTime<Utc>),
    /// An event without a place, for these users of one slot.
    Ephemeral {
        /// For whom.
        users: Vec<UserId>,
        /// The event.
        frame: Arc<EventFrame>,
    },
    /// Something may stand in the inboxes of these users of one slot: a commit whose answer was lost.
    Look(Vec<UserId>),
    /// These logins were revoked.
    Revoked(Vec<LoginId>),
    /// A sign of a doctor's presence that another node saw.
    Presence(UserId, Sign),
    /// A connection of this user has to make room for a newer one (realtime.md §7).
    Displaced {
        /// Whose.
        user: UserId,
        /// On which node.
        node: u64,
        /// Which one.
        connection: u64,
    },
}

/// How a bus stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// What is published arrives.
    Up,
    /// Something was lost a moment ago and is being looked for; what is published now arrives.
    Healing(&'static str),
    /// What is published does not arrive.
    Down(&'static str),
}

/// What hears the bus.
pub trait Listener: Send + Sync {
    /// Takes a signal of another node; must not wait.
    fn hear(&self, from: u64, signal: &Signal);
    /// Signals of these slots may have been lost: the inboxes of their connected users want to be looked at.
    fn suspect(&self, slots: Slots);
    /// Signals to all nodes, signs of presence among them, may have been lost; with a node, its connected doctors can be read again now.
    fn doubt_presence(&self, node: Option<u64>);
    /// A node has ended or has been silent for longer than its lease: its connections are gone.
    fn node_gone(&self, node: u64);
}

/// A bus between nodes.
pub trait Bus: Send + Sync + std::fmt::Debug {
    /// Publishes to the nodes that hear the slot; without a slot to all of them. Never waits, may lose.
    fn publish(&self, from: u64, slot: Option<u16>, signal: Signal);
    /// A node begins to hear a slot: its first user of that slot connected.
    fn hear_slot(&self, node: u64, slot: u16);
    /// A node's last user of a slot left.
    fn leave_slot(&self, node: u64, slot: u16);
    /// Adds a node.
    fn attach(&self, node: u64, listener: std::sync::Weak<dyn Listener>);
    /// How it stands.
    fn health(&self) -> Health;
    /// Whether it has been up for long enough to know all nodes, and all of them have been read since.
    fn is_settled(&self) -> bool;
    /// The other nodes that are alive as far as this one hears.
    fn peers(&self) -> Vec<u64>;
    /// How often inboxes want to be looked at besides what was suspected: while the bus is down, or after a node fell
    /// silent that may only be cut off.
    fn look_every(&self) -> Option<Duration>;
    /// Whether this node's connected doctors stand in Redis, for others to read.
    fn presence_written(&self, written: bool);
    /// Tells the others that this node ends in good order; waits a moment for that to be sent.
    fn leave(&self, node: u64) -> BoxFuture<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_slots() {
        assert!(Slots::one(63).contains(63) && !Slots::one(63).contains(0));
        assert!(Slots::ALL.contains(17) && Slots::default().is_empty());
        assert!(slot_of(UserId::new()) < SLOTS);
    }
}
