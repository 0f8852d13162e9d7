//! Who is there (DESIGN §4): a doctor's shown status follows from the switch, signs of life and running sessions. The
//! rule is here; [`board`] keeps what it is applied to.

pub mod board;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::ids::{SessionId, UserId};
use serde::{Deserialize, Serialize};

/// What others see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "PresenceStatus")]
pub enum Shown {
    /// Switched on, alive, free.
    Online,
    /// In at least one running session.
    Busy,
    /// Switched off, or no sign of life.
    Offline,
}

impl Shown {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "ONLINE",
            Self::Busy => "BUSY",
            Self::Offline => "OFFLINE",
        }
    }

    /// The order of lists: free doctors first.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Online => 0,
            Self::Busy => 1,
            Self::Offline => 2,
        }
    }
}

/// How long a sign of life counts.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// Without a live connection (default 90 s).
    pub sign_of_life: TimeDelta,
    /// Where an active push device can still be rung (default 15 min).
    pub push: TimeDelta,
}

/// What is known of a doctor.
#[derive(Debug, Clone, Copy)]
pub struct Signs {
    /// The doctor's own switch.
    pub switched_on: bool,
    /// Live connections.
    pub connections: usize,
    /// The last sign of life.
    pub last_seen: Option<DateTime<Utc>>,
    /// Running sessions.
    pub running: usize,
    /// Whether an active push device can be rung.
    pub can_ring: bool,
}

/// The rule (connect-v2 21, 22).
#[must_use]
pub fn shown(signs: Signs, now: DateTime<Utc>, leases: Leases) -> Shown {
    let lease = if signs.can_ring { leases.push } else { leases.sign_of_life };
    let alive = signs.connections > 0 || signs.last_seen.is_some_and(|seen| now - seen < lease);
    if signs.running > 0 {
        Shown::Busy
    } else if signs.switched_on && alive {
        Shown::Online
    } else {
        Shown::Offline
    }
}

/// A doctor's shown status changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Who.
    pub doctor: UserId,
    /// Before.
    pub before: Shown,
    /// Now.
    pub now: Shown,
}

/// One thing that was seen of a doctor, here or on another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sign {
    /// The doctor's own switch was turned.
    Switch(bool, DateTime<Utc>),
    /// The doctor's first connection of a node opened.
    Connected(DateTime<Utc>),
    /// The doctor's last connection of a node closed.
    Disconnected(DateTime<Utc>),
    /// An authenticated call.
    Seen(DateTime<Utc>),
    /// A session is running from now on, or no longer.
    Session(SessionId, bool, DateTime<Utc>),
    /// Whether an active push device can be rung.
    Ring(bool),
}

impl Sign {
    /// When it was a sign of life.
    #[must_use]
    pub const fn alive_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Switch(_, at) | Self::Connected(at) | Self::Disconnected(at) | Self::Seen(at) => Some(at),
            Self::Session(..) | Self::Ring(_) => None,
        }
    }
}

pub use board::Board;

#[cfg(test)]
mod tests {
    use super::*;

    const LEASES: Leases = Leases { sign_of_life: TimeDelta::seconds(90), push: TimeDelta::minutes(15) };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_rule() {
        let signs = Signs { switched_on: true, connections: 0, last_seen: Some(at(0)), running: 0, can_ring: false };
        assert_eq!(shown(signs, at(89), LEASES), Shown::Online);
        assert_eq!(shown(signs, at(90), LEASES), Shown::Offline);
        assert_eq!(shown(Signs { can_ring: true, ..signs }, at(899), LEASES), Shown::Online);
        assert_eq!(shown(Signs { connections: 1, ..signs }, at(9000), LEASES), Shown::Online);
        assert_eq!(shown(Signs { switched_on: false, connections: 1, ..signs }, at(1), LEASES), Shown::Offline);
        assert_eq!(shown(Signs { switched_on: false, running: 1, ..signs }, at(9000), LEASES), Shown::Busy);
        assert_eq!(shown(Signs { last_seen: None, ..signs }, at(1), LEASES), Shown::Offline);
    }
}
