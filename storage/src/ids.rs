//! Typed ids: a UUID of one kind is never mistaken for another.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Declares a newtype over [`Uuid`] that is the same UUID on the wire and in Postgres.
macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize, sqlx::Type, schemars::JsonSchema,
        )]
        #[serde(transparent)]
        #[schemars(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by time (UUIDv7), so that index pages fill from one side.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

typed_id! {
    /// An account: a patient, doctor, admin or member; also the owner of an inbox.
    UserId,
    /// One sign-in on one device: the `sid` of its access tokens.
    LoginId,
    /// A consultation.
    SessionId,
    /// A chat message.
    MessageId,
    /// A call inside a consultation.
    CallId,
    /// A durable event that is not a message.
    EventId,
    /// An uploaded file: an attachment or a report.
    AttachmentId,
    /// A health category.
    CategoryId,
    /// A device that can be rung.
    DeviceId,
    /// A patient's review of a consultation.
    ReviewId,
    /// A follow-up appointment.
    FollowupId,
    /// A posting of the ledger.
    PostingId,
    /// A medicine of the catalogue.
    MedicineId,
    /// A lab test of the catalogue.
    LabTestId,
    /// A prescription.
    PrescriptionId,
    /// The lab tests recommended in a session.
    LabOrderId,
    /// An offer.
    OfferId,
    /// An article.
    ArticleId,
    /// An event that people come to.
    CommunityEventId,
    /// A recording of a consultation.
    RecordingId,
}

/// A top-up order, ours and the payment provider's: `cf_order_…` (connect-v2 §1).
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema,
)]
#[serde(transparent)]
#[schemars(transparent)]
#[sqlx(transparent)]
pub struct OrderId(pub String);

impl OrderId {
    /// A new id that nobody guesses, within the 45 characters that the provider takes.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("cf_order_{}", Uuid::new_v4().simple()))
    }
}

impl std::fmt::Display for OrderId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
