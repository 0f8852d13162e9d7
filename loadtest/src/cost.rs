//! `loadtest cost`: what a Redis and a second node add to a message, at the same rate, in turns.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::args::{Run, seconds};
use crate::fleet::Used;
use crate::stats::Step;
use crate::steady::{RAMP_S, Steady, write};
use crate::trace::{Trace, median};
use crate::{report, run};

/// What is compared, and how long.
#[derive(Clone, Debug, Args)]
pub(crate) struct Cost {
    #[command(flatten)]
    steady: Steady,
    /// How long each run lasts.
    #[arg(long, value_parser = seconds, default_value = "30s")]
    duration: Duration,
    /// How often each is run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write what the largest shape used as figures for `loadtest model --figures`.
    #[arg(long)]
    figures: Option<PathBuf>,
}

/// A fleet to compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Alone,
    WithRedis,
    TwoNodes,
}

impl Shape {
    const ALL: [Self; 3] = [Self::Alone, Self::WithRedis, Self::TwoNodes];

    fn label(self) -> &'static str {
        match self {
            Self::Alone => "one node without Redis",
            Self::WithRedis => "one node with Redis",
            Self::TwoNodes => "two nodes with Redis",
        }
    }

    fn nodes(self) -> u16 {
        if self == Self::TwoNodes { 2 } else { 1 }
    }

    /// Where patient and doctor hold on to different nodes, that is what is measured.
    fn seen(self) -> Step {
        if self == Self::TwoNodes { Step::SendSeenAcross } else { Step::SendSeen }
    }
}

/// What one run showed, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
struct Figures {
    ack_p50: f64,
    ack_p99: f64,
    seen_p50: f64,
    seen_p99: f64,
    messages_per_s: f64,
    /// How late the generator itself was: where it is not small, the run says nothing.
    own_lag_p99: f64,
}

