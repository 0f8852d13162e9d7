//! The doctor's requests stream (40), kept as an EventSource keeps it: the last id comes back on reconnect.

use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep_until};

use crate::frame;
use crate::history::record::{Channel, Detail};
use crate::history::{Cursor, Entry, Event, Kind, UserLog, What};
use crate::http::Trouble;
use crate::sse::{Block, Stream};
use crate::stats::Step;
use crate::world::{Mark, Phase, World};

/// One doctor's stream.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) log: UserLog,
    stream: Option<Stream>,
    last_id: Option<String>,
    conn: u32,
    /// How many nodes after the socket's: another one, and the next after a failure.
    shift: usize,
    /// When to connect (again).
    due: Option<Instant>,
    cut: Option<Instant>,
}

impl Requests {
    pub(crate) fn new(log: UserLog) -> Self {
        Self { log, stream: None, last_id: None, conn: 0, shift: 1, due: Some(Instant::now()), cut: None }
    }

    /// The next block; `None` at its end or when it is time to connect. Never, without a stream.
    pub(crate) async fn next(this: Option<&mut Self>) -> Option<Block> {
        let Some(this) = this else {
            return std::future::pending().await;
        };
        match (&mut this.stream, this.due) {
            (Some(stream), _) => {
                let cut = this.cut;
                tokio::select! {
                    block = stream.next() => block,
                    () = maybe(cut) => None,
                }
            }
            (None, due) => {
                maybe(due).await;
                None
            }
        }
    }

    /// Whether there is no stream and it is time for one.
    pub(crate) fn is_due(&self) -> bool {
        self.stream.is_none()
    }

    pub(crate) async fn open(&mut self, world: &World, token: &str, node: usize) -> Option<u16> {
        let path = "/api/v2/connect/sessions/requests/stream";
        let opened = world.http.stream(node + self.shift, path, token, self.last_id.as_deref()).await;
        match opened {
            Ok(response) => {
                self.conn += 1;
                self.due = None;
                self.stream = Some(Stream::new(response.into_body()));
                let asked = self.last_id.as_deref().and_then(Cursor::parse);
                self.note(world, What::Opened { channel: Channel::Requests, asked, cursor: None });
                let mean = world.plan.cut_gap;
                let chance: f64 = rand::rng().random_range(1e-6..1.0);
                self.cut = (!mean.is_zero() && world.phase() < Phase::Leaving)
                    .then(|| Instant::now() + mean.mul_f64(-chance.ln()));
                None
            }
            Err(trouble) => {
                self.shift += 1;
                let pause = rand::rng().random_range(100..600);
                self.due = Some(Instant::now() + Duration::from_millis(pause));
                match trouble {
                    Trouble::Refused(refusal) => {
                        match refusal.status {
                            401 => {}
                            503 => world.stats.strain(format!("requests stream: {}", refusal.label())),
                            _ => world.stats.error(format!("requests stream: {}", refusal.label())),
                        }
                        Some(refusal.status)
                    }
                    Trouble::Transport(_) => None,
                }
            }
        }
    }

    /// The stream ended, or it is time to cut it.
    pub(crate) fn ended(&mut self, world: &World) {
        let why = if self.cut.is_some_and(|at| at <= Instant::now()) { "cut by us" } else { "ended" };
        self.shift += 1;
        self.stream = None;
        self.cut = None;
        self.due = Some(Instant::now() + Duration::from_millis(rand::rng().random_range(0..100)));
        self.note(world, What::Closed { why: why.into() });
    }

    /// Cuts the stream as soon as the next block is waited for.
    pub(crate) fn cut_now(&mut self) {
        self.cut = Some(Instant::now());
    }

    /// Notes a block; what the doctor has to act on comes back.
    pub(crate) fn take(&mut self, world: &World, block: Block) -> Option<Block> {
        let cursor = block.id.as_deref().and_then(Cursor::parse);
        if let Some(id) = &block.id {
            self.last_id = Some(id.clone());
        }
        let name = block.event.as_deref().unwrap_or_default();
        let kind = Kind::parse(name);
        match (kind, cursor) {
            (Kind::Other(name), Some(cursor)) if &*name == "resync" => {
                self.note(world, What::Resync { cursor });
                None
            }
            (Kind::Other(_), Some(cursor)) => {
                self.note(world, What::Reached { cursor });
                None
            }
            (Kind::Other(_), None) => None,
            (kind, cursor) => {
                let event = Event { kind, session: frame::session_of(&block.data), detail: Detail::None };
                if event.kind == Kind::Requested {
                    measure(world, &block.data);
                }
                self.note(world, What::Event { cursor, event });
                Some(block)
            }
        }
    }

    fn note(&mut self, world: &World, what: What) {
        let at_us = world.now_us();
        let conn = self.conn;
        self.log.entries.push(Entry { at_us, conn, what });
    }
}

async fn maybe(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// From the patient's POST to the doctor's stream.
fn measure(world: &World, data: &str) {
    #[derive(serde::Deserialize)]
    struct Preview {
        patient: Patient,
    }
    #[derive(serde::Deserialize)]
    struct Patient {
        user_id: uuid::Uuid,
    }
    match serde_json::from_str::<Preview>(data) {
        Ok(preview) => {
            if let Some((began, _)) = world.take_mark(Mark::Request(preview.patient.user_id)) {
                world.stats.record(Step::RequestShown, began.elapsed());
            }
        }
        Err(_) => world.stats.error("unreadable session preview".into()),
    }
}
