//! The data of the connect family's real-time events (connect-v2 §4.8): what stands in a frame's `data`.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::Actor;
use super::calls::{Call, CallType};
use crate::accounts::patients::Sex;
use crate::ids::{CallId, FollowupId, LabOrderId, MessageId, OrderId, PrescriptionId, ReviewId, SessionId, UserId};
use crate::money::Paise;
use crate::states::{call, followup, session, video};

/// The patient as others see them (connect-v2 §3, `PatientPreview`).
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PatientPreview {
    /// The patient's id.
    pub user_id: UserId,
    /// Full name; null until set.
    pub name: Option<String>,
    /// Years.
    pub age: Option<i32>,
    /// As the patient said.
    pub sex: Option<Sex>,
    /// Two letters for an avatar.
    pub initials: String,
    /// Picture.
    pub avatar_url: String,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for PatientPreview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatientPreview").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// A request as the doctor's dashboard shows it (connect-v2 39; `session_requested`).
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SessionRequest {
    /// The session.
    pub session_id: SessionId,
    /// REQUESTED, unless it has changed since.
    pub status: session::Status,
    /// When the patient asked.
    pub requested_at: DateTime<Utc>,
    /// When the request lapses.
    pub expires_at: DateTime<Utc>,
    /// Health category.
    pub category: Option<String>,
    /// The patient's words.
    pub symptoms: Vec<String>,
    /// Who asks.
    pub patient: PatientPreview,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRequest")
            .field("session_id", &self.session_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// A session was accepted, rejected, cancelled or has expired.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SessionChanged {
    /// The session.
    pub session_id: SessionId,
    /// The new status.
    pub status: session::Status,
    /// The patient.
    pub patient_id: UserId,
    /// The doctor.
    pub doctor_id: UserId,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the doctor accepted.
    pub started_at: Option<DateTime<Utc>>,
}

/// A session is over, with the values of connect-v2 45.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SessionEnded {
    /// The session.
    pub session_id: SessionId,
    /// ENDED.
    pub status: session::Status,
    /// When the doctor accepted.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whole seconds between the two.
    pub duration_seconds: Option<i32>,
    /// `37m 7s`.
    pub duration_display: Option<String>,
    /// Minutes begun.
    pub billed_minutes: Option<i32>,
    /// Paise.
    pub amount: Option<Paise>,
    /// Who ended it.
    pub ended_by: Option<Actor>,
    /// The reason given, `timeout` by the idle timer.
    pub end_reason: Option<String>,
}

/// The state of the patient's camera permission (connect-v2 73), with who changed it in events.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VideoPermission {
    /// The session.
    pub session_id: SessionId,
    /// The state.
    pub video_permission_state: video::State,
    /// True exactly in VIDEO_ON.
    pub patient_video_enabled: bool,
    /// How many offers were made.
    pub consent_round: i32,
    /// Who changed it.
    pub by: Actor,
}

/// Messages were delivered or read.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Receipt {
    /// The messages whose state changed by this one call.
    pub message_ids: Vec<MessageId>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A call started or ended (connect-v2 80).
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CallChanged {
    /// The call, in the shape of connect-v2 80.
    #[serde(flatten)]
    pub call: Call,
    /// Who did it: for the push to the other one, not for the frame.
    #[serde(skip)]
    pub by: Option<Actor>,
}

/// Somebody joined or left the media room, by the media server's word.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ParticipantChanged {
    /// The session.
    pub session_id: SessionId,
    /// `patient-<id>` or `doctor-<id>`.
    pub identity: String,
    /// When the media server said so.
    pub at: DateTime<Utc>,
    /// The call that is open meanwhile, in the shape of connect-v2 80.
    #[serde(flatten)]
    pub call: RoomCall,
}

impl ParticipantChanged {
    /// The event's data, with the session's open call, if there is one.
    #[must_use]
    pub fn new(session_id: SessionId, identity: String, at: DateTime<Utc>, open: Option<Call>) -> Self {
        Self { session_id, identity, at, call: RoomCall::of(session_id, open) }
    }
}

