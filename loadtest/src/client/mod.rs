//! One logical client: a socket that may break at any time, a cursor, commands that wait for answers.
//!
//! Everything happens in the task of the client's owner; `next` may not be dropped half-way, it ends
//! by itself at the deadline it was given.

mod inbox;
mod link;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::account::Account;
use crate::command::{Command, Deed};
use crate::history::{Entry, Event, UserLog, What};
use crate::pace::Bucket;
use crate::requests::Requests;
use crate::socket::Socket;
use crate::sse::Block;
use crate::world::{Cut, Phase, World};

/// What a client learns.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The deadline came first.
    Nothing,
    Event {
        event: Event,
    },
    Acked {
        event: Option<Event>,
    },
    Refused {
        command: Box<Command>,
    },
    /// A block of the requests stream.
    Shown(Block),
    /// The connection is new; commands without answers were sent again.
    Reconnected,
    /// The run is over.
    Over,
}

/// A logical client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) world: Arc<World>,
    pub(crate) account: Account,
    pub(crate) log: UserLog,
    pub(crate) rng: StdRng,
    pub(crate) requests: Option<Requests>,
    number: usize,
    node: usize,
    cuts: watch::Receiver<Cut>,
    socket: Option<Socket>,
    conn: u32,
    position: Option<String>,
    /// Since when this connection stands.
    pub(crate) connected_at: Option<Instant>,
    next_reference: u64,
    waiting: VecDeque<Command>,
    pending: BTreeMap<u64, Command>,
    bucket: Bucket,
    /// The command limit holds commands back: what waits for it is measured from its release.
    throttled: bool,
    next_cut: Option<Instant>,
    /// How long a draining node asked us to stay away.
    stay_away: Option<Duration>,
    /// When the resume began and how many replayed events are still to come.
    resuming: Option<(Instant, u64)>,
}

impl Client {
    pub(crate) fn new(world: Arc<World>, account: Account, name: String, number: usize) -> Self {
        let log = UserLog::new(account.id, name);
        let rng = StdRng::seed_from_u64(world.seed.wrapping_add(number as u64 * 7919));
        let cuts = world.cuts.clone();
        Self {
            world,
            account,
            log,
            rng,
            requests: None,
            number,
            node: number,
            cuts,
            socket: None,
            conn: 0,
            position: None,
            connected_at: None,
            next_reference: 0,
            waiting: VecDeque::new(),
            pending: BTreeMap::new(),
            bucket: Bucket::commands(Instant::now()),
            throttled: false,
            next_cut: None,
            stay_away: None,
            resuming: None,
        }
    }

    pub(crate) fn node(&self) -> usize {
        self.node
    }

    /// Turns to the next node.
    pub(crate) fn move_on(&mut self) {
        self.node = self.node.wrapping_add(1);
    }

