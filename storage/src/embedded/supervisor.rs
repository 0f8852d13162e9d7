//! Owns the process of the private Postgres: starts it, starts it again when it dies, stops it.
//!
//! All of it happens on one thread that lives as long as the cluster, because the death signal that ends
//! Postgres with its server follows the *thread* that spawned it, not the process.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::account::Account;
use super::binaries::Installed;
use super::layout::Layout;
use super::{Options, PORT, pidfile};

/// Between two starts, when the first one of them failed at once.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A process that lived this long did not fail at its start.
const SETTLED: Duration = Duration::from_secs(10);
/// How often an adopted process, which is no child of ours, is looked at.
const ADOPTED_POLL: Duration = Duration::from_millis(100);
/// SIGINT is normally through in a tenth of a second; SIGQUIT leaves recovery to the next start.
const FAST_STOP: Duration = Duration::from_secs(10);
const HARD_STOP: Duration = Duration::from_secs(5);
/// A log that grew past this starts over with the next process.
const LONGEST_LOG: u64 = 16 * 1024 * 1024;

/// Everything it takes to start the process, any number of times.
#[derive(Debug)]
pub(super) struct Launch {
    postgres: PathBuf,
    cluster: PathBuf,
    socket_dir: PathBuf,
    log: PathBuf,
    account: Account,
    arguments: Vec<OsString>,
    tied: bool,
}

impl Launch {
    pub(super) fn new(installed: &Installed, layout: &Layout, account: Account, options: &Options) -> Self {
        let mut arguments: Vec<OsString> = vec!["-D".into(), layout.cluster.clone().into()];
        let mut set = |setting: &str, value: OsString| {
            let mut argument = OsString::from(format!("{setting}="));
            argument.push(value);
            arguments.extend(["-c".into(), argument]);
        };
        set("unix_socket_directories", layout.socket_dir.clone().into());
        set("max_connections", options.max_connections.to_string().into());
        set("shared_buffers", format!("{}MB", options.shared_buffers_mb).into());
        for (setting, value) in settings(options.fsync) {
            set(setting, value.into());
        }
        set("port", PORT.to_string().into());
        Self {
            postgres: installed.postgres.clone(),
            cluster: layout.cluster.clone(),
            socket_dir: layout.socket_dir.clone(),
            log: layout.log.clone(),
            account,
            arguments,
            tied: options.ends_with_process,
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        pidfile::heal(&self.cluster, &self.socket_dir);
        let log = self.open_log()?;
        let mut command: Command = self.account.command(&self.postgres, self.tied);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
    }

    fn open_log(&self) -> io::Result<File> {
        let long = self.log.metadata().is_ok_and(|log| log.len() > LONGEST_LOG);
        if long {
            std::fs::remove_file(&self.log)?;
        }
        OpenOptions::new().create(true).append(true).open(&self.log)
    }
}

fn settings(fsync: bool) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        // Statements are short; compiling them costs more than it gains.
        ("jit", "off"),
        // Statements and key values of an error may be somebody's data.
        ("log_error_verbosity", "terse"),
        ("log_min_error_statement", "panic"),
    ];
    if !fsync {
        // Commits still reach the system before they are acknowledged, so a killed process loses none.
        settings.extend([("fsync", "off"), ("full_page_writes", "off")]);
        // Nobody restores from this log or follows it.
        settings.extend([("wal_level", "minimal"), ("max_wal_senders", "0")]);
    }
    settings
}

#[derive(Debug, Default)]
struct State {
    pid: Option<Pid>,
    stopping: bool,
    ended: bool,
    exits: u32,
}

/// What the thread and its observers share.
#[derive(Debug, Default)]
pub(super) struct Handle {
    state: Mutex<State>,
    changed: Condvar,
}

/// The thread's owner. Dropping it asks for the end without waiting.
#[derive(Debug)]
pub(super) struct Supervisor {
    handle: Arc<Handle>,
}

impl Supervisor {
    /// Starts the process, or watches the one that was adopted.
    pub(super) fn start(launch: Launch, adopted: Option<Pid>) -> Self {
        let handle = Arc::new(Handle::default());
        handle.state().pid = adopted;
        let shared = Arc::clone(&handle);
        let thread = thread::Builder::new().name("private-postgres".to_owned()).spawn(move || {
            shared.watch(&launch, adopted);
            shared.update(|state| state.ended = true);
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread for the private postgres");
            handle.update(|state| {
                state.ended = true;
                state.exits = 1;
            });
        }
        Self { handle }
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.handle.state().pid
    }

    /// How often a process has ended, or could not be started.
    pub(super) fn exits(&self) -> u32 {
        self.handle.state().exits
    }

    pub(super) fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.handle.ask(Signal::INT);
    }
}

impl Handle {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn stopping(&self) -> bool {
        self.state().stopping
    }

    /// Waits until `done`, at most so long; says whether it is.
    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), limit, |state| !done(state))
            .unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }

    fn ask(&self, signal: Signal) {
        self.update(|state| {
            state.stopping = true;
            if let Some(pid) = state.pid
                && let Err(error) = kill_process(pid, signal)
            {
                tracing::debug!(%error, "the private postgres was already gone");
            }
        });
    }

    /// Blocks until the process has ended; false if it would not.
    pub(super) fn stop_and_wait(&self) -> bool {
        self.ask(Signal::INT);
        if self.wait(FAST_STOP, |state| state.ended) {
            return true;
        }
        self.ask(Signal::QUIT);
        self.wait(HARD_STOP, |state| state.ended)
    }

    fn watch(&self, launch: &Launch, adopted: Option<Pid>) {
        if let Some(pid) = adopted {
            while pidfile::is_postmaster(pid, &launch.cluster) {
                thread::sleep(ADOPTED_POLL);
            }
            self.update(|state| state.pid = None);
        }
        let mut pause = FIRST_PAUSE;
        while !self.stopping() {
            let started = Instant::now();
            match launch.spawn() {
                Ok(child) => self.attend(child),
                Err(error) => self.ended_once(&error.to_string()),
            }
            if started.elapsed() > SETTLED {
                pause = FIRST_PAUSE;
            }
            self.wait(pause, |state| state.stopping);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attend(&self, mut child: Child) {
        let pid = Pid::from_child(&child);
        self.update(|state| state.pid = Some(pid));
        if self.stopping() {
            // Asked to stop between two processes.
            self.ask(Signal::INT);
        }
        match child.wait() {
            Ok(status) => self.ended_once(&status.to_string()),
            Err(error) => self.ended_once(&error.to_string()),
        }
    }

    fn ended_once(&self, reason: &str) {
        self.update(|state| {
            state.pid = None;
            state.exits += 1;
        });
        if !self.stopping() {
            tracing::warn!(reason, "the private postgres is down, starting it again");
        }
    }
}
