//! A broken promise, told so that somebody can find it in the server's logs.

use std::fmt;

use uuid::Uuid;

use super::record::{Cursor, UserLog};

/// Which promise of realtime.md §1 was broken, and how.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Fault {
    /// Acknowledged or stored, and missing where it had to arrive.
    Lost,
    /// The same number, message or receipt twice.
    Duplicated,
    /// Not in order: numbers, times, the sender's order, or the two parties disagree.
    Reordered,
    /// A number of the inbox never came.
    Gap,
    /// An event of a session the user has no part in.
    Foreign,
    /// A message or receipt of something nobody sent.
    Invented,
    /// Content other than what was sent.
    Altered,
    /// Told to start over although the cursor was good.
    Resync,
}

impl Fault {
    /// One word for tables.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Gap => "gap",
            Self::Foreign => "foreign",
            Self::Invented => "invented",
            Self::Altered => "altered",
            Self::Resync => "resync",
        }
    }
}

/// One broken promise.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) fault: Fault,
    pub(crate) user: Uuid,
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) conn: Option<u32>,
    /// The entries around it, as this client saw them; the one concerned starts with `>`.
    pub(crate) neighbours: Vec<String>,
}

impl Violation {
    /// A violation without a place in a log.
    pub(crate) fn general(fault: Fault, log: &UserLog, account: String) -> Self {
        Self {
            fault,
            user: log.user,
            name: log.name.clone(),
            account,
            cursor: None,
            conn: None,
            neighbours: Vec::new(),
        }
    }

    /// A violation at one entry of a log.
    pub(crate) fn at(fault: Fault, log: &UserLog, entry: usize, cursor: Option<Cursor>, account: String) -> Self {
        let first = entry.saturating_sub(3);
        let neighbours = log
            .entries
            .iter()
            .enumerate()
            .skip(first)
            .take(entry - first + 4)
            .map(|(index, line)| {
                let mark = if index == entry { '>' } else { ' ' };
                format!("{mark} {line}")
            })
            .collect();
        Self {
            cursor,
            conn: log.entries.get(entry).map(|line| line.conn),
            neighbours,
            ..Self::general(fault, log, account)
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.word().to_uppercase(), self.account)?;
        write!(f, "\n  who:    {} ({})", self.name, self.user)?;
        if let Some(cursor) = self.cursor {
            write!(f, "\n  cursor: {cursor}")?;
        }
        if let Some(conn) = self.conn {
            write!(f, "\n  over:   connection {conn}")?;
        }
        for line in &self.neighbours {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
