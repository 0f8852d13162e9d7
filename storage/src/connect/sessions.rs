//! Consultations (connect-v2 §3.7): the row, its compare-and-set transitions, and the lists made from it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Actor, Party};
use crate::error::Result;
use crate::ids::{SessionId, UserId};
use crate::money::Paise;
use crate::states::{session::Status, video};

/// A consultation as it stands in the database.
#[derive(Clone)]
pub struct Session {
    /// Its id; the media room is named after it.
    pub id: SessionId,
    /// Who asked.
    pub patient_id: UserId,
    /// Who was asked.
    pub doctor_id: UserId,
    /// Where it stands; see [`Session::status_at`].
    pub status: Status,
    /// Health category.
    pub category: Option<String>,
    /// The patient's words.
    pub symptoms: Vec<String>,
    /// Present treatment.
    pub active_treatment: Option<String>,
    /// History.
    pub medical_history: Option<String>,
    /// Paise per minute, frozen when asked for.
    pub rate_per_minute: i32,
    /// When asked for.
    pub created_at: DateTime<Utc>,
    /// When the request lapses.
    pub expires_at: DateTime<Utc>,
    /// When accepted.
    pub started_at: Option<DateTime<Utc>>,
    /// When over.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who ended it.
    pub ended_by: Option<Actor>,
    /// Why.
    pub end_reason: Option<String>,
    /// The doctor's note.
    pub end_note: Option<String>,
    /// Whole seconds.
    pub duration_seconds: Option<i32>,
    /// Minutes begun.
    pub billed_minutes: Option<i32>,
    /// Minutes times rate.
    pub amount: Option<Paise>,
    /// What of it the wallet did not cover.
    pub amount_due: Option<Paise>,
    /// The patient's camera permission.
    pub video_state: video::State,
    /// How many offers were made.
    pub consent_round: i32,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Session {
    /// The status as clients see it: a request past its time is EXPIRED even before the sweep (connect-v2 41).
    #[must_use]
    pub fn status_at(&self, now: DateTime<Utc>) -> Status {
        if self.status == Status::Requested && self.expires_at <= now { Status::Expired } else { self.status }
    }

    /// The media room's name.
    #[must_use]
    pub fn room_name(&self) -> String {
        room_name(self.id)
    }

    /// Which party this user is, if any.
    #[must_use]
    pub fn party(&self, user: UserId) -> Option<Party> {
        if user == self.patient_id {
            Some(Party::Client)
        } else if user == self.doctor_id {
            Some(Party::Doctor)
        } else {
            None
        }
    }

    /// Both parties, the patient first.
    #[must_use]
    pub const fn parties(&self) -> [UserId; 2] {
        [self.patient_id, self.doctor_id]
    }
}

/// `cn-<session id>` (connect-v2 37).
#[must_use]
pub fn room_name(id: SessionId) -> String {
    format!("cn-{id}")
}

/// The session a media room belongs to.
#[must_use]
pub fn session_of_room(room: &str) -> Option<SessionId> {
    room.strip_prefix("cn-")?.parse().ok()
}

/// A request about to be written.
#[derive(Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Who asks.
    pub patient_id: UserId,
    /// Who is asked.
    pub doctor_id: UserId,
    /// Health category.
    pub category: Option<String>,
    /// The patient's words.
    pub symptoms: Vec<String>,
    /// Present treatment.
    pub active_treatment: Option<String>,
    /// History.
    pub medical_history: Option<String>,
    /// Paise per minute.
    pub rate_per_minute: i32,
    /// When asked for.
    pub created_at: DateTime<Utc>,
    /// When the request lapses.
    pub expires_at: DateTime<Utc>,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for NewSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSession").field("id", &self.id).field("doctor_id", &self.doctor_id).finish_non_exhaustive()
    }
}

