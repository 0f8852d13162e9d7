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
    pub(crate) video: bool,
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
    pub(crate) seed: u64,
    marks: Mutex<HashMap<Mark, Instant>>,
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
        phase: watch::Receiver<Phase>,
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

    pub(crate) fn mark(&self, mark: Mark, at: Instant) {
        if let Ok(mut marks) = self.marks.lock() {
            marks.insert(mark, at);
        }
    }

    /// The moment noted, once.
    pub(crate) fn take_mark(&self, mark: Mark) -> Option<Instant> {
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
