//! 47, and what transitions do in the running room: against a peer that checks what LiveKit would check.

use std::time::{Duration, Instant};

use axum::http::Method;
use livekit_protocol::{ParticipantPermission, TrackSource};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::{Answer, keys, send};
use crate::support::meeting::{Meeting, accept, events_of, inbox, of, text, until};
use crate::support::twirp::{API_KEY, API_SECRET, Fault, TwirpPeer, sign_webhook};

const PATH: &str = "connect/livekit/webhook";

async fn start() -> (Meeting, TwirpPeer) {
    let peer = TwirpPeer::start().await;
    let url = peer.url();
    let m = Meeting::start_with(|config| {
        config.livekit_url = url;
        config.livekit_api_key = API_KEY.to_owned();
        config.livekit_api_secret = API_SECRET.into();
    })
    .await;
    (m, peer)
}

/// A running consultation with both in the room; its id, room and the patient's identity.
async fn in_the_room(m: &Meeting, peer: &TwirpPeer) -> (String, String, String) {
    let id = m.requested().await;
    let doctor = accept(&m.doctor, &id).await;
    peer.join(text(&doctor["livekit"]["token"])).unwrap();
    let patient = m.patient.get(&of(&id, "token")).await.expect(200);
    let identity = peer.join(text(&patient["livekit"]["token"])).unwrap();
    let room = format!("cn-{id}");
    (id, room, identity)
}

fn event(kind: &str, room: &str, identity: &str) -> Value {
    json!({"id": format!("EV_{}", Uuid::new_v4()), "event": kind, "createdAt": "1",
           "room": {"name": room}, "participant": {"identity": identity}})
}

async fn deliver(m: &Meeting, event: &Value) -> Answer {
    let body = event.to_string();
    let authorization = sign_webhook(body.as_bytes());
    post(m, &authorization, body).await
}

async fn post(m: &Meeting, authorization: &str, body: String) -> Answer {
    let request = m.app.nobody().request(Method::POST, PATH).header("content-type", "application/webhook+json");
    send(request.header("authorization", authorization).body(body)).await
}

#[tokio::test]
async fn consent_moves_the_camera_in_the_room() {
    let (m, peer) = start().await;
    let (id, room, patient) = in_the_room(&m, &peer).await;
    let camera = || peer.camera_allowed(&room, &patient);
    let act = async |who: &crate::support::client::Client, word: &str| {
        who.act(&of(&id, &format!("video-permission/{word}"))).await.expect(200);
    };
    assert_eq!(camera(), Some(false));
    assert!(!peer.publish(&room, &patient, TrackSource::Camera));
    act(&m.doctor, "allow").await;
    act(&m.patient, "accept").await;
    until("the camera is allowed", || camera() == Some(true)).await;
    assert!(peer.publish(&room, &patient, TrackSource::Camera));
    let granted = peer.requests().into_iter().rev().find(|request| request.method == "UpdateParticipant").unwrap();
    assert_eq!((granted.room.as_str(), granted.identity.as_str()), (room.as_str(), patient.as_str()));
    assert!(granted.permission.unwrap().can_publish_sources.contains(&TrackSource::Camera.into()));
    // Off and on are the patient's own: the right stays.
    act(&m.patient, "off").await;
    assert_eq!(camera(), Some(true));
    act(&m.doctor, "revoke").await;
    until("the camera is taken back", || camera() == Some(false)).await;
    assert!(!peer.published(&room, &patient).contains(&TrackSource::Camera));

    // The end of a call takes it back too, and the end of the session closes the room.
    act(&m.doctor, "allow").await;
    act(&m.patient, "accept").await;
    until("the camera is allowed again", || camera() == Some(true)).await;
    let call = m.patient.post("connect/call-sessions", json!({"connect_session_id": id})).await.expect(201);
    m.doctor.act(&format!("connect/call-sessions/{}/end", text(&call["id"]))).await.expect(200);
    until("the camera went with the call", || camera() == Some(false)).await;
    m.doctor.act(&of(&id, "end")).await.expect(200);
    until("the room is closed", || camera().is_none()).await;
    assert!(peer.requests().iter().any(|request| request.method == "DeleteRoom" && request.room == room));
    assert_eq!(peer.refused(), 0);
}

