//! Top-up orders (114 to 116, 94, 95) against the sandbox and against a Cashfree of our own.

mod history;
mod ordering;
mod provider;
mod reconciling;
mod sandbox;
mod settling;
mod webhook;

use axum::http::Method;
use chrono::TimeDelta;
use consilium_storage::connect::sandbox::{self as played, Outcome};
use consilium_storage::ids::OrderId;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::cashfree::{sign, webhook};
use crate::support::client::{Answer, Client, send};
use crate::support::meeting::{inbox, text};

pub(super) const ORDERS: &str = "payments/cashfree/orders";
pub(super) const WEBHOOK: &str = "payments/cashfree/webhook";
pub(super) const SECRET: &str = "sandbox-secret";
pub(super) const SUCCESS: &str = "PAYMENT_SUCCESS_WEBHOOK";
pub(super) const FAILED: &str = "PAYMENT_FAILED_WEBHOOK";
pub(super) const DROPPED: &str = "PAYMENT_USER_DROPPED_WEBHOOK";

/// A server over the sandbox whose tokens outlive the moves of its clock.
async fn start() -> (TestApp, Client) {
    let app = TestApp::start_with(|config| config.ttl.access_token = TimeDelta::days(90)).await;
    let patient = app.patient().await;
    (app, patient)
}

/// A PENDING order of so many paise; its id.
async fn order(client: &Client, paise: i64) -> String {
    text(&client.post(ORDERS, json!({"amount": paise})).await.expect(201)["order_id"]).to_owned()
}

async fn verify(client: &Client, id: &str) -> Answer {
    client.get(&format!("{ORDERS}/{id}/verify")).await
}

/// Where the order stands, by asking.
async fn status(client: &Client, id: &str) -> String {
    text(&verify(client, id).await.expect(200)["status"]).to_owned()
}

async fn balance(client: &Client) -> i64 {
    client.get("wallet/balance").await.expect(200)["balance"].as_i64().unwrap()
}

/// Somebody decides on the sandbox's page, which sends the webhook.
async fn play(app: &TestApp, id: &str, outcome: &str) -> Value {
    let answer = app.nobody().post(&format!("/dev/payments/{id}"), json!({"outcome": outcome})).await.expect(200);
    assert_eq!(answer["webhook_status"], 200, "{answer}");
    answer
}

/// The sandbox knows of a payment, and its webhook is lost.
async fn pay_silently(app: &TestApp, id: &str, outcome: Outcome) {
    let mut conn = app.app.conn().await.unwrap();
    let now = app.app.now();
    played::set_outcome(&mut conn, &OrderId(id.to_owned()), outcome, now).await.unwrap().unwrap();
}

/// A webhook of the sandbox's provider for an order of 500 rupees.
pub(super) fn notice(kind: &str, id: &str) -> String {
    webhook(kind, id, "500", "500.00")
}

/// Delivers a body as the provider would, signed.
pub(super) async fn deliver(app: &TestApp, body: &str) -> Answer {
    deliver_with(app, "1746427759733", &sign(SECRET, "1746427759733", body.as_bytes()), body).await
}

async fn deliver_with(app: &TestApp, timestamp: &str, signature: &str, body: &str) -> Answer {
    let request = app.nobody().request(Method::POST, WEBHOOK).header("content-type", "application/json");
    let request = request.header("x-webhook-timestamp", timestamp).header("x-webhook-signature", signature);
    send(request.body(body.to_owned())).await
}

/// The kinds of payment and wallet events in the patient's inbox.
async fn money_events(client: &Client) -> Vec<String> {
    let kinds = inbox(client).await.into_iter().map(|event| text(&event["type"]).to_owned());
    kinds.filter(|kind| kind.starts_with("payment.") || kind.starts_with("wallet.")).collect()
}
