//! The connect family: consultations, their messages, calls and the people in them.

pub mod analytics;
pub mod attachments;
pub mod briefs;
pub mod calls;
pub mod catalog;
pub mod categories;
pub mod community;
pub mod devices;
pub mod doctors;
pub mod followups;
pub mod lab_tests;
pub mod media;
pub mod messages;
pub mod offers;
pub mod payloads;
pub mod payments;
pub mod prescriptions;
pub mod receipts;
pub mod recordings;
pub mod reports;
pub mod reviews;
pub mod sandbox;
pub mod sessions;
pub mod wallet;

use serde::{Deserialize, Serialize};

/// One of the two parties of a consultation, by the word of the token's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Party {
    /// The patient.
    Client,
    /// The doctor.
    Doctor,
}

impl Party {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Doctor,
            Self::Doctor => Self::Client,
        }
    }

    /// The word of the contract, also stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Doctor => "doctor",
        }
    }
}

/// Who did something: the words of `by`, `ended_by`, `cancelled_by` (settled 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Actor {
    /// The patient.
    Patient,
    /// The doctor.
    Doctor,
    /// An admin.
    Admin,
    /// A timer or a callback.
    System,
}

impl From<Party> for Actor {
    fn from(party: Party) -> Self {
        match party {
            Party::Client => Self::Patient,
            Party::Doctor => Self::Doctor,
        }
    }
}
