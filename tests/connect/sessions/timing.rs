//! Deadlines: requests that nobody answers, consultations in which nothing happens (connect-v2 §4.1).

use chrono::TimeDelta;
use consilium::jobs::sweeper;
use consilium_storage::connect::sessions;
use consilium_storage::ids::SessionId;
use serde_json::json;

use crate::support::meeting::{
    Meeting, ended_by_itself, events_of, inbox, of, request, say, text, time, until, wait_for_events,
};

fn id_of(text: &str) -> SessionId {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_lapsed_request_is_expired_before_the_sweep() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    // The sweeper passes over a row that somebody holds.
    let mut tx = m.app.app.begin().await.unwrap();
    sessions::find_for_update(tx.conn(), id_of(&id)).await.unwrap().unwrap();
    m.app.advance(TimeDelta::seconds(1800));
    for client in [&m.patient, &m.doctor] {
        let detail = client.get(&format!("connect/sessions/{id}")).await.expect(200);
        assert_eq!(detail["status"], "EXPIRED");
        assert_eq!(client.get("connect/sessions/active").await.expect(200)["total"], 0);
    }
    assert_eq!(m.doctor.get("connect/sessions/requests").await.expect(200)["total"], 0);
    let refusal = json!({"current_status": "EXPIRED"});
    m.patient.get(&of(&id, "token")).await.refused_with(409, "INVALID_SESSION_STATE", &refusal);
    assert!(events_of(&m.patient, "session.expired").await.is_empty());
    drop(tx);
    let refused = m.doctor.act(&of(&id, "video-permission/allow")).await;
    refused.refused_with(409, "INVALID_SESSION_STATE", &refusal);

    // And by the sweeper, with the event for both, once.
    for client in [&m.patient, &m.doctor] {
        let events = wait_for_events(client, "session.expired", 1).await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["session_id"], id);
        assert_eq!((&events[0]["data"]["session_id"], &events[0]["data"]["status"]), (&json!(id), &json!("EXPIRED")));
    }
    sweeper::expire(&m.app.app).await.unwrap();
    assert_eq!(m.kinds().await, [vec!["session.expired"], vec!["session.requested", "session.expired"]]);
}

#[tokio::test]
async fn a_new_request_takes_the_place_of_a_lapsed_one() {
    let m = Meeting::start().await;
    let first = m.requested().await;
    m.app.advance(TimeDelta::seconds(1801));
    let second = m.requested().await;
    assert_ne!(first, second);
    // Whether the sweeper or the new request closed it: both heard it once, before the new one.
    assert_eq!(
        m.kinds().await,
        [vec!["session.expired"], vec!["session.requested", "session.expired", "session.requested"],]
    );
    assert_eq!(m.patient.get(&format!("connect/sessions/{first}")).await.expect(200)["status"], "EXPIRED");
    assert_eq!(m.patient.get(&format!("connect/sessions/{second}")).await.expect(200)["status"], "REQUESTED");
}

#[tokio::test]
async fn the_life_of_a_request_is_a_setting() {
    let m = Meeting::start_with(|config| config.ttl.request = TimeDelta::seconds(60)).await;
    let id = m.requested().await;
    m.app.advance(TimeDelta::seconds(61));
    let answer = m.doctor.act(&of(&id, "accept")).await;
    answer.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": "EXPIRED"}));
}

#[tokio::test]
async fn a_consultation_in_which_nothing_happens_ends_by_itself() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let status = async || {
        sweeper::end_idle(&m.app.app).await.unwrap();
        text(&m.patient.get(&format!("connect/sessions/{id}")).await.expect(200)["status"]).to_owned()
    };
    // A message keeps it alive …
    m.app.advance(TimeDelta::minutes(119));
    say(&m.patient, &id, "still here").await;
    m.app.advance(TimeDelta::minutes(119));
    assert_eq!(status().await, "ONGOING");
    // … and so does a live connection of either party.
    let socket = m.doctor.socket(None).await;
    m.app.advance(TimeDelta::minutes(119));
    assert_eq!(status().await, "ONGOING");
    socket.close().await;
    until("the connection is gone", || m.app.app.engine.hub().is_empty()).await;
    m.app.advance(TimeDelta::minutes(119));
    assert_eq!(status().await, "ONGOING");
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.app.advance(TimeDelta::minutes(2));
    let detail = ended_by_itself(&m, &id).await;
    assert_eq!(detail["status"], "ENDED");
    assert_eq!((&detail["end_reason"], &detail["ended_by"]), (&json!("timeout"), &json!("system")));
    for client in [&m.patient, &m.doctor] {
        let events = inbox(client).await;
        let [.., video, ended] = events.as_slice() else { panic!("too few events") };
        assert_eq!((&video["type"], &video["data"]["by"]), (&json!("video.permission"), &json!("system")));
        assert_eq!(ended["type"], "session.ended");
        assert_eq!((&ended["data"]["ended_by"], &ended["data"]["end_reason"]), (&json!("system"), &json!("timeout")));
    }
    sweeper::end_idle(&m.app.app).await.unwrap();
    assert_eq!(events_of(&m.patient, "session.ended").await.len(), 1);
}

