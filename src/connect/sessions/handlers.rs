//! Thin: extract, call ops, wrap.

use axum::extract::State;
use axum::http::StatusCode;
use consilium_storage::connect::payloads::{SessionEnded, SessionRequest};

use super::ops::{self, Close};
use super::wire::{
    AcceptedView, EndSession, RequestSession, RequestedView, SessionDetail, SessionPath, StatusView, TokenView,
};
use crate::accounts::caller::{Caller, Client, Doctor, Participant};
use crate::app::App;
use crate::error::Result;
use crate::http::idempotency::{CreatedOnce, IdempotencyKey, Start, finish};
use crate::http::input::{BodyOnly, Input, PathBody, PathOnly};
use crate::http::paging::Counted;
use crate::http::reply::Answer;

/// 37, which an `Idempotency-Key` may make repeatable.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<Client>,
    key: IdempotencyKey,
    Input { body, .. }: BodyOnly<RequestSession>,
) -> Result<CreatedOnce<RequestedView>> {
    let mut tx = app.begin().await?;
    let key = match key.start(&mut tx, caller.id, "POST /api/v2/connect/sessions", &body).await? {
        Start::Again(stored) => return Ok(CreatedOnce::again(stored)),
        Start::Go(key) => key,
    };
    let view = ops::request(&app, &mut tx, &caller, body).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOnce::new(&view))
}

/// 38.
pub(super) async fn active(
    State(app): State<App>,
    caller: Caller<Participant>,
) -> Result<Answer<Counted<SessionDetail>>> {
    Ok(Answer(Counted::new(ops::list_active(&app, &caller).await?)))
}

/// 39.
pub(super) async fn requests(
    State(app): State<App>,
    caller: Caller<Doctor>,
) -> Result<Answer<Counted<SessionRequest>>> {
    Ok(Answer(Counted::new(ops::list_requests(&app, &caller).await?)))
}

/// 41.
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<SessionDetail>> {
    Ok(Answer(ops::show(&app, &caller, path.session_id).await?))
}

/// 42.
pub(super) async fn accept(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<AcceptedView>> {
    Ok(Answer(ops::accept(&app, &caller, path.session_id, None).await?))
}

/// 43.
pub(super) async fn reject(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<StatusView>> {
    Ok(Answer(ops::close(&app, &caller, path.session_id, Close::Reject, None).await?))
}

/// 44.
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<StatusView>> {
    Ok(Answer(ops::close(&app, &caller, path.session_id, Close::Cancel, None).await?))
}

/// 45.
pub(super) async fn end(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, body, .. }: PathBody<SessionPath, EndSession>,
) -> Result<Answer<SessionEnded>> {
    Ok(Answer(ops::end(&app, &caller, path.session_id, body, None).await?))
}

/// 46.
pub(super) async fn token(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<TokenView>> {
    Ok(Answer(ops::token(&app, &caller, path.session_id).await?))
}
