//! `loadtest redis-away`: consultations on several nodes while Redis is away for a while, and again when it is back.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::args::{Run, seconds};
use crate::chaos::Done;
use crate::stats::Step;
use crate::steady::{RAMP_S, Steady, write};
use crate::trace::{Latencies, Trace, median};
use crate::{report, run};

/// What comes right after Redis went or came back stands apart.
const FIRST_S: f64 = 3.0;
/// Messages are gathered by the moment they were sent, to see when all is as before.
const SLOT_S: f64 = 0.1;
/// In so many milliseconds over the p99 before, a slot's median still is as before.
const AS_BEFORE_MS: f64 = 5.0;

/// What is measured, and how long.
#[derive(Clone, Debug, Args)]
pub(crate) struct RedisAway {
    #[command(flatten)]
    steady: Steady,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=16))]
    nodes: u16,
    /// How Redis goes away.
    #[arg(long, value_enum, default_value = "stopped")]
    how: How,
    /// For how long.
    #[arg(long, value_parser = seconds, default_value = "60s")]
    away: Duration,
    /// How long it is there before, and afterwards.
    #[arg(long, value_parser = seconds, default_value = "20s")]
    calm: Duration,
    /// How often it goes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum How {
    /// SIGSTOP: connections stay and nothing answers.
    Stopped,
    /// SIGKILL, and started again empty.
    Killed,
}

/// A part of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Before,
    JustGone,
    Away,
    JustBack,
    After,
}

impl Part {
    const ALL: [Self; 5] = [Self::Before, Self::JustGone, Self::Away, Self::JustBack, Self::After];

    fn label(self) -> &'static str {
        match self {
            Self::Before => "with Redis",
            Self::JustGone => "its first 3 s away",
            Self::Away => "away",
            Self::JustBack => "its first 3 s back",
            Self::After => "with Redis again",
        }
    }

    /// From when to when, in seconds of the run.
    fn bounds(self, gone_s: f64, back_s: f64, calm_s: f64) -> (f64, f64) {
        match self {
            Self::Before => (gone_s - calm_s, gone_s),
            Self::JustGone => (gone_s, (gone_s + FIRST_S).min(back_s)),
            Self::Away => ((gone_s + FIRST_S).min(back_s), back_s),
            Self::JustBack => (back_s, back_s + FIRST_S),
            Self::After => (back_s + FIRST_S, back_s + calm_s),
        }
    }
}

/// A message on its way in one part.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    part: Part,
    ack: Latencies,
    /// Where both parties hold on to the same node.
    here: Latencies,
    across: Latencies,
}

/// Redis went and came back once.
#[derive(Clone, Debug, Serialize)]
struct Round {
    gone_s: f64,
    back_s: f64,
    parts: Vec<Figures>,
    /// From its return until every node said `ready`.
    ready_after_s: Option<f64>,
    /// From its return until messages between nodes were as fast as before.
    as_before_after_s: f64,
}

#[derive(Debug, Serialize)]
struct AwayReport {
    rounds: Vec<Round>,
    clean: bool,
}

/// Whether everything was as promised; the figures are for the reader.
pub(crate) async fn redis_away(asked: &RedisAway) -> Result<bool, String> {
    let outcome = Box::pin(run::once(&run_of(asked)?, asked.seed)).await?;
    if !outcome.clean {
        report::table::print(&outcome.report, &outcome.verdict);
    }
    let calm_s = asked.calm.as_secs_f64();
    let rounds: Vec<Round> = outcome.report.faults.iter().map(|done| round(&outcome.trace, done, calm_s)).collect();
    let report = AwayReport { rounds, clean: outcome.clean };
    print(asked, &report.rounds);
    if outcome.clean {
        report::table::checked(&outcome.verdict);
    }
    if let Some(path) = &asked.json {
        write(path, &report)?;
    }
    Ok(outcome.clean)
}

