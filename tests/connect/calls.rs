//! 80, 81, 82: calls inside a consultation.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::keys;
use crate::support::meeting::{Meeting, events_of, kinds, of, text, time};

const PATH: &str = "connect/call-sessions";

fn one(call: &Value, rest: &str) -> String {
    format!("{PATH}/{}{rest}", text(&call["id"]))
}

#[tokio::test]
async fn a_call_opens_once_shows_and_ends() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let body = json!({"connect_session_id": id});
    let call = m.patient.post(PATH, body.clone()).await.expect(201);
    time(&call["started_at"]);
    assert_eq!(
        call,
        json!({"id": call["id"], "connect_session_id": id, "call_type": "AUDIO", "status": "CONNECTED",
               "livekit_room_name": format!("cn-{id}"), "video_permission_state": "NOT_ALLOWED",
               "patient_video_enabled": false, "started_at": call["started_at"], "ended_at": null})
    );
    // A repeat by either, whatever the type, is the call that is there.
    assert_eq!(m.patient.post(PATH, body.clone()).await.expect(200), call);
    let video = json!({"connect_session_id": id, "call_type": "VIDEO"});
    assert_eq!(m.doctor.post(PATH, video.clone()).await.expect(200), call);
    for client in [&m.patient, &m.doctor] {
        assert_eq!(client.get(&one(&call, "")).await.expect(200), call);
        let events = events_of(client, "call.started").await;
        assert_eq!(events.len(), 1);
        assert_eq!((&events[0]["data"], &events[0]["session_id"]), (&call, &json!(id)));
    }

    let ended = m.doctor.act(&one(&call, "/end")).await.expect(200);
    assert_eq!(keys(&ended), keys(&call));
    assert_eq!((&ended["status"], &ended["id"]), (&json!("ENDED"), &call["id"]));
    assert!(time(&ended["ended_at"]) >= time(&ended["started_at"]));
    assert_eq!(m.patient.act(&one(&call, "/end")).await.expect(200), ended);
    assert_eq!(m.patient.get(&one(&call, "")).await.expect(200), ended);
    for client in [&m.patient, &m.doctor] {
        let events = events_of(client, "call.ended").await;
        assert_eq!(events.iter().map(|event| &event["data"]).collect::<Vec<_>>(), [&ended]);
    }
    // The consultation goes on, and a new call is a new one.
    assert_eq!(m.patient.get(&format!("connect/sessions/{id}")).await.expect(200)["status"], "ONGOING");
    let second = m.doctor.post(PATH, video).await.expect(201);
    assert_ne!(second["id"], call["id"]);
    assert_eq!((&second["call_type"], &second["video_permission_state"]), (&json!("VIDEO"), &json!("NOT_ALLOWED")));
}

#[tokio::test]
async fn a_call_mirrors_the_permission_and_takes_it_along() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let call = m.patient.post(PATH, json!({"connect_session_id": id})).await.expect(201);
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.patient.act(&of(&id, "video-permission/accept")).await.expect(200);
    let shown = m.doctor.get(&one(&call, "")).await.expect(200);
    assert_eq!((&shown["video_permission_state"], &shown["patient_video_enabled"]), (&json!("VIDEO_ON"), &json!(true)));
    let ended = m.patient.act(&one(&call, "/end")).await.expect(200);
    assert_eq!(
        (&ended["video_permission_state"], &ended["patient_video_enabled"]),
        (&json!("NOT_ALLOWED"), &json!(false))
    );
    let state = m.patient.get(&of(&id, "video-permission")).await.expect(200);
    assert_eq!((&state["video_permission_state"], &state["consent_round"]), (&json!("NOT_ALLOWED"), &json!(1)));
    let kinds = kinds(&m.doctor).await;
    assert_eq!(kinds[kinds.len() - 2..], ["video.permission", "call.ended"]);
    let last = events_of(&m.doctor, "video.permission").await.pop().unwrap();
    assert_eq!(
        (&last["data"]["by"], &last["data"]["video_permission_state"]),
        (&json!("patient"), &json!("NOT_ALLOWED"))
    );
}

#[tokio::test]
async fn calls_need_a_running_consultation() {
    let m = Meeting::start().await;
    let refuse = async |id: &str, status: &str| {
        for client in [&m.patient, &m.doctor] {
            let answer = client.post(PATH, json!({"connect_session_id": id})).await;
            answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
        }
    };
    let requested = m.requested().await;
    refuse(&requested, "REQUESTED").await;
    m.patient.act(&of(&requested, "cancel")).await.expect(200);
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        refuse(&m.closed(status).await, status).await;
    }
    let id = m.ongoing().await;
    let call = m.patient.post(PATH, json!({"connect_session_id": id})).await.expect(201);
    m.doctor.act(&of(&id, "end")).await.expect(200);
    refuse(&id, "ENDED").await;
    // It ended with the session; ending it again changes nothing and tells nobody.
    assert_eq!(m.patient.act(&one(&call, "/end")).await.expect(200)["status"], "ENDED");
    assert_eq!(events_of(&m.patient, "call.ended").await.len(), 1);
}

#[tokio::test]
async fn strangers_wrong_roles_and_wrong_input() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let body = json!({"connect_session_id": id});
    let admin = m.app.admin().await;
    let strangers = m.strangers().await;
    for stranger in &strangers {
        stranger.post(PATH, body.clone()).await.refused_plainly(404);
    }
    let call = m.patient.post(PATH, body.clone()).await.expect(201);
    for stranger in &strangers {
        stranger.get(&one(&call, "")).await.refused_plainly(404);
        stranger.act(&one(&call, "/end")).await.refused_plainly(404);
    }
    admin.post(PATH, body.clone()).await.refused(403, "WRONG_ROLE");
    admin.get(&one(&call, "")).await.refused(403, "WRONG_ROLE");
    admin.act(&one(&call, "/end")).await.refused(403, "WRONG_ROLE");
    m.app.nobody().post(PATH, body).await.refused_plainly(401);
    m.app.nobody().get(&one(&call, "")).await.refused_plainly(401);
    m.app.nobody().act(&one(&call, "/end")).await.refused_plainly(401);
    m.patient.post(PATH, json!({"connect_session_id": Uuid::new_v4()})).await.refused_plainly(404);
    m.patient.post(PATH, json!({})).await.invalid(&["body.connect_session_id missing"]);
    let body = json!({"connect_session_id": "x", "call_type": "audio"});
    m.patient.post(PATH, body).await.invalid(&["body.call_type enum", "body.connect_session_id uuid_parsing"]);
    let unknown = json!({"id": Uuid::new_v4()});
    m.patient.get(&one(&unknown, "")).await.refused_plainly(404);
    m.patient.act(&one(&unknown, "/end")).await.refused_plainly(404);
    m.patient.get(&format!("{PATH}/x")).await.invalid(&["path.call_session_id uuid_parsing"]);
    m.patient.act(&format!("{PATH}/x/end")).await.invalid(&["path.call_session_id uuid_parsing"]);
    assert!(events_of(&m.patient, "call.ended").await.is_empty());
}
