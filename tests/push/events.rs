//! Which event rings whose devices, with what in it (connect-v2 §5).

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{Days, TimeDelta};
use consilium::jobs::{reminders, sweeper};
use consilium_storage::push::PUSHES;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{DOCTOR, PATIENT, device, events, expect, last, meeting, rung, settled, waiting};
use crate::support::client::keys;
use crate::support::meeting::{Meeting, accept, of, say, text, time};

#[tokio::test]
async fn a_request_rings_every_device_of_its_doctor_until_it_lapses() {
    let m = meeting().await;
    device(&m.doctor, "doctor-tablet").await;
    let session = m.requested().await;
    for token in [DOCTOR, "doctor-tablet"] {
        expect(&m.app, token, &["session.requested"]).await;
    }
    let item = last(&m.app, DOCTOR).await;
    assert_eq!((&item["channel"], &item["to"], &item["code"]), (&json!("push"), &json!(DOCTOR), &Value::Null));
    assert_eq!(item["subject"], "A patient asks for you");
    let data = &item["data"];
    assert_eq!(keys(data), ["event", "event_id", "expires_at", "sent_at", "session_id"]);
    assert_eq!(data["session_id"], session);
    assert!(uuid::Uuid::parse_str(text(&data["event_id"])).is_ok());
    let requests = m.doctor.get("connect/sessions/requests").await.expect(200);
    assert_eq!(time(&data["expires_at"]), time(&requests["items"][0]["expires_at"]));
    assert!(time(&data["sent_at"]) <= m.app.app.now());
    assert_eq!(events(&m.app, PATIENT).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_request_and_what_becomes_of_it() {
    let m = meeting().await;
    let mut of_doctor = Vec::new();
    let mut of_patient = Vec::new();
    for (end, doctor, patient) in [
        ("reject", vec!["session.requested"], vec!["session.rejected"]),
        ("cancel", vec!["session.requested", "session.cancelled"], vec![]),
        ("lapse", vec!["session.requested", "session.expired"], vec!["session.expired"]),
    ] {
        let session = m.requested().await;
        of_doctor.push("session.requested");
        expect(&m.app, DOCTOR, &of_doctor).await;
        match end {
            "reject" => drop(m.doctor.act(&of(&session, "reject")).await.expect(200)),
            "cancel" => drop(m.patient.act(&of(&session, "cancel")).await.expect(200)),
            _ => {
                super::pass(&m.app, TimeDelta::seconds(1801)).await;
                sweeper::expire(&m.app.app).await.unwrap();
            }
        }
        of_doctor.extend(doctor.into_iter().skip(1));
        of_patient.extend(patient);
        expect(&m.app, DOCTOR, &of_doctor).await;
        expect(&m.app, PATIENT, &of_patient).await;
    }
}

#[tokio::test]
async fn a_consultation_rings_the_other_party() {
    let m = meeting().await;
    let session = m.requested().await;
    accept(&m.doctor, &session).await;
    settled(&m.app).await;
    expect(&m.app, PATIENT, &["session.accepted"]).await;
    m.patient.post("connect/call-sessions", json!({"connect_session_id": session})).await.expect(201);
    expect(&m.app, DOCTOR, &["session.requested", "call.started"]).await;
    let call = last(&m.app, DOCTOR).await["data"].clone();
    assert_eq!(keys(&call), ["call_session_id", "event", "event_id", "expires_at", "sent_at", "session_id"]);
    assert!(time(&call["expires_at"]) - time(&call["sent_at"]) <= TimeDelta::seconds(45));
    m.doctor.act(&of(&session, "video-permission/allow")).await.expect(200);
    expect(&m.app, PATIENT, &["session.accepted", "video.permission"]).await;
    m.patient.act(&of(&session, "video-permission/accept")).await.expect(200);
    expect(&m.app, DOCTOR, &["session.requested", "call.started", "video.permission"]).await;
    // The end takes the permission back, which is no push of its own.
    m.doctor.act(&of(&session, "end")).await.expect(200);
    expect(&m.app, PATIENT, &["session.accepted", "session.ended", "video.permission"]).await;
    settled(&m.app).await;
    assert_eq!(events(&m.app, DOCTOR).await, ["call.started", "session.requested", "video.permission"]);

    let session = m.ongoing().await;
    m.patient.act(&of(&session, "end")).await.expect(200);
    expect(
        &m.app,
        DOCTOR,
        &["session.requested", "call.started", "video.permission", "session.requested", "session.ended"],
    )
    .await;
}

#[tokio::test]
async fn a_consultation_that_ends_by_itself_rings_both() {
    let m = meeting().await;
    let session = m.ongoing().await;
    m.doctor.act(&of(&session, "video-permission/allow")).await.expect(200);
    expect(&m.app, PATIENT, &["session.accepted", "video.permission"]).await;
    super::pass(&m.app, TimeDelta::hours(3)).await;
    sweeper::end_idle(&m.app.app).await.unwrap();
    expect(&m.app, PATIENT, &["session.accepted", "video.permission", "session.ended"]).await;
    expect(&m.app, DOCTOR, &["session.requested", "session.ended"]).await;
}

#[tokio::test]
async fn a_hang_up_that_takes_the_camera_back_is_no_push() {
    let m = meeting().await;
    let session = m.ongoing().await;
    let call = m.doctor.post("connect/call-sessions", json!({"connect_session_id": session})).await.expect(201);
    m.doctor.act(&of(&session, "video-permission/allow")).await.expect(200);
    expect(&m.app, PATIENT, &["session.accepted", "call.started", "video.permission"]).await;
    m.doctor.act(&format!("connect/call-sessions/{}/end", text(&call["id"]))).await.expect(200);
    settled(&m.app).await;
    assert_eq!(events(&m.app, PATIENT).await, ["call.started", "session.accepted", "video.permission"]);
    assert_eq!(events(&m.app, DOCTOR).await, ["session.requested"]);
}

#[tokio::test]
async fn a_message_rings_who_is_not_connected() {
    let m = meeting().await;
    let session = m.ongoing().await;
    settled(&m.app).await;
    let message = say(&m.patient, &session, "the pain is back").await;
    expect(&m.app, DOCTOR, &["session.requested", "message.new"]).await;
    let data = last(&m.app, DOCTOR).await["data"].clone();
    assert_eq!(keys(&data), ["event", "event_id", "message_id", "sent_at", "session_id"]);
    assert_eq!((&data["message_id"], &data["session_id"]), (&message["id"], &json!(session)));
    settled(&m.app).await;
    assert_eq!(events(&m.app, PATIENT).await, ["session.accepted"], "not the sender's");
}

#[tokio::test]
async fn a_message_to_who_is_connected_waits_and_is_dropped() {
    let m = meeting().await;
    let session = m.ongoing().await;
    settled(&m.app).await;
    let socket = m.doctor.socket(None).await;
    say(&m.patient, &session, "hello").await;
    // Looked at and put off: the connection may be dead without anybody knowing.
    let put_off = async || {
        let waiting = waiting(&m.app).await;
        assert_eq!(waiting.len(), 1);
        waiting[0].due_at > m.app.app.now() && waiting[0].attempts == 0
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !put_off().await {
        assert!(Instant::now() < deadline, "{:?}", waiting(&m.app).await);
        sleep(Duration::from_millis(10)).await;
    }
    super::pass(&m.app, TimeDelta::seconds(61)).await;
    settled(&m.app).await;
    assert_eq!(events(&m.app, DOCTOR).await, ["session.requested"]);
    socket.close().await;
}

#[tokio::test]
async fn a_message_to_a_connection_that_died_rings_unless_it_was_delivered() {
    let m = meeting().await;
    let session = m.ongoing().await;
    expect(&m.app, DOCTOR, &["session.requested"]).await;
    for (delivered, expected) in [(false, 2), (true, 2)] {
        let socket = m.doctor.socket(None).await;
        let message = say(&m.patient, &session, "are you there?").await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while waiting(&m.app).await.iter().any(|job| job.due_at <= m.app.app.now()) {
            assert!(Instant::now() < deadline, "{:?}", waiting(&m.app).await);
            sleep(Duration::from_millis(10)).await;
        }
        if delivered {
            let body = json!({"message_ids": [message["id"]]});
            m.doctor.post(&of(&session, "messages/delivered"), body).await.expect(200);
        }
        socket.close().await;
        crate::support::meeting::until("the connection is gone", || m.app.app.engine.hub().is_empty()).await;
        super::pass(&m.app, TimeDelta::seconds(61)).await;
        settled(&m.app).await;
        assert_eq!(rung(&m.app, DOCTOR).await.len(), expected, "delivered: {delivered}");
    }
}

#[tokio::test]
async fn follow_ups_and_reviews_ring() {
    let m = Meeting::start_with(|config| config.ttl.inbox_retention = TimeDelta::days(30)).await;
    let m = super::with_devices(m).await;
    let session = m.ended().await;
    expect(&m.app, PATIENT, &["session.accepted", "session.ended"]).await;
    expect(&m.app, DOCTOR, &["session.requested"]).await;
    let day = m.app.app.now().date_naive();
    let body = json!({"scheduled_date": day + Days::new(7), "scheduled_time": "10:30:00"});
    let mut of_patient = vec!["session.accepted", "session.ended"];
    let mut of_doctor = vec!["session.requested"];
    let followup = m.doctor.post(&of(&session, "followup"), body).await.expect(201);
    let path = |rest: &str| format!("followups/{}/{rest}", text(&followup["id"]));
    of_patient.push("followup.scheduled");
    expect(&m.app, PATIENT, &of_patient).await;
    let data = last(&m.app, PATIENT).await["data"].clone();
    assert_eq!(keys(&data), ["doctor_id", "event", "event_id", "followup_id", "sent_at", "session_id"]);
    assert_eq!(data["followup_id"], followup["id"]);
    let other = json!({"action": "reschedule", "proposed_date": day + Days::new(9), "proposed_time": "09:00:00"});
    m.patient.post(&path("respond"), other).await.expect(200);
    of_doctor.push("followup.rescheduled");
    expect(&m.app, DOCTOR, &of_doctor).await;
    let agreed = m.doctor.post(&path("respond-to-proposal"), json!({"accept": true})).await.expect(200);
    of_patient.push("followup.accepted");
    expect(&m.app, PATIENT, &of_patient).await;
    super::pass(&m.app, time(&agreed["scheduled_at"]) - TimeDelta::hours(2) - m.app.app.now()).await;
    reminders::send(&m.app.app).await.unwrap();
    of_patient.extend(["followup.reminder", "review.reminder"]);
    of_doctor.push("followup.reminder");
    expect(&m.app, PATIENT, &of_patient).await;
    expect(&m.app, DOCTOR, &of_doctor).await;
    m.patient.post(&path("cancel"), json!({"reason": "feeling better"})).await.expect(200);
    of_doctor.push("followup.cancelled");
    expect(&m.app, DOCTOR, &of_doctor).await;
    let review = m.patient.post("reviews", json!({"session_id": session, "rating": 5})).await.expect(201);
    of_doctor.push("review.submitted");
    expect(&m.app, DOCTOR, &of_doctor).await;
    let reply = format!("doctors/me/reviews/{}/reply", text(&review["id"]));
    m.doctor.post(&reply, json!({"text": "Thank you"})).await.expect(201);
    of_patient.push("review.reply");
    expect(&m.app, PATIENT, &of_patient).await;
    settled(&m.app).await;
    assert_eq!(rung(&m.app, PATIENT).await.len(), of_patient.len());
}

#[tokio::test]
async fn who_waits_for_a_doctor_is_rung_once() {
    let m = meeting().await;
    let [other, _] = m.strangers().await;
    device(&other, "other-phone").await;
    let offline = json!({"presence_status": "offline"});
    let online = json!({"presence_status": "online"});
    m.doctor.patch("doctors/me/presence", offline.clone()).await.expect(200);
    for patient in [&m.patient, &other] {
        patient.act(&format!("doctors/{}/notify-me", m.doctor.id)).await.expect(200);
    }
    for _ in 0..3 {
        m.doctor.patch("doctors/me/presence", online.clone()).await.expect(200);
        // Nobody is told of a doctor who is gone again by then.
        for token in [PATIENT, "other-phone"] {
            expect(&m.app, token, &["doctor.available"]).await;
        }
        m.doctor.patch("doctors/me/presence", offline.clone()).await.expect(200);
    }
    for token in [PATIENT, "other-phone"] {
        let data = last(&m.app, token).await["data"].clone();
        assert_eq!(keys(&data), ["doctor_id", "event", "event_id", "sent_at"]);
        assert_eq!(data["doctor_id"], json!(m.doctor.id));
    }
    // By the other switch, and only those who asked again.
    m.patient.act(&format!("doctors/{}/notify-me", m.doctor.id)).await.expect(200);
    m.doctor.patch("doctors/me/availability", json!({"online": true})).await.expect(200);
    expect(&m.app, PATIENT, &["doctor.available", "doctor.available"]).await;
    settled(&m.app).await;
    assert_eq!(events(&m.app, "other-phone").await, ["doctor.available"]);
}

#[tokio::test]
async fn a_wish_that_came_just_in_time_is_heard() {
    let m = meeting().await;
    m.doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    // As if the doctor had come online while the wish was being written.
    let mut conn = m.app.app.conn().await.unwrap();
    let now = m.app.app.now();
    consilium_storage::connect::doctors::favourites::watch(&mut conn, m.patient.id, m.doctor.id, now).await.unwrap();
    drop(conn);
    consilium::jobs::watchers::look(&m.app.app).await.unwrap();
    expect(&m.app, PATIENT, &["doctor.available"]).await;
}

#[tokio::test]
async fn news_for_all_patients_reach_each_of_their_devices() {
    let m = meeting().await;
    let id = uuid::Uuid::now_v7();
    let mut tokens = vec![PATIENT.to_owned()];
    for number in 0..30 {
        let patient = m.app.patient().await;
        let token = format!("phone-{number}");
        device(&patient, &token).await;
        tokens.push(token);
    }
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push_to_all_patients("community.article", &[("article_id", id)]);
    m.app.app.commit(tx).await.unwrap();
    for token in &tokens {
        expect(&m.app, token, &["community.article"]).await;
        assert_eq!(last(&m.app, token).await["data"]["article_id"], json!(id));
    }
    settled(&m.app).await;
    assert_eq!(events(&m.app, DOCTOR).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_disabled_account_is_not_rung() {
    let m = meeting().await;
    let admin = m.app.admin().await;
    admin.patch(&format!("doctors/{}", m.doctor.id), json!({"is_active": false})).await.expect(200);
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("review.submitted", &[m.doctor.id], &[]);
    m.app.app.commit(tx).await.unwrap();
    settled(&m.app).await;
    assert_eq!(events(&m.app, DOCTOR).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_change_that_is_undone_rings_nobody() {
    let m = meeting().await;
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("review.submitted", &[m.doctor.id], &[]);
    tx.rollback().await.unwrap();
    assert!(waiting(&m.app).await.is_empty());
}

/// All 29: whatever an event is about, the phone shows a constant and the app gets ids.
#[tokio::test]
async fn no_push_says_anything_of_the_matter() {
    let m = meeting().await;
    let id = uuid::Uuid::now_v7();
    let ids: Vec<(&'static str, uuid::Uuid)> =
        PUSHES.iter().map(|push| push.group.1).collect::<BTreeSet<_>>().into_iter().map(|name| (name, id)).collect();
    let mut tx = m.app.app.begin().await.unwrap();
    for push in &PUSHES {
        tx.push(push.event, &[m.patient.id, m.doctor.id], &ids);
    }
    m.app.app.commit(tx).await.unwrap();
    settled(&m.app).await;
    let mut seen = BTreeSet::new();
    for token in [PATIENT, DOCTOR] {
        for item in rung(&m.app, token).await {
            let line = PUSHES.iter().find(|push| item["data"]["event"] == push.event).unwrap();
            assert_eq!((&item["subject"], &item["body"]), (&json!(line.title), &json!(line.body)));
            for (name, value) in item["data"].as_object().unwrap() {
                let value = text(value);
                let is_time = matches!(name.as_str(), "sent_at" | "expires_at")
                    && time(&json!(value)) > m.app.app.now() - TimeDelta::hours(1);
                let is_id = name.ends_with("_id") && uuid::Uuid::parse_str(value).is_ok();
                assert!(is_time || is_id || (name == "event" && value == line.event), "{}: {name} {value}", line.event);
            }
            seen.insert(line.event);
        }
    }
    assert_eq!(seen.len(), 29);
}
