//! Answers of requests that carried an `Idempotency-Key` (connect-v2 §1.4): claimed and stored in the transaction of
//! the creation itself, so that a repeat finds either nothing or the whole answer.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::UserId;

/// How long an answer is kept.
pub const LIFE: TimeDelta = TimeDelta::hours(24);

/// What names one request.
#[derive(Debug, Clone)]
pub struct Key {
    /// Whose.
    pub account_id: UserId,
    /// Of which endpoint: `POST /api/v2/connect/sessions`.
    pub endpoint: &'static str,
    /// The header's value.
    pub key: String,
    /// A hash of the request's body.
    pub fingerprint: Vec<u8>,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Claim {
    /// Nobody used it within its life: go on, then [`store`].
    Fresh,
    /// The same request was answered with this.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: serde_json::Value,
    },
    /// The key was used with another body.
    Mismatch,
}

/// Claims a key until the transaction ends; a second request with it waits here for the first one's outcome.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn claim(conn: &mut PgConnection, key: &Key, now: DateTime<Utc>) -> Result<Claim> {
    sqlx::query!(
        "delete from idempotency_keys where account_id = $1 and endpoint = $2 and key = $3 and created_at < $4",
        key.account_id as _,
        key.endpoint,
        key.key,
        now - LIFE
    )
    .execute(&mut *conn)
    .await?;
    let claimed = sqlx::query!(
        "insert into idempotency_keys (account_id, endpoint, key, fingerprint, created_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        key.account_id as _,
        key.endpoint,
        key.key,
        key.fingerprint,
        now
    )
    .execute(&mut *conn)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Claim::Fresh);
    }
    let stored = sqlx::query!(
        "select fingerprint, status, body from idempotency_keys
         where account_id = $1 and endpoint = $2 and key = $3",
        key.account_id as _,
        key.endpoint,
        key.key
    )
    .fetch_one(conn)
    .await?;
    if stored.fingerprint != key.fingerprint {
        return Ok(Claim::Mismatch);
    }
    Ok(Claim::Answered {
        status: stored.status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200),
        body: stored.body.unwrap_or(serde_json::Value::Null),
    })
}

/// Stores the answer under a claimed key.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn store(conn: &mut PgConnection, key: &Key, status: u16, body: &serde_json::Value) -> Result<()> {
    sqlx::query!(
        "update idempotency_keys set status = $4, body = $5 where account_id = $1 and endpoint = $2 and key = $3",
        key.account_id as _,
        key.endpoint,
        key.key,
        i16::try_from(status).unwrap_or(200),
        body
    )
    .execute(conn)
    .await?;
    Ok(())
}
