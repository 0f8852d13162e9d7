//! 58 to 62: documents of patients.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::keys;
use crate::support::files::{Obstacle, PDF, PNG, complete_report, fetch, init_report, objects, put, report, swept};
use crate::support::meeting::{Meeting, events_of, of, text, time};

fn one(session: &str, id: &Value) -> String {
    of(session, &format!("reports/{}", text(id)))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, in its order")]
async fn a_report_is_uploaded_read_by_both_and_deleted_by_the_patient() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let begun = init_report(&m.patient, &id, "blood report.pdf", "application/pdf", PDF.len()).await.expect(201);
    assert_eq!(keys(&begun), ["blob_name", "container_name", "report_id", "required_headers", "sas_url"]);
    assert_eq!(begun["required_headers"], json!({"x-ms-blob-type": "BlockBlob", "Content-Type": "application/pdf"}));
    assert_eq!(begun["container_name"], "reports");
    let blob = text(&begun["blob_name"]);
    let day = m.app.app.now().format("%Y/%m/%d");
    assert!(blob.starts_with(&format!("development/sessions/{id}/reports/{day}/")), "{blob}");
    assert!(blob.ends_with("_blood_report.pdf") && text(&begun["sas_url"]).contains(blob), "{blob}");
    m.patient.get(&one(&id, &begun["report_id"])).await.refused_plainly(404);

    put(&begun["sas_url"], "application/pdf", PDF).await.expect(201);
    let done = complete_report(&m.patient, &id, &begun["report_id"]).await.expect(200);
    assert_eq!(
        done,
        json!({"report_id": begun["report_id"], "status": "UPLOADED", "verified_size_bytes": PDF.len(),
               "verified_mime_type": "application/pdf"})
    );
    assert_eq!(complete_report(&m.patient, &id, &begun["report_id"]).await.expect(200), done);
    for client in [&m.patient, &m.doctor] {
        let shown = client.get(&one(&id, &begun["report_id"])).await.expect(200);
        assert_eq!(
            shown,
            json!({"report_id": begun["report_id"], "original_filename": "blood report.pdf",
                   "mime_type": "application/pdf", "size_bytes": PDF.len(), "download_url": shown["download_url"],
                   "expires_in": 600, "created_at": shown["created_at"]})
        );
        time(&shown["created_at"]);
        assert_eq!(fetch(&shown["download_url"]).await, (200, PDF.into()));
        let listed = client.get(&of(&id, "reports")).await.expect(200);
        let item = json!({"id": begun["report_id"], "original_filename": "blood report.pdf",
            "mime_type": "application/pdf", "size_bytes": PDF.len(), "created_at": shown["created_at"],
            "uploader_user_id": m.patient.id, "download_url": null});
        assert_eq!(listed, json!({"items": [item], "total": 1, "has_more": false}));
        let events = events_of(client, "report.uploaded").await;
        assert_eq!(events.iter().map(|event| &event["data"]).collect::<Vec<_>>(), [&item]);
        assert_eq!(events[0]["session_id"], id);
        let listed = client.get(&of(&id, "reports?include_download_url=true")).await.expect(200);
        assert_eq!(fetch(&listed["items"][0]["download_url"]).await.0, 200);
    }

    let url = m.doctor.get(&one(&id, &begun["report_id"])).await.expect(200)["download_url"].clone();
    m.doctor.delete(&one(&id, &begun["report_id"])).await.refused(403, "WRONG_ROLE");
    let deleted = m.patient.delete(&one(&id, &begun["report_id"])).await.expect(200);
    assert_eq!(keys(&deleted), ["deleted_at", "report_id", "status"]);
    assert_eq!((&deleted["report_id"], &deleted["status"]), (&begun["report_id"], &json!("DELETED")));
    time(&deleted["deleted_at"]);
    m.app.advance(TimeDelta::seconds(5));
    assert_eq!(m.patient.delete(&one(&id, &begun["report_id"])).await.expect(200), deleted, "the first time stands");
    for client in [&m.patient, &m.doctor] {
        client.get(&one(&id, &begun["report_id"])).await.refused_plainly(404);
        assert_eq!(client.get(&of(&id, "reports")).await.expect(200)["total"], 0);
        assert_eq!(events_of(client, "report.deleted").await.len(), 1);
    }
    complete_report(&m.patient, &id, &begun["report_id"]).await.refused(409, "INVALID_UPLOAD_STATE");
    // A link that was given out holds until its end; then the bytes go.
    assert_eq!(fetch(&url).await.0, 200);
    m.app.advance(TimeDelta::minutes(12));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while objects(&m.app) > 0 {
        assert!(tokio::time::Instant::now() < deadline, "not swept");
        swept(&m.app).await;
    }
    for (action, count) in [("report.upload", 1), ("report.read", 3), ("report.list", 6), ("report.delete", 1)] {
        assert_eq!(m.app.audited(action, m.patient.id).await, count, "{action}");
    }
}

