//! 103 to 108: general attachments of the scopes PROFILE, SESSION, REPORT and RECORDING.

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client, keys, send};
use crate::support::files::{PDF, PNG, attach, fetch, form, objects, post_form, put, report};
use crate::support::meeting::{Meeting, events_of, of, text};

const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt and more";

/// Each scope, the folder of its files, and one of them: name, type, bytes.
pub(super) const FILES: [(&str, &str, &str, &str, &[u8]); 4] = [
    ("PROFILE", "avatars", "a.png", "image/png", PNG),
    ("SESSION", "sessions", "a.pdf", "application/pdf", PDF),
    ("REPORT", "reports", "a.pdf", "application/pdf", PDF),
    ("RECORDING", "recordings", "a.wav", "audio/wav", WAV),
];

/// The body of 103.
pub(super) fn scoped(scope: &str, id: Option<&str>, filename: &str, kind: &str, size: usize) -> Value {
    json!({"scope_type": scope, "scope_id": id, "filename": filename, "content_type": kind, "size_bytes": size})
}

pub(super) async fn init(client: &Client, body: Value) -> Answer {
    client.post("attachments/init", body).await
}

pub(super) async fn complete(client: &Client, id: &Value) -> Answer {
    client.post(&format!("attachments/{}/complete", text(id)), json!({})).await
}

/// 106.
pub(super) async fn upload(
    client: &Client,
    scope: &str,
    id: Option<&str>,
    filename: &str,
    kind: Option<&str>,
    bytes: &[u8],
) -> Answer {
    let mut fields = vec![("scope_type", scope.to_owned())];
    fields.extend(id.map(|id| ("scope_id", id.to_owned())));
    post_form(client, "attachments", form(&fields, filename, kind, bytes)).await
}

pub(super) async fn list(client: &Client, scope: &str, id: Option<&str>) -> Value {
    let id = id.map(|id| format!("&scope_id={id}")).unwrap_or_default();
    client.get(&format!("attachments?scope_type={scope}{id}&include_download_url=true")).await.expect(200)
}

pub(super) async fn remove(client: &Client, id: &Value) -> Answer {
    client.delete(&format!("attachments/{}", text(id))).await
}

#[tokio::test]
async fn a_file_of_each_scope_goes_all_its_ways() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    for &(scope, _, name, kind, bytes) in &FILES[1..] {
        // To the store, then complete.
        let begun = init(&m.patient, scoped(scope, Some(&id), name, kind, bytes.len())).await.expect(201);
        assert_eq!(keys(&begun), ["id", "status", "upload_mode", "upload_url"]);
        put(&begun["upload_url"], kind, bytes).await.expect(201);
        let done = complete(&m.patient, &begun["id"]).await.expect(200);
        assert_eq!(keys(&done), ["content_type", "filename", "id", "size_bytes", "status", "uploaded_at"]);
        assert_eq!(complete(&m.patient, &begun["id"]).await.expect(200), done);
        // To the server, as one.
        let mut body = scoped(scope, Some(&id), name, kind, bytes.len());
        body["upload_mode"] = json!("DIRECT");
        let begun = init(&m.patient, body).await.expect(201);
        assert_eq!(begun["upload_url"], format!("{}/api/v2/attachments/{}/upload", m.app.url, text(&begun["id"])));
        let direct = format!("attachments/{}/upload", text(&begun["id"]));
        let sent = post_form(&m.patient, &direct, form(&[], name, Some(kind), bytes)).await.expect(200);
        assert_eq!((&sent["status"], &sent["scope_type"]), (&json!("UPLOADED"), &json!(scope)));
        // In one step.
        m.app.advance(TimeDelta::seconds(1));
        let one = upload(&m.patient, scope, Some(&id), name, Some(kind), bytes).await.expect(201);
        assert_eq!(
            one,
            json!({"id": one["id"], "scope_type": scope, "scope_id": id, "filename": name, "content_type": kind,
                   "size_bytes": bytes.len(), "status": "UPLOADED", "uploader_user_id": m.patient.id,
                   "created_at": one["created_at"], "download_url": null})
        );
        for client in [&m.patient, &m.doctor] {
            let listed = list(client, scope, Some(&id)).await;
            assert_eq!(keys(&listed), ["has_more", "items", "limit", "offset", "total"]);
            assert_eq!(
                (&listed["total"], &listed["limit"], &listed["has_more"]),
                (&json!(3), &json!(20), &json!(false))
            );
            assert_eq!(listed["items"][0]["id"], one["id"], "newest first");
            for item in listed["items"].as_array().unwrap() {
                assert_eq!(fetch(&item["download_url"]).await, (200, bytes.into()));
            }
        }
    }
    // What tells of attachments and reports tells of these too.
    for client in [&m.patient, &m.doctor] {
        assert_eq!(events_of(client, "message.attachment").await.len(), 3);
        assert_eq!(events_of(client, "report.uploaded").await.len(), 3);
    }
    assert_eq!(m.doctor.get(&of(&id, "attachments")).await.expect(200)["total"], 3);
    assert_eq!(m.doctor.get(&of(&id, "reports")).await.expect(200)["total"], 3);
    assert_eq!(objects(&m.app), 9);
}

