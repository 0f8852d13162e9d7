//! The file store away, in every way that a store, a proxy before it or a stranger in its place may be: each call that
//! needs it is refused in time, nothing is half done, and the same call succeeds when it is back.

use std::time::Duration;

use consilium_storage::files::{Area, Object};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::clouds::{place, s3};
use crate::support::azurite::ACCOUNT;
use crate::support::client::{Answer, Client};
use crate::support::files::{PDF, PNG, complete, complete_report, declared, form, init, init_report, post_form, put};
use crate::support::meeting::{Meeting, of, text};
use crate::support::s3_peer::{Fault, S3Peer};

/// The calls that need the store, by their numbers in the contract.
const CALLS: [&str; 9] = ["10", "33", "53", "59", "68", "104", "105", "106", "106 in parts"];

/// Uploads on their way, beside a prescription that was not printed yet.
struct Begun {
    attachment: Value,
    report: Value,
    general: Value,
    direct: Value,
}

impl Begun {
    async fn begin(m: &Meeting, id: &str) -> Self {
        let words = json!({"medications": [{"name": format!("Dolo {}", Uuid::new_v4()), "dosage": "1-0-1"}]});
        let prescription = of(id, "prescription");
        if m.doctor.post(&prescription, words.clone()).await.status == 409 {
            m.doctor.put(&prescription, words).await.expect(200);
        }
        Self {
            attachment: init(&m.patient, id, "a.png", "image/png", PNG).await,
            report: begin_report(m, id).await.expect(201),
            general: begin_general(m, id, "SAS").await.expect(201),
            direct: begin_general(m, id, "DIRECT").await.expect(201),
        }
    }

    /// The bytes of those that go to the store come there.
    async fn send(&self) {
        put(&self.attachment["upload_url"], "image/png", PNG).await.expect(200);
        put(&self.general["upload_url"], "image/png", PNG).await.expect(200);
        put(&self.report["sas_url"], "application/pdf", PDF).await.expect(200);
    }
}

async fn begin_report(m: &Meeting, id: &str) -> Answer {
    init_report(&m.patient, id, "a.pdf", "application/pdf", PDF.len()).await
}

async fn begin_general(m: &Meeting, id: &str, mode: &str) -> Answer {
    let mut body = declared("a.png", "image/png", PNG);
    body["scope_type"] = json!("SESSION");
    body["scope_id"] = json!(id);
    body["upload_mode"] = json!(mode);
    m.patient.post("attachments/init", body).await
}

async fn picture(client: &Client, path: &str) -> Answer {
    post_form(client, path, form(&[], "me.png", Some("image/png"), PNG)).await
}

