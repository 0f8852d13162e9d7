//! The board: every doctor's signs, in memory on every node. Each node tells the others what it sees itself, so all
//! boards come to show the same, and each announces a change once, to the connections it holds.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::ids::{SessionId, UserId};
use consilium_storage::states::session::Status;
use dashmap::DashMap;

use super::{Change, Leases, Shown, Sign, Signs, shown};

/// How many ended sessions of a doctor are remembered.
const ENDED: usize = 32;

/// A roster may be older by so much than what its node has told.
const WRITTEN_LATE: TimeDelta = TimeDelta::seconds(1);

#[derive(Debug, Default)]
struct Doctor {
    switched_on: bool,
    switched_at: Option<DateTime<Utc>>,
    /// When this node learned of the last turn, and of the last change of sessions: what was read before is older.
    switch_known: Option<DateTime<Utc>>,
    running_known: Option<DateTime<Utc>>,
    /// Live connections of this node.
    connections: usize,
    /// Other nodes that hold a connection.
    elsewhere: BTreeSet<u64>,
    /// The last node that told of its connections, and when that was heard.
    told_by: Option<(u64, DateTime<Utc>)>,
    last_seen: Option<DateTime<Utc>>,
    /// The last sign of life at this node.
    seen_here: Option<DateTime<Utc>>,
    /// When the other nodes were last told of a sign of life.
    told: Option<DateTime<Utc>>,
    written: Option<DateTime<Utc>>,
    running: HashSet<SessionId>,
    /// Sessions that ended lately: a start that is heard after the end is late.
    ended: VecDeque<SessionId>,
    can_ring: bool,
    announced: Option<Shown>,
}

/// What became of something seen here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "those concerned and the other nodes want to be told"]
pub struct Noted {
    /// Who.
    pub doctor: UserId,
    /// What others see differently now.
    pub change: Option<Change>,
    /// What the other nodes do not know yet.
    pub tell: Option<Sign>,
}

