//! The WebSocket (realtime.md §4): one task a connection, which reads commands, writes what the feed brings, and keeps
//! the time. Commands of a connection run in order, one at a time; events are written meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::response::Response;
use consilium_realtime::close::Close;
use consilium_realtime::connection::Item;
use consilium_realtime::frame::Ack;
use consilium_realtime::inbox::{Feed, Opening, Output};
use futures_util::{FutureExt, SinkExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::commands::{self, Context};
use super::door::Visitor;
use super::poll::unavailable;
use crate::accounts::caller::Account;
use crate::app::App;
use crate::error::{Code, Error, Issue, Result};
use crate::http::dialect;

/// The subprotocol.
const PROTOCOL: &str = "consilium.v1";
/// The largest client frame.
const FRAME: usize = 64 * 1024;
/// tungstenite's default of 128 KiB would be most of what an idle connection costs.
const READ_BUFFER: usize = 1024;
/// How much may wait in the socket's own buffer beyond what the kernel takes.
const WRITE_LIMIT: usize = 512 * 1024;
/// How long before its expiry a token is asked to be renewed.
const EXPIRY_WARNING: Duration = Duration::from_secs(60);
/// How long a close may take to be written.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Checks everything, then upgrades; a refusal is an HTTP answer in the family's shape (settled 4).
pub(super) async fn upgrade(
    State(app): State<App>,
    visitor: Visitor,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    check_origin(&app, &headers)?;
    let upgrade = upgrade.map_err(|refusal| {
        Error::invalid(Issue { loc: vec!["header".into()], msg: refusal.to_string(), kind: "value_error" })
    })?;
    let opened = app.engine.open(visitor.credential(), visitor.is_doctor(), visitor.since.as_ref()).await;
    let (feed, opening) = opened.map_err(|error| unavailable(&error))?;
    let account = visitor.account;
    Ok(upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_LIMIT)
        .max_message_size(FRAME)
        .max_frame_size(FRAME)
        .on_upgrade(move |socket| app.sockets.clone().track_future(run(app, account, feed, opening, socket))))
}

/// A browser's page of another origin must be on the list; programs send no origin.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let same = origin.split_once("://").is_some_and(|(_, rest)| rest == host);
    if same || origin == app.public_url || app.config.cors_origins.iter().any(|allowed| allowed == origin) {
        return Ok(());
    }
    Err(Error::Forbidden { code: Code::WrongRole, detail: "This origin may not connect" })
}

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

struct Session {
    app: App,
    account: Account,
    feed: Feed,
    socket: WebSocket,
    context: Context,
    bucket: Bucket,
    /// The command under way and its `ref`.
    running: Option<(Running, Box<str>)>,
    unanswered: u8,
    next_ping: Instant,
    warned: bool,
}

async fn run(app: App, account: Account, feed: Feed, opening: Opening, socket: WebSocket) {
    let context = Context::new(feed.connection());
    let next_ping = Instant::now() + app.config.pace.heartbeat;
    let bucket = Bucket::new();
    let mut session =
        Session { app, account, feed, socket, context, bucket, running: None, unanswered: 0, next_ping, warned: false };
    if session.greet(opening).await.is_err() {
        return;
    }
    let reason = session.serve().await;
    session.app.engine.hub().watch(session.feed.connection(), &session.context.watched(), &[]);
    if let Some(reason) = reason {
        session.say_goodbye(reason).await;
    }
}

/// The client is gone, or must go.
enum End {
    Gone,
    Close(Close),
}

impl From<axum::Error> for End {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

impl Session {
    async fn greet(&mut self, opening: Opening) -> Result<(), End> {
        let engine = &self.app.engine;
        let connected = json!({
            "type": "connected",
            "connection_id": format!("{}-{}", engine.node(), self.feed.connection().id()),
            "user_id": self.account.id,
            "role": self.account.role,
            "cursor": engine.cursor(opening.cursor),
            "resumed": opening.resumed,
            "replay": opening.replay,
            "heartbeat_seconds": self.heartbeat().as_secs(),
        });
        let mut texts = vec![connected.to_string()];
        if opening.resync {
            texts.push(self.resync(opening.cursor));
        }
        self.write(texts).await
    }

