//! A load that stays as it is on a fleet of its own: what the measurements of single nodes and of several share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::args::{self, Run};

/// Seconds until everybody talks.
pub(crate) const RAMP_S: f64 = 6.0;

/// The server and the load.
#[derive(Clone, Debug, Args)]
pub(crate) struct Steady {
    /// The server to start; the default is the one built beside this program.
    #[arg(long)]
    server_bin: Option<PathBuf>,
    /// Where the folders of the runs are made.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Consultations at the same time.
    #[arg(long, default_value_t = 100)]
    sessions: usize,
    /// Messages a second in each.
    #[arg(long, default_value_t = 2.0)]
    message_rate: f64,
    /// Length of a message in characters.
    #[arg(long, default_value_t = 120)]
    message_bytes: usize,
    /// Delivered and read receipts for every message.
    #[arg(long)]
    receipts: bool,
}

impl Steady {
    /// A run on so many nodes, as the command line would have it with `more` options.
    pub(crate) fn run(&self, nodes: u16, redis: bool, duration: Duration, more: &[String]) -> Result<Run, String> {
        let mut words = vec!["loadtest".to_owned(), "run".to_owned()];
        for (option, value) in [
            ("--fleet", nodes.to_string()),
            ("--with-redis", if redis { "yes" } else { "no" }.to_owned()),
            ("--sessions", self.sessions.to_string()),
            ("--message-rate", self.message_rate.to_string()),
            ("--message-bytes", self.message_bytes.to_string()),
            ("--duration", duration.as_secs_f64().to_string()),
            ("--arrival", (self.sessions as f64 / 4.0).max(1.0).to_string()),
            // Nobody ends before the run does.
            ("--length", (duration.as_secs_f64() * 2.0).to_string()),
        ] {
            words.extend([option.to_owned(), value]);
        }
        for (option, path) in [("--server-bin", &self.server_bin), ("--dir", &self.dir)] {
            if let Some(path) = path {
                words.extend([option.to_owned(), path.display().to_string()]);
            }
        }
        if !self.receipts {
            words.push("--no-receipts".to_owned());
        }
        words.extend_from_slice(more);
        let mut run = args::run_of(&words)?;
        run.trace = true;
        Ok(run)
    }
}

/// Writes a report as JSON.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<(), String> {
    let json = serde_json::to_vec_pretty(value).map_err(|error| error.to_string())?;
    std::fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))
}
