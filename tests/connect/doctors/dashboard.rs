//! The doctor's head figures and sessions (18 to 20).

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Client, keys};

async fn ended_session(patient: &Client, doctor: &Client) -> String {
    let asked = patient.post("connect/sessions", json!({"target_doctor_id": doctor.id, "symptoms": ["cough"]}));
    let id = asked.await.expect(201)["session_id"].as_str().unwrap().to_owned();
    doctor.act(&format!("connect/sessions/{id}/accept")).await.expect(200);
    doctor.act(&format!("connect/sessions/{id}/end")).await.expect(200);
    id
}

#[tokio::test]
async fn the_head_figures() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    ended_session(&patient, &doctor).await;
    patient.post("connect/sessions", json!({"target_doctor_id": doctor.id})).await.expect(201);
    let overview = doctor.get("doctors/me/overview?timezone=Asia/Kolkata").await.expect(200);
    assert_eq!(keys(&overview), ["availability", "doctor", "metrics"]);
    assert_eq!(keys(&overview["doctor"]), ["avatar_url", "id", "name", "rating", "speciality_category"]);
    assert_eq!(keys(&overview["availability"]), ["call_enabled", "chat_enabled", "is_online"]);
    assert_eq!(overview["metrics"], json!({"todays_sessions": 1, "ongoing": 0, "pending": 1, "missed": 0}));
    doctor.get("doctors/me/overview?timezone=Mars/Base").await.invalid(&["query.timezone value_error"]);
    let several = doctor.get("doctors/me/sessions/recent?timezone=&limit=0").await;
    several.invalid(&["query.timezone value_error", "query.limit greater_than_equal"]);
    patient.get("doctors/me/overview").await.refused(403, "WRONG_ROLE");
    app.nobody().get("doctors/me/overview").await.refused_plainly(401);
    // A request nobody answered is missed, not pending.
    app.advance(chrono::TimeDelta::minutes(14));
    let stranger = app.doctor().await;
    assert_eq!(
        stranger.get("doctors/me/overview").await.expect(200)["metrics"],
        json!({"todays_sessions": 0, "ongoing": 0, "pending": 0, "missed": 0})
    );
}

#[tokio::test]
async fn own_sessions_and_nobody_elses() {
    let app = TestApp::start().await;
    let (patient, doctor, other) = (app.patient().await, app.doctor().await, app.doctor().await);
    let first = ended_session(&patient, &doctor).await;
    let second = ended_session(&patient, &doctor).await;
    ended_session(&patient, &other).await;
    let page = doctor.get("doctors/me/sessions").await.expect(200);
    assert_eq!(keys(&page), ["has_more", "items", "limit", "offset", "total"]);
    assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(2), &json!(50), &json!(0)));
    let ids: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|item| &item["session_id"]).collect();
    assert_eq!(ids, [&second, &first]);
    let item = &page["items"][0];
    assert_eq!(keys(&item["patient"]), ["age", "avatar_url", "gender", "id", "name"]);
    assert_eq!(
        (&item["status"], &item["symptoms"], &item["rating"]),
        (&json!("ENDED"), &json!(["cough"]), &Value::Null)
    );
    assert_eq!((&item["has_followup"], &item["has_prescription"]), (&json!(false), &json!(false)));
    let one = doctor.get("doctors/me/sessions?skip=1&limit=1&status=ENDED").await.expect(200);
    assert_eq!((one["items"].as_array().unwrap().len(), &one["offset"]), (1, &json!(1)));
    assert_eq!(doctor.get("doctors/me/sessions?status=REQUESTED").await.expect(200)["total"], 0);
    assert_eq!(doctor.get("doctors/me/sessions?has_followup=true").await.expect(200)["total"], 0);
    let wrong = doctor.get("doctors/me/sessions?from_date=2026-02-02&to_date=2026-02-01").await;
    wrong.invalid(&["query.from_date value_error"]);
    let several = doctor.get("doctors/me/sessions?from_date=2026-02-02&to_date=2026-02-01&limit=0").await;
    several.invalid(&["query.from_date value_error", "query.limit greater_than_equal"]);
    doctor.get("doctors/me/sessions?from_date=2026-02-01&to_date=2026-02-01").await.expect(200);
    doctor
        .get("doctors/me/sessions?status=OPEN&limit=0")
        .await
        .invalid(&["query.limit greater_than_equal", "query.status enum"]);
    let recent = doctor.get("doctors/me/sessions/recent?limit=1&timezone=Asia/Kolkata").await.expect(200);
    assert_eq!((recent.as_array().unwrap().len(), &recent[0]["session_id"]), (1, &json!(second)));
    patient.get("doctors/me/sessions/recent").await.refused(403, "WRONG_ROLE");
}
