//! An uploaded file: attachment or report (connect-v2 §4.5).

use serde::{Deserialize, Serialize};

use super::{Illegal, Step};

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "UploadStatus")]
pub enum Status {
    /// Begun; its bytes have not been looked at.
    Pending,
    /// Its bytes are there and are what was declared.
    Uploaded,
    /// Removed; its bytes go later.
    Deleted,
}

/// What can happen to an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Its object was verified (53, 59, 105).
    Complete,
    /// Its bytes were sent to the server itself (104).
    Receive,
    /// The uploader deletes it (62, 108).
    Delete,
    /// 24 hours without completion.
    Lapse,
}

impl Status {
    /// Every status, for tests over all pairs.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Uploaded, Self::Deleted];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Uploaded => "UPLOADED",
            Self::Deleted => "DELETED",
        }
    }
}

/// The one rule of how an upload moves.
///
/// # Errors
/// [`Illegal`] for every pair that connect-v2 §4.5 does not list and §1.4 does not call a repeat.
pub const fn transition(from: Status, event: Event) -> Result<Step<Status>, Illegal> {
    match (from, event) {
        (Status::Pending, Event::Complete | Event::Receive) => Ok(Step::To(Status::Uploaded)),
        (Status::Pending, Event::Delete | Event::Lapse) | (Status::Uploaded, Event::Delete) => {
            Ok(Step::To(Status::Deleted))
        }
        (Status::Uploaded, Event::Complete) | (Status::Deleted, Event::Delete | Event::Lapse) => Ok(Step::Held),
        (Status::Uploaded, Event::Receive | Event::Lapse) | (Status::Deleted, Event::Complete | Event::Receive) => {
            Err(Illegal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 4] = [Event::Complete, Event::Receive, Event::Delete, Event::Lapse];

    /// The table of §4.5 and the repeats of §1.4, written a second time by hand.
    const LEGAL: [(Status, Event, Step<Status>); 8] = [
        (Status::Pending, Event::Complete, Step::To(Status::Uploaded)),
        (Status::Pending, Event::Receive, Step::To(Status::Uploaded)),
        (Status::Pending, Event::Delete, Step::To(Status::Deleted)),
        (Status::Pending, Event::Lapse, Step::To(Status::Deleted)),
        (Status::Uploaded, Event::Delete, Step::To(Status::Deleted)),
        (Status::Uploaded, Event::Complete, Step::Held),
        (Status::Deleted, Event::Delete, Step::Held),
        (Status::Deleted, Event::Lapse, Step::Held),
    ];

    #[test]
    fn every_pair_is_as_the_contract_lists_it() {
        for from in Status::ALL {
            for event in EVENTS {
                let listed = LEGAL.iter().find(|(s, e, _)| *s == from && *e == event).map(|(_, _, step)| *step);
                assert_eq!(transition(from, event).ok(), listed, "{from:?} {event:?}");
            }
        }
    }
}
