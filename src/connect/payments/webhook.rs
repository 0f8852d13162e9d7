//! What the payment provider tells (connect-v2 116): verified on the raw bytes. Its age is not checked, for repeats are
//! harmless; whatever is not understood or not ours is taken, so that it is not sent again.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::ops;
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::gateways::payments::WebhookError;
use crate::http::input::{BODY_LIMIT, collect_body};
use crate::http::reply::Answer;

/// Taken, also for unknown orders and other types.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PaymentWebhookTaken")]
pub(super) struct Taken {
    status: &'static str,
}

pub(super) async fn receive(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Answer<Taken>> {
    let bytes = collect_body(body, BODY_LIMIT).await?;
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    match app.payments.webhook(header("x-webhook-timestamp"), header("x-webhook-signature"), &bytes) {
        Ok(notice) => {
            if ops::settle(&app, &notice.order_id, &notice.report).await?.is_none() {
                tracing::info!("a payment webhook names no order of ours");
            }
        }
        Err(WebhookError::BadSignature) => {
            return Err(Error::Unauthenticated {
                code: Some(Code::BadSignature),
                detail: "The signature does not fit",
            });
        }
        Err(WebhookError::Unhandled(why)) => tracing::info!(reason = why, "a payment webhook was passed over"),
    }
    Ok(Answer(Taken { status: "ok" }))
}