#[tokio::test]
async fn the_list_shows_what_was_uploaded_by_other_ways_and_is_paged() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    attach(&m.doctor, &id, "a.png", "image/png", PNG).await;
    m.app.advance(TimeDelta::seconds(1));
    attach(&m.patient, &id, "b.png", "image/png", PNG).await;
    report(&m.patient, &id, "c.pdf").await;
    let page =
        m.doctor.get(&format!("attachments?scope_type=SESSION&scope_id={id}&limit=1&offset=1")).await.expect(200);
    assert_eq!(
        (&page["total"], &page["limit"], &page["offset"], &page["has_more"]),
        (&json!(2), &json!(1), &json!(1), &json!(false))
    );
    assert_eq!((&page["items"][0]["filename"], &page["items"][0]["download_url"]), (&json!("a.png"), &Value::Null));
    assert_eq!(list(&m.doctor, "REPORT", Some(&id)).await["total"], 1);
    assert_eq!(list(&m.doctor, "RECORDING", Some(&id)).await["total"], 0);
    let get = |query: String| async move { m.patient.get(&format!("attachments?{query}")).await };
    get("limit=0".to_owned()).await.invalid(&["query.limit greater_than_equal", "query.scope_type missing"]);
}

#[tokio::test]
async fn the_scope_must_be_named_and_the_callers() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    for scope in ["SESSION", "REPORT", "RECORDING"] {
        init(&m.patient, scoped(scope, None, "a.pdf", "application/pdf", 1)).await.invalid(&["body.scope_id missing"]);
        upload(&m.patient, scope, None, "a.pdf", None, PDF).await.invalid(&["body.scope_id missing"]);
        m.patient.get(&format!("attachments?scope_type={scope}")).await.invalid(&["query.scope_id missing"]);
        // It is missed together with the rest, absent or null.
        let failures =
            ["body.scope_id missing", "body.filename string_too_short", "body.size_bytes greater_than_equal"];
        let mut body = scoped(scope, None, "", "application/pdf", 0);
        init(&m.patient, body.clone()).await.invalid(&failures);
        body.as_object_mut().unwrap().remove("scope_id");
        init(&m.patient, body).await.invalid(&failures);
        m.patient
            .get(&format!("attachments?scope_type={scope}&limit=0"))
            .await
            .invalid(&["query.scope_id missing", "query.limit greater_than_equal"]);
        for stranger in &m.strangers().await {
            init(stranger, scoped(scope, Some(&id), "a.wav", "audio/wav", 1)).await.refused_plainly(404);
            upload(stranger, scope, Some(&id), "a.wav", Some("audio/wav"), WAV).await.refused_plainly(404);
            stranger.get(&format!("attachments?scope_type={scope}&scope_id={id}")).await.refused_plainly(404);
        }
        let nowhere = Uuid::new_v4().to_string();
        init(&m.patient, scoped(scope, Some(&nowhere), "a.wav", "audio/wav", 1)).await.refused_plainly(404);
    }
    // Reports are the patient's to upload; the doctor reads them.
    init(&m.doctor, scoped("REPORT", Some(&id), "a.pdf", "application/pdf", 1)).await.refused_plainly(404);
    upload(&m.doctor, "REPORT", Some(&id), "a.pdf", None, PDF).await.refused_plainly(404);
    init(&m.patient, json!({"scope_type": "OTHER", "scope_id": "x"})).await.invalid(&[
        "body.content_type missing",
        "body.filename missing",
        "body.scope_id uuid_parsing",
        "body.scope_type enum",
        "body.size_bytes missing",
    ]);
    let mut float = scoped("SESSION", Some(&id), "a.pdf", "application/pdf", 5);
    float["size_bytes"] = json!(5.0);
    init(&m.patient, float).await.invalid(&["body.size_bytes int_type"]);
    upload(&m.patient, "OTHER", Some("x"), "a.pdf", None, PDF)
        .await
        .invalid(&["body.scope_id uuid_parsing", "body.scope_type enum"]);
    let no_file = reqwest::multipart::Form::new().text("scope_type", "SESSION").text("scope_id", id.clone());
    post_form(&m.patient, "attachments", no_file).await.invalid(&["body.file missing"]);
    let too_late = form(&[], "a.pdf", None, PDF).text("scope_type", "SESSION").text("scope_id", id.clone());
    let refused = post_form(&m.patient, "attachments", too_late).await;
    refused.invalid(&["body.file value_error"]);
    assert_eq!(refused.body["detail"][0]["msg"], "The other fields must come before the file");
    m.patient.post("attachments", json!({})).await.invalid(&["header.content-type value_error"]);
    let admin = m.app.admin().await;
    upload(&admin, "PROFILE", None, "a.png", None, PNG).await.refused(403, "WRONG_ROLE");
    upload(&m.app.nobody(), "PROFILE", None, "a.png", None, PNG).await.refused_plainly(401);
}

