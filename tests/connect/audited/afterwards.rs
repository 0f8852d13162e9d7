//! What follows a consultation.

use chrono::Days;
use serde_json::{Value, json};

use super::watch::{Watch, Who};
use crate::support::meeting::{of, text};

/// 65 to 71.
pub(super) async fn of_prescriptions(w: &mut Watch, session: &str) {
    let one = of(session, "prescription");
    let body = json!({"medications": [{"name": "Amoxicillin 500mg", "dosage": "1-0-1"}]});
    w.call("C65", Who::Doctor, &one, body.clone(), "prescription.create").await;
    w.call("C66", Who::Patient, &one, Value::Null, "prescription.read").await;
    let mut other = body;
    other["notes"] = json!("After meals");
    w.call("C67", Who::Doctor, &one, other, "prescription.replace").await;
    w.call("C68", Who::Patient, &format!("{one}/pdf"), Value::Null, "prescription.pdf").await;

    let all = of(session, "lab-tests");
    let body = json!({"recommendations": [{"test_name": "CBC"}]});
    w.call("C69", Who::Doctor, &all, body, "lab_tests.create").await;
    w.call("C70", Who::Patient, &all, Value::Null, "lab_tests.read").await;
    let body = json!({"recommendations": [{"test_name": "HbA1c"}]});
    w.call("C71", Who::Doctor, &all, body, "lab_tests.replace").await;
}

/// 26 to 29, 72, 85.
pub(super) async fn of_reviews(w: &mut Watch, session: &str) {
    let body = json!({"session_id": session, "rating": 4.5, "comment": "Took his time"});
    let review = w.call("C85", Who::Patient, "reviews", body, "review.create").await;
    w.call("C72", Who::Doctor, &of(session, "review"), Value::Null, "review.read").await;
    w.call("C26", Who::Doctor, "doctors/me/reviews", Value::Null, "reviews.list").await;
    let one = format!("doctors/me/reviews/{}", text(&review["id"]));
    let reply = format!("{one}/reply");
    w.call("C27", Who::Doctor, &reply, json!({"text": "Thank you"}), "review.reply").await;
    w.call("C28", Who::Doctor, &reply, json!({"text": "Thanks"}), "review.reply.update").await;
    w.call("C29", Who::Doctor, &reply, Value::Null, "review.reply.remove").await;
    let body = json!({"scheduled_date": w.m.app.app.now().date_naive() + Days::new(7)});
    w.call("C30", Who::Doctor, &format!("{one}/followup"), body, "followup.create").await;
}

/// 63, 64, 86 to 91; the session has one from its review.
pub(super) async fn of_follow_ups(w: &mut Watch, session: &str) {
    let day = w.m.app.app.now().date_naive() + Days::new(9);
    let shown = w.call("C64", Who::Patient, &of(session, "followup"), Value::Null, "followup.read").await;
    w.call("C87", Who::Doctor, "followups", Value::Null, "followups.list").await;
    let one = format!("followups/{}", text(&shown["id"]));
    w.call("C88", Who::Doctor, &one, Value::Null, "followup.read").await;
    let body = json!({"action": "reschedule", "proposed_date": day});
    w.call("C89", Who::Patient, &format!("{one}/respond"), body, "followup.reschedule").await;
    let body = json!({"accept": true});
    w.call("C90", Who::Doctor, &format!("{one}/respond-to-proposal"), body, "followup.agree").await;
    w.call("C91", Who::Patient, &format!("{one}/cancel"), Value::Null, "followup.cancel").await;

    let other = w.m.ended().await;
    w.call("C63", Who::Doctor, &of(&other, "followup"), json!({"scheduled_date": day}), "followup.create").await;
    let body = json!({"parent_session_id": w.m.ended().await, "scheduled_date": day});
    w.call("C86", Who::Doctor, "followups", body, "followup.create").await;
}
