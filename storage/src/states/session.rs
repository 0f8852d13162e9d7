//! The consultation (connect-v2 §4.1).

use serde::{Deserialize, Serialize};

use super::{Illegal, Step};

/// Where a consultation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "SessionStatus")]
pub enum Status {
    /// The patient asked; the doctor has not answered.
    Requested,
    /// The two are talking.
    Ongoing,
    /// Over.
    Ended,
    /// The doctor refused.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// The patient withdrew.
    Cancelled,
}

/// What can happen to a consultation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The target doctor takes it (42).
    Accept,
    /// The target doctor refuses it (43).
    Reject,
    /// The patient withdraws, or an admin disables an account (44).
    Cancel,
    /// `expires_at` passed.
    Expire,
    /// Either party, or the idle timer, ends it (45).
    End,
}

impl Status {
    /// Every status, for tests over all pairs.
    pub const ALL: [Self; 6] =
        [Self::Requested, Self::Ongoing, Self::Ended, Self::Rejected, Self::Expired, Self::Cancelled];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Ongoing => "ONGOING",
            Self::Ended => "ENDED",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing can happen to the session any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Requested | Self::Ongoing)
    }
}

/// The one rule of how a consultation moves.
///
/// # Errors
/// [`Illegal`] for every pair that connect-v2 §4.1 does not list and §1.4 does not call a repeat.
pub const fn transition(from: Status, event: Event) -> Result<Step<Status>, Illegal> {
    match (from, event) {
        (Status::Requested, Event::Accept) => Ok(Step::To(Status::Ongoing)),
        (Status::Requested, Event::Reject) => Ok(Step::To(Status::Rejected)),
        (Status::Requested, Event::Cancel) => Ok(Step::To(Status::Cancelled)),
        (Status::Requested, Event::Expire) => Ok(Step::To(Status::Expired)),
        (Status::Ongoing, Event::End) => Ok(Step::To(Status::Ended)),
        (Status::Ongoing, Event::Accept)
        | (Status::Rejected, Event::Reject)
        | (Status::Cancelled, Event::Cancel)
        | (Status::Expired, Event::Expire)
        | (Status::Ended, Event::End) => Ok(Step::Held),
        _ => Err(Illegal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 5] = [Event::Accept, Event::Reject, Event::Cancel, Event::Expire, Event::End];

    /// The table of §4.1 and the repeats of §1.4, written a second time by hand.
    const LEGAL: [(Status, Event, Step<Status>); 10] = [
        (Status::Requested, Event::Accept, Step::To(Status::Ongoing)),
        (Status::Requested, Event::Reject, Step::To(Status::Rejected)),
        (Status::Requested, Event::Cancel, Step::To(Status::Cancelled)),
        (Status::Requested, Event::Expire, Step::To(Status::Expired)),
        (Status::Ongoing, Event::End, Step::To(Status::Ended)),
        (Status::Ongoing, Event::Accept, Step::Held),
        (Status::Rejected, Event::Reject, Step::Held),
        (Status::Cancelled, Event::Cancel, Step::Held),
        (Status::Expired, Event::Expire, Step::Held),
        (Status::Ended, Event::End, Step::Held),
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
        /// Whatever happens in whatever order: a final status never changes, and ONGOING is entered at most once.
        #[test]
        fn final_means_final(events in prop::collection::vec(0..5usize, 0..40)) {
            let mut status = Status::Requested;
            let mut started = 0;
            for index in events {
                let event = EVENTS.get(index).copied().unwrap();
                if let Ok(Step::To(next)) = transition(status, event) {
                    prop_assert!(!status.is_final());
                    started += u32::from(next == Status::Ongoing);
                    status = next;
                }
            }
            prop_assert!(started <= 1);
        }
    }
}
