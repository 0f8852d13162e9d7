//! 65, 66, 67: prescriptions, in versions.

use consilium_storage::connect::prescriptions as stored;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::keys;
use crate::support::meeting::{Meeting, events_of, kinds, of, text, time};

fn path(session: &str) -> String {
    of(session, "prescription")
}

fn amoxicillin() -> Value {
    json!({
        "medications": [
            {"name": "Amoxicillin 500mg", "dosage": "1 tablet 3x daily", "duration": "7 days"},
            {"name": "पैरासिटामोल 650", "dosage": "1–0–1", "instructions": "Take after meals"},
        ],
        "notes": "Complete the full course",
    })
}

#[tokio::test]
async fn it_is_written_once_and_read_by_both() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.patient.get(&path(&id)).await.refused_plainly(404);
    let written = m.doctor.post(&path(&id), amoxicillin()).await.expect(201);
    time(&written["created_at"]);
    assert_eq!(
        written,
        json!({
            "id": written["id"], "connect_session_id": id, "doctor_id": m.doctor.id, "patient_id": m.patient.id,
            "medications": [
                {"name": "Amoxicillin 500mg", "dosage": "1 tablet 3x daily", "duration": "7 days", "instructions": null},
                {"name": "पैरासिटामोल 650", "dosage": "1–0–1", "duration": null, "instructions": "Take after meals"},
            ],
            "notes": "Complete the full course", "version": 1,
            "created_at": written["created_at"], "updated_at": written["created_at"],
        })
    );
    for client in [&m.patient, &m.doctor] {
        assert_eq!(client.get(&path(&id)).await.expect(200), written);
    }
    m.doctor.post(&path(&id), amoxicillin()).await.refused(409, "PRESCRIPTION_EXISTS");

    let events = events_of(&m.patient, "prescription.ready").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["session_id"], json!(id));
    // What it says is asked for, never sent along.
    assert_eq!(
        events[0]["data"],
        json!({"session_id": id, "prescription_id": written["id"], "doctor_id": m.doctor.id})
    );
    assert!(!kinds(&m.doctor).await.iter().any(|kind| kind.starts_with("prescription")));
    assert_eq!(m.app.audited("prescription.create", m.patient.id).await, 1);
    assert_eq!(m.app.audited("prescription.read", m.patient.id).await, 2);
    let sessions = m.doctor.get("doctors/me/sessions").await.expect(200);
    assert_eq!(sessions["items"][0]["has_prescription"], true);
}

#[tokio::test]
async fn replacing_it_makes_a_version_and_the_same_again_makes_none() {
    let m = Meeting::start().await;
    let id = m.ended().await;
    m.doctor.put(&path(&id), amoxicillin()).await.refused_plainly(404);
    let first = m.doctor.post(&path(&id), amoxicillin()).await.expect(201);
    m.app.advance(chrono::TimeDelta::minutes(5));
    assert_eq!(m.doctor.put(&path(&id), amoxicillin()).await.expect(200), first);
    assert!(events_of(&m.patient, "prescription.updated").await.is_empty());

    let body = json!({"medications": [{"name": "Cefixime 200", "dosage": "1-0-1"}]});
    let second = m.doctor.put(&path(&id), body.clone()).await.expect(200);
    assert_eq!(keys(&second), keys(&first));
    assert_eq!((&second["id"], &second["version"], &second["notes"]), (&first["id"], &json!(2), &Value::Null));
    assert_eq!(second["created_at"], first["created_at"]);
    assert!(time(&second["updated_at"]) > time(&first["updated_at"]));
    assert_eq!(m.doctor.put(&path(&id), body).await.expect(200), second);
    let third = m.doctor.put(&path(&id), amoxicillin()).await.expect(200);
    assert_eq!((&third["version"], &third["medications"]), (&json!(3), &first["medications"]));
    assert_eq!(m.patient.get(&path(&id)).await.expect(200), third);
    assert_eq!(events_of(&m.patient, "prescription.updated").await.len(), 2);
    assert_eq!(m.app.audited("prescription.replace", m.patient.id).await, 2);

    let mut conn = m.app.app.conn().await.unwrap();
    let history = stored::list_versions(&mut conn, text(&first["id"]).parse().unwrap()).await.unwrap();
    let told: Vec<(i32, Value, bool)> = history
        .iter()
        .map(|version| (version.version, json!(version.medications.0), version.written_by == m.doctor.id))
        .collect();
    let versions = [&first, &second, &third];
    let expected: Vec<(i32, Value, bool)> =
        (1..).zip(versions).map(|(version, view)| (version, view["medications"].clone(), true)).collect();
    assert_eq!(told, expected);
    assert_eq!(history[1].notes, None);
}

#[tokio::test]
async fn it_needs_a_consultation_that_was_held() {
    let m = Meeting::start().await;
    let refuse = async |id: &str, status: &str| {
        let extra = json!({"current_status": status});
        m.doctor.post(&path(id), amoxicillin()).await.refused_with(409, "INVALID_SESSION_STATE", &extra);
        m.doctor.put(&path(id), amoxicillin()).await.refused_with(409, "INVALID_SESSION_STATE", &extra);
        m.patient.get(&path(id)).await.refused_plainly(404);
    };
    let requested = m.requested().await;
    refuse(&requested, "REQUESTED").await;
    m.patient.act(&of(&requested, "cancel")).await.expect(200);
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        refuse(&m.closed(status).await, status).await;
    }
}

