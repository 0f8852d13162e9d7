//! The same endpoints over a Cashfree of our own: what it answers, and what becomes of an order when it does not.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{FAILED, ORDERS, SUCCESS, balance, money_events, order, status, verify};
use crate::support::app::TestApp;
use crate::support::cashfree::{CLIENT_SECRET, CashfreePeer, Fault, sign, webhook};
use crate::support::client::{Answer, Client};
use crate::support::meeting::text;

/// Every way in which it may fail to say what it was asked for, but at once.
const AT_ONCE: [Fault; 8] = [
    Fault::Internal,
    Fault::ProxyPage,
    Fault::Garbage,
    Fault::OtherShape,
    Fault::Endless,
    Fault::TooMany,
    Fault::Redirect,
    Fault::Refused,
];

/// The refusal of a call that the provider was needed for.
#[track_caller]
fn unavailable(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 503, "{what}: {}", answer.text);
    answer.refused(503, "PAYMENT_UNAVAILABLE");
    assert!(answer.retry_after() >= 1, "{what}");
}

/// The patient's one order, as it is stored.
async fn only_order(patient: &Client) -> Value {
    let page = patient.get("analytics/user/orders").await.expect(200);
    assert_eq!(page["total"], 1, "{page}");
    page["items"][0].clone()
}

async fn start() -> (TestApp, CashfreePeer, Client) {
    let peer = CashfreePeer::start().await;
    let app = TestApp::start_with(|config| {
        config.cashfree = Some(peer.settings());
        config.ttl.access_token = TimeDelta::days(90);
    })
    .await;
    let patient = app.patient().await;
    (app, peer, patient)
}

#[tokio::test]
async fn a_top_up_from_order_to_credit() {
    let (app, peer, patient) = start().await;
    let made = patient.post(ORDERS, json!({"amount": 50_010})).await.expect(201);
    let id = text(&made["order_id"]).to_owned();
    assert_eq!(made["payment_session_id"], format!("session_{id}_Payment"));
    let sent = &peer.requests()[0].body;
    assert!(sent.contains("\"order_amount\":500.10,"), "{sent}");
    assert!(sent.contains(&format!("\"customer_id\":\"{}\"", patient.id.0.simple())), "{sent}");
    assert_eq!(status(&patient, &id).await, "PENDING");
    peer.attempt(&id, "USER_DROPPED", "500.10");
    assert_eq!(status(&patient, &id).await, "FAILED");
    peer.attempt(&id, "PENDING", "500.10");
    assert_eq!(status(&patient, &id).await, "FAILED");
    is_told_from_what_is_stored(&app, &peer, &patient, &id).await;
    peer.attempt(&id, "SUCCESS", "500.10");
    app.advance(TimeDelta::seconds(5));
    let seen = verify(&patient, &id).await.expect(200);
    assert_eq!((&seen["status"], &seen["wallet_balance"]), (&json!("SUCCESS"), &json!(50_010)));
    // A credited order is not asked for any more.
    let asked = peer.requests().len();
    assert_eq!(verify(&patient, &id).await.expect(200), seen);
    assert_eq!(peer.requests().len(), asked);
    assert!(peer.refused().is_empty(), "{:?}", peer.refused());
    assert_eq!(money_events(&patient).await, ["payment.failed", "payment.success", "wallet.updated"]);

    // Its webhooks are signed with the account's own secret, not with the sandbox's.
    let id = order(&patient, 50_000).await;
    let body = webhook(SUCCESS, &id, "500.00", "500.00");
    let with = async |secret: &str| super::deliver_with(&app, "17", &sign(secret, "17", body.as_bytes()), &body).await;
    with(super::SECRET).await.refused(401, "BAD_SIGNATURE");
    with(CLIENT_SECRET).await.expect(200);
    assert_eq!(balance(&patient).await, 100_010);
    assert_eq!(app.ledger_adds_up().await, 2);
}

/// Whoever asks again and again about an attempt that failed is answered from what is stored, for some seconds.
async fn is_told_from_what_is_stored(app: &TestApp, peer: &CashfreePeer, patient: &Client, id: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        app.advance(TimeDelta::seconds(5));
        let began = app.app.now();
        assert_eq!(status(patient, id).await, "FAILED");
        let asked = peer.requests().len();
        assert_eq!(status(patient, id).await, "FAILED");
        // Two calls that took all of them show nothing: the provider was asked twice.
        if app.app.now() - began < TimeDelta::seconds(5) {
            return assert_eq!(peer.requests().len(), asked);
        }
        assert!(Instant::now() < deadline, "two calls always take five seconds");
    }
}

#[tokio::test]
async fn no_order_is_kept_that_the_provider_did_not_open() {
    let (app, peer, patient) = start().await;
    for fault in AT_ONCE.into_iter().chain([Fault::Lost]) {
        peer.fail_always(Some(fault));
        let answer = patient.post_once(ORDERS, "key", json!({"amount": 50_000})).await;
        unavailable(&answer, &format!("{fault:?}"));
    }
    assert_eq!(patient.get("analytics/user/orders").await.expect(200)["total"], 0);
    peer.fail_always(None);
    // The key was not spent on a refusal.
    patient.post_once(ORDERS, "key", json!({"amount": 50_000})).await.expect(201);
    only_order(&patient).await;
    assert_eq!(app.audited("payment.order", patient.id).await, 1);
}

