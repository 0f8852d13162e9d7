//! Files in Azure (a real Azurite) and in S3 (a peer that checks every signature): the same endpoints, the same rules.

use std::path::Path;
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use chrono::TimeDelta;
use consilium::gateways::files::place::{FilesPlace, Settings};
use consilium_storage::files::{self, Area, Object};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::away::is_away;
use crate::support::azurite::{ACCOUNT, Azurite, KEY};
use crate::support::files::{
    PDF, PNG, attach, complete, complete_report, fetch, form, init, init_report, post_form, put, swept,
};
use crate::support::meeting::{Meeting, events_of, of, text, until};
use crate::support::process::http_client;
use crate::support::s3_peer::{BUCKET, FOLDER, Fault, KEY_ID, REGION, S3Peer, SECRET};

const CONTAINERS: [&str; 5] = ["avatars", "sessions", "reports", "recordings", "prescriptions"];

pub(super) fn place(files_url: &str) -> FilesPlace {
    let settings = Settings {
        files_url,
        azure_account_key: KEY,
        s3_access_key_id: KEY_ID,
        s3_secret_access_key: SECRET,
        s3_session_token: "",
    };
    FilesPlace::of(settings, Path::new("/nowhere"), false).unwrap()
}

async fn azure() -> (Azurite, Meeting) {
    let azurite = Azurite::start().await;
    for container in CONTAINERS {
        azurite.create(container).await;
    }
    let url = format!("azure://{ACCOUNT}?endpoint={}", azurite.endpoint);
    let meeting = Meeting::start_with(|config| config.files = place(&url)).await;
    (azurite, meeting)
}

pub(super) async fn s3() -> (S3Peer, Meeting) {
    let peer = S3Peer::start().await;
    let meeting = at(&peer).await;
    (peer, meeting)
}

async fn at(peer: &S3Peer) -> Meeting {
    let url = format!("s3://{BUCKET}/{}?region={REGION}&endpoint={}", FOLDER.trim_end_matches('/'), peer.url);
    Meeting::start_with(|config| config.files = place(&url)).await
}

/// Waits until `/ready` says this of the files, and answers all that it says: whatever takes longer than 2 s to answer is
/// away for a while.
async fn stands(m: &Meeting, expected: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let ready = m.app.nobody().get("/ready").await;
        if ready.status == 200 && ready.body["checks"]["files"]["status"] == expected {
            return ready.body;
        }
        assert!(Instant::now() < deadline, "{}", ready.text);
        sleep(Duration::from_millis(50)).await;
    }
}

