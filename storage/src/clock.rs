//! Time is injected (DESIGN §7): the server asks the clock, SQL never calls `now()`, tests move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// The present, in UTC and whole microseconds (what Postgres keeps).
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    /// The system's time plus an offset in microseconds, so that tests can jump ahead.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that starts at the machine's time and can be moved with [`Clock::advance`].
    #[must_use]
    pub fn shifted() -> Self {
        Self(Source::Shifted(Arc::default()))
    }

    /// The present.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let system = Utc::now().trunc_subsecs(6);
        match &self.0 {
            Source::System => system,
            Source::Shifted(offset) => system + TimeDelta::microseconds(offset.load(Ordering::SeqCst)),
        }
    }

    /// Moves a shifted clock ahead; the system's clock stays where it is.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Shifted(offset) = &self.0 {
            offset.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }
}
