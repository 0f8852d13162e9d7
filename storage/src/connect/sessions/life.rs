//! Signs of life in running sessions, and those that show none any more (connect-v2 §4.1).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Session;
use crate::error::Result;
use crate::ids::{SessionId, UserId};

/// The ONGOING session in which nothing has happened for longest, since before `quiet_since`: no message, nobody in the
/// room. Locked; those that another node works on, or in which something is happening, are skipped.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_idle(conn: &mut PgConnection, quiet_since: DateTime<Utc>) -> Result<Option<Session>> {
    Ok(select_sessions!(
        "where status = 'ONGOING' and last_activity_at <= $1
           and not exists (select from messages m where m.session_id = sessions.id and m.created_at > $1)
           and not exists (select from room_participants p where p.session_id = sessions.id)
         order by last_activity_at limit 1 for update skip locked",
        quiet_since
    )
    .fetch_optional(conn)
    .await?)
}

/// The last sign of life in a session: somebody connected or in its room, or a message.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_last_sign(conn: &mut PgConnection, id: SessionId) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar!(
        "select greatest(last_activity_at, (select max(created_at) from messages where session_id = $1)) as \"at!\"
         from sessions where id = $1",
        id as _
    )
    .fetch_one(conn)
    .await?)
}

/// Notes a sign of life in a running session: somebody came to its room or left it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn touch(conn: &mut PgConnection, id: SessionId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update sessions set last_activity_at = $2 where id = $1 and status = 'ONGOING' and last_activity_at < $2",
        id as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes a sign of life in running sessions in whose rooms somebody was seen, if there was none for half a minute.
/// Sessions that somebody holds are skipped, as with those of connected users.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn touch_many(conn: &mut PgConnection, ids: &[SessionId], at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "with live as (
             select id from sessions
             where id = any($1) and status = 'ONGOING' and last_activity_at < $2::timestamptz - interval '30 seconds'
             for no key update skip locked
         )
         update sessions s set last_activity_at = $2 from live where s.id = live.id",
        ids as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes a sign of life in running sessions of these users. A session that somebody holds shows life by that: it is
/// skipped, so that nodes with users of the same sessions never wait for each other in a circle.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn touch_of_users(conn: &mut PgConnection, users: &[UserId], at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "with live as (
             select id from sessions
             where status = 'ONGOING' and last_activity_at < $2 and (patient_id = any($1) or doctor_id = any($1))
             for no key update skip locked
         )
         update sessions s set last_activity_at = $2 from live where s.id = live.id",
        users as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}
