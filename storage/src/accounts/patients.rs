//! Patients' profiles (connect-v2 §3.2).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{NewAccount, Role};
use crate::error::Result;
use crate::ids::UserId;

/// As the patient said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Sex {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Other.
    Other,
    /// Would rather not say.
    PreferNotToSay,
}

/// A patient with the account's own fields.
#[derive(Debug, Clone)]
pub struct Patient {
    /// The account's id.
    pub id: UserId,
    /// Null until set.
    pub full_name: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    /// In lower case.
    pub email: Option<String>,
    /// Whether the phone was proven.
    pub is_phone_verified: bool,
    /// Whether the account is switched on.
    pub is_active: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When somebody last signed in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// Years.
    pub age: Option<i32>,
    /// As the patient said.
    pub sex: Option<Sex>,
    /// Centimetres.
    pub height_cm: Option<f64>,
    /// Kilograms.
    pub weight_kg: Option<f64>,
    /// Which system avatar.
    pub avatar_id: String,
    /// The uploaded picture, which takes its place.
    pub avatar_file: Option<String>,
}

/// One patient.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: UserId) -> Result<Option<Patient>> {
    Ok(find_many(conn, &[id]).await?.pop())
}

/// These patients, in no order.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_many(conn: &mut PgConnection, ids: &[UserId]) -> Result<Vec<Patient>> {
    Ok(sqlx::query_as!(
        Patient,
        "select p.id, p.full_name, a.phone, a.email, a.is_phone_verified, a.is_active, a.created_at, a.last_login_at,
                p.age, p.sex, p.height_cm, p.weight_kg, p.avatar_id, p.avatar_file
         from patients p join accounts a on a.id = p.id
         where p.id = any($1)",
        ids as _
    )
    .fetch_all(conn)
    .await?)
}

/// Makes a patient from a proven phone.
///
/// # Errors
/// Conflict `accounts_phone_key` when somebody was first.
pub async fn insert(
    conn: &mut PgConnection,
    id: UserId,
    phone: &str,
    full_name: Option<&str>,
    avatar_id: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    let account = NewAccount { phone: Some(phone), is_phone_verified: true, ..NewAccount::default() };
    super::insert(conn, id, Role::Client, account, at).await?;
    sqlx::query!("insert into patients (id, full_name, avatar_id) values ($1, $2, $3)", id as _, full_name, avatar_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// What a patient may change (connect-v2 7): the whole new state of it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Null until set.
    pub full_name: Option<String>,
    /// Years.
    pub age: Option<i32>,
    /// As the patient said.
    pub sex: Option<Sex>,
    /// Centimetres.
    pub height_cm: Option<f64>,
    /// Kilograms.
    pub weight_kg: Option<f64>,
}

impl From<&Patient> for Profile {
    fn from(patient: &Patient) -> Self {
        Self {
            full_name: patient.full_name.clone(),
            age: patient.age,
            sex: patient.sex,
            height_cm: patient.height_cm,
            weight_kg: patient.weight_kg,
        }
    }
}

/// Writes the profile.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_profile(conn: &mut PgConnection, id: UserId, profile: &Profile) -> Result<()> {
    sqlx::query!(
        "update patients set full_name = $2, age = $3, sex = $4, height_cm = $5, weight_kg = $6 where id = $1",
        id as _,
        profile.full_name,
        profile.age,
        profile.sex as _,
        profile.height_cm,
        profile.weight_kg
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One patient, locked until the transaction ends, so that two changes at once both count.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: UserId) -> Result<Option<Patient>> {
    let locked = sqlx::query_scalar!("select id from patients where id = $1 for update", id as _)
        .fetch_optional(&mut *conn)
        .await?;
    match locked {
        Some(_) => find(conn, id).await,
        None => Ok(None),
    }
}

/// Sets the name of a patient who has none yet; answers whether it was so.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_first_name(conn: &mut PgConnection, id: UserId, full_name: &str) -> Result<bool> {
    let set =
        sqlx::query!("update patients set full_name = $2 where id = $1 and full_name is null", id as _, full_name)
            .execute(conn)
            .await?;
    Ok(set.rows_affected() > 0)
}

/// Sets the picture: an uploaded file, or with none the system's.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_avatar(conn: &mut PgConnection, id: UserId, avatar_id: &str, file: Option<&str>) -> Result<()> {
    sqlx::query!("update patients set avatar_id = $2, avatar_file = $3 where id = $1", id as _, avatar_id, file)
        .execute(conn)
        .await?;
    Ok(())
}

/// Which patients an admin asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Part of the name, any case, or of the phone.
    pub search: Option<&'a str>,
    /// Only those switched on, or off.
    pub is_active: Option<bool>,
    /// At most so many.
    pub limit: i64,
    /// After so many.
    pub offset: i64,
}

/// Patients, newest first, and how many match in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, wanted: &Wanted<'_>) -> Result<(Vec<Patient>, i64)> {
    let (ids, total) = match wanted.search {
        None => page_of_all(conn, wanted).await?,
        Some(text) => page_of_found(conn, &contains(text), wanted).await?,
    };
    let patients = sqlx::query_as!(
        Patient,
        "select p.id, p.full_name, a.phone, a.email, a.is_phone_verified, a.is_active, a.created_at, a.last_login_at,
                p.age, p.sex, p.height_cm, p.weight_kg, p.avatar_id, p.avatar_file
         from patients p join accounts a on a.id = p.id
         where p.id = any($1)
         order by a.created_at desc, a.id desc",
        &ids as _
    )
    .fetch_all(conn)
    .await?;
    Ok((patients, total))
}

/// A page past the end is one row that has the total alone.
async fn page_of_all(conn: &mut PgConnection, wanted: &Wanted<'_>) -> Result<(Vec<UserId>, i64)> {
    let rows = sqlx::query!(
        "select counted.total as \"total!\", page.id as \"id?: UserId\"
         from (select count(*) as total from accounts
               where role = 'client' and ($1::bool is null or is_active = $1)) counted
         left join lateral (
             select id from accounts
             where role = 'client' and ($1::bool is null or is_active = $1)
             order by created_at desc, id desc limit $2 offset $3
         ) page on true",
        wanted.is_active,
        wanted.limit,
        wanted.offset
    )
    .fetch_all(conn)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    Ok((rows.into_iter().filter_map(|row| row.id).collect(), total))
}

/// Names and phones are looked up each by its own index: together they are in none.
async fn page_of_found(conn: &mut PgConnection, pattern: &str, wanted: &Wanted<'_>) -> Result<(Vec<UserId>, i64)> {
    let rows =
        sqlx::query_file!("src/accounts/patients_search.sql", pattern, wanted.is_active, wanted.limit, wanted.offset)
            .fetch_all(conn)
            .await?;
    let total = rows.first().map_or(0, |row| row.total);
    Ok((rows.into_iter().filter_map(|row| row.id).collect(), total))
}

/// Whether there is such a patient.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn exists(conn: &mut PgConnection, id: UserId) -> Result<bool> {
    Ok(sqlx::query_scalar!("select exists (select from patients where id = $1) as \"is_there!\"", id as _)
        .fetch_one(conn)
        .await?)
}

/// A `like` pattern for texts that contain this one as it stands.
pub(crate) fn contains(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_searched_for_as_they_stand() {
        assert_eq!(contains("50%_\\"), "%50\\%\\_\\\\%");
    }
}
