//! What the processes used while the load ran: processor time, bus traffic, commits; from `/metrics`, from Redis
//! itself, and where the system shows it, from `/proc`.

use serde::Serialize;
use tokio::time::Instant;

use super::{Fleet, Postgres};
use crate::figures;

/// Ticks of the processor clock in a second, on every Linux of today.
const TICKS: f64 = 100.0;

/// Counters at one moment, of all nodes together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    at: Instant,
    counters: Counters,
    rss_bytes: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    commands: f64,
    commits: f64,
    published: f64,
    published_bytes: f64,
    received: f64,
    received_bytes: f64,
    redis_in_bytes: f64,
    redis_out_bytes: f64,
    node_cpu_s: f64,
    postgres_cpu_s: f64,
    redis_cpu_s: f64,
    own_cpu_s: f64,
}

/// What was used between two moments.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    /// What the writers committed, and in how many commits.
    pub(crate) commands: f64,
    pub(crate) commits: f64,
    pub(crate) bus_published: f64,
    pub(crate) bus_published_bytes: f64,
    pub(crate) bus_received: f64,
    pub(crate) bus_received_bytes: f64,
    pub(crate) redis_in_bytes: f64,
    pub(crate) redis_out_bytes: f64,
    pub(crate) node_cpu_s: f64,
    pub(crate) postgres_cpu_s: f64,
    pub(crate) redis_cpu_s: f64,
    /// This program's own.
    pub(crate) own_cpu_s: f64,
    /// Resident memory of all nodes at the end.
    pub(crate) rss_bytes: f64,
}

impl Used {
    pub(crate) fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let (from, to) = (&before.counters, &after.counters);
        let grown = |of: fn(&Counters) -> f64| (of(to) - of(from)).max(0.0);
        Self {
            seconds: (after.at - before.at).as_secs_f64(),
            commands: grown(|c| c.commands),
            commits: grown(|c| c.commits),
            bus_published: grown(|c| c.published),
            bus_published_bytes: grown(|c| c.published_bytes),
            bus_received: grown(|c| c.received),
            bus_received_bytes: grown(|c| c.received_bytes),
            redis_in_bytes: grown(|c| c.redis_in_bytes),
            redis_out_bytes: grown(|c| c.redis_out_bytes),
            node_cpu_s: grown(|c| c.node_cpu_s),
            postgres_cpu_s: grown(|c| c.postgres_cpu_s),
            redis_cpu_s: grown(|c| c.redis_cpu_s),
            own_cpu_s: grown(|c| c.own_cpu_s),
            rss_bytes: after.rss_bytes,
        }
    }
}

impl Fleet {
    /// Reads all counters; what cannot be read counts as nothing.
    pub(crate) async fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { at: Instant::now(), counters: Counters::default(), rss_bytes: 0.0 };
        let counters = &mut snapshot.counters;
        for (at, node) in self.nodes.iter().enumerate() {
            let metrics = figures::text(&self.watch, at).await.unwrap_or_default();
            let of = |name: &str| sum(&metrics, name);
            counters.commands += of("consilium_writer_batch_commands_sum");
            counters.commits += of("consilium_writer_batch_commands_count");
            counters.published += of("consilium_bus_published_total");
            counters.published_bytes += of("consilium_bus_published_bytes_total");
            counters.received += of("consilium_bus_received_total");
            counters.received_bytes += of("consilium_bus_received_bytes_total");
            counters.node_cpu_s += node.pid().and_then(cpu_s).unwrap_or_else(|| of("process_cpu_seconds_total"));
            snapshot.rss_bytes += of("process_resident_memory_bytes");
        }
        if let Some(redis) = &self.redis {
            let (received, sent) = redis.traffic().await.unwrap_or_default();
            (counters.redis_in_bytes, counters.redis_out_bytes) = (received, sent);
            counters.redis_cpu_s = redis.pid().and_then(cpu_s).unwrap_or_default();
        }
        let postmaster = self.postgres.as_ref().and_then(Postgres::pid);
        counters.postgres_cpu_s = postmaster.map(family_cpu_s).unwrap_or_default();
        counters.own_cpu_s = i32::try_from(std::process::id()).ok().and_then(own_cpu_s).unwrap_or_default();
        snapshot
    }
}

/// All series of a name together.
fn sum(text: &str, name: &str) -> f64 {
    text.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let value = match rest.strip_prefix('{') {
                Some(labelled) => labelled.rsplit_once("} ")?.1,
                None => rest.strip_prefix(' ')?,
            };
            value.trim().parse::<f64>().ok()
        })
        .sum()
}

/// What `/proc/PID/stat` says after the name: the fields from the state on.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(") ").map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

fn field(fields: &[&str], number: usize) -> f64 {
    fields.get(number).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn stat(pid: i32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// utime and stime, with those of children that have ended.
fn cpu_s(pid: i32) -> Option<f64> {
    let stat = stat(pid)?;
    let fields = fields(&stat);
    Some((11..15).map(|number| field(&fields, number)).sum::<f64>() / TICKS)
}

/// Without the children: those of this program are weighed themselves.
fn own_cpu_s(pid: i32) -> Option<f64> {
    let stat = stat(pid)?;
    let fields = fields(&stat);
    Some((11..13).map(|number| field(&fields, number)).sum::<f64>() / TICKS)
}

/// A process and the children that live: each of Postgres' connections is one.
fn family_cpu_s(parent: i32) -> f64 {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child =
        |pid: &i32| stat(*pid).is_some_and(|stat| fields(&stat).get(1) == Some(&parent.to_string().as_str()));
    let children: f64 = pids.filter(is_child).filter_map(cpu_s).sum();
    cpu_s(parent).unwrap_or_default() + children
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn series_of_one_name_are_added_and_no_others() {
        let text =
            "# TYPE a_total counter\na_total{at=\"x\"} 3\na_total{at=\"} y\"} 4\na_total_more 9\na_total 1\nb 2\n";
        assert!((sum(text, "a_total") - 8.0).abs() < 1e-9);
        assert!(sum(text, "c").abs() < 1e-9);
    }

    #[test]
    fn processor_time_is_read_whatever_the_name_of_the_process() {
        let stat = "12 (a ) b) S 7 1 1 0 -1 4194304 100 0 0 0 250 50 30 20 20 0 1 0 100 1 1";
        let fields = fields(stat);
        assert_eq!(fields.get(1), Some(&"7"));
        let sum: f64 = (11..15).map(|number| field(&fields, number)).sum();
        assert!((sum - 350.0).abs() < 1e-9);
    }

    #[test]
    fn what_grew_is_what_was_used() {
        let at = Instant::now();
        let of = |seconds: u64, commands: f64, bytes: f64| Snapshot {
            at: at + std::time::Duration::from_secs(seconds),
            counters: Counters { commands, redis_out_bytes: bytes, ..Counters::default() },
            rss_bytes: commands,
        };
        let used = Used::between(&of(0, 100.0, 50.0), &of(10, 400.0, 20.0));
        assert!((used.seconds - 10.0).abs() < 1e-9 && (used.commands - 300.0).abs() < 1e-9);
        // A counter that began anew says nothing.
        assert!(used.redis_out_bytes.abs() < 1e-9 && (used.rss_bytes - 400.0).abs() < 1e-9);
    }
}
