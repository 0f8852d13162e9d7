//! Two people and their consultation: what most tests of the connect family begin with.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium::config::Config;
use consilium_storage::accounts::Role;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::app::TestApp;
use super::client::Client;

/// A server, a patient and a doctor.
pub(crate) struct Meeting {
    pub(crate) app: TestApp,
    pub(crate) patient: Client,
    pub(crate) doctor: Client,
}

impl Meeting {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With some settings changed. Access tokens live long here, as tests move the clock.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::start_with(|config| {
            config.ttl.access_token = TimeDelta::days(30);
            change(config);
        })
        .await;
        let (patient, doctor) = tokio::join!(app.patient(), app.doctor());
        Self { app, patient, doctor }
    }

    /// The patient asks the doctor; answers the session's id.
    pub(crate) async fn requested(&self) -> String {
        request(&self.patient, &self.doctor).await
    }

    /// A running consultation.
    pub(crate) async fn ongoing(&self) -> String {
        let id = self.requested().await;
        accept(&self.doctor, &id).await;
        id
    }

    /// A consultation that the doctor has ended.
    pub(crate) async fn ended(&self) -> String {
        let id = self.ongoing().await;
        self.doctor.act(&of(&id, "end")).await.expect(200);
        id
    }

    /// A request that ended without a consultation: `REJECTED`, `CANCELLED` or `EXPIRED`.
    pub(crate) async fn closed(&self, status: &str) -> String {
        let id = self.requested().await;
        match status {
            "REJECTED" => drop(self.doctor.act(&of(&id, "reject")).await.expect(200)),
            "CANCELLED" => drop(self.patient.act(&of(&id, "cancel")).await.expect(200)),
            "EXPIRED" => self.app.advance(TimeDelta::seconds(1801)),
            other => panic!("{other} is no way to close a request"),
        }
        id
    }

    /// Another patient and another doctor: they have no part in what these two do.
    pub(crate) async fn strangers(&self) -> [Client; 2] {
        let (patient, doctor) = tokio::join!(self.app.patient(), self.app.doctor());
        [patient, doctor]
    }

    /// The doctor on another device.
    pub(crate) async fn doctor_again(&self) -> Client {
        self.app.sign_in(self.doctor.id, Role::Doctor).await
    }

    /// The kinds of events in both inboxes, the patient's first.
    pub(crate) async fn kinds(&self) -> [Vec<String>; 2] {
        [kinds(&self.patient).await, kinds(&self.doctor).await]
    }
}

/// A path below a session.
pub(crate) fn of(session: &str, rest: &str) -> String {
    format!("connect/sessions/{session}/{rest}")
}

/// A request; answers the session's id.
pub(crate) async fn request(patient: &Client, doctor: &Client) -> String {
    let body = json!({"target_doctor_id": doctor.id, "category": "Urology", "symptoms": ["back pain"]});
    let answer = patient.post("connect/sessions", body).await.expect(201);
    text(&answer["session_id"]).to_owned()
}

pub(crate) async fn accept(doctor: &Client, session: &str) -> Value {
    doctor.act(&of(session, "accept")).await.expect(200)
}

/// Sends a text; answers the stored message.
pub(crate) async fn say(sender: &Client, session: &str, content: &str) -> Value {
    sender.post(&of(session, "messages"), words(content)).await.expect(201)
}

/// The body of a text message with a fresh `client_message_id`.
pub(crate) fn words(content: &str) -> Value {
    json!({"client_message_id": uuid::Uuid::new_v4(), "content_type": "text", "content": content})
}

/// Everything in the caller's inbox.
pub(crate) async fn inbox(client: &Client) -> Vec<Value> {
    let mut since = "k1-0".to_owned();
    let mut events = Vec::new();
    loop {
        let page = client.get(&format!("connect/events/poll?since={since}&limit=500")).await.expect(200);
        assert_eq!(page["resync"], false, "{page}");
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            break;
        }
        text(&page["cursor"]).clone_into(&mut since);
    }
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(event["cursor"], format!("k1-{seq}"), "{event}");
    }
    events
}

/// The kinds of events in the caller's inbox.
pub(crate) async fn kinds(client: &Client) -> Vec<String> {
    inbox(client).await.iter().map(|event| text(&event["type"]).to_owned()).collect()
}

/// The events of one kind in the caller's inbox.
pub(crate) async fn events_of(client: &Client, kind: &str) -> Vec<Value> {
    let mut events = inbox(client).await;
    events.retain(|event| event["type"] == kind);
    events
}

/// Waits until this many events of a kind are in the caller's inbox.
pub(crate) async fn wait_for_events(client: &Client, kind: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let events = events_of(client, kind).await;
        if events.len() >= count {
            return events;
        }
        assert!(Instant::now() < deadline, "no {kind} came: {:?}", kinds(client).await);
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A time in the contract's form: ISO 8601 in UTC with `Z`.
#[track_caller]
pub(crate) fn time(value: &Value) -> DateTime<Utc> {
    let text = text(value);
    assert!(text.ends_with('Z'), "{text}");
    text.parse().unwrap()
}
