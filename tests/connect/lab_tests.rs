//! 69, 70, 71: lab tests that a doctor recommends.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::keys;
use crate::support::meeting::{Meeting, events_of, kinds, of, time};

fn path(session: &str) -> String {
    of(session, "lab-tests")
}

fn tests() -> Value {
    json!({
        "recommendations": [
            {"test_name": "CBC", "priority": "routine", "instructions": "Fasting 8hrs"},
            {"test_name": "HbA1c"},
        ],
        "notes": "Get done within 1 week",
    })
}

#[tokio::test]
async fn they_are_recommended_once_and_read_by_both() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.doctor.get(&path(&id)).await.refused_plainly(404);
    let written = m.doctor.post(&path(&id), tests()).await.expect(201);
    time(&written["created_at"]);
    assert_eq!(
        written,
        json!({
            "id": written["id"], "connect_session_id": id, "doctor_id": m.doctor.id, "patient_id": m.patient.id,
            "recommendations": [
                {"test_name": "CBC", "priority": "routine", "instructions": "Fasting 8hrs"},
                {"test_name": "HbA1c", "priority": "routine", "instructions": null},
            ],
            "notes": "Get done within 1 week",
            "created_at": written["created_at"], "updated_at": written["created_at"],
        })
    );
    for client in [&m.patient, &m.doctor] {
        assert_eq!(client.get(&path(&id)).await.expect(200), written);
    }
    m.doctor.post(&path(&id), tests()).await.refused(409, "LAB_TESTS_EXIST");
    let events = events_of(&m.patient, "labtests.recommended").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["session_id"], json!(id));
    assert_eq!(events[0]["data"], json!({"session_id": id, "lab_tests_id": written["id"], "doctor_id": m.doctor.id}));
    assert!(!kinds(&m.doctor).await.iter().any(|kind| kind.starts_with("labtests")));
    assert_eq!(m.app.audited("lab_tests.create", m.patient.id).await, 1);
    assert_eq!(m.app.audited("lab_tests.read", m.patient.id).await, 2);
    let sessions = m.doctor.get("doctors/me/sessions").await.expect(200);
    assert_eq!(
        (&sessions["items"][0]["has_lab_tests"], &sessions["items"][0]["has_prescription"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn replacing_them_tells_the_patient_and_the_same_again_does_not() {
    let m = Meeting::start().await;
    let id = m.ended().await;
    m.doctor.put(&path(&id), tests()).await.refused_plainly(404);
    let first = m.doctor.post(&path(&id), tests()).await.expect(201);
    m.app.advance(chrono::TimeDelta::minutes(5));
    assert_eq!(m.doctor.put(&path(&id), tests()).await.expect(200), first);
    let body = json!({"recommendations": [{"test_name": "Troponin I", "priority": "stat"}]});
    let second = m.doctor.put(&path(&id), body).await.expect(200);
    assert_eq!(keys(&second), keys(&first));
    assert_eq!((&second["id"], &second["created_at"]), (&first["id"], &first["created_at"]));
    assert_eq!((&second["recommendations"][0]["priority"], &second["notes"]), (&json!("stat"), &Value::Null));
    assert!(time(&second["updated_at"]) > time(&first["updated_at"]));
    assert_eq!(m.patient.get(&path(&id)).await.expect(200), second);
    assert_eq!(events_of(&m.patient, "labtests.updated").await.len(), 1);
    assert_eq!(m.app.audited("lab_tests.replace", m.patient.id).await, 1);
}

#[tokio::test]
async fn they_need_a_consultation_that_was_held() {
    let m = Meeting::start().await;
    let refuse = async |id: &str, status: &str| {
        let extra = json!({"current_status": status});
        m.doctor.post(&path(id), tests()).await.refused_with(409, "INVALID_SESSION_STATE", &extra);
        m.doctor.put(&path(id), tests()).await.refused_with(409, "INVALID_SESSION_STATE", &extra);
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
    let first = m.doctor.post_once(&path(&id), "lab-1", tests()).await.expect(201);
    assert_eq!(m.doctor.post_once(&path(&id), "lab-1", tests()).await.expect(201), first);
    let other = json!({"recommendations": [{"test_name": "CBC"}]});
    m.doctor.post_once(&path(&id), "lab-1", other).await.refused(409, "IDEMPOTENCY_MISMATCH");
    m.doctor.post_once(&path(&id), "lab-2", tests()).await.refused(409, "LAB_TESTS_EXIST");
    assert_eq!(events_of(&m.patient, "labtests.recommended").await.len(), 1);
}

#[tokio::test]
async fn strangers_wrong_roles_and_wrong_input() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.doctor.post(&path(&id), tests()).await.expect(201);
    let [patient, doctor] = m.strangers().await;
    let admin = m.app.admin().await;
    patient.get(&path(&id)).await.refused_plainly(404);
    doctor.get(&path(&id)).await.refused_plainly(404);
    doctor.post(&path(&id), tests()).await.refused_plainly(404);
    doctor.put(&path(&id), tests()).await.refused_plainly(404);
    for client in [&m.patient, &admin] {
        client.post(&path(&id), tests()).await.refused(403, "WRONG_ROLE");
        client.put(&path(&id), tests()).await.refused(403, "WRONG_ROLE");
    }
    admin.get(&path(&id)).await.refused(403, "WRONG_ROLE");
    m.app.nobody().get(&path(&id)).await.refused_plainly(401);
    m.app.nobody().post(&path(&id), tests()).await.refused_plainly(401);
    m.app.nobody().put(&path(&id), tests()).await.refused_plainly(401);
    m.doctor.get(&path(&Uuid::new_v4().to_string())).await.refused_plainly(404);

    let refuse = async |body: Value, failures: &[&str]| {
        m.doctor.post(&path(&id), body.clone()).await.invalid(failures);
        m.doctor.put(&path(&id), body).await.invalid(failures);
    };
    refuse(json!({}), &["body.recommendations missing"]).await;
    refuse(json!({"recommendations": []}), &["body.recommendations too_short"]).await;
    let many: Vec<Value> = (0..51).map(|_| json!({"test_name": "A"})).collect();
    refuse(json!({"recommendations": many}), &["body.recommendations too_long"]).await;
    let body = json!({
        "recommendations": [{"test_name": "a".repeat(201), "priority": "soon", "instructions": "a".repeat(1_001)}, {}],
        "notes": "a".repeat(4_001),
    });
    refuse(
        body,
        &[
            "body.recommendations.0.test_name string_too_long",
            "body.recommendations.0.priority enum",
            "body.recommendations.0.instructions string_too_long",
            "body.recommendations.1.test_name missing",
            "body.notes string_too_long",
        ],
    )
    .await;
    let body = json!({"recommendations": [{"test_name": "  "}, {"test_name": 5}]});
    let blank = "body.recommendations.0.test_name string_pattern_mismatch";
    refuse(body, &[blank, "body.recommendations.1.test_name string_type"]).await;
}
