//! Doctors: discovery, profile and presence signs (connect-v2 §3.3–3.6).

pub mod dashboard;
pub mod discovery;
pub mod favourites;
pub mod profile;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::accounts::{self, NewAccount, Role};
use crate::error::Result;
use crate::ids::UserId;

/// A doctor about to be made.
#[derive(Debug, Clone)]
pub struct NewDoctor {
    /// Sign-in name.
    pub email: String,
    /// Argon2id, in PHC form.
    pub password_hash: String,
    /// E.164.
    pub phone: Option<String>,
    /// With the title.
    pub full_name: String,
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
    /// Visible to patients.
    pub is_verified: bool,
    /// Reviews encounters.
    pub is_reviewer: bool,
}

/// What the fuzzy search compares with (connect-v2 12): name, speciality and degrees.
#[must_use]
pub fn search_text(full_name: &str, speciality: &str, degrees: &[String]) -> String {
    format!("{full_name} {speciality} {}", degrees.join(" ")).trim().to_lowercase()
}

/// Kebab-case of name and speciality (connect-v2 15).
#[must_use]
pub fn slug_base(full_name: &str, speciality: &str) -> String {
    let text = format!("{full_name} {speciality}").to_lowercase();
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// Makes a doctor with an account and an inbox; the slug is the first free one.
///
/// # Errors
/// Conflict `accounts_email_key`, `accounts_phone_key` or `doctors_registration_number_key` when one is taken.
pub async fn insert(conn: &mut PgConnection, id: UserId, new: &NewDoctor, at: DateTime<Utc>) -> Result<()> {
    let account = NewAccount {
        email: Some(&new.email),
        phone: new.phone.as_deref(),
        password_hash: Some(&new.password_hash),
        ..NewAccount::default()
    };
    accounts::insert(conn, id, Role::Doctor, account, at).await?;
    let slug = free_slug(conn, &slug_base(&new.full_name, &new.speciality_category)).await?;
    sqlx::query!(
        "insert into doctors (id, full_name, slug, speciality_category, degrees, years_experience, about_short,
                              languages, registration_number, rate_per_minute, chat_enabled, call_enabled,
                              is_featured, is_verified, is_reviewer, search_text)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        id as _,
        new.full_name,
        slug,
        new.speciality_category,
        &new.degrees,
        new.years_experience,
        new.about_short,
        &new.languages,
        new.registration_number,
        new.rate_per_minute,
        new.chat_enabled,
        new.call_enabled,
        new.is_featured,
        new.is_verified,
        new.is_reviewer,
        search_text(&new.full_name, &new.speciality_category, &new.degrees)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// `base`, or `base-2`, `base-3` …: the first that no doctor has. Two doctors made at once wait for each other here.
async fn free_slug(conn: &mut PgConnection, base: &str) -> Result<String> {
    sqlx::query!("select pg_advisory_xact_lock(4711, 2)").execute(&mut *conn).await?;
    let taken = sqlx::query_scalar!("select slug from doctors where slug = $1 or starts_with(slug, $1 || '-')", base)
        .fetch_all(conn)
        .await?;
    let mut slug = base.to_owned();
    let mut number = 2;
    while taken.contains(&slug) {
        slug = format!("{base}-{number}");
        number += 1;
    }
    Ok(slug)
}

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

/// Writes the last signs of life of these doctors; another node's newer one stands. Rows are held in id order, so that
/// nodes do not wait for each other in a circle.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_last_seen(conn: &mut PgConnection, seen: &[(UserId, DateTime<Utc>)]) -> Result<()> {
    let (ids, times): (Vec<UserId>, Vec<DateTime<Utc>>) = seen.iter().copied().unzip();
    sqlx::query!(
        "with seen as (
             select d.id, s.at from unnest($1::uuid[], $2::timestamptz[]) as s(id, at)
             join doctors d on d.id = s.id and (d.last_seen_at is null or d.last_seen_at < s.at)
             order by d.id for no key update of d
         )
         update doctors d set last_seen_at = greatest(d.last_seen_at, seen.at) from seen where d.id = seen.id",
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
