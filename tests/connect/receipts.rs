//! 50, 51: delivered and read.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::meeting::{Meeting, accept, events_of, of, request, say, time};

async fn mark(client: &Client, session: &str, kind: &str, messages: &[&Value]) -> Value {
    let answer = client.post(&of(session, &format!("messages/{kind}")), json!({"message_ids": messages})).await;
    let body = answer.expect(200);
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["updated"].clone()
}

#[tokio::test]
async fn receipts_are_set_once_and_told_to_the_sender() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let (a, b) = (say(&m.patient, &id, "a").await, say(&m.patient, &id, "b").await);
    let own = say(&m.doctor, &id, "own").await;
    let (a, b, own) = (&a["id"], &b["id"], &own["id"]);

    // Read skips what was not delivered, and nobody is told of nothing.
    assert_eq!(mark(&m.doctor, &id, "read", &[a, b]).await, 0);
    assert!(events_of(&m.patient, "message.read").await.is_empty());
    // Own, unknown and doubled ids do not count.
    let unknown = json!(Uuid::new_v4());
    assert_eq!(mark(&m.doctor, &id, "delivered", &[a, own, &unknown, a]).await, 1);
    assert_eq!(mark(&m.doctor, &id, "delivered", &[a]).await, 0);
    assert_eq!(mark(&m.doctor, &id, "delivered", &[a, b]).await, 1);
    assert_eq!(mark(&m.doctor, &id, "read", &[a, b]).await, 2);
    assert_eq!(mark(&m.doctor, &id, "read", &[a, b, own]).await, 0);
    assert_eq!(mark(&m.patient, &id, "read", &[a]).await, 0);

    let delivered = events_of(&m.patient, "message.delivered").await;
    assert_eq!(delivered.iter().map(|e| &e["data"]["message_ids"]).collect::<Vec<_>>(), [&json!([a]), &json!([b])]);
    let read = events_of(&m.patient, "message.read").await;
    assert_eq!(read.len(), 1);
    assert_eq!(read[0]["data"]["message_ids"], json!([a, b]));
    for event in delivered.iter().chain(&read) {
        assert_eq!(event["data"].as_object().unwrap().len(), 2);
        assert_eq!(event["session_id"], id);
        time(&event["data"]["at"]);
    }
    for kind in ["message.delivered", "message.read"] {
        assert!(events_of(&m.doctor, kind).await.is_empty());
    }
    let page = m.patient.get(&of(&id, "messages")).await.expect(200);
    assert_eq!(page["items"][0]["delivered_at"], delivered[0]["data"]["at"]);
    assert_eq!(page["items"][1]["read_at"], read[0]["data"]["at"]);
    assert_eq!((&page["items"][2]["delivered_at"], &page["items"][2]["read_at"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn messages_of_other_sessions_do_not_count() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let [patient, _] = m.strangers().await;
    let other = request(&patient, &m.doctor).await;
    accept(&m.doctor, &other).await;
    let theirs = say(&patient, &other, "theirs").await;
    // The same doctor is the receiver, but of another session.
    assert_eq!(mark(&m.doctor, &id, "delivered", &[&theirs["id"]]).await, 0);
    assert_eq!(mark(&m.doctor, &other, "delivered", &[&theirs["id"]]).await, 1);
    for stranger in m.strangers().await {
        for kind in ["delivered", "read"] {
            let path = of(&other, &format!("messages/{kind}"));
            stranger.post(&path, json!({"message_ids": [theirs["id"]]})).await.refused_plainly(404);
        }
    }
}

#[tokio::test]
async fn receipts_are_for_sessions_that_have_started() {
    let m = Meeting::start().await;
    let ids = json!({"message_ids": [Uuid::new_v4()]});
    let requested = m.requested().await;
    for client in [&m.patient, &m.doctor] {
        for kind in ["delivered", "read"] {
            let answer = client.post(&of(&requested, &format!("messages/{kind}")), ids.clone()).await;
            answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "REQUESTED"}));
        }
    }
    m.patient.act(&of(&requested, "cancel")).await.expect(200);
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        let id = m.closed(status).await;
        let answer = m.patient.post(&of(&id, "messages/read"), ids.clone()).await;
        answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
    }
    // After the end they still count.
    let id = m.ongoing().await;
    let message = say(&m.doctor, &id, "bye").await;
    m.doctor.act(&of(&id, "end")).await.expect(200);
    assert_eq!(mark(&m.patient, &id, "delivered", &[&message["id"]]).await, 1);
    assert_eq!(mark(&m.patient, &id, "read", &[&message["id"]]).await, 1);
    assert_eq!(events_of(&m.doctor, "message.read").await.len(), 1);
}

#[tokio::test]
async fn the_input_is_checked() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    for kind in ["delivered", "read"] {
        let path = of(&id, &format!("messages/{kind}"));
        let ids = |count: usize| json!({"message_ids": vec![Uuid::new_v4(); count]});
        m.patient.post(&path, json!({})).await.invalid(&["body.message_ids missing"]);
        m.patient.act(&path).await.invalid(&["body missing"]);
        m.patient.post(&path, ids(0)).await.invalid(&["body.message_ids too_short"]);
        m.patient.post(&path, ids(501)).await.invalid(&["body.message_ids too_long"]);
        m.patient.post(&path, ids(500)).await.expect(200);
        let body = json!({"message_ids": [Uuid::new_v4(), "x"]});
        m.patient.post(&path, body).await.invalid(&["body.message_ids.1 uuid_parsing"]);
        m.app.admin().await.post(&path, ids(1)).await.refused(403, "WRONG_ROLE");
        m.app.nobody().post(&path, ids(1)).await.refused_plainly(401);
    }
}

#[tokio::test]
async fn many_messages_are_marked_in_one_call() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let sends = (0..100).map(|number| {
        let id = &id;
        let patient = &m.patient;
        async move { say(patient, id, &number.to_string()).await["id"].clone() }
    });
    let ids = futures_util::future::join_all(sends).await;
    let all: Vec<&Value> = ids.iter().collect();
    assert_eq!(mark(&m.doctor, &id, "delivered", &all).await, 100);
    assert_eq!(mark(&m.doctor, &id, "read", &all[..60]).await, 60);
    assert_eq!(mark(&m.doctor, &id, "read", &all).await, 40);
    assert_eq!(mark(&m.doctor, &id, "delivered", &all).await, 0);
    let events = events_of(&m.patient, "message.delivered").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["data"]["message_ids"].as_array().unwrap().len(), 100);
}
