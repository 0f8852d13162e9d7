//! Follow-ups: proposed, answered, called off, listed and reminded of (30, 63, 64, 86 to 91).

mod answering;
mod creating;
mod listing;
mod reminding;

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::meeting::{Meeting, of, text};

/// An id of nothing.
const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

/// A day this many days from now.
fn in_days(m: &Meeting, days: u64) -> NaiveDate {
    m.app.app.now().date_naive() + Days::new(days)
}

/// A follow-up of a fresh session, in a week at half past ten in India.
async fn scheduled(m: &Meeting) -> Value {
    let session = m.ended().await;
    let body = json!({"scheduled_date": in_days(m, 7), "scheduled_time": "10:30:00"});
    m.doctor.post(&of(&session, "followup"), body).await.expect(201)
}

fn path(followup: &Value, rest: &str) -> String {
    format!("followups/{}{rest}", text(&followup["id"]))
}

/// The patient's answer.
async fn respond(by: &Client, followup: &Value, action: &str) -> Answer {
    by.post(&path(followup, "/respond"), json!({"action": action})).await
}

/// The patient's own date.
async fn propose(by: &Client, followup: &Value, date: NaiveDate, time: Option<&str>) -> Answer {
    let body = json!({"action": "reschedule", "proposed_date": date, "proposed_time": time});
    by.post(&path(followup, "/respond"), body).await
}

/// The doctor's answer to it.
async fn settle(by: &Client, followup: &Value, accept: bool) -> Answer {
    by.post(&path(followup, "/respond-to-proposal"), json!({"accept": accept})).await
}

/// A follow-up in this status.
async fn in_status(m: &Meeting, status: &str) -> Value {
    let followup = scheduled(m).await;
    match status {
        "PENDING_PATIENT" => followup,
        "ACCEPTED" => respond(&m.patient, &followup, "accept").await.expect(200),
        "REJECTED" => respond(&m.patient, &followup, "reject").await.expect(200),
        "PENDING_DOCTOR" => propose(&m.patient, &followup, in_days(m, 9), Some("15:00:00")).await.expect(200),
        "CANCELLED" => m.doctor.act(&path(&followup, "/cancel")).await.expect(200),
        other => panic!("{other} is no status"),
    }
}
