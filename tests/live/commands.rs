//! The commands of a WebSocket: the same rules, answers and errors as their REST calls (realtime.md §4, settled 6, 7, 12).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kit::{Consultation, next, request, seq_of, text};
use crate::support::app::TestApp;
use crate::support::client::{Answer, keys};
use crate::support::socket::{Incoming, Socket};

const QUIET: Duration = Duration::from_millis(150);

/// The data of a command that succeeds.
async fn ack(socket: &mut Socket, kind: &str, fields: Value) -> Value {
    let frame = socket.command(kind, fields).await;
    assert_eq!(frame["type"], "ack", "{frame}");
    frame["data"].clone()
}

/// A command is refused exactly as its REST call.
#[track_caller]
fn same_refusal(frame: &Value, rest: &Answer) {
    assert_eq!(keys(frame), ["error", "ref", "type"], "{frame}");
    let mut error = frame["error"].clone();
    assert_eq!(error.as_object_mut().unwrap().remove("status"), Some(json!(rest.status)), "{frame}");
    assert_eq!(error, rest.body);
}

#[tokio::test]
async fn a_message_is_acknowledged_with_its_place_and_told_to_everybody_else() {
    let c = Consultation::start().await;
    let mut sender = c.patient.socket(None).await;
    let mut tablet = c.patient.socket(None).await;
    let mut doctor = c.doctor.socket(None).await;
    for socket in [&mut sender, &mut tablet, &mut doctor] {
        socket.next_of("connected").await;
    }
    let fields = c.send("good morning");
    let first = sender.command("message.send", fields.clone()).await;
    assert_eq!(keys(&first), ["cursor", "data", "ref", "type"]);
    assert_eq!((first["type"].as_str(), &first["cursor"]), (Some("ack"), &json!(c.cursor(2))));
    let own = tablet.next().await;
    assert_eq!((own["type"].as_str(), &own["cursor"]), (Some("message.new"), &first["cursor"]));
    let theirs = doctor.next().await;
    assert_eq!((theirs["type"].as_str(), &theirs["cursor"]), (Some("message.new"), &json!(c.cursor(3))));
    assert!(own["data"] == first["data"] && theirs["data"] == first["data"]);

    let again = sender.command("message.send", fields.clone()).await;
    assert_eq!(keys(&again), ["data", "ref", "type"], "a repeat's ack has no place");
    assert_eq!(again["data"], first["data"]);
    let mut body = fields;
    body.as_object_mut().unwrap().remove("session_id");
    let rest = c.patient.post(&c.messages(), body).await;
    assert_eq!(rest.expect(200), first["data"], "REST gives the same message");

    let next = c.say(&c.doctor, "good morning to you").await;
    let frame = sender.next().await;
    assert_eq!((&frame["data"], &frame["cursor"]), (&next, &json!(c.cursor(3))), "no number is missing");
    assert!(sender.silent_for(QUIET).await);
}

