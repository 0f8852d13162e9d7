//! Recordings of consultations (connect-v2 §3.10). Whoever moves one holds the row of its session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::Actor;
use crate::error::Result;
use crate::files::{Area, Object};
use crate::ids::{RecordingId, SessionId};
use crate::states::recording::Status;

/// A recording as it stands in the database.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its id.
    pub id: RecordingId,
    /// The consultation.
    pub session_id: SessionId,
    /// Where it stands.
    pub status: Status,
    /// Who pressed the button.
    pub started_by: Actor,
    /// The file's name in the store.
    pub object_key: String,
    /// The recorder's own id; unknown until it answered.
    pub egress_id: Option<String>,
    /// When asked for.
    pub requested_at: DateTime<Utc>,
    /// When the recorder began.
    pub started_at: Option<DateTime<Utc>>,
    /// When stopped.
    pub stopped_at: Option<DateTime<Utc>>,
    /// When the recorder was last known to be at it.
    pub heard_at: DateTime<Utc>,
    /// Whole seconds, by the recorder.
    pub duration_seconds: Option<i32>,
    /// Size of the file.
    pub size_bytes: Option<i64>,
    /// Since when the recorder is known to be done with it.
    pub settled_at: Option<DateTime<Utc>>,
}

/// A recording as clients see it (connect-v2 §3.10); in events without its address.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecordingOut {
    /// Its id.
    pub id: RecordingId,
    /// The consultation.
    pub session_id: SessionId,
    /// Where it stands.
    pub status: Status,
    /// Who pressed the button.
    pub started_by: Actor,
    /// When the recorder began.
    pub started_at: DateTime<Utc>,
    /// When stopped.
    pub stopped_at: Option<DateTime<Utc>>,
    /// Whole seconds; null until READY.
    pub duration_seconds: Option<i32>,
    /// Size of the file; null until READY.
    pub size_bytes: Option<i64>,
    /// Where it is fetched, for ten minutes; null unless READY.
    pub download_url: Option<String>,
}

impl Recording {
    /// The file.
    #[must_use]
    pub fn object(&self) -> Object {
        Object::new(Area::Recordings, self.object_key.clone())
    }

    /// Whether both parties are recorded now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.status == Status::Recording
    }

    /// As clients see it, without an address.
    #[must_use]
    pub fn view(&self) -> RecordingOut {
        RecordingOut {
            id: self.id,
            session_id: self.session_id,
            status: self.status,
            started_by: self.started_by,
            started_at: self.started_at.unwrap_or(self.requested_at),
            stopped_at: self.stopped_at,
            duration_seconds: self.duration_seconds,
            size_bytes: self.size_bytes,
            download_url: None,
        }
    }
}

/// A recording about to be asked for.
#[derive(Debug, Clone)]
pub struct NewRecording {
    /// Its id.
    pub id: RecordingId,
    /// The consultation.
    pub session_id: SessionId,
    /// Who pressed the button.
    pub started_by: Actor,
    /// The file's name in the store.
    pub object_key: String,
    /// When.
    pub requested_at: DateTime<Utc>,
}

/// Writes a recording that is STARTING.
///
/// # Errors
/// Conflict `recordings_one_open` while the session has one that is STARTING or RECORDING.
pub async fn insert(conn: &mut PgConnection, new: &NewRecording) -> Result<()> {
    sqlx::query!(
        "insert into recordings (id, session_id, status, started_by, object_key, requested_at, heard_at)
         values ($1, $2, 'STARTING', $3, $4, $5, $5)",
        new.id as _,
        new.session_id as _,
        new.started_by as _,
        new.object_key,
        new.requested_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Selects whole recordings with the given tail of a query.
macro_rules! select_recordings {
    ($tail:literal $(, $bind:expr)*) => {
        sqlx::query_as!(
            Recording,
            "select id, session_id, status, started_by, object_key, egress_id, requested_at, started_at, stopped_at,
                    heard_at, duration_seconds, size_bytes, settled_at
             from recordings " + $tail
            $(, $bind)*
        )
    };
}

/// One recording.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: RecordingId) -> Result<Option<Recording>> {
    Ok(select_recordings!("where id = $1", id as _).fetch_optional(conn).await?)
}

/// The recording that the recorder calls so.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_by_egress(conn: &mut PgConnection, egress_id: &str) -> Result<Option<Recording>> {
    Ok(select_recordings!("where egress_id = $1", egress_id).fetch_optional(conn).await?)
}

/// The session's recording that is STARTING or RECORDING, if any.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_open(conn: &mut PgConnection, session: SessionId) -> Result<Option<Recording>> {
    Ok(select_recordings!("where session_id = $1 and status in ('STARTING', 'RECORDING')", session as _)
        .fetch_optional(conn)
        .await?)
}

/// The session's recordings as clients see them, newest first, and how many they are in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_of_session(
    conn: &mut PgConnection,
    session: SessionId,
    (limit, offset): (i64, i64),
) -> Result<(Vec<Recording>, i64)> {
    let total = sqlx::query_scalar!(
        "select count(*) as \"count!\" from recordings
         where session_id = $1 and status not in ('STARTING', 'DROPPED')",
        session as _
    )
    .fetch_one(&mut *conn)
    .await?;
    let found = select_recordings!(
        "where session_id = $1 and status not in ('STARTING', 'DROPPED')
         order by requested_at desc, id desc limit $2 offset $3",
        session as _,
        limit,
        offset
    )
    .fetch_all(conn)
    .await?;
    Ok((found, total))
}

/// Recordings of these states that the recorder may still be at; some of them where there are more, so that none waits
/// behind the same others again and again.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_unsettled(conn: &mut PgConnection, among: &[Status], limit: i64) -> Result<Vec<Recording>> {
    let among: Vec<String> = among.iter().map(|status| status.as_str().to_owned()).collect();
    Ok(select_recordings!("where settled_at is null and status = any($1) order by random() limit $2", &among, limit)
        .fetch_all(conn)
        .await?)
}

/// The recorder's ids of the session's recordings that are over for us and perhaps not for the recorder.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_to_halt(conn: &mut PgConnection, session: SessionId) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "select egress_id as \"egress_id!\" from recordings
         where session_id = $1 and settled_at is null and egress_id is not null
           and status not in ('STARTING', 'RECORDING')",
        session as _
    )
    .fetch_all(conn)
    .await?)
}

/// Writes what can change of a recording, if it still stands at `from`.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn save(conn: &mut PgConnection, recording: &Recording, from: Status) -> Result<bool> {
    let done = sqlx::query!(
        "update recordings
         set status = $3, egress_id = $4, started_at = $5, stopped_at = $6, heard_at = $7, duration_seconds = $8,
             size_bytes = $9, settled_at = $10
         where id = $1 and status = $2",
        recording.id as _,
        from.as_str(),
        recording.status.as_str(),
        recording.egress_id,
        recording.started_at,
        recording.stopped_at,
        recording.heard_at,
        recording.duration_seconds,
        recording.size_bytes,
        recording.settled_at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The recorder is at these. PROCESSING has its time from the stop on, and is not renewed.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_heard(conn: &mut PgConnection, ids: &[RecordingId], at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update recordings set heard_at = $2
         where id = any($1) and status in ('RECORDING', 'DROPPED', 'FAILED') and heard_at < $2",
        ids as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}
