//! What a run tells: one value, printed as a table, written as JSON and as a page with plots.

mod html;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use crate::args::Run;
use crate::chaos::{Done, Planned};
use crate::faults::Restart;
use crate::fleet::{NodeReport, Used};
use crate::history::Verdict;
use crate::stats::{Second, Step};
use crate::world::World;

/// Violations told in full; the rest is counted.
pub(crate) const TOLD: usize = 50;

/// One step's latencies, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepReport {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) count: u64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: u64,
    pub(crate) p90_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    pub(crate) max_us: u64,
    /// Quantile and latency, for the curve.
    pub(crate) curve: Vec<(f64, u64)>,
}

/// The shape of the load.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoadReport {
    pub(crate) targets: Vec<String>,
    pub(crate) sessions: usize,
    pub(crate) doctors: usize,
    pub(crate) arrival_per_s: f64,
    pub(crate) message_rate_per_session: f64,
    pub(crate) message_bytes: usize,
    pub(crate) length_s: f64,
    pub(crate) duration_s: f64,
    pub(crate) reconnect_chance_per_s: f64,
    pub(crate) receipts: bool,
    pub(crate) video: bool,
    pub(crate) seed: u64,
}

/// What went through.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Throughput {
    pub(crate) messages_acked: u64,
    /// Over the whole load, ramps included.
    pub(crate) messages_acked_per_s: f64,
    /// The median second: the steady state.
    pub(crate) median_messages_acked_per_s: u64,
    pub(crate) frames_received: u64,
    pub(crate) frames_received_per_s: f64,
    pub(crate) consultations: u64,
    pub(crate) reconnects: u64,
}

/// The outcome of the check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CheckReport {
    pub(crate) events: u64,
    pub(crate) acks: u64,
    pub(crate) messages: u64,
    pub(crate) sessions: u64,
    pub(crate) connections: u64,
    pub(crate) violations: usize,
    pub(crate) by_fault: BTreeMap<&'static str, usize>,
    pub(crate) undecided: Vec<String>,
    /// The first ones in full.
    pub(crate) accounts: Vec<String>,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) version: &'static str,
    pub(crate) finished_at: String,
    pub(crate) load: LoadReport,
    pub(crate) wall_s: f64,
    pub(crate) steps: Vec<StepReport>,
    pub(crate) throughput: Throughput,
    pub(crate) errors: BTreeMap<String, u64>,
    /// Refusals that the scenario's own races explain.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Errors that a fault explains.
    pub(crate) strains: BTreeMap<String, u64>,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) nodes: Vec<NodeReport>,
    /// What the processes used, where nothing was broken.
    pub(crate) used: Option<Used>,
    pub(crate) planned: Vec<Planned>,
    pub(crate) faults: Vec<Done>,
    /// What must not happen, whatever is broken: no recovery, a panic, a drain that fails.
    pub(crate) failures: Vec<String>,
    pub(crate) check: CheckReport,
    pub(crate) seconds: Vec<Second>,
}

impl Report {
    pub(crate) fn new(args: &Run, world: &World, wall: Duration, lasted: Duration, verdict: &Verdict) -> Self {
        let stats = &world.stats;
        let load = LoadReport {
            targets: world.http.targets.iter().map(|target| target.authority.clone()).collect(),
            sessions: args.sessions,
            doctors: args.doctors(),
            arrival_per_s: args.arrival(),
            message_rate_per_session: args.message_rate,
            message_bytes: args.message_bytes,
            length_s: args.length().as_secs_f64(),
            duration_s: lasted.as_secs_f64(),
            reconnect_chance_per_s: args.reconnects,
            receipts: !args.no_receipts,
            video: !args.no_video,
            seed: world.seed,
        };
        let seconds = stats.seconds();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            finished_at: finished_at(),
            load,
            wall_s: wall.as_secs_f64(),
            steps: Step::ALL.iter().filter_map(|step| step_report(world, *step)).collect(),
            throughput: throughput(world, wall, lasted, &seconds),
            errors: stats.errors(),
            refusals: stats.refusals(),
            strains: stats.strains(),
            restarts: Vec::new(),
            nodes: Vec::new(),
            used: None,
            planned: Vec::new(),
            faults: Vec::new(),
            failures: Vec::new(),
            check: check_report(verdict),
            seconds,
        }
    }

    pub(crate) fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Moments at which something was broken.
    pub(crate) fn moments(&self) -> Vec<f64> {
        let killed = self.restarts.iter().map(|restart| restart.killed_at_s);
        killed.chain(self.faults.iter().map(|fault| fault.began_s)).collect()
    }
}

