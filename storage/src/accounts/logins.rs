//! Logins and their refresh tokens: opaque, hashed, rotated; an old one used again revokes the login (DESIGN §8).

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::Role;
use crate::error::Result;
use crate::ids::{LoginId, UserId};

/// How long a lost answer may be asked for again with the token that was rotated (settled 33).
pub const GRACE: TimeDelta = TimeDelta::seconds(10);

/// Starts a login and notes it on the account.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, id: LoginId, account: UserId, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "with login as (insert into logins (id, account_id, created_at) values ($1, $2, $3))
         update accounts set last_login_at = $3 where id = $2",
        id as _,
        account as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a refresh token by its hash. A hash that exists already (a successor given once more) is left as it is.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert_token(
    conn: &mut PgConnection,
    hash: &[u8],
    login: LoginId,
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into refresh_tokens (token_hash, login_id, created_at, expires_at) values ($1, $2, $3, $4)
         on conflict do nothing",
        hash,
        login as _,
        at,
        expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A refresh token with its login and account, locked.
#[derive(Debug, Clone)]
pub struct Presented {
    /// Its login.
    pub login_id: LoginId,
    /// The login's account.
    pub account_id: UserId,
    /// The account's role.
    pub role: Role,
    /// Whether the account is switched on.
    pub is_active: bool,
    /// When the login was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When the token runs out.
    pub expires_at: DateTime<Utc>,
    /// When it was rotated.
    pub used_at: Option<DateTime<Utc>>,
    /// When its successor was given a second time.
    pub regiven_at: Option<DateTime<Utc>>,
}

/// What a presented refresh token is worth (settled 33).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// Rotate it.
    Fresh,
    /// Its answer may have been lost: give the same successor once more.
    Again,
    /// Used before: revoke the login.
    Reused,
    /// Expired, or its login is revoked.
    Dead,
}

impl Presented {
    /// The rule of rotation.
    #[must_use]
    pub fn worth(&self, now: DateTime<Utc>) -> Worth {
        if self.revoked_at.is_some() || self.expires_at <= now {
            return Worth::Dead;
        }
        match self.used_at {
            None => Worth::Fresh,
            Some(used) if self.regiven_at.is_none() && now - used <= GRACE => Worth::Again,
            Some(_) => Worth::Reused,
        }
    }
}

/// The presented token, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_token(conn: &mut PgConnection, hash: &[u8]) -> Result<Option<Presented>> {
    Ok(sqlx::query_as!(
        Presented,
        "select t.login_id, l.account_id, a.role, a.is_active, l.revoked_at, t.expires_at, t.used_at, t.regiven_at
         from refresh_tokens t join logins l on l.id = t.login_id join accounts a on a.id = l.account_id
         where t.token_hash = $1
         for update of t",
        hash
    )
    .fetch_optional(conn)
    .await?)
}

/// Marks a token as rotated, or its successor as given once more.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_used(conn: &mut PgConnection, hash: &[u8], at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update refresh_tokens
         set regiven_at = case when used_at is null then regiven_at else $2 end, used_at = coalesce(used_at, $2)
         where token_hash = $1",
        hash,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Revokes a login. Answers whether it was alive.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn revoke(conn: &mut PgConnection, id: LoginId, reason: &str, at: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "update logins set revoked_at = $2, revoke_reason = $3 where id = $1 and revoked_at is null",
        id as _,
        at,
        reason
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Revokes every login of an account; answers those that were alive.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn revoke_all(
    conn: &mut PgConnection,
    account: UserId,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<Vec<LoginId>> {
    Ok(sqlx::query_scalar!(
        "update logins set revoked_at = $2, revoke_reason = $3 where account_id = $1 and revoked_at is null returning id",
        account as _,
        at,
        reason
    )
    .fetch_all(conn)
    .await?)
}

/// The logins that were revoked since this time: what a node asks for that may have missed the word on the bus.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_revoked_since(conn: &mut PgConnection, since: DateTime<Utc>) -> Result<Vec<LoginId>> {
    Ok(sqlx::query_scalar!("select id from logins where revoked_at >= $1", since).fetch_all(conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(used: Option<i64>, regiven: Option<i64>, revoked: bool) -> Presented {
        let at = |seconds: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds);
        Presented {
            login_id: LoginId::new(),
            account_id: UserId::new(),
            role: Role::Client,
            is_active: true,
            revoked_at: revoked.then(|| at(1)),
            expires_at: at(1000),
            used_at: used.map(at),
            regiven_at: regiven.map(at),
        }
    }

    #[test]
    fn worth_of_a_token() {
        let at = |seconds: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(token(None, None, false).worth(at(5)), Worth::Fresh);
        assert_eq!(token(None, None, true).worth(at(5)), Worth::Dead);
        assert_eq!(token(None, None, false).worth(at(1000)), Worth::Dead);
        assert_eq!(token(Some(10), None, false).worth(at(20)), Worth::Again);
        assert_eq!(token(Some(10), None, false).worth(at(21)), Worth::Reused);
        assert_eq!(token(Some(10), Some(12), false).worth(at(13)), Worth::Reused);
    }
}
