//! LiveKit's webhooks (connect-v2 47): verified on the raw bytes, read leniently, treated as hints.
//!
//! Webhooks are lost, doubled and out of order in practice, so an event only says "look again":
//! drop those whose `id` was seen, and let [`super::reconcile`] ask the server what is true.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use livekit_api::access_token::TokenVerifier;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Why a webhook is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not signed with our secret, not by our key, expired, or not over these bytes: 401 `BAD_SIGNATURE`.
    #[error("the webhook's signature does not fit its body")]
    BadSignature,
    /// Signed by LiveKit, but no event this version can read. Answer 200: a retry would bring the same.
    #[error("the webhook's body is no event")]
    Unreadable,
}

/// One verified event.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaEvent {
    /// LiveKit's event id, to drop repeats by. Never empty.
    pub id: String,
    /// When LiveKit made it, in seconds since 1970; 0 when it does not say.
    pub created_at: i64,
    /// The room it is about, where the event names one.
    pub room: Option<String>,
    /// What happened.
    pub kind: MediaEventKind,
}

/// What happened. A name this version does not know is [`MediaEventKind::Other`], not an error.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaEventKind {
    /// The room opened.
    RoomStarted,
    /// The room closed.
    RoomFinished,
    /// Somebody is in the room: apply the permission again (their token may be an old one).
    ParticipantJoined {
        /// As in [`super::Party::parse`]; may be a recorder's.
        identity: String,
    },
    /// Somebody left. A newer join of the same identity may have been told before.
    ParticipantLeft {
        /// As in [`super::Party::parse`]; may be a recorder's.
        identity: String,
    },
    /// A track went up: worth a look when it is a camera.
    TrackPublished {
        /// Who publishes.
        identity: String,
        /// Whether it is a camera.
        camera: bool,
    },
    /// A recording moved.
    Egress(EgressReport),
    /// Anything else: answer 200 and go on.
    Other,
}

/// A recording's state as the recorder tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct EgressReport {
    /// The recorder's id of the recording.
    pub egress_id: String,
    /// Where it stands.
    pub status: EgressStatus,
    /// The first file, when there is one.
    pub file: Option<EgressFile>,
    /// The recorder's own words on a failure: neither for a client nor for the log (docs/decisions/005).
    pub error: Option<String>,
}

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EgressStatus {
    /// Starting, active or ending.
    Running,
    /// The file is there.
    Complete,
    /// Stopped at a limit; the file so far is there.
    LimitReached,
    /// Failed or aborted: no file to count on.
    Failed,
    /// A state this version does not know.
    Unknown,
}

/// The recorded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressFile {
    /// Its name in the store.
    pub filename: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Length of the recording.
    pub duration: Duration,
}

/// Checks and reads webhooks for one key pair.
pub struct WebhookVerifier {
    tokens: TokenVerifier,
    api_key: String,
}

impl WebhookVerifier {
    /// A verifier for one key pair.
    pub fn new(api_key: &str, api_secret: &SecretString) -> Self {
        Self { tokens: TokenVerifier::with_api_key(api_key, api_secret.expose_secret()), api_key: api_key.to_owned() }
    }

    /// Verifies `authorization` (the header, with or without `Bearer `) over the raw body, then
    /// reads it. The body must be the bytes as they came: LiveKit signs a hash of exactly those.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub fn verify(&self, authorization: &str, body: &[u8]) -> Result<MediaEvent, WebhookError> {
        let token = authorization.strip_prefix("Bearer ").unwrap_or(authorization);
        let claims = self.tokens.verify(token).map_err(|_| WebhookError::BadSignature)?;
        // The crate checks an issuer that is there, and lets one that is missing pass.
        if claims.iss != self.api_key {
            return Err(WebhookError::BadSignature);
        }
        // A client's join token is signed with the same secret but carries no hash: refused here.
        let signed = STANDARD.decode(&claims.sha256).map_err(|_| WebhookError::BadSignature)?;
        if signed.as_slice() != Sha256::digest(body).as_slice() {
            return Err(WebhookError::BadSignature);
        }
        read(body).ok_or(WebhookError::Unreadable)
    }
}

/// The parts of `livekit.WebhookEvent` we use, in protobuf's JSON. The protocol crate's own reader
/// refuses the whole event for one enum name it does not know; this one does not look at the rest.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    id: String,
    #[serde(default)]
    event: String,
    #[serde(default, alias = "created_at", rename = "createdAt")]
    created_at: Value,
    room: Option<WireRoom>,
    participant: Option<WireParticipant>,
    track: Option<WireTrack>,
    #[serde(alias = "egress_info", rename = "egressInfo")]
    egress: Option<WireEgress>,
}

