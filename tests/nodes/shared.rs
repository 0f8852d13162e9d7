//! What nodes share: tickets, limits, the connections of a user, revocations; and that they go on without Redis.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;

use super::kit::{Pair, tickets_are_shared, until};
use crate::live::kit::{accept, request, text};
use crate::support::client::Client;

async fn ticket(client: &Client) -> String {
    client.act("connect/tickets").await.expect(201)["ticket"].as_str().unwrap().to_owned()
}

/// The status at the door of somebody who has only a ticket.
async fn enter(at: &Client, ticket: &str) -> u16 {
    let mut nobody = at.clone();
    nobody.token = None;
    match nobody.try_socket(&format!("?ticket={ticket}")).await {
        Ok(_) => 101,
        Err((status, _)) => status,
    }
}

#[tokio::test]
async fn a_ticket_of_one_node_opens_another_once() {
    let pair = Pair::start().await;
    let patient = pair.one.patient().await;
    let there = pair.at_two(&patient);
    let first = ticket(&patient).await;
    assert_eq!(enter(&there, &first).await, 101);
    assert_eq!(enter(&there, &first).await, 401, "used");
    tickets_are_shared(&pair, &patient).await;
    let late = ticket(&patient).await;
    pair.one.advance(chrono::TimeDelta::seconds(31));
    assert_eq!(enter(&there, &late).await, 401, "too late");
    let token = patient.token.clone().unwrap();
    assert_eq!(enter(&there, &token).await, 401, "an access token is no ticket");
    let mut with_ticket = patient.clone();
    with_ticket.token = Some(ticket(&patient).await);
    with_ticket.get("users/me").await.expect(401);
}

#[tokio::test]
async fn without_redis_tickets_are_good_once_on_each_node() {
    let mut pair = Pair::start().await;
    let patient = pair.one.patient().await;
    let there = pair.at_two(&patient);
    pair.redis.kill().await;
    let made = ticket(&patient).await;
    assert_eq!(enter(&there, &made).await, 101);
    assert_eq!(enter(&there, &made).await, 401);
}