#[tokio::test]
async fn receipts_in_two_frames_run_in_order() {
    let c = Consultation::start().await;
    let mut doctor = c.doctor.socket(None).await;
    doctor.next_of("connected").await;
    let message = doctor.command("message.send", c.send("take two a day")).await["data"].clone();
    let mut patient = c.patient.socket(None).await;
    let fields = json!({"session_id": c.session, "message_ids": [message["id"]]});
    let delivered = patient.send_command("receipt.delivered", fields.clone()).await;
    let read = patient.send_command("receipt.read", fields.clone()).await;
    let mut acks = Vec::new();
    while acks.len() < 2 {
        let frame = patient.next().await;
        if frame["type"] == "ack" {
            assert_eq!(frame["data"], json!({"updated": 1}));
            assert!(frame.get("cursor").is_none(), "nothing of it stands in the receiver's inbox");
            acks.push(frame["ref"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(acks, [delivered, read]);
    for kind in ["message.delivered", "message.read"] {
        let frame = doctor.next().await;
        assert_eq!(frame["type"], kind);
        assert_eq!(frame["session_id"], c.session);
        assert_eq!(keys(&frame["data"]), ["at", "message_ids"]);
        assert_eq!(frame["data"]["message_ids"], json!([message["id"]]));
    }
    assert_eq!(ack(&mut patient, "receipt.read", fields.clone()).await, json!({"updated": 0}));
    let mut body = fields;
    body.as_object_mut().unwrap().remove("session_id");
    let path = format!("{}/read", c.messages());
    assert_eq!(c.patient.post(&path, body).await.expect(200), json!({"updated": 0}));
    assert!(doctor.silent_for(QUIET).await);
}

#[tokio::test]
async fn a_session_from_request_to_end_by_commands() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let mut theirs = doctor.socket(None).await;
    let mut mine = patient.socket(None).await;
    mine.next_of("connected").await;

    let rejected = request(&patient, &doctor).await;
    let this = json!({"session_id": rejected});
    let data = ack(&mut theirs, "session.reject", this).await;
    assert_eq!(data, doctor.act(&format!("connect/sessions/{rejected}/reject")).await.expect(200));
    assert_eq!(next(&mut mine).await["type"], "session.rejected");

    let cancelled = request(&patient, &doctor).await;
    let frame = mine.command("session.cancel", json!({"session_id": cancelled})).await;
    assert!(seq_of(&frame["cursor"]) == 2, "{frame}");
    assert_eq!(frame["data"], patient.act(&format!("connect/sessions/{cancelled}/cancel")).await.expect(200));

    let session = request(&patient, &doctor).await;
    let this = json!({"session_id": session});
    let data = ack(&mut theirs, "session.accept", this.clone()).await;
    let rest = doctor.act(&format!("connect/sessions/{session}/accept")).await.expect(200);
    assert_eq!(keys(&data), keys(&rest));
    for key in ["session_id", "status", "doctor_id", "started_at"] {
        assert_eq!(data[key], rest[key]);
    }
    assert_eq!(next(&mut mine).await["type"], "session.accepted");

    let fields = json!({"session_id": session, "reason": "completed", "note": "rest", "surprise": true});
    let data = ack(&mut theirs, "session.end", fields).await;
    assert_eq!(data, doctor.act(&format!("connect/sessions/{session}/end")).await.expect(200));
    assert_eq!((&data["end_reason"], &data["ended_by"]), (&json!("completed"), &json!("doctor")));
    let ended = next(&mut mine).await;
    assert_eq!((ended["type"].as_str(), &ended["data"]), (Some("session.ended"), &data));
}

#[tokio::test]
async fn the_camera_permission_by_commands() {
    let c = Consultation::start().await;
    let mut doctor = c.doctor.socket(None).await;
    let mut patient = c.patient.socket(None).await;
    patient.next_of("connected").await;
    let path = format!("connect/sessions/{}/video-permission", c.session);
    let steps = [
        ("video.allow", true),
        ("video.decline", false),
        ("video.allow", true),
        ("video.accept", false),
        ("video.off", false),
        ("video.on", false),
        ("video.revoke", true),
    ];
    for (kind, by_doctor) in steps {
        let actor = if by_doctor { &mut doctor } else { &mut patient };
        let data = ack(actor, kind, c.this()).await;
        assert_eq!(data, c.patient.get(&path).await.expect(200), "{kind}");
        let other = if by_doctor { &mut patient } else { &mut doctor };
        let frame = other.next_of("video.permission").await;
        assert_eq!(frame["data"]["by"], if by_doctor { "doctor" } else { "patient" });
        assert_eq!(frame["data"]["video_permission_state"], data["video_permission_state"]);
        assert_eq!(frame["data"]["consent_round"], data["consent_round"]);
    }
    same_refusal(&patient.command("video.accept", c.this()).await, &c.patient.act(&format!("{path}/accept")).await);
    same_refusal(&patient.command("video.allow", c.this()).await, &c.patient.act(&format!("{path}/allow")).await);
    same_refusal(&doctor.command("video.accept", c.this()).await, &c.doctor.act(&format!("{path}/accept")).await);
}

#[tokio::test]
async fn refusals_are_those_of_the_rest_call() {
    let c = Consultation::start().await;
    let stranger = c.app.patient().await;
    let (mut patient, mut other) = (c.patient.socket(None).await, stranger.socket(None).await);
    let mut doctor = c.doctor.socket(None).await;
    let mut admin_socket = c.app.admin().await.socket(None).await;
    let admin = c.app.admin().await;
    let one = format!("connect/sessions/{}", c.session);

    let foreign = other.command("message.send", c.send("let me in")).await;
    same_refusal(&foreign, &stranger.post(&c.messages(), text("let me in")).await);
    let foreign = other.command("session.end", c.this()).await;
    same_refusal(&foreign, &stranger.act(&format!("{one}/end")).await);
    let role = admin_socket.command("message.send", c.send("x")).await;
    same_refusal(&role, &admin.post(&c.messages(), text("x")).await);
    let role = patient.command("session.accept", c.this()).await;
    same_refusal(&role, &c.patient.act(&format!("{one}/accept")).await);
    let state = doctor.command("session.reject", c.this()).await;
    same_refusal(&state, &c.doctor.act(&format!("{one}/reject")).await);

    for bad in [
        json!({}),
        json!({"client_message_id": 7, "content_type": "poem", "content": ""}),
        json!({"client_message_id": 7, "content_type": "image", "content": "http://example.org/a.png"}),
        json!({"client_message_id": 7, "content_type": "text", "content": "😀".repeat(13_000)}),
    ] {
        let mut fields = bad.clone();
        fields["session_id"] = json!(c.session);
        same_refusal(&patient.command("message.send", fields).await, &c.patient.post(&c.messages(), bad).await);
    }
    let long = text(&"x".repeat(16_001));
    let mut fields = long.clone();
    fields["session_id"] = json!(c.session);
    same_refusal(&patient.command("message.send", fields).await, &c.patient.post(&c.messages(), long).await);

    c.doctor.act(&format!("{one}/end")).await.expect(200);
    let late = patient.command("message.send", c.send("too late")).await;
    same_refusal(&late, &c.patient.post(&c.messages(), text("too late")).await);
    assert_eq!(late["error"]["code"], "INVALID_SESSION_STATE");
    let typing = patient.command("typing", json!({"session_id": c.session, "is_typing": true})).await;
    assert_eq!(typing["error"]["code"], "INVALID_SESSION_STATE");
}

#[tokio::test]
async fn the_other_partys_client_message_id_is_a_conflict() {
    let c = Consultation::start().await;
    let fields = c.send("mine");
    ack(&mut c.patient.socket(None).await, "message.send", fields.clone()).await;
    let frame = c.doctor.socket(None).await.command("message.send", fields.clone()).await;
    let mut body = fields;
    body.as_object_mut().unwrap().remove("session_id");
    same_refusal(&frame, &c.doctor.post(&c.messages(), body).await);
    assert_eq!(frame["error"]["code"], "DUPLICATE");
}

#[tokio::test]
async fn what_is_not_understood() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let mut socket = patient.socket(None).await;
    let unknown = socket.command("message.unsend", json!({})).await;
    assert_eq!((unknown["type"].as_str(), &unknown["error"]["status"]), (Some("error"), &json!(400)));
    assert_eq!(unknown["error"]["code"], "UNKNOWN_COMMAND");
    socket.next_of("connected").await;
    for odd in ["42", "[]", "{}", r#"{"type":7}"#] {
        socket.send_text(odd.to_owned()).await;
        let frame = socket.next().await;
        assert_eq!((frame["type"].as_str(), &frame["ref"]), (Some("error"), &Value::Null), "{odd}");
    }
    for reference in [json!("a"), json!(17), json!({"deep": [1]})] {
        socket.send(&json!({"type": "ping", "ref": reference})).await;
        assert_eq!(socket.next().await, json!({"type": "ack", "ref": reference, "data": null}));
    }
    socket.send_text("good morning".to_owned()).await;
    assert_eq!(socket.closed().await, 4400);
    let mut socket = patient.socket(None).await;
    socket.send_binary(b"{}".to_vec()).await;
    assert_eq!(socket.closed().await, 4400);
}

#[tokio::test]
async fn typing_reaches_the_other_party_once_a_second() {
    let c = Consultation::start().await;
    let stranger = c.app.patient().await;
    let mut sockets = Vec::new();
    for client in [&c.patient, &c.doctor, &stranger, &c.app.doctor().await] {
        let mut socket = client.socket(None).await;
        socket.next_of("connected").await;
        sockets.push(socket);
    }
    let [patient, doctor, other, other_doctor] = &mut sockets[..] else { panic!("four sockets") };
    let fields = |is_typing: bool| json!({"session_id": c.session, "is_typing": is_typing});
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let since = Instant::now();
        for is_typing in [true, false, true] {
            assert_eq!(ack(patient, "typing", fields(is_typing)).await, Value::Null);
        }
        let in_time = since.elapsed() < Duration::from_secs(1);
        let frame = doctor.next().await;
        assert_eq!(keys(&frame), ["at", "data", "session_id", "type"], "no cursor");
        assert_eq!(frame["type"], "typing");
        assert_eq!(frame["data"], json!({"user_id": c.patient.id, "is_typing": true}));
        if in_time {
            break;
        }
        // The machine stood still: it took more than a second, and more may have come.
        while !doctor.silent_for(QUIET).await {
            assert!(Instant::now() < deadline, "there is no end of it");
        }
        assert!(Instant::now() < deadline, "three commands take more than a second each time");
        c.app.advance(chrono::TimeDelta::seconds(1));
    }
    ack(doctor, "typing", fields(true)).await;
    assert_eq!(patient.next().await["data"]["user_id"], json!(c.doctor.id), "each party has its own second");
    c.app.advance(chrono::TimeDelta::seconds(1));
    ack(patient, "typing", fields(false)).await;
    assert_eq!(doctor.next().await["data"]["is_typing"], false);
    let refused = other.command("typing", fields(true)).await;
    assert_eq!(refused["error"], json!({"status": 404, "detail": "Session not found"}));
    for socket in [patient, doctor, other, other_doctor] {
        assert!(socket.silent_for(QUIET).await);
    }
    let mut late = c.doctor.socket(Some(&c.cursor(0))).await;
    late.next_of("session.accepted").await;
    assert!(late.silent_for(QUIET).await, "typing is never replayed");
}

#[tokio::test]
async fn a_message_and_the_end_race_in_order() {
    for round in 0..5 {
        let c = Consultation::start().await;
        let (mut patient, mut doctor) = (c.patient.socket(None).await, c.doctor.socket(None).await);
        for number in 0..5 {
            patient.send_command("message.send", c.send(&number.to_string())).await;
        }
        let reference = doctor.send_command("session.end", c.this()).await;
        let (mut acked, mut answered) = (0, 0);
        while answered < 5 {
            match patient.incoming().await {
                Incoming::Frame(frame) if frame["type"] == "ack" => (acked, answered) = (acked + 1, answered + 1),
                Incoming::Frame(frame) if frame["type"] == "error" => {
                    assert_eq!(frame["error"]["code"], "INVALID_SESSION_STATE");
                    answered += 1;
                }
                Incoming::Frame(_) => {}
                Incoming::Closed(code, _) => panic!("closed {code}"),
            }
        }
        let mut told = 0;
        loop {
            let frame = doctor.next().await;
            told += u32::from(frame["type"] == "message.new");
            // The end has one place: the acknowledgement stands there, or its event where the inbox had to be read.
            let is_ack = frame["ref"] == reference.as_str() && frame.get("cursor").is_some();
            if is_ack || frame["type"] == "session.ended" {
                break;
            }
        }
        assert_eq!(told, acked, "round {round}: what was acknowledged came before the end");
        let history = c.doctor.get(&c.messages()).await.expect(200);
        assert_eq!(history["total"], acked);
    }
}

#[tokio::test]
async fn an_accepted_request_cannot_be_cancelled_in_a_race() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let session = request(&patient, &doctor).await;
    let (mut mine, mut theirs) = (patient.socket(None).await, doctor.socket(None).await);
    let this = json!({"session_id": session});
    let (cancel, take) =
        tokio::join!(mine.command("session.cancel", this.clone()), theirs.command("session.accept", this));
    let won = [&cancel, &take].iter().filter(|frame| frame["type"] == "ack").count();
    assert_eq!(won, 1, "{cancel} {take}");
    let lost = if cancel["type"] == "ack" { take } else { cancel };
    assert_eq!(lost["error"]["code"], "ILLEGAL_TRANSITION");
}
