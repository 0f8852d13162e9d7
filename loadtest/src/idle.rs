//! `loadtest idle`: many connections that say nothing, and what they weigh.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::account::Account;
use crate::args::{Door, Idle};
use crate::figures::{self, metric};
use crate::http::Http;
use crate::setup::{self, bar};
use crate::sse::Stream;
use crate::{faults, run, socket};

/// Connections opened at the same time.
const AT_ONCE: usize = 64;
/// Time for the server to come to rest before it is weighed.
const REST: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, Serialize)]
struct Weight {
    connections: usize,
    rss_bytes: u64,
}

#[derive(Debug, Serialize)]
struct IdleReport {
    kind: &'static str,
    weights: Vec<Weight>,
    /// Slope of the least-squares line, the first step left out (pools and arenas fill there).
    bytes_per_connection: f64,
    /// Connections still open at the end.
    alive: usize,
}

/// Whether all connections stayed.
pub(crate) async fn idle(args: Idle) -> Result<bool, String> {
    let files = faults::raise_open_files();
    if files < args.connections as u64 + 200 {
        return Err(format!("{} connections need more open files than {files}; raise `ulimit -n`", args.connections));
    }
    let http = Http::new(args.server.targets.clone(), args.server.http_connections);
    let process = run::begin(&args.server, &http).await?;
    let pid = args.pid.or_else(|| process.as_ref()?.pid());
    let users = args.connections.div_ceil(args.per_user.clamp(1, 16));
    let accounts = setup::patients(&http, users).await.map_err(|trouble| format!("patients: {trouble}"))?;
    let mut held = JoinSet::new();
    let mut weights = vec![weigh(&http, pid, 0).await?];
    let steps = args.steps.clamp(2, 100);
    let progress = bar(args.connections as u64, "connections");
    let mut opened = 0;
    for step in 1..=steps {
        let until = args.connections * step / steps;
        let opening = (opened..until).map(|number| {
            let account = accounts.get(number % accounts.len().max(1));
            open(&http, args.kind, account, number)
        });
        let mut opening = stream::iter(opening).buffer_unordered(AT_ONCE);
        while let Some(connection) = opening.next().await {
            held.spawn(Box::pin(hold(connection?)));
            progress.inc(1);
        }
        drop(opening);
        opened = until;
        weights.push(weigh(&http, pid, opened).await?);
    }
    progress.finish();
    let mut lost = 0;
    while held.try_join_next().is_some() {
        lost += 1;
    }
    let report = IdleReport {
        kind: match args.kind {
            Door::Ws => "ws",
            Door::Sse => "sse",
        },
        bytes_per_connection: slope(weights.get(1..).unwrap_or_default()),
        weights,
        alive: opened - lost,
    };
    print(&report);
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(path, json).map_err(|error| error.to_string())?;
    }
    held.shutdown().await;
    if let Some(process) = process {
        process.stop().await;
    }
    Ok(lost == 0)
}

enum Connection {
    Socket(Box<socket::Socket>),
    Stream(Box<Stream>),
}

async fn open(http: &Http, kind: Door, account: Option<&Account>, number: usize) -> Result<Connection, String> {
    let account = account.ok_or("no users")?;
    match kind {
        Door::Ws => {
            let opened = socket::open(http.authority(number), &account.access, None).await;
            match opened {
                Ok((socket, _)) => Ok(Connection::Socket(Box::new(socket))),
                Err(refused) => Err(format!("connection {number}: {refused:?}")),
            }
        }
        Door::Sse => {
            let path = "/api/v2/connect/events";
            let opened = http.stream(number, path, &account.access, None).await;
            match opened {
                Ok(response) => Ok(Connection::Stream(Box::new(Stream::new(response.into_body())))),
                Err(trouble) => Err(format!("connection {number}: {trouble}")),
            }
        }
    }
}

/// Reads, so that heartbeats are answered, until the connection ends.
async fn hold(connection: Connection) {
    match connection {
        Connection::Socket(mut socket) => while let Some(Ok(_)) = socket.next().await {},
        Connection::Stream(mut stream) => while stream.next().await.is_some() {},
    }
}

async fn weigh(http: &Http, pid: Option<u32>, connections: usize) -> Result<Weight, String> {
    sleep(REST).await;
    let rss_bytes = match pid {
        Some(pid) => of_process(pid)?,
        None => of_metrics(http).await?,
    };
    Ok(Weight { connections, rss_bytes })
}

fn of_process(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .map(|kib: u64| kib * 1024)
        .ok_or_else(|| format!("{path}: no VmRSS"))
}

async fn of_metrics(http: &Http) -> Result<u64, String> {
    metric(&figures::text(http, 0).await?, "process_resident_memory_bytes")
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "no process_resident_memory_bytes in /metrics; give --pid".into())
}

/// Bytes per connection by least squares.
fn slope(weights: &[Weight]) -> f64 {
    let count = weights.len() as f64;
    let mean = |of: fn(&Weight) -> f64| weights.iter().map(of).sum::<f64>() / count;
    let x = mean(|weight| weight.connections as f64);
    let y = mean(|weight| weight.rss_bytes as f64);
    let (mut over, mut under) = (0.0, 0.0);
    for weight in weights {
        let dx = weight.connections as f64 - x;
        over += dx * (weight.rss_bytes as f64 - y);
        under += dx * dx;
    }
    if under > 0.0 { over / under } else { 0.0 }
}

fn print(report: &IdleReport) {
    println!();
    println!("{:>12} {:>14} {:>18}", "connections", "RSS KiB", "KiB each so far");
    let first = report.weights.first().map_or(0, |weight| weight.rss_bytes);
    for weight in &report.weights {
        let more = weight.rss_bytes.saturating_sub(first) as f64 / 1024.0;
        let each = more / weight.connections.max(1) as f64;
        println!("{:>12} {:>14} {:>18.2}", weight.connections, weight.rss_bytes / 1024, each);
    }
    println!();
    println!(
        "{}: {:.2} KiB per connection (slope), {} alive",
        report.kind,
        report.bytes_per_connection / 1024.0,
        report.alive
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_the_cost_of_one() {
        let weights: Vec<Weight> = (0..6)
            .map(|step| Weight { connections: step * 1000, rss_bytes: 50_000_000 + step as u64 * 8_192_000 })
            .collect();
        assert!((slope(&weights) - 8192.0).abs() < 0.001);
        assert!(slope(&[]).abs() < 0.001);
    }

    #[test]
    fn a_metric_is_found() {
        let text = "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1.5e7\n";
        assert_eq!(metric(text, "process_resident_memory_bytes"), Some(1.5e7));
    }
}
