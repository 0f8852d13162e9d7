//! The server as a process: start it, kill it as a crash would, start it again.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::fleet::send;
use crate::http::{Call, Http};

/// The longest a start may take, the first one with its database included.
const START: Duration = Duration::from_secs(120);

/// A kill and what came after.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Restart {
    pub(crate) killed_at_s: f64,
    /// From the kill to `/ready`.
    pub(crate) ready_after_s: f64,
}

/// A server started by this program.
#[derive(Debug)]
pub(crate) struct Process {
    command: String,
    log: std::path::PathBuf,
    child: Child,
}

impl Process {
    /// Starts the command and waits until the server is ready.
    pub(crate) async fn start(command: &str, log: &Path, http: &Http) -> Result<Self, String> {
        let child = spawn(command, log).map_err(|error| format!("{command}: {error}"))?;
        let mut process = Self { command: command.to_owned(), log: log.to_owned(), child };
        process.wait_ready(http).await?;
        Ok(process)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL, and the same command again at once.
    pub(crate) async fn kill_and_restart(&mut self, http: &Http) -> Result<Duration, String> {
        let killed = Instant::now();
        let failed = |error: io::Error| format!("restart: {error}");
        self.child.kill().await.map_err(failed)?;
        self.child = spawn(&self.command, &self.log).map_err(failed)?;
        self.wait_ready(http).await?;
        Ok(killed.elapsed())
    }

    async fn wait_ready(&mut self, http: &Http) -> Result<(), String> {
        let until = Instant::now() + START;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended with {status}; see {}", self.log.display()));
            }
            if is_ready(http).await {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err("the server was not ready in time".into())
    }

    /// SIGTERM, and SIGKILL if it stays.
    pub(crate) async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            drop(send(pid, Signal::TERM));
        }
        if timeout(Duration::from_secs(40), self.child.wait()).await.is_err() {
            drop(self.child.kill().await);
        }
    }
}

/// Whether `/ready` answers 200.
pub(crate) async fn is_ready(http: &Http) -> bool {
    let asked = http.call(0, &Call::get("/ready", None)).await;
    asked.is_ok_and(|answer| answer.status == 200)
}

/// SIGKILL to a process of somebody else's.
pub(crate) fn kill_dash_nine(pid: i32) -> Result<(), String> {
    send(pid, Signal::KILL)
}

fn spawn(command: &str, log: &Path) -> io::Result<Child> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| io::Error::other("an empty command"))?;
    let log = File::options().create(true).append(true).open(log)?;
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
}

/// Lets this process open as many files as it may, and says how many that is.
pub(crate) fn raise_open_files() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        limit.current = limit.maximum.or(Some(1 << 20));
        if setrlimit(Resource::Nofile, limit).is_err() {
            // Then it stays as it was, which the caller is told.
            return getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
