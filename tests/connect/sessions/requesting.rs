//! 37: a patient asks for a doctor.

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{keys, send};
use crate::support::meeting::{Meeting, inbox, kinds, of, text, time};

const PATH: &str = "connect/sessions";

#[tokio::test]
async fn a_request_answers_with_its_room_and_reaches_the_doctor() {
    let m = Meeting::start().await;
    let body = json!({
        "target_doctor_id": m.doctor.id, "category": "Urology", "symptoms": ["back pain", "fever"],
        "active_treatment": "none", "medical_history": "asthma", "rate_per_minute": 1, "unknown": true,
    });
    let answer = m.patient.post(PATH, body).await.expect(201);
    assert_eq!(keys(&answer), ["created_at", "expires_at", "livekit", "room_name", "session_id", "status"]);
    let id = text(&answer["session_id"]);
    assert!(Uuid::parse_str(id).is_ok() && id == id.to_lowercase());
    assert_eq!(answer["status"], "REQUESTED");
    assert_eq!(answer["room_name"], format!("cn-{id}"));
    assert_eq!(time(&answer["expires_at"]) - time(&answer["created_at"]), TimeDelta::minutes(30));
    let livekit = &answer["livekit"];
    assert_eq!(keys(livekit), ["expires_in", "identity", "token", "ws_url"]);
    assert_eq!(livekit["identity"], format!("patient-{}", m.patient.id));
    assert_eq!(livekit["expires_in"], 3600);
    assert_eq!(livekit["ws_url"], "ws://127.0.0.1:7880");
    assert_eq!(text(&livekit["token"]).split('.').count(), 3);

    // The event is the item of 39, for the doctor alone.
    let listed = m.doctor.get("connect/sessions/requests").await.expect(200);
    let events = inbox(&m.doctor).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["type"], "session.requested");
    assert_eq!(events[0]["session_id"], id);
    assert_eq!(events[0]["data"], listed["items"][0]);
    assert_eq!(keys(&events[0]), ["at", "cursor", "data", "session_id", "type"]);
    time(&events[0]["at"]);
    assert!(inbox(&m.patient).await.is_empty());

    // What the app thought of the price does not count.
    let detail = m.patient.get(&format!("{PATH}/{id}")).await.expect(200);
    assert_eq!(detail["rate_per_minute"], 500);
    assert_eq!(detail["active_treatment"], "none");
    assert_eq!(detail["medical_history"], "asthma");
    assert_eq!(detail["symptoms"], json!(["back pain", "fever"]));
    assert_eq!(detail["created_at"], answer["created_at"]);
    assert_eq!(detail["expires_at"], answer["expires_at"]);
}

