//! One logical client: a socket that may break at any time, a cursor, commands that wait for answers.
//!
//! Everything happens in the task of the client's owner; `next` may not be dropped half-way, it ends
//! by itself at the deadline it was given.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::account::Account;
use crate::command::{Command, Deed, seen_step};
use crate::frame::{Frame, FrameError};
use crate::history::record::Channel;
use crate::history::{Cursor, Entry, Event, UserLog, What};
use crate::pace::Bucket;
use crate::requests::Requests;
use crate::socket::{self, Socket};
use crate::sse::Block;
use crate::stats::Step;
use crate::world::{Phase, World};

/// A command without an answer for so long on a living connection is an error.
const UNANSWERED: Duration = Duration::from_secs(20);

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
    node: usize,
    socket: Option<Socket>,
    conn: u32,
    position: Option<String>,
    next_reference: u64,
    waiting: VecDeque<Command>,
    pending: BTreeMap<u64, Command>,
    bucket: Bucket,
    next_cut: Option<Instant>,
    /// When the resume began and how many replayed events are still to come.
    resuming: Option<(Instant, u64)>,
}

impl Client {
    pub(crate) fn new(world: Arc<World>, account: Account, name: String, number: usize) -> Self {
        let log = UserLog::new(account.id, name);
        let rng = StdRng::seed_from_u64(world.seed.wrapping_add(number as u64 * 7919));
        Self {
            world,
            account,
            log,
            rng,
            requests: None,
            node: number,
            socket: None,
            conn: 0,
            position: None,
            next_reference: 0,
            waiting: VecDeque::new(),
            pending: BTreeMap::new(),
            bucket: Bucket::commands(Instant::now()),
            next_cut: None,
            resuming: None,
        }
    }

    pub(crate) fn node(&self) -> usize {
        self.node
    }

