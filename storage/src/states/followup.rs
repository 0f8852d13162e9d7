//! The follow-up appointment (connect-v2 §4.6).

use serde::{Deserialize, Serialize};

use super::{Illegal, Step};

/// Where a follow-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "FollowUpStatus")]
pub enum Status {
    /// The doctor proposes; the patient has not answered.
    PendingPatient,
    /// The patient proposes another date; the doctor has not answered.
    PendingDoctor,
    /// Agreed.
    Accepted,
    /// Refused by either.
    Rejected,
    /// Called off by either.
    Cancelled,
}

/// What can happen to a follow-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The patient agrees (89).
    Accept,
    /// The patient refuses (89).
    Reject,
    /// The patient proposes another date (89); one proposal may replace another (settled 19).
    Propose,
    /// The doctor agrees to the patient's date (90).
    Agree,
    /// The doctor refuses it (90).
    Refuse,
    /// Either calls it off (91).
    Cancel,
}

impl Status {
    /// Every status, for tests over all pairs.
    pub const ALL: [Self; 5] =
        [Self::PendingPatient, Self::PendingDoctor, Self::Accepted, Self::Rejected, Self::Cancelled];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingPatient => "PENDING_PATIENT",
            Self::PendingDoctor => "PENDING_DOCTOR",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing can happen to the follow-up any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Cancelled)
    }

    /// Whether the parties are reminded of it.
    #[must_use]
    pub const fn is_reminded(self) -> bool {
        matches!(self, Self::PendingPatient | Self::Accepted)
    }
}

/// The one rule of how a follow-up moves.
///
/// # Errors
/// [`Illegal`] for every pair that §4.6 does not list and 89 or 91 does not call a repeat.
pub const fn transition(from: Status, event: Event) -> Result<Step<Status>, Illegal> {
    match (from, event) {
        (Status::PendingPatient, Event::Accept) | (Status::PendingDoctor, Event::Agree) => {
            Ok(Step::To(Status::Accepted))
        }
        (Status::PendingPatient, Event::Reject) | (Status::PendingDoctor, Event::Refuse) => {
            Ok(Step::To(Status::Rejected))
        }
        (Status::PendingPatient, Event::Propose) => Ok(Step::To(Status::PendingDoctor)),
        (Status::PendingPatient | Status::PendingDoctor | Status::Accepted, Event::Cancel) => {
            Ok(Step::To(Status::Cancelled))
        }
        (Status::Accepted, Event::Accept)
        | (Status::Rejected, Event::Reject)
        | (Status::PendingDoctor, Event::Propose)
        | (Status::Cancelled, Event::Cancel) => Ok(Step::Held),
        _ => Err(Illegal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 6] =
        [Event::Accept, Event::Reject, Event::Propose, Event::Agree, Event::Refuse, Event::Cancel];

    /// §4.6 and the repeats of 89 and 91, written a second time by hand.
    const LEGAL: [(Status, Event, Step<Status>); 12] = [
        (Status::PendingPatient, Event::Accept, Step::To(Status::Accepted)),
        (Status::PendingPatient, Event::Reject, Step::To(Status::Rejected)),
        (Status::PendingPatient, Event::Propose, Step::To(Status::PendingDoctor)),
        (Status::PendingDoctor, Event::Agree, Step::To(Status::Accepted)),
        (Status::PendingDoctor, Event::Refuse, Step::To(Status::Rejected)),
        (Status::PendingPatient, Event::Cancel, Step::To(Status::Cancelled)),
        (Status::PendingDoctor, Event::Cancel, Step::To(Status::Cancelled)),
        (Status::Accepted, Event::Cancel, Step::To(Status::Cancelled)),
        (Status::Accepted, Event::Accept, Step::Held),
        (Status::Rejected, Event::Reject, Step::Held),
        (Status::PendingDoctor, Event::Propose, Step::Held),
        (Status::Cancelled, Event::Cancel, Step::Held),
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

    proptest! {
        /// Whatever happens in whatever order: final means final, and nobody's own proposal is agreed to by its author:
        /// into ACCEPTED leads the patient's word on the doctor's date, or the doctor's on the patient's.
        #[test]
        fn a_date_is_agreed_by_the_other_party(events in prop::collection::vec(0..6usize, 0..40)) {
            let mut status = Status::PendingPatient;
            for index in events {
                let event = EVENTS.get(index).copied().unwrap();
                let Ok(Step::To(next)) = transition(status, event) else { continue };
                prop_assert!(!status.is_final());
                if next == Status::Accepted {
                    let expected = if status == Status::PendingPatient { Event::Accept } else { Event::Agree };
                    prop_assert_eq!(event, expected);
                }
                status = next;
            }
        }
    }
}