#[tokio::test]
async fn each_scope_has_its_limits_and_its_time() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    for (scope, kind, limit) in [
        ("PROFILE", "image/png", 2_097_152),
        ("SESSION", "image/png", 26_214_400),
        ("REPORT", "image/png", 10_485_760),
        ("RECORDING", "video/mp4", 524_288_000),
    ] {
        init(&m.patient, scoped(scope, Some(&id), "a", kind, limit)).await.expect(201);
        init(&m.patient, scoped(scope, Some(&id), "a", kind, limit + 1)).await.refused(400, "FILE_TOO_LARGE");
        init(&m.patient, scoped(scope, Some(&id), "a", "text/html", 1)).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    }
    let mut large = PNG.to_vec();
    large.resize(2_097_153, 0);
    upload(&m.patient, "PROFILE", None, "a.png", Some("image/png"), &large).await.refused(400, "FILE_TOO_LARGE");
    large.resize(12 * 1024 * 1024, 0);
    upload(&m.patient, "REPORT", Some(&id), "a.png", Some("image/png"), &large).await.refused(400, "FILE_TOO_LARGE");
    upload(&m.patient, "SESSION", Some(&id), "a.png", Some("image/png"), &large).await.expect(201);

    m.doctor.act(&of(&id, "end")).await.expect(200);
    for scope in ["SESSION", "RECORDING"] {
        let ended = json!({"current_status": "ENDED"});
        let body = scoped(scope, Some(&id), "a.wav", "audio/wav", 1);
        init(&m.patient, body).await.refused_with(409, "INVALID_SESSION_STATE", &ended);
        let sent = upload(&m.patient, scope, Some(&id), "a.wav", Some("audio/wav"), WAV).await;
        sent.refused_with(409, "INVALID_SESSION_STATE", &ended);
    }
    upload(&m.patient, "REPORT", Some(&id), "a.pdf", None, PDF).await.expect(201);
    let closed = m.closed("REJECTED").await;
    let sent = upload(&m.patient, "REPORT", Some(&closed), "a.pdf", None, PDF).await;
    sent.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "REJECTED"}));
}

#[tokio::test]
async fn the_content_decides_whatever_is_said() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let send = |name: &'static str, kind: Option<&'static str>, bytes: &'static [u8]| {
        upload(&m.patient, "SESSION", Some(&id), name, kind, bytes)
    };
    for (name, kind, bytes) in [
        ("a.pdf", Some("application/pdf"), PNG),
        ("a.png", None, PDF),
        ("a.pdf", None, b"MZ\x90\0\x03".as_slice()),
        ("a.txt", None, b"\0"),
        ("a.pdf", None, b""),
        ("a.exe", None, PDF),
        ("a.html", None, b"<html>"),
        ("a.txt", Some("text/html"), b"<html>"),
        ("a", Some("application/zip"), b"PK\x03\x04"),
        ("noname", None, b"\0\0\0"),
    ] {
        send(name, kind, bytes).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    }
    assert_eq!(objects(&m.app), 0, "what is refused is not kept");
    // By type, by extension, by content alone; shown without tricks.
    for (name, kind, bytes, shown, told) in [
        ("x", Some("image/png"), PNG, "x", "image/png"),
        ("b.pdf", Some("application/octet-stream"), PDF, "b.pdf", "application/pdf"),
        ("noname", None, PNG, "noname", "image/png"),
        ("../../etc/रक्त\u{202e}.txt", None, "पढ़ना".as_bytes(), "रक्त.txt", "text/plain"),
    ] {
        let sent = send(name, kind, bytes).await.expect(201);
        assert_eq!((&sent["filename"], &sent["content_type"]), (&json!(shown), &json!(told)), "{name:?}");
    }
}

