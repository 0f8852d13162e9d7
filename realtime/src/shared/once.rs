//! Things that are good once: tickets (realtime.md §3, settled 5). What is good is written in the ticket itself and
//! signed; here is remembered that it was used, over all nodes where they share a Redis, else on this one.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;

use crate::redis::Redis;

/// What was used, until when it would have been good.
#[derive(Debug, Clone, Default)]
pub struct Once {
    used: Arc<DashMap<String, DateTime<Utc>>>,
    redis: Option<Redis>,
}

impl Once {
    /// Shared over this Redis.
    #[must_use]
    pub fn new(redis: Option<Redis>) -> Self {
        Self { used: Arc::default(), redis }
    }

    /// Whether all nodes share it.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.redis.is_some()
    }

    /// Uses something that is good until `ends`; answers whether nobody did before.
    pub async fn use_up(&self, id: &str, ends: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        if self.used.insert(id.to_owned(), ends).is_some() {
            return false;
        }
        let Some(redis) = &self.redis else { return true };
        let life = (ends - now).max(TimeDelta::seconds(1)).num_milliseconds();
        let mut command = redis::cmd("SET");
        command.arg(redis.key("used", id)).arg(1).arg("NX").arg("PX").arg(life);
        match redis.ask::<Option<String>>(&command).await {
            Ok(first) => first.is_some(),
            Err(_) => {
                metrics::counter!("consilium_shared_fallbacks_total", "what" => "tickets").increment(1);
                true
            }
        }
    }

    /// Forgets what would not be good any more.
    pub fn sweep(&self, now: DateTime<Utc>) {
        self.used.retain(|_, ends| *ends > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thing_is_good_once() {
        let once = Once::default();
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let ends = start + TimeDelta::seconds(30);
        assert!(once.use_up("a", ends, start).await);
        assert!(!once.use_up("a", ends, start).await);
        assert!(once.use_up("b", ends, start).await);
        once.sweep(ends - TimeDelta::seconds(1));
        assert!(!once.use_up("a", ends, start).await, "remembered as long as it would be good");
    }
}
