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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEASES: Leases = Leases { sign_of_life: TimeDelta::seconds(90), push: TimeDelta::minutes(15) };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn online(doctor: UserId) -> Change {
        Change { doctor, before: Shown::Offline, now: Shown::Online }
    }

    fn offline(doctor: UserId) -> Change {
        Change { doctor, before: Shown::Online, now: Shown::Offline }
    }

    #[test]
    fn a_reconnect_within_the_lease_is_no_change() {
        let board = Board::new(LEASES);
        let doctor = UserId::new();
        assert_eq!(board.switch(doctor, true, at(0)).change, Some(online(doctor)));
        assert_eq!(board.connected(doctor, at(1)).change, None);
        assert_eq!(board.disconnected(doctor, at(2)).change, None);
        assert_eq!(board.sweep(at(60)), []);
        assert_eq!(board.present(at(60)), [(doctor, Shown::Online)]);
        assert_eq!(board.connected(doctor, at(61)).change, None);
        assert_eq!(board.disconnected(doctor, at(62)).change, None);
        assert_eq!(board.sweep(at(152)), [offline(doctor)]);
        assert_eq!(board.sweep(at(153)), [], "announced once");
        assert_eq!(board.present(at(153)), []);
    }

    #[test]
    fn a_running_session_makes_busy_and_its_end_undoes_it() {
        let board = Board::new(LEASES);
        let doctor = UserId::new();
        let session = SessionId::new();
        let _told = board.switch(doctor, true, at(0));
        let began = board.session(doctor, session, Status::Ongoing, at(1));
        assert_eq!(began.change.map(|change| change.now), Some(Shown::Busy));
        let twice = board.session(doctor, session, Status::Ongoing, at(2));
        assert_eq!((twice.change, twice.tell), (None, None), "told twice");
        let ended = board.session(doctor, session, Status::Ended, at(3));
        assert_eq!(ended.change.map(|change| change.now), Some(Shown::Online));
    }

    #[test]
    fn connections_of_another_node_count_until_it_is_gone() {
        let board = Board::new(LEASES);
        let doctor = UserId::new();
        assert_eq!(board.hear(7, doctor, Sign::Switch(true, at(0)), at(0)), Some(online(doctor)));
        assert_eq!(board.hear(7, doctor, Sign::Connected(at(1)), at(1)), None);
        assert_eq!(board.sweep(at(1000)), [], "connected");
        assert_eq!(board.node_gone(7, at(1000)), [], "the lease begins");
        assert_eq!(board.sweep(at(1089)), []);
        assert_eq!(board.sweep(at(1090)), [offline(doctor)]);
    }

    #[test]
    fn what_a_node_holds_replaces_what_it_held() {
        let board = Board::new(LEASES);
        let (one, two) = (UserId::new(), UserId::new());
        for doctor in [one, two] {
            board.hear(7, doctor, Sign::Switch(true, at(0)), at(0));
        }
        board.hear(7, one, Sign::Connected(at(0)), at(0));
        assert_eq!(board.sweep(at(95)), [offline(two)]);
        assert_eq!(board.hear_all(7, &[two], at(100), at(100)), [online(two)], "and one is within its lease from now");
        assert_eq!(board.sweep(at(190)), [offline(one)]);
    }

    #[test]
    fn the_newest_turn_of_the_switch_stands_whatever_comes_late() {
        let board = Board::new(LEASES);
        let doctor = UserId::new();
        let _told = board.switch(doctor, true, at(5));
        board.hear(7, doctor, Sign::Switch(false, at(4)), at(6));
        assert!(board.switched_on(doctor));
        board.load(doctor, (false, None), at(4), at(6));
        assert!(board.switched_on(doctor), "the database was asked before");
        board.hear(7, doctor, Sign::Switch(false, at(7)), at(7));
        assert!(!board.switched_on(doctor));
    }

    #[test]
    fn a_start_that_comes_after_its_end_is_late() {
        let (board, other) = (Board::new(LEASES), Board::new(LEASES));
        let (doctor, session) = (UserId::new(), SessionId::new());
        let ended = board.session(doctor, session, Status::Ended, at(2));
        assert_eq!(board.hear(7, doctor, Sign::Session(session, true, at(1)), at(3)), None);
        assert!(!board.runs(doctor, session));
        other.hear(7, doctor, Sign::Session(session, true, at(1)), at(3));
        let Some(sign) = ended.tell else { unreachable!("an end is told in any case") };
        other.hear(8, doctor, sign, at(4));
        assert!(!other.runs(doctor, session));
    }

    #[test]
    fn a_sign_of_life_soon_after_another_is_told_later() {
        let (board, other) = (Board::new(LEASES), Board::new(LEASES));
        let doctor = UserId::new();
        other.hear(7, doctor, Sign::Switch(true, at(0)), at(0));
        assert_eq!(board.seen(doctor, at(0)).tell, Some(Sign::Seen(at(0))));
        assert_eq!(board.seen(doctor, at(25)).tell, None);
        assert_eq!(board.untold(at(29)), []);
        assert_eq!(board.untold(at(30)), [(doctor, Sign::Seen(at(25)))]);
        assert_eq!(board.untold(at(90)), [], "told once");
        other.hear(7, doctor, Sign::Seen(at(25)), at(30));
        assert_eq!(other.sweep(at(114)), []);
        assert_eq!(other.sweep(at(115)).len(), 1, "the whole lease");
    }

    #[test]
    fn a_roster_does_not_undo_what_its_node_just_told() {
        let board = Board::new(LEASES);
        let doctor = UserId::new();
        board.hear(7, doctor, Sign::Switch(true, at(0)), at(0));
        board.hear(7, doctor, Sign::Connected(at(10)), at(10));
        board.hear_all(7, &[], at(10), at(10));
        assert_eq!(board.sweep(at(1000)), [], "still connected");
        board.hear_all(7, &[], at(1000), at(1000));
        assert_eq!(board.sweep(at(1090)).len(), 1);
    }

    #[test]
    fn running_sessions_are_read_again_but_not_over_what_was_heard_since() {
        let board = Board::new(LEASES);
        let (one, two) = (UserId::new(), UserId::new());
        let (old, new) = (SessionId::new(), SessionId::new());
        board.hear(7, one, Sign::Session(old, true, at(1)), at(1));
        board.hear(7, two, Sign::Session(new, true, at(9)), at(9));
        board.hear(7, two, Sign::Session(new, false, at(11)), at(11));
        let changes = board.load_running(&[(two, new)], at(10), at(12));
        assert_eq!(changes.len(), 1, "one's session had ended: {changes:?}");
        assert!(!board.runs(one, old) && !board.runs(two, new));
    }

    proptest! {
        /// Two boards that hear each other: both show the same, and each announces as many changes as there were.
        #[test]
        fn boards_agree(steps in prop::collection::vec((0..2usize, 0..6u8, 0..40i64), 1..60)) {
            let boards = [Board::new(LEASES), Board::new(LEASES)];
            let (doctor, session) = (UserId::new(), SessionId::new());
            let mut now = 0;
            let mut open = [0usize; 2];
            let mut seen = [Shown::Offline; 2];
            for (who, what, later) in steps {
                now += later;
                let (Some(board), Some(count)) = (boards.get(who), open.get_mut(who)) else { continue };
                let mut changes: Vec<(usize, Change)> = Vec::new();
                for (index, board) in boards.iter().enumerate() {
                    changes.extend(board.sweep(at(now)).into_iter().map(|change| (index, change)));
                }
                let noted = match what {
                    0 => board.switch(doctor, true, at(now)),
                    1 => board.switch(doctor, false, at(now)),
                    2 => { *count += 1; board.connected(doctor, at(now)) }
                    3 if *count > 0 => { *count -= 1; board.disconnected(doctor, at(now)) }
                    4 => board.session(doctor, session, Status::Ongoing, at(now)),
                    _ => board.session(doctor, session, Status::Ended, at(now)),
                };
                changes.extend(noted.change.map(|change| (who, change)));
                if let (Some(sign), Some(other)) = (noted.tell, boards.get(1 - who)) {
                    changes.extend(other.hear(who as u64, doctor, sign, at(now)).map(|change| (1 - who, change)));
                }
                for (index, change) in changes {
                    if let Some(seen) = seen.get_mut(index) {
                        prop_assert_eq!(change.before, *seen);
                        *seen = change.now;
                    }
                }
                prop_assert_eq!(seen.first(), seen.last());
            }
        }
    }
}
