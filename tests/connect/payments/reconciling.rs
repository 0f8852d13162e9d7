//! Nobody comes back and no webhook comes: the server asks by itself, so that no paid order is left uncredited.

use std::time::Duration;

use chrono::TimeDelta;
use consilium::connect::payments::ops::{self, Decided, Decision};
use consilium::jobs::payments::reconcile;
use consilium_storage::connect::sandbox::Outcome;
use consilium_storage::ids::OrderId;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{balance, money_events, order, pay_silently, play, start, status};
use crate::support::app::TestApp;
use crate::support::cashfree::{CashfreePeer, Fault};
use crate::support::client::Client;
use crate::support::meeting::until;

async fn stored(client: &Client, id: &str) -> Value {
    let page = client.get("analytics/user/orders?limit=100").await.expect(200);
    page["items"].as_array().unwrap().iter().find(|order| order["order_id"] == id).unwrap().clone()
}

/// Runs the job until the order stands so: the server's own rounds may have taken it first.
async fn becomes(app: &TestApp, client: &Client, id: &str, status: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        reconcile(&app.app).await.unwrap();
        let order = stored(client, id).await;
        if order["status"] == status {
            return;
        }
        assert!(Instant::now() < deadline, "it stays {order}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_lost_webhook_is_made_up_for_once() {
    let (app, patient) = start().await;
    let (paid, failed, open) =
        (order(&patient, 50_000).await, order(&patient, 50_000).await, order(&patient, 50_000).await);
    pay_silently(&app, &paid, Outcome::Success).await;
    pay_silently(&app, &failed, Outcome::Failed).await;
    // Not at once: most payers come back by themselves.
    reconcile(&app.app).await.unwrap();
    assert_eq!(stored(&patient, &paid).await["status"], "PENDING");
    app.advance(TimeDelta::seconds(61));
    becomes(&app, &patient, &paid, "SUCCESS").await;
    becomes(&app, &patient, &failed, "FAILED").await;
    assert_eq!((stored(&patient, &open).await["status"].as_str(), balance(&patient).await), (Some("PENDING"), 50_000));
    // The second attempt of the failed one succeeds, and that too is told to nobody.
    pay_silently(&app, &failed, Outcome::Success).await;
    app.advance(TimeDelta::minutes(3));
    becomes(&app, &patient, &failed, "SUCCESS").await;
    for _ in 0..3 {
        app.advance(TimeDelta::hours(1));
        reconcile(&app.app).await.unwrap();
    }
    play(&app, &paid, "success").await;
    assert_eq!(balance(&patient).await, 100_000);
    let mut events = money_events(&patient).await;
    events.sort();
    assert_eq!(events, ["payment.failed", "payment.success", "payment.success", "wallet.updated", "wallet.updated"]);
    assert_eq!(app.ledger_adds_up().await, 2);
}

#[tokio::test]
async fn an_order_nobody_pays_expires_after_a_day() {
    let (app, patient) = start().await;
    let id = order(&patient, 50_000).await;
    app.advance(TimeDelta::hours(23));
    reconcile(&app.app).await.unwrap();
    assert_eq!(stored(&patient, &id).await["status"], "PENDING");
    app.advance(TimeDelta::hours(1));
    becomes(&app, &patient, &id, "EXPIRED").await;
    assert!(money_events(&patient).await.is_empty());
}

#[tokio::test]
async fn many_rounds_at_once_share_the_work() {
    let (app, patient) = start().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        let id = order(&patient, 1_000).await;
        pay_silently(&app, &id, Outcome::Success).await;
        ids.push(id);
    }
    app.advance(TimeDelta::seconds(61));
    let rounds = futures_util::future::join_all((0..6).map(|_| reconcile(&app.app))).await;
    assert!(rounds.iter().all(Result::is_ok));
    for id in &ids {
        becomes(&app, &patient, id, "SUCCESS").await;
    }
    assert_eq!((balance(&patient).await, app.ledger_adds_up().await), (12_000, 12));
}

/// As [`start`], over a Cashfree of our own.
async fn start_over(peer: &CashfreePeer) -> (TestApp, Client) {
    let app = TestApp::start_with(|config| {
        config.cashfree = Some(peer.settings());
        config.ttl.access_token = TimeDelta::days(90);
    })
    .await;
    let patient = app.patient().await;
    (app, patient)
}

