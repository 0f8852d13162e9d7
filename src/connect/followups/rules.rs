//! When a follow-up is, and when its parties are reminded: pure rules of dates, times and zones.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use consilium_storage::reminders::Kind;

/// At what time of the day before those are reminded who agreed on a day alone.
const MORNING: i64 = 9;

/// A day, perhaps a time of day, in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The day.
    pub date: NaiveDate,
    /// The time of day.
    pub time: Option<NaiveTime>,
    /// Where.
    pub zone: Tz,
}

impl Schedule {
    /// The instant; of a day without a time, its beginning.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        instant(self.date.and_time(self.time.unwrap_or(NaiveTime::MIN)), self.zone)
    }

    /// When it is over: the instant, or the end of a day without a time.
    #[must_use]
    pub fn lapses_at(&self) -> DateTime<Utc> {
        match (self.time, self.date.checked_add_days(Days::new(1))) {
            (None, Some(next)) => instant(next.and_time(NaiveTime::MIN), self.zone),
            _ => self.at(),
        }
    }

    /// The reminders that are still to come (connect-v2 63): a day and an hour before; without a time, at nine in the
    /// morning of the day before.
    #[must_use]
    pub fn reminders(&self, now: DateTime<Utc>) -> Vec<(Kind, DateTime<Utc>)> {
        let at = self.at();
        let mut planned = match (self.time, self.date.pred_opt()) {
            (Some(_), _) => {
                vec![(Kind::FollowupDay, at - TimeDelta::hours(24)), (Kind::FollowupHour, at - TimeDelta::hours(1))]
            }
            (None, Some(before)) => {
                let morning = before.and_time(NaiveTime::MIN) + TimeDelta::hours(MORNING);
                vec![(Kind::FollowupDay, instant(morning, self.zone))]
            }
            (None, None) => Vec::new(),
        };
        planned.retain(|(_, due)| *due > now);
        planned
    }
}

