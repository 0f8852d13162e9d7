//! Access and refresh tokens (connect-v2 4, 5; settled 15, 33).

use std::time::Duration;

use axum::http::Method;
use chrono::TimeDelta;
use consilium_storage::accounts;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client, keys, send};

async fn refresh(client: &Client, token: &str) -> Answer {
    client.post("auth/refresh", json!({"refresh_token": token})).await
}

fn token_of(pair: &Value) -> String {
    pair["refresh_token"].as_str().unwrap().to_owned()
}

fn with(client: &Client, pair: &Value) -> Client {
    let mut client = client.clone();
    client.signed_in(pair);
    client
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_to_every_role() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    for client in [app.patient().await, app.doctor().await, app.admin().await] {
        let first = client.refresh_token.clone().unwrap();
        let pair = refresh(&nobody, &first).await.expect(200);
        assert_eq!(keys(&pair), ["access_token", "refresh_token", "token_type"]);
        assert_ne!(token_of(&pair), first);
        let second = refresh(&nobody, &token_of(&pair)).await.expect(200);
        with(&nobody, &second).act("auth/logout").await.expect(200);
    }
}

#[tokio::test]
async fn a_lost_answer_is_given_once_more_within_ten_seconds() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let deadline = Instant::now() + Duration::from_secs(30);
    let (first, pair, again) = loop {
        let first = app.patient().await.refresh_token.unwrap();
        let began = app.app.now();
        let pair = refresh(&nobody, &first).await.expect(200);
        app.advance(TimeDelta::seconds(8));
        let again = refresh(&nobody, &first).await;
        // Where the test itself took what was left of them, another login shows it.
        if app.app.now() - began <= TimeDelta::seconds(10) {
            break (first, pair, again.expect(200));
        }
        assert!(Instant::now() < deadline, "two requests always take two seconds");
    };
    assert_eq!(token_of(&again), token_of(&pair));
    with(&nobody, &again).get("users/me").await.expect(200);
    // Once: the third time is a theft.
    refresh(&nobody, &first).await.refused(401, "INVALID_REFRESH_TOKEN");
    with(&nobody, &again).get("users/me").await.refused_plainly(401);
}

#[tokio::test]
async fn reuse_later_revokes_the_whole_login_and_leaves_a_security_event() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let patient = app.patient().await;
    let other = app.sign_in(patient.id, accounts::Role::Client).await;
    let first = patient.refresh_token.clone().unwrap();
    let pair = refresh(&nobody, &first).await.expect(200);
    app.advance(TimeDelta::seconds(11));
    let refused = refresh(&nobody, &first).await;
    refused.refused(401, "INVALID_REFRESH_TOKEN");
    refresh(&nobody, &token_of(&pair)).await.refused(401, "INVALID_REFRESH_TOKEN");
    patient.get("users/me").await.refused_plainly(401);
    with(&nobody, &pair).get("users/me").await.refused_plainly(401);
    // Another login of the same patient has nothing to do with it.
    other.get("users/me").await.expect(200);
    let events = app.audited("auth.refresh_reused", patient.id).await;
    assert_eq!(events, 1);
}

#[tokio::test]
async fn tokens_end_in_time() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let patient = app.patient().await;
    app.advance(TimeDelta::seconds(880));
    patient.get("users/me").await.expect(200);
    app.advance(TimeDelta::seconds(21));
    let expired = patient.get("users/me").await;
    expired.refused_plainly(401);
    assert_eq!(expired.headers["www-authenticate"], "Bearer");
    let pair = refresh(&nobody, &patient.refresh_token.unwrap()).await.expect(200);
    app.advance(TimeDelta::days(30));
    refresh(&nobody, &token_of(&pair)).await.refused(401, "INVALID_REFRESH_TOKEN");
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let app = TestApp::start().await;
    let mut nobody = app.nobody();
    refresh(&nobody, "rt_unknown").await.refused(401, "INVALID_REFRESH_TOKEN");
    refresh(&nobody, "").await.refused(401, "INVALID_REFRESH_TOKEN");
    nobody.post("auth/refresh", json!({"refresh_token": null})).await.invalid(&["body.refresh_token string_type"]);
    nobody.post("auth/refresh", json!({})).await.invalid(&["body.refresh_token missing"]);
    nobody.get("users/me").await.refused_plainly(401);
    for header in ["Basic abc", "Bearer", "Bearer x y", "nonsense"] {
        send(nobody.request(Method::GET, "users/me").header("authorization", header)).await.refused_plainly(401);
    }
    nobody.token = Some("eyJhbGciOiJub25lIn0.e30.".to_owned());
    nobody.get("users/me").await.refused_plainly(401);
}

#[tokio::test]
async fn logout_ends_this_login_alone() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let patient = app.patient().await;
    let other = app.sign_in(patient.id, accounts::Role::Client).await;
    let mut socket = patient.socket(None).await;
    socket.next_of("connected").await;
    assert_eq!(patient.act("auth/logout").await.expect(200), json!({"message": "Logged out"}));
    patient.act("auth/logout").await.refused_plainly(401);
    patient.get("users/me").await.refused_plainly(401);
    refresh(&nobody, patient.refresh_token.as_deref().unwrap()).await.refused(401, "INVALID_REFRESH_TOKEN");
    assert_eq!(socket.closed().await, 4401);
    other.get("users/me").await.expect(200);
    nobody.act("auth/logout").await.refused_plainly(401);
}

#[tokio::test]
async fn a_disabled_accounts_tokens_say_so_until_they_expire() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let (patient, admin) = (app.patient().await, app.admin().await);
    let path = format!("admin/users/{}/status", patient.id);
    admin.patch(&path, json!({"is_active": false})).await.expect(200);
    patient.get("users/me").await.refused(403, "ACCOUNT_DISABLED");
    refresh(&nobody, patient.refresh_token.as_deref().unwrap()).await.refused(403, "ACCOUNT_DISABLED");
    // Switched on again, the old tokens stay revoked.
    admin.patch(&path, json!({"is_active": true})).await.expect(200);
    patient.get("users/me").await.refused_plainly(401);
    refresh(&nobody, patient.refresh_token.as_deref().unwrap()).await.refused(401, "INVALID_REFRESH_TOKEN");
}