#[tokio::test]
async fn direct_uploads_take_what_was_declared_once() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let mut body = json!({"filename": "a.pdf", "content_type": "application/pdf", "size_bytes": PDF.len()});
    body["upload_mode"] = json!("DIRECT");
    // Of a consultation's own endpoint (52).
    let begun = m.patient.post(&of(&id, "attachments/init"), body.clone()).await.expect(201);
    let path = format!("attachments/{}/upload", text(&begun["id"]));
    let send_as = |client: &Client, bytes: &'static [u8]| {
        let (client, path) = (client.clone(), path.clone());
        async move { post_form(&client, &path, form(&[], "other.pdf", Some("application/pdf"), bytes)).await }
    };
    // What the form lacks is said before anything is looked up.
    let send_nothing = async |client: &Client| {
        let nothing = reqwest::multipart::Form::new().text("other", "x");
        post_form(client, &path, nothing).await.invalid(&["body.file missing"]);
    };
    complete(&m.patient, &begun["id"]).await.refused(409, "UPLOAD_MISSING");
    send_as(&m.doctor, PDF).await.refused(403, "NOT_OWNER");
    send_nothing(&m.doctor).await;
    for stranger in &m.strangers().await {
        send_as(stranger, PDF).await.refused_plainly(404);
        send_nothing(stranger).await;
    }
    send_as(&m.patient, &PDF[1..]).await.refused(400, "SIZE_MISMATCH");
    send_as(&m.patient, b"%PDF-1.7\nten pages of results\n%%EOF and more").await.refused(400, "SIZE_MISMATCH");
    send_as(&m.patient, &[b'x'; PDF.len()]).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    send_nothing(&m.patient).await;
    m.patient.act(&path).await.invalid(&["header.content-type value_error"]);
    m.patient
        .act("attachments/x/upload")
        .await
        .invalid(&["header.content-type value_error", "path.attachment_id uuid_parsing"]);
    assert_eq!(objects(&m.app), 0);
    let sent = send_as(&m.patient, PDF).await.expect(200);
    assert_eq!((&sent["id"], &sent["filename"], &sent["status"]), (&begun["id"], &json!("a.pdf"), &json!("UPLOADED")));
    send_as(&m.patient, PDF).await.refused(409, "INVALID_UPLOAD_STATE");
    send_nothing(&m.patient).await;
    complete(&m.patient, &begun["id"]).await.expect(200);
    assert_eq!(events_of(&m.doctor, "message.attachment").await.len(), 1);
    remove(&m.patient, &begun["id"]).await.expect(204);
    send_as(&m.patient, PDF).await.refused(409, "INVALID_UPLOAD_STATE");
    // Begun for the store, it is not taken here.
    body["upload_mode"] = json!("SAS");
    let begun = m.patient.post(&of(&id, "attachments/init"), body).await.expect(201);
    let path = format!("attachments/{}/upload", text(&begun["id"]));
    let sent = post_form(&m.patient, &path, form(&[], "a.pdf", None, PDF)).await;
    sent.refused(409, "INVALID_UPLOAD_STATE");
}

#[tokio::test]
async fn deleting_is_the_uploaders_and_once() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let sent = attach(&m.patient, &id, "a.png", "image/png", PNG).await;
    let url = list(&m.doctor, "SESSION", Some(&id)).await["items"][0]["download_url"].clone();
    remove(&m.doctor, &sent).await.refused(403, "NOT_OWNER");
    complete(&m.doctor, &sent).await.refused(403, "NOT_OWNER");
    for stranger in &m.strangers().await {
        remove(stranger, &sent).await.refused_plainly(404);
        complete(stranger, &sent).await.refused_plainly(404);
    }
    assert_eq!(remove(&m.patient, &sent).await.status, 204);
    remove(&m.patient, &sent).await.refused_plainly(404);
    complete(&m.patient, &sent).await.refused(409, "INVALID_UPLOAD_STATE");
    assert_eq!(list(&m.doctor, "SESSION", Some(&id)).await["total"], 0);
    assert_eq!(fetch(&url).await.0, 200, "an address that was given out holds until its end");
    remove(&m.patient, &json!(Uuid::new_v4())).await.refused_plainly(404);
    // A report that goes by this door is told of like by the other.
    let gone = report(&m.patient, &id, "b.pdf").await;
    remove(&m.doctor, &gone).await.refused(403, "NOT_OWNER");
    remove(&m.patient, &gone).await.expect(204);
    assert_eq!(events_of(&m.doctor, "report.deleted").await.len(), 1);
    assert_eq!(m.app.audited("attachment.delete", m.patient.id).await, 1);
    assert_eq!(m.app.audited("report.delete", m.patient.id).await, 1);
}

