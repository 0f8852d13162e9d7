//! The check at the end of a run: every promise of realtime.md §1 against what was seen.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::record::{Event, Kind, Message, Parties, Stored, UserLog, What};
use super::timeline::{Item, Timeline, walk};
use super::violation::{Fault, Violation};
use super::{lost, order, receipts, requests};

/// Everything the run knows.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Whole inboxes, one log per user.
    pub(crate) inboxes: Vec<UserLog>,
    /// The doctors' requests streams.
    pub(crate) requests: Vec<UserLog>,
    /// Who takes part in which session.
    pub(crate) parties: HashMap<Uuid, Parties>,
    /// The messages of each session, as read over REST at the end.
    pub(crate) histories: HashMap<Uuid, Vec<Stored>>,
    /// Whether a `resync` is no violation (retention shorter than the run, a restored backup).
    pub(crate) allow_resync: bool,
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// Users whose inbox could not be read to its head: for them "lost" is not decided.
    pub(crate) undecided: Vec<String>,
    pub(crate) events: u64,
    pub(crate) acks: u64,
    pub(crate) messages: u64,
    pub(crate) sessions: u64,
    pub(crate) connections: u64,
}

impl Verdict {
    pub(crate) fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.undecided.is_empty()
    }
}

/// Where a message comes from, whoever told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) session: Uuid,
    pub(super) message: &'a Message,
}

/// A message as its sender sent it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) session: Uuid,
    pub(super) sender: Uuid,
}

/// What makes two sightings the same event.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) session: Uuid,
    pub(super) kind: Kind,
    pub(super) message: Option<Uuid>,
    pub(super) video: Option<(Box<str>, i64)>,
}

impl Key {
    pub(super) fn of(event: &Event) -> Option<Self> {
        let video = match &event.detail {
            super::record::Detail::Video { state, round } => Some((state.clone(), *round)),
            super::record::Detail::None | super::record::Detail::Message(_) | super::record::Detail::Receipts(_) => {
                None
            }
        };
        Some(Self {
            session: event.session?,
            kind: event.kind.clone(),
            message: event.message().map(|message| message.id),
            video,
        })
    }
}

/// The evidence, indexed.
pub(super) struct Index<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) timelines: HashMap<Uuid, Timeline<'a>>,
    pub(super) sent: HashMap<Uuid, Sent>,
    pub(super) messages: HashMap<Uuid, Known<'a>>,
    /// Losses told already, so that two rules do not tell the same one.
    pub(super) told: HashSet<(Uuid, Key)>,
}

/// Checks everything; an empty verdict means every promise was kept.
pub(crate) fn check(evidence: &Evidence) -> Verdict {
    let mut violations = Vec::new();
    let mut index = index(evidence, &mut violations);
    foreign(&index, &mut violations);
    repeated(&index, &mut violations);
    lost::check(&mut index, &mut violations);
    order::check(&mut index, &mut violations);
    receipts::check(&index, &mut violations);
    requests::check(&index, &mut violations);
    violations.sort_by(|a, b| (a.fault, &a.name).cmp(&(b.fault, &b.name)));
    let mut verdict = count(evidence);
    verdict.violations = violations;
    verdict
}

fn index<'a>(evidence: &'a Evidence, violations: &mut Vec<Violation>) -> Index<'a> {
    let mut index = Index {
        evidence,
        timelines: HashMap::new(),
        sent: HashMap::new(),
        messages: HashMap::new(),
        told: HashSet::new(),
    };
    for log in &evidence.inboxes {
        for entry in &log.entries {
            match &entry.what {
                What::Sent { session, client_message_id } => {
                    let sent = Sent { session: *session, sender: log.user };
                    index.sent.insert(*client_message_id, sent);
                }
                What::Event { event, .. } | What::Ack { event, .. } => {
                    if let (Some(session), Some(message)) = (event.session, event.message()) {
                        let known = Known { session, message };
                        index.messages.entry(message.id).or_insert(known);
                    }
                }
                _ => {}
            }
        }
        let timeline = walk(log, evidence.allow_resync, violations);
        index.timelines.insert(log.user, timeline);
    }
    for (&session, stored) in &evidence.histories {
        for Stored { message } in stored {
            let known = Known { session, message };
            index.messages.entry(message.id).or_insert(known);
        }
    }
    index
}

fn count(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict {
        sessions: evidence.parties.len() as u64,
        messages: evidence.histories.values().map(|list| list.len() as u64).sum(),
        ..Verdict::default()
    };
    for log in evidence.inboxes.iter().chain(&evidence.requests) {
        for entry in &log.entries {
            match entry.what {
                What::Event { .. } | What::Redacted { .. } => verdict.events += 1,
                What::Ack { .. } => verdict.acks += 1,
                What::Opened { .. } => verdict.connections += 1,
                _ => {}
            }
        }
    }
    for log in &evidence.inboxes {
        if !log.settled {
            verdict.undecided.push(log.name.clone());
        }
    }
    verdict
}

/// Nobody receives what they have no part in; nothing arrives that nobody sent; nothing is altered.
fn foreign(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for timeline in index.timelines.values() {
        for item in &timeline.items {
            let Some(session) = item.event.session else {
                continue;
            };
            let mut report = |fault, account| {
                violations.push(Violation::at(fault, timeline.log, item.entry, Some(item.cursor), account));
            };
            let parties = index.evidence.parties.get(&session);
            if !parties.is_some_and(|parties| parties.includes(timeline.log.user)) {
                let account = format!("{}: this user has no part in it", item.event);
                report(Fault::Foreign, account);
                continue;
            }
            if let Some(message) = item.event.message()
                && let Some((fault, account)) = unsound(index, session, message)
            {
                report(fault, account);
            }
        }
    }
}

/// What is wrong with a message that came, if anything.
fn unsound(index: &Index<'_>, session: Uuid, message: &Message) -> Option<(Fault, String)> {
    let Some(sent) = index.sent.get(&message.client_message_id) else {
        let account = format!("message {} was sent by nobody", message.id);
        return Some((Fault::Invented, account));
    };
    if sent.session != session || sent.sender != message.sender {
        let account = format!(
            "message {} was sent by {} into session {}, and came as from {} in session {session}",
            message.id, sent.sender, sent.session, message.sender
        );
        return Some((Fault::Foreign, account));
    }
    if !message.intact {
        let account = format!("the content of message {} is not what was sent", message.id);
        return Some((Fault::Altered, account));
    }
    None
}

/// One message, one lifecycle step: one row, however often it was sent.
fn repeated(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for timeline in index.timelines.values() {
        let mut seen: HashMap<Key, Item<'_>> = HashMap::new();
        let mut ids: HashMap<Uuid, Uuid> = HashMap::new();
        for item in &timeline.items {
            let mut report = |account| {
                violations.push(Violation::at(Fault::Duplicated, timeline.log, item.entry, Some(item.cursor), account));
            };
            if let Some(message) = item.event.message() {
                let first = *ids.entry(message.client_message_id).or_insert(message.id);
                if first != message.id {
                    report(format!(
                        "client_message_id {} was stored twice, as {first} and as {}",
                        message.client_message_id, message.id
                    ));
                }
            }
            let once = !matches!(item.event.kind, Kind::Video | Kind::Delivered | Kind::Read | Kind::Other(_));
            if let (true, Some(key)) = (once, Key::of(item.event)) {
                if let Some(before) = seen.get(&key) {
                    report(format!("{} came as {} and again as {}", item.event, before.cursor, item.cursor));
                } else {
                    seen.insert(key, *item);
                }
            }
        }
    }
}