/// What every store does in the same way.
async fn journey(m: &Meeting) {
    let id = m.ongoing().await;
    // An attachment, with all that may go wrong on its way.
    let begun = init(&m.patient, &id, "X-ray हाथ \"1\".pdf", "application/pdf", PDF).await;
    complete(&m.patient, &id, &begun["id"]).await.refused(409, "UPLOAD_MISSING");
    put(&begun["upload_url"], "application/pdf", &PDF[1..]).await;
    complete(&m.patient, &id, &begun["id"]).await.refused(400, "SIZE_MISMATCH");
    put(&begun["upload_url"], "application/pdf", vec![b'x'; PDF.len()]).await;
    complete(&m.patient, &id, &begun["id"]).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    complete(&m.patient, &id, &begun["id"]).await.refused(409, "UPLOAD_MISSING");
    // Sent as something that a browser would run: it is not shown as that.
    let sent = put(&begun["upload_url"], "text/html", PDF).await;
    assert!((200..300).contains(&sent.status), "{}", sent.text);
    let done = complete(&m.patient, &id, &begun["id"]).await.expect(200);
    assert_eq!(done["size_bytes"], PDF.len());
    put(&begun["upload_url"], "application/pdf", &PDF[2..]).await;
    assert_eq!(complete(&m.patient, &id, &begun["id"]).await.expect(200), done);

    let listed = m.doctor.get(&of(&id, "attachments?include_download_url=true")).await.expect(200);
    let link = &listed["items"][0]["download_url"];
    let answer = http_client().get(text(link)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    let disposition = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment; ") && disposition.contains("%E0%A4%B9"), "{disposition}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.bytes().await.unwrap(), PDF, "a late PUT changes nothing of what was checked");
    let part = http_client().get(text(link)).header("range", "bytes=0-3").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.bytes().await.unwrap()), (206, Bytes::from_static(b"%PDF")));
    for (one, other) in [(&begun["upload_url"], link), (link, &begun["upload_url"])] {
        let forged = text(one).replacen(name_of(one), name_of(other), 1);
        assert_eq!(fetch(&json!(forged)).await.0, 403, "an address is of one object");
        let wrong = if one == link { put(one, "application/pdf", PDF).await.status } else { fetch(one).await.0 };
        assert_eq!(wrong, 403, "and for one purpose");
    }

    // The other ways: to the server, large and in parts, as a picture of a person.
    let fields = [("scope_type", "RECORDING".to_owned()), ("scope_id", id.clone())];
    let mut large = b"RIFF\x24\0\0\0WAVEfmt ".to_vec();
    large.resize(12 * 1024 * 1024, 7);
    let sent = post_form(&m.doctor, "attachments", form(&fields, "a.wav", Some("audio/wav"), &large)).await.expect(201);
    assert_eq!(sent["size_bytes"], large.len());
    let listed = m.patient.get(&format!("attachments?scope_type=RECORDING&scope_id={id}&include_download_url=1")).await;
    assert_eq!(fetch(&listed.expect(200)["items"][0]["download_url"]).await.1, large);
    large[9] = b'X';
    let refused = post_form(&m.doctor, "attachments", form(&fields, "a.wav", Some("audio/wav"), &large)).await;
    refused.refused(400, "UNSUPPORTED_FILE_TYPE");
    let fields = [("scope_type", "PROFILE".to_owned())];
    post_form(&m.patient, "attachments", form(&fields, "me.png", None, PNG)).await.expect(201);
    let avatar = m.patient.get("users/me").await.expect(200)["avatar_url"].clone();
    assert!(text(&avatar).starts_with(&m.app.url), "pictures of people stay readable without a token");
    assert_eq!(fetch(&avatar).await, (200, PNG.into()));
    assert_eq!(events_of(&m.doctor, "message.attachment").await.len(), 1);

    m.doctor.act(&of(&id, "end")).await.expect(200);
    m.doctor.act(&of(&id, "end")).await.expect(200);
    // What is deleted goes when its links have ended.
    m.patient.delete(&format!("attachments/{}", text(&begun["id"]))).await.expect(204);
    assert_eq!(fetch(link).await.0, 200);
    m.app.advance(TimeDelta::hours(25));
    swept(&m.app).await;
    assert_eq!(stands(m, "up").await["checks"]["files"]["reason"], Value::Null);
}

/// The path of the object in an address.
fn name_of(link: &Value) -> &str {
    let link = text(link).split('?').next().unwrap();
    link.splitn(4, '/').nth(3).unwrap()
}

#[tokio::test]
async fn azure_by_sas() {
    let (mut azurite, m) = azure().await;
    journey(&m).await;
    let id = m.ongoing().await;
    // A report in the contract's words: container, name, headers.
    let begun = init_report(&m.patient, &id, "blood report.pdf", "application/pdf", PDF.len()).await.expect(201);
    assert_eq!(begun["container_name"], "reports");
    assert_eq!(begun["required_headers"], json!({"x-ms-blob-type": "BlockBlob", "Content-Type": "application/pdf"}));
    let (url, blob) = (text(&begun["sas_url"]), text(&begun["blob_name"]));
    assert!(url.starts_with(&format!("{}/reports/{blob}?sv=", azurite.endpoint)) && url.contains("&sig="), "{url}");
    let bare = http_client().put(url).header("content-type", "application/pdf").body(PDF).send().await.unwrap();
    assert_eq!(bare.status(), 400, "the blob type is required");
    put(&begun["sas_url"], "application/pdf", PDF).await.expect(201);
    let done = complete_report(&m.patient, &id, &begun["report_id"]).await.expect(200);
    assert_eq!(done["verified_size_bytes"], PDF.len());
    // A signature that was touched, and one that has ended.
    let forged = url.replacen("&sig=", "&sig=A", 1);
    assert_eq!(put(&json!(forged), "application/pdf", PDF).await.status, 403);
    let now = m.app.app.now() - TimeDelta::days(3);
    let object = Object::new(Area::Reports, "development/x.pdf");
    let upload =
        consilium::gateways::files::Upload { expires_at: now, content_type: "application/pdf".to_owned(), size: 1 };
    let ended = m.app.app.files.upload_link(&object, &upload, now).await.unwrap();
    assert_eq!(put(&json!(ended), "application/pdf", PDF).await.status, 403);

    azurite.stop().await;
    is_away(&m, &id).await;
}

