//! Thin: extract, call ops, wrap.

use axum::extract::State;
use axum::http::StatusCode;
use consilium_storage::connect::payloads::FollowUp;

use super::ops;
use super::wire::{
    CancelFollowup, CreateFollowup, FollowupPath, ListQuery, Respond, RespondToProposal, ScheduleFollowup,
};
use crate::accounts::caller::{Caller, Client, Doctor, Participant};
use crate::app::App;
use crate::connect::reviews::wire::ReviewPath;
use crate::connect::sessions::wire::SessionPath;
use crate::error::Result;
use crate::http::idempotency::{CreatedOnce, IdempotencyKey, Start, finish};
use crate::http::input::{BodyOnly, Input, PathBody, PathOnly, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::Answer;

/// 30, which an `Idempotency-Key` may make repeatable.
pub(super) async fn create_for_review(
    State(app): State<App>,
    caller: Caller<Doctor>,
    key: IdempotencyKey,
    Input { path, body, .. }: PathBody<ReviewPath, ScheduleFollowup>,
) -> Result<CreatedOnce<FollowUp>> {
    let mut tx = app.begin().await?;
    let endpoint = "POST /api/v2/doctors/me/reviews/{review_id}/followup";
    let key = match key.start(&mut tx, caller.id, endpoint, &(path.review_id, &body)).await? {
        Start::Again(stored) => return Ok(CreatedOnce::again(stored)),
        Start::Go(key) => key,
    };
    let view = ops::create_for_review(&mut tx, &caller, path.review_id, &body).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOnce::new(&view))
}

/// 63, which an `Idempotency-Key` may make repeatable.
pub(super) async fn create_for_session(
    State(app): State<App>,
    caller: Caller<Doctor>,
    key: IdempotencyKey,
    Input { path, body, .. }: PathBody<SessionPath, ScheduleFollowup>,
) -> Result<CreatedOnce<FollowUp>> {
    let mut tx = app.begin().await?;
    let endpoint = "POST /api/v2/connect/sessions/{session_id}/followup";
    let key = match key.start(&mut tx, caller.id, endpoint, &(path.session_id, &body)).await? {
        Start::Again(stored) => return Ok(CreatedOnce::again(stored)),
        Start::Go(key) => key,
    };
    let view = ops::create(&mut tx, &caller, path.session_id, &body).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOnce::new(&view))
}

/// 64.
pub(super) async fn show_of_session(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<FollowUp>> {
    Ok(Answer(ops::show_of_session(&app, &caller, path.session_id).await?))
}

/// 86, which an `Idempotency-Key` may make repeatable.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<Doctor>,
    key: IdempotencyKey,
    Input { body, .. }: BodyOnly<CreateFollowup>,
) -> Result<CreatedOnce<FollowUp>> {
    let mut tx = app.begin().await?;
    let key = match key.start(&mut tx, caller.id, "POST /api/v2/followups", &body).await? {
        Start::Again(stored) => return Ok(CreatedOnce::again(stored)),
        Start::Go(key) => key,
    };
    let (session, schedule) = body.split();
    let view = ops::create(&mut tx, &caller, session, &schedule).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOnce::new(&view))
}

/// 87.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { query, .. }: QueryOnly<ListQuery>,
) -> Result<Answer<Page<FollowUp>>> {
    Ok(Answer(ops::list(&app, &caller, &query).await?))
}

/// 88.
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<FollowupPath>,
) -> Result<Answer<FollowUp>> {
    Ok(Answer(ops::show(&app, &caller, path.followup_id).await?))
}

/// 89.
pub(super) async fn respond(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, body, .. }: PathBody<FollowupPath, Respond>,
) -> Result<Answer<FollowUp>> {
    Ok(Answer(ops::respond(&app, &caller, path.followup_id, body).await?))
}

/// 90.
pub(super) async fn respond_to_proposal(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, body, .. }: PathBody<FollowupPath, RespondToProposal>,
) -> Result<Answer<FollowUp>> {
    Ok(Answer(ops::respond_to_proposal(&app, &caller, path.followup_id, body.accept).await?))
}

/// 91.
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, body, .. }: PathBody<FollowupPath, CancelFollowup>,
) -> Result<Answer<FollowUp>> {
    Ok(Answer(ops::cancel(&app, &caller, path.followup_id, body.reason).await?))
}
