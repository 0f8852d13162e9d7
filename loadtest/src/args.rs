//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::away::RedisAway;
use crate::chaos::ChaosArgs;
use crate::cost::Cost;
use crate::fleet::FleetArgs;
use crate::http::Target;
use crate::model::args::Model;

/// Drives a Consilium server as patients and doctors would, and checks that it kept its promises.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Whole consultations at a set rate, then the check of everything seen.
    Run(Box<Run>),
    /// Idle connections: what each costs the server in memory.
    Idle(Idle),
    /// Everybody is away, and comes back at once, as to a server that started again.
    Resume(Resume),
    /// What a Redis and a second node add to a message.
    Cost(Cost),
    /// A minute without Redis: what it does to messages on one node and across nodes, and how soon all is as before.
    RedisAway(RedisAway),
    /// Thousands of WebSockets are cut and come back at the same instant: gaps, time, and queries of the database.
    Storm(Box<Storm>),
    /// What a number of users needs: nodes, memory, Redis, Postgres, with the formulas.
    Model(Model),
}

/// Where the server is, or how to start it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// Address of a node, such as http://127.0.0.1:8080; several share the clients.
    #[arg(long = "target", value_parser = Target::parse, num_args = 1.., default_value = "http://127.0.0.1:8080")]
    pub(crate) targets: Vec<Target>,
    /// Start the server with this command (split at blanks, no shell, so that a kill reaches it).
    #[arg(long)]
    pub(crate) server_cmd: Option<String>,
    /// Where the started server's output goes.
    #[arg(long, default_value = "loadtest-server.log")]
    pub(crate) server_log: PathBuf,
    /// Largest number of HTTP requests at a time.
    #[arg(long, default_value_t = 32)]
    pub(crate) http_connections: usize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) chaos: ChaosArgs,
    /// Consultations at the same time.
    #[arg(long, default_value_t = 50)]
    pub(crate) sessions: usize,
    /// New consultations a second; the default fills up in ten seconds.
    #[arg(long)]
    pub(crate) arrival: Option<f64>,
    /// How long new consultations begin, such as 60, 60s or 5m; with --fault-count at least so long.
    #[arg(long, value_parser = seconds, default_value = "60s")]
    pub(crate) duration: Duration,
    /// Doctors; the default is one for at most four patients, which keeps them under the command limit.
    #[arg(long)]
    pub(crate) doctors: Option<usize>,
    /// Messages a second in each session, both parties together.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) message_rate: f64,
    /// Length of a message in characters.
    #[arg(long, default_value_t = 120)]
    pub(crate) message_bytes: usize,
    /// Mean length of a consultation; the default is sessions divided by arrival, at least 10 s.
    #[arg(long, value_parser = seconds)]
    pub(crate) length: Option<Duration>,
    /// Chance per second that a connection is cut and resumes, such as 0.02.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) reconnects: f64,
    /// No delivered and read receipts.
    #[arg(long)]
    pub(crate) no_receipts: bool,
    /// No video permission.
    #[arg(long)]
    pub(crate) no_video: bool,
    /// Seed of all chances, the faults included (accounts are new each time).
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Several runs one after the other, one for each of these seeds, parted by commas.
    #[arg(long, value_delimiter = ',', conflicts_with = "seed")]
    pub(crate) seeds: Vec<u64>,
    /// Write the report as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as one HTML page with plots.
    #[arg(long)]
    pub(crate) html: Option<PathBuf>,
    /// Kill this process with SIGKILL; somebody else restarts it.
    #[arg(long, conflicts_with_all = ["server_cmd", "fleet"], requires = "kill_after")]
    pub(crate) kill_pid: Option<i32>,
    /// When to kill, in seconds from the begin of the load; several, parted by commas.
    #[arg(long, value_parser = seconds, value_delimiter = ',')]
    pub(crate) kill_after: Vec<Duration>,
    /// A resync is no violation.
    #[arg(long)]
    pub(crate) allow_resync: bool,
    /// Unexpected errors fail the run too, not only broken promises.
    #[arg(long)]
    pub(crate) strict: bool,
    /// How long the clients may take to finish after the load.
    #[arg(long, value_parser = seconds, default_value = "60s")]
    pub(crate) patience: Duration,
    /// Keep every latency by itself.
    #[arg(skip)]
    pub(crate) trace: bool,
}