/// Holds the rows of a doctor and a patient, the doctor's first, until the transaction ends. Whoever switches one of them
/// off (36, 125) locks that row `for update`, and the open requests after it: nothing of a session may be locked before this.
/// What is read of the two afterwards stands.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn hold_parties(conn: &mut PgConnection, doctor: UserId, patient: UserId) -> Result<()> {
    // The weakest lock that holds off `for update`, as the foreign keys of a session take it: neither the doctor's sign of
    // life nor another request waits for it.
    sqlx::query_scalar!(
        "select d.id from doctors d, patients p where d.id = $1 and p.id = $2 for key share",
        doctor as _,
        patient as _
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

/// Writes a request.
///
/// # Errors
/// Conflict `sessions_one_request` when the patient has an open request to this doctor.
pub async fn insert(conn: &mut PgConnection, new: &NewSession) -> Result<()> {
    sqlx::query!(
        "insert into sessions (id, patient_id, doctor_id, status, category, symptoms, active_treatment,
                               medical_history, rate_per_minute, created_at, expires_at, last_activity_at)
         values ($1, $2, $3, 'REQUESTED', $4, $5, $6, $7, $8, $9, $10, $9)",
        new.id as _,
        new.patient_id as _,
        new.doctor_id as _,
        new.category,
        &new.symptoms,
        new.active_treatment,
        new.medical_history,
        new.rate_per_minute,
        new.created_at,
        new.expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Selects whole sessions with the given tail of a query.
macro_rules! select_sessions {
    ($tail:literal $(, $bind:expr)*) => {
        sqlx::query_as!(
            Session,
            "select id, patient_id, doctor_id, status, category, symptoms, active_treatment, medical_history,
                    rate_per_minute, created_at, expires_at, started_at, ended_at, ended_by, end_reason, end_note,
                    duration_seconds, billed_minutes, amount, amount_due, video_state, consent_round
             from sessions " + $tail
            $(, $bind)*
        )
    };
}

mod life;

pub use life::{find_last_sign, take_idle, touch, touch_many, touch_of_users};

/// One session.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: SessionId) -> Result<Option<Session>> {
    Ok(select_sessions!("where id = $1", id as _).fetch_optional(conn).await?)
}

/// One session, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: SessionId) -> Result<Option<Session>> {
    Ok(select_sessions!("where id = $1 for update", id as _).fetch_optional(conn).await?)
}

/// One session, locked against change until the transaction ends, not against others who do the same.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_share(conn: &mut PgConnection, id: SessionId) -> Result<Option<Session>> {
    Ok(select_sessions!("where id = $1 for share", id as _).fetch_optional(conn).await?)
}

/// The statuses of these sessions, locked against change (not against each other's readers) in id order, so that a
/// message and the end of its session are ordered (DESIGN §3).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn statuses_for_share(conn: &mut PgConnection, ids: &[SessionId]) -> Result<Vec<(SessionId, Status)>> {
    let rows = sqlx::query!("select id, status from sessions where id = any($1) order by id for share", ids as _)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.status)).collect())
}

/// The patient's ONGOING session, if any.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_ongoing_of_patient(conn: &mut PgConnection, patient: UserId) -> Result<Option<SessionId>> {
    Ok(sqlx::query_scalar!("select id from sessions where patient_id = $1 and status = 'ONGOING'", patient as _)
        .fetch_optional(conn)
        .await?)
}

/// The patient's REQUESTED session with this doctor, expired or not, locked.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_request_for_update(
    conn: &mut PgConnection,
    patient: UserId,
    doctor: UserId,
) -> Result<Option<Session>> {
    Ok(select_sessions!(
        "where patient_id = $1 and doctor_id = $2 and status = 'REQUESTED' for update",
        patient as _,
        doctor as _
    )
    .fetch_optional(conn)
    .await?)
}

/// REQUESTED to ONGOING.
///
/// # Errors
/// Conflict `sessions_one_ongoing` while the patient is in another ONGOING session.
pub async fn set_accepted(conn: &mut PgConnection, id: SessionId, at: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "update sessions
         set status = 'ONGOING', started_at = $2, last_activity_at = $2, video_state = 'NOT_ALLOWED', consent_round = 0
         where id = $1 and status = 'REQUESTED'",
        id as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// REQUESTED to REJECTED, CANCELLED or EXPIRED. Answers whether the row was still REQUESTED.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_closed(conn: &mut PgConnection, id: SessionId, to: Status) -> Result<bool> {
    let done =
        sqlx::query!("update sessions set status = $2 where id = $1 and status = 'REQUESTED'", id as _, to.as_str())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// The values of an end (connect-v2 45).
#[derive(Clone)]
pub struct End {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
    /// The doctor's note.
    pub note: Option<String>,
    /// Whole seconds.
    pub duration_seconds: i32,
    /// Minutes begun.
    pub billed_minutes: i32,
    /// Minutes times rate.
    pub amount: Paise,
    /// What of it the wallet did not cover.
    pub amount_due: Paise,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("End").field("at", &self.at).field("by", &self.by).finish_non_exhaustive()
    }
}

