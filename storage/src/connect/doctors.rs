//! Doctors: discovery, profile and presence signs (connect-v2 §3.3–3.6).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::UserId;

/// What presence needs of a doctor at start.
#[derive(Debug, Clone)]
pub struct Sign {
    /// The doctor.
    pub id: UserId,
    /// The doctor's own switch.
    pub is_online: bool,
    /// The last sign of life that was written.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// The signs of every active doctor.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_signs(conn: &mut PgConnection) -> Result<Vec<Sign>> {
    Ok(sqlx::query_as!(
        Sign,
        "select d.id, d.is_online, d.last_seen_at from doctors d join accounts a on a.id = d.id where a.is_active"
    )
    .fetch_all(conn)
    .await?)
}

/// Writes the last signs of life of these doctors.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_last_seen(conn: &mut PgConnection, seen: &[(UserId, DateTime<Utc>)]) -> Result<()> {
    let (ids, times): (Vec<UserId>, Vec<DateTime<Utc>>) = seen.iter().copied().unzip();
    sqlx::query!(
        "update doctors d set last_seen_at = s.at from unnest($1::uuid[], $2::timestamptz[]) as s(id, at)
         where d.id = s.id",
        &ids as _,
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the doctor's own switch, which is a sign of life too.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_online(conn: &mut PgConnection, id: UserId, online: bool, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!("update doctors set is_online = $2, last_seen_at = $3 where id = $1", id as _, online, now)
        .execute(conn)
        .await?;
    Ok(())
}
