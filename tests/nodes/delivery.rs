//! What one node commits reaches the connections of the other: in order, once, at once.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::kit::{Pair, until};
use crate::live::kit::{accept, next, request, seq_of, text};
use crate::support::client::Client;
use crate::support::socket::Socket;

/// A patient and a doctor of the pair in an ONGOING session, requested at one node and accepted at the other.
async fn meet(pair: &Pair) -> (Client, Client, String) {
    let (patient, doctor) = (pair.one.patient().await, pair.one.doctor().await);
    let session = request(&patient, &doctor).await;
    let doctor = pair.at_two(&doctor);
    accept(&doctor, &session).await;
    (patient, doctor, session)
}

/// Typing as the other one sees it. What has no place is lost while Redis is late; who types goes on.
async fn typing(from: &mut Socket, to: &mut Socket, session: &str) -> Value {
    for _ in 0..5 {
        let ack = from.command("typing", json!({"session_id": session, "is_typing": true})).await;
        assert_eq!(ack["type"], "ack", "{ack}");
        if let Ok(frame) = timeout(Duration::from_secs(2), to.next_of("typing")).await {
            return frame;
        }
    }
    panic!("nobody sees the typing");
}

#[tokio::test]
async fn a_consultation_over_two_nodes() {
    let pair = Pair::start().await;
    let (patient, doctor) = (pair.one.patient().await, pair.one.doctor().await);
    let doctor = pair.at_two(&doctor);
    let mut desk = doctor.stream("connect/sessions/requests/stream", None).await;
    assert_eq!(desk.next_of("connected").await.data["doctor_id"], json!(doctor.id));
    let session = request(&patient, &doctor).await;
    assert_eq!(desk.next_of("session_requested").await.data["session_id"], session.as_str());
    let (mut phone, mut screen) = (patient.socket(None).await, doctor.socket(None).await);
    phone.next_of("connected").await;
    screen.next_of("connected").await;
    accept(&doctor, &session).await;
    assert_eq!(phone.next_of("session.accepted").await["session_id"], session.as_str());
    let mut fields = text("from the other node");
    fields["session_id"] = json!(session);
    let ack = screen.command("message.send", fields).await;
    assert_eq!(ack["type"], "ack", "{ack}");
    let message = phone.next_of("message.new").await;
    assert_eq!(message["data"], ack["data"]);
    assert_eq!(typing(&mut phone, &mut screen, &session).await["data"]["is_typing"], true);
    phone.command("receipt.read", json!({"session_id": session, "message_ids": [message["data"]["id"]]})).await;
    phone.command("receipt.delivered", json!({"session_id": session, "message_ids": [message["data"]["id"]]})).await;
    assert_eq!(screen.next_of("message.delivered").await["data"]["message_ids"], json!([message["data"]["id"]]));
    screen.command("video.allow", json!({"session_id": session})).await;
    assert_eq!(phone.next_of("video.permission").await["session_id"], session.as_str());
    patient.act(&format!("connect/sessions/{session}/end")).await.expect(200);
    assert_eq!(screen.next_of("session.ended").await["session_id"], session.as_str());
}

#[tokio::test]
async fn many_messages_from_both_nodes_come_gapless_to_every_connection() {
    const EACH: usize = 60;
    let pair = Pair::start().await;
    let (patient, doctor, session) = meet(&pair).await;
    let path = format!("connect/sessions/{session}/messages");
    let mut sockets = Vec::new();
    for client in [&patient, &pair.at_two(&patient), &doctor, &doctor.at(&pair.one.url)] {
        let mut socket = client.socket(None).await;
        let first = socket.next_of("connected").await;
        sockets.push((socket, seq_of(&first["cursor"])));
    }
    let send = |by: Client| {
        let path = path.clone();
        async move {
            for number in 0..EACH {
                by.post(&path, text(&format!("message {number}"))).await.expect(201);
            }
        }
    };
    let reading = async {
        let mut orders = Vec::new();
        for (socket, last) in &mut sockets {
            let mut order = Vec::new();
            while order.len() < 2 * EACH {
                let frame = next(socket).await;
                *last += 1;
                assert_eq!(seq_of(&frame["cursor"]), *last, "gapless, never twice");
                assert_eq!(frame["type"], "message.new");
                order.push(frame["data"]["id"].clone());
            }
            orders.push(order);
        }
        orders
    };
    let (orders, (), ()) = tokio::join!(reading, send(patient.clone()), send(doctor.clone()));
    assert!(orders.iter().all(|order| *order == orders[0]), "one order for all");
}

#[tokio::test]
async fn an_event_while_a_node_begins_to_hear_is_not_lost() {
    let pair = Pair::start().await;
    let (patient, doctor, session) = meet(&pair).await;
    let path = format!("connect/sessions/{session}/messages");
    // The patient's slot is new to the second node in each round: nobody lingers there.
    for round in 0..20 {
        let person = if round == 0 { patient.clone() } else { pair.one.patient().await };
        let (session, path) = if round == 0 {
            (session.clone(), path.clone())
        } else {
            let doctor = pair.one.doctor().await;
            let session = request(&person, &doctor).await;
            accept(&doctor, &session).await;
            (session.clone(), format!("connect/sessions/{session}/messages"))
        };
        let there = pair.at_two(&person);
        let (mut socket, sent) = tokio::join!(there.socket(None), person.post(&path, text("now")));
        let sent = sent.expect(201);
        let first = socket.next_of("connected").await;
        let stored = there.get(&format!("connect/events/poll?since={}", cursor_before(&first["cursor"]))).await;
        // Either the connection began after the message, or the message comes.
        if seq_of(&first["cursor"]) < seq_of(&stored.expect(200)["cursor"]) {
            assert_eq!(socket.next_of("message.new").await["data"]["id"], sent["id"], "{session}");
        }
    }
    drop(doctor);
}

fn cursor_before(cursor: &serde_json::Value) -> String {
    cursor.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_node_that_ends_in_good_order_is_forgotten_at_once() {
    // Without a goodbye it would be forgotten after 10 s. Where the machine stands still, another pair shows it.
    let soon = Duration::from_secs(6);
    for _ in 0..3 {
        let mut pair = Pair::start().await;
        assert_eq!(pair.one.app.engine.peers().len(), 1);
        pair.two.stop().await;
        let began = Instant::now();
        until("the goodbye is heard", async || pair.one.app.engine.peers().is_empty()).await;
        let took = began.elapsed();
        until("nothing is the matter", async || pair.one.app.engine.bus_trouble().is_none()).await;
        if took < soon {
            return;
        }
    }
    panic!("it is forgotten when its lease is over");
}
