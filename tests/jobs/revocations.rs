//! A revoked login loses its connections within a second on every node, also where no word of it came over the bus.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use consilium::accounts::sign_in;
use consilium::jobs::revocations::Revocations;
use consilium_storage::accounts::logins;
use consilium_storage::ids::LoginId;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::socket::Socket;

async fn connected(client: &Client) -> Socket {
    let mut socket = client.socket(None).await;
    socket.next_of("connected").await;
    socket
}

fn login_of(app: &TestApp, client: &Client) -> LoginId {
    app.app.tokens.verify(client.token.as_deref().unwrap(), app.app.now()).unwrap().sid
}

#[tokio::test]
async fn a_logout_at_one_node_closes_the_connections_at_the_other() {
    let here = TestApp::start().await;
    let there = here.beside().await;
    let other = here.patient().await;
    let mut stays = connected(&other.at(&there.url)).await;
    let mut took = Vec::new();
    // A machine that stands still meanwhile says nothing of how long a look takes: one of them shows it.
    while took.iter().all(|took| *took >= Duration::from_secs(1)) {
        assert!(took.len() < 8, "within a second: {took:?}");
        let patient = here.patient().await;
        let mut socket = connected(&patient.at(&there.url)).await;
        let mut stream = patient.at(&there.url).stream("connect/events", None).await;
        stream.next_of("connected").await;
        let since = Instant::now();
        sign_in::end(&here.app, login_of(&here, &patient)).await.unwrap();
        assert_eq!(socket.closed().await, 4401);
        assert_eq!(stream.next_of("closing").await.data["code"], 4401);
        took.push(since.elapsed());
        assert_eq!(patient.at(&there.url).try_socket("").await.err().unwrap().0, 401);
    }
    assert_eq!(stays.command("ping", json!({})).await["type"], "ack");
}

#[tokio::test]
async fn an_account_switched_off_at_one_node_is_cut_off_at_the_other() {
    let here = TestApp::start().await;
    let there = here.beside().await;
    let (admin, patient, doctor) = (here.admin().await, here.patient().await, here.doctor().await);
    let mut sockets = [connected(&patient.at(&there.url)).await, connected(&doctor.at(&there.url)).await];
    admin.patch(&format!("admin/users/{}/status", patient.id), json!({"is_active": false})).await.expect(200);
    admin.patch(&format!("doctors/{}", doctor.id), json!({"is_active": false})).await.expect(200);
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, 4401);
    }
    for client in [patient, doctor] {
        let (status, body) = client.at(&there.url).try_socket("").await.err().unwrap();
        assert_eq!((status, &body["code"]), (403, &json!("ACCOUNT_DISABLED")));
        client.at(&there.url).get("connect/events/poll").await.refused(403, "ACCOUNT_DISABLED");
    }
}

#[tokio::test]
async fn what_was_revoked_during_an_outage_is_found_after_it() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let mut socket = connected(&patient).await;
    // Longer ago than a look reaches behind the last one: only a node that could not look meanwhile finds it.
    let then = app.app.now() - TimeDelta::seconds(40);
    let mut tx = app.app.begin().await.unwrap();
    assert!(logins::revoke(tx.conn(), login_of(&app, &patient), "logout", then).await.unwrap());
    app.app.commit(tx).await.unwrap();
    Revocations::since(app.app.now()).look(&app.app).await.unwrap();
    assert_eq!(socket.command("ping", json!({})).await["type"], "ack");

    let looks = Revocations::since(then + TimeDelta::seconds(20));
    looks.look(&app.app).await.unwrap();
    assert_eq!(socket.closed().await, 4401);
    // Having succeeded, it does not look back so far again.
    let other = app.patient().await;
    let mut stays = connected(&other).await;
    let mut tx = app.app.begin().await.unwrap();
    logins::revoke(tx.conn(), login_of(&app, &other), "logout", then).await.unwrap();
    app.app.commit(tx).await.unwrap();
    looks.look(&app.app).await.unwrap();
    assert_eq!(stays.command("ping", json!({})).await["type"], "ack");
}
