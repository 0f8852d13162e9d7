//! What goes in and out of the session endpoints.

use chrono::{DateTime, Utc};
use consilium_storage::connect::briefs::DoctorBrief;
use consilium_storage::connect::payloads::{PatientPreview, SessionEnded};
use consilium_storage::connect::sessions::Session;
use consilium_storage::connect::{Actor, Party};
use consilium_storage::ids::{SessionId, UserId};
use consilium_storage::money::Paise;
use consilium_storage::states::session::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connect::display;
use crate::gateways::media::LiveKitGrant;

/// A session in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SessionPath {
    /// The session.
    pub session_id: SessionId,
}

/// A request for a consultation (37).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RequestSession {
    /// The doctor who is asked.
    pub target_doctor_id: UserId,
    /// Health category.
    #[schemars(length(max = 100))]
    pub category: Option<String>,
    /// At most 20 of at most 200 characters.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(max = 200)))]
    pub symptoms: Vec<String>,
    /// Present treatment.
    #[schemars(length(max = 4000))]
    pub active_treatment: Option<String>,
    /// History.
    #[schemars(length(max = 4000))]
    pub medical_history: Option<String>,
    /// Paise per minute as the app showed it; a price is never the client's to set.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub rate_per_minute: Option<i64>,
}

/// The end of a consultation (45); the body may be absent.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("x-body-optional" = true))]
pub struct EndSession {
    /// Why.
    #[schemars(length(max = 50))]
    pub reason: Option<String>,
    /// For the doctor's eyes.
    #[schemars(length(max = 2000))]
    pub note: Option<String>,
}

/// A new request (37).
#[derive(Debug, Serialize, JsonSchema)]
pub struct RequestedView {
    /// The session.
    pub session_id: SessionId,
    /// REQUESTED.
    pub status: Status,
    /// The media room.
    pub room_name: String,
    /// When the request lapses.
    pub expires_at: DateTime<Utc>,
    /// The patient's token.
    pub livekit: LiveKitGrant,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// An accepted session (42).
#[derive(Debug, Serialize, JsonSchema)]
pub struct AcceptedView {
    /// The session.
    pub session_id: SessionId,
    /// ONGOING.
    pub status: Status,
    /// The doctor.
    pub doctor_id: UserId,
    /// When the doctor accepted.
    pub started_at: Option<DateTime<Utc>>,
    /// The doctor's token.
    pub livekit: LiveKitGrant,
}

/// A session and its new status (43, 44).
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusView {
    /// The session.
    pub session_id: SessionId,
    /// Where it stands.
    pub status: Status,
}

/// A fresh token (46).
#[derive(Debug, Serialize, JsonSchema)]
pub struct TokenView {
    /// The session.
    pub session_id: SessionId,
    /// REQUESTED or ONGOING.
    pub status: Status,
    /// The media room.
    pub room_name: String,
    /// The caller's token.
    pub livekit: LiveKitGrant,
}

/// The doctor of a session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DoctorLine {
    /// The doctor.
    pub id: UserId,
    /// Full name.
    pub full_name: String,
    /// Speciality.
    pub speciality_category: String,
    /// Picture.
    pub avatar_url: Option<String>,
}

/// A session in full (41).
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionDetail {
    /// The session.
    pub id: SessionId,
    /// Who asked.
    pub patient_id: UserId,
    /// Who was asked.
    pub doctor_id: UserId,
    /// Where it stands.
    pub status: Status,
    /// The media room.
    pub room_name: String,
    /// Health category.
    pub category: Option<String>,
    /// When the doctor accepted.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The patient, whatever the status.
    pub patient: PatientPreview,
    /// The doctor.
    pub doctor: DoctorLine,
    /// The patient's words.
    pub symptoms: Vec<String>,
    /// Present treatment.
    pub active_treatment: Option<String>,
    /// History.
    pub medical_history: Option<String>,
    /// When asked for.
    pub created_at: DateTime<Utc>,
    /// When the request lapses.
    pub expires_at: DateTime<Utc>,
    /// Paise per minute.
    pub rate_per_minute: i32,
    /// Whole seconds.
    pub duration_seconds: Option<i32>,
    /// `37m 7s`.
    pub duration_display: Option<String>,
    /// Minutes begun.
    pub billed_minutes: Option<i32>,
    /// Paise.
    pub amount: Option<Paise>,
    /// What of it the wallet did not cover, in paise; null until the end.
    pub amount_due: Option<Paise>,
    /// Why it ended.
    pub end_reason: Option<String>,
    /// Shown to the doctor only.
    pub end_note: Option<String>,
    /// Who ended it.
    pub ended_by: Option<Actor>,
}

impl DoctorLine {
    /// The line of a doctor.
    #[must_use]
    pub fn new(brief: &DoctorBrief, public_url: &str) -> Self {
        Self {
            id: brief.id,
            full_name: brief.full_name.clone(),
            speciality_category: brief.speciality_category.clone(),
            avatar_url: brief.avatar_file.as_ref().map(|file| format!("{public_url}/files/avatars/{file}")),
        }
    }
}

impl SessionDetail {
    /// The session as this party sees it.
    #[must_use]
    pub fn new(
        session: Session,
        viewer: Party,
        now: DateTime<Utc>,
        patient: PatientPreview,
        doctor: DoctorLine,
    ) -> Self {
        Self {
            status: session.status_at(now),
            room_name: session.room_name(),
            duration_display: session.duration_seconds.map(display::duration_display),
            id: session.id,
            patient_id: session.patient_id,
            doctor_id: session.doctor_id,
            category: session.category,
            started_at: session.started_at,
            ended_at: session.ended_at,
            patient,
            doctor,
            symptoms: session.symptoms,
            active_treatment: session.active_treatment,
            medical_history: session.medical_history,
            created_at: session.created_at,
            expires_at: session.expires_at,
            rate_per_minute: session.rate_per_minute,
            duration_seconds: session.duration_seconds,
            billed_minutes: session.billed_minutes,
            amount: session.amount,
            amount_due: session.amount_due,
            end_reason: session.end_reason,
            end_note: session.end_note.filter(|_| viewer == Party::Doctor),
            ended_by: session.ended_by,
        }
    }
}

/// The values of an end, for the answer and the event alike.
#[must_use]
pub fn ended(session: &Session) -> SessionEnded {
    SessionEnded {
        session_id: session.id,
        status: session.status,
        started_at: session.started_at,
        ended_at: session.ended_at,
        duration_seconds: session.duration_seconds,
        duration_display: session.duration_seconds.map(display::duration_display),
        billed_minutes: session.billed_minutes,
        amount: session.amount,
        ended_by: session.ended_by,
        end_reason: session.end_reason.clone(),
    }
}