    /// Until the client is gone; answers why we end it, if we do.
    async fn serve(&mut self) -> Option<Close> {
        loop {
            let ended = match self.turn().await {
                Ok(()) => continue,
                Err(ended) => ended,
            };
            return match ended {
                End::Gone => None,
                End::Close(reason) => Some(reason),
            };
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        let busy = self.running.is_some();
        let deadline = self.deadline();
        tokio::select! {
            output = self.feed.next() => self.put(output).await,
            done = finished(&mut self.running), if busy => self.finish(done).await,
            received = self.socket.recv(), if !busy => self.receive(received).await,
            () = tokio::time::sleep_until(deadline) => self.keep_time().await,
        }
    }

    async fn put(&mut self, output: Output) -> Result<(), End> {
        let epoch = self.app.engine.epoch().to_owned();
        let last = matches!(&output, Output::Items(items) if items.iter().any(Item::is_goodbye));
        let texts = match output {
            Output::Items(items) => items.iter().map(|item| text_of(item, &epoch)).collect(),
            Output::Rows(rows) => rows.iter().map(|(seq, frame)| frame.json(&epoch, Some(*seq))).collect(),
            Output::Resync(head) => vec![self.resync(head)],
            Output::Close(reason) => return Err(End::Close(reason)),
        };
        self.write(texts).await?;
        if last { Err(End::Close(Close::GoingAway)) } else { Ok(()) }
    }

    fn heartbeat(&self) -> Duration {
        self.app.config.pace.heartbeat
    }

    /// Writes frames and flushes once; gives up when the connection is to be closed meanwhile, or when the client takes
    /// nothing for as long as two heartbeats.
    async fn write(&mut self, texts: Vec<String>) -> Result<(), End> {
        let patience = self.heartbeat() * 2;
        let socket = &mut self.socket;
        let connection = self.feed.connection();
        let write = async {
            for text in texts {
                socket.feed(Message::Text(Utf8Bytes::from(text))).await?;
            }
            socket.flush().await
        };
        tokio::select! {
            biased;
            written = write => Ok(written?),
            reason = std::future::poll_fn(|cx| connection.poll_closed(cx)) => Err(End::Close(reason)),
            () = tokio::time::sleep(patience) => Err(End::Close(Close::HeartbeatMissed)),
        }
    }

    async fn receive(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.unanswered = 0;
        match received {
            Some(Ok(Message::Text(text))) => self.command(text.as_str()).await,
            Some(Ok(Message::Binary(_))) => Err(End::Close(Close::NotJson)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) => {
                // The answer to it is queued: without it the client reads an abnormal end.
                tokio::time::timeout(CLOSE_PATIENCE, self.socket.flush()).await.ok();
                Err(End::Gone)
            }
            None => Err(End::Gone),
            Some(Err(error)) if error.to_string().contains("too long") || error.to_string().contains("too big") => {
                Err(End::Close(Close::TooBig))
            }
            Some(Err(_)) => Err(End::Gone),
        }
    }

    async fn command(&mut self, text: &str) -> Result<(), End> {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return Err(End::Close(Close::NotJson)) };
        let reference: Box<str> = frame.get("ref").unwrap_or(&Value::Null).to_string().into();
        match self.bucket.take() {
            Taken::Yes => {}
            Taken::No => {
                let detail = "Too many commands";
                let refused = Error::TooMany { code: Code::RateLimited, detail, retry_after: 1 };
                return self.refuse(&reference, &refused).await;
            }
            Taken::Abuse => return Err(End::Close(Close::TooManyCommands)),
        }
        if frame.get("type").and_then(Value::as_str) == Some("ping") {
            let ack = Ack { reference, data: "null".into() };
            return self.write(vec![ack.json(self.app.engine.epoch(), None)]).await;
        }
        let running = commands::run(self.app.clone(), self.account, self.context.clone(), frame, reference.clone());
        self.running = Some((Box::pin(running), reference));
        Ok(())
    }

    async fn finish(&mut self, done: (Result<()>, Box<str>)) -> Result<(), End> {
        self.running = None;
        if let Some(account) = self.context.renewed() {
            self.account = account;
            self.warned = false;
        }
        match done {
            (Ok(()), _) => Ok(()),
            (Err(error), reference) => self.refuse(&reference, &error).await,
        }
    }