#[tokio::test]
async fn what_a_provider_in_trouble_did_not_tell_is_credited_once_in_the_end() {
    let peer = CashfreePeer::start().await;
    let (app, patient) = start_over(&peer).await;
    let paid = order(&patient, 50_000).await;
    peer.attempt(&paid, "SUCCESS", "500.00");
    for fault in [Fault::Garbage, Fault::OtherShape, Fault::Endless, Fault::Refused, Fault::Hang] {
        peer.fail_always(Some(fault));
        let before = peer.failed();
        // Whenever it was asked last, it is due again.
        app.advance(TimeDelta::hours(7));
        reconcile(&app.app).await.unwrap();
        // By this round, or by one of the server's own that took it first.
        until("the provider is asked", || peer.failed() > before).await;
        assert_eq!(stored(&patient, &paid).await["status"], "PENDING", "{fault:?}");
    }
    assert!(money_events(&patient).await.is_empty());
    peer.fail_always(None);
    app.advance(TimeDelta::hours(7));
    becomes(&app, &patient, &paid, "SUCCESS").await;
    for _ in 0..3 {
        app.advance(TimeDelta::hours(7));
        reconcile(&app.app).await.unwrap();
    }
    assert_eq!((balance(&patient).await, app.ledger_adds_up().await), (50_000, 1));
    assert_eq!(money_events(&patient).await, ["payment.success", "wallet.updated"]);
    assert!(app.flagged_payments().await.is_empty());
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again_later() {
    let peer = CashfreePeer::start().await;
    let (app, patient) = start_over(&peer).await;
    let (paid, gone) = (order(&patient, 50_000).await, order(&patient, 50_000).await);
    peer.attempt(&paid, "SUCCESS", "500.00");
    peer.forget(&gone);
    peer.fail_always(Some(Fault::Internal));
    app.advance(TimeDelta::days(2));
    reconcile(&app.app).await.unwrap();
    // Not asked is not expired: who knows whether it was paid.
    assert_eq!(stored(&patient, &paid).await["status"], "PENDING");
    peer.fail_always(None);
    app.advance(TimeDelta::hours(7));
    becomes(&app, &patient, &paid, "SUCCESS").await;
    assert_eq!((balance(&patient).await, app.flagged_payments().await.len()), (50_000, 0));
    // One that the provider knows nothing of was not paid there in time …
    becomes(&app, &patient, &gone, "EXPIRED").await;
    assert!(app.flagged_payments().await.is_empty());
    // … and is left to an admin after weeks.
    app.advance(TimeDelta::days(30));
    let deadline = Instant::now() + Duration::from_secs(20);
    while app.flagged_payments().await.is_empty() {
        reconcile(&app.app).await.unwrap();
        assert!(Instant::now() < deadline, "it is not flagged");
        sleep(Duration::from_millis(20)).await;
    }
    let flagged = app.flagged_payments().await;
    assert_eq!((flagged.len(), flagged[0].id.0.as_str(), flagged[0].flag.as_str()), (1, gone.as_str(), "UNRESOLVED"));
    assert_eq!(stored(&patient, &gone).await["status"], json!("EXPIRED"));
    let asked = peer.requests().len();
    app.advance(TimeDelta::days(1));
    reconcile(&app.app).await.unwrap();
    assert_eq!(peer.requests().len(), asked, "nobody is asked any more");
}

/// Runs the job, seven hours later each time, until an order is left to an admin.
async fn becomes_flagged(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while app.flagged_payments().await.is_empty() {
        app.advance(TimeDelta::hours(7));
        reconcile(&app.app).await.unwrap();
        assert!(Instant::now() < deadline, "it is not flagged");
    }
}

#[tokio::test]
async fn what_another_provider_could_have_told_is_left_to_an_admin() {
    let peer = CashfreePeer::start().await;
    let (before, patient) = start_over(&peer).await;
    let id = order(&patient, 50_000).await;
    peer.attempt(&id, "SUCCESS", "500.00");
    // Whoever still has the old settings cannot ask either.
    peer.fail_always(Some(Fault::Internal));
    let app = before.beside_with(|config| config.cashfree = None).await;
    app.advance(TimeDelta::hours(1));
    reconcile(&app.app).await.unwrap();
    assert_eq!(stored(&patient, &id).await["status"], "PENDING");
    assert!(app.flagged_payments().await.is_empty());
    app.advance(TimeDelta::days(1));
    becomes_flagged(&app).await;
    let flagged = app.flagged_payments().await;
    assert_eq!((flagged.len(), flagged[0].id.0.as_str(), flagged[0].flag.as_str()), (1, id.as_str(), "UNRESOLVED"));
    assert_eq!((stored(&patient, &id).await["status"].as_str(), balance(&patient).await), (Some("EXPIRED"), 0));
    // The old settings are there again for a moment: what became of it is known, and nobody has to look.
    peer.fail_always(None);
    assert_eq!(status(&patient, &id).await, "SUCCESS");
    assert!(app.flagged_payments().await.is_empty());
}

async fn decide(app: &TestApp, id: &str, decision: Decision) -> Decided {
    let mut tx = app.app.begin().await.unwrap();
    let decided = ops::decide(&mut tx, &OrderId(id.to_owned()), decision).await.unwrap();
    app.app.commit(tx).await.unwrap();
    decided
}

#[tokio::test]
async fn a_wrong_payment_expires_as_others_do_and_an_admin_settles_it() {
    let peer = CashfreePeer::start().await;
    let (app, patient) = start_over(&peer).await;
    let (wrong, right) = (order(&patient, 50_000).await, order(&patient, 50_000).await);
    for id in [&wrong, &right] {
        peer.attempt(id, "SUCCESS", "5.00");
        assert_eq!(status(&patient, id).await, "PENDING");
    }
    // The flag stops nobody from asking: the right payment may follow, and is credited then.
    peer.attempt(&right, "SUCCESS", "500.00");
    app.advance(TimeDelta::minutes(30));
    becomes(&app, &patient, &right, "SUCCESS").await;
    assert_eq!(stored(&patient, &wrong).await["status"], "PENDING");
    app.advance(TimeDelta::hours(24));
    becomes(&app, &patient, &wrong, "EXPIRED").await;
    let asked = peer.requests().len();
    app.advance(TimeDelta::days(1));
    reconcile(&app.app).await.unwrap();
    assert_eq!(peer.requests().len(), asked, "a wrong payment stays one");

    // The patient's other money is with the provider in both cases: an admin has seen to it.
    assert_eq!(app.flagged_payments().await.len(), 2);
    assert_eq!(decide(&app, &right, Decision::Credit).await, Decided::Credited);
    assert_eq!(decide(&app, &right, Decision::Dismiss).await, Decided::Done);
    assert_eq!(decide(&app, &right, Decision::Dismiss).await, Decided::NotFlagged);
    assert_eq!((balance(&patient).await, app.flagged_payments().await.len()), (50_000, 1));
    assert_eq!(decide(&app, &wrong, Decision::Credit).await, Decided::Done);
    assert_eq!(decide(&app, &wrong, Decision::Credit).await, Decided::Credited);
    assert_eq!(decide(&app, "cf_order_nowhere", Decision::Dismiss).await, Decided::NotFlagged);
    assert_eq!(
        (stored(&patient, &wrong).await["status"].as_str(), balance(&patient).await),
        (Some("SUCCESS"), 100_000)
    );
    assert!(app.flagged_payments().await.is_empty());
    assert_eq!(money_events(&patient).await, ["payment.success", "wallet.updated"].repeat(2));
    assert_eq!(app.audited("payment.credit", patient.id).await, 2);
    assert_eq!(app.audited("payment.dismiss", patient.id).await, 1);
    assert_eq!(app.ledger_adds_up().await, 2);
}

#[tokio::test]
async fn what_an_admin_has_dismissed_is_neither_said_again_nor_credited_unseen() {
    let peer = CashfreePeer::start().await;
    let (app, patient) = start_over(&peer).await;
    let wrong = order(&patient, 50_000).await;
    peer.attempt(&wrong, "SUCCESS", "5.00");
    assert_eq!(status(&patient, &wrong).await, "PENDING");
    assert_eq!(decide(&app, &wrong, Decision::Dismiss).await, Decided::Done);
    assert_eq!(status(&patient, &wrong).await, "PENDING");
    assert!(app.flagged_payments().await.is_empty(), "the same payment is no news");
    // The right one that follows is.
    peer.attempt(&wrong, "SUCCESS", "500.00");
    assert_eq!((status(&patient, &wrong).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));

    // Nothing can be known of an order for weeks: an admin refunds it at the provider.
    let lost = order(&patient, 50_000).await;
    peer.attempt(&lost, "SUCCESS", "500.00");
    peer.fail_always(Some(Fault::Refused));
    app.advance(TimeDelta::days(30));
    becomes_flagged(&app).await;
    assert_eq!(decide(&app, &lost, Decision::Dismiss).await, Decided::Done);
    peer.fail_always(None);
    app.advance(TimeDelta::minutes(1));
    assert_eq!((status(&patient, &lost).await.as_str(), balance(&patient).await), ("EXPIRED", 50_000));
    let flagged = app.flagged_payments().await;
    assert_eq!(
        (flagged.len(), flagged[0].id.0.as_str(), flagged[0].flag.as_str()),
        (1, lost.as_str(), "PAID_AFTER_ALL")
    );
    assert_eq!(decide(&app, &lost, Decision::Credit).await, Decided::Done);
    assert_eq!((status(&patient, &lost).await.as_str(), balance(&patient).await), ("SUCCESS", 100_000));
    assert!(app.flagged_payments().await.is_empty());
    assert_eq!(app.ledger_adds_up().await, 2);
}
