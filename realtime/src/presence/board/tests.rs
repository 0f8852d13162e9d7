//! The board's rules, by example and by chance.
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
