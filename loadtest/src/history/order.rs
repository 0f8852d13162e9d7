//! Order: stored times, the sender's own order, the life of a session, and both parties alike.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::check::{Index, Key};
use super::record::{Kind, UserLog, What};
use super::timeline::{Item, Timeline};
use super::violation::{Fault, Violation};

pub(super) fn check(index: &mut Index<'_>, violations: &mut Vec<Violation>) {
    for timeline in index.timelines.values() {
        sessions_in_order(timeline, violations);
    }
    histories_in_order(index, violations);
    for log in &index.evidence.inboxes {
        senders_order(index, log, violations);
    }
    both_alike(index, violations);
}

/// In one inbox: a session's messages by rising `created_at`, none before it began or after it ended.
fn sessions_in_order(timeline: &Timeline<'_>, violations: &mut Vec<Violation>) {
    #[derive(Default)]
    struct Life {
        began: bool,
        ended: bool,
        newest_us: Option<i64>,
    }
    let mut lives: HashMap<Uuid, Life> = HashMap::new();
    for item in &timeline.items {
        let Some(session) = item.event.session else {
            continue;
        };
        let life = lives.entry(session).or_default();
        let mut report = |account| {
            violations.push(Violation::at(Fault::Reordered, timeline.log, item.entry, Some(item.cursor), account));
        };
        match item.event.kind {
            Kind::Accepted => life.began = true,
            Kind::Ended => life.ended = true,
            Kind::MessageNew | Kind::Video => {
                if life.ended {
                    report(format!("{} came after its session.ended", item.event));
                }
                if !life.began && timeline.resynced_us.is_none() {
                    report(format!("{} came before its session.accepted", item.event));
                }
                if let Some(message) = item.event.message() {
                    if life.newest_us.is_some_and(|us| us >= message.created_us) {
                        report(format!("{} is not younger than the message before it", item.event));
                    }
                    life.newest_us = Some(message.created_us);
                }
            }
            _ => {}
        }
    }
}

/// `GET …/messages` ascends strictly (settled.md 13).
fn histories_in_order(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for (session, list) in &index.evidence.histories {
        let reader = index.evidence.parties.get(session).and_then(|parties| index.timelines.get(&parties.patient));
        let Some(reader) = reader else { continue };
        for pair in list.windows(2) {
            let [before, after] = pair else { continue };
            if after.message.created_us <= before.message.created_us && after.message.id != before.message.id {
                let account = format!(
                    "the history of session {session} has {} before {}, whose created_at is not later",
                    before.message.id, after.message.id
                );
                violations.push(Violation::general(Fault::Reordered, reader.log, account));
            }
        }
    }
}

/// What one person sent in one session stands in the order of sending, refusals aside.
fn senders_order(index: &Index<'_>, log: &UserLog, violations: &mut Vec<Violation>) {
    let refused: HashSet<Uuid> = log
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Refused { client_message_id } => *client_message_id,
            What::Unheard { client_message_id } => Some(*client_message_id),
            _ => None,
        })
        .collect();
    let stored: HashMap<Uuid, i64> = index
        .messages
        .values()
        .filter(|known| known.message.sender == log.user)
        .map(|known| (known.message.client_message_id, known.message.created_us))
        .collect();
    let mut newest: HashMap<Uuid, (Uuid, i64)> = HashMap::new();
    for (entry, line) in log.entries.iter().enumerate() {
        let What::Sent { session, client_message_id } = &line.what else {
            continue;
        };
        if refused.contains(client_message_id) {
            continue;
        }
        let Some(&created_us) = stored.get(client_message_id) else {
            continue;
        };
        if let Some((before, us)) = newest.get(session)
            && *us >= created_us
        {
            let account =
                format!("in session {session} {client_message_id} was sent after {before} and is stored before it");
            violations.push(Violation::at(Fault::Reordered, log, entry, None, account));
        }
        newest.insert(*session, (*client_message_id, created_us));
    }
}

/// Events that go to both parties came to both, in the same order.
fn both_alike(index: &mut Index<'_>, violations: &mut Vec<Violation>) {
    let mut by_session: HashMap<(Uuid, Uuid), Vec<(Key, &Item<'_>)>> = HashMap::new();
    for (user, timeline) in &index.timelines {
        for item in &timeline.items {
            if item.event.kind.goes_to_both()
                && let Some(key) = Key::of(item.event)
            {
                by_session.entry((key.session, *user)).or_default().push((key, item));
            }
        }
    }
    let none = Vec::new();
    for (session, parties) in &index.evidence.parties {
        let (Some(patient), Some(doctor)) =
            (index.timelines.get(&parties.patient), index.timelines.get(&parties.doctor))
        else {
            continue;
        };
        if patient.excuses(None) || doctor.excuses(None) {
            continue;
        }
        let left = by_session.get(&(*session, parties.patient)).unwrap_or(&none);
        let right = by_session.get(&(*session, parties.doctor)).unwrap_or(&none);
        for (have, lacks, from, to) in [(left, right, patient, doctor), (right, left, doctor, patient)] {
            for (key, item) in missing(have, lacks) {
                if index.told.insert((to.log.user, key.clone())) {
                    let account = format!("{} never reached {}", item.event, to.log.name);
                    violations.push(Violation::at(Fault::Lost, from.log, item.entry, Some(item.cursor), account));
                }
            }
        }
        if let Some((item, expected)) = first_difference(left, right) {
            let account =
                format!("{} came to {} where {} had {expected}", item.event, patient.log.name, doctor.log.name);
            violations.push(Violation::at(Fault::Reordered, patient.log, item.entry, Some(item.cursor), account));
        }
    }
}

type Seen<'a, 'b> = Vec<(Key, &'a Item<'b>)>;

fn missing<'x, 'a, 'b>(have: &'x Seen<'a, 'b>, lacks: &Seen<'_, '_>) -> Vec<&'x (Key, &'a Item<'b>)> {
    let mut counts: HashMap<&Key, usize> = HashMap::new();
    for (key, _) in lacks {
        *counts.entry(key).or_default() += 1;
    }
    have.iter()
        .filter(|(key, _)| match counts.get_mut(key) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect()
}

/// The first place where the common events of two sides differ in order.
fn first_difference<'a, 'b>(left: &Seen<'a, 'b>, right: &Seen<'_, '_>) -> Option<(&'a Item<'b>, String)> {
    let left_keys: HashSet<&Key> = left.iter().map(|(key, _)| key).collect();
    let right_keys: HashSet<&Key> = right.iter().map(|(key, _)| key).collect();
    let mut left = left.iter().filter(|(key, _)| right_keys.contains(key));
    let mut right = right.iter().filter(|(key, _)| left_keys.contains(key));
    loop {
        let ((mine, item), (theirs, other)) = (left.next()?, right.next()?);
        if mine != theirs {
            return Some((item, other.event.to_string()));
        }
    }
}
