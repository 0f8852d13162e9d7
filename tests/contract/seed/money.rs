//! Offers, a top-up, and what is listed of it.

use serde_json::json;

use super::Samples;
use crate::contract::shape;
use crate::support::app::TestApp;

#[tokio::test]
async fn the_samples_of_the_wallet() {
    let app = TestApp::start().await;
    let samples = Samples::of("payments");
    let (admin, patient, nobody) = (app.admin().await, app.patient().await, app.nobody());
    let today = app.app.now().date_naive();
    // In paise, as every read is.
    let offer = json!({"id": "644452ac-...", "title": "Starter Pack", "amount": 50000, "bonus_amount": 5000,
        "valid_from": "2026-02-01", "valid_until": "2026-03-01", "is_active": true});
    let past = admin.post("admin/wallet/offers", samples.request("offer")).await.expect(201);
    shape::fits(&past, &offer, &[]);
    for key in ["title", "amount", "bonus_amount", "valid_from", "valid_until"] {
        assert_eq!(past[key], offer[key], "{key}");
    }
    let running = samples.request_with("offer", &json!({"valid_from": today, "valid_until": today}));
    let running = admin.post("admin/wallet/offers", running).await.expect(201);
    assert_eq!(nobody.get("wallet/offers").await.expect(200), json!([running]));

    let body = samples.request_with("order", &json!({"offer_id": running["id"]}));
    let order = patient.post("payments/cashfree/orders", body).await.expect(201);
    samples.fits("order", &order, &[]);
    for key in ["amount", "status"] {
        assert_eq!(order[key], samples.response("order")[key], "{key}");
    }
    let id = order["order_id"].as_str().unwrap();
    assert!(id.starts_with("cf_order_"), "{id}");
    nobody.post(&format!("/dev/payments/{id}"), json!({"outcome": "success"})).await.expect(200);
    // "Idempotent: won't double-credit wallet".
    let verify = format!("payments/cashfree/orders/{id}/verify");
    let first = patient.get(&verify).await.expect(200);
    assert_eq!(patient.get(&verify).await.expect(200), first);
    assert_eq!((&first["status"], &first["wallet_balance"]), (&json!("SUCCESS"), &json!(55_000)));
    for list in ["orders", "recharges"] {
        let page = patient.get(&format!("analytics/user/{list}?limit=20&offset=0")).await.expect(200);
        Samples::of("lists").fits("page", &page, &[]);
        assert_eq!(page["total"], 1, "{list}");
    }
}