#[tokio::test]
async fn azure_in_one_container() {
    let azurite = Azurite::start().await;
    azurite.create("consilium").await;
    let url = format!("azure://{ACCOUNT}/consilium?endpoint={}", azurite.endpoint);
    let m = Meeting::start_with(|config| config.files = place(&url)).await;
    let id = m.ongoing().await;
    let begun = init_report(&m.patient, &id, "a.pdf", "application/pdf", PDF.len()).await.expect(201);
    assert_eq!(begun["container_name"], "consilium");
    assert!(text(&begun["blob_name"]).starts_with("reports/development/sessions/"), "{begun}");
    put(&begun["sas_url"], "application/pdf", PDF).await.expect(201);
    complete_report(&m.patient, &id, &begun["report_id"]).await.expect(200);
    attach(&m.doctor, &id, "a.png", "image/png", PNG).await;
}

#[tokio::test]
async fn a_container_that_is_not_there_is_said() {
    let azurite = Azurite::start().await;
    let url = format!("azure://{ACCOUNT}?endpoint={}", azurite.endpoint);
    let m = Meeting::start_with(|config| config.files = place(&url)).await;
    assert_eq!(stands(&m, "degraded").await["status"], "degraded");
}

#[tokio::test]
async fn s3_presigned() {
    let (peer, m) = s3().await;
    journey(&m).await;
    assert_eq!(peer.open_uploads(), 0, "what was refused half-way was taken back");
    let forged = peer.refused();
    assert!(!forged.is_empty() && forged.iter().all(|why| *why == "SignatureDoesNotMatch"), "{forged:?}");
    let id = m.ongoing().await;
    let begun = init_report(&m.patient, &id, "blood report.pdf", "application/pdf", PDF.len()).await.expect(201);
    assert_eq!(begun["container_name"], BUCKET);
    assert_eq!(begun["required_headers"], json!({"Content-Type": "application/pdf"}));
    let (url, blob) = (text(&begun["sas_url"]), text(&begun["blob_name"]));
    assert!(
        blob.starts_with("team/reports/development/sessions/") && url.contains(&format!("/{BUCKET}/{blob}?")),
        "{url}"
    );
    let (_, life) = url.split_once("X-Amz-Expires=").unwrap();
    let life: u32 = life.split('&').next().unwrap().parse().unwrap();
    assert!((840..=900).contains(&life), "{url}");
    put(&begun["sas_url"], "application/pdf", PDF).await.expect(200);
    complete_report(&m.patient, &id, &begun["report_id"]).await.expect(200);
    // The sweeper of an hour ago left what counts, and nothing else.
    m.app.advance(TimeDelta::hours(25));
    let names = || peer.names().iter().filter(|name| name.starts_with("team/reports/")).count();
    swept(&m.app).await;
    until("one copy is left of the report", || names() == 1).await;
    assert!(peer.names().iter().all(|name| !name.contains("X-ray") && !name.contains("blood")), "{:?}", peer.names());

    // That one may have ended by itself since.
    m.doctor.act(&of(&id, "end")).await.expect(200);
    let id = m.ongoing().await;
    peer.fail_always(Some(Fault::Unavailable));
    is_away(&m, &id).await;
}

