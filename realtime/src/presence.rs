//! Who is there (DESIGN §4): a doctor's shown status follows from the switch, signs of life and running sessions.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::ids::{SessionId, UserId};
use consilium_storage::states::session::Status;
use dashmap::DashMap;
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

#[derive(Debug)]
struct Doctor {
    switched_on: bool,
    connections: usize,
    last_seen: Option<DateTime<Utc>>,
    written: Option<DateTime<Utc>>,
    running: HashSet<SessionId>,
    can_ring: bool,
    announced: Shown,
}

/// Every doctor's signs, in memory on every node.
#[derive(Debug)]
pub struct Board {
    doctors: DashMap<UserId, Doctor>,
    leases: Leases,
}

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new(leases: Leases) -> Self {
        Self { doctors: DashMap::new(), leases }
    }

    /// Takes what the database knows at start, without announcing anybody.
    pub fn load(&self, doctor: UserId, switched_on: bool, last_seen: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        self.change(doctor, now, |entry| {
            entry.switched_on = switched_on;
            entry.last_seen = last_seen;
            entry.written = last_seen;
        });
    }

    /// What others see right now.
    #[must_use]
    pub fn shown(&self, doctor: UserId, now: DateTime<Utc>) -> Shown {
        self.doctors.get(&doctor).map_or(Shown::Offline, |entry| shown(entry.signs(), now, self.leases))
    }

    /// Everybody who is not offline right now, for lists that sort by presence.
    #[must_use]
    pub fn present(&self, now: DateTime<Utc>) -> Vec<(UserId, Shown)> {
        self.doctors
            .iter()
            .map(|entry| (*entry.key(), shown(entry.signs(), now, self.leases)))
            .filter(|(_, present)| *present != Shown::Offline)
            .collect()
    }

    /// The doctor's own switch as this node knows it.
    #[must_use]
    pub fn switched_on(&self, doctor: UserId) -> bool {
        self.doctors.get(&doctor).is_some_and(|entry| entry.switched_on)
    }

    /// The doctor turned the switch; that is a sign of life too.
    pub fn switch(&self, doctor: UserId, on: bool, now: DateTime<Utc>) -> Option<Change> {
        self.change(doctor, now, |entry| {
            entry.switched_on = on;
            entry.last_seen = Some(now);
        })
    }

    /// An authenticated call.
    pub fn seen(&self, doctor: UserId, now: DateTime<Utc>) -> Option<Change> {
        self.change(doctor, now, |entry| entry.last_seen = Some(now))
    }

    /// A connection opened.
    pub fn connected(&self, doctor: UserId, now: DateTime<Utc>) -> Option<Change> {
        self.change(doctor, now, |entry| {
            entry.connections += 1;
            entry.last_seen = Some(now);
        })
    }

    /// A connection closed: the lease begins, so that a reconnect shows no flap.
    pub fn disconnected(&self, doctor: UserId, now: DateTime<Utc>) -> Option<Change> {
        self.change(doctor, now, |entry| {
            entry.connections = entry.connections.saturating_sub(1);
            entry.last_seen = Some(now);
        })
    }

    /// A session of the doctor started or is over.
    pub fn session(&self, doctor: UserId, session: SessionId, status: Status, now: DateTime<Utc>) -> Option<Change> {
        self.change(doctor, now, |entry| {
            if status == Status::Ongoing {
                entry.running.insert(session);
            } else {
                entry.running.remove(&session);
            }
        })
    }

    /// Whether this doctor is in that session.
    #[must_use]
    pub fn runs(&self, doctor: UserId, session: SessionId) -> bool {
        self.doctors.get(&doctor).is_some_and(|entry| entry.running.contains(&session))
    }

    /// Whose lease ran out.
    pub fn sweep(&self, now: DateTime<Utc>) -> Vec<Change> {
        self.doctors
            .iter_mut()
            .filter_map(|mut entry| {
                let doctor = *entry.key();
                entry.settle(doctor, now, self.leases)
            })
            .collect()
    }

    /// Signs of life newer than what was last written, by more than `every`: they are written to Postgres at most
    /// once a minute, so that a restart neither flaps nor announces anyone.
    pub fn unwritten(&self, every: TimeDelta, now: DateTime<Utc>) -> Vec<(UserId, DateTime<Utc>)> {
        self.doctors
            .iter_mut()
            .filter_map(|mut entry| {
                let seen = if entry.connections > 0 { Some(now) } else { entry.last_seen }?;
                if entry.written.is_some_and(|written| seen - written < every) {
                    return None;
                }
                entry.written = Some(seen);
                Some((*entry.key(), seen))
            })
            .collect()
    }

    fn change(&self, doctor: UserId, now: DateTime<Utc>, action: impl FnOnce(&mut Doctor)) -> Option<Change> {
        let mut entry = self.doctors.entry(doctor).or_insert_with(Doctor::new);
        action(&mut entry);
        entry.settle(doctor, now, self.leases)
    }
}

impl Doctor {
    fn new() -> Self {
        Self {
            switched_on: false,
            connections: 0,
            last_seen: None,
            written: None,
            running: HashSet::new(),
            can_ring: false,
            announced: Shown::Offline,
        }
    }

    fn signs(&self) -> Signs {
        Signs {
            switched_on: self.switched_on,
            connections: self.connections,
            last_seen: self.last_seen,
            running: self.running.len(),
            can_ring: self.can_ring,
        }
    }

    /// Notes the shown status as announced, if it differs from the last one.
    fn settle(&mut self, doctor: UserId, now: DateTime<Utc>, leases: Leases) -> Option<Change> {
        let present = shown(self.signs(), now, leases);
        let before = std::mem::replace(&mut self.announced, present);
        (before != present).then_some(Change { doctor, before, now: present })
    }
}

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

    #[test]
    fn a_reconnect_within_the_lease_is_no_change() {
        let board = Board::new(LEASES);
        let doctor = UserId::new();
        let online = Change { doctor, before: Shown::Offline, now: Shown::Online };
        assert_eq!(board.switch(doctor, true, at(0)), Some(online));
        assert_eq!(board.connected(doctor, at(1)), None);
        assert_eq!(board.disconnected(doctor, at(2)), None);
        assert_eq!(board.sweep(at(60)), vec![]);
        assert_eq!(board.present(at(60)), [(doctor, Shown::Online)]);
        assert_eq!(board.connected(doctor, at(61)), None);
        assert_eq!(board.disconnected(doctor, at(62)), None);
        assert_eq!(board.sweep(at(152)), vec![Change { doctor, before: Shown::Online, now: Shown::Offline }]);
        assert_eq!(board.sweep(at(153)), vec![], "announced once");
        assert_eq!(board.present(at(153)), []);
    }

    #[test]
    fn a_running_session_makes_busy_and_its_end_undoes_it() {
        let board = Board::new(LEASES);
        let doctor = UserId::new();
        let session = SessionId::new();
        board.switch(doctor, true, at(0));
        assert_eq!(board.session(doctor, session, Status::Ongoing, at(1)).map(|change| change.now), Some(Shown::Busy));
        assert_eq!(board.session(doctor, session, Status::Ongoing, at(2)), None, "told twice");
        assert_eq!(board.session(doctor, session, Status::Ended, at(3)).map(|change| change.now), Some(Shown::Online));
    }
}