#[tokio::test]
async fn every_join_is_checked_against_the_consent() {
    let (m, peer) = start().await;
    let (id, room, patient) = in_the_room(&m, &peer).await;
    // Back with a seat that a replayed token gave: everything may be published.
    let everything =
        ParticipantPermission { can_publish: true, can_subscribe: true, ..ParticipantPermission::default() };
    peer.seat(&room, &patient, everything);
    assert_eq!(peer.camera_allowed(&room, &patient), Some(true));
    deliver(&m, &event("participant_joined", &room, &patient)).await.expect(200);
    until("the right is taken back", || peer.camera_allowed(&room, &patient) == Some(false)).await;

    // With consent, whoever joins again gets the camera back, which no token carries.
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.patient.act(&of(&id, "video-permission/accept")).await.expect(200);
    until("the camera is allowed", || peer.camera_allowed(&room, &patient) == Some(true)).await;
    peer.leave(&room, &patient);
    let token = m.patient.get(&of(&id, "token")).await.expect(200);
    peer.join(text(&token["livekit"]["token"])).unwrap();
    assert_eq!(peer.camera_allowed(&room, &patient), Some(false));
    deliver(&m, &event("participant_joined", &room, &patient)).await.expect(200);
    until("the camera is allowed again", || peer.camera_allowed(&room, &patient) == Some(true)).await;
}

#[tokio::test]
async fn a_room_that_is_opened_again_after_the_end_is_closed() {
    let (m, peer) = start().await;
    let id = m.requested().await;
    let doctor = accept(&m.doctor, &id).await;
    m.doctor.act(&of(&id, "end")).await.expect(200);
    let room = format!("cn-{id}");
    until("the room is closed", || peer.requests().iter().any(|request| request.method == "DeleteRoom")).await;
    // The token of the start still holds for the media server.
    let identity = peer.join(text(&doctor["livekit"]["token"])).unwrap();
    deliver(&m, &event("participant_joined", &room, &identity)).await.expect(200);
    until("the room is closed again", || peer.permission(&room, &identity).is_none()).await;
    assert!(events_of(&m.patient, "participant.joined").await.is_empty());
}

#[tokio::test]
async fn joining_and_leaving_is_told_to_both_once() {
    let (m, peer) = start().await;
    let (id, room, patient) = in_the_room(&m, &peer).await;
    let joined = event("participant_joined", &room, &patient);
    for _ in 0..3 {
        assert_eq!(deliver(&m, &joined).await.expect(200), json!({"status": "ok"}));
    }
    let left = event("participant_left", &room, &patient);
    deliver(&m, &left).await.expect(200);
    deliver(&m, &left).await.expect(200);
    // Out of order: a leave of somebody who is not there.
    deliver(&m, &event("participant_left", &room, &patient)).await.expect(200);
    deliver(&m, &event("participant_joined", &room, &format!("doctor-{}", m.doctor.id))).await.expect(200);
    deliver(&m, &event("room_finished", &room, "")).await.expect(200);
    for client in [&m.patient, &m.doctor] {
        let (ins, outs) = (events_of(client, "participant.joined").await, events_of(client, "participant.left").await);
        let who = |events: &[Value]| events.iter().map(|e| text(&e["data"]["identity"]).to_owned()).collect::<Vec<_>>();
        assert_eq!(who(&ins), [patient.clone(), format!("doctor-{}", m.doctor.id)]);
        assert_eq!(who(&outs), [patient.clone(), format!("doctor-{}", m.doctor.id)]);
        for event in ins.iter().chain(&outs) {
            assert_eq!((&event["session_id"], &event["data"]["session_id"]), (&json!(id), &json!(id)));
        }
    }
}