/// What kind of connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Door {
    /// The WebSocket.
    Ws,
    /// The whole inbox as server-sent events.
    Sse,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) server: Server,
    #[arg(long, value_enum, default_value = "ws")]
    pub(crate) kind: Door,
    #[arg(long, default_value_t = 5_000)]
    pub(crate) connections: usize,
    /// Connections per user; the server allows 16.
    #[arg(long, default_value_t = 16)]
    pub(crate) per_user: usize,
    /// Measure in so many steps.
    #[arg(long, default_value_t = 5)]
    pub(crate) steps: usize,
    /// The server's process; without it (and without --server-cmd) /metrics is asked.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) server: Server,
    #[arg(long, default_value_t = 1_000)]
    pub(crate) clients: usize,
    /// Ongoing sessions to have in the database (at least one per client).
    #[arg(long, default_value_t = 0)]
    pub(crate) live_sessions: usize,
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// Who cuts a fleet of clients off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Cutter {
    /// The clients' network: every connection is reset at the same instant.
    Clients,
    /// The first of a fleet's nodes, by SIGKILL; all its clients come back to the others.
    Node,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Storm {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[arg(long, default_value_t = 5_000)]
    pub(crate) clients: usize,
    /// What cuts them.
    #[arg(long, value_enum, default_value = "clients")]
    pub(crate) cut: Cutter,
    /// Messages to each client that were on their way when it was cut.
    #[arg(long, default_value_t = 1)]
    pub(crate) unseen: usize,
    /// Messages to each client while nobody is connected; with 0 all come back in the instant of the cut.
    #[arg(long, default_value_t = 2)]
    pub(crate) away: usize,
    /// Fail if the last one has not caught up after so long.
    #[arg(long, value_parser = seconds, default_value = "5s")]
    pub(crate) within: Duration,
    /// Fail above so many database queries for every hundred resumes.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) queries: f64,
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// A run as the command line gives it.
pub(crate) fn run_of(words: &[String]) -> Result<Run, String> {
    match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
        Command::Run(run) => Ok(*run),
        Command::Idle(_)
        | Command::Resume(_)
        | Command::Cost(_)
        | Command::RedisAway(_)
        | Command::Storm(_)
        | Command::Model(_) => Err("not a run".to_owned()),
    }
}

impl Run {
    pub(crate) fn arrival(&self) -> f64 {
        self.arrival.unwrap_or_else(|| (self.sessions as f64 / 10.0).max(1.0))
    }

    pub(crate) fn doctors(&self) -> usize {
        // A doctor sends half the messages, a delivered for each of the others, and a read now and then;
        // together with the rest that has to stay under 20 commands a second.
        let half = self.message_rate / 2.0;
        let commands = half * 2.0 + half.min(1.5);
        let patients = (14.0 / commands.max(0.01)).clamp(1.0, 4.0) as usize;
        self.doctors.unwrap_or_else(|| self.sessions.div_ceil(patients)).max(1)
    }

    pub(crate) fn length(&self) -> Duration {
        self.length
            .unwrap_or_else(|| Duration::from_secs_f64((self.sessions as f64 / self.arrival()).clamp(10.0, 3600.0)))
    }
}

/// Reads `90`, `90s`, `1.5m`, `2h`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let (number, factor) = if let Some(number) = text.strip_suffix('s') {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60.0)
    } else if let Some(number) = text.strip_suffix('h') {
        (number, 3600.0)
    } else {
        (text, 1.0)
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("{text}: not a duration"))?;
    if !(0.0..=86_400.0).contains(&(number * factor)) {
        return Err(format!("{text}: between 0 and 24 hours"));
    }
    Ok(Duration::from_secs_f64(number * factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(seconds("90"), Ok(Duration::from_secs(90)));
        assert_eq!(seconds("1.5m"), Ok(Duration::from_secs(90)));
        assert!(seconds("x").is_err() && seconds("-1").is_err() && seconds("NaN").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
