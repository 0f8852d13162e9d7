//! What follows a consultation: its review, the reply, follow-ups. The samples' days have passed: they are moved.

use chrono::Days;
use serde_json::{Value, json};

use super::Samples;
use crate::contract::shape;
use crate::support::meeting::{Meeting, of, text};

/// A sample body with its days in the years to come.
fn later(m: &Meeting, samples: &Samples, call: &str) -> Value {
    let mut body = samples.request(call);
    let day = m.app.app.now().date_naive() + Days::new(30);
    for name in ["scheduled_date", "proposed_date"] {
        if !body[name].is_null() {
            body[name] = json!(day);
        }
    }
    body
}

#[tokio::test]
async fn the_samples_of_reviews() {
    let m = Meeting::start().await;
    let samples = Samples::of("reviews");
    let session = m.ended().await;
    let body = samples.request_with("create", &json!({"session_id": session}));
    let review = m.patient.post("reviews", body).await.expect(201);
    samples.fits("create", &review, &[]);
    samples.fits("create", &m.doctor.get(&of(&session, "review")).await.expect(200), &[]);
    let wall = format!("doctors/{}/reviews?limit=10&offset=0", m.doctor.id);
    samples.fits("wall", &m.app.nobody().get(&wall).await.expect(200), &[]);
    let desk = m.doctor.get("doctors/me/reviews?has_reply=false&sort_by=rating_desc&limit=10").await.expect(200);
    samples.fits("wall", &desk, &[]);

    let reply = format!("doctors/me/reviews/{}/reply", text(&review["id"]));
    let sample = json!({"review_id": "a6c020eb-...", "text": "…", "created_at": "2026-02-07T21:56:25Z",
                        "updated_at": "2026-02-07T21:56:25Z"});
    shape::fits(&m.doctor.post(&reply, samples.request("reply")).await.expect(201), &sample, &[]);
    let changed = m.doctor.put(&reply, samples.request("change_reply")).await.expect(200);
    shape::fits(&changed, &sample, &[]);
    assert_eq!(changed["text"], samples.request("change_reply")["text"]);
    assert_eq!(m.doctor.delete(&reply).await.status, 204);
    let followup = format!("doctors/me/reviews/{}/followup", text(&review["id"]));
    m.doctor.post(&followup, later(&m, &samples, "followup")).await.expect(201);
}

#[tokio::test]
async fn the_samples_of_follow_ups() {
    let m = Meeting::start().await;
    let samples = Samples::of("followups");
    let session = m.ended().await;
    let first = m.doctor.post(&of(&session, "followup"), later(&m, &samples, "of_session")).await.expect(201);
    assert_eq!(m.patient.get(&of(&session, "followup")).await.expect(200), first);
    let respond = format!("followups/{}/respond", text(&first["id"]));
    let proposed = m.patient.post(&respond, later(&m, &samples, "reschedule")).await.expect(200);
    assert_eq!(proposed["status"], "PENDING_DOCTOR");
    let settle = format!("followups/{}/respond-to-proposal", text(&first["id"]));
    let settled = m.doctor.post(&settle, samples.request("respond_to_proposal")).await.expect(200);
    assert_eq!((&settled["status"], &settled["scheduled_time"]), (&json!("ACCEPTED"), &json!("15:00:00")));

    let mut body = later(&m, &samples, "create");
    body["parent_session_id"] = json!(m.ended().await);
    let second = m.doctor.post("followups/", body).await.expect(201);
    let pending = m.patient.get("followups/?status=PENDING_PATIENT&upcoming=true&limit=10").await.expect(200);
    Samples::of("lists").fits("page", &pending, &[]);
    assert_eq!(pending["items"], json!([second]));
    let respond = format!("followups/{}/respond", text(&second["id"]));
    assert_eq!(m.patient.post(&respond, samples.request("accept")).await.expect(200)["status"], "ACCEPTED");
    let cancel = format!("followups/{}/cancel", text(&second["id"]));
    let cancelled = m.doctor.post(&cancel, samples.request("cancel")).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["cancel_reason"]), (&json!("CANCELLED"), &json!("Schedule conflict")));
    assert_eq!(m.patient.get(&format!("followups/{}", text(&second["id"]))).await.expect(200), cancelled);
}
