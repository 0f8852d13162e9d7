//! Counters of what somebody did lately. Each node counts what it sees, and Redis what all of them see; either refuses.
//! While Redis is away limits hold per node.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;
use redis::Script;

use crate::redis::Redis;

static HIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("counters_hit.lua")));

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
pub struct Limits {
    here: Arc<DashMap<String, Window>>,
    redis: Option<Redis>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    used: u32,
    ends: DateTime<Utc>,
}

impl Limits {
    /// Shared over this Redis.
    #[must_use]
    pub fn new(redis: Option<Redis>) -> Self {
        Self { here: Arc::default(), redis }
    }

    /// Counts one. Over the limit: how many whole seconds to wait, at least 1.
    ///
    /// # Errors
    /// The seconds to wait.
    pub async fn hit(&self, key: &str, limit: Limit, now: DateTime<Utc>) -> Result<(), u64> {
        let here = self.hit_here(key, limit, now);
        let everywhere = self.ask(key, limit, 1).await;
        here.and(everywhere)
    }

    /// Whether the limit is used up, without counting.
    ///
    /// # Errors
    /// The seconds to wait.
    pub async fn check(&self, key: &str, limit: Limit, now: DateTime<Utc>) -> Result<(), u64> {
        match self.here.get(key).map(|window| *window) {
            Some(window) if window.ends > now && window.used >= limit.count => Err(seconds_until(window.ends, now)),
            _ => self.ask(key, limit, 0).await,
        }
    }

    /// Forgets windows that have ended.
    pub fn sweep(&self, now: DateTime<Utc>) {
        self.here.retain(|_, window| window.ends > now);
    }

    fn hit_here(&self, key: &str, limit: Limit, now: DateTime<Utc>) -> Result<(), u64> {
        let mut window = self.here.entry(key.to_owned()).or_insert(Window { used: 0, ends: now + limit.window });
        if window.ends <= now {
            *window = Window { used: 0, ends: now + limit.window };
        }
        window.used = window.used.saturating_add(1);
        if window.used > limit.count { Err(seconds_until(window.ends, now)) } else { Ok(()) }
    }

    /// Adds to what all nodes counted. Keys may hold addresses and numbers: Redis knows them by their hash.
    async fn ask(&self, key: &str, limit: Limit, add: i32) -> Result<(), u64> {
        let Some(redis) = &self.redis else { return Ok(()) };
        let keys = [redis.key("limit", &hashed(key))];
        let args = [limit.window.num_milliseconds().to_string(), limit.count.to_string(), add.to_string()];
        match redis.run::<u64>(&HIT, &keys, &args).await {
            Ok(0) => Ok(()),
            Ok(wait) => Err(wait.div_ceil(1000)),
            Err(_) => {
                metrics::counter!("consilium_shared_fallbacks_total", "what" => "limits").increment(1);
                Ok(())
            }
        }
    }
}

fn hashed(key: &str) -> String {
    use sha2::Digest;
    let hash: [u8; 32] = sha2::Sha256::digest(key).into();
    let (head, _) = hash.split_at(16);
    head.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds_until(ends: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    let millis = (ends - now).num_milliseconds().max(0);
    u64::try_from(millis).unwrap_or(0).div_ceil(1000).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_window_starts_at_the_first_hit_and_ends() {
        let limits = Limits::default();
        let limit = Limit { count: 2, window: TimeDelta::seconds(30) };
        let start = DateTime::<Utc>::UNIX_EPOCH;
        assert_eq!(limits.hit("a", limit, start).await, Ok(()));
        assert_eq!(limits.check("a", limit, start).await, Ok(()));
        assert_eq!(limits.hit("a", limit, start + TimeDelta::seconds(10)).await, Ok(()));
        assert_eq!(limits.check("a", limit, start + TimeDelta::seconds(11)).await, Err(19));
        assert_eq!(limits.hit("a", limit, start + TimeDelta::milliseconds(29_500)).await, Err(1));
        assert_eq!(limits.hit("b", limit, start).await, Ok(()));
        assert_eq!(limits.hit("b", limit, start).await, Ok(()));
        assert_eq!(limits.check("b", limit, start).await, Err(30));
        assert_eq!(limits.hit("a", limit, start + TimeDelta::seconds(30)).await, Ok(()));
    }
}
