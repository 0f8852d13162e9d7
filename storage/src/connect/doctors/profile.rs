//! One doctor in full (connect-v2 15, 16, 31–36).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::search_text;
use crate::accounts::patients::contains;
use crate::error::Result;
use crate::ids::UserId;

/// A doctor with the account's own fields.
#[derive(Debug, Clone)]
pub struct Doctor {
    /// The account's id.
    pub id: UserId,
    /// Sign-in name, in lower case.
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    /// Whether the account is switched on.
    pub is_active: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// With the title.
    pub full_name: String,
    /// In addresses; kept when the name changes.
    pub slug: String,
    /// Speciality.
    pub speciality_category: String,
    /// `MBBS`, `MD` …
    pub degrees: Vec<String>,
    /// Years.
    pub years_experience: i32,
    /// A few sentences.
    pub about_short: Option<String>,
    /// Spoken languages.
    pub languages: Vec<String>,
    /// Of the medical council.
    pub registration_number: Option<String>,
    /// Paise a minute.
    pub rate_per_minute: i32,
    /// Takes chats.
    pub chat_enabled: bool,
    /// Takes calls.
    pub call_enabled: bool,
    /// Shown first.
    pub is_featured: bool,
    /// Whether patients see the doctor (settled 17).
    pub is_verified: bool,
    /// Reviews encounters.
    pub is_reviewer: bool,
    /// The doctor's own switch.
    pub is_online: bool,
    /// Uploaded picture.
    pub avatar_file: Option<String>,
    /// Mean of all reviews, one decimal.
    pub rating: f64,
    /// How many reviews.
    pub review_count: i32,
    /// How many consultations were held.
    pub ended_count: i32,
}

impl Doctor {
    /// Whether patients see the doctor; one they do not see answers 404.
    #[must_use]
    pub const fn is_visible(&self) -> bool {
        self.is_active && self.is_verified
    }
}

/// Selects whole doctors with the given tail of a query.
macro_rules! select_doctors {
    ($tail:literal, $($bind:expr),+) => {
        sqlx::query_as!(
            Doctor,
            "select d.id, a.email, a.phone, a.is_active, a.created_at, d.full_name, d.slug, d.speciality_category,
                    d.degrees, d.years_experience, d.about_short, d.languages, d.registration_number,
                    d.rate_per_minute, d.chat_enabled, d.call_enabled, d.is_featured, d.is_verified, d.is_reviewer,
                    d.is_online, d.avatar_file, d.rating as \"rating!\", d.review_count, d.ended_count
             from doctors d join accounts a on a.id = d.id "
                + $tail,
            $($bind),+
        )
    };
}

/// One doctor, visible or not.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: UserId) -> Result<Option<Doctor>> {
    Ok(select_doctors!("where d.id = $1", id as _).fetch_optional(conn).await?)
}

/// Which doctors an admin asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Part of the name or the address, whatever the case of its letters.
    pub search: Option<&'a str>,
    /// Only those whom patients see, or only the others.
    pub is_visible: Option<bool>,
    /// At most so many.
    pub limit: i64,
    /// After so many.
    pub offset: i64,
}

/// Doctors by name, visible or not, and how many match in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted<'_>) -> Result<(Vec<Doctor>, i64)> {
    let pattern = wanted.search.map(contains);
    let total = sqlx::query_scalar!(
        "select count(*) as \"total!\" from doctors d join accounts a on a.id = d.id
         where ($1::text is null or d.full_name ilike $1 or a.email ilike $1)
           and ($2::bool is null or (a.is_active and d.is_verified) = $2)",
        pattern,
        wanted.is_visible
    )
    .fetch_one(&mut *conn)
    .await?;
    let doctors = select_doctors!(
        "where ($1::text is null or d.full_name ilike $1 or a.email ilike $1)
           and ($2::bool is null or (a.is_active and d.is_verified) = $2)
         order by lower(d.full_name), d.id limit $3 offset $4",
        pattern,
        wanted.is_visible,
        wanted.limit,
        wanted.offset
    )
    .fetch_all(conn)
    .await?;
    Ok((doctors, total))
}

/// One doctor by slug, visible or not.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<Doctor>> {
    Ok(select_doctors!("where d.slug = $1", slug).fetch_optional(conn).await?)
}

/// One doctor, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: UserId) -> Result<Option<Doctor>> {
    Ok(select_doctors!("where d.id = $1 for update", id as _).fetch_optional(conn).await?)
}

/// Writes what may be changed of a doctor, the account's address, phone and switch with it; the slug stays.
///
/// # Errors
/// Conflict `accounts_email_key` or `doctors_registration_number_key` when one is taken.
pub async fn update(conn: &mut PgConnection, doctor: &Doctor) -> Result<()> {
    sqlx::query!(
        "update accounts set email = lower($2), phone = $3, is_active = $4 where id = $1",
        doctor.id as _,
        doctor.email,
        doctor.phone,
        doctor.is_active
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update doctors
         set full_name = $2, speciality_category = $3, degrees = $4, years_experience = $5, about_short = $6,
             languages = $7, registration_number = $8, rate_per_minute = $9, chat_enabled = $10, call_enabled = $11,
             is_featured = $12, is_verified = $13, is_reviewer = $14, is_online = $15, search_text = $16
         where id = $1",
        doctor.id as _,
        doctor.full_name,
        doctor.speciality_category,
        &doctor.degrees,
        doctor.years_experience,
        doctor.about_short,
        &doctor.languages,
        doctor.registration_number,
        doctor.rate_per_minute,
        doctor.chat_enabled,
        doctor.call_enabled,
        doctor.is_featured,
        doctor.is_verified,
        doctor.is_reviewer,
        doctor.is_online,
        search_text(&doctor.full_name, &doctor.speciality_category, &doctor.degrees)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a new password.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_password(conn: &mut PgConnection, id: UserId, hash: &str) -> Result<()> {
    sqlx::query!("update accounts set password_hash = $2 where id = $1", id as _, hash).execute(conn).await?;
    Ok(())
}

/// Writes what the doctor takes; absent ones stay.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_channels(
    conn: &mut PgConnection,
    id: UserId,
    chat_enabled: Option<bool>,
    call_enabled: Option<bool>,
) -> Result<()> {
    sqlx::query!(
        "update doctors set chat_enabled = coalesce($2, chat_enabled), call_enabled = coalesce($3, call_enabled)
         where id = $1",
        id as _,
        chat_enabled,
        call_enabled
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the picture's name, or none; answers the former one, which may then be removed.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_avatar(conn: &mut PgConnection, id: UserId, file: Option<&str>) -> Result<Option<String>> {
    // The row is locked before it is read, so that of two uploads at once each removes what it replaced.
    let former = sqlx::query_scalar!("select avatar_file from doctors where id = $1 for update", id as _)
        .fetch_optional(&mut *conn)
        .await?;
    sqlx::query!("update doctors set avatar_file = $2 where id = $1", id as _, file).execute(conn).await?;
    Ok(former.flatten())
}
