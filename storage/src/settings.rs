//! Settings that all nodes of one database share: the epoch, development signing keys.

use sqlx::PgConnection;

use crate::error::Result;

/// The epoch of all cursors (realtime.md §2).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn epoch(conn: &mut PgConnection) -> Result<String> {
    Ok(sqlx::query_scalar!("select value from settings where key = 'epoch'").fetch_one(conn).await?)
}

/// Starts a new epoch: every cursor handed out so far is answered with `resync`. Answers the new one.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn rotate_epoch(conn: &mut PgConnection) -> Result<String> {
    Ok(sqlx::query_scalar!(
        "update settings set value = 'k' || (substr(value, 2)::bigint + 1)::text where key = 'epoch' returning value"
    )
    .fetch_one(conn)
    .await?)
}

/// The value under this key; `fresh` becomes it where there is none, and the first writer wins.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn get_or_set(conn: &mut PgConnection, key: &str, fresh: &str) -> Result<String> {
    sqlx::query!("insert into settings (key, value) values ($1, $2) on conflict do nothing", key, fresh)
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query_scalar!("select value from settings where key = $1", key).fetch_one(conn).await?)
}
