//! The event streams (realtime.md §5), with a lean writer of their own: hyper pulls the next block when the socket
//! takes it, so a stream needs no task and no channel.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as ApiResponse, StatusCode as ApiStatus};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use consilium_realtime::close::Close;
use consilium_realtime::connection::{Item, Kind};
use consilium_realtime::frame::EventFrame;
use consilium_realtime::inbox::{Feed, Opening, Output};
use consilium_storage as storage;
use consilium_storage::connect::payloads::SessionRequest;
use consilium_storage::connect::sessions::list_requests_for_doctor;
use consilium_storage::ids::UserId;
use serde_json::json;
use tokio::time::Instant;

use super::door::Visitor;
use super::poll::unavailable;
use crate::accounts::caller::{Account, Doctor, require};
use crate::app::App;
use crate::connect::sessions::ops::{note_requests, request_items};
use crate::error::{Error, Result};
use crate::serve::Socket;

/// How long before its expiry the client hears of its token.
const EXPIRY_WARNING: Duration = Duration::from_secs(60);

/// R2: the whole inbox.
pub(super) async fn inbox(
    State(app): State<App>,
    socket: Option<Extension<Socket>>,
    visitor: Visitor,
) -> Result<EventStream> {
    let opened = app.engine.open(visitor.credential(), visitor.is_doctor(), visitor.since.as_ref()).await;
    let (feed, opening) = opened.map_err(|error| unavailable(&error))?;
    let mut stream = Stream::new(app, visitor.account, feed, View::Inbox);
    stream.begin();
    stream.greet(opening);
    Ok(stream.serve(socket))
}

/// 40: the doctor's requests, with the seed's event names.
pub(super) async fn requests(
    State(app): State<App>,
    socket: Option<Extension<Socket>>,
    visitor: Visitor,
) -> Result<EventStream> {
    require::<Doctor>(&visitor.account)?;
    if visitor.since.is_none() {
        return fresh_requests(app, visitor, socket).await;
    }
    let opened = app.engine.open(visitor.credential(), true, visitor.since.as_ref()).await;
    let (feed, opening) = opened.map_err(|error| unavailable(&error))?;
    let mut stream = Stream::new(app, visitor.account, feed, View::Requests);
    stream.begin();
    let id = opening.cursor;
    stream.push_block(Some(id), Some("connected"), &json!({"doctor_id": stream.account.id}).to_string());
    if opening.resync {
        stream.push_block(Some(id), Some("resync"), "{}");
    }
    Ok(stream.serve(socket))
}

/// Without a cursor: every open request once, then the head of the same database snapshot (settled 3).
async fn fresh_requests(app: App, visitor: Visitor, socket: Option<Extension<Socket>>) -> Result<EventStream> {
    let feed = app.engine.enlist(visitor.credential(), true, Kind::Lasting);
    let (head, open) = snapshot(&app, visitor.account.id).await?;
    note_shown(&app, &visitor.account, &open).await?;
    feed.connection().start(head, head);
    let mut stream = Stream::new(app, visitor.account, feed, View::Requests);
    stream.begin();
    stream.push_block(None, Some("connected"), &json!({"doctor_id": stream.account.id}).to_string());
    for request in open {
        let data = serde_json::to_string(&request).map_err(Error::internal)?;
        stream.push_block(None, Some("session_requested"), &data);
    }
    stream.push_block(Some(head), None, "");
    Ok(stream.serve(socket))
}

async fn snapshot(app: &App, doctor: UserId) -> Result<(i64, Vec<SessionRequest>)> {
    let mut tx = storage::inbox::snapshot(&app.pool).await?;
    let head = storage::inbox::heads(&mut tx, &[doctor]).await?.pop().map_or(0, |(_, head)| head);
    let now = app.now();
    let open = list_requests_for_doctor(&mut tx, doctor, now).await?;
    Ok((head, request_items(&mut tx, &app.public_url, open, now).await?))
}

/// The snapshot can write nothing: what a stream shows of it is noted before anybody sees it.
async fn note_shown(app: &App, doctor: &Account, open: &[SessionRequest]) -> Result<()> {
    if open.is_empty() {
        return Ok(());
    }
    let mut tx = app.begin().await?;
    note_requests(&mut tx, doctor, open).await?;
    app.commit(tx).await
}

/// Which events a stream shows, and under which names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Inbox,
    Requests,
}

/// The state of one stream.
struct Stream {
    app: App,
    account: Account,
    feed: Feed,
    view: View,
    /// Written with the next block.
    buffer: String,
    next_comment: Instant,
    warned: bool,
    ended: bool,
}

impl Stream {
    fn new(app: App, account: Account, feed: Feed, view: View) -> Self {
        let next_comment = Instant::now() + app.config.pace.comment;
        Self { app, account, feed, view, buffer: String::new(), next_comment, warned: false, ended: false }
    }

    /// The wait before a reconnect, different for each client, so that a fleet does not come back at once.
    fn begin(&mut self) {
        self.buffer = format!("retry: {}\n\n", rand::random_range(1000..=5000_u32));
    }

    fn greet(&mut self, opening: Opening) {
        let engine = &self.app.engine;
        let connected = json!({
            "type": "connected",
            "connection_id": format!("{}-{}", engine.node(), self.feed.connection().id()),
            "user_id": self.account.id,
            "role": self.account.role,
            "resumed": opening.resumed,
            "replay": opening.replay,
            "heartbeat_seconds": self.app.config.pace.comment.as_secs(),
        });
        self.push_block(Some(opening.cursor), Some("connected"), &connected.to_string());
        if opening.resync {
            self.push_block(Some(opening.cursor), Some("resync"), &json!({"type": "resync"}).to_string());
        }
    }

