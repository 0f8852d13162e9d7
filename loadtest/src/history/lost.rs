//! Nothing acknowledged is lost: it stands in the stored history and in both inboxes (realtime.md §1.1, §1.2).

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::check::{Index, Key};
use super::record::{Event, Kind, Parties, Stored, What};
use super::violation::{Fault, Violation};

pub(super) fn check(index: &mut Index<'_>, violations: &mut Vec<Violation>) {
    acknowledged(index, violations);
    stored(index, violations);
}

/// Which inboxes must hold a row of this event.
fn recipients(event: &Event, parties: &Parties) -> Vec<Uuid> {
    match event.kind {
        Kind::Requested => vec![parties.doctor],
        _ if event.kind.goes_to_both() => vec![parties.patient, parties.doctor],
        _ => Vec::new(),
    }
}

fn acknowledged(index: &mut Index<'_>, violations: &mut Vec<Violation>) {
    let present = present(index);
    let in_history: HashMap<Uuid, HashSet<Uuid>> = index
        .evidence
        .histories
        .iter()
        .map(|(session, list)| (*session, list.iter().map(|s| s.message.id).collect()))
        .collect();
    for log in &index.evidence.inboxes {
        for (entry, line) in log.entries.iter().enumerate() {
            let What::Ack { event, sent_us, cursor } = &line.what else {
                continue;
            };
            let (Some(session), Some(key)) = (event.session, Key::of(event)) else {
                continue;
            };
            let Some(parties) = index.evidence.parties.get(&session) else {
                continue;
            };
            if let Some(message) = event.message()
                && let Some(ids) = in_history.get(&session)
                && !ids.contains(&message.id)
            {
                let account =
                    format!("acknowledged message {} is not in the stored history of session {session}", message.id);
                violations.push(Violation::at(Fault::Lost, log, entry, *cursor, account));
            }
            for user in recipients(event, parties) {
                if present.get(&user).is_some_and(|keys| keys.contains(&key)) {
                    continue;
                }
                let Some(timeline) = index.timelines.get(&user) else {
                    continue;
                };
                if timeline.excuses(Some(*sent_us)) || !index.told.insert((user, key.clone())) {
                    continue;
                }
                let account = format!("acknowledged {event} never reached the inbox of {}", timeline.log.name);
                violations.push(Violation::at(Fault::Lost, log, entry, *cursor, account));
            }
        }
    }
}

fn present(index: &Index<'_>) -> HashMap<Uuid, HashSet<Key>> {
    index
        .timelines
        .iter()
        .map(|(user, timeline)| {
            let keys = timeline.items.iter().filter_map(|item| Key::of(item.event));
            (*user, keys.collect())
        })
        .collect()
}

/// A stored message has an event in both inboxes, acknowledged or not; and is stored once.
fn stored(index: &mut Index<'_>, violations: &mut Vec<Violation>) {
    for (session, list) in &index.evidence.histories {
        let Some(parties) = index.evidence.parties.get(session) else { continue };
        let Some(reader) = index.timelines.get(&parties.patient) else { continue };
        for (fault, account) in unsound(index, *session, list) {
            violations.push(Violation::general(fault, reader.log, account));
        }
        for Stored { message } in list {
            for user in [parties.patient, parties.doctor] {
                let Some(timeline) = index.timelines.get(&user) else { continue };
                if timeline.messages.contains_key(&message.id) || timeline.excuses(None) {
                    continue;
                }
                let key = Key { session: *session, kind: Kind::MessageNew, message: Some(message.id), video: None };
                if index.told.insert((user, key)) {
                    let account =
                        format!("message {} of session {session} is stored and never reached this inbox", message.id);
                    violations.push(Violation::general(Fault::Lost, timeline.log, account));
                }
            }
        }
    }
}

/// What is wrong with a stored history by itself.
fn unsound(index: &Index<'_>, session: Uuid, list: &[Stored]) -> Vec<(Fault, String)> {
    let mut wrong = Vec::new();
    let mut ids: HashSet<Uuid> = HashSet::new();
    let mut names: HashSet<(Uuid, Uuid)> = HashSet::new();
    for Stored { message } in list {
        let id = message.id;
        if !ids.insert(id) {
            wrong.push((Fault::Duplicated, format!("message {id} stands twice in the history of {session}")));
        } else if !names.insert((message.sender, message.client_message_id)) {
            let name = message.client_message_id;
            let account = format!("client_message_id {name} stands twice in the history of {session}");
            wrong.push((Fault::Duplicated, account));
        }
        let sent = index.sent.get(&message.client_message_id);
        if sent.is_none_or(|sent| sent.session != session || sent.sender != message.sender) {
            let account = format!("message {id} in the history of {session} was sent by nobody");
            wrong.push((Fault::Invented, account));
        }
        if !message.intact {
            wrong.push((Fault::Altered, format!("the stored content of {id} is not what was sent")));
        }
    }
    wrong
}