/// [`Call`] where one may be missing: a room may be entered before the call is opened, and left after its end. All is null
/// then but the consultation.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RoomCall {
    /// Its id; null where no call is open.
    pub id: Option<CallId>,
    /// The consultation.
    pub connect_session_id: SessionId,
    /// How it was opened.
    pub call_type: Option<CallType>,
    /// CONNECTED.
    pub status: Option<call::Status>,
    /// The media room.
    pub livekit_room_name: Option<String>,
    /// The patient's camera permission.
    pub video_permission_state: Option<video::State>,
    /// True exactly in VIDEO_ON.
    pub patient_video_enabled: Option<bool>,
    /// When opened.
    pub started_at: Option<DateTime<Utc>>,
    /// Null: it is open.
    pub ended_at: Option<DateTime<Utc>>,
}

impl RoomCall {
    fn of(connect_session_id: SessionId, open: Option<Call>) -> Self {
        Self {
            id: open.as_ref().map(|call| call.id),
            connect_session_id,
            call_type: open.as_ref().map(|call| call.call_type),
            status: open.as_ref().map(|call| call.status),
            video_permission_state: open.as_ref().map(|call| call.video_permission_state),
            patient_video_enabled: open.as_ref().map(|call| call.patient_video_enabled),
            started_at: open.as_ref().map(|call| call.started_at),
            ended_at: open.as_ref().and_then(|call| call.ended_at),
            livekit_room_name: open.map(|call| call.livekit_room_name),
        }
    }
}

/// What became of a top-up order (connect-v2 §4.8).
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PaymentChanged {
    /// The order.
    pub order_id: OrderId,
    /// What is in the wallet now, in paise.
    pub balance: Paise,
}

/// A wallet holds another amount: by an order, or by the end of a consultation.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WalletUpdated {
    /// The order that was credited.
    pub order_id: Option<OrderId>,
    /// The consultation that was debited.
    pub session_id: Option<SessionId>,
    /// What is in the wallet now, in paise.
    pub balance: Paise,
}

/// A prescription was written or changed. What it says is asked for, never sent along.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PrescriptionWritten {
    /// The session.
    pub session_id: SessionId,
    /// The prescription.
    pub prescription_id: PrescriptionId,
    /// Who wrote it.
    pub doctor_id: UserId,
}

/// Lab tests were recommended or changed. Which ones is asked for, never sent along.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LabTestsWritten {
    /// The session.
    pub session_id: SessionId,
    /// The list of tests.
    pub lab_tests_id: LabOrderId,
    /// Who recommends them.
    pub doctor_id: UserId,
}
/// A review was written or answered.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReviewNotice {
    /// The review.
    pub review_id: ReviewId,
    /// The consultation.
    pub session_id: SessionId,
    /// Who was reviewed.
    pub doctor_id: UserId,
}

/// A consultation that waits for its review.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReviewReminder {
    /// The consultation.
    pub session_id: SessionId,
    /// Whom to review.
    pub doctor_id: UserId,
}

/// A follow-up in the shape of connect-v2 §3, `FollowUpOut`.
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "FollowUpOut")]
pub struct FollowUp {
    /// Its id.
    pub id: FollowupId,
    /// The consultation it follows.
    pub connect_session_id: SessionId,
    /// Null: a session of the first generation (settled 19).
    pub parent_session_id: Option<SessionId>,
    /// The doctor.
    pub doctor_id: UserId,
    /// The patient.
    pub patient_id: UserId,
    /// With the title.
    pub doctor_name: String,
    /// Null until set.
    pub patient_name: Option<String>,
    /// The day, in its zone.
    pub scheduled_date: NaiveDate,
    /// The time of day, in its zone; null where only the day is agreed.
    pub scheduled_time: Option<NaiveTime>,
    /// IANA name; the proposal is in the same zone.
    pub scheduled_timezone: String,
    /// The same as an instant; of a day without a time, its beginning.
    pub scheduled_at: DateTime<Utc>,
    /// The patient's day.
    pub proposed_date: Option<NaiveDate>,
    /// The patient's time of day.
    pub proposed_time: Option<NaiveTime>,
    /// Where it stands.
    pub status: followup::Status,
    /// Why it was called off.
    pub cancel_reason: Option<String>,
    /// By whom.
    pub cancelled_by: Option<Actor>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for FollowUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FollowUp").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}