    async fn refuse(&mut self, reference: &str, error: &Error) -> Result<(), End> {
        if let Error::Internal(cause) = error {
            tracing::error!(%cause, user.id = %self.account.id, "a command failed");
        }
        let mut body = dialect::detail_body(error);
        if let Some(body) = body.as_object_mut() {
            body.insert("status".to_owned(), error.status().as_u16().into());
        }
        self.write(vec![format!(r#"{{"type":"error","ref":{reference},"error":{body}}}"#)]).await
    }

    fn resync(&self, head: i64) -> String {
        json!({"type": "resync", "cursor": self.app.engine.cursor(head)}).to_string()
    }

    /// How long the access token still holds.
    fn token_life(&self) -> Duration {
        (self.account.expires_at - self.app.now()).to_std().unwrap_or_default()
    }

    fn deadline(&self) -> Instant {
        let life = self.token_life();
        let token = if self.warned { life } else { life.saturating_sub(EXPIRY_WARNING) };
        self.next_ping.min(Instant::now() + token)
    }

    async fn keep_time(&mut self) -> Result<(), End> {
        let life = self.token_life();
        if life.is_zero() {
            return Err(End::Close(Close::Unauthenticated));
        }
        if !self.warned && life <= EXPIRY_WARNING {
            self.warned = true;
            let data = json!({"expires_at": self.account.expires_at});
            self.write(vec![json!({"type": "token.expiring", "data": data}).to_string()]).await?;
        }
        if Instant::now() < self.next_ping {
            return Ok(());
        }
        if self.unanswered >= 2 {
            return Err(End::Close(Close::HeartbeatMissed));
        }
        self.unanswered += 1;
        self.next_ping = Instant::now() + self.heartbeat();
        let ping = tokio::time::timeout(self.heartbeat(), self.socket.send(Message::Ping(Default::default()))).await;
        ping.map_err(|_| End::Close(Close::HeartbeatMissed))?.map_err(End::from)
    }

    /// Tries for a moment to write the close, and what belongs before it.
    async fn say_goodbye(mut self, reason: Close) {
        if reason == Close::GoingAway {
            self.finish_last().await;
        }
        let last = async {
            if reason == Close::GoingAway {
                self.flush_queue().await;
            }
            let frame = CloseFrame { code: reason.code(), reason: Utf8Bytes::from_static(reason.reason()) };
            self.socket.send(Message::Close(Some(frame))).await.ok();
            // The client's own close ends the handshake; without waiting for it the frame may be lost with the socket.
            while let Some(Ok(_)) = self.socket.recv().await {}
        };
        if tokio::time::timeout(CLOSE_PATIENCE, last).await.is_err() {
            tracing::debug!(code = reason.code(), "the client did not take the close in time");
        }
    }

    /// Lets the command under way come to its end, so that its sender learns of it; its answer is queued then.
    async fn finish_last(&mut self) {
        if self.running.is_none() {
            return;
        }
        let done = tokio::time::timeout(self.app.config.pace.last_command, finished(&mut self.running)).await;
        self.running = None;
        if let Ok((Err(error), reference)) = done
            && self.refuse(&reference, &error).await.is_err()
        {
            tracing::debug!("the client left before its last answer");
        }
    }

    /// Writes what was queued before the close was asked for.
    async fn flush_queue(&mut self) {
        while let Some(Output::Items(items)) = self.feed.next().now_or_never() {
            let epoch = self.app.engine.epoch().to_owned();
            for item in &items {
                self.socket.feed(Message::Text(text_of(item, &epoch).into())).await.ok();
            }
        }
        self.socket.flush().await.ok();
    }
}

/// Waits for the command under way.
async fn finished(running: &mut Option<(Running, Box<str>)>) -> (Result<()>, Box<str>) {
    match running {
        Some((command, reference)) => {
            let done = command.await;
            (done, reference.clone())
        }
        None => std::future::pending().await,
    }
}

fn text_of(item: &Item, epoch: &str) -> String {
    match item {
        Item::Event(seq, frame) => frame.json(epoch, Some(*seq)),
        Item::Ephemeral(frame) => frame.json(epoch, None),
        Item::Ack(seq, ack) => ack.json(epoch, *seq),
        Item::Text(text) => text.to_string(),
        Item::GoingAway(after) => json!({"type": "going_away", "data": {"reconnect_after_ms": after}}).to_string(),
    }
}

/// 20 commands a second with bursts of 40 (realtime.md §7).
struct Bucket {
    tokens: f32,
    filled: Instant,
    refused: u16,
}

enum Taken {
    Yes,
    No,
    Abuse,
}

const RATE: f32 = 20.0;
const BURST: f32 = 40.0;
/// So many refusals more than commands served are abuse: more than twice the rate for a while.
const ABUSE: u16 = 100;

impl Bucket {
    fn new() -> Self {
        Self { tokens: BURST, filled: Instant::now(), refused: 0 }
    }

    fn take(&mut self) -> Taken {
        let now = Instant::now();
        self.tokens = (self.tokens + now.duration_since(self.filled).as_secs_f32() * RATE).min(BURST);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.refused = self.refused.saturating_sub(1);
            return Taken::Yes;
        }
        self.refused += 1;
        if self.refused >= ABUSE { Taken::Abuse } else { Taken::No }
    }
}
