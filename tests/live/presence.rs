//! Presence as connections see it (DESIGN §4, realtime.md §4).

use std::time::Duration;

use serde_json::{Value, json};

use super::kit::{accept, gone, present, request};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};
use crate::support::socket::Socket;

const QUIET: Duration = Duration::from_millis(200);

async fn open(client: &Client) -> Socket {
    let mut socket = client.socket(None).await;
    socket.next_of("connected").await;
    socket
}

async fn switch(socket: &mut Socket, status: &str) -> Value {
    let frame = socket.command("presence.set", json!({"status": status})).await;
    assert_eq!(frame["type"], "ack", "{frame}");
    frame["data"]["presence_status"].clone()
}

/// Turns a doctor's switch on, and waits until everybody was told who is to be: who looks later hears no more of it.
async fn go_online(socket: &mut Socket, doctor: &Client) {
    watch(socket, &[doctor]).await;
    assert_eq!(switch(socket, "online").await, "ONLINE");
    assert_eq!(change(socket).await, (json!(doctor.id), json!("ONLINE")));
    watch(socket, &[]).await;
}

async fn watch(socket: &mut Socket, doctors: &[&Client]) -> Value {
    let ids: Vec<_> = doctors.iter().map(|doctor| doctor.id).collect();
    let frame = socket.command("presence.watch", json!({"doctor_ids": ids})).await;
    assert_eq!(frame["type"], "ack", "{frame}");
    frame["data"]["presence"].clone()
}

/// The next change this connection is told of.
async fn change(socket: &mut Socket) -> (Value, Value) {
    let frame = socket.next_of("presence.changed").await;
    assert_eq!(keys(&frame), ["at", "data", "type"], "no cursor");
    assert_eq!(keys(&frame["data"]), ["doctor_id", "presence_status"]);
    (frame["data"]["doctor_id"].clone(), frame["data"]["presence_status"].clone())
}

#[tokio::test]
async fn those_who_watch_and_those_who_wait_are_told() {
    let app = TestApp::start().await;
    let (doctor, other_doctor) = (app.doctor().await, app.doctor().await);
    let (watching, waiting, stranger) = (app.patient().await, app.patient().await, app.patient().await);
    let (mut desk, mut other_desk) = (open(&doctor).await, open(&other_doctor).await);
    go_online(&mut desk, &doctor).await;
    go_online(&mut other_desk, &other_doctor).await;
    let mut eyes = open(&watching).await;
    let seen = watch(&mut eyes, &[&doctor]).await;
    assert_eq!(seen, json!([{"doctor_id": doctor.id, "presence_status": "ONLINE"}]));
    let session = request(&waiting, &doctor).await;
    let (mut bench, mut far) = (open(&waiting).await, open(&stranger).await);

    assert_eq!(switch(&mut desk, "offline").await, "OFFLINE");
    for socket in [&mut eyes, &mut bench] {
        assert_eq!(change(socket).await, (json!(doctor.id), json!("OFFLINE")));
    }
    switch(&mut other_desk, "offline").await;
    switch(&mut desk, "online").await;
    for socket in [&mut eyes, &mut bench] {
        assert_eq!(change(socket).await, (json!(doctor.id), json!("ONLINE")), "the other doctor is not watched");
    }
    accept(&doctor, &session).await;
    for socket in [&mut eyes, &mut bench] {
        assert_eq!(change(socket).await, (json!(doctor.id), json!("BUSY")));
    }
    doctor.act(&format!("connect/sessions/{session}/end")).await.expect(200);
    assert_eq!(change(&mut eyes).await.1, "ONLINE");
    // The newer list replaces the former one.
    let seen = watch(&mut eyes, &[&other_doctor]).await;
    assert_eq!(seen, json!([{"doctor_id": other_doctor.id, "presence_status": "OFFLINE"}]));
    switch(&mut desk, "offline").await;
    switch(&mut other_desk, "online").await;
    assert_eq!(change(&mut eyes).await, (json!(other_doctor.id), json!("ONLINE")));
    assert!(far.silent_for(QUIET).await);
    assert!(eyes.silent_for(Duration::from_millis(20)).await);
}

#[tokio::test]
async fn what_presence_commands_refuse() {
    let app = TestApp::start().await;
    let (doctor, patient) = (app.doctor().await, app.patient().await);
    let (mut desk, mut phone) = (open(&doctor).await, open(&patient).await);
    let refused = phone.command("presence.set", json!({"status": "online"})).await;
    assert_eq!((&refused["error"]["status"], &refused["error"]["code"]), (&json!(403), &json!("WRONG_ROLE")));
    assert_eq!(desk.command("presence.set", json!({"status": "busy"})).await["error"]["status"], 422);
    let many: Vec<_> = (0..101).map(|_| uuid::Uuid::new_v4()).collect();
    assert_eq!(phone.command("presence.watch", json!({"doctor_ids": many})).await["error"]["status"], 422);
    let hundred = phone.command("presence.watch", json!({"doctor_ids": &many[..100]})).await;
    assert_eq!(hundred["data"]["presence"].as_array().unwrap().len(), 100);
    assert_eq!(watch(&mut phone, &[]).await, json!([]));
}

#[tokio::test]
async fn four_flapping_connections_are_no_change() {
    let app = TestApp::start().await;
    let (doctor, patient) = (app.doctor().await, app.patient().await);
    let mut desk = open(&doctor).await;
    go_online(&mut desk, &doctor).await;
    desk.close().await;
    let mut eyes = open(&patient).await;
    assert_eq!(watch(&mut eyes, &[&doctor]).await[0]["presence_status"], "ONLINE");
    let flap = || async {
        for round in 0..10 {
            let socket = open(&doctor).await;
            if round % 2 == 0 {
                socket.close().await;
            }
        }
    };
    tokio::join!(flap(), flap(), flap(), flap());
    assert!(eyes.silent_for(QUIET).await, "no change of presence");
    gone(&app, &doctor).await;
    // After the lease, without a connection, the doctor is gone: once.
    app.advance(chrono::TimeDelta::seconds(91));
    assert_eq!(change(&mut eyes).await.1, "OFFLINE");
    assert!(eyes.silent_for(QUIET).await);
}

#[tokio::test]
async fn a_poll_that_ends_takes_no_connection_away() {
    let app = TestApp::start().await;
    let (doctor, patient) = (app.doctor().await, app.patient().await);
    let poll = doctor.get("connect/events/poll?wait=30");
    let meanwhile = async {
        present(&app, &doctor).await;
        let mut desk = open(&doctor).await;
        go_online(&mut desk, &doctor).await;
        request(&patient, &doctor).await;
        desk
    };
    let (answer, mut desk) = tokio::join!(poll, meanwhile);
    answer.expect(200);
    let mut eyes = open(&app.patient().await).await;
    watch(&mut eyes, &[&doctor]).await;
    // Long past every lease the open connection still is the sign of life.
    app.advance(chrono::TimeDelta::seconds(600));
    assert!(eyes.silent_for(Duration::from_millis(1300)).await, "a look at the leases has come by");
    assert_eq!(desk.command("ping", json!({})).await["type"], "ack");
    assert_eq!(watch(&mut eyes, &[&doctor]).await[0]["presence_status"], "ONLINE");
}
