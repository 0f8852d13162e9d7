//! Calendar inputs: a time of day, a zone, a moment given as a day or as a time. Their formats are checked with the rest
//! of a request, so that a wrong one stands in the same 422 as everything else.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Issue, Result};

/// `HH:MM:SS`, as schemars calls a [`NaiveTime`].
pub const TIME_OF_DAY: &str = "partial-time";
/// A name of the IANA list.
pub const ZONE: &str = "time-zone";
/// ISO 8601, a day or a time.
pub const MOMENT: &str = "date-or-date-time";

/// A time of day: two digits each, and no leap second.
#[must_use]
pub fn time_of_day(text: &str) -> Option<NaiveTime> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S").ok()?;
    (text.len() == 8 && time.nanosecond() == 0).then_some(time)
}

/// A zone by its name.
#[must_use]
pub fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The first moment of a day: of a midnight that comes twice the first; where the clocks skip it, the day begins later,
/// and a day that a zone skipped altogether begins where the next one does.
#[must_use]
pub fn start_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=104)
        .find_map(|quarters| zone.from_local_datetime(&(midnight + TimeDelta::minutes(15 * quarters))).earliest())
        .map_or_else(|| midnight.and_utc(), |first| first.to_utc())
}

/// A zone of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        zone(&name).map(Self).ok_or_else(|| serde::de::Error::custom("Input should be an IANA time zone"))
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl JsonSchema for Zone {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeZone".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": ZONE, "examples": ["Asia/Kolkata"]})
    }
}

/// A border of a list: a whole day in UTC, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `2026-02-07`.
    Day(NaiveDate),
    /// `2026-02-07T21:56:24Z`; without a zone it is UTC.
    At(DateTime<Utc>),
}

impl Moment {
    /// Reads one. Years have four digits: Postgres keeps what is between.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A `+` that was not escaped comes as a blank.
        let text = text.replacen(' ', "+", 1);
        if !begins_with_a_date(&text) {
            return None;
        }
        let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().map(Self::Day);
        let at = || DateTime::parse_from_rfc3339(&text).ok().map(|at| Self::At(at.to_utc()));
        let bare = || text.parse::<NaiveDateTime>().ok().map(|at| Self::At(at.and_utc()));
        let moment = day.or_else(at).or_else(bare)?;
        let year = match moment {
            Self::Day(day) => day.year(),
            Self::At(at) => at.year(),
        };
        (1..=9999).contains(&year).then_some(moment)
    }

    /// The day it is, or is in, in this zone.
    #[must_use]
    pub fn day(self, zone: Tz) -> NaiveDate {
        match self {
            Self::Day(day) => day,
            Self::At(at) => at.with_timezone(&zone).date_naive(),
        }
    }

    fn start(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Day(day) => start_of_day(day, zone),
            Self::At(at) => at,
        }
    }

    /// The first moment that is after it.
    fn end(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Day(day) => start_of_day(day.checked_add_days(Days::new(1)).unwrap_or(day), zone),
            Self::At(at) => at + TimeDelta::microseconds(1),
        }
    }
}

/// `YYYY-MM-DD` in digits: the parsers of dates take fewer, so that `26-02-07` would be a day of the first century.
fn begins_with_a_date(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() >= 10 && text.bytes().take(10).enumerate().all(fits)
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("Input should be an ISO 8601 date or datetime"))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Day(day) => day.serialize(serializer),
            Self::At(at) => at.serialize(serializer),
        }
    }
}

impl JsonSchema for Moment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": MOMENT, "examples": ["2026-02-07", "2026-02-07T21:56:24Z"]})
    }
}

/// From, until: a half-open range, open where there is none.
pub type Range = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// `date_from` and `date_to`, both inclusive, as a half-open range.
///
/// # Errors
/// 422 when the first is after the last.
pub fn range(from: Option<Moment>, to: Option<Moment>) -> Result<Range> {
    range_in(Tz::UTC, from, to)
}

/// As [`range`], with days as a zone has them.
///
/// # Errors
/// 422 when the first is after the last.
pub fn range_in(zone: Tz, from: Option<Moment>, to: Option<Moment>) -> Result<Range> {
    let (from, until) = (from.map(|from| from.start(zone)), to.map(|to| to.end(zone)));
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        return Err(Error::invalid(Issue::query("date_from", "value_error", "date_from should not be after date_to")));
    }
    Ok((from, until))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times_of_day_are_whole_seconds() {
        assert_eq!(time_of_day("10:30:00"), NaiveTime::from_hms_opt(10, 30, 0));
        for wrong in ["10:30", "1:30:00", "24:00:00", "10:30:60", "23:59:60", "10:30:00.5", "10:30:00Z", "", "noon"] {
            assert_eq!(time_of_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_begins_when_its_zone_says() {
        for (day, zone, begins) in [
            ("2026-02-12", Tz::Asia__Kolkata, "2026-02-11T18:30:00Z"),
            // The clocks of Beirut skip from midnight to one, those of Havana go from one back to midnight.
            ("2026-03-29", Tz::Asia__Beirut, "2026-03-28T22:00:00Z"),
            ("2026-11-01", Tz::America__Havana, "2026-11-01T04:00:00Z"),
            // Apia had no 30 December 2011.
            ("2011-12-30", Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
            ("2011-12-31", Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
        ] {
            assert_eq!(
                start_of_day(day.parse().unwrap(), zone),
                begins.parse::<DateTime<Utc>>().unwrap(),
                "{day} {zone}"
            );
        }
    }

    #[test]
    fn a_range_includes_both_its_borders() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let moment = Moment::parse;
        let days = range(moment("2026-01-01"), moment("2026-01-31")).unwrap();
        assert_eq!(days, (Some(at("2026-01-01T00:00:00Z")), Some(at("2026-02-01T00:00:00Z"))));
        let times = range(moment("2026-01-01T05:30:00 05:30"), moment("2026-01-01T00:00:00")).unwrap();
        assert_eq!(times, (Some(at("2026-01-01T00:00:00Z")), Some(at("2026-01-01T00:00:00.000001Z"))));
        assert!(range(moment("2026-02-01"), moment("2026-01-31")).is_err());
        assert_eq!(range(None, None).unwrap(), (None, None));
        for wrong in ["yesterday", "2026-13-01", "2026-1-1x", "+12026-01-01", "-0001-01-01", "2026-01-01T25:00:00Z"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_date_has_all_its_digits() {
        for wrong in
            ["26-02-07", "2026-2-7", "2026-2-07", "2026-02-7", "+202-01-01", "2026-02- 7", "2026/02/07", "2026-02-077"]
        {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
        for wrong in ["26-02-07T10:00:00", "2026-2-7T10:00:00", "2026-2-7T10:00:00Z"] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Moment::parse("2026-02-07"), Some(Moment::Day(NaiveDate::from_ymd_opt(2026, 2, 7).unwrap())));
        assert!(matches!(Moment::parse("2026-02-07T10:00:00"), Some(Moment::At(_))));
    }
}
