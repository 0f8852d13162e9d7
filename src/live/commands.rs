//! The commands of a WebSocket: the same functions, rules and errors as their REST calls (realtime.md §4).

use std::sync::{Arc, Mutex, PoisonError};

use consilium_realtime::batcher::Hurry;
use consilium_realtime::connection::{Connection, Item};
use consilium_realtime::engine::Origin;
use consilium_realtime::frame::Ack;
use consilium_realtime::presence::Shown;
use consilium_storage::connect::messages::ContentType;
use consilium_storage::connect::receipts::Kind;
use consilium_storage::ids::{MessageId, SessionId, UserId};
use consilium_storage::states::video;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::accounts::caller::{self, Account, Client, Doctor, Participant};
use crate::app::App;
use crate::connect::messages::rules::TEXT_BYTES;
use crate::connect::messages::wire::{MarkMessages, SendMessage};
use crate::connect::sessions::ops::Close;
use crate::connect::sessions::wire::EndSession;
use crate::connect::{messages, presence, sessions, video_permission};
use crate::error::{Code, Error, Result};
use crate::http::formats::REFERENCE;
use crate::http::schemas;

/// What a connection's commands share.
#[derive(Clone)]
pub(super) struct Context(Arc<Shared>);

struct Shared {
    connection: Arc<Connection>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    watched: Vec<UserId>,
    renewed: Option<Account>,
}

impl Context {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        Self(Arc::new(Shared { connection: Arc::clone(connection), state: Mutex::default() }))
    }

    /// The doctors whose presence this connection watches.
    pub(super) fn watched(&self) -> Vec<UserId> {
        self.with(|state| state.watched.clone())
    }

    /// The account with its new token, once after a renewal.
    pub(super) fn renewed(&self) -> Option<Account> {
        self.with(|state| state.renewed.take())
    }

    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn origin(&self, reference: &str) -> Option<Origin> {
        Some(Origin { connection: Arc::clone(&self.0.connection), reference: reference.into() })
    }
}

/// A message (`message.send`).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend(
    "if" = {"properties": {"content_type": {"enum": ["image", "file", "audio"]}}, "required": ["content_type"]},
    "then" = {"properties": {"content": {"format": REFERENCE}}},
))]
pub(super) struct MessageSend {
    session_id: SessionId,
    client_message_id: Uuid,
    content_type: ContentType,
    #[schemars(length(min = 1, max = 16000), extend("x-max-bytes" = TEXT_BYTES))]
    content: String,
}

/// Receipts (`receipt.delivered`, `receipt.read`).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Receipts {
    session_id: SessionId,
    #[schemars(length(min = 1, max = 500))]
    message_ids: Vec<MessageId>,
}

/// Typing (`typing`): passed on at most once a second.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Typing {
    session_id: SessionId,
    is_typing: bool,
}

/// A session (`session.accept`, `video.allow` …).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct OfSession {
    session_id: SessionId,
}

/// The end of a session (`session.end`).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SessionEnd {
    session_id: SessionId,
    #[schemars(length(max = 50))]
    reason: Option<String>,
    #[schemars(length(max = 2000))]
    note: Option<String>,
}

/// The doctor's switch (`presence.set`).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PresenceSet {
    status: Switch,
}

/// `online` or `offline`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Switch {
    /// Seen by patients.
    Online,
    /// Not seen.
    Offline,
}

/// Doctors to watch (`presence.watch`): replaces the former list.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PresenceWatch {
    #[schemars(length(max = 100))]
    doctor_ids: Vec<UserId>,
}

/// A new access token (`auth.refresh`).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct AuthRefresh {
    token: String,
}

/// What `presence.watch` answers: the doctors as they are shown now.
#[derive(Debug, Serialize)]
struct Watching {
    presence: Vec<WatchedDoctor>,
}

#[derive(Debug, Serialize)]
struct WatchedDoctor {
    doctor_id: UserId,
    presence_status: Shown,
}

