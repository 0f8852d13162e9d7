//! Thin: extract, call ops, wrap.

use axum::extract::State;
use axum::http::StatusCode;

use super::wire::{PdfView, PrescriptionView, WritePrescription};
use super::{ops, printing};
use crate::accounts::caller::{Caller, Doctor, Participant};
use crate::app::App;
use crate::connect::sessions::wire::SessionPath;
use crate::error::Result;
use crate::http::idempotency::{IdempotencyKey, Start, finish};
use crate::http::input::{Input, PathBody, PathOnly};
use crate::http::reply::{Answer, CreatedOrAgain};

/// 65, which an `Idempotency-Key` may make repeatable; a key belongs to one session.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<Doctor>,
    key: IdempotencyKey,
    Input { path, body, .. }: PathBody<SessionPath, WritePrescription>,
) -> Result<CreatedOrAgain<PrescriptionView>> {
    let mut tx = app.begin().await?;
    let endpoint = "POST /api/v2/connect/sessions/{session_id}/prescription";
    let key = match key.start(&mut tx, caller.id, endpoint, &(path.session_id, &body)).await? {
        Start::Again(stored) => return Ok(CreatedOrAgain::again(stored)),
        Start::Go(key) => key,
    };
    let view = ops::create(&mut tx, &caller, path.session_id, body).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOrAgain::created(&view))
}

/// 66.
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<PrescriptionView>> {
    Ok(Answer(ops::show(&app, &caller, path.session_id).await?))
}

/// 67.
pub(super) async fn replace(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { path, body, .. }: PathBody<SessionPath, WritePrescription>,
) -> Result<Answer<PrescriptionView>> {
    Ok(Answer(ops::replace(&app, &caller, path.session_id, body).await?))
}

/// 68.
pub(super) async fn pdf(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<SessionPath>,
) -> Result<Answer<PdfView>> {
    Ok(Answer(printing::link(&app, &caller, path.session_id).await?))
}
