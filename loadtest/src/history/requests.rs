//! The doctors' requests stream (40): holes by nature, but no request missing, repeated or foreign.

use std::collections::HashSet;

use uuid::Uuid;

use super::check::Index;
use super::record::{Cursor, Kind, UserLog, What};
use super::violation::{Fault, Violation};

pub(super) fn check(index: &Index<'_>, violations: &mut Vec<Violation>) {
    for log in &index.evidence.requests {
        let shown = walk(index, log, violations);
        complete(index, log, &shown, violations);
    }
}

#[derive(Default)]
struct Shown {
    /// Every session shown as requested, with or without an id.
    sessions: HashSet<Uuid>,
    /// Ids that came with an event.
    numbers: HashSet<u64>,
    first: Option<Cursor>,
    last: Option<Cursor>,
}

impl Shown {
    /// Stands at an id; what is wrong with it, if anything. Ids of events rise, ids alone do not fall.
    fn reach(&mut self, cursor: Cursor, is_event: bool) -> Option<(Fault, String)> {
        let mut wrong = None;
        if let Some(last) = self.last.filter(|last| last.epoch == cursor.epoch) {
            let behind = cursor.seq < last.seq || (is_event && cursor.seq == last.seq);
            if is_event && self.numbers.contains(&cursor.seq) {
                wrong = Some((Fault::Duplicated, format!("id {} came a second time", cursor.seq)));
            } else if behind {
                wrong = Some((Fault::Reordered, format!("id {} came after id {}", cursor.seq, last.seq)));
            }
        }
        if is_event {
            self.numbers.insert(cursor.seq);
        }
        self.first.get_or_insert(cursor);
        if self.last.is_none_or(|last| last.epoch != cursor.epoch || last.seq < cursor.seq) {
            self.last = Some(cursor);
        }
        wrong
    }

    fn start_over(&mut self, cursor: Cursor) {
        self.numbers.clear();
        (self.first, self.last) = (Some(cursor), Some(cursor));
    }
}

fn walk(index: &Index<'_>, log: &UserLog, violations: &mut Vec<Violation>) -> Shown {
    let mut shown = Shown::default();
    for (entry, line) in log.entries.iter().enumerate() {
        let (cursor, event) = match &line.what {
            What::Event { cursor, event } => (*cursor, Some(event)),
            What::Reached { cursor } => (Some(*cursor), None),
            What::Opened { cursor, .. } => (*cursor, None),
            What::Resync { cursor } => {
                if !index.evidence.allow_resync {
                    let account = format!("the requests stream was told to start over at {cursor}");
                    violations.push(Violation::at(Fault::Resync, log, entry, Some(*cursor), account));
                }
                shown.start_over(*cursor);
                continue;
            }
            _ => continue,
        };
        let mut report = |fault, account| violations.push(Violation::at(fault, log, entry, cursor, account));
        if let Some(event) = event {
            let parties = event.session.and_then(|id| index.evidence.parties.get(&id));
            if parties.is_none_or(|parties| parties.doctor != log.user) {
                report(Fault::Foreign, format!("{event} on the stream of another doctor"));
            }
            if let (Kind::Requested, Some(session)) = (&event.kind, event.session) {
                shown.sessions.insert(session);
            }
        }
        if let Some((fault, account)) = cursor.and_then(|cursor| shown.reach(cursor, event.is_some())) {
            report(fault, account);
        }
    }
    shown
}

/// Every `session.requested` of the inbox between the stream's first and last id was shown.
fn complete(index: &Index<'_>, log: &UserLog, shown: &Shown, violations: &mut Vec<Violation>) {
    let (Some(timeline), Some(first), Some(last)) = (index.timelines.get(&log.user), shown.first, shown.last) else {
        return;
    };
    for item in &timeline.items {
        let within = item.cursor.epoch == last.epoch && item.cursor.seq > first.seq && item.cursor.seq <= last.seq;
        let (Kind::Requested, Some(session), true) = (&item.event.kind, item.event.session, within) else {
            continue;
        };
        if !shown.sessions.contains(&session) {
            let account = format!("{} was never shown on the requests stream, which had reached {last}", item.event);
            violations.push(Violation::at(Fault::Lost, timeline.log, item.entry, Some(item.cursor), account));
        }
    }
}
