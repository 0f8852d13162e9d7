//! A connection outlives its credential by nothing (realtime.md §3, settled 4, 5).

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use consilium::accounts::sign_in;
use consilium_realtime::connection::Item;
use consilium_storage::accounts::{Role, set_active};
use consilium_storage::ids::LoginId;
use serde_json::{Value, json};

use super::kit::{login_of, present};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};

/// "At once", where each step of a busy machine may take seconds: long before the next heartbeat looks at anything.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A server whose heartbeats and comments do not come into these tests: they look at the time too.
async fn start() -> TestApp {
    TestApp::start_with(|config| {
        config.pace.heartbeat = Duration::from_secs(600);
        config.pace.comment = Duration::from_secs(600);
    })
    .await
}

/// When a client's access token ends.
fn end_of(app: &TestApp, client: &Client) -> DateTime<Utc> {
    let claims = app.app.tokens.verify(client.token.as_deref().unwrap(), app.app.now()).unwrap();
    DateTime::from_timestamp(claims.exp, 0).unwrap()
}

/// Moves the clock to a time, and wakes a client's connections, which have set their timers by the clock as it was.
fn pass_until(app: &TestApp, client: &Client, time: DateTime<Utc>) {
    app.advance(time - app.app.now());
    for connection in app.app.engine.hub().of_user(client.id) {
        connection.send(Item::Text("{}".into()));
    }
}

/// Another access token of the same sign-in, as a refresh gives it.
fn renewed(app: &TestApp, client: &Client, login: LoginId, role: Role, seconds: i64) -> String {
    app.app.tokens.access(client.id, role, login, app.app.now(), TimeDelta::seconds(seconds)).unwrap()
}

#[tokio::test]
async fn an_expiring_token_is_announced_and_then_ends_the_connection() {
    let app = start().await;
    let patient = app.patient().await;
    let expires = end_of(&app, &patient);
    let (mut socket, mut stream) = tokio::join!(patient.socket(None), patient.stream("connect/events", None));
    pass_until(&app, &patient, expires - TimeDelta::seconds(45));
    let warning = socket.next_of("token.expiring").await;
    assert_eq!(keys(&warning), ["data", "type"]);
    assert_eq!(serde_json::from_value::<DateTime<Utc>>(warning["data"]["expires_at"].clone()).unwrap(), expires);
    stream.next_of("token.expiring").await;
    pass_until(&app, &patient, expires - TimeDelta::seconds(1));
    let (closed, closing) = tokio::join!(socket.closed(), stream.next_of("closing"));
    assert_eq!(closed, 4401);
    assert_eq!(closing.data["code"], 4401);
    assert!(closing.data["reason"].is_string());
    assert_eq!(stream.try_next().await, None);
    assert!(app.app.now() >= expires);
    assert!(app.app.now() < expires + TimeDelta::seconds(20), "before the next heartbeat");
}

#[tokio::test]
async fn a_new_token_in_band_keeps_it_open() {
    let app = start().await;
    let doctor = app.doctor().await;
    let (login, expires) = (login_of(&app, &doctor), end_of(&app, &doctor));
    let mut socket = doctor.socket(None).await;
    socket.next_of("connected").await;
    pass_until(&app, &doctor, expires - TimeDelta::seconds(45));
    socket.next_of("token.expiring").await;
    let token = renewed(&app, &doctor, login, Role::Doctor, 600);
    let ack = socket.command("auth.refresh", json!({"token": token})).await;
    assert_eq!(ack["type"], "ack", "{ack}");
    assert!(ack["data"]["expires_at"].is_string());
    // The first token ends meanwhile.
    pass_until(&app, &doctor, expires + TimeDelta::seconds(15));
    assert_eq!(socket.command("ping", json!({})).await["type"], "ack");
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
    let app = start().await;
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
    assert!(since.elapsed() < AT_ONCE);
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
    let app = start().await;
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
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    let (status, body) = doctor.try_socket("").await.err().unwrap();
    assert_eq!((status, &body["code"]), (403, &json!("ACCOUNT_DISABLED")));
}