/// What `presence.set` answers, as the REST call does.
#[derive(Debug, Serialize)]
struct PresenceNow {
    presence_status: Shown,
}

/// What `auth.refresh` answers.
#[derive(Debug, Serialize)]
struct Renewed {
    expires_at: chrono::DateTime<chrono::Utc>,
}

/// Runs one command. Its acknowledgement is on the connection, in its right place, when this answers with a success.
pub(super) async fn run(app: App, account: Account, context: Context, frame: Value, reference: Box<str>) -> Result<()> {
    let kind = frame.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let origin = context.origin(&reference);
    let (app, account) = (&app, &account);
    match kind.as_str() {
        "message.send" => {
            caller::require::<Participant>(account)?;
            let MessageSend { session_id, client_message_id, content_type, content } = read(frame)?;
            let body = SendMessage { client_message_id, content_type, content };
            messages::ops::send(app, account, session_id, body, origin).await.map(drop)
        }
        "receipt.delivered" => mark(app, account, Kind::Delivered, frame, origin).await,
        "receipt.read" => mark(app, account, Kind::Read, frame, origin).await,
        "typing" => {
            caller::require::<Participant>(account)?;
            let Typing { session_id, is_typing } = read(frame)?;
            messages::ops::typing(app, account, session_id, is_typing).await?;
            app.acknowledge(origin, &())
        }
        "presence.set" => set_presence(app, account, frame, origin).await,
        "presence.watch" => watch(app, &context, frame, &reference),
        "auth.refresh" => renew(app, account, &context, frame, origin).await,
        other => match (session_command(other), video_command(other)) {
            (Some(command), _) => session(app, account, command, frame, origin).await,
            (None, Some(event)) => act_on_video(app, account, event, frame, origin).await,
            (None, None) => Err(Error::Rule { code: Code::UnknownCommand, detail: "Unknown command type".to_owned() }),
        },
    }
}

/// Checks a frame against its command's schema.
fn read<T: JsonSchema + serde::de::DeserializeOwned + 'static>(frame: Value) -> Result<T> {
    schemas::of::<T>()?.read("body", frame).map_err(Error::Invalid)
}

async fn mark(app: &App, account: &Account, kind: Kind, frame: Value, origin: Option<Origin>) -> Result<()> {
    caller::require::<Participant>(account)?;
    let Receipts { session_id, message_ids } = read(frame)?;
    messages::ops::mark(app, account, session_id, kind, MarkMessages { message_ids }, origin).await.map(drop)
}

#[derive(Debug, Clone, Copy)]
enum SessionCommand {
    Accept,
    Close(Close),
    End,
}

fn session_command(kind: &str) -> Option<SessionCommand> {
    match kind {
        "session.accept" => Some(SessionCommand::Accept),
        "session.reject" => Some(SessionCommand::Close(Close::Reject)),
        "session.cancel" => Some(SessionCommand::Close(Close::Cancel)),
        "session.end" => Some(SessionCommand::End),
        _ => None,
    }
}

async fn session(
    app: &App,
    account: &Account,
    command: SessionCommand,
    frame: Value,
    origin: Option<Origin>,
) -> Result<()> {
    match command {
        SessionCommand::Accept => {
            caller::require::<Doctor>(account)?;
            let OfSession { session_id } = read(frame)?;
            sessions::ops::accept(app, account, session_id, origin).await.map(drop)
        }
        SessionCommand::Close(how) => {
            match how {
                Close::Reject => caller::require::<Doctor>(account)?,
                Close::Cancel | Close::Expire => caller::require::<Client>(account)?,
            }
            let OfSession { session_id } = read(frame)?;
            sessions::ops::close(app, account, session_id, how, origin).await.map(drop)
        }
        SessionCommand::End => {
            caller::require::<Participant>(account)?;
            let SessionEnd { session_id, reason, note } = read(frame)?;
            sessions::ops::end(app, account, session_id, EndSession { reason, note }, origin).await.map(drop)
        }
    }
}