/// ONGOING to ENDED, the camera permission back to NOT_ALLOWED, the doctor's count one up.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_ended(conn: &mut PgConnection, id: SessionId, end: &End) -> Result<bool> {
    let done = sqlx::query!(
        "with ended as (
             update sessions
             set status = 'ENDED', ended_at = $2, ended_by = $3, end_reason = $4, end_note = $5,
                 duration_seconds = $6, billed_minutes = $7, amount = $8, amount_due = $9, video_state = 'NOT_ALLOWED'
             where id = $1 and status = 'ONGOING'
             returning doctor_id
         )
         update doctors d set ended_count = ended_count + 1 from ended where d.id = ended.doctor_id",
        id as _,
        end.at,
        end.by as _,
        end.reason,
        end.note,
        end.duration_seconds,
        end.billed_minutes,
        end.amount as _,
        end.amount_due as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets the camera permission if it is still `from`.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_video_state(
    conn: &mut PgConnection,
    id: SessionId,
    from: video::State,
    to: video::State,
    consent_round: i32,
) -> Result<bool> {
    let done = sqlx::query!(
        "update sessions set video_state = $3, consent_round = $4 where id = $1 and video_state = $2",
        id as _,
        from.as_str(),
        to.as_str(),
        consent_round
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Open requests of a doctor that have not expired, oldest first (connect-v2 39).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_requests_for_doctor(
    conn: &mut PgConnection,
    doctor: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<Session>> {
    Ok(select_sessions!(
        "where doctor_id = $1 and status = 'REQUESTED' and expires_at > $2 order by created_at, id",
        doctor as _,
        now
    )
    .fetch_all(conn)
    .await?)
}

/// Open requests and running sessions of a user, newest first (connect-v2 38).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_active(conn: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<Vec<Session>> {
    Ok(select_sessions!(
        "where (patient_id = $1 or doctor_id = $1)
           and (status = 'ONGOING' or (status = 'REQUESTED' and expires_at > $2))
         order by created_at desc, id desc",
        user as _,
        now
    )
    .fetch_all(conn)
    .await?)
}

/// Up to `limit` requests past their time, locked, skipping those another node works on.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_expired(conn: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<Session>> {
    Ok(select_sessions!(
        "where status = 'REQUESTED' and expires_at <= $1 order by expires_at limit $2 for update skip locked",
        now,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// All REQUESTED sessions of a patient or doctor, locked (an account is switched off).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_requests_of(conn: &mut PgConnection, user: UserId) -> Result<Vec<Session>> {
    Ok(select_sessions!(
        "where (patient_id = $1 or doctor_id = $1) and status = 'REQUESTED' order by id for update",
        user as _
    )
    .fetch_all(conn)
    .await?)
}

/// The running sessions of every doctor, for presence at start.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_ongoing_pairs(conn: &mut PgConnection) -> Result<Vec<(UserId, SessionId)>> {
    let rows = sqlx::query!("select doctor_id, id from sessions where status = 'ONGOING'").fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.doctor_id, row.id)).collect())
}

/// The running sessions whose patients may use their camera or have a call open: what the media reconciler checks. So many
/// of them, in the order of their ids, from the one after this.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_with_open_calls(conn: &mut PgConnection, after: SessionId, limit: i64) -> Result<Vec<Session>> {
    Ok(select_sessions!(
        "where status = 'ONGOING' and id > $1
           and (video_state <> 'NOT_ALLOWED'
                or exists (select from calls c where c.session_id = sessions.id and c.status = 'CONNECTED')
                or exists (select from room_participants p where p.session_id = sessions.id))
         order by id limit $2",
        after as _,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// Patients with a requested or running session with one of these doctors, as pairs of doctor and patient: who hears
/// of a doctor's presence.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_patients_waiting_for(conn: &mut PgConnection, doctors: &[UserId]) -> Result<Vec<(UserId, UserId)>> {
    let rows = sqlx::query!(
        "select distinct doctor_id, patient_id from sessions
         where doctor_id = any($1) and status in ('REQUESTED', 'ONGOING')",
        doctors as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.doctor_id, row.patient_id)).collect())
}
