//! 48, 49: messages and their history.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Client, keys, send};
use crate::support::meeting::{Meeting, events_of, of, say, text, time, words};

const MESSAGE: [&str; 10] = [
    "client_message_id",
    "content",
    "content_type",
    "created_at",
    "delivered_at",
    "id",
    "read_at",
    "sender_id",
    "sender_role",
    "session_id",
];

async fn history(client: &Client, session: &str, query: &str) -> Value {
    let page = client.get(&of(session, &format!("messages{query}"))).await.expect(200);
    assert_eq!(keys(&page), ["has_more", "items", "limit", "offset", "total"]);
    assert_eq!(page["offset"], 0);
    page
}

fn contents(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| text(&item["content"])).collect()
}

#[tokio::test]
async fn a_message_is_stored_and_reaches_both() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let body = words("Good evening 🙂 नमस्ते");
    let message = m.patient.post(&of(&id, "messages"), body.clone()).await.expect(201);
    assert_eq!(keys(&message), MESSAGE);
    assert!(Uuid::parse_str(text(&message["id"])).is_ok());
    time(&message["created_at"]);
    assert_eq!(
        message,
        json!({"id": message["id"], "session_id": id, "client_message_id": body["client_message_id"],
               "sender_id": m.patient.id, "sender_role": "client", "content_type": "text",
               "content": "Good evening 🙂 नमस्ते", "created_at": message["created_at"], "delivered_at": null,
               "read_at": null})
    );
    let answer = say(&m.doctor, &id, "Hello").await;
    assert_eq!((&answer["sender_role"], &answer["sender_id"]), (&json!("doctor"), &json!(m.doctor.id)));
    for client in [&m.patient, &m.doctor] {
        let events = events_of(client, "message.new").await;
        assert_eq!(events.iter().map(|event| &event["data"]).collect::<Vec<_>>(), [&message, &answer]);
        assert_eq!(events[0]["session_id"], id);
        assert_eq!(history(client, &id, "").await["items"], json!([message, answer]));
    }
}

#[tokio::test]
async fn a_repeat_gives_the_stored_message_even_after_the_end() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let path = of(&id, "messages");
    let body = words("once");
    let message = m.patient.post(&path, body.clone()).await.expect(201);
    let changed = json!({"client_message_id": body["client_message_id"], "content_type": "image",
                         "content": "https://example.org/other.png"});
    for repeat in [&body, &changed] {
        assert_eq!(m.patient.post(&path, repeat.clone()).await.expect(200), message);
    }
    // The other party's use of the id is no repeat.
    let refusal = json!({"field": "client_message_id"});
    m.doctor.post(&path, body.clone()).await.refused_with(409, "DUPLICATE", &refusal);
    // The receipts of the moment stand in the answer.
    m.doctor.post(&of(&id, "messages/delivered"), json!({"message_ids": [message["id"]]})).await.expect(200);
    let again = m.patient.post(&path, body.clone()).await.expect(200);
    assert!(again["delivered_at"].is_string() && again["id"] == message["id"], "{again}");

    m.doctor.act(&of(&id, "end")).await.expect(200);
    assert_eq!(m.patient.post(&path, body.clone()).await.expect(200), again);
    m.doctor.post(&path, body).await.refused_with(409, "DUPLICATE", &refusal);
    let refusal = json!({"current_status": "ENDED"});
    m.patient.post(&path, words("late")).await.refused_with(409, "INVALID_SESSION_STATE", &refusal);
    assert_eq!(events_of(&m.doctor, "message.new").await.len(), 1);
    assert_eq!(history(&m.doctor, &id, "").await["total"], 1);
}

#[tokio::test]
async fn messages_need_a_running_consultation() {
    let m = Meeting::start().await;
    let requested = m.requested().await;
    for client in [&m.patient, &m.doctor] {
        let answer = client.post(&of(&requested, "messages"), words("early")).await;
        answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "REQUESTED"}));
    }
    m.patient.act(&of(&requested, "cancel")).await.expect(200);
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        let id = m.closed(status).await;
        let answer = m.patient.post(&of(&id, "messages"), words("late")).await;
        answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
        assert_eq!(history(&m.doctor, &id, "").await["total"], 0);
    }
}

#[tokio::test]
async fn strangers_and_admins_neither_write_nor_read() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let path = of(&id, "messages");
    for stranger in m.strangers().await {
        stranger.post(&path, words("x")).await.refused_plainly(404);
        stranger.get(&path).await.refused_plainly(404);
    }
    let admin = m.app.admin().await;
    admin.post(&path, words("x")).await.refused(403, "WRONG_ROLE");
    admin.get(&path).await.refused(403, "WRONG_ROLE");
    m.app.nobody().post(&path, words("x")).await.refused_plainly(401);
    m.app.nobody().get(&path).await.refused_plainly(401);
    let unknown = of(&Uuid::new_v4().to_string(), "messages");
    m.patient.post(&unknown, words("x")).await.refused_plainly(404);
    m.patient.get(&unknown).await.refused_plainly(404);
    assert_eq!(history(&m.patient, &id, "").await["total"], 0);
}

