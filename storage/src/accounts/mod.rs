//! Accounts, their credentials and profiles (v1-common A3).

pub mod admins;
pub mod codes;
pub mod logins;
pub mod patients;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{LoginId, UserId};

/// The platform role of an account, as in the token's `role` claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    /// A patient.
    Client,
    /// A doctor.
    Doctor,
    /// A platform admin.
    Admin,
    /// Organization staff without any of these.
    Member,
}

impl Role {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Doctor => "doctor",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// What signing in needs of an account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub id: UserId,
    /// Its role.
    pub role: Role,
    /// Argon2id, in PHC form; none where the account signs in by code.
    pub password_hash: Option<String>,
    /// Whether an admin switched it off.
    pub is_active: bool,
}

/// The account of this role with this e-mail address (compared in lower case) or user name.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_by_name(conn: &mut PgConnection, role: Role, name: &str) -> Result<Option<Credentials>> {
    Ok(sqlx::query_as!(
        Credentials,
        "select id, role, password_hash, is_active from accounts
         where role = $1 and (email = lower($2) or username = $2)",
        role.as_str(),
        name
    )
    .fetch_optional(conn)
    .await?)
}

/// The patient's account with this phone; a doctor's phone is no sign-in name.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_by_phone(conn: &mut PgConnection, phone: &str) -> Result<Option<Credentials>> {
    Ok(sqlx::query_as!(
        Credentials,
        "select id, role, password_hash, is_active from accounts where phone = $1 and role = 'client'",
        phone
    )
    .fetch_optional(conn)
    .await?)
}

/// The account with this id.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: UserId) -> Result<Option<Credentials>> {
    Ok(sqlx::query_as!(Credentials, "select id, role, password_hash, is_active from accounts where id = $1", id as _)
        .fetch_optional(conn)
        .await?)
}

/// As [`find`], locked until the transaction ends against a new password and against being switched off. Whoever holds the
/// profile's row too (36, 125) has locked that first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: UserId) -> Result<Option<Credentials>> {
    // No shared lock: two sign-ins at once, which both note their time on the row, would wait for each other in a circle.
    Ok(sqlx::query_as!(
        Credentials,
        "select id, role, password_hash, is_active from accounts where id = $1 for no key update",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// An account about to be made; its inbox is made with it.
#[derive(Debug, Clone, Default)]
pub struct NewAccount<'a> {
    /// E-mail address; stored in lower case.
    pub email: Option<&'a str>,
    /// E.164.
    pub phone: Option<&'a str>,
    /// Of an admin.
    pub username: Option<&'a str>,
    /// Argon2id, in PHC form.
    pub password_hash: Option<&'a str>,
    /// The phone was proven by a code.
    pub is_phone_verified: bool,
}

/// Makes an account and its empty inbox.
///
/// # Errors
/// Conflict `accounts_email_key`, `accounts_phone_key` or `accounts_username_key` when the name is taken.
pub async fn insert(
    conn: &mut PgConnection,
    id: UserId,
    role: Role,
    new: NewAccount<'_>,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into accounts (id, role, email, phone, username, password_hash, is_phone_verified, created_at)
         values ($1, $2, lower($3), $4, $5, $6, $7, $8)",
        id as _,
        role.as_str(),
        new.email,
        new.phone,
        new.username,
        new.password_hash,
        new.is_phone_verified,
        at
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("insert into inboxes (user_id, head, last_at) values ($1, 0, $2)", id as _, at).execute(conn).await?;
    Ok(())
}

/// What an access token's bearer may do right now.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The account's role.
    pub role: Role,
    /// Whether the account is switched on.
    pub is_active: bool,
    /// Whether the login was revoked.
    pub is_revoked: bool,
}

/// The standings of these logins of these accounts, in their order; none where no such login is. By primary key, at
/// every request, so that a logout takes effect on the next one; many requests share the query.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn standings(conn: &mut PgConnection, wanted: &[(LoginId, UserId)]) -> Result<Vec<Option<Standing>>> {
    let (logins, ids): (Vec<LoginId>, Vec<UserId>) = wanted.iter().copied().unzip();
    let rows = sqlx::query!(
        "select w.ask as \"ask!\", a.role as \"role: Role\", a.is_active, l.revoked_at is not null as \"is_revoked!\"
         from unnest($1::uuid[], $2::uuid[]) with ordinality as w(login_id, account_id, ask)
         join logins l on l.id = w.login_id and l.account_id = w.account_id
         join accounts a on a.id = l.account_id",
        &logins as _,
        &ids as _
    )
    .fetch_all(conn)
    .await?;
    let mut standings = vec![None; wanted.len()];
    for row in rows {
        // Ordinality counts from 1.
        let index = usize::try_from(row.ask - 1).unwrap_or(usize::MAX);
        if let Some(standing) = standings.get_mut(index) {
            *standing = Some(Standing { role: row.role, is_active: row.is_active, is_revoked: row.is_revoked });
        }
    }
    Ok(standings)
}

/// Sets or clears the e-mail address.
///
/// # Errors
/// Conflict `accounts_email_key` when somebody else has it.
pub async fn set_email(conn: &mut PgConnection, id: UserId, email: Option<&str>) -> Result<()> {
    sqlx::query!("update accounts set email = lower($2) where id = $1", id as _, email).execute(conn).await?;
    Ok(())
}

/// Switches an account on or off. Answers whether it was the other way.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_active(conn: &mut PgConnection, id: UserId, active: bool) -> Result<bool> {
    let done = sqlx::query!("update accounts set is_active = $2 where id = $1 and is_active <> $2", id as _, active)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn standings_are_of_this_login_of_this_account() {
        let database = testing::database().await;
        let pool = crate::database::connect(&database.options, 1).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let (now, patient, admin) = (crate::clock::Clock::system().now(), UserId::new(), UserId::new());
        let [good, revoked, of_admin] = [(); 3].map(|()| LoginId::new());
        insert(&mut conn, patient, Role::Client, NewAccount::default(), now).await.unwrap();
        insert(&mut conn, admin, Role::Admin, NewAccount::default(), now).await.unwrap();
        for (login, account) in [(good, patient), (revoked, patient), (of_admin, admin)] {
            logins::insert(&mut conn, login, account, now).await.unwrap();
        }
        logins::revoke(&mut conn, revoked, "logout", now).await.unwrap();
        set_active(&mut conn, admin, false).await.unwrap();
        let wanted = [
            (of_admin, admin),
            (good, patient),
            (LoginId::new(), patient),
            (revoked, patient),
            (good, admin),
            (good, patient),
        ];
        let found = standings(&mut conn, &wanted).await.unwrap();
        let found: Vec<_> =
            found.iter().map(|found| found.map(|found| (found.role, found.is_active, found.is_revoked))).collect();
        let well = Some((Role::Client, true, false));
        let expected = [Some((Role::Admin, false, false)), well, None, Some((Role::Client, true, true)), None, well];
        assert_eq!(found, expected);
        assert!(standings(&mut conn, &[]).await.unwrap().is_empty());
    }
}