#[tokio::test]
async fn a_key_makes_an_upload_repeatable() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let body = scoped("SESSION", Some(&id), "a.pdf", "application/pdf", PDF.len());
    let begun = m.patient.post_once("attachments/init", "one", body.clone()).await.expect(201);
    assert_eq!(m.patient.post_once("attachments/init", "one", body.clone()).await.expect(201), begun);
    let mut other = body.clone();
    other["size_bytes"] = json!(1);
    m.patient.post_once("attachments/init", "one", other).await.refused(409, "IDEMPOTENCY_MISMATCH");

    let send_once = |key: &'static str, bytes: &'static [u8]| {
        let fields = [("scope_type", "SESSION".to_owned()), ("scope_id", id.clone())];
        let form = form(&fields, "a.pdf", Some("application/pdf"), bytes);
        send(m.patient.request(Method::POST, "attachments").header("idempotency-key", key).multipart(form))
    };
    let first = send_once("two", PDF).await.expect(201);
    assert_eq!(send_once("two", PDF).await.expect(201), first);
    send_once("two", b"%PDF-another").await.refused(409, "IDEMPOTENCY_MISMATCH");
    // The session may have ended before the repeat comes.
    m.doctor.act(&of(&id, "end")).await.expect(200);
    assert_eq!(m.patient.post_once("attachments/init", "one", body).await.expect(201), begun);
    assert_eq!(send_once("two", PDF).await.expect(201), first);
    let ended = json!({"current_status": "ENDED"});
    send_once("three", PDF).await.refused_with(409, "INVALID_SESSION_STATE", &ended);
    assert_eq!(list(&m.patient, "SESSION", Some(&id)).await["total"], 1);
    assert_eq!(events_of(&m.doctor, "message.attachment").await.len(), 1);
}

#[tokio::test]
async fn a_picture_of_a_person_is_its_avatar() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    for (client, me) in [(&patient, "users/me"), (&doctor, "doctors/me/profile")] {
        let begun = init(client, scoped("PROFILE", None, "me.png", "image/png", PNG.len())).await.expect(201);
        put(&begun["upload_url"], "image/png", PNG).await.expect(201);
        // Of nobody else.
        for other in [&patient, &doctor].into_iter().filter(|other| other.id != client.id) {
            complete(other, &begun["id"]).await.refused_plainly(404);
            remove(other, &begun["id"]).await.refused_plainly(404);
        }
        complete(client, &begun["id"]).await.expect(200);
        let first = client.get(me).await.expect(200)["avatar_url"].clone();
        assert_eq!(fetch(&first).await, (200, PNG.into()));
        let listed = list(client, "PROFILE", None).await;
        assert_eq!((&listed["total"], &listed["items"][0]["download_url"]), (&json!(1), &first));
        assert_eq!(listed["items"][0]["scope_id"], Value::Null);
        // Another one replaces it.
        let second = upload(client, "PROFILE", None, "b.png", Some("image/png"), PNG).await.expect(201);
        assert_eq!(fetch(&first).await.0, 404);
        let listed = list(client, "PROFILE", None).await;
        assert_eq!((&listed["total"], &listed["items"][0]["id"]), (&json!(1), &second["id"]));
        remove(client, &begun["id"]).await.refused_plainly(404);
        // Deleting it brings the system's back.
        let url = client.get(me).await.expect(200)["avatar_url"].clone();
        assert_eq!(remove(client, &second["id"]).await.status, 204);
        assert_eq!(fetch(&url).await.0, 404);
        assert_ne!(client.get(me).await.expect(200)["avatar_url"], url);
        assert_eq!(list(client, "PROFILE", None).await["total"], 0);
        // Replaced by the other ways (9, 10, 33, 34), it is gone from the list too.
        upload(client, "PROFILE", None, "c.png", None, PNG).await.expect(201);
        client.delete(if me == "users/me" { "users/me/avatar" } else { "doctors/me/avatar" }).await;
        assert_eq!(list(client, "PROFILE", None).await["total"], 0);
        upload(client, "PROFILE", None, "a.pdf", None, PDF).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    }
    assert_eq!(patient.get("users/me").await.expect(200)["avatar_source"], "system");
    assert_eq!(doctor.get("doctors/me/profile").await.expect(200)["avatar_url"], Value::Null);
    let strangers = list(&app.patient().await, "PROFILE", None).await;
    assert_eq!(strangers["total"], 0);
}
