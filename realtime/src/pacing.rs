//! When asks come as a storm, and how long they gather then: the rule of [`crate::batcher`], without its clock.

use std::time::Duration;

use tokio::time::Instant;

/// So many asks a second are the calm; a fleet that comes back brings more, even to a node that is short of time.
const CALM_RATE: f64 = 250.0;
/// What may come at once without being a storm.
const CALM_BURST: f64 = 50.0;
/// How long asks gather in a storm at least, from one query to the next.
const REST: Duration = Duration::from_millis(200);
/// How long they gather at most, where fewer than enough have come.
const LONG_REST: Duration = Duration::from_millis(500);
/// So many are worth a query: with two kinds of them, fewer than one for a hundred connections.
const ENOUGH: usize = 256;

/// Watches how fast asks come. Below 250 a second nobody ever rests; above, a query follows the one before after
/// 200 ms at the earliest, after 500 ms where few have come, or as soon as the storm has passed.
#[derive(Debug, Clone)]
pub struct Pacing {
    /// Asks beyond what the calm rate has absorbed, as in a bucket that leaks.
    level: f64,
    /// When the level was right.
    at: Instant,
    /// When the last query began.
    queried: Option<Instant>,
}

impl Pacing {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { level: 0.0, at: now, queried: None }
    }

    /// So many asks came.
    pub fn arrived(&mut self, count: usize, now: Instant) {
        // Bounded, so that the longest storm is forgotten two tenths of a second after it passed.
        self.level = (self.level_at(now) + count as f64).min(2.0 * CALM_BURST);
        self.at = now;
    }

    /// A query begins.
    pub const fn queried(&mut self, now: Instant) {
        self.queried = Some(now);
    }

    /// How long the next query of so many waits for company, if nothing more comes.
    #[must_use]
    pub fn rest(&self, waiting: usize, now: Instant) -> Duration {
        let above = self.level_at(now) - CALM_BURST;
        let Some(queried) = self.queried.filter(|_| above > 0.0) else { return Duration::ZERO };
        let storm = Duration::from_secs_f64(above / CALM_RATE);
        let rest = if waiting < ENOUGH { LONG_REST } else { REST };
        (queried + rest).saturating_duration_since(now).min(storm)
    }

    fn level_at(&self, now: Instant) -> f64 {
        (self.level - now.saturating_duration_since(self.at).as_secs_f64() * CALM_RATE).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// Plays arrivals of `rate` a second for `time`; how many queries they make, and the longest an ask waited.
    fn play(rate: u64, time: Duration) -> (u64, Duration) {
        let start = Instant::now();
        let mut pacing = Pacing::new(start);
        let (mut waiting, mut oldest, mut queries, mut longest) = (0, start, 0, Duration::ZERO);
        let mut came = 0;
        for step in 0..u32::try_from(time.as_millis()).unwrap_or(u32::MAX) {
            let now = start + MILLI * step;
            let due = u64::from(step + 1) * rate / 1000;
            if due > came {
                oldest = if waiting == 0 { now } else { oldest };
                pacing.arrived(usize::try_from(due - came).unwrap_or(usize::MAX), now);
                waiting += due - came;
                came = due;
            }
            if waiting > 0 && pacing.rest(usize::try_from(waiting).unwrap_or(usize::MAX), now).is_zero() {
                longest = longest.max(now - oldest);
                pacing.queried(now);
                queries += 1;
                waiting = 0;
            }
        }
        (queries, longest)
    }

    #[test]
    fn the_calm_never_rests() {
        for rate in [1, 50, 200, 250] {
            let (queries, longest) = play(rate, Duration::from_secs(5));
            assert_eq!((queries, longest), (rate * 5, Duration::ZERO), "{rate}/s");
        }
    }

    #[test]
    fn a_storm_shares_its_queries() {
        for rate in [1000, 2000, 5000, 20_000] {
            let (queries, longest) = play(rate, Duration::from_secs(5));
            // Before the rate is known to be a storm's, a few go as they come.
            assert!(queries <= 25 + 80, "{rate}/s: {queries}");
            assert!(longest <= LONG_REST, "{rate}/s: {longest:?}");
        }
        // The longer it lasts, the less the beginning weighs.
        assert!(play(5000, Duration::from_secs(60)).0 <= 300 + 20);
    }

    #[test]
    fn a_slow_storm_is_worth_less_than_one_query_for_a_hundred_too() {
        for rate in [450, 500, 600, 1000, 1300] {
            let (long, short) = (play(rate, Duration::from_secs(60)).0, play(rate, Duration::from_secs(30)).0);
            // Credentials and inboxes are a query each.
            let per_100 = 2.0 * (long - short) as f64 * 100.0 / (rate * 30) as f64;
            assert!(per_100 < 1.0, "{rate}/s: {per_100}");
        }
    }

    #[test]
    fn the_first_of_a_storm_goes_at_once_and_the_last_waits_no_longer_than_the_storm() {
        let start = Instant::now();
        let mut pacing = Pacing::new(start);
        pacing.arrived(5000, start);
        assert_eq!(pacing.rest(5000, start), Duration::ZERO, "no query went before");
        pacing.queried(start);
        pacing.arrived(1, start + MILLI);
        assert!(pacing.rest(1, start + MILLI) > 190 * MILLI);
        assert_eq!(pacing.rest(1, start + 202 * MILLI), Duration::ZERO, "nobody came any more");
        pacing.arrived(1, start + Duration::from_secs(1));
        assert_eq!(pacing.rest(1, start + Duration::from_secs(1)), Duration::ZERO, "forgotten");
    }

    #[test]
    fn enough_wait_no_longer_than_they_must() {
        let start = Instant::now();
        let mut pacing = Pacing::new(start);
        pacing.queried(start);
        let now = start + REST;
        pacing.arrived(1000, now);
        assert_eq!(pacing.rest(ENOUGH, now), Duration::ZERO);
        assert!(pacing.rest(ENOUGH - 1, now) > 190 * MILLI);
    }

    proptest! {
        /// Whatever comes: nobody waits longer than the rest after the last query, and a lone ask waits for nobody.
        #[test]
        fn a_wait_is_bounded(steps in prop::collection::vec((0..3000_usize, 0..400_u64), 1..60)) {
            let mut now = Instant::now();
            let mut pacing = Pacing::new(now);
            for (count, pause) in steps {
                now += Duration::from_millis(pause);
                pacing.arrived(count, now);
                let rest = pacing.rest(count, now);
                let longest = if count < ENOUGH { LONG_REST } else { REST };
                prop_assert!(rest <= longest);
                prop_assert!(count > 0 || pause < 200 || rest.is_zero());
                if pause % 2 == 0 {
                    pacing.queried(now + rest);
                }
            }
        }
    }
}
