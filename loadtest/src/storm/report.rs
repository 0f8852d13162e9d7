//! What a storm showed.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::client::Back;
use crate::args::{Cutter, Storm};
use crate::figures::Looks;

/// When things happened.
#[derive(Debug)]
pub(super) struct Times {
    /// From the cut to the return.
    pub(super) cut_before: Duration,
    pub(super) start: Instant,
}

/// What Postgres counted as committed from the return to the calm after it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Commits {
    all: u64,
    /// What the nodes' own jobs come to in this time, by what they came to before.
    by_themselves: f64,
    /// Commits of the messages written meanwhile.
    of_writer: f64,
    /// What is left for the resumes.
    of_resumes: f64,
}

impl Commits {
    pub(super) fn new(before: (u64, Instant), after: (u64, Instant), rate: f64, looks: Looks) -> Self {
        let all = after.0.saturating_sub(before.0);
        let by_themselves = rate * (after.1 - before.1).as_secs_f64();
        let of_resumes = (all as f64 - by_themselves - looks.writer_commits).max(0.0);
        Self { all, by_themselves, of_writer: looks.writer_commits, of_resumes }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    clients: usize,
    nodes: usize,
    cut: &'static str,
    /// How long everybody was away.
    away_s: f64,
    /// Messages to each: seen by nobody before the cut, and written while away.
    unseen: usize,
    away: usize,
    /// Messages written while everybody came back.
    meanwhile: u64,
    resumes: usize,
    /// What was amiss, and with how many.
    amiss: BTreeMap<String, usize>,
    /// From the return to the last one that had everything written before it.
    last_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    tries: u64,
    looks: Looks,
    queries_per_100_resumes: f64,
    commits: Option<Commits>,
}

impl Report {
    pub(super) fn new(
        args: &Storm,
        nodes: usize,
        times: &Times,
        meanwhile: u64,
        back: &[Result<Back, String>],
        looks: Looks,
        commits: Option<Commits>,
    ) -> Result<Self, String> {
        let mut took = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3).map_err(|error| error.to_string())?;
        let (mut tries, mut last, mut amiss) = (0, Duration::ZERO, BTreeMap::new());
        for one in back {
            match one {
                Ok(back) => {
                    took.saturating_record(u64::try_from(back.took.as_micros()).unwrap_or(u64::MAX));
                    tries += back.tries;
                    last = last.max(back.at.saturating_duration_since(times.start));
                }
                Err(why) => *amiss.entry(why.clone()).or_insert(0) += 1,
            }
        }
        let resumes = back.iter().filter(|one| one.is_ok()).count();
        Ok(Self {
            clients: args.clients,
            nodes,
            cut: match args.cut {
                Cutter::Clients => "reset by the clients' side",
                Cutter::Node => "kill -9 of their node",
            },
            away_s: times.cut_before.as_secs_f64(),
            unseen: args.unseen,
            away: args.away,
            meanwhile,
            resumes,
            amiss,
            last_s: last.as_secs_f64(),
            p50_ms: took.value_at_quantile(0.5) as f64 / 1e3,
            p99_ms: took.value_at_quantile(0.99) as f64 / 1e3,
            tries,
            looks,
            queries_per_100_resumes: looks.queries_per_100(resumes),
            commits,
        })
    }

    /// Whether everything was as promised.
    pub(super) fn is_clean(&self, args: &Storm) -> bool {
        self.amiss.is_empty()
            && self.resumes == self.clients
            && self.last_s <= args.within.as_secs_f64()
            && self.queries_per_100_resumes <= args.queries
    }

    pub(super) fn print(&self, args: &Storm) {
        let Self {
            clients, nodes, cut, away_s, unseen, away, meanwhile, resumes, last_s, p50_ms, p99_ms, tries, ..
        } = self;
        println!();
        println!("{clients} WebSockets, {nodes} nodes, cut by: {cut}; all back at one instant {away_s:.1} s later");
        println!(
            "messages to each: {unseen} under way at the cut, {away} while away; {meanwhile} to some while all came back"
        );
        let broken: usize = self.amiss.values().sum();
        println!("{resumes} resumes without a gap, {broken} broken, {tries} tries");
        self.amiss.iter().take(10).for_each(|(why, count)| println!("  {count} x {why}"));
        println!(
            "the last one had all it missed {last_s:.2} s after the return (p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms)"
        );
        println!("{}", self.looks.told(*resumes));
        if let Some(Commits { all, by_themselves, of_writer, of_resumes }) = self.commits {
            println!(
                "{:.2} commits per 100 resumes in pg_stat_database: {all}, less {by_themselves:.0} of the nodes' own jobs and \
                 {of_writer} of the writer",
                of_resumes * 100.0 / (*resumes).max(1) as f64
            );
        }
        let clean = if self.is_clean(args) { "as promised" } else { "NOT as promised" };
        println!(
            "{clean}: all whole, within {:.0} s, at most {} queries per 100",
            args.within.as_secs_f64(),
            args.queries
        );
    }
}
