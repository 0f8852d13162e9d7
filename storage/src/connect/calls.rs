//! Calls inside a consultation (connect-v2 §3.14).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{CallId, SessionId};
use crate::states::{call, video};

/// How a call was opened; it does not bypass the camera permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CallType {
    /// Voice.
    #[default]
    Audio,
    /// Voice and pictures.
    Video,
}

/// A call in the shape of connect-v2 80; the two video fields mirror its session.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// The consultation.
    pub connect_session_id: SessionId,
    /// How it was opened.
    pub call_type: CallType,
    /// CONNECTED or ENDED.
    pub status: call::Status,
    /// The media room.
    pub livekit_room_name: String,
    /// The patient's camera permission.
    pub video_permission_state: video::State,
    /// True exactly in VIDEO_ON.
    pub patient_video_enabled: bool,
    /// When opened.
    pub started_at: DateTime<Utc>,
    /// When over.
    pub ended_at: Option<DateTime<Utc>>,
}

struct Row {
    id: CallId,
    session_id: SessionId,
    call_type: CallType,
    status: call::Status,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    video_state: video::State,
}

impl From<Row> for Call {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            connect_session_id: row.session_id,
            call_type: row.call_type,
            status: row.status,
            livekit_room_name: super::sessions::room_name(row.session_id),
            video_permission_state: row.video_state,
            patient_video_enabled: row.video_state.patient_video_enabled(),
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

/// The CONNECTED call of a session.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_connected(conn: &mut PgConnection, session_id: SessionId) -> Result<Option<Call>> {
    Ok(sqlx::query_as!(
        Row,
        "select c.id, c.session_id, c.call_type, c.status, c.started_at, c.ended_at, s.video_state
         from calls c join sessions s on s.id = c.session_id
         where c.session_id = $1 and c.status = 'CONNECTED'",
        session_id as _
    )
    .fetch_optional(conn)
    .await?
    .map(Call::from))
}

/// One call.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: CallId) -> Result<Option<Call>> {
    Ok(sqlx::query_as!(
        Row,
        "select c.id, c.session_id, c.call_type, c.status, c.started_at, c.ended_at, s.video_state
         from calls c join sessions s on s.id = c.session_id
         where c.id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?
    .map(Call::from))
}

/// Opens a call. The caller holds the session's row lock.
///
/// # Errors
/// Conflict `calls_one_connected` when one is open.
pub async fn insert(
    conn: &mut PgConnection,
    id: CallId,
    session_id: SessionId,
    call_type: CallType,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into calls (id, session_id, call_type, status, started_at) values ($1, $2, $3, 'CONNECTED', $4)",
        id as _,
        session_id as _,
        call_type as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// CONNECTED to ENDED. Answers whether it was still open.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_ended(conn: &mut PgConnection, id: CallId, at: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "update calls set status = 'ENDED', ended_at = $2 where id = $1 and status = 'CONNECTED'",
        id as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