#[tokio::test]
async fn only_what_answers_as_a_store_does_is_one() {
    let peer = S3Peer::start().await;
    peer.fail_always(Some(Fault::Page));
    // A page is an empty list, and whatever else is asked for.
    stands(&at(&peer).await, "degraded").await;
    peer.fail_always(None);
    // As S3 answers about what is absent to whoever may not list all of the bucket.
    peer.deny(&[Method::HEAD]);
    stands(&at(&peer).await, "up").await;
    peer.deny(&[Method::GET]);
    stands(&at(&peer).await, "degraded").await;
}

#[tokio::test]
async fn an_upload_that_changes_while_it_is_copied_is_refused() {
    let (peer, m) = s3().await;
    let id = m.ongoing().await;
    for late in [PDF[1..].to_vec(), [PDF, b"and more".as_slice()].concat()] {
        let begun = init(&m.patient, &id, "a.pdf", "application/pdf", PDF).await;
        put(&begun["upload_url"], "application/pdf", PDF).await.expect(200);
        peer.send_before_copy(late);
        complete(&m.patient, &id, &begun["id"]).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    }
}

#[tokio::test]
async fn what_may_not_be_removed_is_refused_all_the_same() {
    let (peer, m) = s3().await;
    let id = m.ongoing().await;
    peer.deny(&[Method::DELETE]);
    let begun = init(&m.patient, &id, "a.pdf", "application/pdf", PDF).await;
    for (sent, refusal) in [(PDF[1..].to_vec(), "SIZE_MISMATCH"), (vec![b'x'; PDF.len()], "UNSUPPORTED_FILE_TYPE")] {
        put(&begun["upload_url"], "application/pdf", sent).await.expect(200);
        complete(&m.patient, &id, &begun["id"]).await.refused(400, refusal);
    }
    put(&begun["upload_url"], "application/pdf", PDF).await.expect(200);
    complete(&m.patient, &id, &begun["id"]).await.expect(200);
}

#[tokio::test]
async fn removals_that_are_refused_are_counted_and_hold_up_nobody() {
    // In one process with other tests only what happens on this thread is counted.
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let figure = |wanted: u32| {
        recorder.handle().render().lines().any(|line| line == format!("consilium_file_removals_refused {wanted}"))
    };
    let (peer, m) = s3().await;
    let id = m.ongoing().await;
    peer.deny(&[Method::DELETE]);
    let mut conn = m.app.app.conn().await.unwrap();
    // More than would open the breaker.
    for number in 0..6 {
        let object = Object::new(Area::Sessions, format!("development/refused-{number}"));
        m.app.app.files.put(&object, "application/pdf", Bytes::from_static(PDF)).await.unwrap();
        files::plan_removal(&mut conn, &object, m.app.app.now()).await.unwrap();
    }
    let left = || peer.names().iter().filter(|name| name.contains("refused-")).count();
    for round in 1..=3 {
        if round > 1 {
            m.app.advance(TimeDelta::minutes(70));
        }
        swept(&m.app).await;
        assert_eq!(left(), 6);
        assert!(round == 3 || files::count_refused(&mut conn).await.unwrap() == 0, "of three times not {round}");
        assert!(!m.app.app.files.is_away(), "the store is well");
        if round == 1 {
            init(&m.patient, &id, "a.pdf", "application/pdf", PDF).await;
        }
    }
    // The server's own sweeper may be at it, here and below. Nothing is due: the figure alone is told again.
    let deadline = Instant::now() + Duration::from_secs(30);
    while files::count_refused(&mut conn).await.unwrap() < 6 || !figure(6) {
        assert!(Instant::now() < deadline, "{}", recorder.handle().render());
        swept(&m.app).await;
    }
    peer.deny(&[]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while left() > 0 || !figure(0) {
        assert!(Instant::now() < deadline, "{} are left", left());
        m.app.advance(TimeDelta::minutes(10));
        swept(&m.app).await;
    }
    assert_eq!(files::count_refused(&mut conn).await.unwrap(), 0);
}
