//! 45: the end of a consultation, and everything that ends with it.

use std::time::Duration;

use axum::http::Method;
use chrono::TimeDelta;
use consilium::connect::sessions::ops;
use consilium_storage::ledger;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::support::client::{keys, send};
use crate::support::meeting::{Meeting, events_of, inbox, of, say, text, time};

const VALUES: [&str; 10] = [
    "amount",
    "billed_minutes",
    "duration_display",
    "duration_seconds",
    "end_reason",
    "ended_at",
    "ended_by",
    "session_id",
    "started_at",
    "status",
];

/// A consultation of a little more than this time; the values of its end.
async fn ended_after(m: &Meeting, time: TimeDelta) -> Value {
    let id = m.ongoing().await;
    m.app.advance(time);
    m.doctor.act(&of(&id, "end")).await.expect(200)
}

#[tokio::test]
async fn the_first_end_stands_and_its_values_return() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.app.advance(TimeDelta::seconds(2223));
    let body = json!({"reason": "completed", "note": "rest and water"});
    let values = m.doctor.post(&of(&id, "end"), body).await.expect(200);
    assert_eq!(keys(&values), VALUES);
    let seconds = values["duration_seconds"].as_i64().unwrap();
    // The seed's figures, give or take the time the test itself takes.
    assert!((2223..2280).contains(&seconds), "{values}");
    assert_eq!(seconds, (time(&values["ended_at"]) - time(&values["started_at"])).num_seconds());
    assert_eq!(values["duration_display"], format!("37m {}s", seconds - 37 * 60));
    assert_eq!((&values["billed_minutes"], &values["amount"]), (&json!(38), &json!(19_000)));
    assert_eq!((&values["status"], &values["session_id"]), (&json!("ENDED"), &json!(id)));
    assert_eq!((&values["ended_by"], &values["end_reason"]), (&json!("doctor"), &json!("completed")));

    // Whoever ends again, however, gets these values, and nobody hears of it.
    let again = m.patient.post(&of(&id, "end"), json!({"reason": "other", "note": "x"})).await.expect(200);
    assert_eq!(again, values);
    assert_eq!(m.doctor.act(&of(&id, "end")).await.expect(200), values);
    for client in [&m.patient, &m.doctor] {
        let events = events_of(client, "session.ended").await;
        assert_eq!(events.len(), 1);
        assert_eq!((&events[0]["data"], &events[0]["session_id"]), (&values, &json!(id)));
        assert!(inbox(client).await.iter().all(|event| !event.to_string().contains("rest and water")));
    }

    // The note is for the doctor's eyes.
    let path = format!("connect/sessions/{id}");
    let doctors = m.doctor.get(&path).await.expect(200);
    assert_eq!(doctors["end_note"], "rest and water");
    let mut patients = m.patient.get(&path).await.expect(200);
    assert_eq!(patients["end_note"], Value::Null);
    patients["end_note"] = json!("rest and water");
    assert_eq!(patients, doctors);
    for key in VALUES.iter().filter(|key| **key != "session_id") {
        assert_eq!(doctors[key], values[key], "{key}");
    }
}

#[tokio::test]
async fn minutes_begun_are_charged_unless_nothing_is() {
    let m = Meeting::start().await;
    let short = ended_after(&m, TimeDelta::seconds(5)).await;
    assert_eq!((&short["billed_minutes"], &short["amount"]), (&json!(1), &json!(500)));
    assert_eq!(short["duration_display"], format!("{}s", short["duration_seconds"]));
    let long = ended_after(&m, TimeDelta::seconds(3605)).await;
    assert_eq!((&long["billed_minutes"], &long["amount"]), (&json!(61), &json!(30_500)));
    let seconds = long["duration_seconds"].as_i64().unwrap();
    assert_eq!(long["duration_display"], format!("1h 0m {}s", seconds - 3600));

    let m = Meeting::start_with(|config| config.charging = false).await;
    let free = ended_after(&m, TimeDelta::seconds(125)).await;
    assert_eq!((&free["billed_minutes"], &free["amount"]), (&json!(3), &json!(0)));

    let mut m = Meeting::start().await;
    m.doctor = m.app.doctor_like(|new| new.rate_per_minute = 0).await;
    assert_eq!(ended_after(&m, TimeDelta::seconds(125)).await["amount"], 0);
}

#[tokio::test]
async fn what_ends_with_it_is_told_in_order() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.patient.act(&of(&id, "video-permission/accept")).await.expect(200);
    let call = m.patient.post("connect/call-sessions", json!({"connect_session_id": id})).await.expect(201);
    say(&m.patient, &id, "goodbye").await;
    let before = inbox(&m.patient).await.len();
    let values = m.patient.act(&of(&id, "end")).await.expect(200);
    assert_eq!((&values["ended_by"], &values["end_reason"]), (&json!("patient"), &Value::Null));
    let events = inbox(&m.patient).await.split_off(before);
    let kinds: Vec<&str> = events.iter().map(|event| text(&event["type"])).collect();
    assert_eq!(kinds, ["video.permission", "call.ended", "session.ended"]);
    assert_eq!(
        events[0]["data"],
        json!({"session_id": id, "video_permission_state": "NOT_ALLOWED", "patient_video_enabled": false,
               "consent_round": 1, "by": "patient"})
    );
    assert_eq!((&events[1]["data"]["id"], &events[1]["data"]["status"]), (&call["id"], &json!("ENDED")));
    assert_eq!(events[1]["data"]["ended_at"], values["ended_at"]);
    assert_eq!(events[1]["data"]["video_permission_state"], "NOT_ALLOWED");
    assert_eq!(events[2]["data"], values);
    let doctors = inbox(&m.doctor).await;
    let tail: Vec<&Value> = doctors[doctors.len() - 3..].iter().map(|event| &event["data"]).collect();
    assert_eq!(tail, events.iter().map(|event| &event["data"]).collect::<Vec<_>>());

    let path = format!("connect/call-sessions/{}", text(&call["id"]));
    assert_eq!(m.patient.get(&path).await.expect(200)["status"], "ENDED");
    let video = m.patient.get(&of(&id, "video-permission")).await.expect(200);
    assert_eq!((&video["video_permission_state"], &video["consent_round"]), (&json!("NOT_ALLOWED"), &json!(1)));
}

