//! When an event is past: pure rules of its date.

use chrono::{DateTime, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// Where an event stands; it follows from its date (112).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "CommunityEventStatus")]
pub(super) enum Status {
    /// It has not begun.
    Upcoming,
    /// It has begun.
    Past,
}

impl Status {
    /// Of an event with this date.
    pub(super) fn of(event_date: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        if event_date > now { Self::Upcoming } else { Self::Past }
    }
}

/// A date as it is stored: to the microsecond, so that what is answered is what is read later.
pub(super) fn stored(event_date: DateTime<Utc>) -> DateTime<Utc> {
    event_date.trunc_subsecs(6)
}

/// Nobody can come to what has begun already (140).
///
/// # Errors
/// 400 `DATE_IN_PAST`.
pub(super) fn still_to_come(event_date: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
    match Status::of(event_date, now) {
        Status::Upcoming => Ok(()),
        Status::Past => {
            Err(Error::Rule { code: Code::DateInPast, detail: "The event should be in the future".to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_event_is_past_from_the_moment_it_begins() {
        let now = "2026-03-15T10:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let tick = TimeDelta::microseconds(1);
        for (date, status) in [(now - tick, Status::Past), (now, Status::Past), (now + tick, Status::Upcoming)] {
            assert_eq!(Status::of(date, now), status);
            assert_eq!(still_to_come(date, now).is_ok(), status == Status::Upcoming);
        }
    }

    #[test]
    fn dates_are_kept_to_the_microsecond() {
        let date = "2026-03-15T10:00:00.123456789Z".parse::<DateTime<Utc>>().unwrap();
        assert_eq!(stored(date), "2026-03-15T10:00:00.123456Z".parse::<DateTime<Utc>>().unwrap());
    }
}