fn run_of(asked: &RedisAway) -> Result<Run, String> {
    let kind = match asked.how {
        How::Stopped => "pause-redis",
        How::Killed => "restart-redis",
    };
    let calm_s = asked.calm.as_secs_f64();
    let gap_s = calm_s + RAMP_S;
    // The nodes' way back to `ready` takes its time too.
    let each_s = gap_s + asked.away.as_secs_f64() + FIRST_S;
    let duration = Duration::from_secs_f64(each_s * f64::from(asked.rounds) + calm_s + FIRST_S);
    let more: Vec<String> = [
        ("--faults", kind.to_owned()),
        ("--fault-count", asked.rounds.to_string()),
        ("--fault-gap", gap_s.to_string()),
        ("--fault-length", asked.away.as_secs_f64().to_string()),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .collect();
    let mut run = asked.steady.run(asked.nodes, true, duration, &more)?;
    run.chaos.exact = true;
    Ok(run)
}

fn round(trace: &Trace, done: &Done, calm_s: f64) -> Round {
    let (gone_s, back_s) = (done.began_s, done.over_s);
    let figures = |part: Part| {
        let (from, to) = part.bounds(gone_s, back_s, calm_s);
        let of = |step| trace.between(step, from, to);
        Figures { part, ack: of(Step::SendAck), here: of(Step::SendSeenHere), across: of(Step::SendSeenAcross) }
    };
    let before = figures(Part::Before);
    Round {
        gone_s,
        back_s,
        parts: Part::ALL.into_iter().map(figures).collect(),
        ready_after_s: done.ready_after_s.map(|ready| (gone_s + ready - back_s).max(0.0)),
        as_before_after_s: as_before_after(trace, back_s, calm_s, before.across.p99_ms + AS_BEFORE_MS),
    }
}

/// The end of the last slot after the return whose messages mostly took longer than `limit_ms`.
fn as_before_after(trace: &Trace, back_s: f64, calm_s: f64, limit_ms: f64) -> f64 {
    let slots = (calm_s / SLOT_S).floor() as usize;
    let slow = |slot: &usize| {
        let from = back_s + *slot as f64 * SLOT_S;
        let part = trace.between(Step::SendSeenAcross, from, from + SLOT_S);
        part.count > 0 && part.p50_ms > limit_ms
    };
    (0..slots).rev().find(slow).map_or(0.0, |slot| (slot + 1) as f64 * SLOT_S)
}

/// A column of a part: the median of the rounds.
fn middle(rounds: &[Round], part: Part, of: impl Fn(&Figures) -> f64) -> f64 {
    median(each(rounds, part, of))
}

fn each(rounds: &[Round], part: Part, of: impl Fn(&Figures) -> f64) -> Vec<f64> {
    rounds.iter().flat_map(|round| &round.parts).filter(|figures| figures.part == part).map(of).collect()
}

fn worst(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NAN, f64::max)
}

