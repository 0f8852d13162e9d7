//! 114: ordering a top-up.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ORDERS, balance, order, play, start, status, verify};
use crate::support::app::TestApp;
use crate::support::client::keys;
use crate::support::meeting::text;

#[tokio::test]
async fn an_order_is_pending_and_its_owners() {
    let (app, patient) = start().await;
    let made = patient.post(ORDERS, json!({"amount": 50_000})).await.expect(201);
    assert_eq!(keys(&made), ["amount", "order_id", "payment_session_id", "status"]);
    assert_eq!((&made["amount"], &made["status"]), (&json!(50_000), &json!("PENDING")));
    let id = text(&made["order_id"]);
    assert!(id.starts_with("cf_order_") && id.len() <= 45, "{id}");
    assert!(text(&made["payment_session_id"]).starts_with("session_"));
    let seen = verify(&patient, id).await.expect(200);
    assert_eq!(
        seen,
        json!({"order_id": id, "status": "PENDING", "amount": 50_000, "bonus_amount": 0, "wallet_credited": false,
               "wallet_balance": 0})
    );
    // To somebody else it does not exist, paid or not.
    let other = app.patient().await;
    verify(&other, id).await.refused_plainly(404);
    play(&app, id, "success").await;
    verify(&other, id).await.refused_plainly(404);
    verify(&patient, "cf_order_nobody").await.refused_plainly(404);
    assert_eq!((balance(&patient).await, balance(&other).await), (50_000, 0));
    assert_eq!(app.audited("payment.order", patient.id).await, 1);
    assert_eq!(app.audited("payment.credit", patient.id).await, 1);
}

#[tokio::test]
async fn amounts_have_bounds() {
    let (app, patient) = start().await;
    for (body, wrong) in [
        (json!({}), "body.amount missing"),
        (json!({"amount": 99}), "body.amount greater_than_equal"),
        (json!({"amount": 10_000_001}), "body.amount less_than_equal"),
        (json!({"amount": 500.5}), "body.amount int_type"),
        (json!({"amount": 500.0}), "body.amount int_type"),
        (json!({"amount": "500"}), "body.amount int_type"),
        (json!({"amount": null}), "body.amount int_type"),
        (json!({"amount": 500, "offer_id": "x"}), "body.offer_id uuid_parsing"),
    ] {
        patient.post(ORDERS, body).await.invalid(&[wrong]);
    }
    for paise in [100, 10_000_000] {
        let id = order(&patient, paise).await;
        play(&app, &id, "success").await;
    }
    assert_eq!(balance(&patient).await, 10_000_100);
    let doctor = app.doctor().await;
    doctor.post(ORDERS, json!({"amount": 500})).await.refused(403, "WRONG_ROLE");
}

/// An offer from yesterday to tomorrow; its id.
async fn offer(app: &TestApp, members: &Value) -> String {
    let today = app.app.now().date_naive();
    let mut body = json!({"title": "Starter Pack", "amount": 500.00, "bonus_amount": 50.00,
        "valid_from": today - TimeDelta::days(1), "valid_until": today + TimeDelta::days(1)});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    text(&app.admin().await.post("admin/wallet/offers", body).await.expect(201)["id"]).to_owned()
}