#[allow(clippy::disallowed_methods, reason = "a report tells when it was made; nothing is decided by it")]
fn finished_at() -> String {
    chrono::Utc::now().to_rfc3339()
}

fn step_report(world: &World, step: Step) -> Option<StepReport> {
    let histogram = world.stats.histogram(step)?;
    if histogram.is_empty() {
        return None;
    }
    let mut curve = Vec::new();
    let mut rest = 1.0_f64;
    // Equal steps towards 1 on a logarithmic scale, as far as the count carries.
    while rest > 0.5 / histogram.len() as f64 && rest > 1e-6 {
        curve.push((1.0 - rest, histogram.value_at_quantile(1.0 - rest)));
        rest /= 10.0_f64.powf(0.1);
    }
    Some(StepReport {
        key: step.key(),
        label: step.label(),
        count: histogram.len(),
        mean_us: histogram.mean(),
        p50_us: histogram.value_at_quantile(0.5),
        p90_us: histogram.value_at_quantile(0.9),
        p99_us: histogram.value_at_quantile(0.99),
        p999_us: histogram.value_at_quantile(0.999),
        max_us: histogram.max(),
        curve,
    })
}

fn throughput(world: &World, loaded: Duration, load: Duration, seconds: &[Second]) -> Throughput {
    let stats = &world.stats;
    let acked = stats.count(Step::SendAck) + stats.count(Step::SendAckAcross);
    let frames = stats.frames.load(Ordering::Relaxed);
    let wall = loaded.as_secs_f64().max(0.001);
    let mut counts: Vec<u64> = seconds
        .iter()
        .filter(|second| second.at_s <= load.as_secs_f64())
        .map(|second| {
            let step = second.steps.get(Step::SendAck.key());
            step.map_or(0, |sample| sample.count)
        })
        .collect();
    counts.sort_unstable();
    Throughput {
        messages_acked: acked,
        messages_acked_per_s: acked as f64 / wall,
        median_messages_acked_per_s: counts.get(counts.len() / 2).copied().unwrap_or(0),
        frames_received: frames,
        frames_received_per_s: frames as f64 / wall,
        consultations: stats.consultations.load(Ordering::Relaxed),
        reconnects: stats.reconnects.load(Ordering::Relaxed),
    }
}

fn check_report(verdict: &Verdict) -> CheckReport {
    let mut by_fault = BTreeMap::new();
    for violation in &verdict.violations {
        *by_fault.entry(violation.fault.word()).or_default() += 1;
    }
    CheckReport {
        events: verdict.events,
        acks: verdict.acks,
        messages: verdict.messages,
        sessions: verdict.sessions,
        connections: verdict.connections,
        violations: verdict.violations.len(),
        by_fault,
        undecided: verdict.undecided.clone(),
        accounts: verdict.violations.iter().take(TOLD).map(ToString::to_string).collect(),
    }
}

/// Writes the files asked for.
pub(crate) fn write(report: &Report, json: Option<&Path>, html: Option<&Path>) -> io::Result<()> {
    if let Some(path) = json {
        std::fs::write(path, serde_json::to_vec_pretty(report)?)?;
    }
    if let Some(path) = html {
        std::fs::write(path, html::page(report).map_err(io::Error::other)?)?;
    }
    Ok(())
}
