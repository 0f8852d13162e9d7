//! Messages and steps: lost, doubled, out of order, foreign.

use uuid::Uuid;

use super::super::record::*;
use super::super::violation::Fault;
use super::case::*;

#[test]
fn an_acknowledged_message_that_never_reached_the_other_is_lost() {
    let mut case = consultation();
    let place = case.find_event(D, &Kind::MessageNew);
    case.unwrite(D, place);
    case.finds_only(Fault::Lost, "doctor 0");
}

#[test]
fn a_stored_message_without_ack_must_reach_both_too() {
    let mut case = consultation();
    case.sends(P, 5);
    let stored = Stored { message: message(5, P) };
    case.evidence.histories.get_mut(&S).unwrap().push(stored);
    case.finds_only(Fault::Lost, "is stored and never reached");
    assert_eq!(case.verdict().violations.len(), 2);
}

#[test]
fn a_message_that_was_never_acknowledged_nor_stored_is_nobodys_loss() {
    let mut case = consultation();
    case.sends(P, 5);
    case.is_clean();
}

#[test]
fn a_message_stored_twice_under_one_name_is_a_duplicate() {
    let mut case = consultation();
    let mut twice = message(4, P);
    twice.id = Uuid::from_u128(1999);
    twice.created_us += 5;
    let again = event(Kind::MessageNew, Detail::Message(Box::new(twice.clone())));
    case.evidence.histories.get_mut(&S).unwrap().push(Stored { message: twice });
    case.finds(Fault::Duplicated, "stands twice");
    let ended = case.find_event(D, &Kind::Ended);
    let cursor = cursor_in(&case.log(D).entries[ended].what);
    case.log(D).entries[ended].what = What::Event { cursor, event: again };
    case.finds(Fault::Duplicated, "was stored twice");
}

#[test]
fn a_message_or_step_under_two_numbers_is_a_duplicate() {
    let mut case = consultation();
    case.sees(P, new(2, D));
    case.finds(Fault::Duplicated, "again as");
    let mut case = consultation();
    case.sees(D, life(Kind::Requested));
    case.finds_only(Fault::Duplicated, "session.requested");
}

#[test]
fn an_acknowledged_message_missing_in_the_history_is_lost() {
    let mut case = consultation();
    case.evidence.histories.get_mut(&S).unwrap().remove(2);
    case.finds_only(Fault::Lost, "not in the stored history");
}

#[test]
fn a_lost_lifecycle_event_is_found() {
    for (user, kind) in [(D, Kind::Requested), (P, Kind::Accepted), (D, Kind::Ended), (P, Kind::Video)] {
        let mut case = consultation();
        let place = case.find_event(user, &kind);
        case.unwrite(user, place);
        case.finds(Fault::Lost, &kind.to_string());
    }
}

#[test]
fn a_history_that_does_not_ascend_is_reordered() {
    let mut case = consultation();
    case.evidence.histories.get_mut(&S).unwrap().swap(0, 1);
    case.finds_only(Fault::Reordered, "created_at is not later");
}

#[test]
fn a_history_with_a_message_twice_is_a_duplicate() {
    let mut case = consultation();
    let list = case.evidence.histories.get_mut(&S).unwrap();
    let again = list[3].clone();
    list.push(again);
    case.finds_only(Fault::Duplicated, "stands twice");
}

#[test]
fn the_senders_order_is_kept() {
    let mut case = consultation();
    let is_sent = |id: u128| move |what: &What| matches!(what, What::Sent { client_message_id, .. } if *client_message_id == Uuid::from_u128(id));
    let third = case.find(P, is_sent(2003));
    let fourth = case.find(P, is_sent(2004));
    case.swap(P, third, fourth);
    case.finds_only(Fault::Reordered, "was sent after");
    // A refusal in between excuses it, heard or perhaps unheard: the message was sent again behind the other.
    let id = Uuid::from_u128(2004);
    for excuse in [What::Refused { client_message_id: Some(id) }, What::Unheard { client_message_id: id }] {
        case.put(P, excuse);
        case.is_clean();
        case.log(P).entries.pop();
        case.finds_only(Fault::Reordered, "was sent after");
    }
}

#[test]
fn both_parties_see_the_same_order() {
    let mut case = consultation();
    let on = case.find_event(D, &Kind::Video);
    let off = on + 1;
    case.swap_contents(D, on, off);
    case.finds_only(Fault::Reordered, "where doctor 0 had");
}

#[test]
fn messages_come_by_rising_time_and_within_the_session() {
    let mut case = consultation();
    let first = case.find_event(D, &Kind::MessageNew);
    let ended = case.find_event(D, &Kind::Ended);
    case.swap_contents(D, first, ended);
    case.finds(Fault::Reordered, "came after its session.ended");
    let mut case = consultation();
    let accepted = case.find_event(P, &Kind::Accepted);
    let message = case.find_event(P, &Kind::MessageNew);
    case.swap_contents(P, accepted, message);
    case.finds(Fault::Reordered, "came before its session.accepted");
    let mut case = consultation();
    let one = case.find_event(D, &Kind::MessageNew);
    let two = case.find(
        D,
        |what| matches!(what, What::Event { event, .. } if event.message().is_some_and(|m| m.id == Uuid::from_u128(1003))),
    );
    case.swap_contents(D, one, two);
    case.finds(Fault::Reordered, "not younger");
}

#[test]
fn somebody_elses_session_is_foreign() {
    let mut case = consultation();
    let mut strange = life(Kind::Accepted);
    strange.session = Some(OTHER_SESSION);
    case.sees(P, strange.clone());
    case.finds_only(Fault::Foreign, "no part in it");
    // Known to the run, but not this user's.
    let parties = Parties { patient: STRANGER, doctor: D };
    case.evidence.parties.insert(OTHER_SESSION, parties);
    case.finds_only(Fault::Foreign, "no part in it");
}

#[test]
fn a_message_from_another_sender_or_session_is_foreign() {
    let mut case = consultation();
    let place = case.find_event(D, &Kind::MessageNew);
    let What::Event { event, .. } = &mut case.log(D).entries[place].what else { panic!("an event") };
    let Detail::Message(message) = &mut event.detail else { panic!("a message") };
    message.sender = D;
    case.finds(Fault::Foreign, "was sent by");
}

#[test]
fn a_message_nobody_sent_is_invented() {
    let mut case = consultation();
    case.sees(D, new(9, P));
    case.finds(Fault::Invented, "sent by nobody");
    let mut case = consultation();
    let stored = Stored { message: message(9, P) };
    case.evidence.histories.get_mut(&S).unwrap().push(stored);
    case.finds(Fault::Invented, "in the history");
}

#[test]
fn changed_content_is_altered() {
    let mut case = consultation();
    case.evidence.histories.get_mut(&S).unwrap()[0].message.intact = false;
    case.finds_only(Fault::Altered, "stored content");
    let mut case = consultation();
    let place = case.find_event(D, &Kind::MessageNew);
    let What::Event { event, .. } = &mut case.log(D).entries[place].what else { panic!("an event") };
    let Detail::Message(message) = &mut event.detail else { panic!("a message") };
    message.intact = false;
    case.finds_only(Fault::Altered, "not what was sent");
}