async fn sign_in(client: &Client, email: &str) -> u16 {
    let body = json!({"email": email, "password": "wrong"});
    client.request(axum::http::Method::POST, "auth/doctor/login").json(&body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn failures_at_all_nodes_count_together_and_without_redis_apart() {
    let mut pair = Pair::start().await;
    let (here, there) = (pair.one.nobody(), pair.two.nobody());
    for _ in 0..5 {
        assert_eq!(sign_in(&here, "somebody@test.example").await, 401);
        assert_eq!(sign_in(&there, "somebody@test.example").await, 401);
    }
    for node in [&here, &there] {
        // A failure that comes while Redis is late is counted by its own node, which lets ten pass.
        let mut own = 5;
        let refused = loop {
            match sign_in(node, "somebody@test.example").await {
                401 => own += 1,
                status => break status,
            }
            assert!(own < 10, "all nodes count together");
        };
        assert_eq!(refused, 429);
    }
    // Failures of this address count too.
    pair.redis.kill().await;
    pair.redis.restart().await;
    pair.ready().await;
    pair.redis.kill().await;
    assert_eq!(sign_in(&there, "other@test.example").await, 401, "the node's own count stands");
}

#[tokio::test]
async fn a_code_asked_for_at_one_node_is_counted_at_the_other() {
    let pair = Pair::start().await;
    for number in 1..=3 {
        let body = json!({"phone": format!("+91888800000{number}")});
        pair.one.nobody().post("auth/request-otp", body.clone()).await.expect(202);
        let answer = pair.two.nobody().post("auth/request-otp", body).await;
        if answer.status == 429 {
            assert_eq!(answer.body["code"], "OTP_RATE_LIMITED");
            return;
        }
        // While an answer of Redis is late each node counts its own.
        tokio::time::sleep(Duration::from_secs(1)).await;
        pair.ready().await;
    }
    panic!("each node counts its own");
}

#[tokio::test]
async fn a_user_holds_sixteen_connections_over_all_nodes() {
    let pair = Pair::start().await;
    for _ in 0..3 {
        if the_oldest_makes_room(&pair).await {
            return;
        }
        // What was opened while Redis was late is counted when it is told again: with somebody else it shows.
        pair.ready().await;
    }
    panic!("the oldest stays");
}

/// Whether somebody's seventeenth connection closes their oldest, on the other node.
async fn the_oldest_makes_room(pair: &Pair) -> bool {
    let patient = pair.one.patient().await;
    let there = pair.at_two(&patient);
    let mut sockets = Vec::new();
    for number in 0..16 {
        let client = if number < 9 { &patient } else { &there };
        let mut socket = client.socket(None).await;
        socket.next_of("connected").await;
        sockets.push(socket);
        // By the clock of the nodes each is younger than the one before.
        pair.one.advance(chrono::TimeDelta::milliseconds(5));
    }
    // A Redis that forgets is told again.
    pair.redis.cli(&["flushall"]).await;
    let key = format!("consilium:connections:{{{}}}", patient.id);
    until("all are counted again", async || pair.redis.cli(&["zcard", &key]).await.trim() == "16").await;
    let mut newest = there.socket(None).await;
    newest.next_of("connected").await;
    let mut oldest = sockets.remove(0);
    let Ok(closed) = timeout(Duration::from_secs(10), oldest.closed()).await else { return false };
    assert_eq!(closed, 4410);
    for mut socket in sockets.into_iter().chain([newest]) {
        assert_eq!(socket.command("ping", json!({})).await["type"], "ack");
    }
    true
}

#[tokio::test]
async fn whatever_ends_a_sign_in_ends_its_connections_everywhere_at_once() {
    let pair = Pair::start().await;
    let admin = pair.one.admin().await;
    for how in ["logout", "disabled"] {
        let patient = pair.one.patient().await;
        let mut socket = pair.at_two(&patient).socket(None).await;
        socket.next_of("connected").await;
        let since = Instant::now();
        if how == "logout" {
            patient.post("auth/logout", json!({"refresh_token": patient.refresh_token})).await;
        } else {
            let path = format!("admin/users/{}/status", patient.id);
            admin.patch(&path, json!({"is_active": false})).await.expect(200);
        }
        assert_eq!(socket.closed().await, 4401, "{how}");
        // Long before its next heartbeat, where each step of a busy machine may take seconds.
        assert!(since.elapsed() < Duration::from_secs(20), "{how}: {:?}", since.elapsed());
    }
}

#[tokio::test]
async fn every_key_has_the_prefix_and_a_time_to_live() {
    let pair = Pair::start().await;
    let (patient, doctor) = (pair.one.patient().await, pair.one.doctor().await);
    let mut sockets = [patient.socket(None).await, pair.at_two(&doctor).socket(None).await];
    for socket in &mut sockets {
        socket.next_of("connected").await;
    }
    let session = request(&patient, &doctor).await;
    accept(&doctor, &session).await;
    let path = format!("connect/sessions/{session}/messages");
    patient.post(&path, text("my secret pain")).await.expect(201);
    let expected = ["node", "doctors", "connections", "used", "limit"];
    until("all kinds of keys are there", async || {
        // What is done while Redis is late stands in the memory of its node alone.
        assert_eq!(enter(&patient, &ticket(&patient).await).await, 101);
        sign_in(&pair.one.nobody(), "somebody@test.example").await;
        let keys = pair.redis.cli(&["--scan"]).await;
        expected.iter().all(|kind| keys.contains(&format!("consilium:{kind}:")))
    })
    .await;
    let keys = pair.redis.cli(&["--scan"]).await;
    for key in keys.lines() {
        assert!(key.starts_with("consilium:"), "{key}");
        assert!(!key.contains('@') && !key.contains("+91"), "{key} names nobody");
        let left: i64 = pair.redis.cli(&["pttl", key]).await.trim().parse().unwrap();
        // A key may end between the two looks.
        assert!(left > 0 || left == -2, "{key} has no end");
    }
}
