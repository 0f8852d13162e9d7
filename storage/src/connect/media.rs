//! What the media server tells us: webhooks seen, people in rooms (connect-v2 47).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::SessionId;

/// Notes a webhook by its id. Answers false for one that was seen before.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn note_webhook(conn: &mut PgConnection, id: &str, at: DateTime<Utc>) -> Result<bool> {
    let done =
        sqlx::query!("insert into media_webhooks (id, received_at) values ($1, $2) on conflict do nothing", id, at)
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Somebody is in the room. Answers whether this is news.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_joined(
    conn: &mut PgConnection,
    session_id: SessionId,
    identity: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "insert into room_participants (session_id, identity, joined_at) values ($1, $2, $3)
         on conflict (session_id, identity) do update set joined_at = $3 where room_participants.joined_at < $3",
        session_id as _,
        identity,
        at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Somebody left the room; a leave older than the last join (webhooks come out of order) changes nothing.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_left(
    conn: &mut PgConnection,
    session_id: SessionId,
    identity: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "delete from room_participants where session_id = $1 and identity = $2 and joined_at <= $3",
        session_id as _,
        identity,
        at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Consultations that were over before this time and whose rooms still have people in them, as far as we were told; some of
/// them where there are more.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_outstayed(conn: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> Result<Vec<SessionId>> {
    Ok(sqlx::query_scalar!(
        "select p.session_id as \"id: SessionId\" from room_participants p join sessions s on s.id = p.session_id
         where s.status not in ('REQUESTED', 'ONGOING') and coalesce(s.ended_at, p.joined_at) < $1
         group by p.session_id order by random() limit $2",
        before,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// When a session was last asked for, if ever one was.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn last_request(conn: &mut PgConnection) -> Result<Option<DateTime<Utc>>> {
    // Ids are in the order of time.
    Ok(sqlx::query_scalar!("select created_at from sessions order by id desc limit 1").fetch_optional(conn).await?)
}

/// Those of these sessions that are neither requested nor running.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_over(conn: &mut PgConnection, ids: &[SessionId]) -> Result<Vec<SessionId>> {
    Ok(sqlx::query_scalar!(
        "select id from sessions where id = any($1) and status not in ('REQUESTED', 'ONGOING')",
        ids as _
    )
    .fetch_all(conn)
    .await?)
}

/// Who joined the rooms of these consultations before this time and did not leave, as far as we were told.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_joined(
    conn: &mut PgConnection,
    sessions: &[SessionId],
    before: DateTime<Utc>,
) -> Result<Vec<(SessionId, String)>> {
    let rows = sqlx::query!(
        "select session_id as \"id: SessionId\", identity from room_participants
         where session_id = any($1) and joined_at < $2",
        sessions as _,
        before
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.identity)).collect())
}

/// The room was empty at this time: everybody had left. Told late, it may have been opened again since.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn clear_room(conn: &mut PgConnection, session_id: SessionId, at: DateTime<Utc>) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "delete from room_participants where session_id = $1 and joined_at <= $2 returning identity",
        session_id as _,
        at
    )
    .fetch_all(conn)
    .await?)
}
