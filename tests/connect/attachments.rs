//! 52, 53, 54 and what 48 makes of them: attachments of a consultation.

use chrono::TimeDelta;
use consilium_storage::ids::UserId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::keys;
use crate::support::files::{Obstacle, PDF, PNG, attach, complete, declared, fetch, init, objects, put, swept};
use crate::support::meeting::{Meeting, events_of, of, text, time};

#[tokio::test]
async fn a_file_is_begun_sent_completed_and_read_by_both() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begun = init(&m.patient, &id, "X-ray of हाथ.pdf", "application/pdf", PDF).await;
    assert_eq!(keys(&begun), ["id", "status", "upload_mode", "upload_url"]);
    assert_eq!((&begun["upload_mode"], &begun["status"]), (&json!("SAS"), &json!("PENDING")));
    let url = text(&begun["upload_url"]);
    assert!(url.starts_with(&format!("{}/files/signed/sessions/development/sessions/{id}/", m.app.url)), "{url}");
    assert!(!url.contains("X-ray") && !url.contains("hand"), "the address tells no name: {url}");
    // Nothing is to be seen of it before it is complete.
    let all = of(&id, "attachments");
    assert_eq!(m.doctor.get(&all).await.expect(200), json!({"items": [], "total": 0, "has_more": false}));

    assert_eq!(put(&begun["upload_url"], "application/pdf", PDF).await.status, 201);
    let done = complete(&m.patient, &id, &begun["id"]).await.expect(200);
    assert_eq!(
        done,
        json!({"id": begun["id"], "status": "UPLOADED", "filename": "X-ray of हाथ.pdf",
               "content_type": "application/pdf", "size_bytes": PDF.len(), "uploaded_at": done["uploaded_at"]})
    );
    time(&done["uploaded_at"]);
    m.app.advance(TimeDelta::seconds(5));
    assert_eq!(complete(&m.patient, &id, &begun["id"]).await.expect(200), done, "a repeat");

    for client in [&m.patient, &m.doctor] {
        let listed = client.get(&all).await.expect(200);
        let item = &listed["items"][0];
        assert_eq!(
            listed,
            json!({"items": [{"id": begun["id"], "filename": "X-ray of हाथ.pdf", "content_type": "application/pdf",
                              "size_bytes": PDF.len(), "status": "UPLOADED", "uploader_user_id": m.patient.id,
                              "uploader_role": "client", "created_at": item["created_at"], "download_url": null}],
                   "total": 1, "has_more": false})
        );
        let events = events_of(client, "message.attachment").await;
        assert_eq!(events.len(), 1, "one event, whatever the repeats");
        assert_eq!((&events[0]["data"], &events[0]["session_id"]), (item, &json!(id)));
        let listed = client.get(&format!("{all}?include_download_url=true")).await.expect(200);
        assert_eq!(fetch(&listed["items"][0]["download_url"]).await, (200, PDF.into()));
        // No chat message is written.
        assert!(events_of(client, "message.new").await.is_empty());
    }
    assert_eq!(m.app.audited("attachment.upload", m.patient.id).await, 1);
    assert_eq!(m.app.audited("attachment.list", m.patient.id).await, 5);
    assert_eq!(objects(&m.app), 1, "what was sent is kept once");
}

#[tokio::test]
async fn the_doctor_attaches_too_and_links_end() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    attach(&m.doctor, &id, "plan.png", "image/png", PNG).await;
    let listed = m.patient.get(&of(&id, "attachments?include_download_url=1")).await.expect(200);
    assert_eq!(
        (&listed["items"][0]["uploader_role"], &listed["items"][0]["uploader_user_id"]),
        (&json!("doctor"), &json!(m.doctor.id))
    );
    let url = &listed["items"][0]["download_url"];
    m.app.advance(TimeDelta::seconds(540));
    assert_eq!(fetch(url).await.0, 200);
    m.app.advance(TimeDelta::seconds(80));
    assert_eq!(fetch(url).await.0, 403);
}

