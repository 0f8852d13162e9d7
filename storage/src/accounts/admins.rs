//! Platform admins (connect-v2 §3.23).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{NewAccount, Role};
use crate::error::Result;
use crate::ids::UserId;

/// An admin with the account's own fields.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The account's id.
    pub id: UserId,
    /// Sign-in name.
    pub username: Option<String>,
    /// The other sign-in name, in lower case.
    pub email: Option<String>,
    /// Full name.
    pub full_name: String,
    /// Whether the account is switched on.
    pub is_active: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

/// One admin.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: UserId) -> Result<Option<Admin>> {
    Ok(sqlx::query_as!(
        Admin,
        "select p.id, a.username, a.email, p.full_name, a.is_active, a.created_at
         from admins p join accounts a on a.id = p.id where p.id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Makes an admin with an account and an inbox.
///
/// # Errors
/// Conflict `accounts_username_key` when the name is taken.
pub async fn insert(
    conn: &mut PgConnection,
    id: UserId,
    username: &str,
    full_name: &str,
    password_hash: &str,
    at: DateTime<Utc>,
) -> Result<()> {
    let account = NewAccount { username: Some(username), password_hash: Some(password_hash), ..NewAccount::default() };
    super::insert(conn, id, Role::Admin, account, at).await?;
    sqlx::query!("insert into admins (id, full_name) values ($1, $2)", id as _, full_name).execute(conn).await?;
    Ok(())
}
