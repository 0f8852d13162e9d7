//! Coming in over WebSocket: the handshake, the first frame, and going on from a cursor (realtime.md §2, §3).

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::kit::{Consultation, seq_of};
use crate::support::app::TestApp;
use crate::support::client::keys;

#[tokio::test]
async fn the_first_frame_says_who_and_where() {
    let c = Consultation::start().await;
    let mut socket = c.patient.socket(None).await;
    let first = socket.next().await;
    let expected = ["connection_id", "cursor", "heartbeat_seconds", "replay", "resumed", "role", "type", "user_id"];
    assert_eq!(keys(&first), expected);
    assert_eq!(first["type"], "connected");
    assert_eq!(first["user_id"], json!(c.patient.id));
    assert_eq!(first["role"], "client");
    assert_eq!(first["cursor"], c.cursor(1));
    assert_eq!((&first["resumed"], &first["replay"]), (&json!(false), &json!(0)));
    assert_eq!(first["heartbeat_seconds"], 25);
    let again = c.patient.socket(None).await.next().await;
    assert_ne!(again["connection_id"], first["connection_id"]);
    assert_eq!(c.doctor.socket(None).await.next().await["role"], "doctor");
    assert_eq!(c.app.admin().await.socket(None).await.next().await["role"], "admin");
}

#[tokio::test]
async fn from_a_cursor_nothing_comes_twice_and_nothing_is_missing() {
    let c = Consultation::start().await;
    for number in 2..=6 {
        c.say(&c.doctor, &format!("message {number}")).await;
    }
    let mut socket = c.patient.socket(Some(&c.cursor(3))).await;
    let first = socket.next().await;
    assert_eq!(first["cursor"], c.cursor(3));
    assert_eq!((&first["resumed"], &first["replay"]), (&json!(true), &json!(3)));
    c.say(&c.doctor, "message 7").await;
    for number in 4..=7 {
        let frame = socket.next().await;
        assert_eq!(frame["cursor"], c.cursor(number));
        assert_eq!(frame["type"], "message.new");
        assert_eq!(frame["session_id"], c.session);
        assert_eq!(frame["data"]["content"], format!("message {number}"));
    }
    assert!(socket.silent_for(Duration::from_millis(150)).await);
    let history = c.patient.get(&c.messages()).await.expect(200);
    let mut replayed = c.patient.socket(Some(&c.cursor(6))).await;
    replayed.next().await;
    let last = replayed.next().await;
    let stored = history["items"].as_array().unwrap().iter().find(|item| item["id"] == last["data"]["id"]).unwrap();
    assert_eq!(&last["data"], stored, "a frame's data is the message as in REST");
}

#[tokio::test]
async fn zero_asks_for_everything() {
    let c = Consultation::start().await;
    let mut socket = c.doctor.socket(Some(&c.cursor(0))).await;
    let first = socket.next().await;
    assert_eq!((&first["resumed"], &first["replay"]), (&json!(true), &json!(2)));
    let requested = socket.next().await;
    assert_eq!((requested["type"].as_str(), seq_of(&requested["cursor"])), (Some("session.requested"), 1));
    assert_eq!(keys(&requested), ["at", "cursor", "data", "session_id", "type"]);
    assert!(requested["at"].as_str().unwrap().ends_with('Z'));
    let accepted = socket.next().await;
    assert_eq!((accepted["type"].as_str(), seq_of(&accepted["cursor"])), (Some("session.accepted"), 2));
}

#[tokio::test]
async fn a_cursor_that_cannot_be_served_is_answered_with_the_head() {
    let c = Consultation::start().await;
    for (cursor, head) in [("other9-1".to_owned(), 2), (c.cursor(99), 3)] {
        let mut socket = c.doctor.socket(Some(&cursor)).await;
        let first = socket.next().await;
        assert_eq!((&first["resumed"], &first["cursor"]), (&json!(false), &json!(c.cursor(head))), "{cursor}");
        assert_eq!(socket.next().await, json!({"type": "resync", "cursor": c.cursor(head)}));
        let said = c.say(&c.patient, "after").await;
        let frame = socket.next().await;
        assert_eq!((&frame["data"]["id"], &frame["cursor"]), (&said["id"], &json!(c.cursor(head + 1))));
    }
}

#[tokio::test]
async fn what_is_older_than_retention_is_answered_with_the_head() {
    let c = Consultation::start_with(|config| {
        config.ttl.access_token = TimeDelta::days(9);
        // Its end would be an event within retention.
        config.ttl.session_idle = TimeDelta::days(9);
    })
    .await;
    c.app.advance(TimeDelta::days(4));
    let mut socket = c.doctor.socket(Some(&c.cursor(1))).await;
    assert_eq!(socket.next().await["resumed"], false);
    assert_eq!(socket.next().await["type"], "resync");
    // Everything within retention is nothing, and that can be served.
    let first = c.doctor.socket(Some(&c.cursor(0))).await.next().await;
    assert_eq!((&first["resumed"], &first["replay"]), (&json!(true), &json!(0)));
}

#[tokio::test]
async fn refusals_come_at_the_handshake() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    for bad in ["nonsense", "-4", "k1-", "k1-1x"] {
        let (status, body) = patient.try_socket(&format!("?since={bad}")).await.err().unwrap();
        assert_eq!(status, 422, "{bad}");
        assert_eq!(body["detail"][0]["loc"], json!(["query", "since"]));
    }
    let token = patient.token.clone().unwrap();
    for name in ["token", "access_token"] {
        for caller in [&patient, &app.nobody()] {
            let (status, body) = caller.try_socket(&format!("?{name}={token}")).await.err().unwrap();
            assert_eq!((status, keys(&body)), (401, vec!["detail"]));
        }
    }
    let (status, _) = app.nobody().try_socket("").await.err().unwrap();
    assert_eq!(status, 401);
    let mut forged = app.nobody();
    forged.token = Some(format!("{token}x"));
    assert_eq!(forged.try_socket("").await.err().unwrap().0, 401);
}

#[tokio::test]
async fn a_ticket_opens_one_connection_in_time() {
    let c = Consultation::start().await;
    let issue = || async {
        let body = c.patient.act("connect/tickets").await.expect(201);
        assert_eq!(keys(&body), ["expires_in", "ticket"]);
        assert_eq!(body["expires_in"], 30);
        format!("?ticket={}", body["ticket"].as_str().unwrap())
    };
    let nobody = c.app.nobody();
    let ticket = issue().await;
    let query = format!("{ticket}&since={}", c.cursor(0));
    let mut socket = nobody.try_socket(&query).await.ok().unwrap();
    let first = socket.next().await;
    assert_eq!((&first["user_id"], &first["replay"]), (&json!(c.patient.id), &json!(1)));
    assert_eq!(nobody.try_socket(&ticket).await.err().unwrap().0, 401, "used");
    let late = issue().await;
    c.app.advance(TimeDelta::seconds(31));
    assert_eq!(nobody.try_socket(&late).await.err().unwrap().0, 401, "expired");
    let orphan = issue().await;
    let login = super::kit::login_of(&c.app, &c.patient);
    consilium::accounts::sign_in::end(&c.app.app, login).await.unwrap();
    assert_eq!(socket.closed().await, 4401, "the connection ends with the credential behind the ticket");
    assert_eq!(nobody.try_socket(&orphan).await.err().unwrap().0, 401, "so does the ticket");
}
