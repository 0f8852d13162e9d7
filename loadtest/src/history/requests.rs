//! The doctors' requests stream (40): holes by nature, but no request missing, repeated or foreign.

use std::collections::{HashMap, HashSet};

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
    first: Option<Cursor>,
    last: Option<Cursor>,
}

fn walk(index: &Index<'_>, log: &UserLog, violations: &mut Vec<Violation>) -> Shown {
    let mut shown = Shown::default();
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    for (entry, line) in log.entries.iter().enumerate() {
        let (cursor, event) = match &line.what {
            What::Event { cursor, event } => (*cursor, Some(event)),
            What::Reached { cursor } => (Some(*cursor), None),
            What::Opened { cursor, .. } => (*cursor, None),
            What::Resync { cursor } => {
                if !index.evidence.allow_resync {
                    let account = format!("the requests stream was told to start over at {cursor}");
                    let at = Some(*cursor);
                    violations.push(Violation::at(Fault::Resync, log, entry, at, account));
                }
                numbers.clear();
                (shown.first, shown.last) = (Some(*cursor), Some(*cursor));
                continue;
            }
            _ => continue,
        };
        let mut report = |fault, account| {
            violations.push(Violation::at(fault, log, entry, cursor, account));
        };
        if let Some(event) = event {
            let parties = event.session.and_then(|id| index.evidence.parties.get(&id));
            if parties.is_none_or(|parties| parties.doctor != log.user) {
                report(
                    Fault::Foreign,
                    format!("{event} on the stream of another doctor"),
                );
            }
            if let (Kind::Requested, Some(session)) = (&event.kind, event.session) {
                shown.sessions.insert(session);
            }
        }
        let Some(cursor) = cursor else { continue };
        if let Some(last) = shown.last
            && last.epoch == cursor.epoch
        {
            let behind = if event.is_some() {
                cursor.seq <= last.seq
            } else {
                cursor.seq < last.seq
            };
            if event.is_some() && numbers.contains_key(&cursor.seq) {
                report(
                    Fault::Duplicated,
                    format!("id {} came a second time", cursor.seq),
                );
            } else if behind {
                report(
                    Fault::Reordered,
                    format!("id {} came after id {}", cursor.seq, last.seq),
                );
            }
        }
        if event.is_some() {
            numbers.insert(cursor.seq, entry);
        }
        shown.first.get_or_insert(cursor);
        if shown
            .last
            .is_none_or(|last| last.epoch != cursor.epoch || last.seq < cursor.seq)
        {
            shown.last = Some(cursor);
        }
    }
    shown
}

/// Every `session.requested` of the inbox between the stream's first and last id was shown.
fn complete(index: &Index<'_>, log: &UserLog, shown: &Shown, violations: &mut Vec<Violation>) {
    let (Some(timeline), Some(first), Some(last)) =
        (index.timelines.get(&log.user), shown.first, shown.last)
    else {
        return;
    };
    for item in &timeline.items {
        let within = item.cursor.epoch == last.epoch
            && item.cursor.seq > first.seq
            && item.cursor.seq <= last.seq;
        let (Kind::Requested, Some(session), true) = (&item.event.kind, item.event.session, within)
        else {
            continue;
        };
        if !shown.sessions.contains(&session) {
            let account = format!(
                "{} was never shown on the requests stream, which had reached {last}",
                item.event
            );
            violations.push(Violation::at(
                Fault::Lost,
                timeline.log,
                item.entry,
                Some(item.cursor),
                account,
            ));
        }
    }
}
