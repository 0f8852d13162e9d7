//! A patient's figures, for the patient and for admins.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::meeting::{Meeting, accept, of, request, text};

/// What the patient sees, which is what an admin sees of the patient.
async fn shown(m: &Meeting, patient: &Client, rest: &str) -> Value {
    let own = patient.get(&format!("analytics/user/{rest}")).await.expect(200);
    let admin = m.app.admin().await;
    assert_eq!(admin.get(&format!("admin/users/{}/analytics/{rest}", patient.id)).await.expect(200), own);
    own
}

#[tokio::test]
async fn counters_count_what_was_held() {
    let m = Meeting::start().await;
    let none = json!({"sessions_count": 0, "followups_count": 0, "bmi": 23.7, "doctors_consulted_count": 0});
    assert_eq!(shown(&m, &m.patient, "overview").await, none);
    for _ in 0..2 {
        m.ended().await;
    }
    let [stranger, other_doctor] = m.strangers().await;
    let id = request(&m.patient, &other_doctor).await;
    accept(&other_doctor, &id).await;
    m.patient.act(&of(&id, "end")).await.expect(200);
    other_doctor.post(&of(&id, "followup"), json!({"scheduled_date": "2090-01-01"})).await.expect(201);
    // What was not held, and what others did, counts for nothing.
    m.closed("REJECTED").await;
    m.closed("CANCELLED").await;
    let theirs = request(&stranger, &m.doctor).await;
    accept(&m.doctor, &theirs).await;
    m.doctor.act(&of(&theirs, "end")).await.expect(200);
    m.ongoing().await;
    let some = json!({"sessions_count": 3, "followups_count": 1, "bmi": 23.7, "doctors_consulted_count": 2});
    assert_eq!(shown(&m, &m.patient, "overview").await, some);
    let fresh = m.app.new_patient().await;
    assert_eq!(shown(&m, &fresh, "overview").await["bmi"], Value::Null);
    assert_eq!(m.app.audited("analytics.overview", m.patient.id).await, 4, "the patient's and the admin's looks");
}

#[tokio::test]
async fn the_history_has_every_session_of_the_patient_and_no_other() {
    let m = Meeting::start().await;
    let rejected = m.closed("REJECTED").await;
    m.app.advance(TimeDelta::seconds(1));
    let ended = m.ongoing().await;
    m.app.advance(TimeDelta::seconds(2227));
    m.doctor.act(&of(&ended, "end")).await.expect(200);
    m.doctor
        .post(&of(&ended, "prescription"), json!({"medications": [{"name": "x", "dosage": "y"}]}))
        .await
        .expect(201);
    m.patient.post("reviews", json!({"session_id": ended, "rating": 4.5})).await.expect(201);
    let [stranger, _] = m.strangers().await;
    request(&stranger, &m.doctor).await;
    let lapsed = m.closed("EXPIRED").await;

    let page = shown(&m, &m.patient, "sessions").await;
    assert_eq!(
        (&page["total"], &page["limit"], &page["offset"], &page["has_more"]),
        (&json!(3), &json!(20), &json!(0), &json!(false))
    );
    let ids = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|one| text(&one["session_id"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&page), [lapsed.clone(), ended.clone(), rejected.clone()], "newest first");
    let visit = &page["items"][1];
    let doctor = m.app.nobody().get(&format!("doctors/{}", m.doctor.id)).await.expect(200);
    let line = json!({"id": m.doctor.id, "full_name": doctor["full_name"], "speciality_category": "Urology", "avatar_url": null});
    assert_eq!(visit["doctor"], line);
    let detail = m.patient.get(&format!("connect/sessions/{ended}")).await.expect(200);
    for (key, same) in [
        ("status", "status"),
        ("category", "category"),
        ("requested_at", "created_at"),
        ("started_at", "started_at"),
        ("ended_at", "ended_at"),
        ("duration_seconds", "duration_seconds"),
        ("duration_display", "duration_display"),
        ("amount", "amount"),
    ] {
        assert_eq!(visit[key], detail[same], "{key}");
    }
    assert!(text(&visit["duration_display"]).starts_with("37m"), "{visit}");
    let marks =
        |visit: &Value| ["has_prescription", "has_lab_tests", "has_followup", "rating"].map(|key| visit[key].clone());
    assert_eq!(marks(visit), [json!(true), json!(false), json!(false), json!(4.5)]);
    assert_eq!(marks(&page["items"][0]), [json!(false), json!(false), json!(false), Value::Null]);
    assert_eq!(page["items"][0]["status"], "EXPIRED", "also before the sweep");

    for (status, expected) in [("ENDED", &ended), ("REJECTED", &rejected), ("EXPIRED", &lapsed)] {
        let page = shown(&m, &m.patient, &format!("sessions?status={status}")).await;
        assert_eq!((ids(&page), &page["total"]), (vec![expected.clone()], &json!(1)), "{status}");
    }
    assert_eq!(shown(&m, &m.patient, "sessions?status=REQUESTED").await["total"], 0);
    let second = shown(&m, &m.patient, "sessions?limit=1&offset=1").await;
    assert_eq!((ids(&second), &second["total"], &second["has_more"]), (vec![ended.clone()], &json!(3), &json!(true)));
    let past = shown(&m, &m.patient, "sessions?offset=10").await;
    assert_eq!((&past["items"], &past["total"], &past["has_more"]), (&json!([]), &json!(3), &json!(false)));
}

#[tokio::test]
async fn what_is_refused() {
    let m = Meeting::start().await;
    let admin = m.app.admin().await;
    for query in ["limit=0", "limit=101", "offset=-1", "status=NOTHING", "limit=x"] {
        assert_eq!(m.patient.get(&format!("analytics/user/sessions?{query}")).await.status, 422, "{query}");
        let path = format!("admin/users/{}/analytics/sessions?{query}", m.patient.id);
        assert_eq!(admin.get(&path).await.status, 422, "{query}");
    }
    for rest in ["overview", "sessions"] {
        // Nobody, and a doctor, who is no patient.
        for id in [Uuid::new_v4().to_string(), m.doctor.id.to_string()] {
            admin.get(&format!("admin/users/{id}/analytics/{rest}")).await.refused_plainly(404);
        }
        let path = format!("admin/users/{}/analytics/{rest}", m.patient.id);
        m.patient.get(&path).await.refused(403, "WRONG_ROLE");
        m.doctor.get(&format!("analytics/user/{rest}")).await.refused(403, "WRONG_ROLE");
    }
}
