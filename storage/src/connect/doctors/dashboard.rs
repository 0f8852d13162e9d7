//! A doctor's own figures and sessions (connect-v2 18–20).

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{SessionId, UserId};
use crate::states::session::Status;

/// The head figures of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Accepted within the day.
    pub todays_sessions: i64,
    /// Running now.
    pub ongoing: i64,
    /// Open requests that have not lapsed.
    pub pending: i64,
    /// Requests that lapsed within the day.
    pub missed: i64,
}

/// No request waits longer than this, the setting is held to it: what happened within a day was asked for at most so long
/// before it.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::days(7);

/// The figures of the day from `start` to `end`, at `now`.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn figures(
    conn: &mut PgConnection,
    doctor: UserId,
    (start, end): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
) -> Result<Figures> {
    Ok(sqlx::query_as!(
        Figures,
        "select count(*) filter (where started_at >= $2 and started_at < $3) as \"todays_sessions!\",
                count(*) filter (where status = 'ONGOING') as \"ongoing!\",
                count(*) filter (where status = 'REQUESTED' and expires_at > $4) as \"pending!\",
                count(*) filter (where expires_at >= $2 and expires_at < $3
                    and (status = 'EXPIRED' or (status = 'REQUESTED' and expires_at <= $4))) as \"missed!\"
         from sessions
         where doctor_id = $1 and (created_at >= $5 or status in ('REQUESTED', 'ONGOING'))",
        doctor as _,
        start,
        end,
        now,
        start - LONGEST_WAIT
    )
    .fetch_one(conn)
    .await?)
}

/// A session as a line of the dashboard.
#[derive(Debug, Clone)]
pub struct Line {
    /// The session.
    pub id: SessionId,
    /// Whose.
    pub patient_id: UserId,
    /// As clients see it: a request past its time is EXPIRED.
    pub status: Status,
    /// Health category.
    pub category: Option<String>,
    /// The patient's words.
    pub symptoms: Vec<String>,
    /// When asked for.
    pub created_at: DateTime<Utc>,
    /// When accepted.
    pub started_at: Option<DateTime<Utc>>,
    /// When over.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whole seconds.
    pub duration_seconds: Option<i32>,
    /// Whether a follow-up was ever agreed or proposed.
    pub has_followup: bool,
    /// Whether there is a prescription.
    pub has_prescription: bool,
    /// Whether lab tests were ordered.
    pub has_lab_tests: bool,
    /// What the patient thought of it.
    pub rating: Option<f64>,
}

/// Which sessions of a doctor are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that clients see in this status.
    pub status: Option<Status>,
    /// Asked for at or after this.
    pub from: Option<DateTime<Utc>>,
    /// Asked for before this.
    pub until: Option<DateTime<Utc>>,
    /// Only those with, or without, a follow-up.
    pub has_followup: Option<bool>,
}

/// A query over the sessions of doctor $1 at $2 that match the filter $3 to $6.
macro_rules! over_sessions {
    ($query:ident, $($record:ident,)? $select:literal, $tail:literal, $doctor:expr, $filter:expr, $now:expr
     $(, $bind:expr)*) => {
        sqlx::$query!(
            $($record,)?
            $select +
            " from sessions s
              where doctor_id = $1
                and ($3::text is null
                     or case when status = 'REQUESTED' and expires_at <= $2 then 'EXPIRED' else status end = $3)
                and ($4::timestamptz is null or created_at >= $4)
                and ($5::timestamptz is null or created_at < $5)
                and ($6::boolean is null or exists (select from followups f where f.session_id = s.id) = $6) "
            + $tail,
            $doctor as _,
            $now,
            $filter.status.map(Status::as_str),
            $filter.from,
            $filter.until,
            $filter.has_followup
            $(, $bind)*
        )
    };
}

/// A doctor's sessions, newest first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(
    conn: &mut PgConnection,
    doctor: UserId,
    filter: &Filter,
    (skip, limit): (i64, i64),
    now: DateTime<Utc>,
) -> Result<Vec<Line>> {
    Ok(over_sessions!(
        query_as,
        Line,
        "select id, patient_id, category, symptoms, created_at, started_at, ended_at, duration_seconds,
                case when status = 'REQUESTED' and expires_at <= $2 then 'EXPIRED' else status end as \"status!: Status\",
                exists (select from followups f where f.session_id = s.id) as \"has_followup!\",
                exists (select from prescriptions p where p.session_id = s.id) as \"has_prescription!\",
                exists (select from lab_test_orders l where l.session_id = s.id) as \"has_lab_tests!\",
                (select rating from reviews r where r.session_id = s.id) as rating",
        "order by created_at desc, id desc limit $7 offset $8",
        doctor,
        filter,
        now,
        limit,
        skip
    )
    .fetch_all(conn)
    .await?)
}

/// How many they are in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn count(conn: &mut PgConnection, doctor: UserId, filter: &Filter, now: DateTime<Utc>) -> Result<i64> {
    Ok(over_sessions!(query_scalar, "select count(*) as \"count!\"", "", doctor, filter, now).fetch_one(conn).await?)
}
