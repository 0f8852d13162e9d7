//! Which patients keep a doctor, and which wait for one (connect-v2 23–25).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::discovery::Card;
use crate::error::Result;
use crate::ids::UserId;

/// Keeps a doctor; one kept already stays where it stands.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, patient: UserId, doctor: UserId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "insert into favourites (patient_id, doctor_id, created_at) values ($1, $2, $3) on conflict do nothing",
        patient as _,
        doctor as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a doctor go.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn delete(conn: &mut PgConnection, patient: UserId, doctor: UserId) -> Result<()> {
    sqlx::query!("delete from favourites where patient_id = $1 and doctor_id = $2", patient as _, doctor as _)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether the patient keeps the doctor.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn exists(conn: &mut PgConnection, patient: UserId, doctor: UserId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        "select exists (select from favourites where patient_id = $1 and doctor_id = $2) as \"kept!\"",
        patient as _,
        doctor as _
    )
    .fetch_one(conn)
    .await?)
}

/// The visible doctors that a patient keeps, the latest first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, patient: UserId, skip: i64, limit: i64) -> Result<Vec<Card>> {
    Ok(sqlx::query_as!(
        Card,
        "select d.id, d.full_name, d.slug, d.speciality_category, d.rating as \"rating!\", d.years_experience,
                d.rate_per_minute, d.avatar_file, d.chat_enabled, d.call_enabled, d.is_featured,
                true as \"is_favourite!\"
         from favourites f
         join doctors d on d.id = f.doctor_id and d.is_verified
         join accounts a on a.id = d.id and a.is_active
         where f.patient_id = $1
         order by f.created_at desc, d.id
         limit $2 offset $3",
        patient as _,
        limit,
        skip
    )
    .fetch_all(conn)
    .await?)
}

/// Notes that a patient wants to hear when the doctor is there; once per patient and doctor.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn watch(conn: &mut PgConnection, patient: UserId, doctor: UserId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "insert into availability_watches (patient_id, doctor_id, created_at) values ($1, $2, $3)
         on conflict do nothing",
        patient as _,
        doctor as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The doctors whom somebody waits for.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_watched(conn: &mut PgConnection) -> Result<Vec<UserId>> {
    Ok(sqlx::query_scalar!("select distinct doctor_id from availability_watches").fetch_all(conn).await?)
}

/// Those who wait for this doctor; they wait no longer.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_watchers(conn: &mut PgConnection, doctor: UserId) -> Result<Vec<UserId>> {
    Ok(sqlx::query_scalar!("delete from availability_watches where doctor_id = $1 returning patient_id", doctor as _)
        .fetch_all(conn)
        .await?)
}
