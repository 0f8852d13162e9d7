//! One connection as the hub sees it: a bounded queue, a place in the inbox, and a waker. What serves the socket
//! takes from it; nobody who delivers ever waits for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use consilium_storage::ids::{LoginId, UserId};
use futures_util::task::AtomicWaker;
use tokio::task::AbortHandle;

use crate::close::Close;
use crate::frame::{Ack, EventFrame};

/// How much may wait for one connection (realtime.md §7): over that it is closed and resumes from its cursor.
pub const QUEUE_EVENTS: usize = 256;
/// As [`QUEUE_EVENTS`], in bytes.
pub const QUEUE_BYTES: usize = 1024 * 1024;

/// Something to write.
#[derive(Debug, Clone)]
pub enum Item {
    /// A durable event at this place of the inbox.
    Event(i64, Arc<EventFrame>),
    /// An acknowledgement; with a place it stands for the event at that place.
    Ack(Option<i64>, Ack),
    /// An event without a place.
    Ephemeral(Arc<EventFrame>),
    /// A frame that is JSON already: an error.
    Text(Arc<str>),
    /// The server goes away: come back after so many milliseconds.
    GoingAway(u64),
}

impl Item {
    /// Whether nothing comes after it: the server goes away.
    #[must_use]
    pub const fn is_goodbye(&self) -> bool {
        matches!(self, Self::GoingAway(_))
    }

    fn size(&self) -> usize {
        match self {
            Self::Event(_, frame) | Self::Ephemeral(frame) => frame.size(),
            Self::Ack(_, ack) => ack.data.len() + 96,
            Self::Text(text) => text.len(),
            Self::GoingAway(_) => 64,
        }
    }
}

/// What to do next for a connection.
#[derive(Debug)]
pub enum Step {
    /// Write these, in order.
    Write(VecDeque<Item>),
    /// The inbox has rows after this place that were not queued: read them.
    Behind(i64),
    /// Close.
    Close(Close),
}

/// The rights a connection was opened with; it ends when they do (settled 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// Whose.
    pub user: UserId,
    /// Which sign-in.
    pub login: LoginId,
}

/// A live connection.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    credential: Credential,
    kind: Kind,
    is_doctor: bool,
    /// When it opened: the oldest of a user's connections makes room, on whatever node it is.
    opened_at: DateTime<Utc>,
    outbox: Mutex<Outbox>,
    waker: AtomicWaker,
    /// Cuts the socket of a stream whose client does not even take the close.
    socket: OnceLock<AbortHandle>,
}

/// What a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A WebSocket or an event stream.
    Lasting,
    /// A poll that waits: not counted among a user's connections.
    Passing,
}

