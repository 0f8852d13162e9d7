//! 103 to 108 where something goes wrong on the way: the content, the store, the form, or nobody wants it any more.

use axum::http::Method;
use consilium_storage::accounts::{self, patients};
use consilium_storage::connect::sessions::{self, End};
use consilium_storage::connect::{Actor, attachments};
use consilium_storage::money::Paise;
use consilium_storage::states::session::Status;
use consilium_storage::tx::Tx;
use futures_util::future::join_all;
use serde_json::json;

use super::general_attachments::{FILES, complete, init, list, remove, scoped, upload};
use crate::support::client::send;
use crate::support::files::{Obstacle, PDF, PNG, declared, form, init_report, objects, post_form, put};
use crate::support::meeting::{Meeting, of, text};

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

/// Commits a transaction as soon as somebody waits for it.
async fn commit_when_awaited(m: &Meeting, tx: Tx) {
    m.app.somebody_waits().await;
    m.app.app.commit(tx).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_slips_in_after_the_end() {
    let m = Meeting::start().await;
    for way in 0..3 {
        let id = m.ongoing().await;
        let mut tx = m.app.app.begin().await.unwrap();
        let session = sessions::find_for_update(tx.conn(), id.parse().unwrap()).await.unwrap().unwrap();
        let end = End {
            at: tx.now(),
            by: Actor::Doctor,
            reason: None,
            note: None,
            duration_seconds: 0,
            billed_minutes: 0,
            amount: Paise::ZERO,
            amount_due: Paise::ZERO,
        };
        assert!(sessions::set_ended(tx.conn(), session.id, &end).await.unwrap());
        let sent = async {
            let (name, kind) = ("a.pdf", "application/pdf");
            match way {
                0 => m.patient.post(&of(&id, "attachments/init"), declared(name, kind, PDF)).await,
                1 => init(&m.patient, scoped("SESSION", Some(&id), name, kind, PDF.len())).await,
                _ => upload(&m.patient, "SESSION", Some(&id), name, Some(kind), PDF).await,
            }
        };
        let (answer, ()) = tokio::join!(sent, commit_when_awaited(&m, tx));
        answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "ENDED"}));
        assert_eq!(list(&m.patient, "SESSION", Some(&id)).await["total"], 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_report_slips_in_after_the_request_was_withdrawn() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let mut tx = m.app.app.begin().await.unwrap();
    assert!(sessions::set_closed(tx.conn(), id.parse().unwrap(), Status::Cancelled).await.unwrap());
    let sent = init_report(&m.patient, &id, "a.pdf", "application/pdf", PDF.len());
    let (answer, ()) = tokio::join!(sent, commit_when_awaited(&m, tx));
    answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "CANCELLED"}));
}

/// Whoever deletes a picture, or changes the person it is of, holds the person and then goes on to the picture or the
/// account: who sets one must not come the other way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_set_after_its_person_is_free() {
    let m = Meeting::start().await;
    let begun = init(&m.patient, scoped("PROFILE", None, "a.png", "image/png", PNG.len())).await.expect(201);
    put(&begun["upload_url"], "image/png", PNG).await.expect(201);
    for way in 0..2 {
        let mut tx = m.app.app.begin().await.unwrap();
        patients::find_for_update(tx.conn(), m.patient.id).await.unwrap().unwrap();
        let set = async {
            match way {
                0 => complete(&m.patient, &begun["id"]).await.expect(200),
                _ => upload(&m.patient, "PROFILE", None, "a.png", Some("image/png"), PNG).await.expect(201),
            }
        };
        let held = async {
            m.app.somebody_waits().await;
            let id = text(&begun["id"]).parse().unwrap();
            attachments::find_for_update(tx.conn(), id).await.unwrap().unwrap();
            accounts::set_email(tx.conn(), m.patient.id, Some(&format!("new-{way}@test.example"))).await.unwrap();
            m.app.app.commit(tx).await.unwrap();
        };
        assert_eq!(tokio::join!(set, held).0["status"], "UPLOADED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_delete_at_once_one_is_the_repeat() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let begun = init(&m.patient, scoped("SESSION", Some(&id), "a.pdf", "application/pdf", PDF.len())).await.expect(201);
    let mut tx = m.app.app.begin().await.unwrap();
    attachments::find_for_update(tx.conn(), text(&begun["id"]).parse().unwrap()).await.unwrap().unwrap();
    let removals = join_all((0..4).map(|_| remove(&m.patient, &begun["id"])));
    let (answers, ()) = tokio::join!(removals, async {
        // Each has found it before it is locked.
        m.app.so_many_wait(4).await;
        m.app.app.commit(tx).await.unwrap();
    });
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        answer.refused_plainly(404);
    }
}
