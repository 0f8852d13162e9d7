//! How the bus stands: not whether a socket is open, but whether this node's own heartbeat came back (DESIGN §2).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::super::Health;

/// How often each node beats.
pub(super) const BEAT: Duration = Duration::from_millis(500);
/// Without an own heartbeat for so long the subscription is taken for dead, whatever its socket says.
const SILENCE: Duration = Duration::from_millis(1600);
/// After so long of hearing the channels every node that lives has beaten.
const SETTLES: Duration = Duration::from_secs(2);
/// How long a loss stays visible: an operator, a probe and a test see it.
const SHOWN: Duration = Duration::from_secs(1);
/// A node that fell silent without a goodbye may only be cut off from Redis: so long are inboxes looked at often.
const MAYBE_ALIVE: Duration = Duration::from_secs(600);

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Status(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    subscribed: bool,
    since: Option<Instant>,
    /// Why there is no subscription.
    unreachable: Option<&'static str>,
    came_back: Option<Instant>,
    sent: Vec<(u64, Instant)>,
    healing: Option<(Instant, &'static str)>,
    silent_peer: bool,
    vanished: Option<Instant>,
}

impl Status {
    /// The channels are heard from now on.
    pub(super) fn subscribed(&self, now: Instant) {
        self.with(|state| {
            state.subscribed = true;
            state.since = Some(now);
            state.unreachable = None;
            state.came_back = Some(now);
        });
    }

    /// They are not.
    pub(super) fn lost(&self, why: &'static str, now: Instant) {
        self.with(|state| state.subscribed = false);
        self.heal(why, now);
    }

    /// A subscription could not be made. Answers whether that is news.
    pub(super) fn unreachable(&self, why: &'static str) -> bool {
        self.with(|state| state.unreachable.replace(why) != Some(why))
    }

    /// Something was lost.
    pub(super) fn heal(&self, why: &'static str, now: Instant) {
        self.with(|state| state.healing = Some((now + SHOWN, why)));
    }

    /// An own heartbeat is sent.
    pub(super) fn beat_sent(&self, count: u64, now: Instant) {
        self.with(|state| {
            if state.sent.len() >= 8 {
                state.sent.remove(0);
            }
            state.sent.push((count, now));
        });
    }

    /// An own heartbeat came back.
    pub(super) fn beat_back(&self, count: u64, now: Instant) {
        let took = self.with(|state| {
            state.came_back = Some(now);
            state.sent.iter().find(|(sent, _)| *sent == count).map(|(_, at)| now - *at)
        });
        if let Some(took) = took {
            metrics::histogram!("consilium_bus_probe_seconds").record(took.as_secs_f64());
        }
    }

    /// Whether own heartbeats have stopped coming back.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.with(|state| state.came_back.is_none_or(|at| now - at > SILENCE))
    }

    /// Whether another node has missed heartbeats, and whether one is gone without a goodbye.
    pub(super) fn peers(&self, silent: bool, vanished: bool, now: Instant) {
        self.with(|state| {
            state.silent_peer = silent;
            if vanished {
                state.vanished = Some(now);
            }
        });
    }

    /// Whether every node that lives must have been heard by now.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        self.health(now) == Health::Up && self.with(|state| state.since.is_some_and(|since| now - since > SETTLES))
    }

    pub(super) fn health(&self, now: Instant) -> Health {
        let silent = self.is_silent(now);
        self.with(|state| match state.healing {
            _ if !state.subscribed => Health::Down(state.unreachable.unwrap_or("redis cannot be reached")),
            _ if silent => Health::Down("this node's own signals do not come back from redis"),
            Some((until, why)) if until > now => Health::Healing(why),
            _ if state.silent_peer => Health::Healing("another node is silent"),
            _ => Health::Up,
        })
    }

    pub(super) fn look_every(&self, now: Instant) -> Option<Duration> {
        if matches!(self.health(now), Health::Down(_)) {
            return Some(Duration::from_millis(250));
        }
        self.with(|state| {
            if state.silent_peer {
                return Some(BEAT);
            }
            state.vanished.filter(|at| now - *at < MAYBE_ALIVE).map(|_| Duration::from_secs(1))
        })
    }

    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn health_follows_the_own_heartbeat() {
        let (status, now) = (Status::default(), Instant::now());
        assert!(matches!(status.health(now), Health::Down(_)));
        status.subscribed(now);
        assert_eq!(status.health(now), Health::Up);
        let later = now + ms(1700);
        assert!(matches!(status.health(later), Health::Down(_)), "nothing came back");
        assert_eq!(status.look_every(later), Some(ms(250)));
        status.beat_back(1, later);
        assert_eq!((status.health(later), status.look_every(later)), (Health::Up, None));
    }

    #[test]
    fn a_loss_stays_visible_for_a_while() {
        let (status, now) = (Status::default(), Instant::now());
        status.subscribed(now);
        status.heal("lost", now);
        assert_eq!(status.health(now + ms(900)), Health::Healing("lost"));
        status.beat_back(1, now + ms(1000));
        assert_eq!(status.health(now + ms(1001)), Health::Up);
    }

    #[test]
    fn a_node_that_vanished_is_looked_for_and_then_forgotten() {
        let (status, now) = (Status::default(), Instant::now());
        status.subscribed(now);
        status.peers(true, false, now);
        assert_eq!(status.look_every(now), Some(BEAT));
        status.peers(false, true, now);
        assert_eq!(status.look_every(now), Some(Duration::from_secs(1)));
        let later = now + MAYBE_ALIVE;
        status.beat_back(1, later);
        assert_eq!(status.look_every(later), None);
    }
}
