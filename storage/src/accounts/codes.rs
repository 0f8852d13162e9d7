//! One-time codes: the newest of each phone, hashed (connect-v2 1, 2; settled 14).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;

/// The code that was sent last.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Keyed hash of phone and code.
    pub code_hash: Vec<u8>,
    /// How many wrong ones were given.
    pub attempts: i32,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

/// Stores a code; it replaces an older one.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn put(
    conn: &mut PgConnection,
    phone: &str,
    code_hash: &[u8],
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into otp_codes (phone, code_hash, attempts, created_at, expires_at) values ($1, $2, 0, $3, $4)
         on conflict (phone) do update
         set code_hash = excluded.code_hash, attempts = 0, created_at = excluded.created_at,
             expires_at = excluded.expires_at",
        phone,
        code_hash,
        at,
        expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The phone's code, locked until the transaction ends, so that tries are counted one after the other.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, phone: &str) -> Result<Option<Pending>> {
    Ok(sqlx::query_as!(
        Pending,
        "select code_hash, attempts, expires_at from otp_codes where phone = $1 for update",
        phone
    )
    .fetch_optional(conn)
    .await?)
}

/// Counts a wrong try.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn count_attempt(conn: &mut PgConnection, phone: &str) -> Result<()> {
    sqlx::query!("update otp_codes set attempts = attempts + 1 where phone = $1", phone).execute(conn).await?;
    Ok(())
}

/// Consumes the code.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn remove(conn: &mut PgConnection, phone: &str) -> Result<()> {
    sqlx::query!("delete from otp_codes where phone = $1", phone).execute(conn).await?;
    Ok(())
}