async fn upload(m: &Meeting, fields: [(&'static str, String); 2], filename: &str, kind: &str, bytes: &[u8]) -> Answer {
    post_form(&m.patient, "attachments", form(&fields, filename, Some(kind), bytes)).await
}

/// Makes one of [`CALLS`].
async fn ask(m: &Meeting, id: &str, begun: &Begun, call: &str) -> Answer {
    let scope = |scope: &str| [("scope_type", scope.to_owned()), ("scope_id", id.to_owned())];
    match call {
        "10" => picture(&m.patient, "users/me/avatar").await,
        "33" => picture(&m.doctor, "doctors/me/avatar").await,
        "53" => complete(&m.patient, id, &begun.attachment["id"]).await,
        "59" => complete_report(&m.patient, id, &begun.report["report_id"]).await,
        "68" => m.patient.get(&of(id, "prescription/pdf")).await,
        "104" => {
            let path = format!("attachments/{}/upload", text(&begun.direct["id"]));
            post_form(&m.patient, &path, form(&[], "a.png", Some("image/png"), PNG)).await
        }
        "105" => {
            let path = format!("attachments/{}/complete", text(&begun.general["id"]));
            m.patient.post(&path, json!({})).await
        }
        "106" => upload(m, scope("SESSION"), "a.png", "image/png", PNG).await,
        "106 in parts" => {
            let mut sound = b"RIFF\x24\0\0\0WAVEfmt ".to_vec();
            sound.resize(6 * 1024 * 1024, 7);
            upload(m, scope("RECORDING"), "a.wav", "audio/wav", &sound).await
        }
        other => panic!("{other} is no call of these"),
    }
}

/// The refusal of a call that the store was needed for.
#[track_caller]
fn unavailable(answer: &Answer, call: &str) {
    assert_eq!(answer.status, 503, "{call}: {}", answer.text);
    answer.refused(503, "STORAGE_UNAVAILABLE");
    assert_eq!(answer.retry_after(), 1, "{call}");
}

async fn all_succeed(m: &Meeting, id: &str, begun: &Begun) {
    for call in CALLS {
        let answer = ask(m, id, begun, call).await;
        assert!(matches!(answer.status, 200 | 201), "{call}: {} {}", answer.status, answer.text);
    }
}

/// What nobody may see change while the store takes nothing: pictures, lists, events, rows.
async fn standing(m: &Meeting, id: &str) -> Value {
    let patient = m.patient.get("users/me").await.expect(200);
    let doctor = m.doctor.get("doctors/me/profile").await.expect(200);
    let mut lists = Vec::new();
    for path in [of(id, "attachments"), of(id, "reports"), format!("attachments?scope_type=RECORDING&scope_id={id}")] {
        lists.push(m.doctor.get(&path).await.expect(200));
    }
    let mut told = m.kinds().await.concat();
    told.retain(|kind| kind.starts_with("message.") || kind.starts_with("report."));
    let rows = [m.app.count("attachments").await, m.app.count("prescription_pdfs").await];
    json!([patient["avatar_url"], doctor["avatar_url"], lists, told, rows])
}

/// Waits until the store answers and is asked.
async fn is_back(m: &Meeting) {
    let nothing = Object::new(Area::Sessions, "development/nothing");
    let deadline = Instant::now() + Duration::from_secs(20);
    while m.app.app.files.size(&nothing).await.is_err() {
        assert!(Instant::now() < deadline, "the store is not asked again");
        sleep(Duration::from_millis(50)).await;
    }
}

/// What answers while the store does not. After some failures it is not asked at all for a while.
pub(super) async fn is_away(m: &Meeting, id: &str) {
    let begun = Begun::begin(m, id).await;
    let before = standing(m, id).await;
    for call in CALLS {
        unavailable(&ask(m, id, &begun, call).await, call);
    }
    // Beginning an upload says so too, as soon as what was seen of the store before is forgotten.
    let forgotten = timeout(Duration::from_secs(20), async {
        while m.app.app.files.check().await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    forgotten.await.expect("it is found to be away");
    let body = declared("a.png", "image/png", PNG);
    unavailable(&m.patient.post(&of(id, "attachments/init"), body).await, "52");
    unavailable(&begin_report(m, id).await, "58");
    unavailable(&begin_general(m, id, "SAS").await, "103");
    assert_eq!(standing(m, id).await, before, "nothing is half done, and what needs no store goes on");
}

#[tokio::test]
async fn what_a_store_in_trouble_does_not_do_is_done_later() {
    let (peer, m) = s3().await;
    let id = m.ongoing().await;
    for fault in [Fault::Unavailable, Fault::Garbage, Fault::Page] {
        let begun = Begun::begin(&m, &id).await;
        begun.send().await;
        let before = standing(&m, &id).await;
        for call in CALLS {
            peer.fail_always(Some(fault));
            unavailable(&ask(&m, &id, &begun, call).await, call);
            // So that it is asked for the next one too.
            peer.fail_always(None);
            is_back(&m).await;
        }
        assert_eq!(standing(&m, &id).await, before, "{fault:?}");
        all_succeed(&m, &id, &begun).await;
    }
    assert_eq!(peer.open_uploads(), 0);
}

/// Makes these calls at once while the store is like this.
async fn goes_through(fault: Fault, calls: &[&str]) {
    let (peer, m) = s3().await;
    let id = m.ongoing().await;
    let begun = Begun::begin(&m, &id).await;
    begun.send().await;
    let before = standing(&m, &id).await;
    peer.fail_always(Some(fault));
    refused_at_once(&m, &id, &begun, calls).await;
    peer.fail_always(None);
    assert_eq!(standing(&m, &id).await, before, "{fault:?}");
    is_back(&m).await;
    all_succeed(&m, &id, &begun).await;
}

async fn refused_at_once(m: &Meeting, id: &str, begun: &Begun, calls: &[&str]) {
    let started = Instant::now();
    let answers = join_all(calls.iter().map(|call| ask(m, id, begun, call))).await;
    let spent = started.elapsed();
    for (answer, call) in answers.iter().zip(calls) {
        unavailable(answer, call);
    }
    // One call to the store may take 20 s.
    assert!(spent < Duration::from_secs(40), "{spent:?}");
}

/// The same where Azure is configured. A peer in trouble need not know its words.
async fn goes_through_in_azure(fault: Fault, calls: &[&str]) {
    let peer = S3Peer::start().await;
    peer.fail_always(Some(fault));
    let url = format!("azure://{ACCOUNT}?endpoint={}", peer.url);
    let m = Meeting::start_with(|config| config.files = place(&url)).await;
    let id = m.ongoing().await;
    let begun = Begun::begin(&m, &id).await;
    let before = standing(&m, &id).await;
    refused_at_once(&m, &id, &begun, calls).await;
    assert_eq!(standing(&m, &id).await, before, "{fault:?}");
}

#[tokio::test]
async fn an_azure_in_trouble_is_said_and_nothing_is_half_done() {
    for fault in [Fault::Internal, Fault::Garbage] {
        goes_through_in_azure(fault, &CALLS).await;
    }
}

#[tokio::test]
async fn a_store_that_hangs_or_dribbles_keeps_nobody_waiting() {
    tokio::join!(
        Box::pin(goes_through(Fault::Hang, &CALLS)),
        // What it was asked to look at comes too slowly; what it was given, it has.
        Box::pin(goes_through(Fault::Trickle, &["53", "59", "105"])),
        Box::pin(goes_through_in_azure(Fault::Hang, &["10", "53", "106"])),
    );
}
