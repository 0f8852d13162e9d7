//! Sending, listing, receipts and typing. Participation is checked in the hub's memory (the parties of a session
//! never change); the status is decided in the writer's transaction.

use std::sync::Arc;

use consilium_realtime::engine::Origin;
use consilium_realtime::frame::EventFrame;
use consilium_realtime::hub::sessions::LiveSession;
use consilium_realtime::writer::{Command, Marks, Outcome, Refusal};
use consilium_storage as storage;
use consilium_storage::connect::Party;
use consilium_storage::connect::messages::{self, Message, NewMessage, Window};
use consilium_storage::connect::receipts::Kind;
use consilium_storage::ids::{AttachmentId, SessionId};
use consilium_storage::states::session::Status;
use serde_json::json;
use uuid::Uuid;

use super::rules;
use super::wire::{HistoryQuery, MarkMessages, SendMessage, Updated};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::sessions::access::{NOT_FOUND, participant};
use crate::error::{Code, Error, Result};
use crate::http::paging::Page;

/// 48: stores a message, or answers the stored one of a repeat; true where it is new.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE`, 409 `DUPLICATE`.
pub async fn send(
    app: &App,
    caller: &Account,
    id: SessionId,
    mut body: SendMessage,
    origin: Option<Origin>,
) -> Result<(Message, bool)> {
    let (session, party) = live(app, caller, id).await?;
    if let Some(attachment) = rules::attachment(&body) {
        require_attachment(app, id, attachment, body.client_message_id).await?;
        body.content = attachment.to_string();
    }
    let command = Command::Send(NewMessage {
        session_id: id,
        patient_id: session.patient_id,
        doctor_id: session.doctor_id,
        client_message_id: body.client_message_id,
        sender: party,
        content_type: body.content_type,
        content: body.content,
    });
    match app.engine.writer().write(command, origin).await {
        Ok(Outcome::Sent(message, created)) => Ok((message, created)),
        Ok(Outcome::Marked(_)) => Err(Error::internal("the writer mixed up a message and its receipts")),
        // The row's word may be behind the time: a lapsed request is EXPIRED before the sweep (connect-v2 41).
        Err(Refusal::NotOngoing(Status::Requested)) => {
            let status = current_status(app, &session, |_| false).await?;
            Err(Error::invalid_session_state(status.as_str()))
        }
        Err(refusal) => Err(refused(refusal)),
    }
}

/// A message carries an attachment of its own session; a repeat is answered even where that is gone meanwhile.
async fn require_attachment(app: &App, session: SessionId, id: AttachmentId, client_message_id: Uuid) -> Result<()> {
    let mut conn = app.conn().await?;
    if storage::connect::attachments::is_uploaded_in(&mut conn, id, session).await? {
        return Ok(());
    }
    let stored = messages::find_by_client_ids(&mut conn, &[(session, client_message_id)]).await?;
    if stored.is_empty() { Err(Error::NotFound("Attachment")) } else { Ok(()) }
}

/// 50, 51: sets receipts; answers how many messages changed.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE` unless ONGOING or ENDED.
pub async fn mark(
    app: &App,
    caller: &Account,
    id: SessionId,
    kind: Kind,
    body: MarkMessages,
    origin: Option<Origin>,
) -> Result<usize> {
    let (session, receiver) = live(app, caller, id).await?;
    refuse_before_start(app, &session).await?;
    let messages = session.unmarked(kind, receiver, &body.message_ids);
    if messages.is_empty() {
        app.acknowledge(origin, &Updated { updated: 0 })?;
        return Ok(0);
    }
    let command = Command::Mark(Marks {
        kind,
        session_id: id,
        doctor_id: session.doctor_id,
        receiver,
        sender_id: session.user(receiver.other()),
        messages,
    });
    match app.engine.writer().write(command, origin).await.map_err(refused)? {
        Outcome::Marked(updated) => Ok(updated),
        Outcome::Sent(..) => Err(Error::internal("the writer mixed up receipts and a message")),
    }
}

/// 49: a window of the history.
///
/// # Errors
/// 404 when the caller has no part in the session.
pub async fn list(app: &App, caller: &Account, id: SessionId, query: HistoryQuery) -> Result<Page<Message>> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), caller, id).await?;
    let window = Window { before: query.before, after: query.after, limit: query.limit };
    let (items, total) = messages::list(tx.conn(), id, window).await?;
    caller.note(&mut tx, "messages.list", session.patient_id, Some(id)).await?;
    app.commit(tx).await?;
    Ok(Page::new(items, total, query.limit, 0))
}

/// Passes typing on to the other party, at most once a second; nothing is stored.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE` unless ONGOING.
pub async fn typing(app: &App, caller: &Account, id: SessionId, is_typing: bool) -> Result<()> {
    let (session, party) = live(app, caller, id).await?;
    let status = current_status(app, &session, |status| status == Status::Ongoing).await?;
    if status != Status::Ongoing {
        return Err(Error::invalid_session_state(status.as_str()));
    }
    if session.pass_typing(party, app.now()) {
        let data = json!({"user_id": caller.id, "is_typing": is_typing}).to_string();
        let frame = EventFrame::new("typing", app.now(), Some(id), &data);
        app.engine.send_ephemeral(&[session.user(party.other())], &frame);
    }
    Ok(())
}

/// The session in memory and which party the caller is.
async fn live(app: &App, caller: &Account, id: SessionId) -> Result<(Arc<LiveSession>, Party)> {
    let session = app.engine.session(id).await?.ok_or(NOT_FOUND)?;
    let party = session.party(caller.id).ok_or(NOT_FOUND)?;
    Ok((session, party))
}

/// Receipts need a session that has started.
async fn refuse_before_start(app: &App, session: &LiveSession) -> Result<()> {
    let started = |status| matches!(status, Status::Ongoing | Status::Ended);
    let status = current_status(app, session, started).await?;
    if started(status) { Ok(()) } else { Err(Error::invalid_session_state(status.as_str())) }
}

/// The status in memory if it will do; else Postgres decides, for memory may be behind another node.
async fn current_status(app: &App, session: &LiveSession, will_do: impl Fn(Status) -> bool) -> Result<Status> {
    let known = session.status();
    if will_do(known) {
        return Ok(known);
    }
    let mut conn = app.conn().await?;
    let stored = storage::connect::sessions::find(&mut conn, session.id).await?;
    Ok(stored.map_or(known, |stored| stored.status_at(app.now())))
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::NotOngoing(status) => Error::invalid_session_state(status.as_str()),
        Refusal::TakenByOther => Error::conflict(Code::Duplicate, "The other party used this client_message_id")
            .with("field", "client_message_id"),
        Refusal::NoSession => NOT_FOUND,
        Refusal::Storage(error) => match &*error {
            storage::Error::Unavailable(_) | storage::Error::Retry(_) => {
                Error::Unavailable { code: Code::Unavailable, detail: "The service is briefly unavailable, try again" }
            }
            other => Error::internal(other.to_string()),
        },
    }
}
