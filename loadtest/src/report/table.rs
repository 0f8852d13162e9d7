//! The report on the terminal.

use std::collections::{BTreeMap, BTreeSet};

use super::{Report, TOLD};
use crate::fleet::{NodeReport, Used};
use crate::history::Verdict;
use crate::run::Outcome;

/// Prints the whole report.
pub(crate) fn print(report: &Report, verdict: &Verdict) {
    println!();
    println!("{:<34} {:>9} {:>10} {:>10} {:>10} {:>10}", "step, in ms", "count", "p50", "p99", "p99.9", "max");
    for step in &report.steps {
        println!(
            "{:<34} {:>9} {:>10} {:>10} {:>10} {:>10}",
            step.label,
            step.count,
            ms(step.p50_us),
            ms(step.p99_us),
            ms(step.p999_us),
            ms(step.max_us)
        );
    }
    let through = &report.throughput;
    println!();
    println!(
        "{} messages acknowledged, {:.0}/s overall, {}/s in the median second; {} frames received, {:.0}/s",
        through.messages_acked,
        through.messages_acked_per_s,
        through.median_messages_acked_per_s,
        through.frames_received,
        through.frames_received_per_s
    );
    println!(
        "{} consultations, {} connections cut on purpose, seed {}",
        through.consultations, through.reconnects, report.load.seed
    );
    if let Some(used) = &report.used {
        println!("{}", used_line(used));
    }
    for restart in &report.restarts {
        println!("server killed at {:.1} s, ready again {:.2} s later", restart.killed_at_s, restart.ready_after_s);
    }
    faults(report);
    println!();
    if report.errors.is_empty() {
        println!("no errors");
    }
    counts("errors:", &report.errors);
    counts("errors that a fault explains:", &report.strains);
    counts("refusals that the scenario's own races explain:", &report.refusals);
    check(verdict);
    for failure in &report.failures {
        println!("FAILED: {failure}");
    }
}

fn used_line(used: &Used) -> String {
    let mut line = format!(
        "{:.0} commands in {:.0} commits; processor: nodes {:.1} s, Postgres {:.1} s, Redis {:.1} s, this program {:.1} s",
        used.commands, used.commits, used.node_cpu_s, used.postgres_cpu_s, used.redis_cpu_s, used.own_cpu_s
    );
    if used.bus_published > 0.0 {
        line.push_str(&format!(
            "; bus: {:.0} published of {:.0} bytes, {:.0} received",
            used.bus_published,
            used.bus_published_bytes / used.bus_published,
            used.bus_received
        ));
    }
    line
}

fn counts(title: &str, counts: &BTreeMap<String, u64>) {
    if !counts.is_empty() {
        println!("{title}");
    }
    for (kind, count) in counts {
        println!("  {count:>8}  {kind}");
    }
}

/// One line a kind: how often, and how long the recovery took.
fn faults(report: &Report) {
    if report.nodes.len() > 1 {
        let of = |node: &NodeReport| format!("{} ({} starts)", node.target, node.starts);
        println!("nodes: {}", report.nodes.iter().map(of).collect::<Vec<_>>().join(", "));
    }
    if report.faults.is_empty() {
        return;
    }
    println!();
    let (ready, back) = ("all ready after, s", "clients back after, s");
    println!("{:<20} {:>6} {ready:>26} {back:>26}", "fault", "count");
    for kind in report.faults.iter().map(|done| done.planned.kind).collect::<BTreeSet<_>>() {
        let of_kind = || report.faults.iter().filter(|done| done.planned.kind == kind);
        let ready = spread(of_kind().filter_map(|done| done.ready_after_s));
        let back = spread(of_kind().filter_map(|done| done.back_after_s));
        println!("{:<20} {:>6} {ready:>26} {back:>26}", kind.word(), of_kind().count());
    }
    let undone = report.planned.len().saturating_sub(report.faults.len());
    if undone > 0 {
        println!("{undone} planned faults were not reached");
    }
}

/// The median and the worst.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.get(values.len() / 2), values.last()) {
        (Some(median), Some(worst)) => format!("median {median:.2}, worst {worst:.2}"),
        _ => "-".to_owned(),
    }
}

/// One line a seed.
pub(crate) fn summary(outcomes: &[Outcome]) {
    println!();
    println!(
        "{:>20} {:>7} {:>10} {:>10} {:>11} {:>7} {:>9}",
        "seed", "faults", "messages", "events", "violations", "errors", "failures"
    );
    for Outcome { report, .. } in outcomes {
        let check = &report.check;
        println!(
            "{:>20} {:>7} {:>10} {:>10} {:>11} {:>7} {:>9}",
            report.load.seed,
            report.faults.len(),
            check.messages,
            check.events,
            check.violations + check.undecided.len(),
            report.error_count(),
            report.failures.len()
        );
    }
    let of = |value: fn(&Report) -> usize| outcomes.iter().map(|outcome| value(&outcome.report)).sum::<usize>();
    println!(
        "{} runs, {} faults, {} violations, {} failures",
        outcomes.len(),
        of(|report| report.faults.len()),
        of(|report| report.check.violations + report.check.undecided.len()),
        of(|report| report.failures.len())
    );
}

fn check(verdict: &Verdict) {
    println!();
    for violation in verdict.violations.iter().take(TOLD) {
        println!("{violation}\n");
    }
    if verdict.violations.len() > TOLD {
        println!("… and {} more\n", verdict.violations.len() - TOLD);
    }
    for name in &verdict.undecided {
        println!("UNDECIDED: the inbox of {name} could not be read to its head");
    }
    checked(verdict);
}

/// What was checked, in a line.
pub(crate) fn checked(verdict: &Verdict) {
    println!(
        "checked {} events and {} acknowledgements over {} connections, {} messages in {} sessions: {} violations",
        verdict.events,
        verdict.acks,
        verdict.connections,
        verdict.messages,
        verdict.sessions,
        verdict.violations.len()
    );
}

fn ms(us: u64) -> String {
    format!("{:.2}", us as f64 / 1000.0)
}
