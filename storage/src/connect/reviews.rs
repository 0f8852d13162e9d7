//! Reviews of consultations and the doctors' replies (connect-v2 §3.5, §3.16): the reply stands in the review's row.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{ReviewId, SessionId, UserId};

/// A review as it stands in the database.
#[derive(Clone)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The consultation; it has at most one.
    pub session_id: SessionId,
    /// Who was reviewed.
    pub doctor_id: UserId,
    /// Who wrote it.
    pub patient_id: UserId,
    /// 1.0 to 5.0.
    pub rating: f64,
    /// The patient's words.
    pub comment: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The doctor's words.
    pub reply_text: Option<String>,
    /// When they were first said.
    pub reply_created_at: Option<DateTime<Utc>>,
    /// When they were last changed.
    pub reply_updated_at: Option<DateTime<Utc>>,
    /// Whether the consultation has a follow-up, of any state.
    pub has_followup: bool,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for Review {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Review").field("id", &self.id).field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// A doctor's reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The words; a reply is public.
    pub text: String,
    /// When first said.
    pub created_at: DateTime<Utc>,
    /// When last changed.
    pub updated_at: DateTime<Utc>,
}

impl Review {
    /// The reply, where there is one.
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
        Some(Reply {
            text: self.reply_text.clone()?,
            created_at: self.reply_created_at?,
            updated_at: self.reply_updated_at?,
        })
    }
}

/// A review about to be written.
#[derive(Clone)]
pub struct NewReview {
    /// Its id.
    pub id: ReviewId,
    /// The consultation.
    pub session_id: SessionId,
    /// Who is reviewed.
    pub doctor_id: UserId,
    /// Who reviews.
    pub patient_id: UserId,
    /// 1.0 to 5.0.
    pub rating: f64,
    /// The patient's words.
    pub comment: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for NewReview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewReview").field("id", &self.id).field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// Writes a review and counts it in the doctor's figures.
///
/// # Errors
/// Conflict `reviews_session_key` when the consultation has one.
pub async fn insert(conn: &mut PgConnection, new: &NewReview) -> Result<()> {
    sqlx::query!(
        "with review as (
             insert into reviews (id, session_id, doctor_id, patient_id, rating, comment, created_at)
             values ($1, $2, $3, $4, $5, $6, $7)
         )
         update doctors set rating_sum = rating_sum + $5, review_count = review_count + 1 where id = $3",
        new.id as _,
        new.session_id as _,
        new.doctor_id as _,
        new.patient_id as _,
        new.rating,
        new.comment,
        new.created_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Selects whole reviews with the given tail of a query.
macro_rules! select_reviews {
    ($tail:literal $(, $bind:expr)*) => {
        sqlx::query_as!(
            Review,
            "select id, session_id, doctor_id, patient_id, rating, comment, created_at, reply_text, reply_created_at,
                    reply_updated_at,
                    exists (select from followups f where f.session_id = r.session_id) as \"has_followup!\"
             from reviews r " + $tail
            $(, $bind)*
        )
    };
}

/// The review of a consultation.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_by_session(conn: &mut PgConnection, session: SessionId) -> Result<Option<Review>> {
    Ok(select_reviews!("where session_id = $1", session as _).fetch_optional(conn).await?)
}

/// One of a doctor's own reviews.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_of_doctor(conn: &mut PgConnection, id: ReviewId, doctor: UserId) -> Result<Option<Review>> {
    Ok(select_reviews!("where id = $1 and doctor_id = $2", id as _, doctor as _).fetch_optional(conn).await?)
}

/// One of a doctor's own reviews, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_of_doctor_for_update(
    conn: &mut PgConnection,
    id: ReviewId,
    doctor: UserId,
) -> Result<Option<Review>> {
    Ok(select_reviews!("where id = $1 and doctor_id = $2 for update", id as _, doctor as _)
        .fetch_optional(conn)
        .await?)
}

/// Writes the reply, or takes it away.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_reply(conn: &mut PgConnection, id: ReviewId, reply: Option<&Reply>) -> Result<()> {
    sqlx::query!(
        "update reviews set reply_text = $2, reply_created_at = $3, reply_updated_at = $4 where id = $1",
        id as _,
        reply.map(|reply| reply.text.as_str()),
        reply.map(|reply| reply.created_at),
        reply.map(|reply| reply.updated_at)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// In which order (connect-v2 26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    DateDown,
    /// Oldest first.
    DateUp,
    /// Best first, then newest.
    RatingDown,
    /// Worst first, then newest.
    RatingUp,
}

impl Order {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DateDown => "date_desc",
            Self::DateUp => "date_asc",
            Self::RatingDown => "rating_desc",
            Self::RatingUp => "rating_asc",
        }
    }
}

/// Which reviews of a doctor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// The whole part of the rating.
    pub rating: Option<i32>,
    /// Only those with, or without, a reply.
    pub has_reply: Option<bool>,
    /// At or after.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
}

/// A query over the reviews of doctor $1 that match the filter $2 to $5.
macro_rules! over_reviews {
    ($query:ident, $($record:ident,)? $select:literal, $tail:literal, $doctor:expr, $filter:expr $(, $bind:expr)*) => {
        sqlx::$query!(
            $($record,)?
            $select +
            " from reviews r
              where doctor_id = $1
                and ($2::integer is null or floor(rating) = $2)
                and ($3::boolean is null or (reply_text is not null) = $3)
                and ($4::timestamptz is null or created_at >= $4)
                and ($5::timestamptz is null or created_at < $5) "
            + $tail,
            $doctor as _,
            $filter.rating,
            $filter.has_reply,
            $filter.from,
            $filter.until
            $(, $bind)*
        )
    };
}

/// A doctor's reviews.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_of_doctor(
    conn: &mut PgConnection,
    doctor: UserId,
    filter: &Filter,
    order: Order,
    (limit, offset): (i64, i64),
) -> Result<Vec<Review>> {
    Ok(over_reviews!(
        query_as,
        Review,
        "select id, session_id, doctor_id, patient_id, rating, comment, created_at, reply_text, reply_created_at,
                reply_updated_at,
                exists (select from followups f where f.session_id = r.session_id) as \"has_followup!\"",
        "order by case $8::text when 'rating_desc' then rating end desc,
                  case $8 when 'rating_asc' then rating end,
                  case $8 when 'date_asc' then created_at end,
                  created_at desc, id desc
         limit $6 offset $7",
        doctor,
        filter,
        limit,
        offset,
        order.as_str()
    )
    .fetch_all(conn)
    .await?)
}

/// How many they are in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn count_of_doctor(conn: &mut PgConnection, doctor: UserId, filter: &Filter) -> Result<i64> {
    Ok(over_reviews!(query_scalar, "select count(*) as \"count!\"", "", doctor, filter).fetch_one(conn).await?)
}

/// The patient and doctor of a session that has no review, its row locked; none where it is reviewed or somebody else
/// holds it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_unreviewed_if_free(conn: &mut PgConnection, session: SessionId) -> Result<Option<(UserId, UserId)>> {
    let found = sqlx::query!(
        "select patient_id, doctor_id from sessions s
         where id = $1 and not exists (select from reviews r where r.session_id = s.id)
         for update skip locked",
        session as _
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| (row.patient_id, row.doctor_id)))
}