#[tokio::test]
async fn only_signed_in_patients_ask() {
    let m = Meeting::start().await;
    let body = json!({"target_doctor_id": m.doctor.id});
    let answer = m.app.nobody().post(PATH, body.clone()).await;
    answer.refused_plainly(401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    m.doctor.post(PATH, body.clone()).await.refused(403, "WRONG_ROLE");
    // The role is looked at before the input.
    m.app.admin().await.post(PATH, json!({})).await.refused(403, "WRONG_ROLE");
    assert!(inbox(&m.doctor).await.is_empty());
}

#[tokio::test]
async fn every_failure_of_the_input_is_reported() {
    let m = Meeting::start().await;
    m.patient.post(PATH, json!({})).await.invalid(&["body.target_doctor_id missing"]);
    m.patient.act(PATH).await.invalid(&["body missing"]);
    let broken = m.patient.request(Method::POST, PATH).header("content-type", "application/json").body("{");
    send(broken).await.invalid(&["body json_invalid"]);
    let mut symptoms = vec![json!("x"); 19];
    symptoms.extend([json!("y".repeat(201)), json!(5)]);
    let body = json!({
        "target_doctor_id": "nobody", "category": "c".repeat(101), "symptoms": symptoms,
        "active_treatment": "t".repeat(4001), "medical_history": ["h"], "rate_per_minute": -1,
    });
    m.patient.post(PATH, body).await.invalid(&[
        "body.target_doctor_id uuid_parsing",
        "body.category string_too_long",
        "body.symptoms too_long",
        "body.symptoms.19 string_too_long",
        "body.symptoms.20 string_type",
        "body.active_treatment string_too_long",
        "body.medical_history string_type",
        "body.rate_per_minute greater_than_equal",
    ]);
    let body = json!({"target_doctor_id": 7, "rate_per_minute": "500"});
    m.patient.post(PATH, body).await.invalid(&["body.rate_per_minute int_type", "body.target_doctor_id string_type"]);
    let body = json!({"target_doctor_id": m.doctor.id, "category": "a\u{0}b"});
    m.patient.post(PATH, body).await.invalid(&["body.category value_error"]);
    let body = json!({"target_doctor_id": m.doctor.id, "category": "x".repeat(1024 * 1024)});
    m.patient.post(PATH, body).await.refused(400, "BODY_TOO_LARGE");

    // The bounds themselves are fine, and so are nulls.
    let body = json!({
        "target_doctor_id": m.doctor.id, "category": "ह".repeat(100), "symptoms": vec!["ह".repeat(200); 20],
        "active_treatment": "t".repeat(4000), "medical_history": null, "rate_per_minute": null,
    });
    m.patient.post(PATH, body).await.expect(201);
}

#[tokio::test]
async fn unknown_and_unverified_doctors_are_not_there() {
    let m = Meeting::start().await;
    let unverified = m.app.doctor_like(|new| new.is_verified = false).await;
    for id in [json!(Uuid::new_v4()), json!(m.patient.id), json!(unverified.id)] {
        m.patient.post(PATH, json!({"target_doctor_id": id})).await.refused_plainly(404);
    }
}

#[tokio::test]
async fn sex_and_age_come_first() {
    let m = Meeting::start().await;
    let newcomer = m.app.new_patient().await;
    let body = json!({"target_doctor_id": m.doctor.id});
    newcomer.post(PATH, body.clone()).await.refused(409, "PROFILE_INCOMPLETE");
    // The doctor is looked for before.
    newcomer.post(PATH, json!({"target_doctor_id": Uuid::new_v4()})).await.refused_plainly(404);
    assert!(inbox(&m.doctor).await.is_empty());
}

#[tokio::test]
async fn one_open_request_per_doctor_and_one_consultation_in_all() {
    let m = Meeting::start().await;
    let [_, other] = m.strangers().await;
    let first = m.requested().await;
    let to = |doctor: &crate::support::client::Client| json!({"target_doctor_id": doctor.id});
    let answer = m.patient.post(PATH, to(&m.doctor)).await;
    answer.refused_with(409, "ACTIVE_SESSION_EXISTS", &json!({"session_id": first}));
    m.patient.post(PATH, to(&other)).await.expect(201);

    m.doctor.act(&of(&first, "accept")).await.expect(200);
    let third = m.app.doctor().await;
    for doctor in [&m.doctor, &other, &third] {
        let answer = m.patient.post(PATH, to(doctor)).await;
        answer.refused_with(409, "ACTIVE_SESSION_EXISTS", &json!({"session_id": first}));
    }
    assert_eq!(kinds(&m.doctor).await, ["session.requested", "session.accepted"]);

    // After the end the way is free again.
    m.patient.act(&of(&first, "end")).await.expect(200);
    m.patient.post(PATH, to(&m.doctor)).await.expect(201);
}

#[tokio::test]
async fn an_idempotency_key_makes_the_request_repeatable() {
    let m = Meeting::start().await;
    let body = json!({"target_doctor_id": m.doctor.id, "category": "Urology"});
    let key = "k".repeat(128);
    let first = m.patient.post_once(PATH, &key, body.clone()).await.expect(201);
    for _ in 0..3 {
        let again = m.patient.post_once(PATH, &key, body.clone()).await.expect(201);
        assert_eq!(again, first);
    }
    assert_eq!(kinds(&m.doctor).await, ["session.requested"]);
    let other = json!({"target_doctor_id": m.doctor.id, "category": "Cardiology"});
    m.patient.post_once(PATH, &key, other).await.refused(409, "IDEMPOTENCY_MISMATCH");
    m.patient.post_once(PATH, "another", body.clone()).await.refused_with(
        409,
        "ACTIVE_SESSION_EXISTS",
        &json!({"session_id": first["session_id"]}),
    );
    // Somebody else's key of the same name is another key.
    let [patient, _] = m.strangers().await;
    let theirs = patient.post_once(PATH, &key, body.clone()).await.expect(201);
    assert_ne!(theirs["session_id"], first["session_id"]);
    for bad in ["", &"k".repeat(129)] {
        m.patient.post_once(PATH, bad, body.clone()).await.invalid(&["header.idempotency-key value_error"]);
    }

    // After 24 h it is forgotten; the request has long lapsed.
    m.app.advance(TimeDelta::hours(24) + TimeDelta::seconds(5));
    let later = m.patient.post_once(PATH, &key, body).await.expect(201);
    assert_ne!(later["session_id"], first["session_id"]);
}

#[tokio::test]
async fn a_refusal_does_not_use_up_the_key() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let body = json!({"target_doctor_id": m.doctor.id});
    m.patient.post_once(PATH, "key", body.clone()).await.refused_with(
        409,
        "ACTIVE_SESSION_EXISTS",
        &json!({"session_id": id}),
    );
    m.patient.act(&of(&id, "cancel")).await.expect(200);
    let made: Value = m.patient.post_once(PATH, "key", body).await.expect(201);
    assert_ne!(made["session_id"], id);
}