#[tokio::test]
async fn who_joins_and_leaves_is_told_with_the_call() {
    let (m, peer) = start().await;
    let (id, room, patient) = in_the_room(&m, &peer).await;
    deliver(&m, &event("participant_joined", &room, &patient)).await.expect(200);
    let call = m.patient.post("connect/call-sessions", json!({"connect_session_id": id})).await.expect(201);
    deliver(&m, &event("participant_left", &room, &patient)).await.expect(200);
    for client in [&m.patient, &m.doctor] {
        let joined = events_of(client, "participant.joined").await.remove(0)["data"].take();
        let left = events_of(client, "participant.left").await.remove(0)["data"].take();
        let mut shape = keys(&call);
        shape.extend(["session_id", "identity", "at"]);
        shape.sort_unstable();
        assert_eq!((keys(&joined), keys(&left)), (shape.clone(), shape));
        for name in keys(&call) {
            assert_eq!(left[name], call[name], "{name}");
            let expected = if name == "connect_session_id" { json!(id) } else { Value::Null };
            assert_eq!(joined[name], expected, "{name}: no call is open");
        }
    }
}

#[tokio::test]
async fn a_late_end_of_a_room_does_not_empty_the_one_that_came_after_it() {
    let (m, peer) = start().await;
    let (_, room, patient) = in_the_room(&m, &peer).await;
    let tell = async |kind: &str, at: &str| {
        let mut told = event(kind, &room, &patient);
        told["createdAt"] = json!(at);
        deliver(&m, &told).await.expect(200);
        events_of(&m.doctor, "participant.left").await.len()
    };
    assert_eq!(tell("participant_joined", "20").await, 0);
    assert_eq!(tell("room_finished", "19").await, 0);
    assert_eq!(tell("room_finished", "21").await, 1);
}

#[tokio::test]
async fn only_the_media_server_is_believed() {
    let (m, peer) = start().await;
    let (_, room, patient) = in_the_room(&m, &peer).await;
    let before = [inbox(&m.patient).await.len(), inbox(&m.doctor).await.len()];
    let body = event("participant_joined", &room, &patient).to_string();
    let good = sign_webhook(body.as_bytes());
    let refuse = async |authorization: &str, body: &str| {
        let answer = post(&m, authorization, body.to_owned()).await;
        answer.refused(401, "BAD_SIGNATURE");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    };
    refuse("", &body).await;
    refuse("nonsense", &body).await;
    refuse(&format!("{good}x"), &body).await;
    refuse(&good, &body.replace("joined", "left")).await;
    // A client's own token is signed with the same secret, but over no body.
    let grant = m.patient.get(&of(room.trim_start_matches("cn-"), "token")).await.expect(200);
    refuse(text(&grant["livekit"]["token"]), &body).await;
    refuse(m.patient.token.as_deref().unwrap(), &body).await;
    let request = m.app.nobody().request(Method::POST, PATH).body(body.clone());
    send(request).await.refused(401, "BAD_SIGNATURE");
    assert_eq!([inbox(&m.patient).await.len(), inbox(&m.doctor).await.len()], before);
    // With and without the word.
    post(&m, &format!("Bearer {good}"), body).await.expect(200);
    assert_eq!(inbox(&m.patient).await.len(), before[0] + 1);
}

#[tokio::test]
async fn what_is_unknown_is_taken_and_forgotten() {
    let (m, peer) = start().await;
    let (_, room, patient) = in_the_room(&m, &peer).await;
    let before = inbox(&m.patient).await.len();
    let unknown = format!("cn-{}", Uuid::new_v4());
    for event in [
        event("participant_joined", &unknown, &patient),
        event("participant_joined", "somebody-elses-room", &patient),
        event("participant_joined", "cn-nonsense", &patient),
        event("something_new", &room, &patient),
        event("room_started", &room, ""),
        json!({"id": "EV_none", "event": "participant_joined"}),
        json!({"id": 5}),
        json!([]),
    ] {
        assert_eq!(deliver(&m, &event).await.expect(200), json!({"status": "ok"}), "{event}");
    }
    let text = "not json".to_owned();
    let authorization = sign_webhook(text.as_bytes());
    post(&m, &authorization, text).await.expect(200);
    assert_eq!(inbox(&m.patient).await.len(), before);
}

