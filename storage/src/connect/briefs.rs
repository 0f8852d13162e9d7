//! The little that a session's view needs of its doctor.

use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::UserId;

/// A doctor in one line.
#[derive(Debug, Clone)]
pub struct DoctorBrief {
    /// The doctor.
    pub id: UserId,
    /// Full name.
    pub full_name: String,
    /// Speciality.
    pub speciality_category: String,
    /// Uploaded picture.
    pub avatar_file: Option<String>,
    /// Paise per minute, today.
    pub rate_per_minute: i32,
    /// Whether patients can ask for the doctor: active and verified (settled 17).
    pub is_open: bool,
}

/// These doctors, in no order.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_many(conn: &mut PgConnection, ids: &[UserId]) -> Result<Vec<DoctorBrief>> {
    Ok(sqlx::query_as!(
        DoctorBrief,
        "select d.id, d.full_name, d.speciality_category, d.avatar_file, d.rate_per_minute,
                a.is_active and d.is_verified as \"is_open!\"
         from doctors d join accounts a on a.id = d.id where d.id = any($1)",
        ids as _
    )
    .fetch_all(conn)
    .await?)
}