#[tokio::test]
async fn completing_needs_what_was_declared() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begun = init(&m.patient, &id, "a.pdf", "application/pdf", PDF).await;
    let (url, attachment) = (&begun["upload_url"], &begun["id"]);
    complete(&m.patient, &id, attachment).await.refused(409, "UPLOAD_MISSING");
    put(url, "application/pdf", &PDF[1..]).await.expect(201);
    complete(&m.patient, &id, attachment).await.refused(400, "SIZE_MISMATCH");
    complete(&m.patient, &id, attachment).await.refused(409, "UPLOAD_MISSING");
    let mut program = b"MZ\x90\0".to_vec();
    program.resize(PDF.len(), 0);
    put(url, "application/pdf", program).await.expect(201);
    complete(&m.patient, &id, attachment).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    complete(&m.patient, &id, attachment).await.refused(409, "UPLOAD_MISSING");
    assert_eq!(objects(&m.app), 0, "what is refused is removed");
    // It is still PENDING: sent again, it counts.
    put(url, "application/pdf", PDF).await.expect(201);
    complete(&m.patient, &id, attachment).await.expect(200);
    // A late PUT changes nothing of what was checked.
    put(url, "application/pdf", &PDF[2..]).await.expect(201);
    complete(&m.patient, &id, attachment).await.expect(200);
    let listed = m.doctor.get(&of(&id, "attachments?include_download_url=true")).await.expect(200);
    assert_eq!(fetch(&listed["items"][0]["download_url"]).await, (200, PDF.into()));
    assert_eq!(events_of(&m.doctor, "message.attachment").await.len(), 1);
}

#[tokio::test]
async fn many_calls_to_complete_are_one() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begun = init(&m.patient, &id, "a.pdf", "application/pdf", PDF).await;
    put(&begun["upload_url"], "application/pdf", PDF).await.expect(201);
    let calls = (0..8).map(|_| complete(&m.patient, &id, &begun["id"]));
    let answers: Vec<Value> = futures_util::future::join_all(calls).await.into_iter().map(|a| a.expect(200)).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(events_of(&m.doctor, "message.attachment").await.len(), 1);
    assert_eq!(objects(&m.app), 1, "the losers leave nothing");
}

#[tokio::test]
async fn what_is_too_large_or_of_no_known_type_is_not_begun() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let path = of(&id, "attachments/init");
    let body = |kind: &str, size: i64| json!({"filename": "a", "content_type": kind, "size_bytes": size});
    m.patient.post(&path, body("image/png", 26_214_401)).await.refused(400, "FILE_TOO_LARGE");
    m.patient.post(&path, body("image/png", 26_214_400)).await.expect(201);
    for kind in ["text/html", "image/svg+xml", "application/zip", "video/mp4", "application/octet-stream", "x"] {
        m.patient.post(&path, body(kind, 1)).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    }
    for kind in [
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/heic",
        "application/pdf",
        "text/plain",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "audio/mp4",
        "audio/x-m4a",
        "audio/aac",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/webm",
        "audio/webm;codecs=opus",
        "IMAGE/PNG",
    ] {
        m.doctor.post(&path, body(kind, 1)).await.expect(201);
    }
    m.patient.act(&path).await.invalid(&["body missing"]);
    m.patient.post(&path, json!({})).await.invalid(&[
        "body.content_type missing",
        "body.filename missing",
        "body.size_bytes missing",
    ]);
    let wrong = json!({"filename": "", "content_type": 5, "size_bytes": 0, "upload_mode": "FTP"});
    m.patient.post(&path, wrong).await.invalid(&[
        "body.content_type string_type",
        "body.filename string_too_short",
        "body.size_bytes greater_than_equal",
        "body.upload_mode enum",
    ]);
    let long = json!({"filename": "x".repeat(256), "content_type": "image/png", "size_bytes": 1.5});
    m.patient.post(&path, long).await.invalid(&["body.filename string_too_long", "body.size_bytes int_type"]);
    let float = json!({"filename": "a", "content_type": "image/png", "size_bytes": 5.0});
    m.patient.post(&path, float).await.invalid(&["body.size_bytes int_type"]);
}

