//! A circuit breaker: an outside service that is gone must not slow everybody who would tell it something.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing { since: Instant },
}

/// Opens after some failures in a row; then lets one caller through at a time to see.
pub(super) struct Breaker {
    state: Mutex<State>,
    open_after: u32,
    open_for: Duration,
}

impl Breaker {
    pub(super) fn new(open_after: u32, open_for: Duration) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), open_after, open_for }
    }

    /// Whether a call may go out now.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Closed { .. } => true,
            State::Open { until } if now < until => false,
            // A prober that was dropped half way never reports: after a while another may try.
            State::Probing { since } if now < since + self.open_for => false,
            State::Open { .. } | State::Probing { .. } => {
                *state = State::Probing { since: now };
                true
            }
        }
    }

    /// Whether calls are turned away at present, without asking to make one.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(*state, State::Closed { .. })
    }

    /// The server answered.
    pub(super) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State::Closed { failures: 0 };
    }

    /// The server did not answer.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            State::Closed { failures } if failures + 1 < self.open_after => State::Closed { failures: failures + 1 },
            State::Closed { .. } | State::Probing { .. } => State::Open { until: now + self.open_for },
            // Late failures of calls from before must not keep it shut for ever.
            State::Open { until } => State::Open { until },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn it_opens_lets_one_probe_through_and_closes_again() {
        let second = Duration::from_secs(1);
        let breaker = Breaker::new(3, 5 * second);
        let start = Instant::now();
        for _ in 0..2 {
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(breaker.admits(start) && !breaker.is_open());
        breaker.failed(start);
        assert!(breaker.is_open() && !breaker.admits(start + second));
        // Calls that were under way when it opened do not put the probe off.
        breaker.failed(start + 4 * second);
        let later = start + 5 * second;
        assert!(breaker.admits(later), "one probe");
        assert!(!breaker.admits(later), "and only one");
        breaker.failed(later);
        assert!(!breaker.admits(later + second));
        // This probe is dropped without a word: the next may go after the same wait.
        assert!(breaker.admits(later + 5 * second));
        assert!(!breaker.admits(later + 6 * second));
        assert!(breaker.admits(later + 10 * second));
        breaker.succeeded();
        assert!(!breaker.is_open() && breaker.admits(later));
    }
}