/// What is told of a run, and its name.
type Column = (&'static str, fn(&Figures) -> f64);

const COLUMNS: [Column; 6] = [
    ("ack p50", |figures| figures.ack_p50),
    ("ack p99", |figures| figures.ack_p99),
    ("frame p50", |figures| figures.seen_p50),
    ("frame p99", |figures| figures.seen_p99),
    ("messages/s", |figures| figures.messages_per_s),
    ("lag p99", |figures| figures.own_lag_p99),
];

#[derive(Clone, Debug, Serialize)]
struct Turn {
    round: u16,
    shape: Shape,
    figures: Figures,
    used: Option<Used>,
    clean: bool,
}

#[derive(Debug, Serialize)]
struct CostReport {
    medians: Vec<(Shape, Figures)>,
    turns: Vec<Turn>,
}

/// Whether all runs kept their promises.
pub(crate) async fn cost(cost: &Cost) -> Result<bool, String> {
    let mut turns = Vec::new();
    for round in 0..cost.rounds {
        // Each shape is first, second and last in turn: what the machine does meanwhile meets them alike.
        for place in 0..Shape::ALL.len() {
            let at = (usize::from(round) + place) % Shape::ALL.len();
            let Some(&shape) = Shape::ALL.get(at) else { continue };
            println!("round {}, {}", round + 1, shape.label());
            let outcome = Box::pin(run::once(&run_of(cost, shape)?, cost.seed + u64::from(round))).await?;
            if !outcome.clean {
                report::table::print(&outcome.report, &outcome.verdict);
            }
            let figures = figures(&outcome.trace, shape, cost.duration);
            println!("{}", row("", &figures));
            turns.push(Turn { round, shape, figures, used: outcome.report.used, clean: outcome.clean });
        }
    }
    let report = CostReport { medians: medians(&turns), turns };
    print(&report);
    if let Some(path) = &cost.json {
        write(path, &report)?;
    }
    if let Some(path) = &cost.figures {
        write(path, &measured(&report.turns))?;
    }
    Ok(report.turns.iter().all(|turn| turn.clean))
}

fn run_of(cost: &Cost, shape: Shape) -> Result<Run, String> {
    cost.steady.run(shape.nodes(), shape != Shape::Alone, cost.duration, &[])
}

/// From when everybody talks until the end.
fn figures(trace: &Trace, shape: Shape, duration: Duration) -> Figures {
    let end_s = duration.as_secs_f64();
    let of = |step: Step| trace.between(step, RAMP_S.min(end_s / 2.0), end_s);
    let (ack, seen) = (of(Step::SendAck), of(shape.seen()));
    Figures {
        ack_p50: ack.p50_ms,
        ack_p99: ack.p99_ms,
        seen_p50: seen.p50_ms,
        seen_p99: seen.p99_ms,
        messages_per_s: ack.count as f64 / (end_s - RAMP_S.min(end_s / 2.0)),
        own_lag_p99: of(Step::TimerLag).p99_ms,
    }
}

fn medians(turns: &[Turn]) -> Vec<(Shape, Figures)> {
    let of_shape = |shape: Shape| {
        let column = |of: fn(&Figures) -> f64| {
            median(turns.iter().filter(|turn| turn.shape == shape).map(|turn| of(&turn.figures)).collect())
        };
        Figures {
            ack_p50: column(|figures| figures.ack_p50),
            ack_p99: column(|figures| figures.ack_p99),
            seen_p50: column(|figures| figures.seen_p50),
            seen_p99: column(|figures| figures.seen_p99),
            messages_per_s: column(|figures| figures.messages_per_s),
            own_lag_p99: column(|figures| figures.own_lag_p99),
        }
    };
    Shape::ALL.into_iter().map(|shape| (shape, of_shape(shape))).collect()
}

fn row(label: &str, figures: &Figures) -> String {
    let mut row = format!("{label:<28}");
    for (_, of) in COLUMNS {
        row.push_str(&format!(" {:>11.2}", of(figures)));
    }
    row
}

/// What the second shape adds to the first.
fn added(first: &Figures, second: &Figures) -> String {
    let mut row = String::new();
    for (at, (_, of)) in COLUMNS.iter().enumerate() {
        // The rate is meant to be the same, and the lag is nobody's cost.
        if at < 4 {
            row.push_str(&format!(" {:>+11.2}", of(second) - of(first)));
        }
    }
    row
}

fn print(report: &CostReport) {
    println!(
        "\nmedians of all rounds, in ms; with two nodes the frame is one that came on another node than it was sent to"
    );
    let mut head = format!("{:<28}", "");
    for (name, _) in COLUMNS {
        head.push_str(&format!(" {name:>11}"));
    }
    println!("{head}");
    for (shape, figures) in &report.medians {
        println!("{}", row(shape.label(), figures));
    }
    if let [(_, alone), (_, redis), (_, two)] = report.medians.as_slice() {
        println!("{:<28}{}", "Redis adds", added(alone, redis));
        println!("{:<28}{}", "the second node adds", added(redis, two));
        println!("{:<28}{}", "both add", added(alone, two));
    }
    for shape in Shape::ALL {
        let of_shape = || report.turns.iter().filter(|turn| turn.shape == shape).filter_map(|turn| turn.used.as_ref());
        let each = |of: fn(&Used) -> f64| median(of_shape().map(of).collect());
        println!(
            "{}: {:.0} µs of the nodes, {:.0} µs of Postgres and {:.0} µs of Redis for a command, {:.1} commands a commit, \
             {:.0} bytes a bus message",
            shape.label(),
            each(|used| used.node_cpu_s / used.commands * 1e6),
            each(|used| used.postgres_cpu_s / used.commands * 1e6),
            each(|used| used.redis_cpu_s / used.commands * 1e6),
            each(|used| used.commands / used.commits),
            each(|used| used.bus_published_bytes / used.bus_published),
        );
    }
}

/// What two nodes used, under the names of the model's figures.
fn measured(turns: &[Turn]) -> serde_json::Value {
    let two = || turns.iter().filter(|turn| turn.shape == Shape::TwoNodes).filter_map(|turn| turn.used.as_ref());
    let each = |of: fn(&Used) -> f64| median(two().map(of).collect());
    let mut out = serde_json::Map::new();
    for (name, value) in [
        ("commands_per_core_s", each(|used| used.commands / used.node_cpu_s)),
        ("postgres_messages_per_core_s", each(|used| used.commands / used.postgres_cpu_s)),
        ("bus_message_bytes", each(|used| used.bus_published_bytes / used.bus_published)),
        ("node_base_bytes", each(|used| used.rss_bytes) / f64::from(Shape::TwoNodes.nodes())),
    ] {
        if value.is_finite() && value > 0.0 {
            let figure =
                serde_json::json!({"value": value.round(), "source": "loadtest cost, two nodes, median of its rounds"});
            out.insert(name.to_owned(), figure);
        }
    }
    serde_json::Value::Object(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use tokio::time::Instant;

    use super::*;
    use crate::args;

    fn turn(shape: Shape, ack_p99: f64) -> Turn {
        let figures = Figures { ack_p99, ..Figures::default() };
        let used = Used {
            commands: 1000.0,
            commits: 100.0,
            node_cpu_s: 0.5,
            postgres_cpu_s: 0.1,
            bus_published: 2000.0,
            bus_published_bytes: 900_000.0,
            ..Used::default()
        };
        Turn { round: 0, shape, figures, used: Some(used), clean: true }
    }

    #[test]
    fn the_middle_of_the_rounds_counts() {
        let turns = [(Shape::Alone, 5.0), (Shape::TwoNodes, 9.0), (Shape::Alone, 50.0), (Shape::Alone, 6.0)];
        let medians = medians(&turns.map(|(shape, p99)| turn(shape, p99)));
        let of = |shape| medians.iter().find(|(of, _)| *of == shape).unwrap().1;
        assert!((of(Shape::Alone).ack_p99 - 6.0).abs() < 1e-9 && (of(Shape::TwoNodes).ack_p99 - 9.0).abs() < 1e-9);
        assert!(added(&of(Shape::Alone), &of(Shape::TwoNodes)).contains("+3.00"));
    }

    #[test]
    fn what_was_used_becomes_figures_that_the_model_takes() {
        let path = std::env::temp_dir().join(format!("measured-{}.json", std::process::id()));
        write(&path, &measured(&[turn(Shape::TwoNodes, 1.0)])).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("\"value\": 2000.0") && text.contains("\"value\": 10000.0") && text.contains("450.0"),
            "{text}"
        );
        assert!(crate::model::takes(&path));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(measured(&[turn(Shape::Alone, 1.0)]), serde_json::json!({}));
    }

    #[test]
    fn each_shape_is_a_run_of_its_own() {
        use clap::Parser;
        let words = ["loadtest", "cost", "--sessions", "8", "--server-bin", "/bin/s", "--duration", "5s"];
        let args::Command::Cost(cost) = args::Cli::try_parse_from(words).unwrap().command else { unreachable!() };
        let two = run_of(&cost, Shape::TwoNodes).unwrap();
        assert_eq!((two.fleet.fleet, two.sessions, two.no_receipts), (Some(2), 8, true));
        assert_eq!(two.fleet.server_bin.as_deref(), Some(Path::new("/bin/s")));
        assert_eq!((two.length(), two.duration), (cost.duration * 2, cost.duration));
        let alone = run_of(&cost, Shape::Alone).unwrap();
        assert_eq!(alone.fleet.with_redis, crate::fleet::WithRedis::No);
    }

    #[test]
    fn the_time_until_everybody_talks_does_not_count() {
        let began = Instant::now();
        let mut trace = Trace::new(began);
        for ms in [2000, 7000, 8000, 9000] {
            let took = Duration::from_millis(if ms == 2000 { 900 } else { 4 });
            trace.note(Step::SendAck, began + Duration::from_millis(ms), took);
            trace.note(Step::SendSeenAcross, began + Duration::from_millis(ms), took * 2);
        }
        let figures = figures(&trace, Shape::TwoNodes, Duration::from_secs(12));
        assert!((figures.ack_p99 - 4.0).abs() < 1e-6 && (figures.seen_p99 - 8.0).abs() < 1e-6, "{figures:?}");
        assert!((figures.messages_per_s - 0.5).abs() < 1e-9);
    }
}
