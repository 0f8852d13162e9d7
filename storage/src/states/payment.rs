//! A top-up order (connect-v2 §4.7).

use serde::{Deserialize, Serialize};

use super::{Illegal, Step};

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "PaymentStatus")]
pub enum Status {
    /// Nothing is known of a payment.
    Pending,
    /// Paid and credited; final.
    Success,
    /// The last attempt failed or was abandoned; another may succeed.
    Failed,
    /// Nobody paid in time; a payment that was under way may still arrive.
    Expired,
}

/// What the provider says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Paid, by the very amount of the order.
    Paid,
    /// An attempt failed, or the payer left.
    Failed,
    /// It takes no payment any more, or 24 h have passed.
    Expired,
}

impl Status {
    /// Every status, for tests over all pairs.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Success, Self::Failed, Self::Expired];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// The one rule of how an order moves. Reports repeat, arrive out of order and late: whoever gets [`Illegal`] from here
/// has one that no longer counts, and drops it.
///
/// # Errors
/// [`Illegal`] for every pair that connect-v2 §4.7 does not list.
pub const fn transition(from: Status, event: Event) -> Result<Step<Status>, Illegal> {
    match (from, event) {
        (Status::Pending | Status::Failed | Status::Expired, Event::Paid) => Ok(Step::To(Status::Success)),
        (Status::Pending, Event::Failed) => Ok(Step::To(Status::Failed)),
        (Status::Pending, Event::Expired) => Ok(Step::To(Status::Expired)),
        (Status::Success, Event::Paid) | (Status::Failed, Event::Failed) | (Status::Expired, Event::Expired) => {
            Ok(Step::Held)
        }
        _ => Err(Illegal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 3] = [Event::Paid, Event::Failed, Event::Expired];

    /// The table of §4.7 and its repeats, written a second time by hand.
    const LEGAL: [(Status, Event, Step<Status>); 8] = [
        (Status::Pending, Event::Paid, Step::To(Status::Success)),
        (Status::Failed, Event::Paid, Step::To(Status::Success)),
        (Status::Expired, Event::Paid, Step::To(Status::Success)),
        (Status::Pending, Event::Failed, Step::To(Status::Failed)),
        (Status::Pending, Event::Expired, Step::To(Status::Expired)),
        (Status::Success, Event::Paid, Step::Held),
        (Status::Failed, Event::Failed, Step::Held),
        (Status::Expired, Event::Expired, Step::Held),
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
        /// Whatever arrives in whatever order: one that was paid is credited once and stays so.
        #[test]
        fn paid_is_credited_once_and_final(events in prop::collection::vec(0..3usize, 0..40)) {
            let mut status = Status::Pending;
            let mut credits = 0;
            let mut paid = false;
            for index in events {
                let event = EVENTS.get(index).copied().unwrap();
                paid |= event == Event::Paid;
                if let Ok(Step::To(next)) = transition(status, event) {
                    prop_assert_ne!(status, Status::Success);
                    credits += u32::from(next == Status::Success);
                    status = next;
                }
            }
            prop_assert_eq!(credits, u32::from(paid));
            prop_assert_eq!(status == Status::Success, paid);
        }
    }
}
