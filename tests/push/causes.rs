//! Which calls ring whom (connect-v2 §5): files that are sent, what doctors write, payments, answers to follow-ups.

use chrono::Days;
use consilium_storage::connect::sandbox::{self, Outcome};
use consilium_storage::ids::OrderId;
use serde_json::{Value, json};

use super::{DOCTOR, PATIENT, events, expect, last, meeting, settled};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};
use crate::support::files::{PNG, attach, complete, complete_report, form, post_form, put, report};
use crate::support::meeting::{of, text};

/// Waits until these events have rung a device, and answers what the newest carries. Pushes may overtake each other: those
/// before it have to be there already.
async fn rings(app: &TestApp, token: &str, expected: &[&str]) -> Value {
    expect(app, token, expected).await;
    last(app, token).await["data"].clone()
}

/// Sends a picture into a consultation by the door of this number; answers its id.
async fn send_by(door: u32, client: &Client, session: &str) -> Value {
    if door == 53 {
        return attach(client, session, "a.png", "image/png", PNG).await;
    }
    let picture = |fields: &[(&'static str, String)]| form(fields, "a.png", Some("image/png"), PNG);
    if door == 106 {
        let fields = [("scope_type", "SESSION".to_owned()), ("scope_id", session.to_owned())];
        return post_form(client, "attachments", picture(&fields)).await.expect(201)["id"].clone();
    }
    let mode = if door == 104 { "DIRECT" } else { "SAS" };
    let body = json!({"scope_type": "SESSION", "scope_id": session, "filename": "a.png", "content_type": "image/png",
                      "size_bytes": PNG.len(), "upload_mode": mode});
    let begun = client.post("attachments/init", body).await.expect(201);
    let path = |rest: &str| format!("attachments/{}/{rest}", text(&begun["id"]));
    if door == 104 {
        post_form(client, &path("upload"), picture(&[])).await.expect(200);
    } else {
        put(&begun["upload_url"], "image/png", PNG).await.expect(201);
        client.post(&path("complete"), json!({})).await.expect(200);
    }
    begun["id"].clone()
}

#[tokio::test]
async fn a_file_rings_the_other_party_by_whichever_door_it_comes() {
    let m = meeting().await;
    let session = m.ongoing().await;
    settled(&m.app).await;
    let (mut of_doctor, mut of_patient) = (vec!["session.requested"], vec!["session.accepted"]);
    for door in [53, 104, 105, 106] {
        for (sender, token, told) in [(&m.patient, DOCTOR, &mut of_doctor), (&m.doctor, PATIENT, &mut of_patient)] {
            let id = send_by(door, sender, &session).await;
            told.push("message.attachment");
            let data = rings(&m.app, token, told).await;
            assert_eq!(keys(&data), ["attachment_id", "event", "event_id", "sent_at", "session_id"], "{door}");
            assert_eq!((&data["attachment_id"], &data["session_id"]), (&id, &json!(session)), "{door}");
            complete(sender, &session, &id).await.expect(200);
        }
    }
    settled(&m.app).await;
    expect(&m.app, DOCTOR, &of_doctor).await;
    expect(&m.app, PATIENT, &of_patient).await;
}

#[tokio::test]
async fn a_report_rings_the_doctor() {
    let m = meeting().await;
    let session = m.ongoing().await;
    settled(&m.app).await;
    let id = report(&m.patient, &session, "blood report.pdf").await;
    let data = rings(&m.app, DOCTOR, &["session.requested", "report.uploaded"]).await;
    assert_eq!(keys(&data), ["event", "event_id", "report_id", "sent_at", "session_id"]);
    assert_eq!((&data["report_id"], &data["session_id"]), (&id, &json!(session)));
    complete_report(&m.patient, &session, &id).await.expect(200);
    settled(&m.app).await;
    expect(&m.app, DOCTOR, &["session.requested", "report.uploaded"]).await;
    assert_eq!(events(&m.app, PATIENT).await, ["session.accepted"]);
}

#[tokio::test]
async fn what_the_doctor_writes_rings_the_patient_and_the_same_again_does_not() {
    let m = meeting().await;
    let session = m.ongoing().await;
    settled(&m.app).await;
    let medicine = |name: &str| json!({"medications": [{"name": name, "dosage": "1-0-1"}]});
    let lab_test = |name: &str| json!({"recommendations": [{"test_name": name}]});
    let mut told = vec!["session.accepted"];
    for (document, first, second, [created, changed], id) in [
        (
            "prescription",
            medicine("Dolo 650"),
            medicine("Cefixime 200"),
            ["prescription.ready", "prescription.updated"],
            "prescription_id",
        ),
        ("lab-tests", lab_test("CBC"), lab_test("HbA1c"), ["labtests.recommended", "labtests.updated"], "lab_tests_id"),
    ] {
        let path = of(&session, document);
        let written = m.doctor.post(&path, first.clone()).await.expect(201);
        let mut names = vec!["doctor_id", "event", "event_id", "sent_at", "session_id"];
        names.push(id);
        names.sort_unstable();
        for (event, body) in [(created, first), (changed, second)] {
            told.push(event);
            if event == changed {
                m.doctor.put(&path, body.clone()).await.expect(200);
            }
            let data = rings(&m.app, PATIENT, &told).await;
            assert_eq!((keys(&data), &data["event"]), (names.clone(), &json!(event)));
            assert_eq!((&data["session_id"], &data["doctor_id"]), (&json!(session), &json!(m.doctor.id)));
            assert_eq!(data[id], written["id"], "{data}");
            m.doctor.put(&path, body).await.expect(200);
        }
    }
    settled(&m.app).await;
    expect(&m.app, PATIENT, &told).await;
    assert_eq!(events(&m.app, DOCTOR).await, ["session.requested"]);
}

/// Somebody decides on the sandbox's page, which sends the webhook.
async fn decide(app: &TestApp, order: &str, outcome: Outcome) {
    let answer = app.nobody().post(&format!("/dev/payments/{order}"), json!({"outcome": outcome})).await.expect(200);
    assert_eq!(answer["webhook_status"], 200, "{answer}");
}

/// The same, and the webhook is lost.
async fn decide_silently(app: &TestApp, order: &str, outcome: Outcome) {
    let mut conn = app.app.conn().await.unwrap();
    let now = app.app.now();
    sandbox::set_outcome(&mut conn, &OrderId(order.to_owned()), outcome, now).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_becomes_of_a_payment_rings_the_patient_once_however_often_it_is_said() {
    let m = meeting().await;
    let mut told = Vec::new();
    for (outcome, event) in [(Outcome::Success, "payment.success"), (Outcome::Failed, "payment.failed")] {
        for by_webhook in [true, false] {
            let order = m.patient.post("payments/cashfree/orders", json!({"amount": 50_000})).await.expect(201);
            let id = text(&order["order_id"]);
            let verify = async || m.patient.get(&format!("payments/cashfree/orders/{id}/verify")).await.expect(200);
            if by_webhook {
                decide(&m.app, id, outcome).await;
            } else {
                decide_silently(&m.app, id, outcome).await;
                verify().await;
            }
            told.push(event);
            let data = rings(&m.app, PATIENT, &told).await;
            assert_eq!(keys(&data), ["event", "event_id", "order_id", "sent_at"]);
            assert_eq!((&data["event"], &data["order_id"]), (&json!(event), &order["order_id"]));
            for _ in 0..2 {
                decide(&m.app, id, outcome).await;
                verify().await;
            }
            settled(&m.app).await;
            expect(&m.app, PATIENT, &told).await;
        }
    }
    assert_eq!(events(&m.app, DOCTOR).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_to_a_follow_up_rings_the_other_party_once() {
    let m = meeting().await;
    let session = m.ended().await;
    settled(&m.app).await;
    let day = m.app.app.now().date_naive() + Days::new(7);
    let names = ["doctor_id", "event", "event_id", "followup_id", "sent_at", "session_id"];
    let (mut of_doctor, mut of_patient) = (vec!["session.requested"], vec!["session.accepted", "session.ended"]);
    for (answer, heard, reply) in [
        ("accept", "followup.accepted", Some(("cancel", "followup.cancelled"))),
        ("reject", "followup.rejected", None),
        ("reschedule", "followup.rescheduled", Some(("respond-to-proposal", "followup.rejected"))),
    ] {
        let followup = m.doctor.post(&of(&session, "followup"), json!({"scheduled_date": day})).await.expect(201);
        let path = |rest: &str| format!("followups/{}/{rest}", text(&followup["id"]));
        of_patient.push("followup.scheduled");
        expect(&m.app, PATIENT, &of_patient).await;
        let body = json!({"action": answer, "proposed_date": day});
        for _ in 0..2 {
            m.patient.post(&path("respond"), body.clone()).await.expect(200);
        }
        of_doctor.push(heard);
        let data = rings(&m.app, DOCTOR, &of_doctor).await;
        assert_eq!((keys(&data), &data["event"]), (names.to_vec(), &json!(heard)));
        assert_eq!((&data["followup_id"], &data["session_id"]), (&followup["id"], &json!(session)));
        let Some((act, told)) = reply else { continue };
        m.doctor.post(&path(act), json!({"accept": false})).await.expect(200);
        of_patient.push(told);
        let data = rings(&m.app, PATIENT, &of_patient).await;
        assert_eq!((&data["event"], &data["followup_id"]), (&json!(told), &followup["id"]));
    }
    settled(&m.app).await;
    expect(&m.app, DOCTOR, &of_doctor).await;
    expect(&m.app, PATIENT, &of_patient).await;
}