/// Who ends a consultation.
#[derive(Debug, Clone, Copy)]
enum By {
    Doctor,
    Timer,
}

/// Ends it, or fails to because its connection is gone; answers whether it did.
async fn ends(m: &Meeting, id: &str, by: By) -> bool {
    match by {
        By::Timer => ops::end_one_idle(&m.app.app, m.app.app.now()).await.is_ok_and(|ended| ended),
        By::Doctor => {
            let answer = m.doctor.act(&of(id, "end")).await;
            assert!(matches!(answer.status, 200 | 503), "{}", answer.text);
            answer.status == 200
        }
    }
}

/// Cuts whoever waits, as soon as somebody does.
async fn crash(m: &Meeting) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while m.app.cut_waiting().await == 0 {
        assert!(Instant::now() < deadline, "nobody waited for the wallet");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_crash_while_it_is_charged_ends_nothing_and_the_next_end_charges_once() {
    let m = Meeting::start().await;
    m.app.fund(m.patient.id, 5_000).await;
    let status = async |id: &str| m.patient.get(&format!("connect/sessions/{id}")).await.expect(200)["status"].clone();
    let balance = async || m.patient.get("wallet/balance").await.expect(200)["balance"].as_i64().unwrap();
    let rounds = [(By::Doctor, By::Doctor), (By::Doctor, By::Timer), (By::Timer, By::Doctor), (By::Timer, By::Timer)];
    for (round, (first, next)) in (1_usize..).zip(rounds) {
        let id = m.ongoing().await;
        m.app.advance(TimeDelta::seconds(61));
        // The timer charges no longer than somebody was there.
        say(&m.patient, &id, "still here").await;
        let before = balance().await;
        // Somebody holds the wallet: the end has looked at everything else, and waits.
        let mut holder = m.app.app.begin().await.unwrap();
        ledger::lock_wallet(holder.conn(), m.patient.id).await.unwrap();
        let (ended, ()) = tokio::join!(ends(&m, &id, first), crash(&m));
        holder.rollback().await.unwrap();
        assert!(!ended, "{first:?}");
        assert_eq!((status(&id).await, balance().await), (json!("ONGOING"), before), "{first:?}");

        // The timer passes over what is held, and the connection that was cut lets go of it when it likes.
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ends(&m, &id, next).await {
            assert!(matches!(next, By::Timer) && Instant::now() < deadline, "{next:?} after {first:?}");
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((status(&id).await, balance().await), (json!("ENDED"), before - 1_000), "{next:?} after {first:?}");
        // Whoever ends it once more takes nothing.
        assert!(ends(&m, &id, By::Doctor).await);
        assert_eq!(balance().await, before - 1_000);
        for kind in ["wallet.updated", "session.ended"] {
            assert_eq!(events_of(&m.patient, kind).await.len(), round, "{kind}");
        }
    }
    assert_eq!(m.app.ledger_adds_up().await, 5);
}

#[tokio::test]
async fn the_body_is_optional_and_bounded() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let path = of(&id, "end");
    let body = json!({"reason": "r".repeat(51), "note": "n".repeat(2001)});
    m.doctor.post(&path, body).await.invalid(&["body.reason string_too_long", "body.note string_too_long"]);
    m.doctor.post(&path, json!({"reason": 5})).await.invalid(&["body.reason string_type"]);
    let broken = m.doctor.request(Method::POST, &path).header("content-type", "application/json").body("[");
    send(broken).await.invalid(&["body json_invalid"]);
    m.doctor
        .post(&of("nonsense", "end"), json!({"reason": 5}))
        .await
        .invalid(&["body.reason string_type", "path.session_id uuid_parsing"]);
    let body = json!({"reason": "ह".repeat(50), "note": "ह".repeat(2000)});
    m.doctor.post(&path, body).await.expect(200);
    let id = m.ongoing().await;
    m.doctor.post(&of(&id, "end"), json!({"reason": null, "note": null})).await.expect(200);
    let id = m.ongoing().await;
    m.doctor.post(&of(&id, "end"), json!({})).await.expect(200);
}

#[tokio::test]
async fn only_a_running_consultation_ends_and_only_by_its_parties() {
    let m = Meeting::start().await;
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        let id = m.closed(status).await;
        for client in [&m.patient, &m.doctor] {
            let answer = client.act(&of(&id, "end")).await;
            answer.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": status}));
        }
    }
    let id = m.requested().await;
    let refusal = json!({"current_status": "REQUESTED"});
    m.doctor.act(&of(&id, "end")).await.refused_with(409, "ILLEGAL_TRANSITION", &refusal);
    m.doctor.act(&of(&id, "accept")).await.expect(200);
    for stranger in m.strangers().await {
        stranger.act(&of(&id, "end")).await.refused_plainly(404);
    }
    m.app.admin().await.act(&of(&id, "end")).await.refused(403, "WRONG_ROLE");
    m.app.nobody().act(&of(&id, "end")).await.refused_plainly(401);
    m.doctor.act(&of(&Uuid::new_v4().to_string(), "end")).await.refused_plainly(404);
    assert!(events_of(&m.patient, "session.ended").await.is_empty());
}
