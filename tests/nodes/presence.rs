//! Presence over nodes (DESIGN §4): the same everywhere, told once, frozen rather than flapping.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::kit::{Pair, until};
use crate::live::kit::{accept, request};
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::socket::Socket;

/// Long enough for what another node would tell.
const QUIET: Duration = Duration::from_millis(400);

async fn watching(client: &Client, doctor: &Client) -> Socket {
    let mut socket = client.socket(None).await;
    socket.next_of("connected").await;
    let watched = socket.command("presence.watch", json!({"doctor_ids": [doctor.id]})).await;
    assert_eq!(watched["type"], "ack", "{watched}");
    socket
}

async fn told(socket: &mut Socket) -> Value {
    socket.next_of("presence.changed").await["data"]["presence_status"].clone()
}

async fn go_online(doctor: &Client) {
    doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
}

/// What a list at this node shows.
async fn shown(client: &Client, doctor: &Client) -> Value {
    client.get(&format!("doctors/{}", doctor.id)).await.expect(200)["presence_status"].clone()
}

#[tokio::test]
async fn every_node_shows_and_tells_the_same_once() {
    let pair = Pair::start().await;
    let (one, two) = (pair.one.patient().await, pair.at_two(&pair.one.patient().await));
    let doctor = pair.one.doctor_like(|_| {}).await;
    let doctor = pair.at_two(&doctor);
    doctor.patch("doctors/me/presence", json!({"presence_status": "offline"})).await.expect(200);
    until("both know", async || shown(&one, &doctor).await == "OFFLINE" && shown(&two, &doctor).await == "OFFLINE")
        .await;
    let (mut here, mut there) = (watching(&one, &doctor).await, watching(&two, &doctor).await);
    go_online(&doctor).await;
    assert_eq!((told(&mut here).await, told(&mut there).await), (json!("ONLINE"), json!("ONLINE")));
    let session = request(&one, &doctor).await;
    accept(&doctor, &session).await;
    assert_eq!((told(&mut here).await, told(&mut there).await), (json!("BUSY"), json!("BUSY")));
    assert_eq!((shown(&one, &doctor).await, shown(&two, &doctor).await), (json!("BUSY"), json!("BUSY")));
    one.act(&format!("connect/sessions/{session}/end")).await.expect(200);
    assert_eq!((told(&mut here).await, told(&mut there).await), (json!("ONLINE"), json!("ONLINE")));
    assert!(there.silent_for(QUIET).await, "told once");
}

#[tokio::test]
async fn a_node_that_starts_later_knows_who_is_connected() {
    let pair = Pair::start().await;
    let doctor = pair.one.doctor().await;
    go_online(&doctor).await;
    let mut socket = doctor.socket(None).await;
    socket.next_of("connected").await;
    // Past every lease: only the connection itself makes the doctor ONLINE.
    pair.one.advance(TimeDelta::minutes(5));
    let third = pair.one.beside().await;
    let patient = pair.one.patient().await.at(&third.url);
    until("the roster is read", async || shown(&patient, &doctor).await == "ONLINE").await;
}

#[tokio::test]
async fn while_redis_is_away_presence_freezes() {
    let mut pair = Pair::start().await;
    let doctor = pair.one.doctor().await;
    let patient = pair.at_two(&pair.one.patient().await);
    let mut eyes = watching(&patient, &doctor).await;
    let mut desk = doctor.socket(None).await;
    desk.next_of("connected").await;
    go_online(&doctor).await;
    assert_eq!(told(&mut eyes).await, "ONLINE");
    until("nothing before it was missed", async || pair.two.app.engine.knows_presence()).await;
    pair.redis.kill().await;
    until("it is noticed", async || pair.two.app.engine.is_cut_off()).await;
    pair.one.advance(TimeDelta::minutes(5));
    assert!(eyes.silent_for(Duration::from_millis(1500)).await, "nobody is taken for gone");
    assert_eq!(shown(&patient, &doctor).await, "ONLINE");
    pair.redis.restart().await;
    pair.ready().await;
    assert!(eyes.silent_for(Duration::from_millis(1500)).await, "and nothing changed");
    desk.close().await;
    until("the connection is gone", async || pair.one.app.engine.hub().count(doctor.id) == 0).await;
    // Time enough for the sign to arrive before the lease ends.
    until("the sign can be heard", async || pair.two.app.engine.knows_presence()).await;
    tokio::time::sleep(QUIET).await;
    pair.one.advance(TimeDelta::seconds(95));
    let mut gone = timeout(Duration::from_secs(5), told(&mut eyes)).await.ok();
    if gone.is_none() {
        // Where it was late or lost the lease begins when the other node finds out: they compare every 15 s.
        tokio::time::sleep(Duration::from_secs(20)).await;
        pair.one.advance(TimeDelta::seconds(95));
        gone = Some(told(&mut eyes).await);
    }
    assert_eq!(gone, Some(json!("OFFLINE")));
    assert!(eyes.silent_for(QUIET).await, "once");
}

#[tokio::test]
async fn a_doctor_who_flaps_between_nodes_is_announced_once() {
    let pair = Pair::start().await;
    let patient = pair.one.patient().await;
    let doctors: Vec<Client> = join_all((0..20).map(|_| pair.one.doctor_like(|_| {}))).await;
    for doctor in &doctors {
        doctor.patch("doctors/me/presence", json!({"presence_status": "offline"})).await.expect(200);
    }
    let mut eyes = [patient.socket(None).await, pair.at_two(&patient).socket(None).await];
    let ids: Vec<_> = doctors.iter().map(|doctor| doctor.id).collect();
    for eye in &mut eyes {
        eye.command("presence.watch", json!({"doctor_ids": ids})).await;
    }
    for doctor in &doctors {
        go_online(doctor).await;
    }
    join_all(doctors.iter().map(async |doctor| {
        for round in 0..10 {
            let at: &TestApp = if round % 2 == 0 { &pair.one } else { &pair.two };
            let mut socket = doctor.at(&at.url).socket(None).await;
            socket.next_of("connected").await;
            socket.close().await;
        }
    }))
    .await;
    for eye in &mut eyes {
        for _ in 0..doctors.len() {
            assert_eq!(told(eye).await, "ONLINE");
        }
        assert!(eye.silent_for(QUIET).await, "one change for each doctor");
    }
}
