//! Which processes a run has, and whether it starts them itself.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Whether a private Redis is started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum WithRedis {
    /// With more than one node, or where a fault needs it.
    Auto,
    Yes,
    No,
}

/// The servers of a run: a fleet that this program starts, or those of somebody else.
#[derive(Clone, Debug, Args)]
pub(crate) struct FleetArgs {
    /// Start so many nodes with a Postgres and a Redis of their own, all on the loopback, all gone afterwards.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=16), conflicts_with_all = ["targets", "server_cmd"])]
    pub(crate) fleet: Option<u16>,
    /// The server to start; the default is the one built beside this program.
    #[arg(long, requires = "fleet")]
    pub(crate) server_bin: Option<PathBuf>,
    /// Whether the fleet has a Redis.
    #[arg(long, value_enum, default_value = "auto", requires = "fleet")]
    pub(crate) with_redis: WithRedis,
    /// Where the fleet's folder is made; the default is the system's folder for such things.
    #[arg(long, requires = "fleet")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the fleet's folder with all logs; otherwise only a run with something wrong does.
    #[arg(long, requires = "fleet")]
    pub(crate) keep: bool,
    /// The command of each --target's node, in their order: started by this program, no shell.
    #[arg(long, conflicts_with_all = ["fleet", "server_cmd"])]
    pub(crate) node_cmd: Vec<String>,
    /// The process of each --target's node, in their order: enough for pause-node.
    #[arg(long, conflicts_with_all = ["fleet", "node_cmd"])]
    pub(crate) node_pid: Vec<i32>,
    /// The Redis of the targets: enough for flush-redis and cut-redis-clients.
    #[arg(long, conflicts_with = "fleet")]
    pub(crate) redis_url: Option<String>,
    /// Its process, for pause-redis.
    #[arg(long, requires = "redis_url", conflicts_with = "redis_cmd")]
    pub(crate) redis_pid: Option<i32>,
    /// Its command, started by this program: for all faults of Redis.
    #[arg(long, requires = "redis_url")]
    pub(crate) redis_cmd: Option<String>,
    /// The command of the targets' Postgres, started by this program, for restart-postgres.
    #[arg(long, conflicts_with = "fleet")]
    pub(crate) postgres_cmd: Option<String>,
}