/// How long a close may take before the socket is cut (settled 8).
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Outbox {
    queue: VecDeque<Item>,
    bytes: usize,
    /// The last place that was queued or replayed.
    position: i64,
    /// The highest place the hub has spoken of.
    announced: i64,
    /// Rows between the two must be read from Postgres first.
    behind: bool,
    close: Option<Close>,
    closed_at: Option<Instant>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Connection {
    /// A connection that is behind until [`Connection::start`] says where it begins.
    #[must_use]
    pub fn new(credential: Credential, kind: Kind, is_doctor: bool, opened_at: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            credential,
            kind,
            is_doctor,
            opened_at,
            outbox: Mutex::new(Outbox {
                queue: VecDeque::new(),
                bytes: 0,
                position: i64::MAX,
                announced: 0,
                behind: true,
                close: None,
                closed_at: None,
            }),
            waker: AtomicWaker::new(),
            socket: OnceLock::new(),
        })
    }

    /// Whether it counts among its user's connections.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        matches!(self.kind, Kind::Lasting)
    }

    /// Whether it counts and nobody has asked it to close.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_lasting() && self.lock().close.is_none()
    }

    /// Whether it is a sign of life of a doctor: the same from its first moment to its last.
    #[must_use]
    pub const fn is_presence(&self) -> bool {
        self.is_doctor && self.is_lasting()
    }

    /// The task of the socket, for a stream that somebody else writes.
    pub fn set_socket(&self, task: AbortHandle) {
        // Set once, by whoever opens the stream.
        drop(self.socket.set(task));
    }

    /// Cuts the socket if a close has been waiting too long.
    pub fn cut_if_overdue(&self) {
        let overdue = self.lock().closed_at.is_some_and(|at| at.elapsed() > CLOSE_PATIENCE);
        if let (true, Some(socket)) = (overdue, self.socket.get()) {
            socket.abort();
        }
    }

    /// Resolves when the connection is to be closed, for whoever is busy writing.
    pub fn poll_closed(&self, cx: &Context<'_>) -> Poll<Close> {
        self.waker.register(cx.waker());
        self.lock().close.map_or(Poll::Pending, Poll::Ready)
    }

    /// Unique within this process; later connections have higher ids.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// When it opened.
    #[must_use]
    pub const fn opened_at(&self) -> DateTime<Utc> {
        self.opened_at
    }

    /// Whose rights it has.
    #[must_use]
    pub const fn credential(&self) -> Credential {
        self.credential
    }

    /// Sets where delivery begins: after `position`. What was announced since the connection was registered is read
    /// from Postgres, so replay and live delivery meet without a hole.
    pub fn start(&self, position: i64, head: i64) {
        let mut outbox = self.lock();
        outbox.position = position;
        outbox.announced = outbox.announced.max(head);
        outbox.behind = outbox.announced > position;
        drop(outbox);
        self.waker.wake();
    }

    /// Offers the event at a place of the inbox: the next one is queued, an older one dropped, and one from further
    /// ahead makes the connection read what lies between. With an `ack` that stands for it, the ack is queued instead.
    pub fn offer(&self, seq: i64, frame: &Arc<EventFrame>, ack: Option<Ack>) {
        let mut outbox = self.lock();
        let next = !outbox.behind && seq == outbox.position.saturating_add(1);
        if next {
            outbox.position = seq;
            let item = match ack {
                Some(ack) => Item::Ack(Some(seq), ack),
                None => Item::Event(seq, Arc::clone(frame)),
            };
            outbox.push(item);
        } else {
            if seq > outbox.position || outbox.behind {
                outbox.announced = outbox.announced.max(seq);
                outbox.behind = true;
            }
            // The event itself will come by replay, so the ack stands for nothing.
            if let Some(ack) = ack {
                outbox.push(Item::Ack(None, ack));
            }
        }
        drop(outbox);
        self.waker.wake();
    }

    /// Queues something without a place.
    pub fn send(&self, item: Item) {
        self.lock().push(item);
        self.waker.wake();
    }

    /// Says that the inbox has reached this head, whether or not the events came by.
    pub fn announce(&self, head: i64) {
        let mut outbox = self.lock();
        // Before the start it is kept, and looked at then.
        outbox.announced = outbox.announced.max(head);
        if outbox.position != i64::MAX && head > outbox.position {
            outbox.behind = true;
        }
        drop(outbox);
        self.waker.wake();
    }

    /// Asks whatever serves it to close; the first reason stands.
    pub fn close(&self, reason: Close) {
        self.lock().close(reason);
        self.waker.wake();
    }

    /// Notes that rows up to `position` were replayed.
    pub fn replayed(&self, position: i64) {
        let mut outbox = self.lock();
        outbox.position = position;
        outbox.behind = outbox.announced > position;
    }

    /// The last place that was queued or replayed; `None` before the start.
    #[must_use]
    pub fn position(&self) -> Option<i64> {
        let position = self.lock().position;
        (position != i64::MAX).then_some(position)
    }

    /// What to do next. Queued items come first, then rows to read, then the close.
    pub fn poll_step(&self, cx: &Context<'_>) -> Poll<Step> {
        self.waker.register(cx.waker());
        let mut outbox = self.lock();
        if outbox.close == Some(Close::SlowConsumer) {
            return Poll::Ready(Step::Close(Close::SlowConsumer));
        }
        if !outbox.queue.is_empty() {
            outbox.bytes = 0;
            return Poll::Ready(Step::Write(std::mem::take(&mut outbox.queue)));
        }
        if let Some(reason) = outbox.close {
            return Poll::Ready(Step::Close(reason));
        }
        if outbox.behind && outbox.position != i64::MAX {
            return Poll::Ready(Step::Behind(outbox.position));
        }
        Poll::Pending
    }

    /// A panic while the lock was held cannot have left the queue half changed: every change is one push or take.
    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    fn close(&mut self, reason: Close) {
        if self.close.is_none() {
            self.close = Some(reason);
            self.closed_at = Some(Instant::now());
        }
    }

    fn push(&mut self, item: Item) {
        if self.close.is_some() {
            return;
        }
        self.bytes += item.size();
        if self.queue.len() >= QUEUE_EVENTS || self.bytes > QUEUE_BYTES {
            metrics::counter!("consilium_slow_consumers_total").increment(1);
            self.close(Close::SlowConsumer);
            self.queue = VecDeque::new();
            return;
        }
        self.queue.push_back(item);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    fn connection() -> Arc<Connection> {
        Connection::new(
            Credential { user: UserId::new(), login: LoginId::new() },
            Kind::Lasting,
            false,
            DateTime::UNIX_EPOCH,
        )
    }

    fn step(connection: &Connection) -> Option<Step> {
        match connection.poll_step(&Context::from_waker(Waker::noop())) {
            Poll::Ready(step) => Some(step),
            Poll::Pending => None,
        }
    }

    fn frame() -> Arc<EventFrame> {
        EventFrame::new("x", DateTime::UNIX_EPOCH, None, "{}")
    }

    #[test]
    fn a_full_queue_closes_as_slow_and_drops_what_waited() {
        let connection = connection();
        connection.start(0, 0);
        for seq in 1..=300 {
            connection.offer(seq, &frame(), None);
        }
        assert!(matches!(step(&connection), Some(Step::Close(Close::SlowConsumer))));
    }

    #[test]
    fn an_event_during_the_start_is_read_not_lost() {
        let connection = connection();
        connection.offer(6, &frame(), None);
        assert!(step(&connection).is_none());
        connection.start(5, 5);
        assert!(matches!(step(&connection), Some(Step::Behind(5))));
        connection.replayed(6);
        assert!(step(&connection).is_none());
    }

    #[test]
    fn a_head_announced_before_the_start_is_not_forgotten() {
        let connection = connection();
        connection.announce(6);
        connection.start(5, 5);
        assert!(matches!(step(&connection), Some(Step::Behind(5))));
    }

    #[test]
    fn an_ack_while_behind_carries_no_place() {
        let connection = connection();
        connection.start(0, 3);
        connection.offer(4, &frame(), Some(Ack { reference: "1".into(), data: "{}".into() }));
        let Some(Step::Write(items)) = step(&connection) else { panic!("the ack is queued") };
        assert!(matches!(items.front(), Some(Item::Ack(None, _))));
        assert!(matches!(step(&connection), Some(Step::Behind(0))));
    }

    proptest! {
        /// Whatever is dropped, doubled or reordered on the way: what is written plus what is replayed is 1, 2, 3 …
        #[test]
        fn written_and_replayed_rows_have_no_gap(offers in prop::collection::vec(1..30i64, 0..80)) {
            let connection = connection();
            connection.start(0, 0);
            let mut committed = 0;
            let mut seen = Vec::new();
            let drain = |connection: &Connection, committed: i64, seen: &mut Vec<i64>| {
                while let Some(step) = step(connection) {
                    match step {
                        Step::Write(items) => seen.extend(items.into_iter().filter_map(|item| match item {
                            Item::Event(seq, _) => Some(seq),
                            _ => None,
                        })),
                        Step::Behind(after) => {
                            seen.extend(after + 1..=committed);
                            connection.replayed(committed);
                        }
                        Step::Close(_) => break,
                    }
                }
            };
            for seq in offers {
                committed = committed.max(seq);
                connection.offer(seq, &frame(), None);
                drain(&connection, committed, &mut seen);
            }
            connection.announce(committed);
            drain(&connection, committed, &mut seen);
            prop_assert_eq!(seen, (1..=committed).collect::<Vec<_>>());
        }
    }
}
