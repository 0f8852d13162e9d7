//! What can go wrong between the server and Postgres, by what the caller can do about it.

/// A failed storage call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A named constraint refused the row: somebody was first, or a value is taken.
    #[error("constraint {0} refused the row")]
    Conflict(String),
    /// Two transactions waited for each other or the snapshot moved on; the same work may be tried again.
    #[error("transaction must be tried again: {0}")]
    Retry(sqlx::Error),
    /// The database cannot be reached or is shutting down; nothing is known to be wrong with the request.
    #[error("database unavailable: {0}")]
    Unavailable(sqlx::Error),
    /// Anything else: a bug.
    #[error("database error: {0}")]
    Other(sqlx::Error),
    /// Stored data that this version cannot read: a bug or a newer writer.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

/// The result of a storage call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Something between the caller and the database is gone: a closed pool, a worker that ended.
    #[must_use]
    pub const fn away() -> Self {
        Self::Unavailable(sqlx::Error::PoolClosed)
    }

    /// Whether the database was gone: of a commit that says so nobody knows whether it was done.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether this is a refusal by the named constraint.
    #[must_use]
    pub fn is_conflict(&self, constraint: &str) -> bool {
        matches!(self, Self::Conflict(name) if name == constraint)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refusal) => {
                if let Some(constraint) = refusal.constraint().filter(|_| refusal.is_unique_violation()) {
                    return Self::Conflict(constraint.to_owned());
                }
                match refusal.code().as_deref() {
                    Some("40001" | "40P01") => Self::Retry(error),
                    // admin shutdown, crash shutdown, cannot connect now, too many connections, lost connection
                    Some("57P01" | "57P02" | "57P03" | "53300" | "08006" | "08003" | "08000") => {
                        Self::Unavailable(error)
                    }
                    _ => Self::Other(error),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            _ => Self::Other(error),
        }
    }
}
