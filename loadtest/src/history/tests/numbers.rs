//! The sequence of an inbox: gaps, repeats, resync.

use uuid::Uuid;

use super::super::record::*;
use super::super::violation::Fault;
use super::case::*;

#[test]
fn a_good_consultation_is_clean() {
    let case = consultation();
    case.is_clean();
    let verdict = case.verdict();
    assert_eq!((verdict.messages, verdict.sessions), (4, 1));
}

#[test]
fn a_good_resume_is_clean_and_a_lost_ack_is_made_good_by_the_event() {
    let mut case = consultation();
    let place = case.find(
        P,
        |what| matches!(what, What::Ack { event, cursor: Some(_), .. } if event.message().is_some_and(|m| m.id == Uuid::from_u128(1003))),
    );
    let log = case.log(P);
    // The ack never came; the row comes as an event on the next connection, then the repeat's ack.
    let entry = log.entries[place].clone();
    let What::Ack { cursor, event, sent_us } = entry.what else { panic!("an ack") };
    let repeat = What::Ack { cursor: None, event: event.clone(), sent_us };
    log.entries[place].what = What::Event { cursor, event };
    let resumed = opened(Channel::Socket, Some(cursor.unwrap().seq - 1), cursor.unwrap().seq);
    let closed = What::Closed { why: "cut".into() };
    let at_us = log.entries[place].at_us;
    let entry = |what| Entry { at_us, conn: 2, what };
    log.entries.insert(place + 1, entry(repeat));
    log.entries.insert(place, entry(resumed));
    log.entries.insert(place, entry(closed));
    case.is_clean();
}

#[test]
fn a_missing_number_is_a_gap() {
    let mut case = consultation();
    let place = case.find_event(P, &Kind::Delivered);
    case.log(P).entries.remove(place);
    case.finds(Fault::Gap, "never came");
}

#[test]
fn several_missing_numbers_are_one_gap_and_neighbours_are_shown() {
    let mut case = consultation();
    let place = case.find_event(P, &Kind::Delivered);
    case.log(P).entries.drain(place..place + 2);
    case.finds(Fault::Gap, "numbers 46 to 47");
    let verdict = case.verdict();
    let gap = verdict.violations.iter().find(|v| v.fault == Fault::Gap).unwrap();
    assert!(gap.neighbours.iter().any(|line| line.starts_with('>')));
    assert!(gap.to_string().contains("patient 0") && gap.to_string().contains("connection 1"));
}

#[test]
fn a_number_twice_is_a_duplicate_even_across_connections() {
    let mut case = consultation();
    let place = case.find_event(D, &Kind::MessageNew);
    let mut again = case.log(D).entries[place].clone();
    again.conn = 2;
    case.log(D).entries.insert(place + 3, again);
    case.finds_only(Fault::Duplicated, "second time");
}

#[test]
fn an_inbox_not_read_to_its_head_decides_nothing_and_is_said() {
    let mut case = consultation();
    let place = case.find_event(D, &Kind::Ended);
    case.unwrite(D, place);
    case.log(D).settled = false;
    let verdict = case.verdict();
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
    assert_eq!(verdict.undecided, ["doctor 0"]);
    assert!(!verdict.is_clean());
}

#[test]
fn a_late_number_is_reordered_and_no_gap() {
    let mut case = consultation();
    let first = case.find_event(P, &Kind::Delivered);
    case.swap(P, first, first + 1);
    case.finds_only(Fault::Reordered, "came after number");
}

#[test]
fn a_number_from_before_the_begin_is_reordered() {
    let mut case = consultation();
    let old = What::Event { cursor: Some(at(39)), event: life(Kind::Other("report.uploaded".into())) };
    case.put(P, old);
    case.finds_only(Fault::Reordered, "39");
}

#[test]
fn a_resync_is_a_violation_unless_allowed_and_starts_anew() {
    let mut case = consultation();
    let place = case.find_event(P, &Kind::Delivered);
    // Everything from the receipts to the video is skipped by a resync.
    let entries = &mut case.log(P).entries;
    let at_us = entries[place].at_us;
    entries.drain(place..place + 2);
    entries.insert(place, Entry { at_us, conn: 2, what: What::Resync { cursor: at(47) } });
    case.finds_only(Fault::Resync, "start over");
    case.evidence.allow_resync = true;
    case.is_clean();
}

#[test]
fn what_is_sent_after_a_resync_may_not_be_lost() {
    let mut case = consultation();
    case.evidence.allow_resync = true;
    let cursor = at(case.seqs[1]);
    case.put(D, What::Resync { cursor });
    case.sends(P, 5);
    case.clock += 10;
    case.acked(P, new(5, P));
    let stored = Stored { message: message(5, P) };
    case.evidence.histories.get_mut(&S).unwrap().push(stored);
    case.finds(Fault::Lost, "never reached the inbox of doctor 0");
}

#[test]
fn a_new_epoch_without_resync_is_a_gap() {
    let mut case = consultation();
    let what = What::Event { cursor: Cursor::parse("k4-1"), event: life(Kind::Other("report.uploaded".into())) };
    case.put(P, what);
    case.finds_only(Fault::Gap, "epoch");
}

#[test]
fn a_redacted_row_keeps_the_sequence_whole() {
    let mut case = consultation();
    let cursor = case.seq(P);
    case.put(P, What::Redacted { cursor });
    case.is_clean();
}
