//! Figures of patients and doctors (connect-v2 §3.18): one query each, over the rows themselves. The indexes that serve
//! them are in the migration of this slice, their plans in docs/performance.md.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{SessionId, UserId};
use crate::money::Paise;
use crate::states::session::Status;

/// The counters of a patient (92).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overview {
    /// ENDED sessions.
    pub sessions: i64,
    /// Doctors of those.
    pub doctors: i64,
    /// Follow-ups, of any status.
    pub followups: i64,
    /// Centimetres.
    pub height_cm: Option<f64>,
    /// Kilograms.
    pub weight_kg: Option<f64>,
}

/// The counters of a patient; none where there is no such patient.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn overview(conn: &mut PgConnection, patient: UserId) -> Result<Option<Overview>> {
    Ok(sqlx::query_as!(
        Overview,
        "select held.sessions as \"sessions!\", held.doctors as \"doctors!\", planned.count as \"followups!\",
                p.height_cm, p.weight_kg
         from patients p,
              (select count(*) as sessions, count(distinct doctor_id) as doctors
               from sessions where patient_id = $1 and status = 'ENDED') held,
              (select count(*) from followups where patient_id = $1) planned
         where p.id = $1",
        patient as _
    )
    .fetch_optional(conn)
    .await?)
}

/// A session in a patient's history (93).
#[derive(Debug, Clone)]
pub struct Visit {
    /// The session.
    pub id: SessionId,
    /// As clients see it: a request past its time is EXPIRED.
    pub status: Status,
    /// Health category.
    pub category: Option<String>,
    /// With whom.
    pub doctor_id: UserId,
    /// The doctor's name.
    pub doctor_name: String,
    /// The doctor's speciality.
    pub speciality_category: String,
    /// The doctor's uploaded picture.
    pub avatar_file: Option<String>,
    /// When asked for.
    pub created_at: DateTime<Utc>,
    /// When accepted.
    pub started_at: Option<DateTime<Utc>>,
    /// When over.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whole seconds.
    pub duration_seconds: Option<i32>,
    /// What it cost.
    pub amount: Option<Paise>,
    /// Whether there is a prescription.
    pub has_prescription: bool,
    /// Whether lab tests were ordered.
    pub has_lab_tests: bool,
    /// Whether a follow-up was ever proposed.
    pub has_followup: bool,
    /// What the patient thought of it.
    pub rating: Option<f64>,
}

/// A patient's sessions, newest first, and how many match in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_visits(
    conn: &mut PgConnection,
    patient: UserId,
    status: Option<Status>,
    (limit, offset): (i64, i64),
    now: DateTime<Utc>,
) -> Result<(Vec<Visit>, i64)> {
    let rows = sqlx::query_file!(
        "src/connect/analytics_sessions.sql",
        patient as _,
        now,
        status.map(Status::as_str),
        limit,
        offset
    )
    .fetch_all(conn)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    // A page past the end is one row that has the total alone.
    let visits = rows.into_iter().filter_map(|row| {
        Some(Visit {
            id: row.id?,
            status: row.status?,
            category: row.category,
            doctor_id: row.doctor_id?,
            doctor_name: row.full_name?,
            speciality_category: row.speciality_category?,
            avatar_file: row.avatar_file,
            created_at: row.created_at?,
            started_at: row.started_at,
            ended_at: row.ended_at,
            duration_seconds: row.duration_seconds,
            amount: row.amount,
            has_prescription: row.has_prescription,
            has_lab_tests: row.has_lab_tests,
            has_followup: row.has_followup,
            rating: row.rating,
        })
    });
    Ok((visits.collect(), total))
}

/// What a doctor did in a time (96).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Performance {
    /// Requests made in it.
    pub requests: i64,
    /// Those of them that were accepted.
    pub accepted: i64,
    /// Those of them that were refused.
    pub rejected: i64,
    /// Those of them that lapsed.
    pub missed: i64,
    /// Sessions that ended in it.
    pub completed: i64,
    /// How long those took together.
    pub seconds: i64,
    /// How many patients they were with.
    pub patients: i64,
    /// What they cost together.
    pub billed: Paise,
    /// Follow-ups proposed in it.
    pub followups: i64,
    /// Prescriptions first written in it.
    pub prescriptions: i64,
    /// Reviews written in it.
    pub reviews: i64,
    /// Their mean.
    pub rating: Option<f64>,
}

/// What a doctor did from `from` to `now`.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn performance(
    conn: &mut PgConnection,
    doctor: UserId,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Performance> {
    Ok(sqlx::query_file_as!(Performance, "src/connect/analytics_performance.sql", doctor as _, from, now)
        .fetch_one(conn)
        .await?)
}

/// From when on and until before when.
pub type Span = (DateTime<Utc>, DateTime<Utc>);

/// The totals of a doctor's reviews (97).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReviewTotals {
    /// How many.
    pub reviews: i64,
    /// Their mean.
    pub rating: Option<f64>,
    /// How many were replied to.
    pub replied: i64,
    /// How many say something.
    pub commented: i64,
}

/// The totals of a doctor's reviews.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn review_totals(conn: &mut PgConnection, doctor: UserId, (from, until): Span) -> Result<ReviewTotals> {
    Ok(sqlx::query_as!(
        ReviewTotals,
        "select count(*) as \"reviews!\", avg(rating) as rating, count(reply_text) as \"replied!\",
                count(*) filter (where comment ~ '\\S') as \"commented!\"
         from reviews where doctor_id = $1 and created_at >= $2 and created_at < $3",
        doctor as _,
        from,
        until
    )
    .fetch_one(conn)
    .await?)
}

/// The reviews of one bucket (98).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Which of the starts, from 1.
    pub number: i32,
    /// How many.
    pub reviews: i64,
    /// Their mean.
    pub rating: Option<f64>,
}

/// A doctor's reviews by the buckets that begin at these ascending times; empty buckets are left out.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn review_trend(
    conn: &mut PgConnection,
    doctor: UserId,
    (from, until): Span,
    starts: &[DateTime<Utc>],
) -> Result<Vec<Bucket>> {
    Ok(sqlx::query_as!(
        Bucket,
        "select width_bucket(created_at, $4::timestamptz[]) as \"number!\", count(*) as \"reviews!\",
                avg(rating) as rating
         from reviews where doctor_id = $1 and created_at >= $2 and created_at < $3 group by 1 order by 1",
        doctor as _,
        from,
        until,
        starts
    )
    .fetch_all(conn)
    .await?)
}

/// How many reviews have these stars (99).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stars {
    /// The whole part of the rating.
    pub stars: i32,
    /// How many.
    pub reviews: i64,
    /// Their ratings together.
    pub sum: f64,
}

/// A doctor's reviews by stars; those that nobody gave are left out.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn review_stars(conn: &mut PgConnection, doctor: UserId, (from, until): Span) -> Result<Vec<Stars>> {
    Ok(sqlx::query_as!(
        Stars,
        "select floor(rating)::integer as \"stars!\", count(*) as \"reviews!\", sum(rating) as \"sum!\"
         from reviews where doctor_id = $1 and created_at >= $2 and created_at < $3 group by 1",
        doctor as _,
        from,
        until
    )
    .fetch_all(conn)
    .await?)
}
