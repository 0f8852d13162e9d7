//! 103 to 108 where something goes wrong on the way: the content, the store, the form, or nobody wants it any more.

use axum::http::Method;
use serde_json::json;

use super::general_attachments::{FILES, complete, init, list, remove, scoped, upload};
use crate::support::client::send;
use crate::support::files::{Obstacle, form, objects, post_form, put};
use crate::support::meeting::{Meeting, text};

#[tokio::test]
async fn what_is_not_as_declared_is_sent_again() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    for (kept, (scope, _, name, kind, bytes)) in FILES.into_iter().enumerate() {
        let begun = init(&m.patient, scoped(scope, Some(&id), name, kind, bytes.len())).await.expect(201);
        let finish = || complete(&m.patient, &begun["id"]);
        for (sent, refusal) in
            [(bytes[1..].to_vec(), "SIZE_MISMATCH"), (vec![b'x'; bytes.len()], "UNSUPPORTED_FILE_TYPE")]
        {
            put(&begun["upload_url"], kind, sent).await.expect(201);
            finish().await.refused(400, refusal);
            finish().await.refused(409, "UPLOAD_MISSING");
        }
        assert_eq!(objects(&m.app), kept, "what is refused is removed");
        assert_eq!(list(&m.patient, scope, Some(&id)).await["total"], 0);
        put(&begun["upload_url"], kind, bytes).await.expect(201);
        assert_eq!(finish().await.expect(200)["status"], "UPLOADED", "{scope}");
        assert_eq!(list(&m.patient, scope, Some(&id)).await["total"], 1);
    }
}

#[tokio::test]
async fn a_store_that_refuses_is_said_and_what_was_begun_goes_on_afterwards() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    for (scope, area, name, kind, bytes) in FILES {
        let body = |mode: &str| {
            let mut body = scoped(scope, Some(&id), name, kind, bytes.len());
            body["upload_mode"] = json!(mode);
            body
        };
        let obstacle = Obstacle::at(&m.app, area);
        let refused = init(&m.patient, body("SAS")).await;
        refused.refused(503, "STORAGE_UNAVAILABLE");
        assert_eq!(refused.retry_after(), 1);
        upload(&m.patient, scope, Some(&id), name, Some(kind), bytes).await.refused(503, "STORAGE_UNAVAILABLE");
        obstacle.clear();
        let sent = init(&m.patient, body("SAS")).await.expect(201);
        put(&sent["upload_url"], kind, bytes).await.expect(201);
        let direct = init(&m.patient, body("DIRECT")).await.expect(201);
        let path = format!("attachments/{}/upload", text(&direct["id"]));
        let send_direct = || post_form(&m.patient, &path, form(&[], name, Some(kind), bytes));

        let obstacle = Obstacle::at(&m.app, area);
        complete(&m.patient, &sent["id"]).await.refused(503, "STORAGE_UNAVAILABLE");
        send_direct().await.refused(503, "STORAGE_UNAVAILABLE");
        obstacle.clear();
        assert_eq!(list(&m.patient, scope, Some(&id)).await["total"], 0, "both are PENDING");
        complete(&m.patient, &sent["id"]).await.expect(200);
        send_direct().await.expect(200);
    }
}

#[tokio::test]
async fn a_form_that_never_comes_to_its_file_is_refused() {
    let m = Meeting::start().await;
    let post = async |body: String| {
        let request = m.patient.request(Method::POST, "attachments");
        send(request.header("content-type", "multipart/form-data; boundary=x").body(body)).await
    };
    let field = "--x\r\ncontent-disposition: form-data; name=\"scope_type\"\r\n\r\nNOWHERE\r\n";
    post(format!("{}--x--\r\n", field.repeat(1000))).await.invalid(&["body.file value_error"]);
    // Held until a boundary comes, or the end of a head: not for long.
    let preamble = "nothing ".repeat(3 * 1024 * 1024 / 8);
    post(format!("{preamble}\r\n--x--\r\n")).await.invalid(&["body.file value_error"]);
    post(format!("--x\r\nx-{preamble}: 1\r\n\r\n")).await.invalid(&["body.file value_error"]);
    assert_eq!(objects(&m.app), 0);
}

#[tokio::test]
async fn a_form_that_breaks_off_leaves_nothing() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let start = format!(
        "--b\r\ncontent-disposition: form-data; name=\"scope_type\"\r\n\r\nSESSION\r\n\
         --b\r\ncontent-disposition: form-data; name=\"scope_id\"\r\n\r\n{id}\r\n\
         --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.7 and then"
    );
    let request = m.patient.request(Method::POST, "attachments");
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(start);
    send(request).await.invalid(&["body.file value_error"]);
    assert_eq!(objects(&m.app), 0);
    assert_eq!(list(&m.patient, "SESSION", Some(&id)).await["total"], 0);
}

#[tokio::test]
async fn an_upload_is_given_up_before_it_is_complete() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let before = m.kinds().await;
    for &(scope, _, name, kind, bytes) in &FILES[1..] {
        for mode in ["SAS", "DIRECT"] {
            let mut body = scoped(scope, Some(&id), name, kind, bytes.len());
            body["upload_mode"] = json!(mode);
            let begun = init(&m.patient, body).await.expect(201);
            if mode == "SAS" {
                put(&begun["upload_url"], kind, bytes).await.expect(201);
            }
            remove(&m.doctor, &begun["id"]).await.refused(403, "NOT_OWNER");
            assert_eq!(remove(&m.patient, &begun["id"]).await.status, 204);
            remove(&m.patient, &begun["id"]).await.refused_plainly(404);
            complete(&m.patient, &begun["id"]).await.refused(409, "INVALID_UPLOAD_STATE");
            let path = format!("attachments/{}/upload", text(&begun["id"]));
            let sent = post_form(&m.patient, &path, form(&[], name, Some(kind), bytes)).await;
            sent.refused(409, "INVALID_UPLOAD_STATE");
        }
    }
    assert_eq!(m.kinds().await, before, "nobody was told of any");
}
