//! Durable events (realtime.md §6): their names, their data, and what they change in the hub's projection.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::connect::Actor;
use crate::connect::attachments::AttachmentItem;
use crate::connect::messages::Message;
use crate::connect::payloads::{
    CallChanged, FollowUp, LabTestsWritten, ParticipantChanged, PaymentChanged, PrescriptionWritten, Receipt,
    ReviewNotice, ReviewReminder, SessionChanged, SessionEnded, SessionRequest, VideoPermission, WalletUpdated,
};
use crate::connect::recordings::RecordingOut;
use crate::connect::reports::ReportItem;
use crate::error::Error;
use crate::ids::{SessionId, UserId};
use crate::states::{session, video};

/// Declares the event enum with its names and the list that the AsyncAPI document is made from.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $name:literal to $recipients:literal),+ $(,)?) => {
        /// A durable event and its data.
        #[derive(Debug, Clone)]
        pub enum Event { $($(#[$doc])* $variant($data)),+ }

        impl Event {
            /// The event's name on the wire.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name),+ }
            }

            /// The frame's `data`.
            ///
            /// # Errors
            /// [`Error::Corrupt`] if the data cannot be written as JSON, which its types rule out.
            pub fn data(&self) -> Result<Box<RawValue>, Error> {
                match self { $(Self::$variant(data) => raw(data)),+ }
            }
        }

        /// Every event: its name, who receives it, and the JSON schema of its data.
        #[must_use]
        pub fn catalogue(generator: &mut schemars::SchemaGenerator) -> Vec<(&'static str, &'static str, schemars::Schema)> {
            vec![$(($name, $recipients, generator.subschema_for::<$data>())),+]
        }
    };
}

events! {
    /// A patient asks for a doctor.
    SessionRequested(SessionRequest) = "session.requested" to "doctor",
    /// The doctor took the request.
    SessionAccepted(SessionChanged) = "session.accepted" to "patient and doctor",
    /// The doctor refused.
    SessionRejected(SessionChanged) = "session.rejected" to "patient and doctor",
    /// The patient withdrew.
    SessionCancelled(SessionChanged) = "session.cancelled" to "patient and doctor",
    /// Nobody answered in time.
    SessionExpired(SessionChanged) = "session.expired" to "patient and doctor",
    /// The consultation is over.
    SessionEnded(SessionEnded) = "session.ended" to "patient and doctor",
    /// A message.
    MessageNew(Message) = "message.new" to "patient and doctor",
    /// Messages reached a device of their receiver.
    MessageDelivered(Receipt) = "message.delivered" to "the messages' sender",
    /// Messages were read.
    MessageRead(Receipt) = "message.read" to "the messages' sender",
    /// A file was attached.
    MessageAttachment(AttachmentItem) = "message.attachment" to "patient and doctor",
    /// A document of the patient was uploaded.
    ReportUploaded(ReportItem) = "report.uploaded" to "patient and doctor",
    /// A document of the patient was deleted.
    ReportDeleted(ReportItem) = "report.deleted" to "patient and doctor",
    /// The patient's camera permission changed.
    VideoPermission(VideoPermission) = "video.permission" to "patient and doctor",
    /// A call was opened.
    CallStarted(CallChanged) = "call.started" to "patient and doctor",
    /// A call ended.
    CallEnded(CallChanged) = "call.ended" to "patient and doctor",
    /// Both parties are recorded from now on.
    RecordingStarted(RecordingOut) = "recording.started" to "patient and doctor",
    /// Nobody is recorded any more; the file is being written.
    RecordingStopped(RecordingOut) = "recording.stopped" to "patient and doctor",
    /// The file is there.
    RecordingReady(RecordingOut) = "recording.ready" to "patient and doctor",
    /// There is no file, and there will be none.
    RecordingFailed(RecordingOut) = "recording.failed" to "patient and doctor",
    /// Somebody joined the media room.
    ParticipantJoined(ParticipantChanged) = "participant.joined" to "patient and doctor",
    /// Somebody left the media room.
    ParticipantLeft(ParticipantChanged) = "participant.left" to "patient and doctor",
    /// A top-up order was paid and credited.
    PaymentSuccess(PaymentChanged) = "payment.success" to "patient",
    /// A top-up order's payment failed or was abandoned; another attempt may still succeed.
    PaymentFailed(PaymentChanged) = "payment.failed" to "patient",
    /// What is in the wallet changed.
    WalletUpdated(WalletUpdated) = "wallet.updated" to "patient",
    /// A prescription was written.
    PrescriptionReady(PrescriptionWritten) = "prescription.ready" to "patient",
    /// A prescription was changed.
    PrescriptionUpdated(PrescriptionWritten) = "prescription.updated" to "patient",
    /// Lab tests were recommended.
    LabTestsRecommended(LabTestsWritten) = "labtests.recommended" to "patient",
    /// The recommended lab tests were changed.
    LabTestsUpdated(LabTestsWritten) = "labtests.updated" to "patient",
    /// The doctor proposes a follow-up.
    FollowupScheduled(FollowUp) = "followup.scheduled" to "patient",
    /// The patient agrees to it, or the doctor to the patient's date.
    FollowupAccepted(FollowUp) = "followup.accepted" to "the other party",
    /// The patient refuses it, or the doctor the patient's date.
    FollowupRejected(FollowUp) = "followup.rejected" to "the other party",
    /// The patient proposes another date.
    FollowupRescheduled(FollowUp) = "followup.rescheduled" to "doctor",
    /// A party called it off.
    FollowupCancelled(FollowUp) = "followup.cancelled" to "the other party",
    /// It is near.
    FollowupReminder(FollowUp) = "followup.reminder" to "patient and doctor",
    /// A patient reviewed a consultation.
    ReviewSubmitted(ReviewNotice) = "review.submitted" to "doctor",
    /// The doctor answered the review.
    ReviewReply(ReviewNotice) = "review.reply" to "patient",
    /// The consultation is not reviewed yet.
    ReviewReminder(ReviewReminder) = "review.reminder" to "patient",
}

