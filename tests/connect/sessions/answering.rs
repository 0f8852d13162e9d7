//! 42, 43, 44: accept, reject, cancel.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Client, keys};
use crate::support::meeting::{Meeting, accept, events_of, inbox, kinds, of, request, text, time};

/// The data of an event that both parties have, with the same bytes.
async fn told_both(m: &Meeting, kind: &str, session: &str) -> Value {
    let (patients, doctors) = (events_of(&m.patient, kind).await, events_of(&m.doctor, kind).await);
    assert_eq!((patients.len(), doctors.len()), (1, 1), "{kind}");
    assert_eq!(patients[0]["data"], doctors[0]["data"]);
    assert_eq!(patients[0]["session_id"], session);
    assert_eq!(doctors[0]["session_id"], session);
    patients[0]["data"].clone()
}

#[tokio::test]
async fn accepting_starts_the_consultation_once() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let answer = accept(&m.doctor, &id).await;
    assert_eq!(keys(&answer), ["doctor_id", "livekit", "session_id", "started_at", "status"]);
    assert_eq!((&answer["session_id"], &answer["status"]), (&json!(id), &json!("ONGOING")));
    assert_eq!(answer["doctor_id"], json!(m.doctor.id));
    assert_eq!(answer["livekit"]["identity"], format!("doctor-{}", m.doctor.id));
    assert_eq!(keys(&answer["livekit"]), ["expires_in", "identity", "token", "ws_url"]);
    time(&answer["started_at"]);

    let data = told_both(&m, "session.accepted", &id).await;
    assert_eq!((&data["session_id"], &data["status"]), (&json!(id), &json!("ONGOING")));
    assert_eq!(data["started_at"], answer["started_at"]);
    assert_eq!(data["doctor_id"], json!(m.doctor.id));

    // Again, on another device: the same start, a fresh token, no event.
    let again = m.doctor_again().await.act(&of(&id, "accept")).await.expect(200);
    assert_eq!(again["started_at"], answer["started_at"]);
    assert_eq!(again["status"], "ONGOING");
    assert_eq!(text(&again["livekit"]["token"]).split('.').count(), 3);
    assert_eq!(m.kinds().await, [vec!["session.accepted"], vec!["session.requested", "session.accepted"]]);

    let video = m.doctor.get(&of(&id, "video-permission")).await.expect(200);
    assert_eq!((&video["video_permission_state"], &video["consent_round"]), (&json!("NOT_ALLOWED"), &json!(0)));
    // The patient finds it running too.
    let detail = m.patient.get(&format!("connect/sessions/{id}")).await.expect(200);
    assert_eq!((&detail["status"], &detail["started_at"]), (&json!("ONGOING"), &answer["started_at"]));
}

#[tokio::test]
async fn rejecting_and_cancelling_close_the_request_once() {
    let m = Meeting::start().await;
    for (word, status) in [("reject", "REJECTED"), ("cancel", "CANCELLED")] {
        let by: &Client = if word == "reject" { &m.doctor } else { &m.patient };
        let before = m.kinds().await;
        let id = m.requested().await;
        let closed = json!({"session_id": id, "status": status});
        assert_eq!(by.act(&of(&id, word)).await.expect(200), closed);
        // An empty object is a body like none, and a repeat changes nothing.
        assert_eq!(by.post(&of(&id, word), json!({})).await.expect(200), closed);
        let kind = format!("session.{}", status.to_lowercase());
        let data = told_both(&m, &kind, &id).await;
        assert_eq!((&data["session_id"], &data["status"]), (&json!(id), &json!(status)));
        assert_eq!(data["started_at"], Value::Null);
        let after = m.kinds().await;
        assert_eq!((after[0].len() - before[0].len(), after[1].len() - before[1].len()), (1, 2));
        let detail = m.doctor.get(&format!("connect/sessions/{id}")).await.expect(200);
        assert_eq!(detail["status"], status);
    }
}

