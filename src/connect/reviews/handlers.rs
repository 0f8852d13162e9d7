//! Thin: extract, call ops, wrap.

use axum::extract::State;
use axum::http::StatusCode;

use super::ops;
use super::wire::{
    CreateReview, DeskQuery, DeskReview, PublicReview, ReplyView, ReviewPath, ReviewView, WallQuery, WriteReply,
};
use crate::accounts::caller::{Caller, Client, Doctor, Participant};
use crate::app::App;
use crate::connect::doctors::wire::DoctorPath;
use crate::connect::sessions::wire::SessionPath;
use crate::error::Result;
use crate::http::idempotency::{CreatedOnce, IdempotencyKey, Start, finish};
use crate::http::input::{BodyOnly, Input, PathBody, PathOnly, PathQuery, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::{Answer, Created, NoContent};

/// 85, which an `Idempotency-Key` may make repeatable.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<Client>,
    key: IdempotencyKey,
    Input { body, .. }: BodyOnly<CreateReview>,
) -> Result<CreatedOnce<ReviewView>> {
    let mut tx = app.begin().await?;
    let key = match key.start(&mut tx, caller.id, "POST /api/v2/reviews", &body).await? {
        Start::Again(stored) => return Ok(CreatedOnce::again(stored)),
        Start::Go(key) => key,
    };
    let view = ops::create(&mut tx, &caller, body).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOnce::new(&view))
}

/// 72.
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<ReviewView>> {
    Ok(Answer(ops::show(&app, &caller, path.session_id).await?))
}

/// 17.
pub(super) async fn wall(
    State(app): State<App>,
    Input { path, query, .. }: PathQuery<DoctorPath, WallQuery>,
) -> Result<Answer<Page<PublicReview>>> {
    Ok(Answer(ops::wall(&app, path.doctor_id, &query).await?))
}

/// 26.
pub(super) async fn desk(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<DeskQuery>,
) -> Result<Answer<Page<DeskReview>>> {
    Ok(Answer(ops::desk(&app, &caller, query).await?))
}

/// 27.
pub(super) async fn reply(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, body, .. }: PathBody<ReviewPath, WriteReply>,
) -> Result<Created<ReplyView>> {
    Ok(Created(ops::reply(&app, &caller, path.review_id, body.text).await?))
}

/// 28.
pub(super) async fn change_reply(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, body, .. }: PathBody<ReviewPath, WriteReply>,
) -> Result<Answer<ReplyView>> {
    Ok(Answer(ops::change_reply(&app, &caller, path.review_id, body.text).await?))
}

/// 29.
pub(super) async fn remove_reply(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, .. }: PathOnly<ReviewPath>,
) -> Result<NoContent> {
    ops::remove_reply(&app, &caller, path.review_id).await?;
    Ok(NoContent)
}
