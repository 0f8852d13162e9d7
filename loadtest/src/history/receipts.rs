//! Receipts: only for messages the user sent, once each, delivered before read, none lost.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::check::Index;
use super::record::{Kind, UserLog, What};
use super::timeline::{Item, Timeline};
use super::violation::{Fault, Violation};

/// The message ids for which a user got each kind of receipt.
#[derive(Default)]
struct Got {
    delivered: HashSet<Uuid>,
    read: HashSet<Uuid>,
}

pub(super) fn check(index: &Index<'_>, violations: &mut Vec<Violation>) {
    let mut got: HashMap<Uuid, Got> = HashMap::new();
    for (user, timeline) in &index.timelines {
        got.insert(*user, received(index, timeline, violations));
    }
    for log in &index.evidence.inboxes {
        acknowledged(index, log, &got, violations);
    }
}

/// Walks the receipts that came to one sender.
fn received(index: &Index<'_>, timeline: &Timeline<'_>, violations: &mut Vec<Violation>) -> Got {
    let mut got = Got::default();
    let place: HashMap<Uuid, usize> =
        timeline.messages.iter().filter_map(|(id, at)| Some((*id, *at.first()?))).collect();
    for (position, item) in timeline.items.iter().enumerate() {
        let is_read = match item.event.kind {
            Kind::Delivered => false,
            Kind::Read => true,
            _ => continue,
        };
        for id in item.event.receipts() {
            if !sent_here(index, timeline, item, *id) {
                let account =
                    format!("{} for message {id}, which this user did not send in that session", item.event.kind);
                report(violations, timeline, item, Fault::Invented, account);
                continue;
            }
            if place.get(id).is_some_and(|sent| *sent > position) {
                let account = format!("{} for {id} came before the message", item.event.kind);
                report(violations, timeline, item, Fault::Reordered, account);
            }
            if is_read && !got.delivered.contains(id) && timeline.resynced_us.is_none() {
                let account = format!("message.read for {id} came before its message.delivered");
                report(violations, timeline, item, Fault::Reordered, account);
            }
            let set = if is_read { &mut got.read } else { &mut got.delivered };
            if !set.insert(*id) {
                let account = format!("a second {} for message {id}", item.event.kind);
                report(violations, timeline, item, Fault::Duplicated, account);
            }
        }
    }
    got
}

fn sent_here(index: &Index<'_>, timeline: &Timeline<'_>, item: &Item<'_>, id: Uuid) -> bool {
    index
        .messages
        .get(&id)
        .is_some_and(|known| known.message.sender == timeline.log.user && Some(known.session) == item.event.session)
}

fn report(violations: &mut Vec<Violation>, timeline: &Timeline<'_>, item: &Item<'_>, fault: Fault, account: String) {
    violations.push(Violation::at(fault, timeline.log, item.entry, Some(item.cursor), account));
}

/// An acknowledged receipt reached the sender of each message.
fn acknowledged(index: &Index<'_>, log: &UserLog, got: &HashMap<Uuid, Got>, violations: &mut Vec<Violation>) {
    // When this user's `delivered` was acknowledged: only after it a `read` must take effect (51).
    let mut delivered_us: HashMap<Uuid, u64> = HashMap::new();
    for (entry, line) in log.entries.iter().enumerate() {
        let What::Ack { event, sent_us, .. } = &line.what else {
            continue;
        };
        let is_read = match event.kind {
            Kind::Delivered => false,
            Kind::Read => true,
            _ => continue,
        };
        for id in event.receipts() {
            if !is_read {
                delivered_us.entry(*id).or_insert(line.at_us);
            } else if delivered_us.get(id).is_none_or(|at| at > sent_us) {
                continue;
            }
            let Some(known) = index.messages.get(id) else {
                continue;
            };
            let sender = known.message.sender;
            let (Some(timeline), Some(got)) = (index.timelines.get(&sender), got.get(&sender)) else {
                continue;
            };
            let set = if is_read { &got.read } else { &got.delivered };
            if sender == log.user || set.contains(id) || timeline.excuses(Some(*sent_us)) {
                continue;
            }
            let account =
                format!("acknowledged {} of message {id} never reached its sender {}", event.kind, timeline.log.name);
            violations.push(Violation::at(Fault::Lost, log, entry, None, account));
        }
    }
}