#[tokio::test]
async fn a_type_by_another_name_is_verified_by_its_own() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let jpeg: &[u8] = b"\xff\xd8\xff\xe0 and what follows";
    for (name, said, bytes, verified) in
        [("a.jpg", "image/jpg", jpeg, "image/jpeg"), ("a.pdf", "Application/x-pdf", PDF, "application/pdf")]
    {
        let begun = init_report(&m.patient, &id, name, said, bytes.len()).await.expect(201);
        put(&begun["sas_url"], said, bytes).await.expect(201);
        let done = complete_report(&m.patient, &id, &begun["report_id"]).await.expect(200);
        assert_eq!(done["verified_mime_type"], verified);
    }
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begin = |name: &'static str, kind: &'static str, size| init_report(&m.patient, &id, name, kind, size);
    begin("a.pdf", "application/pdf", 10_485_761).await.refused(400, "FILE_TOO_LARGE");
    begin("a.pdf", "application/pdf", 10_485_760).await.expect(201);
    begin("a.heic", "image/heic", 1).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    begin("a.exe", "application/pdf", 1).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    begin("a.png", "image/jpeg", 1).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    for (name, kind) in
        [("A.JPEG", "image/jpeg"), ("a.png", "image/png"), ("a.webp", "image/webp"), ("scan", "application/pdf")]
    {
        begin(name, kind, 1).await.expect(201);
    }
    let path = of(&id, "reports/init");
    m.patient.act(&path).await.invalid(&[
        "query.mime_type missing",
        "query.original_filename missing",
        "query.size_bytes missing",
    ]);
    let query = "original_filename=&mime_type=x&size_bytes=many";
    m.patient
        .act(&format!("{path}?{query}"))
        .await
        .invalid(&["query.original_filename string_too_short", "query.size_bytes int_parsing"]);

    let begun = begin("a.pdf", "application/pdf", PNG.len()).await.expect(201);
    complete_report(&m.patient, &id, &begun["report_id"]).await.refused(409, "UPLOAD_MISSING");
    put(&begun["sas_url"], "application/pdf", PNG).await.expect(201);
    complete_report(&m.patient, &id, &begun["report_id"]).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    put(&begun["sas_url"], "application/pdf", &PNG[..9]).await.expect(201);
    complete_report(&m.patient, &id, &begun["report_id"]).await.refused(400, "SIZE_MISMATCH");
    assert_eq!(objects(&m.app), 0);
    assert!(events_of(&m.doctor, "report.uploaded").await.is_empty());
    // Given up before it was complete: nobody was told of it, so nobody is told of its end.
    let deleted = m.patient.delete(&one(&id, &begun["report_id"])).await.expect(200);
    assert_eq!(deleted["status"], "DELETED");
    assert!(events_of(&m.doctor, "report.deleted").await.is_empty());
}

