//! Payments (connect-v2 §3.22): a patient tops up the wallet by an order at the provider. What became of it is learnt
//! from a webhook, from asking when the patient wants to know, and from asking unasked; all three settle the order in
//! the same transaction, which credits it once.

pub mod dev;
mod handlers;
mod history;
pub mod ops;
mod webhook;
mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use crate::app::App;
use crate::error::Error;

/// No such order, or somebody else's.
pub const NOT_FOUND: Error = Error::NotFound("Order");

/// The routes 94, 95 and 114 to 116.
pub fn router() -> ApiRouter<App> {
    const TAG: &str = "Payments";
    ApiRouter::new()
        .api_route(
            "/api/v2/payments/cashfree/orders",
            post_with(handlers::create, |op| op.id("C114").tag(TAG).summary("Order a top-up of the wallet")),
        )
        .api_route(
            "/api/v2/payments/cashfree/orders/{order_id}/verify",
            get_with(handlers::verify, |op| op.id("C115").tag(TAG).summary("What became of a top-up order")),
        )
        .api_route(
            "/api/v2/payments/cashfree/webhook",
            post_with(webhook::receive, |op| op.id("C116").tag(TAG).summary("The payment provider's signed callback")),
        )
        .merge(history::router())
}
