//! The sandbox's page and its switch (settled 21).

use axum::http::Method;
use serde_json::json;

use super::{balance, order, play, start, status};
use crate::support::app::TestApp;
use crate::support::cashfree::CashfreePeer;
use crate::support::client::{keys, send};

#[tokio::test]
async fn the_page_shows_the_order_and_the_switch_decides_it() {
    let (app, patient) = start().await;
    let nobody = app.nobody();
    let id = order(&patient, 50_000).await;
    let page = nobody.get(&format!("/dev/payments/{id}")).await;
    assert_eq!((page.status, page.headers["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
    let state = nobody.get(&format!("/dev/payments/{id}/state")).await.expect(200);
    assert_eq!(keys(&state), ["amount", "created_at", "expires_at", "order_id", "outcome"]);
    assert_eq!((&state["amount"], &state["outcome"]), (&json!(50_000), &json!(null)));

    assert_eq!(play(&app, &id, "dropped").await, json!({"order_id": id, "outcome": "dropped", "webhook_status": 200}));
    assert_eq!(status(&patient, &id).await, "FAILED");
    play(&app, &id, "success").await;
    // What was paid stays paid, whatever is played afterwards.
    play(&app, &id, "failed").await;
    assert_eq!(nobody.get(&format!("/dev/payments/{id}/state")).await.expect(200)["outcome"], "success");
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));

    let path = format!("/dev/payments/{id}");
    nobody.post(&path, json!({"outcome": "maybe"})).await.invalid(&["body.outcome enum"]);
    nobody.post(&path, json!({})).await.invalid(&["body.outcome missing"]);
    for path in ["/dev/payments/cf_order_x", "/dev/payments/cf_order_x/state"] {
        assert_eq!(send(nobody.request(Method::GET, path)).await.status, 404, "{path}");
    }
    nobody.post("/dev/payments/cf_order_x", json!({"outcome": "success"})).await.refused_plainly(404);
}

#[tokio::test]
async fn production_and_a_real_provider_have_no_sandbox() {
    let production = TestApp::start_with(|config| config.production = true).await;
    let peer = CashfreePeer::start().await;
    let real = TestApp::start_with(|config| config.cashfree = Some(peer.settings())).await;
    for app in [production, real] {
        let id = order(&app.patient().await, 50_000).await;
        let path = format!("/dev/payments/{id}");
        assert_eq!(app.nobody().get(&path).await.status, 404);
        assert_eq!(app.nobody().get(&format!("{path}/state")).await.status, 404);
        assert_eq!(app.nobody().post(&path, json!({"outcome": "success"})).await.status, 404);
    }
}