fn print(asked: &RedisAway, rounds: &[Round]) {
    let how = match asked.how {
        How::Stopped => "stopped",
        How::Killed => "killed",
    };
    println!(
        "\n{} nodes, Redis {how} {} times for {:.0} s; medians of the rounds in ms, and the worst of all",
        asked.nodes,
        rounds.len(),
        asked.away.as_secs_f64()
    );
    println!(
        "{:<20} {:>9} {:>9} {:>9} {:>10} {:>10} {:>11} {:>11} {:>11}",
        "", "messages", "ack p50", "ack p99", "here p50", "here p99", "across p50", "across p99", "across max"
    );
    for part in Part::ALL {
        let of = |of: fn(&Figures) -> f64| middle(rounds, part, of);
        println!(
            "{:<20} {:>9.0} {:>9.2} {:>9.2} {:>10.2} {:>10.2} {:>11.2} {:>11.2} {:>11.2}",
            part.label(),
            of(|figures| figures.ack.count as f64),
            of(|figures| figures.ack.p50_ms),
            of(|figures| figures.ack.p99_ms),
            of(|figures| figures.here.p50_ms),
            of(|figures| figures.here.p99_ms),
            of(|figures| figures.across.p50_ms),
            of(|figures| figures.across.p99_ms),
            worst(each(rounds, part, |figures| figures.across.max_ms)),
        );
    }
    let grown = |of: fn(&Figures) -> f64| middle(rounds, Part::Away, of) - middle(rounds, Part::Before, of);
    println!(
        "on one node while away: p99 of send → ack {:+.2} ms, of send → frame {:+.2} ms (aim: at most +5 ms)",
        grown(|figures| figures.ack.p99_ms),
        grown(|figures| figures.here.p99_ms)
    );
    println!(
        "back again: every node ready after at most {:.2} s, messages between nodes as before after at most {:.1} s \
         (aim: 2 s)",
        worst(rounds.iter().filter_map(|round| round.ready_after_s)),
        worst(rounds.iter().map(|round| round.as_before_after_s))
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;
    use tokio::time::Instant;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::chaos::Kind;

    fn asked(words: &str) -> RedisAway {
        let words = format!("loadtest redis-away {words}");
        match Cli::try_parse_from(words.split_whitespace()).unwrap().command {
            Command::RedisAway(asked) => asked,
            _ => unreachable!(),
        }
    }

    #[test]
    fn redis_goes_at_fixed_moments_for_the_whole_time() {
        for (words, kind) in [("--how stopped", Kind::PauseRedis), ("--how killed", Kind::RestartRedis)] {
            let run = run_of(&asked(&format!("{words} --away 60s --calm 20s --rounds 2"))).unwrap();
            assert!(run.trace && run.fleet.fleet == Some(3));
            let planned = run.chaos.plan(1, run.duration, 3);
            let told: Vec<_> = planned.iter().map(|fault| (fault.kind, fault.after_s, fault.pause_s)).collect();
            assert_eq!(told, [(kind, 26.0, Some(60.0)), (kind, 26.0, Some(60.0))]);
            assert!(run.duration >= Duration::from_secs(2 * (26 + 60) + 20));
        }
    }

    /// A message between nodes every 20 ms, slow while Redis is away and for 450 ms afterwards.
    fn trace() -> Trace {
        let began = Instant::now();
        let mut trace = Trace::new(began);
        for sent_ms in (0..60_000).step_by(20) {
            let took = Duration::from_millis(if (20_000..40_450).contains(&sent_ms) { 200 } else { 5 });
            trace.note(Step::SendSeenAcross, began + Duration::from_millis(sent_ms) + took, took);
            let took = Duration::from_millis(3);
            trace.note(Step::SendAck, began + Duration::from_millis(sent_ms) + took, took);
        }
        trace
    }

    #[test]
    fn the_way_back_is_over_when_the_last_slow_slot_is() {
        let trace = trace();
        assert!((as_before_after(&trace, 40.0, 15.0, 10.0) - 0.5).abs() < 1e-9);
        assert!(as_before_after(&trace, 41.0, 15.0, 10.0).abs() < 1e-9);
        assert!(as_before_after(&trace, 40.0, 15.0, 500.0).abs() < 1e-9);
    }

    #[test]
    fn each_part_has_its_own_messages() {
        let parts: Vec<(f64, f64)> = Part::ALL.map(|part| part.bounds(20.0, 40.0, 15.0)).to_vec();
        assert_eq!(parts, [(5.0, 20.0), (20.0, 23.0), (23.0, 40.0), (40.0, 43.0), (43.0, 55.0)]);
        // Shorter than what stands apart.
        assert_eq!(Part::Away.bounds(20.0, 21.0, 15.0), (21.0, 21.0));
        let trace = trace();
        let of = |part: Part| {
            let (from, to) = part.bounds(20.0, 40.0, 15.0);
            trace.between(Step::SendSeenAcross, from, to)
        };
        assert!((of(Part::Before).p99_ms - 5.0).abs() < 1e-6 && (of(Part::Away).p50_ms - 200.0).abs() < 1e-6);
        assert!((of(Part::After).max_ms - 5.0).abs() < 1e-6 && (of(Part::JustBack).max_ms - 200.0).abs() < 1e-6);
    }
}
