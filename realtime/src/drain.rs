//! Letting go of a node's connections (DESIGN §9): told one after the other, back one after the other, so that whoever
//! takes them in sees a steady stream and never a crowd.

use std::time::Duration;

/// How many are told in a second, as far as the window allows.
const RATE: u32 = 1000;
/// The least time between being told and coming back: the client closes, looks up where to go, connects.
const SOONEST: Duration = Duration::from_millis(200);
/// What the last ones wait.
const LATEST: Duration = Duration::from_secs(2);

/// Who is told when, and when they come back: connection `0..count` in turn, both evenly.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    count: u32,
    window: Duration,
}

impl Spread {
    /// For so many connections, all told within `longest`.
    #[must_use]
    pub fn new(count: usize, longest: Duration) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self { count, window: (Duration::from_secs(1) * count / RATE).min(longest) }
    }

    /// How long the telling takes.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// When connection `index` is told, from the beginning.
    #[must_use]
    pub fn told(&self, index: usize) -> Duration {
        self.window.mul_f64(self.share(index, 0.0))
    }

    /// When it comes back, from the beginning: each has a slot of its own, and with `jitter` from 0 to 1 a place in the
    /// middle half of it.
    #[must_use]
    pub fn back(&self, index: usize, jitter: f64) -> Duration {
        let slots = self.window + LATEST - SOONEST;
        SOONEST + slots.mul_f64(self.share(index, 0.25 + jitter.clamp(0.0, 1.0) / 2.0))
    }

    /// How long it waits in between, if it is told this long after the beginning. Whoever is told too late for its own
    /// slot takes any: those that a busy node tells at one instant do not come back at one.
    #[must_use]
    pub fn wait(&self, index: usize, jitter: f64, told: Duration) -> Duration {
        let left = self.back(index, jitter).saturating_sub(told);
        if left < SOONEST { SOONEST + (LATEST - SOONEST).mul_f64(jitter.clamp(0.0, 1.0)) } else { left.min(LATEST) }
    }

    fn share(&self, index: usize, within: f64) -> f64 {
        ((index as f64 + within) / f64::from(self.count.max(1))).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    /// Half of DRAIN_SECONDS.
    const LONGEST: Duration = Duration::from_secs(10);
    const BUCKET: Duration = Duration::from_millis(250);

    /// When all of them are back, if each is told `late` after its time.
    fn returns(count: usize, longest: Duration, late: impl Fn(usize) -> Duration) -> Vec<Duration> {
        let spread = Spread::new(count, longest);
        assert!(spread.window() <= longest);
        let times = (0..count).map(|index| {
            let told = spread.told(index);
            assert!(told <= spread.window());
            let told = told + late(index);
            let wait = spread.wait(index, rand::random(), told);
            assert!(wait >= SOONEST && wait <= LATEST, "{wait:?}");
            told + wait
        });
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        times
    }

    /// The most that came back within any 250 ms, and what comes back in 250 ms on average.
    fn peak_and_mean(times: &[Duration]) -> (usize, f64) {
        let (first, last) = (*times.first().unwrap(), *times.last().unwrap());
        let peak = times.iter().enumerate().map(|(from, time)| {
            let until = times.partition_point(|other| *other < *time + BUCKET);
            until - from
        });
        (peak.max().unwrap(), times.len() as f64 * BUCKET.as_secs_f64() / (last - first).as_secs_f64())
    }

    #[test]
    fn the_peak_is_at_most_twice_the_mean() {
        for count in [10, 100, 500, 5_000, 50_000] {
            let times = returns(count, LONGEST, |_| Duration::ZERO);
            let (peak, mean) = peak_and_mean(&times);
            assert!(peak as f64 <= 2.0 * mean, "{count}: {peak} in 250 ms, {mean:.1} on average");
            assert!(*times.last().unwrap() <= LONGEST + LATEST, "{count}");
        }
    }

    #[test]
    fn the_window_grows_with_the_connections() {
        let window = |count| Spread::new(count, LONGEST).window();
        let seconds = [10, 500, 5_000, 50_000].map(|count| window(count).as_secs_f64());
        assert_eq!(seconds, [0.01, 0.5, 5.0, 10.0]);
        assert_eq!(Spread::new(0, LONGEST).window(), Duration::ZERO);
        assert_eq!(Spread::new(1, LONGEST).told(0), Duration::ZERO);
    }

    proptest! {
        /// A node that is busy tells late, by up to half a second here: the wait makes up for it.
        #[test]
        fn telling_late_changes_little(count in 400..5_000_usize, late in 0..500_u64) {
            let times = returns(count, LONGEST, |index| Duration::from_millis((index as u64 * 7919) % (late + 1)));
            let (peak, mean) = peak_and_mean(&times);
            prop_assert!(peak as f64 <= 2.0 * mean, "{count}: {peak} in 250 ms, {mean:.1} on average");
        }
    }
}
