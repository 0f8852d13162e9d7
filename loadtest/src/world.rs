//! What all clients of a run share.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::history::Parties;
use crate::http::Http;
use crate::stats::Stats;

/// What the clients should be doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    Running,
    /// No new consultations; end those that run.
    Ending,
    /// Answer what is open and leave.
    Leaving,
    /// Leave at once, answered or not.
    Over,
}

/// The shape of the load.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Mean length of a consultation's chat.
    pub(crate) length: Duration,
    /// Mean time between two messages of one party.
    pub(crate) message_gap: Duration,
    pub(crate) message_bytes: usize,
    /// Mean time between two cuts of one client's connection; none if zero.
    pub(crate) cut_gap: Duration,
    /// New consultations a second.
    pub(crate) arrival: f64,
    pub(crate) receipts: bool,
    /// How long a client waits for an answer before it tries another node.
    pub(crate) patience: Duration,
    pub(crate) video: bool,
}

/// An order to many clients at once: lose your connections now.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Cut {
    /// Which clients are meant follows from this and the client's number.
    pub(crate) seed: u64,
    /// The share of them, from 0 to 1.
    pub(crate) share: f64,
}

impl Cut {
    pub(crate) fn hits(self, number: usize) -> bool {
        // splitmix64: neighbouring numbers must not fall together.
        let mut mixed = self.seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        ((mixed >> 11) as f64) < self.share * (1_u64 << 53) as f64
    }
}

/// What a moment was noted for, so that whoever sees its effect can say how long it took.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Mark {
    /// By patient.
    Request(Uuid),
    /// By session.
    Accept(Uuid),
    /// By client_message_id.
    Message(Uuid),
    /// By first message id.
    Delivered(Uuid),
    /// By first message id.
    Read(Uuid),
    /// By session.
    Video(Uuid),
    /// By session.
    End(Uuid),
}

/// Shared by all clients of a run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) http: Http,
    pub(crate) stats: Stats,
    pub(crate) plan: Plan,
    pub(crate) began: Instant,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) cuts: watch::Receiver<Cut>,
    pub(crate) seed: u64,
    /// When, and with which node.
    marks: Mutex<HashMap<Mark, (Instant, usize)>>,
    /// Who takes part in which session, as the answers to the requests said.
    sessions: Mutex<HashMap<Uuid, Parties>>,
    doctors: Vec<Uuid>,
    picks: AtomicUsize,
    next_arrival: Mutex<Instant>,
}

impl World {
    pub(crate) fn new(
        http: Http,
        stats: Stats,
        plan: Plan,
        (phase, cuts): (watch::Receiver<Phase>, watch::Receiver<Cut>),
        seed: u64,
        doctors: Vec<Uuid>,
    ) -> Self {
        let began = Instant::now();
        Self {
            http,
            stats,
            plan,
            began,
            phase,
            cuts,
            seed,
            marks: Mutex::default(),
            sessions: Mutex::default(),
            doctors,
            picks: AtomicUsize::new(0),
            next_arrival: Mutex::new(began),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Microseconds since the run began.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn mark(&self, mark: Mark, at: Instant, node: usize) {
        if let Ok(mut marks) = self.marks.lock() {
            marks.insert(mark, (at, self.http.node(node)));
        }
    }

    /// The moment noted, and the node that was asked, once.
    pub(crate) fn take_mark(&self, mark: Mark) -> Option<(Instant, usize)> {
        self.marks.lock().ok()?.remove(&mark)
    }

    pub(crate) fn add_session(&self, session: Uuid, parties: Parties) {
        if let Ok(mut sessions) = self.sessions.lock() {
            sessions.insert(session, parties);
        }
    }

    pub(crate) fn sessions(&self) -> HashMap<Uuid, Parties> {
        self.sessions.lock().map(|sessions| sessions.clone()).unwrap_or_default()
    }

    /// Doctors in turn, so that none has many more patients than another.
    pub(crate) fn pick_doctor(&self) -> Option<Uuid> {
        let turn = self.picks.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(self.doctors.len())?;
        self.doctors.get(at).copied()
    }

    /// The moment at which one more consultation may begin, at the rate of the plan.
    pub(crate) fn next_arrival(&self) -> Instant {
        let now = Instant::now();
        let Ok(mut next) = self.next_arrival.lock() else {
            return now;
        };
        let slot = (*next).max(now);
        *next = slot + Duration::from_secs_f64(1.0 / self.plan.arrival.max(0.001));
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_hits_its_share_and_the_same_ones_again() {
        for (seed, share) in [(1, 0.0), (2, 0.25), (3, 0.8), (4, 1.0)] {
            let cut = Cut { seed, share };
            let hit: Vec<usize> = (0..10_000).filter(|number| cut.hits(*number)).collect();
            assert!((hit.len() as f64 / 10_000.0 - share).abs() < 0.02, "{share}: {}", hit.len());
            assert!(hit.iter().all(|number| cut.hits(*number)));
        }
        let half = |seed| (0..64).filter(|number| Cut { seed, share: 0.5 }.hits(*number)).collect::<Vec<_>>();
        assert_ne!(half(1), half(2));
    }
}
