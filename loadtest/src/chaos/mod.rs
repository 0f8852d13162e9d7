//! Faults: which, when, and what came of them. The plan follows from the seed alone.

pub(crate) mod args;
mod inject;
mod kind;
mod means;
mod plan;

pub(crate) use args::ChaosArgs;
pub(crate) use inject::{Done, Injector};
pub(crate) use kind::Kind;
pub(crate) use means::{check as check_means, with_redis};
pub(crate) use plan::Planned;

/// Faults told before they happen; the report has them all.
const SHOWN: usize = 250;

/// Says what is going to happen.
pub(crate) fn print_plan(seed: u64, planned: &[Planned]) {
    if planned.is_empty() {
        return;
    }
    println!("faults of seed {seed}, each so many seconds after the recovery from the one before:");
    for fault in planned.iter().take(SHOWN) {
        println!("  {:>4}  {:>6.3} s  {fault}", fault.number, fault.after_s);
    }
    if planned.len() > SHOWN {
        println!("  and {} more, which stand in the JSON report", planned.len() - SHOWN);
    }
}