    fn serve(self, socket: Option<Extension<Socket>>) -> EventStream {
        if let Some(task) = socket.and_then(|Extension(socket)| socket.task()) {
            self.feed.connection().set_socket(task);
        }
        let blocks = futures_util::stream::unfold(self, |mut stream| async move {
            let block = stream.next_block().await?;
            Some((Ok::<_, Infallible>(block), stream))
        });
        EventStream(Body::from_stream(blocks))
    }

    /// The next bytes; none when the stream is over.
    async fn next_block(&mut self) -> Option<Bytes> {
        while self.buffer.is_empty() {
            if self.ended {
                return None;
            }
            let deadline = self.deadline();
            tokio::select! {
                output = self.feed.next() => self.put(output),
                () = tokio::time::sleep_until(deadline) => self.keep_time(),
            }
        }
        // Taken whole, so that an idle stream holds no buffer.
        Some(std::mem::take(&mut self.buffer).into())
    }

    fn put(&mut self, output: Output) {
        match output {
            Output::Items(items) => self.put_items(items),
            Output::Rows(rows) => {
                for (seq, frame) in rows {
                    self.put_event(seq, &frame);
                }
            }
            Output::Resync(head) => self.push_block(Some(head), Some("resync"), &json!({"type": "resync"}).to_string()),
            Output::Close(reason) => self.close(reason),
        }
    }

    fn put_items(&mut self, items: VecDeque<Item>) {
        for item in items {
            match item {
                Item::Event(seq, frame) => self.put_event(seq, &frame),
                Item::Ephemeral(frame) if self.view == View::Inbox => {
                    self.push_block(None, Some(frame.kind()), &frame.json("", None));
                }
                Item::GoingAway(after) => {
                    // A browser's EventSource knows no more than this.
                    self.buffer.push_str(&format!("retry: {after}\n"));
                    let data = json!({"type": "going_away", "data": {"reconnect_after_ms": after}});
                    self.push_block(None, Some("going_away"), &data.to_string());
                    return self.close(Close::GoingAway);
                }
                // Acknowledgements and errors belong to commands, which a stream has none of.
                Item::Ephemeral(_) | Item::Ack(..) | Item::Text(_) => {}
            }
        }
    }

    fn put_event(&mut self, seq: i64, frame: &EventFrame) {
        match self.view {
            View::Inbox => self.push_block(Some(seq), Some(frame.kind()), &frame.json("", None)),
            View::Requests => {
                if let Some((name, data)) = as_request_event(frame) {
                    self.push_block(Some(seq), Some(name), &data);
                }
            }
        }
    }

    fn close(&mut self, reason: Close) {
        let data = json!({"code": reason.code(), "reason": reason.reason()}).to_string();
        self.push_block(None, Some("closing"), &data);
        self.ended = true;
    }

    fn push_block(&mut self, seq: Option<i64>, event: Option<&str>, data: &str) {
        if let Some(seq) = seq {
            self.buffer.push_str("id: ");
            self.buffer.push_str(&self.app.engine.cursor(seq));
            self.buffer.push('\n');
        }
        if let Some(event) = event {
            self.buffer.push_str("event: ");
            self.buffer.push_str(event);
            self.buffer.push_str("\ndata: ");
            self.buffer.push_str(data);
            self.buffer.push('\n');
        }
        self.buffer.push('\n');
    }

    fn token_life(&self) -> Duration {
        (self.account.expires_at - self.app.now()).to_std().unwrap_or_default()
    }

    fn deadline(&self) -> Instant {
        let life = self.token_life();
        let token = if self.warned { life } else { life.saturating_sub(EXPIRY_WARNING) };
        self.next_comment.min(Instant::now() + token)
    }

    fn keep_time(&mut self) {
        let life = self.token_life();
        if life.is_zero() {
            return self.close(Close::Unauthenticated);
        }
        if !self.warned && life <= EXPIRY_WARNING {
            self.warned = true;
            let data = json!({"type": "token.expiring", "data": {"expires_at": self.account.expires_at}});
            self.push_block(None, Some("token.expiring"), &data.to_string());
        }
        if Instant::now() >= self.next_comment {
            self.next_comment = Instant::now() + self.app.config.pace.comment;
            self.buffer.push_str(": keep-alive\n");
            let reached = self.feed.connection().position();
            self.push_block(reached, None, "");
        }
    }
}

/// The seed's names for what happens to a request; other events are not shown.
fn as_request_event(frame: &EventFrame) -> Option<(&'static str, String)> {
    let name = match frame.kind() {
        "session.requested" => return Some(("session_requested", frame.data().to_owned())),
        "session.accepted" => "session_accepted",
        "session.rejected" => "session_rejected",
        "session.cancelled" => "session_cancelled",
        "session.expired" => "session_expired",
        _ => return None,
    };
    let data: serde_json::Value = serde_json::from_str(frame.data()).ok()?;
    let short = json!({"session_id": data.get("session_id"), "status": data.get("status")});
    Some((name, short.to_string()))
}

/// A `text/event-stream` answer.
pub(super) struct EventStream(Body);

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        (headers, self.0).into_response()
    }
}

impl aide::OperationOutput for EventStream {
    type Inner = ();

    fn inferred_responses(_ctx: &mut GenContext, _operation: &mut Operation) -> Vec<(Option<ApiStatus>, ApiResponse)> {
        let response = ApiResponse {
            description: "Events until either side ends the stream; described at `/asyncapi.json`".to_owned(),
            content: [("text/event-stream".to_owned(), MediaType::default())].into_iter().collect(),
            ..ApiResponse::default()
        };
        vec![(Some(ApiStatus::Code(200)), response)]
    }
}