#[tokio::test]
async fn a_key_gives_the_first_answer_again() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let first = m.doctor.post_once(&path(&id), "rx-1", amoxicillin()).await.expect(201);
    assert_eq!(m.doctor.post_once(&path(&id), "rx-1", amoxicillin()).await.expect(201), first);
    let other = json!({"medications": [{"name": "Cefixime 200", "dosage": "1-0-1"}]});
    m.doctor.post_once(&path(&id), "rx-1", other).await.refused(409, "IDEMPOTENCY_MISMATCH");
    m.doctor.post_once(&path(&id), "rx-2", amoxicillin()).await.refused(409, "PRESCRIPTION_EXISTS");
    assert_eq!(events_of(&m.patient, "prescription.ready").await.len(), 1);
    m.doctor.act(&of(&id, "end")).await.expect(200);
    // The same words for another session are another request.
    let next = m.ongoing().await;
    m.doctor.post_once(&path(&next), "rx-1", amoxicillin()).await.refused(409, "IDEMPOTENCY_MISMATCH");
}

#[tokio::test]
async fn of_two_at_once_one_is_written() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let again = m.doctor_again().await;
    let (path, other) = (path(&id), json!({"medications": [{"name": "A", "dosage": "1"}]}));
    let (one, two) = tokio::join!(m.doctor.post(&path, amoxicillin()), again.post(&path, other));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.text, two.text);
    assert_eq!(events_of(&m.patient, "prescription.ready").await.len(), 1);
}

#[tokio::test]
async fn strangers_wrong_roles_and_wrong_input() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.doctor.post_once(&path(&id), "once", amoxicillin()).await.expect(201);
    let [patient, doctor] = m.strangers().await;
    let admin = m.app.admin().await;
    patient.get(&path(&id)).await.refused_plainly(404);
    doctor.get(&path(&id)).await.refused_plainly(404);
    doctor.post(&path(&id), amoxicillin()).await.refused_plainly(404);
    doctor.put(&path(&id), amoxicillin()).await.refused_plainly(404);
    for client in [&m.patient, &admin] {
        client.post(&path(&id), amoxicillin()).await.refused(403, "WRONG_ROLE");
        client.put(&path(&id), amoxicillin()).await.refused(403, "WRONG_ROLE");
    }
    admin.get(&path(&id)).await.refused(403, "WRONG_ROLE");
    m.app.nobody().get(&path(&id)).await.refused_plainly(401);
    m.app.nobody().post(&path(&id), amoxicillin()).await.refused_plainly(401);
    m.app.nobody().put(&path(&id), amoxicillin()).await.refused_plainly(401);
    let unknown = path(&Uuid::new_v4().to_string());
    m.doctor.post(&unknown, amoxicillin()).await.refused_plainly(404);
    m.doctor.get(&unknown).await.refused_plainly(404);

    let refuse = async |body: Value, failures: &[&str]| {
        m.doctor.post(&path(&id), body.clone()).await.invalid(failures);
        m.doctor.put(&path(&id), body).await.invalid(failures);
    };
    refuse(json!({}), &["body.medications missing"]).await;
    refuse(json!({"medications": []}), &["body.medications too_short"]).await;
    let many: Vec<Value> = (0..51).map(|_| json!({"name": "A", "dosage": "1"})).collect();
    refuse(json!({"medications": many}), &["body.medications too_long"]).await;
    let long = "a".repeat(201);
    let body = json!({"medications": [{"name": long, "dosage": ""}, {"dosage": 1}], "notes": "a".repeat(4_001)});
    refuse(
        body,
        &[
            "body.medications.0.name string_too_long",
            "body.medications.0.dosage string_too_short",
            "body.medications.0.dosage string_pattern_mismatch",
            "body.medications.1.name missing",
            "body.medications.1.dosage string_type",
            "body.notes string_too_long",
        ],
    )
    .await;
    let longer = "a".repeat(1_001);
    let body = json!({"medications": [{"name": "A", "dosage": " ", "duration": null, "instructions": ""}]});
    refuse(body, &["body.medications.0.dosage string_pattern_mismatch"]).await;
    // A blank name is told with the rest, and before a key that was used already.
    let body = json!({"medications": [{"name": "\t ", "dosage": "1"}], "notes": 5});
    let failures = ["body.medications.0.name string_pattern_mismatch", "body.notes string_type"];
    refuse(body.clone(), &failures).await;
    m.doctor.post_once(&path(&id), "once", body).await.invalid(&failures);
    let body = json!({"medications": [{"name": "\t ", "dosage": "1"}]});
    m.doctor.post_once(&path(&id), "once", body).await.invalid(&failures[..1]);
    let body = json!({"medications": [{"name": "A", "dosage": "1", "duration": longer, "instructions": longer}]});
    refuse(body, &["body.medications.0.duration string_too_long", "body.medications.0.instructions string_too_long"])
        .await;
    let body = json!({"medications": [{"name": "A\u{0}", "dosage": "1"}]});
    refuse(body, &["body.medications.0.name value_error"]).await;
    assert_eq!(m.patient.get(&path(&id)).await.expect(200)["version"], 1);
}
