//! 94 and 95: a patient's orders and recharges.

use serde_json::{Value, json};

use super::{order, play, start};
use crate::support::client::keys;
use crate::support::meeting::time;

#[tokio::test]
async fn orders_and_recharges_are_pages_of_the_patients_own() {
    let (app, patient) = start().await;
    let other = app.patient().await;
    let (pending, failed, first) =
        (order(&patient, 10_000).await, order(&patient, 20_000).await, order(&patient, 30_000).await);
    play(&app, &failed, "failed").await;
    play(&app, &first, "success").await;
    let today = app.app.now().date_naive();
    let body = json!({"title": "x", "amount": 1, "bonus_amount": 50, "valid_from": today, "valid_until": today});
    let offer = app.admin().await.post("admin/wallet/offers", body).await.expect(201)["id"].clone();
    let made = patient.post(super::ORDERS, json!({"amount": 40_000, "offer_id": offer})).await.expect(201);
    let second = made["order_id"].as_str().unwrap().to_owned();
    play(&app, &second, "success").await;
    play(&app, &order(&other, 70_000).await, "success").await;

    let page = patient.get("analytics/user/orders").await.expect(200);
    assert_eq!((&page["total"], &page["limit"], &page["has_more"]), (&json!(4), &json!(20), &json!(false)));
    let items = page["items"].as_array().unwrap();
    assert_eq!(keys(&items[0]), ["amount", "bonus_amount", "created_at", "offer_id", "order_id", "paid_at", "status"]);
    let row = |item: &Value| (item["order_id"].clone(), item["status"].clone());
    let rows: Vec<_> = items.iter().map(row).collect();
    assert_eq!(
        rows,
        [
            (json!(second), json!("SUCCESS")),
            (json!(first), json!("SUCCESS")),
            (json!(failed), json!("FAILED")),
            (json!(pending), json!("PENDING")),
        ]
    );
    assert_eq!((&items[0]["bonus_amount"], &items[0]["offer_id"]), (&json!(5_000), &offer));
    assert_eq!((&items[1]["bonus_amount"], &items[1]["offer_id"]), (&json!(0), &Value::Null));
    assert!(time(&items[0]["paid_at"]) >= time(&items[0]["created_at"]) && items[3]["paid_at"].is_null());

    let page = patient.get("analytics/user/recharges?limit=1").await.expect(200);
    assert_eq!((&page["total"], &page["has_more"]), (&json!(2), &json!(true)));
    let newest = &page["items"][0];
    assert_eq!(
        keys(newest),
        ["amount", "balance_after", "bonus_amount", "created_at", "id", "order_id", "total_credited"]
    );
    assert_eq!((&newest["order_id"], &newest["amount"]), (&json!(second), &json!(40_000)));
    assert_eq!((&newest["bonus_amount"], &newest["total_credited"]), (&json!(5_000), &json!(45_000)));
    assert_eq!((&newest["balance_after"], &newest["created_at"]), (&json!(75_000), &items[0]["paid_at"]));
    let oldest = patient.get("analytics/user/recharges?limit=1&offset=1").await.expect(200)["items"][0].clone();
    assert_eq!((&oldest["order_id"], &oldest["balance_after"]), (&json!(first), &json!(30_000)));
    assert_eq!((&oldest["total_credited"], &oldest["bonus_amount"]), (&json!(30_000), &json!(0)));
    // The same credit as in the wallet's own list.
    let moved = patient.get("wallet/transactions?type=RECHARGE").await.expect(200);
    assert_eq!(moved["items"][0]["id"], newest["id"]);
    for path in ["analytics/user/orders", "analytics/user/recharges"] {
        assert_eq!(other.get(path).await.expect(200)["total"], 1, "{path}");
        let beyond = patient.get(&format!("{path}?offset=50")).await.expect(200);
        assert_eq!((&beyond["items"], beyond["total"].as_i64() > Some(1)), (&json!([]), true), "{path}");
    }
}

#[tokio::test]
async fn they_are_the_patients_alone_and_paged_as_all_lists() {
    let (app, patient) = start().await;
    for path in ["analytics/user/orders", "analytics/user/recharges"] {
        app.nobody().get(path).await.refused_plainly(401);
        app.doctor().await.get(path).await.refused(403, "WRONG_ROLE");
        patient
            .get(&format!("{path}?limit=0&offset=x"))
            .await
            .invalid(&["query.limit greater_than_equal", "query.offset int_parsing"]);
        let beyond = patient.get(&format!("{path}?offset=50")).await.expect(200);
        assert_eq!((&beyond["items"], &beyond["has_more"]), (&json!([]), &json!(false)));
    }
}

#[tokio::test]
async fn whoever_reads_about_money_is_noted() {
    let (app, patient) = start().await;
    let id = order(&patient, 10_000).await;
    super::verify(&patient, &id).await.expect(200);
    let read = [
        ("analytics/user/orders", "analytics.orders"),
        ("analytics/user/recharges", "analytics.recharges"),
        ("wallet/balance", "wallet.balance"),
        ("wallet/transactions", "wallet.transactions"),
    ];
    for (path, action) in read {
        patient.get(path).await.expect(200);
        assert_eq!(app.audited(action, patient.id).await, 1, "{action}");
    }
    assert_eq!(app.audited("payment.read", patient.id).await, 1);
    app.patient().await.get(&format!("{}/{id}/verify", super::ORDERS)).await.refused_plainly(404);
    assert_eq!(app.audited("payment.read", patient.id).await, 1);
}
