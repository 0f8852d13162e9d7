//! 30, 63, 64, 86: three doors to one follow-up.

use chrono::{Days, NaiveTime, TimeDelta};
use serde_json::{Value, json};

use super::{NO_ID, in_days, path};
use crate::support::client::keys;
use crate::support::meeting::{Meeting, events_of, of, text, time};

/// The doors of an ended session: its own, its review's and the list's. All take a body that names the session too.
async fn doors(m: &Meeting, session: &str) -> [String; 3] {
    let review = m.patient.post("reviews", json!({"session_id": session, "rating": 5})).await.expect(201);
    [of(session, "followup"), format!("doctors/me/reviews/{}/followup", text(&review["id"])), "followups/".to_owned()]
}

#[tokio::test]
async fn a_follow_up_is_scheduled_by_any_of_three_doors() {
    let m = Meeting::start().await;
    let date = in_days(&m, 7);
    let body = json!({"scheduled_date": date, "scheduled_time": "10:30:00", "scheduled_timezone": "Asia/Kolkata"});
    let session = m.ended().await;
    m.doctor.get(&of(&session, "followup")).await.refused_plainly(404);
    let made = m.doctor.post(&of(&session, "followup"), body.clone()).await.expect(201);
    let doctor = m.patient.get(&format!("doctors/{}", m.doctor.id)).await.expect(200);
    let at = (date.and_time("05:00:00".parse::<NaiveTime>().unwrap())).and_utc();
    assert_eq!(
        made,
        json!({"id": made["id"], "connect_session_id": session, "parent_session_id": null, "doctor_id": m.doctor.id,
               "patient_id": m.patient.id, "doctor_name": doctor["full_name"], "patient_name": "Test Patient",
               "scheduled_date": date, "scheduled_time": "10:30:00", "scheduled_timezone": "Asia/Kolkata",
               "scheduled_at": at, "proposed_date": null, "proposed_time": null, "status": "PENDING_PATIENT",
               "cancel_reason": null, "cancelled_by": null, "created_at": made["created_at"],
               "updated_at": made["created_at"]})
    );
    time(&made["scheduled_at"]);
    for client in [&m.patient, &m.doctor] {
        assert_eq!(client.get(&of(&session, "followup")).await.expect(200), made);
        assert_eq!(client.get(&path(&made, "")).await.expect(200), made);
    }
    let told = events_of(&m.patient, "followup.scheduled").await;
    assert_eq!((told.len(), &told[0]["data"], &told[0]["session_id"]), (1, &made, &json!(session)));
    assert!(events_of(&m.doctor, "followup.scheduled").await.is_empty());

    // By the list's own door, with the defaults: India, and a day alone.
    let parent = json!({"parent_session_id": m.ongoing().await, "scheduled_date": date});
    let day = m.doctor.post("followups/", parent.clone()).await.expect(201);
    assert_eq!((&day["scheduled_time"], &day["scheduled_timezone"]), (&Value::Null, &json!("Asia/Kolkata")));
    assert_eq!(time(&day["scheduled_at"]), (date - Days::new(1)).and_time("18:30:00".parse().unwrap()).and_utc());
    m.doctor.post("followups", parent.clone()).await.refused(409, "FOLLOWUP_EXISTS");
    m.doctor.act(&of(text(&parent["parent_session_id"]), "end")).await.expect(200);

    // By the review.
    let session = m.ended().await;
    let review = m.patient.post("reviews", json!({"session_id": session, "rating": 5})).await.expect(201);
    let door = format!("doctors/me/reviews/{}/followup", text(&review["id"]));
    let made = m.doctor.post(&door, body.clone()).await.expect(201);
    assert_eq!(made["connect_session_id"], session);
    m.doctor.post(&door, body).await.refused(409, "FOLLOWUP_EXISTS");
    assert_eq!(m.app.audited("followup.create", m.patient.id).await, 3);
    let shown = m.doctor.get("doctors/me/sessions?has_followup=true").await.expect(200);
    assert_eq!((&shown["total"], &shown["items"][0]["has_followup"]), (&json!(3), &json!(true)));
}

#[tokio::test]
async fn whose_session_and_in_which_state() {
    let m = Meeting::start().await;
    let [_, other] = m.strangers().await;
    let session = m.ended().await;
    let body = |session: &str| json!({"parent_session_id": session, "scheduled_date": in_days(&m, 3)});
    for door in &doors(&m, &session).await {
        other.post(door, body(&session)).await.refused_plainly(404);
        m.patient.post(door, body(&session)).await.refused(403, "WRONG_ROLE");
        m.app.nobody().post(door, body(&session)).await.refused_plainly(401);
    }
    for nothing in [of(NO_ID, "followup"), format!("doctors/me/reviews/{NO_ID}/followup"), "followups/".to_owned()] {
        m.doctor.post(&nothing, body(NO_ID)).await.refused_plainly(404);
    }
    // A review has an ended session.
    let refuse = async |session: &str, status: &str| {
        for door in [of(session, "followup"), "followups/".to_owned()] {
            let refused = m.doctor.post(&door, body(session)).await;
            refused.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
        }
    };
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        refuse(&m.closed(status).await, status).await;
    }
    refuse(&m.requested().await, "REQUESTED").await;
    m.doctor.post(&of(&session, "followup"), body(&session)).await.expect(201);
    for stranger in m.strangers().await {
        stranger.get(&of(&session, "followup")).await.refused_plainly(404);
    }
}

