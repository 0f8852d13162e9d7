//! The call inside a consultation (connect-v2 §4.3).

use serde::{Deserialize, Serialize};

use super::{Illegal, Step};

/// Where a call stands. A ringing phase is not modelled: both parties are in the room when a call is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "CallStatus")]
pub enum Status {
    /// Open.
    Connected,
    /// Hung up, or ended with its session.
    Ended,
}

/// What can happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Hang up (82) or the end of the session (45).
    End,
}

/// The one rule of how a call moves.
///
/// # Errors
/// Never, today: the type keeps the shape of the other machines.
pub const fn transition(from: Status, event: Event) -> Result<Step<Status>, Illegal> {
    match (from, event) {
        (Status::Connected, Event::End) => Ok(Step::To(Status::Ended)),
        (Status::Ended, Event::End) => Ok(Step::Held),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair() {
        assert_eq!(transition(Status::Connected, Event::End), Ok(Step::To(Status::Ended)));
        assert_eq!(transition(Status::Ended, Event::End), Ok(Step::Held));
    }
}