fn video_command(kind: &str) -> Option<video::Event> {
    match kind {
        "video.allow" => Some(video::Event::Allow),
        "video.accept" => Some(video::Event::Accept),
        "video.decline" => Some(video::Event::Decline),
        "video.revoke" => Some(video::Event::Revoke),
        "video.off" => Some(video::Event::Off),
        "video.on" => Some(video::Event::On),
        _ => None,
    }
}

async fn act_on_video(
    app: &App,
    account: &Account,
    event: video::Event,
    frame: Value,
    origin: Option<Origin>,
) -> Result<()> {
    match event {
        video::Event::Allow => caller::require::<Doctor>(account)?,
        video::Event::Accept | video::Event::Decline | video::Event::Off | video::Event::On => {
            caller::require::<Client>(account)?;
        }
        video::Event::Revoke | video::Event::Reset => caller::require::<Participant>(account)?,
    }
    let OfSession { session_id } = read(frame)?;
    video_permission::act(app, account, session_id, event, origin).await.map(drop)
}

async fn set_presence(app: &App, account: &Account, frame: Value, origin: Option<Origin>) -> Result<()> {
    caller::require::<Doctor>(account)?;
    let PresenceSet { status } = read(frame)?;
    let presence_status = presence::switch(app, account.id, matches!(status, Switch::Online)).await?;
    app.acknowledge(origin, &PresenceNow { presence_status })
}

/// Presence is public (every doctor list shows it), so anybody may watch any doctor.
fn watch(app: &App, context: &Context, frame: Value, reference: &str) -> Result<()> {
    let PresenceWatch { mut doctor_ids } = read(frame)?;
    doctor_ids.sort_unstable();
    doctor_ids.dedup();
    let connection = &context.0.connection;
    let before = context.with(|state| std::mem::replace(&mut state.watched, doctor_ids.clone()));
    app.engine.hub().watch(connection, &before, &doctor_ids);
    let now = app.now();
    let shown = |doctor_id| WatchedDoctor { doctor_id, presence_status: app.engine.presence().shown(doctor_id, now) };
    let data = Watching { presence: doctor_ids.into_iter().map(shown).collect() };
    let data = serde_json::to_string(&data).map_err(Error::internal)?;
    connection.send(Item::Ack(None, Ack { reference: reference.into(), data: data.into() }));
    Ok(())
}

/// A new token of the same login keeps the connection open.
async fn renew(app: &App, account: &Account, context: &Context, frame: Value, origin: Option<Origin>) -> Result<()> {
    let AuthRefresh { token } = read(frame)?;
    let renewed = caller::authenticate(app, &token, Hurry::Now).await?;
    if renewed.id != account.id || renewed.login != account.login {
        return Err(Error::unauthenticated("The token belongs to another login: open a new connection with it"));
    }
    context.with(|state| state.renewed = Some(renewed));
    app.acknowledge(origin, &Renewed { expires_at: renewed.expires_at })
}

/// Every command with the schema of its fields, for the AsyncAPI document.
pub(super) fn catalogue(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, schemars::Schema)> {
    let mut list = vec![
        ("message.send", generator.subschema_for::<MessageSend>()),
        ("receipt.delivered", generator.subschema_for::<Receipts>()),
        ("receipt.read", generator.subschema_for::<Receipts>()),
        ("typing", generator.subschema_for::<Typing>()),
        ("session.end", generator.subschema_for::<SessionEnd>()),
        ("presence.set", generator.subschema_for::<PresenceSet>()),
        ("presence.watch", generator.subschema_for::<PresenceWatch>()),
        ("auth.refresh", generator.subschema_for::<AuthRefresh>()),
    ];
    let of_session = ["session.accept", "session.reject", "session.cancel"];
    let video = ["video.allow", "video.accept", "video.decline", "video.revoke", "video.off", "video.on"];
    for kind in of_session.into_iter().chain(video) {
        list.push((kind, generator.subschema_for::<OfSession>()));
    }
    list
}