#[tokio::test]
async fn only_a_running_consultation_takes_attachments() {
    let m = Meeting::start().await;
    let requested = m.requested().await;
    let body = declared("a.png", "image/png", PNG);
    let refuse = async |id: &str, status: &str| {
        for client in [&m.patient, &m.doctor] {
            let answer = client.post(&of(id, "attachments/init"), body.clone()).await;
            answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
        }
    };
    refuse(&requested, "REQUESTED").await;
    m.patient.act(&of(&requested, "cancel")).await.expect(200);
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        refuse(&m.closed(status).await, status).await;
    }
    let id = m.ongoing().await;
    let begun = init(&m.patient, &id, "a.png", "image/png", PNG).await;
    m.doctor.act(&of(&id, "end")).await.expect(200);
    refuse(&id, "ENDED").await;
    // What was begun in time may be completed, and is read in every status.
    put(&begun["upload_url"], "image/png", PNG).await.expect(201);
    complete(&m.patient, &id, &begun["id"]).await.expect(200);
    assert_eq!(m.doctor.get(&of(&id, "attachments")).await.expect(200)["total"], 1);
}

#[tokio::test]
async fn the_other_party_is_no_owner_and_strangers_see_nothing() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begun = init(&m.patient, &id, "a.png", "image/png", PNG).await;
    put(&begun["upload_url"], "image/png", PNG).await.expect(201);
    complete(&m.doctor, &id, &begun["id"]).await.refused(403, "NOT_OWNER");
    for stranger in &m.strangers().await {
        let body = declared("a.png", "image/png", PNG);
        stranger.post(&of(&id, "attachments/init"), body).await.refused_plainly(404);
        complete(stranger, &id, &begun["id"]).await.refused_plainly(404);
        stranger.get(&of(&id, "attachments")).await.refused_plainly(404);
    }
    // An attachment of another consultation of the same two is not in this one.
    m.doctor.act(&of(&id, "end")).await.expect(200);
    let other = m.ongoing().await;
    complete(&m.patient, &other, &begun["id"]).await.refused_plainly(404);
    complete(&m.patient, &other, &json!(Uuid::new_v4())).await.refused_plainly(404);
    m.patient.act(&of(&other, "attachments/x/complete")).await.invalid(&["path.attachment_id uuid_parsing"]);
    complete(&m.patient, &id, &begun["id"]).await.expect(200);
    let admin = m.app.admin().await;
    admin.get(&of(&id, "attachments")).await.refused(403, "WRONG_ROLE");
    m.app.nobody().get(&of(&id, "attachments")).await.refused_plainly(401);
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        m.app.advance(TimeDelta::seconds(1));
        ids.insert(0, attach(&m.patient, &id, &format!("{number}.png"), "image/png", PNG).await);
    }
    let page = async |query: &str| {
        let page = m.doctor.get(&of(&id, &format!("attachments?{query}"))).await.expect(200);
        let found: Vec<Value> = page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        (found, page["total"].clone(), page["has_more"].clone())
    };
    assert_eq!(page("").await, (ids.clone(), json!(3), json!(false)));
    assert_eq!(page("limit=2").await, (ids[..2].to_vec(), json!(3), json!(true)));
    assert_eq!(page("limit=2&offset=2").await, (ids[2..].to_vec(), json!(3), json!(false)));
    for (query, failure) in [
        ("limit=0", "query.limit greater_than_equal"),
        ("limit=101", "query.limit less_than_equal"),
        ("offset=-1", "query.offset greater_than_equal"),
        ("include_download_url=perhaps", "query.include_download_url bool_parsing"),
    ] {
        m.doctor.get(&of(&id, &format!("attachments?{query}"))).await.invalid(&[failure]);
    }
}

