//! Calendar periods and buckets of a zone: pure rules.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::calendar::start_of_day;

/// The most buckets of a series (98).
pub const MOST: usize = 1000;

/// A calendar period up to now (96).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DateRange")]
pub enum DateRange {
    /// Since midnight.
    Today,
    /// Since Monday.
    Week,
    /// Since the first of the month.
    Month,
    /// Since the first of January.
    Year,
    /// Since ever.
    #[default]
    AllTime,
}

impl DateRange {
    /// When it began; `AllTime` never did.
    #[must_use]
    pub fn start(self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let today = now.with_timezone(&zone).date_naive();
        let first = match self {
            Self::Today => today,
            Self::Week => Period::Week.start(today),
            Self::Month => Period::Month.start(today),
            Self::Year => today.with_ordinal(1)?,
            Self::AllTime => return None,
        };
        Some(start_of_day(first, zone))
    }
}

/// How long a bucket is (98).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TrendPeriod")]
pub enum Period {
    /// Midnight to midnight.
    #[default]
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

impl Period {
    /// The first day of the bucket that a day is in.
    fn start(self, day: NaiveDate) -> NaiveDate {
        let back = match self {
            Self::Day => 0,
            Self::Week => day.weekday().num_days_from_monday(),
            Self::Month => day.day0(),
        };
        day.checked_sub_days(Days::new(back.into())).unwrap_or(day)
    }

    fn next(self, start: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => start.succ_opt(),
            Self::Week => start.checked_add_days(Days::new(7)),
            Self::Month => start.checked_add_months(Months::new(1)),
        }
    }

    /// The first days of the buckets that these days are in; none if there are more than [`MOST`].
    #[must_use]
    pub fn buckets(self, first: NaiveDate, last: NaiveDate) -> Option<Vec<NaiveDate>> {
        let days = std::iter::successors(Some(self.start(first)), |start| self.next(*start));
        let buckets: Vec<_> = days.take_while(|start| *start <= last).take(MOST + 1).collect();
        (buckets.len() <= MOST).then_some(buckets)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn periods_begin_in_the_zone() {
        // A Wednesday in UTC, already Thursday in Kolkata, still Tuesday nowhere.
        let now = at("2026-02-11T19:30:00Z");
        let begins = |range: DateRange, zone| range.start(now, zone).map(|start| start.to_rfc3339());
        let utc = |text: &str| Some(at(text).to_rfc3339());
        for (range, in_utc, in_kolkata) in [
            (DateRange::Today, "2026-02-11T00:00:00Z", "2026-02-11T18:30:00Z"),
            (DateRange::Week, "2026-02-09T00:00:00Z", "2026-02-08T18:30:00Z"),
            (DateRange::Month, "2026-02-01T00:00:00Z", "2026-01-31T18:30:00Z"),
            (DateRange::Year, "2026-01-01T00:00:00Z", "2025-12-31T18:30:00Z"),
        ] {
            assert_eq!(begins(range, Tz::UTC), utc(in_utc), "{range:?}");
            assert_eq!(begins(range, Tz::Asia__Kolkata), utc(in_kolkata), "{range:?}");
        }
        assert_eq!(begins(DateRange::AllTime, Tz::UTC), None);
    }

    /// New York goes from 02:00 to 03:00 on 8 March 2026 and back on 1 November.
    #[test]
    fn the_edges_of_summer_time() {
        let york = Tz::America__New_York;
        let today = |now: &str| DateRange::Today.start(at(now), york).unwrap();
        assert_eq!(today("2026-03-08T12:00:00Z"), at("2026-03-08T05:00:00Z"));
        assert_eq!(today("2026-03-09T03:59:59Z"), at("2026-03-08T05:00:00Z"), "a day of 23 hours");
        assert_eq!(today("2026-03-09T04:00:00Z"), at("2026-03-09T04:00:00Z"));
        assert_eq!(today("2026-11-02T04:59:59Z"), at("2026-11-01T04:00:00Z"), "a day of 25 hours");
        assert_eq!(DateRange::Week.start(at("2026-03-10T12:00:00Z"), york).unwrap(), at("2026-03-09T04:00:00Z"));
        assert_eq!(DateRange::Month.start(at("2026-03-10T12:00:00Z"), york).unwrap(), at("2026-03-01T05:00:00Z"));
    }

    #[test]
    fn buckets_of_each_kind() {
        let of = |period: Period, first, last| period.buckets(day(first), day(last)).unwrap();
        assert_eq!(of(Period::Day, "2026-02-27", "2026-03-01"), ["2026-02-27", "2026-02-28", "2026-03-01"].map(day));
        assert_eq!(of(Period::Week, "2026-01-01", "2026-01-12"), ["2025-12-29", "2026-01-05", "2026-01-12"].map(day));
        assert_eq!(of(Period::Month, "2026-01-31", "2026-03-01"), ["2026-01-01", "2026-02-01", "2026-03-01"].map(day));
        assert_eq!(of(Period::Day, "2026-01-01", "2026-01-01"), [day("2026-01-01")]);
        assert_eq!(Period::Day.buckets(day("2020-01-01"), day("2022-09-26")).unwrap().len(), 1000);
        assert_eq!(Period::Day.buckets(day("2020-01-01"), day("2022-09-27")), None);
        assert_eq!(Period::Day.buckets(day("0001-01-01"), day("9999-12-31")), None);
        assert!(Period::Month.buckets(day("1950-01-01"), day("2026-01-01")).is_some());
    }

    proptest! {
        /// Whatever the zone and the days: buckets begin one after the other, the first not after the first day and the
        /// last not after the last, so that every review is in exactly one.
        #[test]
        fn every_moment_is_in_one_bucket(zone in 0..chrono_tz::TZ_VARIANTS.len(), from in 0..36_000i64, length in 0..900i64) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let first = day("1950-01-01") + chrono::TimeDelta::days(from);
            let last = first + chrono::TimeDelta::days(length);
            for period in [Period::Day, Period::Week, Period::Month] {
                let days = period.buckets(first, last).unwrap();
                let starts: Vec<_> = days.iter().map(|day| start_of_day(*day, zone)).collect();
                prop_assert!(starts.is_sorted());
                prop_assert!(starts[0] <= start_of_day(first, zone));
                prop_assert!(days[days.len() - 1] <= last);
                let after = period.next(days[days.len() - 1]).unwrap();
                prop_assert!(after > last);
            }
        }
    }
}