fn raw<T: Serialize>(data: &T) -> Result<Box<RawValue>, Error> {
    serde_json::value::to_raw_value(data).map_err(|error| Error::Corrupt(error.to_string()))
}

/// What an event changes in the hub's picture of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct SessionPatch {
    /// The session.
    pub session_id: SessionId,
    /// Its doctor, where the event says.
    pub doctor_id: Option<UserId>,
    /// The new status.
    pub status: Option<session::Status>,
    /// The new camera permission and its round.
    pub video: Option<(video::State, i32)>,
}

impl Event {
    /// The session the event belongs to, for the frame's `session_id`; receipts carry theirs separately.
    #[must_use]
    pub fn session_id(&self) -> Option<SessionId> {
        match self {
            Self::SessionRequested(data) => Some(data.session_id),
            Self::SessionAccepted(data)
            | Self::SessionRejected(data)
            | Self::SessionCancelled(data)
            | Self::SessionExpired(data) => Some(data.session_id),
            Self::SessionEnded(data) => Some(data.session_id),
            Self::MessageNew(data) => Some(data.session_id),
            Self::VideoPermission(data) => Some(data.session_id),
            Self::CallStarted(data) | Self::CallEnded(data) => Some(data.call.connect_session_id),
            Self::RecordingStarted(data)
            | Self::RecordingStopped(data)
            | Self::RecordingReady(data)
            | Self::RecordingFailed(data) => Some(data.session_id),
            Self::ParticipantJoined(data) | Self::ParticipantLeft(data) => Some(data.session_id),
            Self::PrescriptionReady(data) | Self::PrescriptionUpdated(data) => Some(data.session_id),
            Self::LabTestsRecommended(data) | Self::LabTestsUpdated(data) => Some(data.session_id),
            Self::FollowupScheduled(data)
            | Self::FollowupAccepted(data)
            | Self::FollowupRejected(data)
            | Self::FollowupRescheduled(data)
            | Self::FollowupCancelled(data)
            | Self::FollowupReminder(data) => Some(data.connect_session_id),
            Self::ReviewSubmitted(data) | Self::ReviewReply(data) => Some(data.session_id),
            Self::ReviewReminder(data) => Some(data.session_id),
            Self::WalletUpdated(data) => data.session_id,
            Self::MessageDelivered(_)
            | Self::MessageRead(_)
            | Self::MessageAttachment(_)
            | Self::ReportUploaded(_)
            | Self::ReportDeleted(_)
            | Self::PaymentSuccess(_)
            | Self::PaymentFailed(_) => None,
        }
    }

    /// Who caused it, where its data do not say so themselves (`by`, `ended_by`, `uploader_role` …).
    #[must_use]
    pub const fn by(&self) -> Option<Actor> {
        match self {
            Self::CallStarted(data) | Self::CallEnded(data) => data.by,
            _ => None,
        }
    }

    /// What the hub must change in its picture of the session.
    #[must_use]
    pub fn patch(&self) -> Option<SessionPatch> {
        let session_id = self.session_id()?;
        let (doctor_id, status, video) = match self {
            Self::SessionAccepted(data)
            | Self::SessionRejected(data)
            | Self::SessionCancelled(data)
            | Self::SessionExpired(data) => (Some(data.doctor_id), Some(data.status), None),
            Self::SessionEnded(data) => (None, Some(data.status), None),
            Self::VideoPermission(data) => (None, None, Some((data.video_permission_state, data.consent_round))),
            _ => return None,
        };
        Some(SessionPatch { session_id, doctor_id, status, video })
    }
}
