//! A running consultation, and what frames say.

use std::time::Duration;

use consilium::config::Config;
use consilium_storage::ids::LoginId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::socket::Socket;

/// How long the server may take to know who is there.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a patient and a doctor in one ONGOING session. The doctor's inbox holds the request and the
/// acceptance, the patient's the acceptance.
pub(crate) struct Consultation {
    pub(crate) app: TestApp,
    pub(crate) patient: Client,
    pub(crate) doctor: Client,
    pub(crate) session: String,
}

impl Consultation {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::start_with(change).await;
        let (patient, doctor) = (app.patient().await, app.doctor().await);
        let session = request(&patient, &doctor).await;
        // The change to BUSY is told beside the acceptance: it must not come into the tests.
        let mut eyes = patient.socket(None).await;
        accept(&doctor, &session).await;
        eyes.next_of("presence.changed").await;
        eyes.close().await;
        gone(&app, &patient).await;
        Self { app, patient, doctor, session }
    }

    /// The path of the session's messages.
    pub(crate) fn messages(&self) -> String {
        format!("connect/sessions/{}/messages", self.session)
    }

    /// Sends a text over REST; the stored message.
    pub(crate) async fn say(&self, by: &Client, content: &str) -> Value {
        by.post(&self.messages(), text(content)).await.expect(201)
    }

    /// Fields of `message.send`.
    pub(crate) fn send(&self, content: &str) -> Value {
        let mut fields = text(content);
        fields["session_id"] = json!(self.session);
        fields
    }

    /// Fields of a command that only names the session.
    pub(crate) fn this(&self) -> Value {
        json!({"session_id": self.session})
    }

    /// A cursor of this server.
    pub(crate) fn cursor(&self, seq: i64) -> String {
        self.app.app.engine.cursor(seq)
    }
}

/// Waits until the server knows that none of this client's connections is left.
pub(crate) async fn gone(app: &TestApp, client: &Client) {
    let empty = async {
        while !app.app.engine.hub().of_user(client.id).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.expect("a connection is left");
}

/// Waits until the server knows a connection of this client: also a poll that waits.
pub(crate) async fn present(app: &TestApp, client: &Client) {
    let there = async {
        while app.app.engine.hub().of_user(client.id).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.expect("nobody connected");
}

/// The next frame that is no change of presence, which comes beside others at no certain place.
pub(crate) async fn next(socket: &mut Socket) -> Value {
    loop {
        let frame = socket.next().await;
        if frame["type"] != "presence.changed" {
            return frame;
        }
    }
}

/// The patient asks for the doctor; the session's id.
pub(crate) async fn request(patient: &Client, doctor: &Client) -> String {
    let asked = patient.post("connect/sessions", json!({"target_doctor_id": doctor.id})).await.expect(201);
    asked["session_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn accept(doctor: &Client, session: &str) {
    doctor.act(&format!("connect/sessions/{session}/accept")).await.expect(200);
}

/// A text message as REST takes it.
pub(crate) fn text(content: &str) -> Value {
    json!({"client_message_id": Uuid::new_v4(), "content_type": "text", "content": content})
}

/// The number of a cursor.
#[track_caller]
pub(crate) fn seq_of(cursor: &Value) -> i64 {
    let text = cursor.as_str().unwrap_or_else(|| panic!("no cursor: {cursor}"));
    text.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// The sign-in behind a client's token.
pub(crate) fn login_of(app: &TestApp, client: &Client) -> LoginId {
    app.app.tokens.verify(client.token.as_deref().unwrap(), app.app.now()).unwrap().sid
}