#[tokio::test]
async fn a_message_carries_an_uploaded_attachment_of_its_consultation() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let sent = attach(&m.patient, &id, "a.png", "image/png", PNG).await;
    let path = of(&id, "messages");
    let message =
        |content: &Value| json!({"client_message_id": Uuid::new_v4(), "content_type": "image", "content": content});
    let body = message(&sent);
    let stored = m.patient.post(&path, body.clone()).await.expect(201);
    assert_eq!((&stored["content_type"], &stored["content"]), (&json!("image"), &sent));
    assert_eq!(events_of(&m.doctor, "message.new").await[0]["data"], stored);
    // The other party may point at it, and so may a command; letters of an id have no case.
    m.doctor.post(&path, message(&json!(text(&sent).to_uppercase()))).await.expect(201);
    let mut socket = m.doctor.socket(None).await;
    let mut fields = message(&sent);
    fields["session_id"] = json!(id);
    assert_eq!(socket.command("message.send", fields).await["data"]["content"], sent);

    // Not complete, unknown, of another consultation: not there.
    let pending = init(&m.patient, &id, "b.png", "image/png", PNG).await;
    m.patient.post(&path, message(&pending["id"])).await.refused_plainly(404);
    m.patient.post(&path, message(&json!(Uuid::new_v4()))).await.refused_plainly(404);
    let mut fields = message(&pending["id"]);
    fields["session_id"] = json!(id);
    assert_eq!(socket.command("message.send", fields).await["error"]["status"], 404);
    m.patient.delete(&format!("attachments/{}", text(&sent))).await.expect(204);
    m.patient.post(&path, message(&sent)).await.refused_plainly(404);
    // A repeat of what was stored gives the stored message all the same, also after the end.
    m.doctor.act(&of(&id, "end")).await.expect(200);
    assert_eq!(m.patient.post(&path, body).await.expect(200)["id"], stored["id"]);
    let other = m.ongoing().await;
    let kept = attach(&m.patient, &other, "c.png", "image/png", PNG).await;
    m.doctor.act(&of(&other, "end")).await.expect(200);
    let third = m.ongoing().await;
    m.patient.post(&of(&third, "messages"), message(&kept)).await.refused_plainly(404);
}

#[tokio::test]
async fn what_is_never_completed_lapses() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begun = init(&m.patient, &id, "a.png", "image/png", PNG).await;
    put(&begun["upload_url"], "image/png", PNG).await.expect(201);
    let kept = attach(&m.patient, &id, "b.png", "image/png", PNG).await;
    m.app.advance(TimeDelta::hours(23));
    swept(&m.app).await;
    assert_eq!(objects(&m.app), 2);
    m.app.advance(TimeDelta::hours(2));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while objects(&m.app) > 1 {
        assert!(tokio::time::Instant::now() < deadline, "not swept");
        swept(&m.app).await;
    }
    complete(&m.patient, &id, &begun["id"]).await.refused(409, "INVALID_UPLOAD_STATE");
    let listed = m.doctor.get(&of(&id, "attachments?include_download_url=true")).await.expect(200);
    assert_eq!((&listed["total"], &listed["items"][0]["id"]), (&json!(1), &kept));
    assert_eq!(fetch(&listed["items"][0]["download_url"]).await.0, 200);
    let _: UserId = m.patient.id;
}

#[tokio::test]
async fn a_store_that_refuses_is_said_before_anything_is_sent() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let obstacle = Obstacle::at(&m.app, "sessions");
    let body = declared("a.png", "image/png", PNG);
    let refused = m.patient.post(&of(&id, "attachments/init"), body.clone()).await;
    refused.refused(503, "STORAGE_UNAVAILABLE");
    assert_eq!(refused.retry_after(), 1);
    obstacle.clear();
    let begun = m.patient.post(&of(&id, "attachments/init"), body).await.expect(201);
    put(&begun["upload_url"], "image/png", PNG).await.expect(201);
    let obstacle = Obstacle::at(&m.app, "sessions");
    complete(&m.patient, &id, &begun["id"]).await.refused(503, "STORAGE_UNAVAILABLE");
    obstacle.clear();
    complete(&m.patient, &id, &begun["id"]).await.expect(200);
}

#[tokio::test]
async fn nodes_share_uploads() {
    let m = Meeting::start().await;
    let other = m.app.beside().await;
    let id = m.ongoing().await;
    let begun = init(&m.patient, &id, "a.png", "image/png", PNG).await;
    let there = text(&begun["upload_url"]).replacen(&m.app.url, &other.url, 1);
    put(&json!(there), "image/png", PNG).await.expect(201);
    complete(&m.patient.at(&other.url), &id, &begun["id"]).await.expect(200);
    let listed = m.doctor.at(&other.url).get(&of(&id, "attachments?include_download_url=true")).await.expect(200);
    let url = text(&listed["items"][0]["download_url"]).replacen(&other.url, &m.app.url, 1);
    assert_eq!(fetch(&json!(url)).await, (200, PNG.into()));
}