/// Every doctor's signs.
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

    /// Takes what the database knew at `asked_at`; what was seen since then stands. The first time announces nobody.
    pub fn load(
        &self,
        doctor: UserId,
        (switched_on, last_seen): (bool, Option<DateTime<Utc>>),
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Change> {
        let is_new = !self.doctors.contains_key(&doctor);
        let change = self.change(doctor, now, |entry| {
            if entry.switch_known.is_none_or(|at| at < asked_at) {
                entry.switched_on = switched_on;
            }
            entry.last_seen = entry.last_seen.max(last_seen);
            entry.written = entry.written.max(last_seen);
        });
        change.filter(|_| !is_new)
    }

    /// Takes the running sessions that the database knew at `asked_at`: all of them.
    pub fn load_running(
        &self,
        pairs: &[(UserId, SessionId)],
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<Change> {
        let mut running: HashMap<UserId, HashSet<SessionId>> = HashMap::new();
        for (doctor, session) in pairs {
            self.doctors.entry(*doctor).or_default();
            running.entry(*doctor).or_default().insert(*session);
        }
        self.each(now, |doctor, entry| {
            if entry.running_known.is_none_or(|at| at < asked_at) {
                entry.running = running.remove(doctor).unwrap_or_default();
            }
        })
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

    /// Whether this doctor is in that session.
    #[must_use]
    pub fn runs(&self, doctor: UserId, session: SessionId) -> bool {
        self.doctors.get(&doctor).is_some_and(|entry| entry.running.contains(&session))
    }

    /// The doctors with a connection of this node.
    #[must_use]
    pub fn connected_here(&self) -> Vec<UserId> {
        self.doctors.iter().filter(|entry| entry.connections > 0).map(|entry| *entry.key()).collect()
    }

    /// The doctor turned the switch; that is a sign of life too.
    pub fn switch(&self, doctor: UserId, on: bool, now: DateTime<Utc>) -> Noted {
        self.note(doctor, now, |entry| {
            entry.switched_on = on;
            entry.switched_at = Some(now);
            entry.switch_known = Some(now);
            entry.alive_here(now);
            Some(Sign::Switch(on, now))
        })
    }

    /// An authenticated call. The other nodes hear of it often enough for the lease to go on.
    pub fn seen(&self, doctor: UserId, now: DateTime<Utc>) -> Noted {
        let every = self.leases.sign_of_life / 3;
        self.note(doctor, now, |entry| {
            entry.alive_here(now);
            entry.tell(every, now)
        })
    }

    /// Signs of life at this node that the other nodes were not told of, as each was soon after another.
    pub fn untold(&self, now: DateTime<Utc>) -> Vec<(UserId, Sign)> {
        let every = self.leases.sign_of_life / 3;
        let signs = self.doctors.iter_mut().filter_map(|mut entry| Some((*entry.key(), entry.tell(every, now)?)));
        signs.collect()
    }

    /// A connection opened.
    pub fn connected(&self, doctor: UserId, now: DateTime<Utc>) -> Noted {
        self.note(doctor, now, |entry| {
            entry.connections += 1;
            entry.alive_here(now);
            (entry.connections == 1).then_some(Sign::Connected(now))
        })
    }

    /// A connection closed: the lease begins, so that a reconnect shows no flap.
    pub fn disconnected(&self, doctor: UserId, now: DateTime<Utc>) -> Noted {
        self.note(doctor, now, |entry| {
            entry.connections = entry.connections.saturating_sub(1);
            entry.alive_here(now);
            (entry.connections == 0).then_some(Sign::Disconnected(now))
        })
    }

    /// A session of the doctor started or is over.
    pub fn session(&self, doctor: UserId, session: SessionId, status: Status, now: DateTime<Utc>) -> Noted {
        let runs = status == Status::Ongoing;
        self.note(doctor, now, |entry| {
            let news = entry.run(session, runs, now);
            // An end is told in any case: others may hear of the start later.
            (news || !runs).then_some(Sign::Session(session, runs, now))
        })
    }

    /// Whether the doctor has a device that can be rung: a sign of life counts longer then.
    pub fn can_ring(&self, doctor: UserId, can_ring: bool, now: DateTime<Utc>) -> Noted {
        self.note(doctor, now, |entry| {
            let differs = entry.can_ring != can_ring;
            entry.can_ring = can_ring;
            differs.then_some(Sign::Ring(can_ring))
        })
    }

    /// What another node saw.
    pub fn hear(&self, node: u64, doctor: UserId, sign: Sign, now: DateTime<Utc>) -> Option<Change> {
        self.change(doctor, now, |entry| {
            if let Some(at) = sign.alive_at() {
                // Clocks differ between nodes: nobody was seen in the future.
                entry.alive(at.min(now));
            }
            match sign {
                Sign::Switch(on, at) if entry.switched_at.is_none_or(|known| known <= at.min(now)) => {
                    entry.switched_on = on;
                    entry.switched_at = Some(at.min(now));
                    entry.switch_known = Some(now);
                }
                Sign::Connected(_) => {
                    entry.elsewhere.insert(node);
                    entry.told_by = Some((node, now));
                }
                Sign::Disconnected(_) => {
                    entry.elsewhere.remove(&node);
                    entry.told_by = Some((node, now));
                }
                Sign::Session(session, runs, _) => {
                    entry.run(session, runs, now);
                }
                Sign::Ring(can_ring) => entry.can_ring = can_ring,
                Sign::Switch(..) | Sign::Seen(_) => {}
            }
        })
    }

    /// All doctors that another node held connections of when it was asked. Who is no longer among them was alive until
    /// now; of whom the node told since, or just before, that stands.
    pub fn hear_all(
        &self,
        node: u64,
        connected: &[UserId],
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Vec<Change> {
        let connected: HashSet<UserId> = connected.iter().copied().collect();
        for doctor in &connected {
            self.doctors.entry(*doctor).or_default();
        }
        self.each(now, |doctor, entry| {
            if entry.told_by.is_some_and(|(by, at)| by == node && at > asked_at - WRITTEN_LATE) {
                return;
            }
            if connected.contains(doctor) {
                entry.elsewhere.insert(node);
            } else if entry.elsewhere.remove(&node) {
                entry.alive(now);
            }
        })
    }

    /// A node and all its connections are gone: their doctors' leases begin.
    pub fn node_gone(&self, node: u64, now: DateTime<Utc>) -> Vec<Change> {
        self.hear_all(node, &[], now + WRITTEN_LATE, now)
    }

    /// Whose lease ran out.
    pub fn sweep(&self, now: DateTime<Utc>) -> Vec<Change> {
        self.each(now, |_, _| {})
    }

    /// Signs of life newer than what was last written, by more than `every`: they are written to Postgres at most
    /// once a minute, so that a restart neither flaps nor announces anyone. A connection is written by its own node.
    pub fn unwritten(&self, every: TimeDelta, now: DateTime<Utc>) -> Vec<(UserId, DateTime<Utc>)> {
        self.doctors
            .iter_mut()
            .filter_map(|mut entry| {
                let seen = if entry.connections > 0 { Some(now) } else { entry.seen_here }?;
                if entry.written.is_some_and(|written| seen - written < every) {
                    return None;
                }
                entry.written = Some(seen);
                Some((*entry.key(), seen))
            })
            .collect()
    }

    fn note(&self, doctor: UserId, now: DateTime<Utc>, action: impl FnOnce(&mut Doctor) -> Option<Sign>) -> Noted {
        let mut tell = None;
        let change = self.change(doctor, now, |entry| tell = action(entry));
        Noted { doctor, change, tell }
    }

    fn change(&self, doctor: UserId, now: DateTime<Utc>, action: impl FnOnce(&mut Doctor)) -> Option<Change> {
        let mut entry = self.doctors.entry(doctor).or_default();
        action(&mut entry);
        entry.settle(doctor, now, self.leases)
    }

    fn each(&self, now: DateTime<Utc>, mut action: impl FnMut(&UserId, &mut Doctor)) -> Vec<Change> {
        self.doctors
            .iter_mut()
            .filter_map(|mut entry| {
                let doctor = *entry.key();
                action(&doctor, &mut entry);
                entry.settle(doctor, now, self.leases)
            })
            .collect()
    }
}

impl Doctor {
    fn signs(&self) -> Signs {
        Signs {
            switched_on: self.switched_on,
            connections: self.connections + self.elsewhere.len(),
            last_seen: self.last_seen,
            running: self.running.len(),
            can_ring: self.can_ring,
        }
    }

    fn alive(&mut self, at: DateTime<Utc>) {
        self.last_seen = self.last_seen.max(Some(at));
    }

    fn alive_here(&mut self, at: DateTime<Utc>) {
        self.alive(at);
        self.seen_here = self.seen_here.max(Some(at));
    }

    /// The last sign of life here, if the other nodes want to be told of it now.
    fn tell(&mut self, every: TimeDelta, now: DateTime<Utc>) -> Option<Sign> {
        let seen = self.seen_here.filter(|seen| self.told.is_none_or(|told| told < *seen))?;
        if self.told.is_some_and(|told| now - told < every) {
            return None;
        }
        self.told = Some(now);
        Some(Sign::Seen(seen))
    }

    /// Answers whether that was news. A session that has ended does not run again.
    fn run(&mut self, session: SessionId, runs: bool, now: DateTime<Utc>) -> bool {
        self.running_known = Some(now);
        if runs {
            return !self.ended.contains(&session) && self.running.insert(session);
        }
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(session);
        self.running.remove(&session)
    }

    /// Notes the shown status as announced, if it differs from the last one.
    fn settle(&mut self, doctor: UserId, now: DateTime<Utc>, leases: Leases) -> Option<Change> {
        let present = shown(self.signs(), now, leases);
        let before = self.announced.replace(present).unwrap_or(Shown::Offline);
        (before != present).then_some(Change { doctor, before, now: present })
    }
}

#[cfg(test)]
mod tests;
