//! Keeping under the server's command limit (realtime.md §7: 20/s, burst 40 per connection).

use std::time::Duration;

use tokio::time::Instant;

const PER_SECOND: f64 = 18.0;
const BURST: f64 = 34.0;

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket for the commands of one connection.
    pub(crate) fn commands(now: Instant) -> Self {
        Self { level: BURST, at: now }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if now > self.at {
            let gained = (now - self.at).as_secs_f64() * PER_SECOND;
            self.level = (self.level + gained).min(BURST);
            self.at = now;
        }
        let has = self.level >= 1.0 && now >= self.at;
        if has {
            self.level -= 1.0;
        }
        has
    }

    /// No token for a while.
    pub(crate) fn pause_until(&mut self, until: Instant) {
        self.level = 1.0;
        self.at = until;
    }

    /// When there will be one.
    pub(crate) fn next_token(&self) -> Instant {
        let lacking = (1.0 - self.level).max(0.0);
        self.at + Duration::from_secs_f64(lacking / PER_SECOND) + Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let now = Instant::now();
        let mut bucket = Bucket::commands(now);
        let burst = (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(burst, 34);
        assert!(bucket.next_token() > now);
        let later = now + Duration::from_secs(1);
        let more = (0..100).filter(|_| bucket.take(later)).count();
        assert_eq!(more, 18);
        bucket.pause_until(later + Duration::from_millis(500));
        assert!(!bucket.take(later));
        let next = bucket.next_token();
        assert!(next >= later + Duration::from_millis(500) && bucket.take(next));
    }
}
