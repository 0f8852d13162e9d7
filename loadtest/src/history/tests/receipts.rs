//! Receipts, and the doctors' requests stream.

use super::super::record::*;
use super::super::violation::Fault;
use super::case::*;

#[test]
fn a_receipt_for_what_was_never_sent_is_invented() {
    let mut case = consultation();
    case.sees(P, receipt(Kind::Delivered, &[99]));
    case.finds_only(Fault::Invented, "did not send");
    // The other party's message is not mine either.
    let mut case = consultation();
    case.sees(P, receipt(Kind::Delivered, &[2]));
    case.finds_only(Fault::Invented, "did not send");
}

#[test]
fn a_second_receipt_is_a_duplicate() {
    let mut case = consultation();
    case.sees(P, receipt(Kind::Read, &[3]));
    case.finds_only(Fault::Duplicated, "a second message.read");
}

#[test]
fn read_before_delivered_and_receipts_before_the_message_are_reordered() {
    let mut case = consultation();
    let delivered = case.find_event(P, &Kind::Delivered);
    case.swap_contents(P, delivered, delivered + 1);
    case.finds_only(Fault::Reordered, "before its message.delivered");
    let mut case = consultation();
    let delivered = case.find_event(P, &Kind::Delivered);
    let place = case.find(P, |what| matches!(what, What::Ack { event, .. } if event.message().is_some()));
    case.swap_contents(P, delivered, place);
    case.finds(Fault::Reordered, "came before the message");
}

#[test]
fn an_acknowledged_receipt_that_never_reached_the_sender_is_lost() {
    for kind in [Kind::Delivered, Kind::Read] {
        let mut case = consultation();
        let place = case.find_event(P, &kind);
        case.unwrite(P, place);
        case.finds(Fault::Lost, "never reached its sender");
    }
}

#[test]
fn a_read_sent_before_its_delivered_was_acknowledged_decides_nothing() {
    let mut case = consultation();
    let delivered = case.find(D, |what| matches!(what, What::Ack { event, .. } if event.kind == Kind::Delivered));
    let late = case.clock + 1;
    case.log(D).entries[delivered].at_us = late;
    let read = case.find_event(P, &Kind::Read);
    case.unwrite(P, read);
    case.is_clean();
}

#[test]
fn the_requests_stream_shows_each_request_once_and_only_ones_own() {
    let mut case = consultation();
    case.evidence.requests[0].entries.remove(2);
    case.finds_only(Fault::Lost, "never shown on the requests stream");

    let mut case = consultation();
    let again = case.evidence.requests[0].entries[2].clone();
    case.evidence.requests[0].entries.push(again);
    case.finds_only(Fault::Duplicated, "id 71");

    let mut case = consultation();
    let parties = Parties { patient: P, doctor: STRANGER };
    case.evidence.parties.insert(OTHER_SESSION, parties);
    let mut foreign = life(Kind::Requested);
    foreign.session = Some(OTHER_SESSION);
    case.stream(What::Event { cursor: None, event: foreign });
    case.finds_only(Fault::Foreign, "another doctor");

    let mut case = consultation();
    case.stream(What::Reached { cursor: at(60) });
    case.finds_only(Fault::Reordered, "id 60");
}

#[test]
fn a_stream_resumed_with_an_id_ahead_of_its_replay_is_noticed() {
    let mut case = consultation();
    // Greeted with the head before the missed request: an EventSource cut here would lose it.
    let mut entries = case.evidence.requests[0].entries.clone();
    entries.swap(2, 3);
    case.evidence.requests[0].entries = entries;
    case.finds_only(Fault::Reordered, "id 71 came after id 72");
}
