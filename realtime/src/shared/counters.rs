//! Counters of what somebody did lately.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;

/// A fixed window that starts at the first thing counted (v1-common A5).
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// How many within the window.
    pub count: u32,
    /// How long the window is.
    pub window: TimeDelta,
}

/// Counters by key. Keys name the limit and whom it counts: `otp:phone:+91…`.
#[derive(Debug, Default, Clone)]
pub struct Limits(Arc<DashMap<String, Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    used: u32,
    ends: DateTime<Utc>,
}

impl Limits {
    /// Counts one. Over the limit: how many whole seconds to wait, at least 1.
    ///
    /// # Errors
    /// The seconds to wait.
    pub fn hit(&self, key: &str, limit: Limit, now: DateTime<Utc>) -> Result<(), u64> {
        let mut window = self.0.entry(key.to_owned()).or_insert(Window { used: 0, ends: now + limit.window });
        if window.ends <= now {
            *window = Window { used: 0, ends: now + limit.window };
        }
        window.used = window.used.saturating_add(1);
        if window.used > limit.count { Err(seconds_until(window.ends, now)) } else { Ok(()) }
    }

    /// Whether the limit is used up, without counting.
    ///
    /// # Errors
    /// The seconds to wait.
    pub fn check(&self, key: &str, limit: Limit, now: DateTime<Utc>) -> Result<(), u64> {
        match self.0.get(key) {
            Some(window) if window.ends > now && window.used >= limit.count => Err(seconds_until(window.ends, now)),
            _ => Ok(()),
        }
    }

    /// Takes one back: what was counted beforehand turned out not to count.
    pub fn take_back(&self, key: &str) {
        if let Some(mut window) = self.0.get_mut(key) {
            window.used = window.used.saturating_sub(1);
        }
    }

    /// Forgets windows that have ended.
    pub fn sweep(&self, now: DateTime<Utc>) {
        self.0.retain(|_, window| window.ends > now);
    }
}

fn seconds_until(ends: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    let millis = (ends - now).num_milliseconds().max(0);
    u64::try_from(millis).unwrap_or(0).div_ceil(1000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_starts_at_the_first_hit_and_ends() {
        let limits = Limits::default();
        let limit = Limit { count: 2, window: TimeDelta::seconds(30) };
        let start = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(limits.hit("a", limit, start), Ok(()));
        assert_eq!(limits.check("a", limit, start), Ok(()));
        assert_eq!(limits.hit("a", limit, start + TimeDelta::seconds(10)), Ok(()));
        assert_eq!(limits.check("a", limit, start + TimeDelta::seconds(11)), Err(19));
        assert_eq!(limits.hit("a", limit, start + TimeDelta::milliseconds(29_500)), Err(1));
        assert_eq!(limits.hit("b", limit, start), Ok(()));
        assert_eq!(limits.hit("b", limit, start), Ok(()));
        assert_eq!(limits.check("b", limit, start), Err(30));
        limits.take_back("b");
        assert_eq!(limits.hit("b", limit, start), Ok(()));
        assert_eq!(limits.hit("a", limit, start + TimeDelta::seconds(30)), Ok(()));
    }
}
