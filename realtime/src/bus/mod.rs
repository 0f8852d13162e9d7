//! Between nodes: what one committed, the others' connections must hear of. The inbox is the truth, so a bus may lose
//! anything; it must never delay or fail whoever publishes.

pub mod memory;

use std::sync::Arc;

use consilium_storage::events::SessionPatch;
use consilium_storage::ids::{LoginId, UserId};

use crate::frame::EventFrame;
use crate::presence::Shown;

/// Into how many slots users are divided; a node hears the slots of its connected users alone (DESIGN §10).
pub const SLOTS: u16 = 64;

/// The slot of a user.
#[must_use]
pub fn slot_of(user: UserId) -> u16 {
    let low = user.0.as_u128() & u128::from(u64::MAX);
    u16::try_from(low % u128::from(SLOTS)).unwrap_or(0)
}

/// One thing the other nodes should know.
#[derive(Debug, Clone)]
pub enum Signal {
    /// An event stands at these places.
    Event {
        /// Who has it where; all of one slot.
        places: Vec<(UserId, i64)>,
        /// The event.
        frame: Arc<EventFrame>,
        /// What it changes in a session.
        patch: Option<SessionPatch>,
    },
    /// An event without a place, for these users of one slot.
    Ephemeral {
        /// For whom.
        users: Vec<UserId>,
        /// The event.
        frame: Arc<EventFrame>,
    },
    /// These logins were revoked.
    Revoked(Vec<LoginId>),
    /// A doctor's presence as another node sees it.
    Presence(UserId, Shown),
}

/// What hears the bus.
pub trait Listener: Send + Sync {
    /// Takes a signal of another node; must not wait.
    fn hear(&self, signal: &Signal);
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
    /// Why the bus cannot be relied on right now, if so: for `/ready`.
    fn trouble(&self) -> Option<String>;
}
