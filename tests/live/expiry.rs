//! A connection outlives its credential by nothing (realtime.md §3, settled 4, 5).

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use consilium::accounts::sign_in;
use consilium_storage::accounts::{Role, set_active};
use consilium_storage::ids::LoginId;
use serde_json::{Value, json};

use super::kit::{login_of, present};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};

async fn short_lived() -> TestApp {
    TestApp::start_with(|config| config.ttl.access_token = TimeDelta::seconds(3)).await
}

/// Another access token of the same sign-in, as a refresh gives it.
fn renewed(app: &TestApp, client: &Client, login: LoginId, role: Role, seconds: i64) -> String {
    app.app.tokens.access(client.id, role, login, app.app.now(), TimeDelta::seconds(seconds)).unwrap()
}

#[tokio::test]
async fn an_expiring_token_is_announced_and_then_ends_the_connection() {
    let app = short_lived().await;
    let patient = app.patient().await;
    let (mut socket, mut stream) = tokio::join!(patient.socket(None), patient.stream("connect/events", None));
    let warning = socket.next_of("token.expiring").await;
    assert_eq!(keys(&warning), ["data", "type"]);
    let expires: chrono::DateTime<chrono::Utc> = serde_json::from_value(warning["data"]["expires_at"].clone()).unwrap();
    assert!(expires > app.app.now() - TimeDelta::seconds(1) && expires <= app.app.now() + TimeDelta::seconds(3));
    let (closed, closing) = tokio::join!(socket.closed(), stream.next_of("closing"));
    assert_eq!(closed, 4401);
    assert_eq!(closing.data["code"], 4401);
    assert!(closing.data["reason"].is_string());
    assert_eq!(stream.try_next().await, None);
    assert!(app.app.now() >= expires);
    assert!(app.app.now() < expires + TimeDelta::seconds(2), "not long after it");
}

#[tokio::test]
async fn a_new_token_in_band_keeps_it_open() {
    let app = short_lived().await;
    let doctor = app.doctor().await;
    let login = login_of(&app, &doctor);
    let mut socket = doctor.socket(None).await;
    socket.next_of("token.expiring").await;
    let token = renewed(&app, &doctor, login, Role::Doctor, 90);
    let ack = socket.command("auth.refresh", json!({"token": token})).await;
    assert_eq!(ack["type"], "ack", "{ack}");
    assert!(ack["data"]["expires_at"].is_string());
    assert!(socket.silent_for(Duration::from_millis(3100)).await, "the first token has ended meanwhile");
    assert_eq!(socket.command("presence.set", json!({"status": "online"})).await["type"], "ack");
    // A token that is about to end is announced again.
    let token = renewed(&app, &doctor, login, Role::Doctor, 30);
    socket.command("auth.refresh", json!({"token": token})).await;
    socket.next_of("token.expiring").await;
}

#[tokio::test]
async fn a_token_of_another_sign_in_is_refused() {
    let app = TestApp::start().await;
    let (patient, stranger) = (app.patient().await, app.patient().await);
    let same_person = app.sign_in(patient.id, Role::Client).await;
    let mut socket = patient.socket(None).await;
    let expired = renewed(&app, &patient, login_of(&app, &patient), Role::Client, -5);
    for token in [stranger.token.unwrap(), same_person.token.unwrap(), expired, "garbage".to_owned()] {
        let refused = socket.command("auth.refresh", json!({"token": token})).await;
        assert_eq!((refused["type"].as_str(), &refused["error"]["status"]), (Some("error"), &json!(401)));
        assert_eq!(refused["error"].get("code"), None);
    }
    assert_eq!(socket.command("auth.refresh", json!({})).await["error"]["status"], 422);
    assert_eq!(socket.command("ping", json!({})).await["data"], Value::Null);
}

#[tokio::test]
async fn a_logout_closes_that_sign_ins_connections_alone() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let phone = app.sign_in(patient.id, Role::Client).await;
    let mut stays = phone.socket(None).await;
    let (mut socket, mut stream) = tokio::join!(patient.socket(None), patient.stream("connect/events", None));
    stays.next_of("connected").await;
    let since = Instant::now();
    sign_in::end(&app.app, login_of(&app, &patient)).await.unwrap();
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(stream.next_of("closing").await.data["code"], 4401);
    assert_eq!(stream.try_next().await, None);
    assert!(since.elapsed() < Duration::from_secs(1));
    assert_eq!(patient.try_socket("").await.err().unwrap().0, 401);
    assert_eq!(stays.command("ping", json!({})).await["type"], "ack");
}

#[tokio::test]
async fn a_waiting_poll_ends_with_its_sign_in() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let waiting = patient.get("connect/events/poll?wait=30");
    let logout = async {
        present(&app, &patient).await;
        sign_in::end(&app.app, login_of(&app, &patient)).await.unwrap();
    };
    let (answer, ()) = tokio::join!(waiting, logout);
    answer.refused_plainly(401);
}

#[tokio::test]
async fn a_disabled_account_is_disconnected_even_if_no_signal_told_of_it() {
    let app = TestApp::start().await;
    let doctor = app.doctor().await;
    let mut socket = doctor.socket(None).await;
    let mut stream = doctor.stream("connect/sessions/requests/stream", None).await;
    socket.next_of("connected").await;
    let mut tx = app.app.begin().await.unwrap();
    assert!(set_active(tx.conn(), doctor.id, false).await.unwrap());
    sign_in::end_all(&mut tx, doctor.id, "switched off").await.unwrap();
    // As another node would do it: nothing is said on this node's bus.
    app.app.commit(tx).await.unwrap();
    let since = Instant::now();
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(stream.next_of("closing").await.data["code"], 4401);
    assert!(since.elapsed() < Duration::from_millis(1500), "{:?}", since.elapsed());
    let (status, body) = doctor.try_socket("").await.err().unwrap();
    assert_eq!((status, &body["code"]), (403, &json!("ACCOUNT_DISABLED")));
}
