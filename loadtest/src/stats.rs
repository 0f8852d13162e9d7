//! Latencies per step, counters, and one sample a second for the curves.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use crate::trace::Trace;

/// A measured step of a consultation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Step {
    /// POST of the request to its answer.
    Request,
    /// POST of the request to the doctor's requests stream.
    RequestShown,
    Accept,
    AcceptSeen,
    SendAck,
    SendSeen,
    /// The same where the two hold on to one node of several.
    SendSeenHere,
    /// The same where the two hold on to different nodes.
    SendSeenAcross,
    /// A message whose acknowledgement took more than one connection.
    SendAckAcross,
    Delivered,
    Read,
    VideoAck,
    VideoSeen,
    End,
    EndSeen,
    /// From connecting with a cursor to having caught up.
    Resume,
    /// How late this program's own timers were: the measuring error.
    TimerLag,
}

impl Step {
    pub(crate) const ALL: [Self; 17] = [
        Self::Request,
        Self::RequestShown,
        Self::Accept,
        Self::AcceptSeen,
        Self::SendAck,
        Self::SendSeen,
        Self::SendSeenHere,
        Self::SendSeenAcross,
        Self::SendAckAcross,
        Self::Delivered,
        Self::Read,
        Self::VideoAck,
        Self::VideoSeen,
        Self::End,
        Self::EndSeen,
        Self::Resume,
        Self::TimerLag,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Request => "request → answer",
            Self::RequestShown => "request → doctor's stream",
            Self::Accept => "accept → ack",
            Self::AcceptSeen => "accept → patient's frame",
            Self::SendAck => "send → ack",
            Self::SendSeen => "send → other's frame",
            Self::SendSeenHere => "send → frame on the same node",
            Self::SendSeenAcross => "send → frame on another node",
            Self::SendAckAcross => "send → ack, across a reconnect",
            Self::Delivered => "delivered → sender's frame",
            Self::Read => "read → sender's frame",
            Self::VideoAck => "video → ack",
            Self::VideoSeen => "video → other's frame",
            Self::End => "end → ack",
            Self::EndSeen => "end → other's frame",
            Self::Resume => "resume → caught up",
            Self::TimerLag => "own timer lag",
        }
    }

    /// The name in the JSON report.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::RequestShown => "request_shown",
            Self::Accept => "accept_ack",
            Self::AcceptSeen => "accept_seen",
            Self::SendAck => "send_ack",
            Self::SendSeen => "send_seen",
            Self::SendSeenHere => "send_seen_same_node",
            Self::SendSeenAcross => "send_seen_across_nodes",
            Self::SendAckAcross => "send_ack_across_reconnect",
            Self::Delivered => "delivered_seen",
            Self::Read => "read_seen",
            Self::VideoAck => "video_ack",
            Self::VideoSeen => "video_seen",
            Self::End => "end_ack",
            Self::EndSeen => "end_seen",
            Self::Resume => "resume",
            Self::TimerLag => "own_timer_lag",
        }
    }
}

/// Longest latency kept apart from "longer".
const HIGHEST_US: u64 = 120_000_000;

#[derive(Debug)]
struct Meter {
    total: Histogram<u64>,
    second: Histogram<u64>,
}

/// One step in one second.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Sample {
    pub(crate) count: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) max_us: u64,
}

/// One second of the run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Second {
    pub(crate) at_s: f64,
    pub(crate) live_sessions: i64,
    pub(crate) connections: i64,
    pub(crate) errors: u64,
    pub(crate) steps: BTreeMap<&'static str, Sample>,
}

/// Whether faults are under way.
#[derive(Debug, Default)]
struct Trouble {
    open: bool,
    /// Of a kind in which a living server refuses.
    refusing: bool,
    until: Option<Instant>,
}

impl Trouble {
    fn explains(&self, now: Instant) -> bool {
        self.open || self.until.is_some_and(|until| now < until)
    }
}

/// All numbers of a run.
#[derive(Debug)]
pub(crate) struct Stats {
    meters: Vec<Mutex<Meter>>,
    /// Every latency by itself, for measurements that compare parts of a run.
    trace: Option<Mutex<Trace>>,
    seconds: Mutex<Vec<Second>>,
    /// Errors by kind; refusals that the scenario's own races explain stand apart.
    errors: Mutex<BTreeMap<String, u64>>,
    /// What would be an error, had not a fault been under way or just been over.
    strains: Mutex<BTreeMap<String, u64>>,
    trouble: Mutex<Trouble>,
    refusals: Mutex<BTreeMap<String, u64>>,
    error_count: AtomicU64,
    pub(crate) live_sessions: AtomicI64,
    pub(crate) connections: AtomicI64,
    pub(crate) consultations: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    pub(crate) frames: AtomicU64,
}