#[tokio::test]
async fn the_input_is_checked() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let path = of(&id, "messages");
    let send_content = async |content_type: &str, content: Value| {
        let body = json!({"client_message_id": Uuid::new_v4(), "content_type": content_type, "content": content});
        m.patient.post(&path, body).await
    };
    m.patient.post(&path, json!({})).await.invalid(&[
        "body.client_message_id missing",
        "body.content_type missing",
        "body.content missing",
    ]);
    let body = json!({"client_message_id": "1", "content_type": "video", "content": 5});
    m.patient.post(&of("nonsense", "messages"), body).await.invalid(&[
        "path.session_id uuid_parsing",
        "body.client_message_id uuid_parsing",
        "body.content_type enum",
        "body.content string_type",
    ]);
    m.patient.act(&path).await.invalid(&["body missing"]);
    let lone =
        r#"{"client_message_id":"6f0d3a3c-0000-4000-8000-000000000000","content_type":"text","content":"\ud800"}"#;
    let request = m.patient.request(Method::POST, &path).header("content-type", "application/json").body(lone);
    send(request).await.invalid(&["body json_invalid"]);
    send_content("text", json!("")).await.invalid(&["body.content string_too_short"]);
    send_content("text", json!("x".repeat(16_001))).await.invalid(&["body.content string_too_long"]);
    send_content("text", json!("a\u{0}b")).await.invalid(&["body.content value_error"]);
    // 13,000 characters, but more than 48 KiB.
    send_content("text", json!("😀".repeat(13_000))).await.invalid(&["body.content string_too_long"]);
    // What is wrong with the content is told with the rest, and before the session is looked for.
    for (content_type, content, kind) in [
        ("text", "😀".repeat(13_000), "string_too_long"),
        ("image", "http://example.org/a.png".to_owned(), "value_error"),
    ] {
        let body = json!({"client_message_id": "1", "content_type": content_type, "content": content});
        let unknown = of(&Uuid::new_v4().to_string(), "messages");
        let content = format!("body.content {kind}");
        m.patient.post(&unknown, body).await.invalid(&["body.client_message_id uuid_parsing", &content]);
    }
    send_content("text", json!("x".repeat(16_000))).await.expect(201);
    send_content("text", json!("ह".repeat(16_000))).await.expect(201);

    for kind in ["image", "file", "audio"] {
        send_content(kind, json!("https://example.org/a.png")).await.expect(201);
        send_content(kind, json!("http://example.org/a.png")).await.invalid(&["body.content value_error"]);
        send_content(kind, json!(format!("https://example.org/{}", "a".repeat(2048))))
            .await
            .invalid(&["body.content value_error"]);
        // The id of an attachment that this session does not have.
        send_content(kind, json!(Uuid::new_v4())).await.refused_plainly(404);
    }
}

#[tokio::test]
async fn history_is_read_in_windows() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let mut times = Vec::new();
    for number in 0..7 {
        let sender = if number % 2 == 0 { &m.patient } else { &m.doctor };
        times.push(text(&say(sender, &id, &number.to_string()).await["created_at"]).to_owned());
    }
    assert!(times.windows(2).all(|pair| time(&json!(pair[0])) < time(&json!(pair[1]))), "{times:?}");
    let all = history(&m.patient, &id, "").await;
    assert_eq!(contents(&all), ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!((&all["total"], &all["limit"], &all["has_more"]), (&json!(7), &json!(50), &json!(false)));
    let latest = history(&m.patient, &id, "?limit=2").await;
    assert_eq!(contents(&latest), ["5", "6"]);
    assert_eq!((&latest["total"], &latest["limit"], &latest["has_more"]), (&json!(7), &json!(2), &json!(true)));
    // The times of messages are cursors: exclusive, and none is lost.
    let before = history(&m.doctor, &id, &format!("?limit=2&before={}", times[5])).await;
    assert_eq!((contents(&before), &before["total"]), (vec!["3", "4"], &json!(5)));
    let after = history(&m.doctor, &id, &format!("?limit=2&after={}", times[1])).await;
    assert_eq!((contents(&after), &after["total"]), (vec!["2", "3"], &json!(5)));
    assert_eq!(after["has_more"], true);
    let between = history(&m.doctor, &id, &format!("?after={}&before={}", times[1], times[5])).await;
    assert_eq!((contents(&between), &between["total"]), (vec!["2", "3", "4"], &json!(3)));
    assert_eq!(between["has_more"], false);
    let none = history(&m.doctor, &id, &format!("?after={}", times[6])).await;
    assert_eq!((&none["items"], &none["total"]), (&json!([]), &json!(0)));
    // With an offset instead of Z, escaped as a query asks for it.
    let offset = times[5].replace('Z', "%2B00:00");
    assert_eq!(history(&m.doctor, &id, &format!("?before={offset}")).await["total"], 5);

    let path = of(&id, "messages");
    for (query, failure) in [
        ("?limit=0", "query.limit greater_than_equal"),
        ("?limit=101", "query.limit less_than_equal"),
        ("?limit=x", "query.limit int_parsing"),
        ("?before=yesterday", "query.before datetime_parsing"),
        ("?after=2026-01-01", "query.after datetime_parsing"),
    ] {
        m.patient.get(&format!("{path}{query}")).await.invalid(&[failure]);
    }
    m.doctor.act(&of(&id, "end")).await.expect(200);
    assert_eq!(history(&m.patient, &id, "?limit=100").await["total"], 7);
}
