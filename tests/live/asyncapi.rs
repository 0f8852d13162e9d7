//! The document lists what is really sent: every frame of a whole consultation is in it and fits its schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::kit::{accept, request, text};
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::files::{PNG, attach, report};
use crate::support::socket::Socket;

struct Document(Value);

impl Document {
    async fn fetch(client: &Client) -> Self {
        let answer = client.get("/asyncapi.json").await;
        assert_eq!(answer.headers["content-type"], "application/json");
        Self(answer.expect(200))
    }

    /// Checks a message against the payload the document gives for its name.
    fn check(&self, message: &Value) {
        let name = message["type"].as_str().unwrap();
        assert!(self.0["components"]["messages"].get(name).is_some(), "{name} is not in the document");
        let mut schema = self.0.clone();
        schema["$ref"] = json!(format!("#/components/messages/{name}/payload"));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(message).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{message}: {errors:?}");
    }
}

/// Everything up to the frame of this type.
async fn until(socket: &mut Socket, kind: &str, seen: &mut Vec<Value>) {
    loop {
        let frame = socket.next().await;
        let found = frame["type"] == kind;
        seen.push(frame);
        if found {
            return;
        }
    }
}

#[tokio::test]
async fn every_frame_of_a_consultation_is_described() {
    // Connections that look at the clock once it was moved end with their tokens.
    let app = TestApp::start_with(|config| config.ttl.access_token = chrono::TimeDelta::hours(2)).await;
    let document = Document::fetch(&app.nobody()).await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let (mut mine, mut theirs) = (patient.socket(None).await, doctor.socket(None).await);
    let mut seen = Vec::new();
    for how in ["reject", "cancel", "expire"] {
        let session = request(&patient, &doctor).await;
        match how {
            "reject" => doctor.act(&format!("connect/sessions/{session}/reject")).await.expect(200),
            "cancel" => patient.act(&format!("connect/sessions/{session}/cancel")).await.expect(200),
            _ => {
                app.advance(chrono::TimeDelta::minutes(31));
                Value::Null
            }
        };
        let kind = ["session.rejected", "session.cancelled", "session.expired"];
        let kind = kind[["reject", "cancel", "expire"].iter().position(|one| *one == how).unwrap()];
        until(&mut mine, kind, &mut seen).await;
        until(&mut theirs, kind, &mut seen).await;
    }
    consultation(&patient, &doctor, &mut mine, &mut theirs, &mut seen).await;
    for frame in &seen {
        document.check(frame);
    }
    let kinds: BTreeSet<&str> = seen.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    for kind in [
        "ack",
        "call.ended",
        "call.started",
        "connected",
        "error",
        "message.attachment",
        "message.delivered",
        "message.new",
        "message.read",
        "presence.changed",
        "report.deleted",
        "report.uploaded",
        "session.accepted",
        "session.cancelled",
        "session.ended",
        "session.expired",
        "session.rejected",
        "session.requested",
        "typing",
        "video.permission",
    ] {
        assert!(kinds.contains(kind), "{kind} was not seen");
    }
    for code in [1001, 1009, 4400, 4401, 4403, 4408, 4409, 4410, 4429] {
        let listed = document.0["x-close-codes"].as_array().unwrap();
        assert!(listed.iter().any(|line| line["code"] == code), "{code}");
    }
}

async fn consultation(
    patient: &Client,
    doctor: &Client,
    mine: &mut Socket,
    theirs: &mut Socket,
    seen: &mut Vec<Value>,
) {
    let session = request(patient, doctor).await;
    accept(doctor, &session).await;
    until(mine, "presence.changed", seen).await;
    let message = patient.post(&format!("connect/sessions/{session}/messages"), text("hello")).await.expect(201);
    let this = json!({"session_id": session});
    let ids = json!({"session_id": session, "message_ids": [message["id"]]});
    seen.push(theirs.command("receipt.delivered", ids.clone()).await);
    seen.push(theirs.command("receipt.read", ids).await);
    seen.push(theirs.command("typing", json!({"session_id": session, "is_typing": true})).await);
    seen.push(theirs.command("video.allow", this.clone()).await);
    seen.push(theirs.command("nonsense", json!({})).await);
    seen.push(mine.command("presence.watch", json!({"doctor_ids": [doctor.id]})).await);
    let call = json!({"connect_session_id": session});
    patient.post("connect/call-sessions", call).await.expect(201);
    until(theirs, "call.started", seen).await;
    attach(patient, &session, "a.png", "image/png", PNG).await;
    let known = report(patient, &session, "a.pdf").await;
    patient.delete(&format!("connect/sessions/{session}/reports/{}", known.as_str().unwrap())).await.expect(200);
    until(theirs, "report.deleted", seen).await;
    seen.push(theirs.command("session.end", this).await);
    until(mine, "session.ended", seen).await;
}

#[tokio::test]
async fn every_command_is_described() {
    let app = TestApp::start().await;
    let document = Document::fetch(&app.nobody()).await;
    let commands = document.0["operations"]["command"]["messages"].as_array().unwrap();
    for kind in [
        "message.send",
        "receipt.delivered",
        "receipt.read",
        "typing",
        "video.allow",
        "video.accept",
        "video.decline",
        "video.revoke",
        "video.off",
        "video.on",
        "session.accept",
        "session.reject",
        "session.cancel",
        "session.end",
        "presence.set",
        "presence.watch",
        "auth.refresh",
        "ping",
    ] {
        let reference = json!({"$ref": format!("#/channels/socket/messages/command.{kind}")});
        assert!(commands.contains(&reference), "{kind}");
    }
}