/// What a clock on the wall means, as calendars have it (RFC 5545 §3.3.5): of a time that comes twice the first, and a
/// time that the clocks skip by the offset before the gap, so that 02:30 becomes 03:30.
fn instant(wall: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    if let Some(first) = zone.from_local_datetime(&wall).earliest() {
        return first.to_utc();
    }
    // Gaps are minutes to a whole day (a zone that crossed the date line).
    let before = (1..=100).find_map(|quarters| {
        zone.from_local_datetime(&(wall - TimeDelta::minutes(15 * quarters))).latest().map(|there| there.offset().fix())
    });
    let offset = before.map_or(0, |offset| offset.local_minus_utc());
    (wall - TimeDelta::seconds(offset.into())).and_utc()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::http::calendar::start_of_day;

    fn schedule(date: &str, time: Option<&str>, zone: Tz) -> Schedule {
        Schedule { date: date.parse().unwrap(), time: time.map(|time| time.parse().unwrap()), zone }
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn due(schedule: Schedule) -> Vec<DateTime<Utc>> {
        schedule.reminders(DateTime::UNIX_EPOCH).into_iter().map(|(_, at)| at).collect()
    }

    #[test]
    fn the_sample_of_the_contract() {
        let sample = schedule("2026-02-27", Some("10:30:00"), Tz::Asia__Kolkata);
        assert_eq!(sample.at(), utc("2026-02-27T05:00:00Z"));
        assert_eq!(sample.lapses_at(), sample.at());
        assert_eq!(due(sample), [utc("2026-02-26T05:00:00Z"), utc("2026-02-27T04:00:00Z")]);
        let day = schedule("2026-02-27", None, Tz::Asia__Kolkata);
        assert_eq!((day.at(), day.lapses_at()), (utc("2026-02-26T18:30:00Z"), utc("2026-02-27T18:30:00Z")));
        assert_eq!(due(day), [utc("2026-02-26T03:30:00Z")]);
    }

    #[test]
    fn what_is_past_is_not_planned() {
        let soon = schedule("2026-02-27", Some("10:30:00"), Tz::Asia__Kolkata);
        let kinds = |now| soon.reminders(utc(now)).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!(kinds("2026-02-26T04:59:59Z"), [Kind::FollowupDay, Kind::FollowupHour]);
        assert_eq!(kinds("2026-02-26T05:00:00Z"), [Kind::FollowupHour]);
        assert_eq!(kinds("2026-02-27T04:00:00Z"), []);
    }

    /// New York goes from 02:00 to 03:00 on 2026-03-08 and back from 02:00 to 01:00 on 2026-11-01.
    #[test]
    fn the_edges_of_summer_time() {
        let york = Tz::America__New_York;
        let skipped = schedule("2026-03-08", Some("02:30:00"), york);
        assert_eq!(skipped.at(), utc("2026-03-08T07:30:00Z"), "03:30 of the new time");
        let after = schedule("2026-03-08", Some("10:00:00"), york);
        assert_eq!(due(after), [utc("2026-03-07T14:00:00Z"), utc("2026-03-08T13:00:00Z")], "24 hours, not a day");
        let twice = schedule("2026-11-01", Some("01:30:00"), york);
        assert_eq!(twice.at(), utc("2026-11-01T05:30:00Z"), "the first of the two");
        let long_day = schedule("2026-11-01", None, york);
        assert_eq!(long_day.lapses_at() - long_day.at(), TimeDelta::hours(25));
        assert_eq!(due(long_day), [utc("2026-10-31T13:00:00Z")]);
        let day_after = schedule("2026-11-02", None, york);
        assert_eq!(due(day_after), [utc("2026-11-01T14:00:00Z")], "nine by the new time");
    }

    #[test]
    fn odd_zones() {
        // Lord Howe moves by half an hour; Beirut skips midnight; Samoa skipped a whole day.
        let howe = schedule("2026-10-04", Some("02:15:00"), Tz::Australia__Lord_Howe);
        assert_eq!(howe.at(), utc("2026-10-03T15:45:00Z"));
        let beirut = schedule("2026-03-29", None, Tz::Asia__Beirut);
        assert_eq!(beirut.at(), utc("2026-03-28T22:00:00Z"));
        assert_eq!(beirut.lapses_at() - beirut.at(), TimeDelta::hours(23));
        let samoa = schedule("2011-12-30", Some("12:00:00"), Tz::Pacific__Apia);
        assert_eq!(samoa.at(), utc("2011-12-30T22:00:00Z"));
    }

    fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
        TimeDelta::seconds(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc().into())
    }

    /// The minutes at which the clocks of a zone are changed, from 2016 to 2035.
    fn changes(zone: Tz) -> Vec<DateTime<Utc>> {
        const DAY: i64 = 24 * 60;
        let begin = utc("2016-01-01T00:00:00Z");
        let minute = |number: i64| begin + TimeDelta::minutes(number);
        let is_same = |one: i64, other: i64| offset(zone, minute(one)) == offset(zone, minute(other));
        let within = |day: i64| {
            let (mut before, mut after) = (day * DAY, (day + 1) * DAY);
            if is_same(before, after) {
                return None;
            }
            while after - before > 1 {
                let middle = i64::midpoint(before, after);
                if is_same(before, middle) {
                    before = middle;
                } else {
                    after = middle;
                }
            }
            Some(minute(after))
        };
        (0..20 * 365 + 5).filter_map(within).collect()
    }

    /// Any zone of the list and one of its changes; where the clocks are never changed, New York's are as good as any
    /// other times.
    fn drawn(zone: &prop::sample::Index, change: &prop::sample::Index) -> (Tz, DateTime<Utc>) {
        let zone = *zone.get(&chrono_tz::TZ_VARIANTS);
        let own = changes(zone);
        let times = if own.is_empty() { changes(Tz::America__New_York) } else { own };
        (zone, *change.get(&times))
    }

    fn shows(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&zone).naive_local()
    }

    #[test]
    fn changes_are_found() {
        let york = changes(Tz::America__New_York);
        assert_eq!(york.len(), 40);
        assert!(york.contains(&utc("2026-03-08T07:00:00Z")) && york.contains(&utc("2026-11-01T06:00:00Z")));
        assert!(changes(Tz::Australia__Lord_Howe).contains(&utc("2026-10-03T15:30:00Z")));
        assert!(changes(Tz::Asia__Kolkata).is_empty());
    }

    proptest! {
        /// Around a change of the clocks, at skipped and doubled times too: the first instant at which the wall shows
        /// the time, or as far after the gap as the time is into it. The reminders count from that instant.
        #[test]
        fn times_around_a_change_of_the_clocks(
            zone in any::<prop::sample::Index>(),
            change in any::<prop::sample::Index>(),
            minute in -180..=180_i64,
        ) {
            let (zone, change) = drawn(&zone, &change);
            let [old, new] = [change - TimeDelta::minutes(1), change].map(|at| offset(zone, at));
            let wall = change.naive_utc() + old + TimeDelta::minutes(minute);
            let read = |offset: TimeDelta| (wall - offset).and_utc();
            let shows_it = |at: &DateTime<Utc>| shows(zone, *at) == wall;
            let first = [read(old), read(new)].into_iter().filter(shows_it).min();
            let schedule = Schedule { date: wall.date(), time: Some(wall.time()), zone };
            let at = schedule.at();
            prop_assert_eq!(at, first.unwrap_or_else(|| read(old)));
            let skipped = if first.is_some() { TimeDelta::zero() } else { new - old };
            prop_assert_eq!(shows(zone, at) - wall, skipped);
            prop_assert_eq!(schedule.lapses_at(), at);
            let reminders = [(Kind::FollowupDay, TimeDelta::hours(24)), (Kind::FollowupHour, TimeDelta::hours(1))];
            let reminders = reminders.map(|(kind, before)| (kind, at - before));
            prop_assert_eq!(schedule.reminders(DateTime::UNIX_EPOCH), reminders);
        }

        /// The day of a change and those beside it: the wall shows nine on the day before.
        #[test]
        fn days_around_a_change_of_the_clocks(
            zone in any::<prop::sample::Index>(),
            change in any::<prop::sample::Index>(),
            later in 0..4_u64,
        ) {
            let (zone, change) = drawn(&zone, &change);
            let date = shows(zone, change).date() - Days::new(1) + Days::new(later);
            let day = Schedule { date, time: None, zone };
            let nine = (date - Days::new(1)).and_time(NaiveTime::MIN) + TimeDelta::hours(9);
            let due = day.reminders(DateTime::UNIX_EPOCH);
            let shown: Vec<_> = due.iter().map(|(kind, due)| (*kind, shows(zone, *due))).collect();
            prop_assert_eq!(shown, [(Kind::FollowupDay, nine)]);
            // It begins with its first minute, which may not be midnight, and lasts as long as the clocks have it.
            let jump = offset(zone, change) - offset(zone, change - TimeDelta::minutes(1));
            let begins = shows(zone, day.at());
            prop_assert!(begins.date() == date && begins - date.and_time(NaiveTime::MIN) <= jump.abs());
            let lasts = day.lapses_at() - day.at();
            prop_assert!([TimeDelta::hours(24), TimeDelta::hours(24) - jump].contains(&lasts), "{}", lasts);
            // As the lists have it that are asked for by days: the minute before is of another day.
            let first = start_of_day(date, zone);
            prop_assert_eq!(shows(zone, first).date(), date);
            prop_assert!(shows(zone, first - TimeDelta::minutes(1)).date() < date && first <= day.at());
        }

        /// In every zone, at every minute of many years: what exists is kept, later on the wall is never earlier in time,
        /// and a reminder is due before its appointment.
        #[test]
        fn every_wall_clock_of_every_zone(zone in 0..chrono_tz::TZ_VARIANTS.len(), minute in 0..31_000_000_i64) {
            let zone = chrono_tz::TZ_VARIANTS.get(zone).copied().unwrap();
            let wall = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap().and_time(NaiveTime::MIN) + TimeDelta::minutes(minute);
            let at = instant(wall, zone);
            let shown = at.with_timezone(&zone).naive_local();
            let exists = zone.from_local_datetime(&wall).earliest().is_some();
            prop_assert_eq!(shown == wall, exists);
            prop_assert!(shown >= wall, "{} became {}", wall, shown);
            let schedule = Schedule { date: wall.date(), time: Some(wall.time()), zone };
            for (_, due) in schedule.reminders(DateTime::UNIX_EPOCH) {
                prop_assert!(due < schedule.at());
            }
            let day = Schedule { time: None, ..schedule };
            prop_assert!(day.lapses_at() >= day.at());
            for (_, due) in day.reminders(DateTime::UNIX_EPOCH) {
                prop_assert!(due < day.lapses_at());
            }
        }
    }
}