#[tokio::test]
async fn silence_costs_nothing() {
    let m = Meeting::start().await;
    m.app.fund(m.patient.id, 100_000).await;
    // Both phones die: nobody has hung up.
    let id = m.ongoing().await;
    m.app.advance(TimeDelta::seconds(270));
    say(&m.patient, &id, "can you hear me?").await;
    m.app.advance(TimeDelta::hours(5));
    let ended = ended_by_itself(&m, &id).await;
    assert_eq!((&ended["status"], &ended["end_reason"]), (&json!("ENDED"), &json!("timeout")));
    assert_eq!((&ended["billed_minutes"], &ended["amount"]), (&json!(5), &json!(2_500)));
    assert!((270..300).contains(&ended["duration_seconds"].as_i64().unwrap()), "{ended}");
    assert!(time(&ended["ended_at"]) - time(&ended["started_at"]) >= TimeDelta::hours(5), "{ended}");
    assert_eq!(m.patient.get("wallet/balance").await.expect(200)["balance"], 97_500);

    // Somebody who is only connected is there as well.
    let id = m.ongoing().await;
    let socket = m.doctor.socket(None).await;
    m.app.advance(TimeDelta::seconds(570));
    sweeper::end_idle(&m.app.app).await.unwrap();
    socket.close().await;
    until("the connection is gone", || m.app.app.engine.hub().is_empty()).await;
    m.app.advance(TimeDelta::hours(5));
    let ended = ended_by_itself(&m, &id).await;
    assert_eq!(
        (&ended["status"], &ended["billed_minutes"], &ended["amount"]),
        (&json!("ENDED"), &json!(10), &json!(5_000))
    );

    // Nobody came at all.
    let id = m.ongoing().await;
    m.app.advance(TimeDelta::hours(5));
    let ended = ended_by_itself(&m, &id).await;
    assert_eq!((&ended["status"], &ended["billed_minutes"], &ended["amount"]), (&json!("ENDED"), &json!(0), &json!(0)));
    assert_eq!(m.app.ledger_adds_up().await, 3);
}

#[tokio::test]
async fn requests_of_a_disabled_account_are_cancelled_and_running_consultations_go_on() {
    let m = Meeting::start().await;
    let [patient, other] = m.strangers().await;
    let admin = m.app.admin().await;
    let running = m.ongoing().await;
    let asked = [request(&patient, &m.doctor).await, request(&patient, &other).await];
    let doctor = format!("doctors/{}", m.doctor.id);
    admin.patch(&doctor, json!({"is_active": false})).await.expect(200);
    let events = wait_for_events(&patient, "session.cancelled", 1).await;
    assert_eq!((events.len(), &events[0]["data"]["session_id"]), (1, &json!(asked[0])));
    m.doctor.act(&of(&asked[0], "accept")).await.refused(403, "ACCOUNT_DISABLED");
    let body = json!({"target_doctor_id": m.doctor.id});
    patient.post("connect/sessions", body).await.refused_plainly(404);
    assert_eq!(m.patient.get(&format!("connect/sessions/{running}")).await.expect(200)["status"], "ONGOING");

    let status = format!("admin/users/{}/status", patient.id);
    admin.patch(&status, json!({"is_active": false})).await.expect(200);
    let events = wait_for_events(&other, "session.cancelled", 1).await;
    assert_eq!(events[0]["data"]["session_id"], asked[1]);
    assert_eq!(events[0]["data"]["status"], "CANCELLED");
    let refusal = json!({"current_status": "CANCELLED"});
    other.act(&of(&asked[1], "accept")).await.refused_with(409, "ILLEGAL_TRANSITION", &refusal);
}

#[tokio::test]
async fn states_and_deadlines_outlive_the_server() {
    let mut m = Meeting::start().await;
    let running = m.ongoing().await;
    let message = say(&m.patient, &running, "before").await;
    m.app.restart().await;
    (m.patient, m.doctor) = (m.patient.at(&m.app.url), m.doctor.at(&m.app.url));
    let page = m.doctor.get(&of(&running, "messages")).await.expect(200);
    assert_eq!(page["items"], json!([message]));
    let repeat = json!({"client_message_id": message["client_message_id"], "content_type": "text", "content": "x"});
    assert_eq!(m.patient.post(&of(&running, "messages"), repeat).await.expect(200), message);
    m.doctor.act(&of(&running, "end")).await.expect(200);
    assert_eq!(m.kinds().await[0], ["session.accepted", "message.new", "session.ended"]);
}
