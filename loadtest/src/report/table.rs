//! The report on the terminal.

use super::{Report, TOLD};
use crate::history::Verdict;

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
    for restart in &report.restarts {
        println!("server killed at {:.1} s, ready again {:.2} s later", restart.killed_at_s, restart.ready_after_s);
    }
    println!();
    if report.errors.is_empty() {
        println!("no errors");
    } else {
        println!("errors:");
        for (kind, count) in &report.errors {
            println!("  {count:>8}  {kind}");
        }
    }
    if !report.refusals.is_empty() {
        println!("refusals that the scenario's own races explain:");
        for (kind, count) in &report.refusals {
            println!("  {count:>8}  {kind}");
        }
    }
    check(verdict);
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
