//! The private Postgres: a cluster under the data dir, made, started, watched and stopped by the server
//! itself, from installed binaries (running.md `--data-dir`, DESIGN §6).
//!
//! - `binaries` finds the programs, `account` the user they run as (Postgres refuses root).
//! - `layout` decides where files and the socket lie, `pidfile` tells a living cluster from a stale file.
//! - `supervisor` owns the process: it dies with this one, and comes back when it dies alone.
//! - `setup` makes the roles and the database once it answers.

mod account;
mod binaries;
mod error;
mod layout;
mod pidfile;
mod setup;
mod supervisor;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};

pub use error::Error;
pub use layout::{DataDir, reachable_data_dir};

use account::Account;
use layout::Layout;
use pidfile::Found;
use supervisor::{Launch, Supervisor};

/// The role that owns the database and runs the migrations. No superuser: row-level security binds it.
pub const OWNER: &str = "consilium";
/// The role the server works as (`set role`): it owns nothing.
pub const WORKER: &str = "consilium_app";
/// The database of the server.
pub const DATABASE: &str = "consilium";

const READY_LIMIT: Duration = Duration::from_secs(30);
const READY_POLL: Duration = Duration::from_millis(25);
const PORT: u16 = 5432;

/// How to start a cluster.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server's data dir; the cluster lies in `postgres/` below it.
    pub data_dir: PathBuf,
    /// Whether a commit waits for the disk. Off only where everything may be lost: tests.
    pub fsync: bool,
    /// `max_connections` of Postgres.
    pub max_connections: u32,
    /// `shared_buffers` of Postgres in MB.
    pub shared_buffers_mb: u32,
    /// Whether the cluster ends when this process is killed (where the system can do that). A cluster
    /// that outlives its server is adopted by the next one.
    pub ends_with_process: bool,
}

impl Options {
    /// What a server wants: durable, 50 connections, 64 MB.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            fsync: true,
            max_connections: 50,
            shared_buffers_mb: 64,
            ends_with_process: true,
        }
    }

    /// What a test wants: nothing outlives it, so nothing waits for the disk.
    #[must_use]
    pub fn for_tests(data_dir: impl Into<PathBuf>) -> Self {
        Self { fsync: false, max_connections: 300, shared_buffers_mb: 128, ..Self::new(data_dir) }
    }
}

/// A running private Postgres. Dropping it stops Postgres without waiting; [`Cluster::stop`] waits.
#[derive(Debug)]
pub struct Cluster {
    socket: PathBuf,
    supervisor: Supervisor,
    /// Held while this process owns the data dir; the system lets go of it even after a kill -9.
    _lock: File,
}

/// Starts the private Postgres of a data dir, or adopts the one an earlier, killed server left running.
///
/// # Errors
/// Every [`Error`] is one line that says what to do. Nothing keeps running after an error.
pub async fn start(options: &Options) -> Result<Cluster, Error> {
    let account = Account::find().await?;
    let layout = Layout::prepare(&options.data_dir, &account)?;
    let lock = layout.lock()?;
    let installed = binaries::find(layout.made_by()?).await?;
    if layout.made_by()?.is_none() {
        setup::initdb(&installed, &layout, &account).await?;
    }

    let deadline = Instant::now() + READY_LIMIT;
    let adopted = await_predecessor(&layout, deadline).await?;
    let socket = match &adopted {
        Some(found) => found.socket_dir.clone(),
        None => layout.socket_dir.clone(),
    };
    let launch = Launch::new(&installed, &layout, account, options);
    let supervisor = Supervisor::start(launch, adopted.map(|found| found.pid));
    let cluster = Cluster { socket, supervisor, _lock: lock };
    let mut superuser = cluster.await_ready(&layout, deadline).await?;
    setup::roles_and_database(&mut superuser, &cluster).await?;
    superuser.close().await.ok();
    Ok(cluster)
}

/// An earlier server may have been killed: its Postgres is still there, or just shutting down.
/// `None` means that the way is free.
async fn await_predecessor(layout: &Layout, deadline: Instant) -> Result<Option<Found>, Error> {
    loop {
        let Some(found) = pidfile::living(&layout.cluster) else {
            pidfile::heal(&layout.cluster, &layout.socket_dir);
            return Ok(None);
        };
        if PgConnection::connect_with(&options_for(&found.socket_dir, "postgres", "postgres")).await.is_ok() {
            tracing::info!(postgres.pid = %found.pid, "adopted the private postgres that was still running");
            return Ok(Some(found));
        }
        if Instant::now() > deadline {
            return Err(Error::NotReady(layout.log.clone()));
        }
        tokio::time::sleep(READY_POLL).await;
    }
}

fn options_for(socket: &Path, role: &str, database: &str) -> PgConnectOptions {
    // Without pgpass and TLS: the variables of somebody's shell must not matter here.
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(PORT)
        .ssl_mode(PgSslMode::Disable)
        .username(role)
        .database(database)
}

impl Cluster {
    /// Options for a connection as the owner role.
    #[must_use]
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        options_for(&self.socket, OWNER, database)
    }

    /// Options for a connection as the superuser: only to make databases and roles.
    #[must_use]
    pub fn superuser_options(&self, database: &str) -> PgConnectOptions {
        options_for(&self.socket, "postgres", database)
    }

    /// The address of [`DATABASE`], as a second server's `--database-url` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// The address of another database in this cluster.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{OWNER}@localhost/{database}?host={}", self.socket.display())
    }

    /// The directory of the socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket
    }

    /// Whether the process runs at this moment; while it is down it is being started again.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.supervisor.pid().is_some()
    }

    /// The process id of the postmaster, `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.pid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
    }

    /// Stops Postgres (SIGINT: connections end, nothing committed is lost) and waits for its end.
    pub async fn stop(self) {
        let supervisor = self.supervisor.handle();
        // Waiting blocks: not on the caller's runtime.
        let ended = tokio::task::spawn_blocking(move || supervisor.stop_and_wait()).await;
        if !ended.unwrap_or(false) {
            tracing::error!("the private postgres did not stop in time");
        }
    }

    async fn await_ready(&self, layout: &Layout, deadline: Instant) -> Result<PgConnection, Error> {
        loop {
            match PgConnection::connect_with(&self.superuser_options("postgres")).await {
                Ok(connection) => return Ok(connection),
                Err(error) => tracing::trace!(%error, "the private postgres is not ready"),
            }
            if self.supervisor.exits() > 0 {
                let reason = layout.log_reason();
                // Workers of a killed postmaster need a moment to notice; the supervisor tries again.
                if !reason.contains("still in use") {
                    return Err(Error::Exited { reason, log: layout.log.clone() });
                }
            }
            if Instant::now() > deadline {
                return Err(Error::NotReady(layout.log.clone()));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }
}