#[tokio::test]
async fn a_date_must_be_to_come_where_it_is_meant() {
    let m = Meeting::start().await;
    let session = m.ended().await;
    let doors = doors(&m, &session).await;
    let now = m.app.app.now();
    // The same minute on the clocks of three zones; today is fine until its time has passed.
    for zone in ["Pacific/Kiritimati", "Asia/Kolkata", "Pacific/Pago_Pago"] {
        let there = now.with_timezone(&zone.parse::<chrono_tz::Tz>().unwrap());
        let body = |at: chrono::DateTime<chrono_tz::Tz>, time: bool| {
            let time = time.then(|| at.format("%H:%M:%S").to_string());
            json!({"parent_session_id": session, "scheduled_date": at.date_naive(), "scheduled_time": time,
                   "scheduled_timezone": zone})
        };
        for door in &doors {
            m.doctor.post(door, body(there - TimeDelta::minutes(1), true)).await.refused(400, "DATE_IN_PAST");
            m.doctor.post(door, body(there - TimeDelta::days(1), false)).await.refused(400, "DATE_IN_PAST");
            for allowed in [body(there + TimeDelta::minutes(10), true), body(there, false)] {
                let made = m.doctor.post(door, allowed).await.expect(201);
                m.doctor.act(&path(&made, "/cancel")).await.expect(200);
            }
        }
    }
}

#[tokio::test]
async fn what_a_date_may_be() {
    let m = Meeting::start().await;
    let session = m.ended().await;
    let door = of(&session, "followup");
    m.doctor.post(&door, json!({})).await.invalid(&["body.scheduled_date missing"]);
    let nonsense = json!({"scheduled_date": "2027-02-30", "scheduled_time": "25:00:00", "scheduled_timezone": "Mars"});
    m.doctor.post(&door, nonsense).await.invalid(&[
        "body.scheduled_date date_parsing",
        "body.scheduled_time time_parsing",
        "body.scheduled_timezone value_error",
    ]);
    for time in ["10:30", "10:30:60", "10:30:00.5", "9:00:00", "noon", ""] {
        let body = json!({"scheduled_date": in_days(&m, 1), "scheduled_time": time});
        m.doctor.post(&door, body).await.invalid(&["body.scheduled_time time_parsing"]);
    }
    let types = json!({"parent_session_id": "x", "scheduled_date": 5, "scheduled_time": false});
    m.doctor.post("followups/", types).await.invalid(&[
        "body.parent_session_id uuid_parsing",
        "body.scheduled_date string_type",
        "body.scheduled_time string_type",
    ]);
    m.doctor
        .post("followups/", json!({"scheduled_date": in_days(&m, 1)}))
        .await
        .invalid(&["body.parent_session_id missing"]);
    let nulls = json!({"scheduled_date": in_days(&m, 1), "scheduled_time": null, "scheduled_timezone": null});
    let made = m.doctor.post(&door, nulls).await.expect(201);
    assert_eq!(keys(&made).len(), 18);
}

#[tokio::test]
async fn one_open_follow_up_a_session_and_the_latest_is_shown() {
    let m = Meeting::start().await;
    let session = m.ended().await;
    let door = of(&session, "followup");
    let body = json!({"scheduled_date": in_days(&m, 3)});
    let answers = futures_util::future::join_all((0..6).map(|_| m.doctor.post(&door, body.clone()))).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "FOLLOWUP_EXISTS");
    }
    assert_eq!(events_of(&m.patient, "followup.scheduled").await.len(), 1);
    let first = made[0].body.clone();
    m.patient.post(&path(&first, "/respond"), json!({"action": "accept"})).await.expect(200);
    m.doctor.post(&door, body.clone()).await.refused(409, "FOLLOWUP_EXISTS");
    m.patient.act(&path(&first, "/cancel")).await.expect(200);
    let second = m.doctor.post(&door, body.clone()).await.expect(201);
    m.patient.post(&path(&second, "/respond"), json!({"action": "reject"})).await.expect(200);
    let third = m.doctor.post(&door, body).await.expect(201);
    assert_eq!(m.patient.get(&door).await.expect(200), third);
}

#[tokio::test]
async fn a_repeated_key_gives_the_same_follow_up() {
    let m = Meeting::start().await;
    let (one, two) = (m.ended().await, m.ended().await);
    let body = json!({"scheduled_date": in_days(&m, 3)});
    let first = m.doctor.post_once(&of(&one, "followup"), "k", body.clone()).await.expect(201);
    assert_eq!(m.doctor.post_once(&of(&one, "followup"), "k", body.clone()).await.expect(201), first);
    // The path is part of what was asked.
    m.doctor.post_once(&of(&two, "followup"), "k", body.clone()).await.refused(409, "IDEMPOTENCY_MISMATCH");
    let other = json!({"scheduled_date": in_days(&m, 4)});
    m.doctor.post_once(&of(&one, "followup"), "k", other.clone()).await.refused(409, "IDEMPOTENCY_MISMATCH");
    let with = |days: u64| json!({"parent_session_id": two, "scheduled_date": in_days(&m, days)});
    let second = m.doctor.post_once("followups/", "k", with(3)).await.expect(201);
    assert_eq!(m.doctor.post_once("followups", "k", with(3)).await.expect(201), second);
    m.doctor.post_once("followups/", "k", with(4)).await.refused(409, "IDEMPOTENCY_MISMATCH");
    let review = m.patient.post("reviews", json!({"session_id": m.ended().await, "rating": 5})).await.expect(201);
    let door = format!("doctors/me/reviews/{}/followup", text(&review["id"]));
    let third = m.doctor.post_once(&door, "k", body.clone()).await.expect(201);
    assert_eq!(m.doctor.post_once(&door, "k", body).await.expect(201), third);
    m.doctor.post_once(&door, "k", other).await.refused(409, "IDEMPOTENCY_MISMATCH");
    assert_eq!(events_of(&m.patient, "followup.scheduled").await.len(), 3);
}
