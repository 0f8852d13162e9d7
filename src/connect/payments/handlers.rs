//! Thin: extract, call ops, wrap.

use axum::extract::State;
use axum::http::StatusCode;

use super::ops;
use super::wire::{CreateOrder, OrderPath, OrderView, VerifiedView};
use crate::accounts::caller::{Caller, Client};
use crate::app::App;
use crate::error::Result;
use crate::http::idempotency::{IdempotencyKey, Start, finish};
use crate::http::input::{BodyOnly, Input, PathOnly};
use crate::http::reply::{Answer, CreatedOrAgain};

const ENDPOINT: &str = "POST /api/v2/payments/cashfree/orders";

/// 114, which an `Idempotency-Key` may make repeatable. The provider is asked between two transactions, never inside
/// one; of two requests that race with one key, the second answers with the first one's order, and the provider's
/// other order, whose session nobody was given, lapses there unpaid.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller<Client>,
    key: IdempotencyKey,
    Input { body, .. }: BodyOnly<CreateOrder>,
) -> Result<CreatedOrAgain<OrderView>> {
    let mut tx = app.begin().await?;
    if let Start::Again(stored) = key.clone().start(&mut tx, caller.id, ENDPOINT, &body).await? {
        return Ok(CreatedOrAgain::again(stored));
    }
    let wanted = ops::quote(&mut tx, &caller, &body).await?;
    tx.rollback().await?;
    let opened = ops::open(&app, wanted).await?;
    let mut tx = app.begin().await?;
    let key = match key.start(&mut tx, caller.id, ENDPOINT, &body).await? {
        Start::Again(stored) => return Ok(CreatedOrAgain::again(stored)),
        Start::Go(key) => key,
    };
    let view = ops::keep(&app, &mut tx, &caller, opened).await?;
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOrAgain::created(&view))
}

/// 115.
pub(super) async fn verify(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, .. }: PathOnly<OrderPath>,
) -> Result<Answer<VerifiedView>> {
    Ok(Answer(ops::verify(&app, &caller, &path.order_id).await?))
}