#[tokio::test]
async fn a_provider_that_hangs_keeps_nobody_waiting() {
    let (app, peer, patient) = start().await;
    let id = order(&patient, 50_000).await;
    peer.attempt(&id, "SUCCESS", "500.00");
    let before = only_order(&patient).await;
    peer.fail_always(Some(Fault::Hang));
    let started = Instant::now();
    let (made, asked) =
        tokio::join!(patient.post_once(ORDERS, "key", json!({"amount": 70_000})), verify(&patient, &id));
    let spent = started.elapsed();
    assert!(spent < Duration::from_secs(25), "{spent:?}");
    unavailable(&made, "114");
    unavailable(&asked, "115");
    assert_eq!((only_order(&patient).await, balance(&patient).await), (before, 0));
    assert!(money_events(&patient).await.is_empty());
    peer.fail_always(None);
    patient.post_once(ORDERS, "key", json!({"amount": 70_000})).await.expect(201);
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
    assert_eq!(app.ledger_adds_up().await, 1);
}

#[tokio::test]
async fn a_provider_that_nobody_can_connect_to_changes_nothing() {
    let (app, peer, patient) = start().await;
    let id = order(&patient, 50_000).await;
    peer.attempt(&id, "SUCCESS", "500.00");
    let before = only_order(&patient).await;
    // From another node the provider cannot be reached.
    let cut =
        app.beside_with(|config| config.cashfree.as_mut().unwrap().url = "http://127.0.0.1:1/pg".to_owned()).await;
    let there = patient.at(&cut.url);
    unavailable(&there.post_once(ORDERS, "key", json!({"amount": 70_000})).await, "114");
    unavailable(&verify(&there, &id).await, "115");
    assert_eq!((only_order(&patient).await, balance(&patient).await), (before, 0));
    assert!(money_events(&patient).await.is_empty());
    assert_eq!((status(&patient, &id).await.as_str(), balance(&there).await), ("SUCCESS", 50_000));
    patient.post_once(ORDERS, "key", json!({"amount": 70_000})).await.expect(201);
}

#[tokio::test]
async fn a_provider_that_is_away_leaves_the_order_as_it_was() {
    let (app, peer, patient) = start().await;
    let id = order(&patient, 50_000).await;
    peer.attempt(&id, "SUCCESS", "500.00");
    let before = only_order(&patient).await;
    assert_eq!(before["status"], "PENDING");
    for fault in AT_ONCE {
        peer.fail_always(Some(fault));
        unavailable(&verify(&patient, &id).await, &format!("{fault:?}"));
        assert_eq!(only_order(&patient).await, before, "{fault:?}");
    }
    // What is known already is told without it.
    let failed = order_failed_before(&app, &peer, &patient).await;
    peer.fail_always(Some(Fault::Internal));
    assert_eq!(status(&patient, &failed).await, "FAILED");
    assert_eq!(balance(&patient).await, 0);
    // A webhook needs no asking.
    let body = webhook(SUCCESS, &id, "500.00", "500.00");
    super::deliver_with(&app, "17", &sign(CLIENT_SECRET, "17", body.as_bytes()), &body).await.expect(200);
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
}

async fn order_failed_before(app: &TestApp, peer: &CashfreePeer, patient: &Client) -> String {
    peer.fail_always(None);
    let id = order(patient, 50_000).await;
    let body = webhook(FAILED, &id, "500.00", "500.00");
    super::deliver_with(app, "17", &sign(CLIENT_SECRET, "17", body.as_bytes()), &body).await.expect(200);
    id
}

#[tokio::test]
async fn a_payment_of_another_amount_is_not_credited() {
    let (app, peer, patient) = start().await;
    let id = order(&patient, 50_000).await;
    peer.attempt(&id, "SUCCESS", "5.00");
    assert_eq!(status(&patient, &id).await, "PENDING");
    assert_eq!((balance(&patient).await, app.flagged_payments().await.len()), (0, 1));
    peer.attempt(&id, "SUCCESS", "500.00");
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
}

#[tokio::test]
async fn an_order_that_the_provider_has_closed_is_expired() {
    let (_app, peer, patient) = start().await;
    let (late, closed) = (order(&patient, 50_000).await, order(&patient, 50_000).await);
    peer.set_status(&closed, "TERMINATED");
    assert_eq!(status(&patient, &closed).await, "EXPIRED");
    // One that is under way when the order closes may still arrive.
    peer.attempt(&late, "PENDING", "500.00");
    peer.set_status(&late, "EXPIRED");
    assert_eq!(status(&patient, &late).await, "PENDING");
    peer.attempt(&late, "SUCCESS", "500.00");
    assert_eq!((status(&patient, &late).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
    // One that the provider has forgotten: nobody can be asked, so what is stored is told.
    let forgotten = order(&patient, 50_000).await;
    peer.forget(&forgotten);
    assert_eq!(status(&patient, &forgotten).await, "PENDING");
}
