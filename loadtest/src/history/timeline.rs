//! One inbox, walked number by number: gaps, repeats, numbers out of order (realtime.md §1.2, §2).

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::record::{Cursor, Event, UserLog, What};
use super::violation::{Fault, Violation};

/// One inbox row, seen as an event or inside the acknowledgement of the client's own command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) cursor: Cursor,
    /// Index into the log's entries.
    pub(super) entry: usize,
    pub(super) event: &'a Event,
}

/// A user's inbox in its order, repeats left out.
#[derive(Debug)]
pub(super) struct Timeline<'a> {
    pub(super) log: &'a UserLog,
    pub(super) items: Vec<Item<'a>>,
    /// When the last `resync` came: what was sent before it may be missing.
    pub(super) resynced_us: Option<u64>,
    /// Message id to the indexes into `items` that showed it.
    pub(super) messages: HashMap<Uuid, Vec<usize>>,
}

impl Timeline<'_> {
    /// Whether something that the sender first sent at `sent_us` may be missing here.
    pub(super) fn excuses(&self, sent_us: Option<u64>) -> bool {
        match (self.resynced_us, sent_us) {
            _ if !self.log.settled => true,
            (Some(resynced), Some(sent)) => sent <= resynced,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

struct Walk<'a, 'v> {
    log: &'a UserLog,
    position: Option<Cursor>,
    seen: HashSet<u64>,
    /// Missing numbers, each with the entry that jumped over it.
    holes: BTreeMap<u64, usize>,
    violations: &'v mut Vec<Violation>,
}

impl Walk<'_, '_> {
    /// Takes the next number of the inbox; false for a repeat.
    fn advance(&mut self, entry: usize, cursor: Cursor) -> bool {
        if let Some(position) = self.position
            && position.epoch != cursor.epoch
        {
            let account =
                format!("the epoch changed after {position} without a resync; no number after it can be compared");
            self.report(Fault::Gap, entry, cursor, account);
            self.seen.clear();
            self.holes.clear();
            self.position = None;
        }
        if !self.seen.insert(cursor.seq) {
            let account = format!("number {} of the inbox came a second time", cursor.seq);
            self.report(Fault::Duplicated, entry, cursor, account);
            return false;
        }
        match self.position {
            None => self.position = Some(cursor),
            Some(position) if cursor.seq > position.seq => {
                for missing in position.seq + 1..cursor.seq {
                    self.holes.insert(missing, entry);
                }
                self.position = Some(cursor);
            }
            Some(position) => {
                let account = if self.holes.remove(&cursor.seq).is_some() {
                    format!("number {} came after number {}", cursor.seq, position.seq)
                } else {
                    format!("number {} came although the client had resumed after {}", cursor.seq, position.seq)
                };
                self.report(Fault::Reordered, entry, cursor, account);
            }
        }
        true
    }

    fn report(&mut self, fault: Fault, entry: usize, cursor: Cursor, account: String) {
        self.violations.push(Violation::at(fault, self.log, entry, Some(cursor), account));
    }

    /// Says which numbers never came, neighbouring ones together.
    fn report_holes(&mut self) {
        let mut runs: Vec<(u64, u64, usize)> = Vec::new();
        for (&missing, &entry) in &self.holes {
            match runs.last_mut() {
                Some((_, last, at)) if *last + 1 == missing && *at == entry => *last = missing,
                _ => runs.push((missing, missing, entry)),
            }
        }
        self.holes.clear();
        for (first, last, entry) in runs {
            let account = if first == last {
                format!("number {first} of the inbox never came")
            } else {
                format!("numbers {first} to {last} of the inbox never came")
            };
            self.violations.push(Violation::at(Fault::Gap, self.log, entry, None, account));
        }
    }

    fn opened(&mut self, asked: Option<Cursor>, greeted: Option<Cursor>) {
        if asked.is_none() {
            self.report_holes();
            self.position = greeted;
            self.seen.clear();
        }
    }

    fn resync(&mut self, entry: usize, cursor: Cursor, allowed: bool) {
        if !allowed {
            let account = match self.position {
                Some(position) => format!("told to start over at {cursor}, having {position}"),
                None => format!("told to start over at {cursor}"),
            };
            self.report(Fault::Resync, entry, cursor, account);
        }
        self.report_holes();
        self.position = Some(cursor);
        self.seen.clear();
    }
}

/// Walks one log; what is wrong with the numbers goes to `violations`.
pub(super) fn walk<'a>(log: &'a UserLog, allow_resync: bool, violations: &mut Vec<Violation>) -> Timeline<'a> {
    let mut walk = Walk { log, position: None, seen: HashSet::new(), holes: BTreeMap::new(), violations };
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut resynced_us = None;
    for (index, entry) in log.entries.iter().enumerate() {
        match &entry.what {
            What::Opened { asked, cursor, .. } => walk.opened(*asked, *cursor),
            What::Event { cursor: Some(cursor), event } | What::Ack { cursor: Some(cursor), event, .. } => {
                if walk.advance(index, *cursor) {
                    items.push(Item { cursor: *cursor, entry: index, event });
                }
            }
            What::Redacted { cursor } => {
                walk.advance(index, *cursor);
            }
            What::Resync { cursor } => {
                resynced_us = Some(entry.at_us);
                walk.resync(index, *cursor, allow_resync);
            }
            What::Event { cursor: None, .. }
            | What::Ack { cursor: None, .. }
            | What::Reached { .. }
            | What::Sent { .. }
            | What::Refused { .. }
            | What::Unheard { .. }
            | What::Closed { .. } => {}
        }
    }
    walk.report_holes();
    let mut messages: HashMap<Uuid, Vec<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(message) = item.event.message() {
            messages.entry(message.id).or_default().push(index);
        }
    }
    Timeline { log, items, resynced_us, messages }
}
