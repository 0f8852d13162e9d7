//! Every latency of a run with the moment it began, for measurements that compare one part of a run with another.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::stats::Step;

/// One latency.
#[derive(Clone, Copy, Debug)]
struct Seen {
    step: Step,
    /// Seconds from the begin of the trace; that of the latency, not its end.
    began_s: f64,
    took_ms: f64,
}

/// All latencies of a run.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    began: Option<Instant>,
    seen: Vec<Seen>,
}

/// The latencies of one step in one part of a run.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Latencies {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Trace {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began: Some(began), seen: Vec::new() }
    }

    pub(crate) fn note(&mut self, step: Step, ended: Instant, took: Duration) {
        let Some(began) = self.began else { return };
        let began_s = ended.saturating_duration_since(began).as_secs_f64() - took.as_secs_f64();
        self.seen.push(Seen { step, began_s, took_ms: took.as_secs_f64() * 1e3 });
    }

    /// What began from `from_s` on and before `to_s`.
    pub(crate) fn between(&self, step: Step, from_s: f64, to_s: f64) -> Latencies {
        let inside = |seen: &&Seen| seen.step == step && seen.began_s >= from_s && seen.began_s < to_s;
        let mut times: Vec<f64> = self.seen.iter().filter(inside).map(|seen| seen.took_ms).collect();
        times.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            let rank = (times.len() as f64 * quantile).ceil() as usize;
            times.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        Latencies { count: times.len() as u64, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// The middle one; between the two middle ones of an even number.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle), values.get(middle.wrapping_sub(1))) {
        (1, Some(value), _) => *value,
        (_, Some(above), Some(below)) => f64::midpoint(*above, *below),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_counts() {
        assert!((median(vec![3.0, 1.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!((median(vec![3.0, 1.0, 9.0, f64::NAN, 4.0]) - 3.5).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_latency_belongs_to_where_it_began() {
        let began = Instant::now();
        let mut trace = Trace::new(began);
        for ms in 1..=100 {
            let sent = began + Duration::from_millis(10 * ms);
            trace.note(Step::SendAck, sent + Duration::from_millis(ms), Duration::from_millis(ms));
        }
        // Ended inside, began before.
        trace.note(Step::SendAck, began + Duration::from_millis(600), Duration::from_millis(599));
        trace.note(Step::SendSeen, began + Duration::from_millis(700), Duration::from_millis(1));
        let part = trace.between(Step::SendAck, 0.5, 1.0);
        assert_eq!(part.count, 50);
        assert!((part.p50_ms - 74.0).abs() < 1e-6 && (part.p99_ms - 99.0).abs() < 1e-6, "{part:?}");
        assert!((part.max_ms - 99.0).abs() < 1e-6);
        let none = trace.between(Step::SendSeenAcross, 0.0, 9.0);
        assert!(none.count == 0 && none.p50_ms.is_nan());
    }
}