#[tokio::test]
async fn what_is_over_or_running_is_not_answered_again() {
    let m = Meeting::start().await;
    let refuse = async |who: &Client, id: &str, word: &str, status: &str| {
        let answer = who.act(&of(id, word)).await;
        answer.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": status}));
    };
    let ended = m.ended().await;
    refuse(&m.doctor, &ended, "accept", "ENDED").await;
    refuse(&m.doctor, &ended, "reject", "ENDED").await;
    refuse(&m.patient, &ended, "cancel", "ENDED").await;
    let rejected = m.closed("REJECTED").await;
    refuse(&m.doctor, &rejected, "accept", "REJECTED").await;
    refuse(&m.patient, &rejected, "cancel", "REJECTED").await;
    let cancelled = m.closed("CANCELLED").await;
    refuse(&m.doctor, &cancelled, "accept", "CANCELLED").await;
    refuse(&m.doctor, &cancelled, "reject", "CANCELLED").await;
    let expired = m.closed("EXPIRED").await;
    for (who, word) in [(&m.doctor, "accept"), (&m.doctor, "reject"), (&m.patient, "cancel")] {
        refuse(who, &expired, word, "EXPIRED").await;
    }
    let ongoing = m.ongoing().await;
    refuse(&m.doctor, &ongoing, "reject", "ONGOING").await;
    refuse(&m.patient, &ongoing, "cancel", "ONGOING").await;
}

#[tokio::test]
async fn only_the_doctor_who_was_asked_answers() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let [patient, doctor] = m.strangers().await;
    let admin = m.app.admin().await;
    for word in ["accept", "reject"] {
        doctor.act(&of(&id, word)).await.refused_plainly(404);
        m.patient.act(&of(&id, word)).await.refused(403, "WRONG_ROLE");
    }
    patient.act(&of(&id, "cancel")).await.refused_plainly(404);
    m.doctor.act(&of(&id, "cancel")).await.refused(403, "WRONG_ROLE");
    for word in ["accept", "reject", "cancel"] {
        admin.act(&of(&id, word)).await.refused(403, "WRONG_ROLE");
        m.app.nobody().act(&of(&id, word)).await.refused_plainly(401);
        let who = if word == "cancel" { &m.patient } else { &m.doctor };
        who.act(&of("nonsense", word)).await.invalid(&["path.session_id uuid_parsing"]);
        who.act(&of(&Uuid::new_v4().to_string(), word)).await.refused_plainly(404);
    }
    assert_eq!(m.kinds().await, [vec![], vec!["session.requested".to_owned()]]);
    assert!(inbox(&patient).await.is_empty() && inbox(&doctor).await.is_empty());
}

#[tokio::test]
async fn a_patient_in_another_consultation_keeps_the_request_open() {
    let m = Meeting::start().await;
    let [_, other] = m.strangers().await;
    let mine = m.requested().await;
    let theirs = request(&m.patient, &other).await;
    accept(&m.doctor, &mine).await;
    // Which consultation that is, is none of this doctor's business.
    other.act(&of(&theirs, "accept")).await.refused(409, "ACTIVE_SESSION_EXISTS");
    assert_eq!(kinds(&other).await, ["session.requested"]);
    assert_eq!(other.get("connect/sessions/requests").await.expect(200)["total"], 1);
    m.doctor.act(&of(&mine, "end")).await.expect(200);
    assert_eq!(accept(&other, &theirs).await["status"], "ONGOING");
}

#[tokio::test]
async fn a_doctor_may_hold_several_consultations() {
    let m = Meeting::start().await;
    let [patient, _] = m.strangers().await;
    m.ongoing().await;
    let second = request(&patient, &m.doctor).await;
    accept(&m.doctor, &second).await;
    assert_eq!(m.doctor.get("connect/sessions/active").await.expect(200)["total"], 2);
}