#[derive(Deserialize)]
struct WireRoom {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct WireParticipant {
    #[serde(default)]
    identity: String,
}

#[derive(Deserialize)]
struct WireTrack {
    #[serde(default)]
    source: Value,
}

#[derive(Deserialize)]
struct WireEgress {
    #[serde(default, alias = "egress_id", rename = "egressId")]
    egress_id: String,
    #[serde(default, alias = "room_name", rename = "roomName")]
    room_name: String,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    error: String,
    #[serde(default, alias = "file_results", rename = "fileResults")]
    files: Vec<WireFile>,
    file: Option<WireFile>,
}

#[derive(Deserialize)]
struct WireFile {
    #[serde(default)]
    filename: String,
    #[serde(default)]
    size: Value,
    #[serde(default)]
    duration: Value,
}

fn read(body: &[u8]) -> Option<MediaEvent> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    if wire.id.is_empty() {
        return None;
    }
    let room = wire
        .room
        .map(|room| room.name)
        .or_else(|| wire.egress.as_ref().map(|egress| egress.room_name.clone()))
        .filter(|name| !name.is_empty());
    let identity = wire.participant.map(|participant| participant.identity).filter(|identity| !identity.is_empty());
    let kind = match (wire.event.as_str(), identity) {
        ("room_started", _) => MediaEventKind::RoomStarted,
        ("room_finished", _) => MediaEventKind::RoomFinished,
        ("participant_joined", Some(identity)) => MediaEventKind::ParticipantJoined { identity },
        ("participant_left", Some(identity)) => MediaEventKind::ParticipantLeft { identity },
        ("track_published", Some(identity)) => MediaEventKind::TrackPublished {
            identity,
            // Names in protobuf's JSON, numbers from writers set so; 1 is the camera.
            camera: wire.track.is_some_and(|track| track.source == "CAMERA" || track.source == 1),
        },
        ("egress_started" | "egress_updated" | "egress_ended", _) => wire
            .egress
            .filter(|egress| !egress.egress_id.is_empty())
            .map_or(MediaEventKind::Other, |egress| MediaEventKind::Egress(report(egress))),
        _ => MediaEventKind::Other,
    };
    Some(MediaEvent { id: wire.id, created_at: integer(&wire.created_at).unwrap_or_default(), room, kind })
}

fn report(egress: WireEgress) -> EgressReport {
    let file = egress.files.into_iter().next().or(egress.file);
    EgressReport {
        egress_id: egress.egress_id,
        status: status(&egress.status),
        file: file.map(|file| EgressFile {
            filename: file.filename,
            size_bytes: unsigned(&file.size),
            duration: Duration::from_nanos(unsigned(&file.duration)),
        }),
        error: Some(egress.error).filter(|words| !words.is_empty()),
    }
}

/// `livekit.EgressStatus`, by name or number. Absent is its zero value, STARTING.
fn status(value: &Value) -> EgressStatus {
    let name = value.as_str().unwrap_or_default();
    match (name, value.as_i64()) {
        ("EGRESS_STARTING" | "EGRESS_ACTIVE" | "EGRESS_ENDING", _) | (_, Some(0..=2)) => EgressStatus::Running,
        ("EGRESS_COMPLETE", _) | (_, Some(3)) => EgressStatus::Complete,
        ("EGRESS_FAILED" | "EGRESS_ABORTED", _) | (_, Some(4 | 5)) => EgressStatus::Failed,
        ("EGRESS_LIMIT_REACHED", _) | (_, Some(6)) => EgressStatus::LimitReached,
        _ if value.is_null() => EgressStatus::Running,
        _ => EgressStatus::Unknown,
    }
}

/// Protobuf's JSON writes 64-bit numbers as text; some writers as numbers.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn unsigned(value: &Value) -> u64 {
    integer(value).and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{EgressStatus, MediaEventKind, integer, read, status};
    use serde_json::json;

    fn kind(value: &serde_json::Value) -> Option<MediaEventKind> {
        read(value.to_string().as_bytes()).map(|event| event.kind)
    }

    #[test]
    fn unknown_names_are_other_and_never_an_error() {
        for body in [
            json!({"id": "EV_1", "event": "agent_job_started", "job": {"state": "JS_NEW"}}),
            json!({"id": "EV_1", "event": "something_new", "news": {"a": [1, null]}}),
            json!({"id": "EV_1", "event": "participant_joined"}),
            json!({"id": "EV_1", "event": "egress_ended", "egressInfo": {}}),
            json!({"id": "EV_1"}),
        ] {
            assert_eq!(kind(&body), Some(MediaEventKind::Other), "{body}");
        }
        let new_enum = json!({"id": "EV_1", "event": "room_finished", "roomEndReason": "BRAND_NEW",
            "room": {"name": "cn-1", "enabledCodecs": [{"mime": "video/new"}]}});
        assert_eq!(kind(&new_enum), Some(MediaEventKind::RoomFinished));
    }

    #[test]
    fn a_body_without_an_id_is_unreadable() {
        for body in ["", "null", "[]", "{}", r#"{"event":"room_finished"}"#] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn numbers_come_as_text_or_numbers_and_states_as_names_or_numbers() {
        assert_eq!(integer(&json!("1767225600")), Some(1_767_225_600));
        assert_eq!(integer(&json!(7)), Some(7));
        assert_eq!(integer(&json!({})), None);
        assert_eq!(status(&json!(null)), EgressStatus::Running);
        assert_eq!(status(&json!("EGRESS_ABORTED")), EgressStatus::Failed);
        assert_eq!(status(&json!(3)), EgressStatus::Complete);
        assert_eq!(status(&json!("EGRESS_SOMETHING")), EgressStatus::Unknown);
        assert_eq!(status(&json!(99)), EgressStatus::Unknown);
    }
}