    /// The cursor to resume with.
    pub(crate) fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Whether every command has its answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.pending.is_empty()
    }

    /// A new `ref`.
    pub(crate) fn reference(&mut self) -> u64 {
        self.next_reference += 1;
        self.next_reference
    }

    /// Sends a command as soon as the command limit allows, and again until it is answered.
    pub(crate) fn send(&mut self, command: Command) {
        if let Deed::Message {
            session,
            client_message_id,
        } = &command.deed
        {
            self.note(What::Sent {
                session: *session,
                client_message_id: *client_message_id,
            });
        }
        if let Some(mark) = command.mark() {
            self.world.mark(mark, command.queued);
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
                return if self.reconnect().await {
                    Incoming::Reconnected
                } else {
                    Incoming::Over
                };
            }
            self.flush().await;
            let now = Instant::now();
            if self.next_cut.is_some_and(|at| at <= now) {
                self.cut_at_random().await;
                continue;
            }
            if self
                .oldest_written()
                .is_some_and(|at| at + UNANSWERED <= now)
            {
                self.world.stats.error("unanswered command".into());
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
                () = sleep_until(wake) => News::Time,
            };
            self.socket = Some(socket);
            match news {
                News::Time if Instant::now() >= deadline => return Incoming::Nothing,
                News::Time => {}
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
        let stale = self.oldest_written().map(|at| at + UNANSWERED);
        let token = (!self.waiting.is_empty()).then(|| self.bucket.next_token());
        for other in [self.next_cut, stale, token].into_iter().flatten() {
            wake = wake.min(other);
        }
        wake
    }

    fn oldest_written(&self) -> Option<Instant> {
        self.pending
            .first_key_value()
            .and_then(|(_, command)| command.written)
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
                break;
            }
            broken = socket
                .feed(WsMessage::Text(command.frame.clone()))
                .await
                .is_err();
            if broken {
                break;
            }
            let Some(mut command) = self.waiting.pop_front() else {
                break;
            };
            command.written = Some(Instant::now());
            command.first_sent_us.get_or_insert(self.world.now_us());
            self.pending.insert(command.reference, command);
            wrote = true;
        }
        if wrote && !broken {
            let flushed = timeout(Duration::from_secs(10), socket.flush()).await;
            broken = !matches!(flushed, Ok(Ok(())));
        }
        self.socket = Some(socket);
        if broken {
            self.lost("writing failed");
        }
    }

    /// One text frame.
    async fn frame(&mut self, text: &str) -> Option<Incoming> {
        self.world.stats.frames.fetch_add(1, Ordering::Relaxed);
        let Ok(frame) = Frame::parse(text) else {
            self.world.stats.error("unreadable frame".into());
            return None;
        };
        match frame.name.as_ref() {
            "ack" => return self.acked(&frame),
            "error" => return self.refused(&frame),
            "resync" => {
                if let Some((cursor, text)) = cursor_of(&frame) {
                    self.note(What::Resync { cursor });
                    self.position = Some(text.to_owned());
                    self.caught_up();
                }
                return None;
            }
            "token.expiring" => {
                self.refresh().await;
                return None;
            }
            "redacted" => {
                if let Some((cursor, text)) = cursor_of(&frame) {
                    self.note(What::Redacted { cursor });
                    self.stand_at(text);
                    self.replayed_one();
                }
                return None;
            }
            _ => {}
        }
        // Without a cursor: typing, presence.changed, going_away and what may come.
        let (cursor, at) = cursor_of(&frame)?;
        let Some(event) = frame.event() else {
            self.world
                .stats
                .error(format!("unreadable data of {}", frame.name));
            return None;
        };
        self.note(What::Event {
            cursor: Some(cursor),
            event: event.clone(),
        });
        self.stand_at(at);
        if let Some((mark, step)) = seen_step(&event)
            && let Some(began) = self.world.take_mark(mark)
            && self.resuming.is_none()
        {
            self.world.stats.record(step, began.elapsed());
        }
        self.replayed_one();
        Some(Incoming::Event { event })
    }

    fn acked(&mut self, frame: &Frame<'_>) -> Option<Incoming> {
        let command = self.answered(frame)?;
        let data = frame.data.map_or("null", |data| data.get());
        let Ok(event) = command.event(data) else {
            self.world
                .stats
                .error(format!("unreadable ack of {}", command.name));
            return None;
        };
        let at = cursor_of(frame);
        if let Some(event) = &event {
            self.note(What::Ack {
                cursor: at.map(|(cursor, _)| cursor),
                event: event.clone(),
                sent_us: command.first_sent_us.unwrap_or_default(),
            });
        }
        if let Some((_, text)) = at {
            self.stand_at(text);
        }
        if let Some(step) = command.ack_step() {
            self.world.stats.record(step, command.queued.elapsed());
        }
        Some(Incoming::Acked { event })
    }

    fn refused(&mut self, frame: &Frame<'_>) -> Option<Incoming> {
        let error = frame.error.clone().unwrap_or_default();
        let mut command = self.answered(frame)?;
        if let Some(mark) = command.mark() {
            self.world.take_mark(mark);
        }
        if let Deed::Message {
            client_message_id, ..
        } = command.deed
        {
            self.note(What::Refused {
                client_message_id: Some(client_message_id),
            });
        }
        self.count(&command, &error);
        if error.status == 429 || error.status == 503 {
            self.bucket
                .pause_until(Instant::now() + Duration::from_millis(500));
            command.crossed = true;
            self.waiting.push_front(command);
            return None;
        }
        Some(Incoming::Refused {
            command: Box::new(command),
        })
    }

    fn count(&self, command: &Command, error: &FrameError) {
        let kind = format!("{}: {}", command.name, error.label());
        if command.foresees(error) {
            self.world.stats.refusal(kind);
        } else {
            self.world.stats.error(kind);
        }
    }

    fn answered(&mut self, frame: &Frame<'_>) -> Option<Command> {
        let reference = frame.reference.as_deref()?.parse().ok();
        let command = reference.and_then(|reference: u64| self.pending.remove(&reference));
        if command.is_none() {
            self.world
                .stats
                .error("an answer to nothing, or a second one".into());
        }
        command
    }

    fn stand_at(&mut self, cursor: &str) {
        let position = self.position.get_or_insert_default();
        position.clear();
        position.push_str(cursor);
    }

    fn replayed_one(&mut self) {
        if let Some((_, left)) = &mut self.resuming {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.caught_up();
            }
        }
    }

    fn caught_up(&mut self) {
        if let Some((began, _)) = self.resuming.take() {
            self.world.stats.record(Step::Resume, began.elapsed());
        }
    }

    async fn refresh(&mut self) {
        let node = self.node;
        match self.account.renew(&self.world.http, node).await {
            Ok(()) => {
                let reference = self.reference();
                self.send(Command::refresh(reference, &self.account.access));
            }
            Err(trouble) => self.world.stats.error(format!("refresh: {trouble}")),
        }
    }

    async fn closed(&mut self, frame: Option<CloseFrame>) {
        let code = frame.as_ref().map_or(1005, |frame| u16::from(frame.code));
        match code {
            1000 | 1001 => {}
            4401 => drop(self.account.renew(&self.world.http, self.node).await),
            _ => self.world.stats.error(format!("closed with {code}")),
        }
        self.lost(&format!("closed with {code}"));
    }

    /// Breaks the connection as networks do: reset, half-closed, or politely.
    async fn cut_at_random(&mut self) {
        self.world.stats.reconnects.fetch_add(1, Ordering::Relaxed);
        let way = self.rng.random_range(0..3_u8);
        if let Some(mut socket) = self.socket.take() {
            let why = match way {
                0 => {
                    drop(socket.get_ref().set_zero_linger());
                    "cut by us with a reset"
                }
                1 => "cut by us without a word",
                _ => {
                    drop(timeout(Duration::from_secs(1), socket.close(None)).await);
                    "closed by us"
                }
            };
            self.socket = Some(socket);
            self.lost(why);
        }
    }

    /// Forgets the connection; what was not answered goes out again on the next, in its order.
    fn lost(&mut self, why: &str) {
        if self.socket.is_none() {
            return;
        }
        self.note(What::Closed { why: why.into() });
        self.socket = None;
        self.resuming = None;
        self.next_cut = None;
        self.world.stats.connections.fetch_sub(1, Ordering::Relaxed);
        while let Some((_, mut command)) = self.pending.pop_last() {
            command.crossed = true;
            command.written = None;
            if let Some(mark) = command.mark() {
                self.world.take_mark(mark);
            }
            self.waiting.push_front(command);
        }
    }

    /// Connects, for as long as the run lasts.
    async fn reconnect(&mut self) -> bool {
        let mut pause = Duration::from_millis(40);
        let mut failures: u32 = 0;
        loop {
            if self.world.phase() == Phase::Over {
                return false;
            }
            let began = Instant::now();
            match self.connect(began).await {
                Ok(()) => return true,
                Err(socket::Refused::Unauthenticated) => {
                    if let Err(trouble) = self.account.renew(&self.world.http, self.node).await {
                        self.world.stats.error(format!("renew: {trouble}"));
                    }
                }
                Err(socket::Refused::Status(status)) => {
                    self.world.stats.error(format!("handshake: {status}"));
                }
                Err(socket::Refused::Transport) => {}
            }
            failures += 1;
            // The next node may be alive where this one is not.
            self.node = self.node.wrapping_add(1);
            if failures > 1 {
                let wait = self.around(pause);
                sleep(wait).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }

    async fn connect(&mut self, began: Instant) -> Result<(), socket::Refused> {
        let authority = self.world.http.authority(self.node).to_owned();
        let (socket, greeting) =
            socket::open(&authority, &self.account.access, self.position()).await?;
        self.conn += 1;
        self.socket = Some(socket);
        self.bucket = Bucket::commands(Instant::now());
        self.world.stats.connections.fetch_add(1, Ordering::Relaxed);
        let asked = self.position.as_deref().and_then(Cursor::parse);
        self.note(What::Opened {
            channel: Channel::Socket,
            asked,
            cursor: greeting.cursor.as_deref().and_then(Cursor::parse),
        });
        if greeting.user_id != Some(self.account.id) {
            self.world.stats.error("greeted as somebody else".into());
        }
        if self.position.is_none() {
            self.position = greeting.cursor;
        } else {
            self.resuming = Some((began, greeting.replay));
            if greeting.resumed && greeting.replay == 0 {
                self.caught_up();
            }
        }
        let mean = self.world.plan.cut_gap;
        if !mean.is_zero() && self.world.phase() < Phase::Leaving {
            let chance: f64 = self.rng.random_range(1e-6..1.0);
            self.next_cut = Some(Instant::now() + mean.mul_f64(-chance.ln()));
        }
        Ok(())
    }

    /// A block of the requests stream, or its end.
    async fn shown(&mut self, block: Option<Block>) -> Option<Block> {
        let requests = self.requests.as_mut()?;
        if let Some(block) = block {
            return requests.take(&self.world, block);
        }
        if requests.is_due() {
            let refused = requests
                .open(&self.world, &self.account.access, self.node)
                .await;
            if refused == Some(401) {
                drop(self.account.renew(&self.world.http, self.node).await);
            }
        } else {
            requests.ended(&self.world);
        }
        None
    }

    /// Closes for good and gives back the history.
    pub(crate) async fn leave(mut self) -> Departed {
        for command in self.waiting.iter().chain(self.pending.values()) {
            let kind = format!("{}: no answer until the end", command.name);
            self.world.stats.error(kind);
        }
        if let Some(mut socket) = self.socket.take() {
            drop(timeout(Duration::from_secs(1), socket.close(None)).await);
            self.socket = Some(socket);
            self.lost("the client left");
        }
        Departed {
            account: self.account,
            log: self.log,
            requests: self.requests.map(|requests| requests.log),
            position: self.position,
            conn: self.conn,
        }
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
}

fn cursor_of<'a>(frame: &'a Frame<'_>) -> Option<(Cursor, &'a str)> {
    let text = frame.cursor.as_deref()?;
    Some((Cursor::parse(text)?, text))
}
