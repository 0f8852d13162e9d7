//! Thin: extract, call ops, wrap.

use axum::extract::State;
use consilium_storage::connect::messages::Message;
use consilium_storage::connect::receipts::Kind;

use super::ops;
use super::wire::{HistoryQuery, MarkMessages, SendMessage, Updated};
use crate::accounts::caller::{Caller, Participant};
use crate::app::App;
use crate::connect::sessions::wire::SessionPath;
use crate::error::Result;
use crate::http::input::{Input, PathBody, PathQuery};
use crate::http::paging::Page;
use crate::http::reply::{Answer, Stored};

/// 48.
pub(super) async fn send(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, body, .. }: PathBody<SessionPath, SendMessage>,
) -> Result<Stored<Message>> {
    let (view, created) = ops::send(&app, &caller, path.session_id, body, None).await?;
    Ok(Stored { created, view })
}

/// 49.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, query, .. }: PathQuery<SessionPath, HistoryQuery>,
) -> Result<Answer<Page<Message>>> {
    Ok(Answer(ops::list(&app, &caller, path.session_id, query).await?))
}

/// 50.
pub(super) async fn delivered(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, body, .. }: PathBody<SessionPath, MarkMessages>,
) -> Result<Answer<Updated>> {
    let updated = ops::mark(&app, &caller, path.session_id, Kind::Delivered, body, None).await?;
    Ok(Answer(Updated { updated }))
}

/// 51.
pub(super) async fn read(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, body, .. }: PathBody<SessionPath, MarkMessages>,
) -> Result<Answer<Updated>> {
    let updated = ops::mark(&app, &caller, path.session_id, Kind::Read, body, None).await?;
    Ok(Answer(Updated { updated }))
}
