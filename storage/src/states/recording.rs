//! The recording of a consultation (connect-v2 §4.4), with two states before it that clients never see.

use serde::{Deserialize, Serialize};

use super::{Illegal, Step};

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "RecordingStatus")]
pub enum Status {
    /// The recorder is being asked. Nobody was told of it.
    #[schemars(skip)]
    Starting,
    /// The recorder never began, or nobody wanted it any more. Nobody was told of it.
    #[schemars(skip)]
    Dropped,
    /// Both parties are recorded.
    Recording,
    /// Stopped; the file is being written.
    Processing,
    /// The file is there.
    Ready,
    /// There is no file, and there will be none.
    Failed,
}

/// What can happen to a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The recorder has begun (55).
    Begin,
    /// The recorder cannot begin, or took too long to.
    Drop,
    /// A party stops it (56), the session ends (45), the room closes, or the recorder ends by itself.
    Stop,
    /// The recorder reports the file (47).
    Finish,
    /// The recorder reports an error, has lost the recording, or has said nothing for too long.
    Fail,
}

impl Status {
    /// Every status, for tests over all pairs.
    pub const ALL: [Self; 6] =
        [Self::Starting, Self::Dropped, Self::Recording, Self::Processing, Self::Ready, Self::Failed];

    /// The word of the contract, also stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Dropped => "DROPPED",
            Self::Recording => "RECORDING",
            Self::Processing => "PROCESSING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }

    /// Whether nothing can happen to the recording any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Dropped | Self::Ready | Self::Failed)
    }

    /// Whether clients see it.
    #[must_use]
    pub const fn is_visible(self) -> bool {
        !matches!(self, Self::Starting | Self::Dropped)
    }
}

/// The one rule of how a recording moves. A recorder that ends by itself while RECORDING is a stop, then a finish.
///
/// # Errors
/// [`Illegal`] for every pair that connect-v2 §4.4 does not list and §1.4 does not call a repeat.
pub const fn transition(from: Status, event: Event) -> Result<Step<Status>, Illegal> {
    match (from, event) {
        (Status::Starting, Event::Begin) => Ok(Step::To(Status::Recording)),
        (Status::Starting, Event::Drop | Event::Stop | Event::Fail) => Ok(Step::To(Status::Dropped)),
        (Status::Recording, Event::Stop) => Ok(Step::To(Status::Processing)),
        (Status::Processing, Event::Finish) => Ok(Step::To(Status::Ready)),
        (Status::Recording | Status::Processing, Event::Fail) => Ok(Step::To(Status::Failed)),
        (Status::Recording, Event::Begin)
        | (Status::Processing | Status::Ready | Status::Failed | Status::Dropped, Event::Stop)
        | (Status::Ready, Event::Finish)
        | (Status::Failed | Status::Dropped, Event::Fail)
        | (Status::Dropped, Event::Drop) => Ok(Step::Held),
        _ => Err(Illegal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 5] = [Event::Begin, Event::Drop, Event::Stop, Event::Finish, Event::Fail];

    /// The table of §4.4 with the start before it, and the repeats of §1.4, written a second time by hand. A row for each
    /// status, an answer for each event: `.` is refused, `=` held.
    const TABLE: [(Status, [&str; 5]); 6] = [
        (Status::Starting, ["RECORDING", "DROPPED", "DROPPED", ".", "DROPPED"]),
        (Status::Dropped, [".", "=", "=", ".", "="]),
        (Status::Recording, ["=", ".", "PROCESSING", ".", "FAILED"]),
        (Status::Processing, [".", ".", "=", "READY", "FAILED"]),
        (Status::Ready, [".", ".", "=", "=", "."]),
        (Status::Failed, [".", ".", "=", ".", "="]),
    ];

    #[test]
    fn every_pair_is_as_the_contract_lists_it() {
        for (from, row) in TABLE {
            for (event, word) in EVENTS.into_iter().zip(row) {
                let said = match transition(from, event) {
                    Ok(Step::To(to)) => to.as_str(),
                    Ok(Step::Held) => "=",
                    Err(Illegal) => ".",
                };
                assert_eq!(said, word, "{from:?} {event:?}");
            }
        }
    }

    #[test]
    fn words_are_those_of_the_wire() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    proptest! {
        /// Whatever happens in whatever order: a final status stays, recording begins at most once, a file is ready only
        /// after a stop, and from every state that is not final a failure leads to one that is: none can stick.
        #[test]
        fn it_only_goes_forward(events in prop::collection::vec(0..5usize, 0..40)) {
            let (mut status, mut path) = (Status::Starting, Vec::new());
            for index in events {
                if let Ok(Step::To(next)) = transition(status, EVENTS.get(index).copied().unwrap()) {
                    prop_assert!(!status.is_final());
                    path.push(next);
                    status = next;
                }
                let failed = transition(status, Event::Fail);
                prop_assert!(status.is_final() || matches!(failed, Ok(Step::To(end)) if end.is_final()));
            }
            prop_assert!(path.iter().filter(|status| **status == Status::Recording).count() <= 1);
            if path.contains(&Status::Ready) {
                prop_assert_eq!(path, [Status::Recording, Status::Processing, Status::Ready]);
            }
        }
    }
}
