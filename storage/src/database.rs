//! Connecting: migrations as the owner, work as `consilium_app`, which owns nothing.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, PgPool};

use crate::error::{Error, Result};

// The driver's types that the other crates hold but never speak SQL with.
pub use sqlx::migrate::MigrateError;
pub use sqlx::pool::PoolConnection;
pub use sqlx::postgres::PgConnectOptions as Options;
pub use sqlx::types::Json;
pub use sqlx::{Error as DriverError, PgConnection as Conn, PgPool as Pool, Postgres};

/// Applies what is missing of the migrations, under Postgres' advisory lock, as the role of `options`.
///
/// # Errors
/// With the refusing statement's message when a migration cannot be applied.
pub async fn migrate(options: &PgConnectOptions) -> Result<(), sqlx::migrate::MigrateError> {
    let mut conn = options.connect().await?;
    crate::migrations::MIGRATOR.run(&mut conn).await?;
    conn.close().await?;
    Ok(())
}

/// A pool whose connections work as `consilium_app`.
///
/// # Errors
/// [`Error::Unavailable`] when the first connection cannot be made.
pub async fn connect(options: &PgConnectOptions, max_connections: u32) -> Result<PgPool> {
    Ok(PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(5))
        // The ping before each use would cost a round trip; a dead connection fails its first query and is replaced.
        .test_before_acquire(false)
        .after_connect(|conn, _meta| {
            Box::pin(async move {
                // The threshold is that of the doctors' search: see `connect::doctors::discovery::search`. The plans:
                // docs/decisions/013.
                conn.execute(
                    "set role consilium_app; set synchronous_commit = on; set statement_timeout = '20s';
                     set pg_trgm.word_similarity_threshold = 0.3; set enable_seqscan = off; set jit = off",
                )
                .await?;
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await?)
}

/// Checks what trigram search rests on: a database whose locale finds no trigrams in Hindi is no use.
///
/// # Errors
/// With one line that says what is wrong with the database.
pub async fn check(conn: &mut PgConnection) -> Result<(), String> {
    let hindi = sqlx::query_scalar!("select show_trgm('हिन्दी') <> '{}' as \"ok!\"")
        .fetch_one(conn)
        .await
        .map_err(|error| Error::from(error).to_string())?;
    if hindi {
        Ok(())
    } else {
        Err("the database's locale finds no trigrams in Hindi: create it with C.UTF-8".to_owned())
    }
}

/// One connection as the role of `options`, for housekeeping that only the owner may do.
///
/// # Errors
/// When it cannot be made.
pub async fn connect_once(options: &PgConnectOptions) -> Result<PgConnection> {
    Ok(options.connect().await?)
}

/// Ends such a connection, and with it whatever it holds.
pub async fn disconnect(conn: PgConnection) {
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "a connection to Postgres did not end in order");
    }
}
