//! A doctor's performance.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use consilium::connect::analytics::periods::DateRange;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::meeting::{Meeting, accept, of, request, time};

const PATH: &str = "analytics/doctor/performance";

async fn held(m: &Meeting, patient: &Client, seconds: i64) -> String {
    let id = request(patient, &m.doctor).await;
    accept(&m.doctor, &id).await;
    m.app.advance(TimeDelta::seconds(seconds));
    m.doctor.act(&of(&id, "end")).await.expect(200);
    id
}

#[track_caller]
fn has(shown: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key} in {shown}");
    }
}

#[tokio::test]
async fn everything_is_counted_once_and_nothing_of_others() {
    let m = Meeting::start().await;
    let [other_patient, other_doctor] = m.strangers().await;
    let first = held(&m, &m.patient, 100).await;
    let all = [first.clone(), held(&m, &m.patient, 61).await, held(&m, &other_patient, 30).await];
    let (mut seconds, mut billed) = (0, 0);
    for id in &all {
        let session = m.doctor.get(&format!("connect/sessions/{id}")).await.expect(200);
        seconds += session["duration_seconds"].as_i64().unwrap();
        billed += session["amount"].as_i64().unwrap();
    }
    assert!(seconds >= 191 && billed >= 2500, "{seconds} {billed}");
    m.closed("REJECTED").await;
    m.closed("CANCELLED").await;
    m.requested().await;
    m.doctor
        .post(&of(&first, "prescription"), json!({"medications": [{"name": "x", "dosage": "y"}]}))
        .await
        .expect(201);
    m.doctor.post(&of(&first, "followup"), json!({"scheduled_date": "2090-01-01"})).await.expect(201);
    m.patient.post("reviews", json!({"session_id": first, "rating": 4.25})).await.expect(201);
    let counted = json!({
        "date_range": "all_time", "timezone": "UTC", "from": null, "total_requests": 6, "accepted": 3, "rejected": 1,
        "missed": 0, "completed_sessions": 3, "acceptance_rate": 0.75, "total_duration_seconds": seconds,
        "average_duration_seconds": (seconds as f64 / 3.0).round() as i64, "unique_patients": 2, "followups_scheduled": 1, "prescriptions_issued": 1,
        "average_rating": 4.3, "total_reviews": 1, "earnings": billed,
    });
    let shown = m.doctor.get(PATH).await.expect(200);
    has(&shown, &counted);
    assert!((m.app.app.now() - time(&shown["to"])).num_seconds() < 60, "up to now");
    // The open request lapses, and is missed before anybody has swept it.
    m.app.advance(TimeDelta::seconds(1801));
    has(&m.doctor.get(PATH).await.expect(200), &json!({"missed": 1, "acceptance_rate": 0.6}));

    let nothing = json!({
        "total_requests": 0, "accepted": 0, "rejected": 0, "missed": 0, "completed_sessions": 0, "acceptance_rate": null,
        "total_duration_seconds": 0, "average_duration_seconds": null, "unique_patients": 0, "followups_scheduled": 0,
        "prescriptions_issued": 0, "average_rating": null, "total_reviews": 0, "earnings": 0,
    });
    has(&other_doctor.get(PATH).await.expect(200), &nothing);
}

#[tokio::test]
async fn periods_begin_in_the_doctors_zone() {
    let m = Meeting::start().await;
    held(&m, &m.patient, 60).await;
    m.app.advance(TimeDelta::days(8));
    held(&m, &m.patient, 60).await;
    let now: DateTime<Utc> = m.app.app.now();
    let ended = [now - TimeDelta::days(8), now];
    for (word, range) in
        [("today", DateRange::Today), ("week", DateRange::Week), ("month", DateRange::Month), ("year", DateRange::Year)]
    {
        for zone in [Tz::UTC, Tz::Asia__Kolkata, Tz::Pacific__Kiritimati, Tz::America__New_York] {
            let shown = m.doctor.get(&format!("{PATH}?date_range={word}&timezone={}", zone.name())).await.expect(200);
            let from = range.start(now, zone).unwrap();
            let within = ended.iter().filter(|ended| **ended >= from).count();
            let expected = json!({"date_range": word, "timezone": zone.name(), "completed_sessions": within});
            // A midnight may pass between the two looks.
            if time(&shown["from"]) == from {
                has(&shown, &expected);
            }
        }
    }
    has(&m.doctor.get(&format!("{PATH}?date_range=all_time")).await.expect(200), &json!({"completed_sessions": 2}));
}

#[tokio::test]
async fn what_is_refused() {
    let m = Meeting::start().await;
    for query in ["timezone=Mars/Olympus", "timezone=", "date_range=decade", "date_range=TODAY"] {
        assert_eq!(m.doctor.get(&format!("{PATH}?{query}")).await.status, 422, "{query}");
    }
    m.patient.get(PATH).await.refused(403, "WRONG_ROLE");
    m.app.admin().await.get(PATH).await.refused(403, "WRONG_ROLE");
}