#[tokio::test]
async fn an_offer_adds_its_bonus_as_it_stood_when_ordered() {
    let (app, patient) = start().await;
    let (admin, id) = (app.admin().await, offer(&app, &json!({})).await);
    let made = patient.post(ORDERS, json!({"amount": 60_000, "offer_id": id})).await.expect(201);
    let first = text(&made["order_id"]).to_owned();
    let made = patient.post(ORDERS, json!({"amount": 50_000, "offer_id": id})).await.expect(201);
    let second = text(&made["order_id"]).to_owned();
    // Changed and then deleted: the orders keep their terms.
    let one = format!("admin/wallet/offers/{id}");
    admin.patch(&one, json!({"bonus_amount": 1, "is_active": false})).await.expect(200);
    play(&app, &first, "success").await;
    assert_eq!(admin.delete(&one).await.status, 204);
    play(&app, &second, "success").await;
    for (order, amount) in [(&first, 60_000), (&second, 50_000)] {
        let seen = verify(&patient, order).await.expect(200);
        assert_eq!((&seen["amount"], &seen["bonus_amount"]), (&json!(amount), &json!(5_000)));
        assert_eq!((&seen["status"], &seen["wallet_credited"]), (&json!("SUCCESS"), &json!(true)));
        assert_eq!(seen["wallet_balance"], 120_000);
    }
    let moved = patient.get("wallet/transactions").await.expect(200);
    let rows: Vec<_> =
        moved["items"].as_array().unwrap().iter().map(|row| (&row["type"], &row["balance_after"])).collect();
    let (recharge, bonus) = (json!("RECHARGE"), json!("BONUS"));
    assert_eq!(
        rows,
        [
            (&bonus, &json!(120_000)),
            (&recharge, &json!(115_000)),
            (&bonus, &json!(65_000)),
            (&recharge, &json!(60_000)),
        ]
    );
    assert_eq!(moved["items"][0]["reference_id"], json!(second));
    assert_eq!(app.ledger_adds_up().await, 4);
}

#[tokio::test]
async fn an_offer_that_does_not_fit_is_refused() {
    let (app, patient) = start().await;
    let today = app.app.now().date_naive();
    let order_with =
        async |offer: &str, amount: i64| patient.post(ORDERS, json!({"amount": amount, "offer_id": offer})).await;
    order_with(&Uuid::new_v4().to_string(), 50_000).await.refused_plainly(404);
    let small = offer(&app, &json!({})).await;
    order_with(&small, 49_999).await.refused(400, "OFFER_NOT_APPLICABLE");
    order_with(&small, 50_000).await.expect(201);
    for dates in [
        json!({"valid_from": today - TimeDelta::days(9), "valid_until": today - TimeDelta::days(1)}),
        json!({"valid_from": today + TimeDelta::days(1), "valid_until": today + TimeDelta::days(9)}),
    ] {
        order_with(&offer(&app, &dates).await, 50_000).await.refused(400, "OFFER_NOT_APPLICABLE");
    }
    let admin = app.admin().await;
    admin.patch(&format!("admin/wallet/offers/{small}"), json!({"is_active": false})).await.expect(200);
    order_with(&small, 50_000).await.refused(400, "OFFER_NOT_APPLICABLE");
    // An order without an offer has nothing to do with any of them.
    patient.post(ORDERS, json!({"amount": 100, "offer_id": null})).await.expect(201);
}

#[tokio::test]
async fn a_key_makes_one_order_however_often_it_is_sent() {
    let (app, patient) = start().await;
    let body = json!({"amount": 50_000});
    let first = patient.post_once(ORDERS, "key-1", body.clone()).await.expect(201);
    assert_eq!(patient.post_once(ORDERS, "key-1", body.clone()).await.expect(201), first);
    patient.post_once(ORDERS, "key-1", json!({"amount": 50_001})).await.refused(409, "IDEMPOTENCY_MISMATCH");
    patient.post_once(ORDERS, "", body.clone()).await.invalid(&["header.idempotency-key value_error"]);
    // Another patient's key is another key.
    let other = app.patient().await;
    assert_ne!(other.post_once(ORDERS, "key-1", body.clone()).await.expect(201)["order_id"], first["order_id"]);

    let racing = (0..8).map(|_| patient.post_once(ORDERS, "key-2", body.clone()));
    let answers = futures_util::future::join_all(racing).await;
    let orders: Vec<Value> = answers.into_iter().map(|answer| answer.expect(201)).collect();
    assert!(orders.iter().all(|order| order == &orders[0]), "{orders:#?}");
    assert_eq!(patient.get("analytics/user/orders").await.expect(200)["total"], 2);
    play(&app, text(&orders[0]["order_id"]), "success").await;
    assert_eq!(status(&patient, text(&first["order_id"])).await, "PENDING");
    // After a day the key is free again.
    app.advance(TimeDelta::hours(25));
    assert_ne!(patient.post_once(ORDERS, "key-1", body).await.expect(201)["order_id"], first["order_id"]);
}
