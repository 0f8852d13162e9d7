//! The sandbox's doors (settled 21): its checkout page, and the switch that plays the provider. In production, and where
//! another provider takes the payments, they do not exist.

use aide::axum::ApiRouter;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use consilium_storage::connect::sandbox::Outcome;
use consilium_storage::ids::OrderId;
use consilium_storage::money::Paise;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NOT_FOUND;
use super::wire::OrderPath;
use crate::app::App;
use crate::error::{Error, Result};
use crate::gateways::payments::{Payments, Sandbox};
use crate::http::input::{Input, PathBody, PathOnly};
use crate::http::reply::Answer;

/// The page, what it shows, and the switch.
pub fn router() -> Router<App> {
    ApiRouter::<App>::new()
        .route("/dev/payments/{order_id}", get(page).post(decide))
        .route("/dev/payments/{order_id}/state", get(show))
        .into()
}

/// What is decided.
#[derive(Debug, Deserialize, JsonSchema)]
struct Decide {
    outcome: Outcome,
}

/// An order as the sandbox has it.
#[derive(Debug, Serialize, JsonSchema)]
struct SandboxOrder {
    order_id: OrderId,
    amount: Paise,
    outcome: Option<Outcome>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// What was decided, and how the webhook was answered; null where it did not arrive.
#[derive(Debug, Serialize, JsonSchema)]
struct Decided {
    order_id: OrderId,
    outcome: Outcome,
    webhook_status: Option<u16>,
}

fn sandbox(app: &App) -> Result<&Sandbox> {
    match &app.payments {
        Payments::Sandbox(sandbox) => Ok(sandbox),
        Payments::Cashfree(_) => Err(Error::NotFound("Path")),
    }
}

async fn page(State(app): State<App>, headers: HeaderMap, input: PathOnly<OrderPath>) -> Result<Response> {
    sandbox(&app)?.find(&input.path.order_id).await.map_err(Error::internal)?.ok_or(NOT_FOUND)?;
    Ok(crate::demo::page("dev/payment.html", &headers).unwrap_or_else(|| Error::NotFound("Page").into_response()))
}

async fn show(State(app): State<App>, Input { path, .. }: PathOnly<OrderPath>) -> Result<Answer<SandboxOrder>> {
    let payment = sandbox(&app)?.find(&path.order_id).await.map_err(Error::internal)?.ok_or(NOT_FOUND)?;
    Ok(Answer(SandboxOrder {
        order_id: payment.order_id,
        amount: payment.amount,
        outcome: payment.outcome,
        created_at: payment.created_at,
        expires_at: payment.expires_at,
    }))
}

/// Answers when the webhook was answered, so that whoever looks next sees what it did.
async fn decide(
    State(app): State<App>,
    Input { path, body, .. }: PathBody<OrderPath, Decide>,
) -> Result<Answer<Decided>> {
    let sent = sandbox(&app)?.decide(&path.order_id, body.outcome).await.map_err(Error::internal)?;
    let webhook_status = sent.ok_or(NOT_FOUND)?;
    Ok(Answer(Decided { order_id: path.order_id, outcome: body.outcome, webhook_status }))
}
