//! Delivery by `seq`: where replay meets live (realtime.md §2).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consilium_storage::inbox::Row;

use crate::close::Close;
use crate::connection::{Connection, Item, Step};
use crate::cursor::Cursor;
use crate::engine::Engine;
use crate::frame::EventFrame;
use crate::reader::{Found, ReadError};

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The place after which events follow.
    pub cursor: i64,
    /// Whether the client's cursor could be served.
    pub resumed: bool,
    /// How many events will be replayed.
    pub replay: i64,
    /// Whether the client must refetch over REST: its cursor could not be served.
    pub resync: bool,
}

/// What to write next.
#[derive(Debug)]
pub enum Output {
    /// Queued items, in order.
    Items(VecDeque<Item>),
    /// Rows read from the inbox, in order, none missing.
    Rows(Vec<(i64, Arc<EventFrame>)>),
    /// Rows are gone: the client refetches over REST and goes on from this place.
    Resync(i64),
    /// Close.
    Close(Close),
}

/// The stream of one connection: queued items, and rows from Postgres whenever it is behind. Dropping it takes the
/// connection out of the hub.
#[derive(Debug)]
pub struct Feed {
    engine: Engine,
    connection: Arc<Connection>,
    /// What the opening read brought, until it is written: a resume costs one read, not two.
    first: Mutex<Option<Box<Found>>>,
}

impl Feed {
    pub(crate) fn new(engine: Engine, connection: Arc<Connection>) -> Self {
        Self { engine, connection, first: Mutex::default() }
    }

    /// Reads where an enlisted connection begins: nothing announced since it was registered is lost.
    pub(crate) async fn open(self, since: Option<&Cursor>) -> Result<(Self, Opening), ReadError> {
        let user = self.connection.credential().user;
        let served = since.filter(|cursor| cursor.epoch == self.engine.epoch()).map(|cursor| cursor.seq);
        let found = self.engine.reader().read_in_turn(user, served).await?;
        let opening = opening(since.is_some(), served, &found);
        self.connection.start(opening.cursor, found.head);
        if opening.replay > 0 {
            *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(found));
        }
        Ok((self, opening))
    }

    /// The connection it serves.
    #[must_use]
    pub const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// What to write next. May be dropped and called again at any time: a read that was under way is done again.
    pub async fn next(&self) -> Output {
        let mut pause = Duration::from_millis(50);
        loop {
            let after = match std::future::poll_fn(|cx| self.connection.poll_step(cx)).await {
                Step::Write(items) => return Output::Items(items),
                Step::Close(reason) => return Output::Close(reason),
                Step::Behind(after) => after,
            };
            let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(output) = first.and_then(|found| self.take(after, &found)) {
                return output;
            }
            match self.engine.reader().read(self.connection.credential().user, Some(after)).await {
                Ok(found) => {
                    if let Some(output) = self.take(after, &found) {
                        return output;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "inbox cannot be read, trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    /// Rows that follow without a hole are written; a hole can only be rows that retention dropped.
    fn take(&self, after: i64, found: &Found) -> Option<Output> {
        let gapless = found.rows.iter().zip(after + 1..).all(|(row, seq)| row.seq == seq);
        if !gapless || (found.rows.is_empty() && found.head > after) {
            self.connection.replayed(found.head);
            return Some(Output::Resync(found.head));
        }
        let Some(last) = found.rows.last().map(|row| row.seq) else {
            self.connection.replayed(after);
            return None;
        };
        self.connection.replayed(last);
        Some(Output::Rows(found.rows.iter().map(frame).collect()))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.engine.unregister(&self.connection);
    }
}

/// A stored row as the frame it was when it was live.
#[must_use]
pub fn frame(row: &Row) -> (i64, Arc<EventFrame>) {
    (row.seq, EventFrame::new(&row.kind, row.at, row.session_id, &row.data))
}

/// Where a connection begins (realtime.md §2, settled 2).
#[must_use]
pub fn opening(asked: bool, since: Option<i64>, found: &Found) -> Opening {
    let head = found.head;
    let at_head = Opening { cursor: head, resumed: false, replay: 0, resync: asked };
    let Some(since) = since else { return at_head };
    let first = found.rows.first().map(|row| row.seq);
    let begins = match first {
        // Zero asks for everything within retention, wherever that begins.
        Some(first) if since == 0 => first - 1,
        Some(first) if first == since + 1 => since,
        None if since == head || since == 0 => head,
        _ => return at_head,
    };
    if begins > head {
        return at_head;
    }
    Opening { cursor: begins, resumed: true, replay: head - begins, resync: false }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use consilium_storage::ids::UserId;

    use super::*;

    fn found(head: i64, seqs: std::ops::RangeInclusive<i64>) -> Found {
        let row = |seq| Row {
            user_id: UserId::new(),
            seq,
            at: DateTime::UNIX_EPOCH,
            kind: "x".to_owned(),
            session_id: None,
            data: "{}".to_owned(),
        };
        Found { head, rows: seqs.map(row).collect() }
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "no rows")]
    fn every_way_to_begin() {
        let at_head = |head, resync| Opening { cursor: head, resumed: false, replay: 0, resync };
        let resumed = |cursor, replay| Opening { cursor, resumed: true, replay, resync: false };
        assert_eq!(opening(false, None, &found(9, 1..=0)), at_head(9, false));
        assert_eq!(opening(true, None, &found(9, 1..=0)), at_head(9, true), "another epoch");
        assert_eq!(opening(true, Some(9), &found(9, 1..=0)), resumed(9, 0));
        assert_eq!(opening(true, Some(6), &found(9, 7..=9)), resumed(6, 3));
        assert_eq!(opening(true, Some(10), &found(9, 1..=0)), at_head(9, true), "ahead of the head");
        assert_eq!(opening(true, Some(3), &found(9, 6..=9)), at_head(9, true), "older than retention");
        assert_eq!(opening(true, Some(3), &found(9, 1..=0)), at_head(9, true), "all gone");
        assert_eq!(opening(true, Some(0), &found(9, 6..=9)), resumed(5, 4), "all within retention");
        assert_eq!(opening(true, Some(0), &found(9, 1..=0)), resumed(9, 0), "nothing within retention");
        assert_eq!(opening(true, Some(0), &found(0, 1..=0)), resumed(0, 0), "an empty inbox");
    }
}