/// A consultation with everything that tells the media server something or hands out its tokens (45, 46, 74 to 80, 82).
async fn consult(m: &Meeting) {
    let id = m.ongoing().await;
    let call = m.patient.post("connect/call-sessions", json!({"connect_session_id": id})).await.expect(201);
    for client in [&m.patient, &m.doctor] {
        let grant = client.get(&of(&id, "token")).await.expect(200);
        assert!(grant["livekit"]["token"].is_string(), "{grant}");
    }
    for (client, action) in [
        (&m.doctor, "allow"),
        (&m.patient, "decline"),
        (&m.doctor, "allow"),
        (&m.patient, "accept"),
        (&m.patient, "off"),
        (&m.patient, "on"),
        (&m.doctor, "revoke"),
        (&m.doctor, "allow"),
        (&m.patient, "accept"),
    ] {
        client.act(&of(&id, &format!("video-permission/{action}"))).await.expect(200);
    }
    m.doctor.act(&format!("connect/call-sessions/{}/end", text(&call["id"]))).await.expect(200);
    m.doctor.act(&of(&id, "end")).await.expect(200);
}

#[tokio::test]
async fn a_media_server_that_is_away_stops_nothing() {
    let m = Meeting::start_with(|config| config.livekit_url = "ws://127.0.0.1:1".to_owned()).await;
    consult(&m).await;
}

#[tokio::test]
async fn a_media_server_in_trouble_stops_nothing_and_nobody_waits_for_it() {
    let (m, peer) = start().await;
    for fault in Fault::ALL {
        peer.fail_always(Some(fault));
        let started = Instant::now();
        consult(&m).await;
        // One call to it alone may take 4 s.
        let spent = started.elapsed();
        assert!(spent < Duration::from_secs(20), "{fault:?}: {spent:?}");
    }
    for client in [&m.patient, &m.doctor] {
        for kind in ["call.ended", "session.ended"] {
            assert_eq!(events_of(client, kind).await.len(), Fault::ALL.len(), "{kind}");
        }
    }
}

#[tokio::test]
async fn what_a_media_server_in_trouble_tells_is_taken_all_the_same() {
    let (m, peer) = start().await;
    let (id, room, patient) = in_the_room(&m, &peer).await;
    let everything =
        ParticipantPermission { can_publish: true, can_subscribe: true, ..ParticipantPermission::default() };
    for fault in [Fault::Internal, Fault::Garbage, Fault::Hang, Fault::Trickle] {
        peer.fail_always(Some(fault));
        peer.seat(&room, &patient, everything.clone());
        let started = Instant::now();
        deliver(&m, &event("participant_joined", &room, &patient)).await.expect(200);
        deliver(&m, &event("participant_left", &room, &patient)).await.expect(200);
        let spent = started.elapsed();
        assert!(spent < Duration::from_secs(20), "{fault:?}: {spent:?}");
    }
    let [joined, left] = ["participant.joined", "participant.left"].map(|kind| events_of(&m.doctor, kind));
    assert_eq!((joined.await.len(), left.await.len()), (4, 4));
    // The room could not be looked at then: with the next word it is.
    peer.fail_always(None);
    let deadline = Instant::now() + Duration::from_secs(30);
    while peer.camera_allowed(&room, &patient) != Some(false) {
        assert!(Instant::now() < deadline, "never looked at again");
        deliver(&m, &event("participant_joined", &room, &patient)).await.expect(200);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    m.doctor.act(&of(&id, "end")).await.expect(200);
}