impl Stats {
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let mut meters = Vec::new();
        for _ in Step::ALL {
            let total = Histogram::new_with_bounds(1, HIGHEST_US, 3)?;
            let second = Histogram::new_with_bounds(1, HIGHEST_US, 2)?;
            meters.push(Mutex::new(Meter { total, second }));
        }
        Ok(Self {
            meters,
            trace: None,
            seconds: Mutex::default(),
            errors: Mutex::default(),
            strains: Mutex::default(),
            trouble: Mutex::default(),
            refusals: Mutex::default(),
            error_count: AtomicU64::new(0),
            live_sessions: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            consultations: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            frames: AtomicU64::new(0),
        })
    }

    /// Keeps each latency by itself, counted from `began`.
    pub(crate) fn traced(mut self, began: Instant) -> Self {
        self.trace = Some(Mutex::new(Trace::new(began)));
        self
    }

    /// What was kept; nothing where nobody asked for it.
    pub(crate) fn take_trace(&self) -> Option<Trace> {
        let mut trace = self.trace.as_ref()?.lock().ok()?;
        Some(std::mem::take(&mut *trace))
    }

    pub(crate) fn record(&self, step: Step, took: Duration) {
        if let Some(Ok(mut trace)) = self.trace.as_ref().map(Mutex::lock) {
            trace.note(step, Instant::now(), took);
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).clamp(1, HIGHEST_US);
        if let Some(Ok(mut meter)) = self.meters.get(step as usize).map(Mutex::lock) {
            meter.total.saturating_record(us);
            meter.second.saturating_record(us);
        }
    }

    pub(crate) fn error(&self, kind: String) {
        self.error_count.fetch_add(1, Ordering::Relaxed);
        bump(&self.errors, kind);
    }

    /// An error, unless a fault of ours explains it. Only for what a fault may do to somebody: a server that is
    /// away or slow, never a wrong answer.
    pub(crate) fn strain(&self, kind: String) {
        let explained = self.trouble.lock().is_ok_and(|trouble| trouble.explains(Instant::now()));
        if explained {
            bump(&self.strains, kind);
        } else {
            self.error(kind);
        }
    }

    /// A fault begins, and whether it makes a server refuse what it might otherwise do.
    pub(crate) fn trouble_begins(&self, refusing: bool) {
        if let Ok(mut trouble) = self.trouble.lock() {
            trouble.refusing &= trouble.explains(Instant::now());
            trouble.refusing |= refusing;
            trouble.open = true;
        }
    }

    /// A fault is over; its consequences may show for a while.
    pub(crate) fn trouble_ends(&self, grace: Duration) {
        if let Ok(mut trouble) = self.trouble.lock() {
            trouble.open = false;
            trouble.until = Some(Instant::now() + grace);
        }
    }

    /// Whether a command without an answer may have been refused.
    pub(crate) fn may_refuse_unheard(&self) -> bool {
        self.trouble.lock().is_ok_and(|mut trouble| {
            trouble.refusing &= trouble.explains(Instant::now());
            trouble.refusing
        })
    }

    /// A refusal that the contract foresees for a race of this scenario.
    pub(crate) fn refusal(&self, kind: String) {
        bump(&self.refusals, kind);
    }

    /// Closes the current second.
    pub(crate) fn tick(&self, at: Duration) {
        let mut second = Second {
            at_s: at.as_secs_f64(),
            live_sessions: self.live_sessions.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            errors: self.error_count.load(Ordering::Relaxed),
            steps: BTreeMap::new(),
        };
        for (step, meter) in Step::ALL.iter().zip(&self.meters) {
            let Ok(mut meter) = meter.lock() else {
                continue;
            };
            if meter.second.is_empty() {
                continue;
            }
            let sample = Sample {
                count: meter.second.len(),
                p50_us: meter.second.value_at_quantile(0.5),
                p99_us: meter.second.value_at_quantile(0.99),
                max_us: meter.second.max(),
            };
            meter.second.reset();
            second.steps.insert(step.key(), sample);
        }
        if let Ok(mut seconds) = self.seconds.lock() {
            seconds.push(second);
        }
    }

    pub(crate) fn seconds(&self) -> Vec<Second> {
        self.seconds.lock().map(|list| list.clone()).unwrap_or_default()
    }

    /// The whole run's histogram of a step.
    pub(crate) fn histogram(&self, step: Step) -> Option<Histogram<u64>> {
        let meter = self.meters.get(step as usize)?.lock().ok()?;
        Some(meter.total.clone())
    }

    pub(crate) fn count(&self, step: Step) -> u64 {
        self.meters.get(step as usize).and_then(|meter| meter.lock().ok().map(|meter| meter.total.len())).unwrap_or(0)
    }

    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().map(|map| map.clone()).unwrap_or_default()
    }

    pub(crate) fn strains(&self) -> BTreeMap<String, u64> {
        self.strains.lock().map(|map| map.clone()).unwrap_or_default()
    }

    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        self.refusals.lock().map(|map| map.clone()).unwrap_or_default()
    }

    pub(crate) fn error_count(&self) -> u64 {
        self.error_count.load(Ordering::Relaxed)
    }
}

fn bump(map: &Mutex<BTreeMap<String, u64>>, kind: String) {
    if let Ok(mut map) = map.lock() {
        *map.entry(kind).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_fault_explains_what_happens_while_it_lasts_and_shortly_after() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        assert!(!trouble.explains(now));
        trouble.open = true;
        assert!(trouble.explains(now));
        trouble.open = false;
        trouble.until = Some(now + Duration::from_secs(3));
        assert!(trouble.explains(now + Duration::from_secs(2)));
        assert!(!trouble.explains(now + Duration::from_secs(3)));
    }

    #[test]
    fn a_command_may_be_refused_unheard_only_where_the_fault_lets_the_server_refuse() {
        let stats = Stats::new().unwrap();
        assert!(!stats.may_refuse_unheard());
        stats.trouble_begins(false);
        assert!(!stats.may_refuse_unheard());
        stats.trouble_ends(Duration::from_secs(60));
        stats.trouble_begins(true);
        stats.trouble_ends(Duration::from_secs(60));
        assert!(stats.may_refuse_unheard());
        stats.trouble_ends(Duration::ZERO);
        assert!(!stats.may_refuse_unheard());
        stats.trouble_begins(false);
        assert!(!stats.may_refuse_unheard());
    }
}
