//! Why the private Postgres cannot be had: each a single line that says what to do (running.md, exit 2).

use std::io;
use std::path::PathBuf;

/// Why the private Postgres cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable programs on this machine.
    #[error("no PostgreSQL found: install it ({hint}), or name a database with --database-url")]
    NotInstalled {
        /// The command for this system.
        hint: &'static str,
    },
    /// The files were made by another major version than any that is installed.
    #[error(
        "{dir} was made by PostgreSQL {made_by}, installed is {installed}: install PostgreSQL {made_by} or choose another --data-dir"
    )]
    Version {
        /// The cluster's directory.
        dir: String,
        /// The version that made it.
        made_by: u32,
        /// The versions found.
        installed: String,
    },
    /// Another process of ours holds the data dir.
    #[error("{0} is in use by another server: choose another --data-dir, or share its database with --database-url")]
    InUse(PathBuf),
    /// As root, the files belong to an unprivileged user who must be able to get at them.
    #[error("user {user} cannot reach {dir} (Postgres does not run as root): choose a --data-dir under /var/lib")]
    Unreachable {
        /// The directory that was asked for.
        dir: PathBuf,
        /// The user that Postgres would run as.
        user: String,
    },
    /// The socket's directory is there and belongs to somebody else.
    #[error("{0} belongs to another user: remove it")]
    Foreign(PathBuf),
    /// Neither `postgres` nor `nobody` exists, and root may not run Postgres.
    #[error("Postgres does not run as root, and there is neither a user postgres nor nobody")]
    NoAccount,
    /// `initdb` failed.
    #[error("initdb failed: {0}")]
    Initdb(String),
    /// The process ended before it was ready.
    #[error("the private Postgres did not start: {reason} (see {})", log.display())]
    Exited {
        /// The log's last complaint.
        reason: String,
        /// The log.
        log: PathBuf,
    },
    /// It neither answered nor ended in time.
    #[error("the private Postgres did not answer within 30 s (see {})", .0.display())]
    NotReady(PathBuf),
    /// A file or process could not be dealt with.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Roles and database could not be made.
    #[error("setting up the private Postgres: {0}")]
    Setup(#[from] sqlx::Error),
}

impl Error {
    /// For `map_err`: what was being done when the system refused.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