#[tokio::test]
async fn reports_are_taken_before_during_and_after_a_consultation() {
    let m = Meeting::start().await;
    for id in [m.requested().await] {
        report(&m.patient, &id, "before.pdf").await;
        m.doctor.act(&of(&id, "accept")).await.expect(200);
        report(&m.patient, &id, "during.pdf").await;
        m.doctor.act(&of(&id, "end")).await.expect(200);
        report(&m.patient, &id, "after.pdf").await;
        let listed = m.doctor.get(&of(&id, "reports?limit=2")).await.expect(200);
        assert_eq!((&listed["total"], &listed["has_more"]), (&json!(3), &json!(true)));
        let names: Vec<&Value> =
            listed["items"].as_array().unwrap().iter().map(|item| &item["original_filename"]).collect();
        assert_eq!(names, ["after.pdf", "during.pdf"]);
        m.doctor.get(&of(&id, "reports?limit=101")).await.invalid(&["query.limit less_than_equal"]);
    }
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        let id = m.closed(status).await;
        let answer = init_report(&m.patient, &id, "a.pdf", "application/pdf", 1).await;
        answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
        assert_eq!(m.patient.get(&of(&id, "reports")).await.expect(200)["total"], 0);
    }
}

#[tokio::test]
async fn doctors_do_not_write_reports_and_strangers_see_none() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let known = report(&m.patient, &id, "a.pdf").await;
    let admin = m.app.admin().await;
    for client in [&m.doctor, &admin] {
        init_report(client, &id, "a.pdf", "application/pdf", 1).await.refused(403, "WRONG_ROLE");
        complete_report(client, &id, &known).await.refused(403, "WRONG_ROLE");
        client.delete(&one(&id, &known)).await.refused(403, "WRONG_ROLE");
    }
    let [patient, doctor] = m.strangers().await;
    init_report(&patient, &id, "a.pdf", "application/pdf", 1).await.refused_plainly(404);
    complete_report(&patient, &id, &known).await.refused_plainly(404);
    patient.delete(&one(&id, &known)).await.refused_plainly(404);
    for stranger in [&patient, &doctor] {
        stranger.get(&of(&id, "reports")).await.refused_plainly(404);
        stranger.get(&one(&id, &known)).await.refused_plainly(404);
    }
    m.app.nobody().get(&one(&id, &known)).await.refused_plainly(401);
    for unknown in [json!(Uuid::new_v4())] {
        m.patient.get(&one(&id, &unknown)).await.refused_plainly(404);
        m.patient.delete(&one(&id, &unknown)).await.refused_plainly(404);
        complete_report(&m.patient, &id, &unknown).await.refused_plainly(404);
    }
    m.patient.get(&of(&id, "reports/x")).await.invalid(&["path.report_id uuid_parsing"]);
    // An attachment is no report, nor is a report of another consultation one of this.
    let attachment = crate::support::files::attach(&m.patient, &id, "a.png", "image/png", PNG).await;
    m.patient.get(&one(&id, &attachment)).await.refused_plainly(404);
    m.doctor.act(&of(&id, "end")).await.expect(200);
    let other = m.ongoing().await;
    m.patient.get(&one(&other, &known)).await.refused_plainly(404);
    m.patient.delete(&one(&other, &known)).await.refused_plainly(404);
}

#[tokio::test]
async fn a_store_that_refuses_is_said_and_what_was_begun_goes_on_afterwards() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begin = || init_report(&m.patient, &id, "a.pdf", "application/pdf", PDF.len());
    let obstacle = Obstacle::at(&m.app, "reports");
    let refused = begin().await;
    refused.refused(503, "STORAGE_UNAVAILABLE");
    assert_eq!(refused.retry_after(), 1);
    obstacle.clear();
    let begun = begin().await.expect(201);
    put(&begun["sas_url"], "application/pdf", PDF).await.expect(201);
    let obstacle = Obstacle::at(&m.app, "reports");
    complete_report(&m.patient, &id, &begun["report_id"]).await.refused(503, "STORAGE_UNAVAILABLE");
    m.patient.get(&one(&id, &begun["report_id"])).await.refused_plainly(404);
    assert!(events_of(&m.doctor, "report.uploaded").await.is_empty());
    obstacle.clear();
    complete_report(&m.patient, &id, &begun["report_id"]).await.expect(200);
    assert_eq!(events_of(&m.doctor, "report.uploaded").await.len(), 1);
}