    /// The cursor to resume with.
    pub(crate) fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Whether every command has its answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.pending.is_empty()
    }

    /// Whether so many commands wait already that another would only make the queue longer.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() + self.pending.len() >= 200
    }

    /// A new `ref`.
    pub(crate) fn reference(&mut self) -> u64 {
        self.next_reference += 1;
        self.next_reference
    }

    /// Sends a command as soon as the command limit allows, and again until it is answered.
    pub(crate) fn send(&mut self, command: Command) {
        if let Deed::Message { session, client_message_id } = &command.deed {
            self.note(What::Sent { session: *session, client_message_id: *client_message_id });
        }
        if let Some(mark) = command.mark() {
            self.world.mark(mark, command.queued, self.node);
        }
        self.waiting.push_back(command);
    }

    pub(crate) fn note(&mut self, what: What) {
        let at_us = self.world.now_us();
        let conn = if self.socket.is_some() { self.conn } else { 0 };
        self.log.entries.push(Entry { at_us, conn, what });
    }

    /// A random time around a mean, between half and one and a half of it.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(self.rng.random_range(0.5..1.5))
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability.clamp(0.0, 1.0))
    }

    /// Waits for news until `deadline`.
    pub(crate) async fn next(&mut self, deadline: Instant) -> Incoming {
        loop {
            if self.world.phase() == Phase::Over {
                return Incoming::Over;
            }
            if self.socket.is_none() {
                return if self.reconnect().await { Incoming::Reconnected } else { Incoming::Over };
            }
            self.flush().await;
            let now = Instant::now();
            if self.next_cut.is_some_and(|at| at <= now) {
                self.cut_at_random().await;
                continue;
            }
            if self.oldest_written().is_some_and(|at| at + self.world.plan.patience <= now) {
                self.world.stats.strain("unanswered command".into());
                self.lost("unanswered command");
                continue;
            }
            let Some(mut socket) = self.socket.take() else {
                continue;
            };
            let wake = self.wake(deadline);
            let shown = Requests::next(self.requests.as_mut());
            let news = tokio::select! {
                frame = socket.next() => News::Frame(frame),
                block = shown => News::Block(block),
                () = ordered(&mut self.cuts) => News::Cut,
                () = sleep_until(wake) => News::Time,
            };
            self.socket = Some(socket);
            match news {
                News::Time if Instant::now() >= deadline => return Incoming::Nothing,
                News::Time => {}
                News::Cut => self.cut_by_order().await,
                News::Block(block) => {
                    if let Some(block) = self.shown(block).await {
                        return Incoming::Shown(block);
                    }
                }
                News::Frame(Some(Ok(WsMessage::Text(text)))) => {
                    if let Some(incoming) = self.frame(text.as_str()).await {
                        return incoming;
                    }
                }
                News::Frame(Some(Ok(WsMessage::Close(frame)))) => self.closed(frame).await,
                News::Frame(Some(Ok(_))) => {}
                News::Frame(Some(Err(_)) | None) => self.lost("connection broken"),
            }
        }
    }

    fn wake(&self, deadline: Instant) -> Instant {
        let mut wake = deadline;
        let stale = self.oldest_written().map(|at| at + self.world.plan.patience);
        let token = (!self.waiting.is_empty()).then(|| self.bucket.next_token());
        for other in [self.next_cut, stale, token].into_iter().flatten() {
            wake = wake.min(other);
        }
        wake
    }

    fn oldest_written(&self) -> Option<Instant> {
        self.pending.first_key_value().and_then(|(_, command)| command.written)
    }

    /// Writes what the command limit allows.
    async fn flush(&mut self) {
        let Some(mut socket) = self.socket.take() else {
            return;
        };
        let mut wrote = false;
        let mut broken = false;
        while let Some(command) = self.waiting.front() {
            if !self.bucket.take(Instant::now()) {
                self.throttled = true;
                break;
            }
            broken = socket.feed(WsMessage::Text(command.frame.clone())).await.is_err();
            if broken {
                break;
            }
            let Some(mut command) = self.waiting.pop_front() else {
                break;
            };
            let now = Instant::now();
            if self.throttled {
                // Held back by our own limit, not by the server.
                command.queued = now;
                if let Some(mark) = command.mark().filter(|_| !command.crossed) {
                    self.world.mark(mark, now, self.node);
                }
            }
            command.written = Some(now);
            command.first_sent_us.get_or_insert(self.world.now_us());
            self.pending.insert(command.reference, command);
            wrote = true;
        }
        self.throttled &= !self.waiting.is_empty();
        if wrote && !broken {
            let flushed = timeout(Duration::from_secs(10), socket.flush()).await;
            broken = !matches!(flushed, Ok(Ok(())));
        }
        self.socket = Some(socket);
        if broken {
            self.lost("writing failed");
        }
    }

    /// A block of the requests stream, or its end.
    async fn shown(&mut self, block: Option<Block>) -> Option<Block> {
        let requests = self.requests.as_mut()?;
        if let Some(block) = block {
            return requests.take(&self.world, block);
        }
        if requests.is_due() {
            let refused = requests.open(&self.world, &self.account.access, self.node).await;
            if refused == Some(401) {
                drop(self.account.renew(&self.world.http, self.node).await);
            }
        } else {
            requests.ended(&self.world);
        }
        None
    }
}

/// What is left of a client.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) account: Account,
    pub(crate) log: UserLog,
    pub(crate) requests: Option<UserLog>,
    pub(crate) position: Option<String>,
    pub(crate) conn: u32,
}

enum News {
    Frame(Option<Result<WsMessage, tokio_tungstenite::tungstenite::Error>>),
    Block(Option<Block>),
    Time,
    /// A cut of many clients is ordered.
    Cut,
}

/// The next order to cut.
async fn ordered(cuts: &mut watch::Receiver<Cut>) {
    if cuts.changed().await.is_err() {
        std::future::pending().await
    }
}
