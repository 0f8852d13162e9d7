//! Starting, renewing and ending a login; the same for every role and family.

use consilium_storage as storage;
use consilium_storage::accounts::Role;
use consilium_storage::accounts::logins::{self, Worth};
use consilium_storage::audit;
use consilium_storage::ids::{LoginId, UserId};
use consilium_storage::tx::Tx;
use schemars::JsonSchema;
use serde::Serialize;

use super::tokens::{Tokens, token_hash};
use crate::app::App;
use crate::error::{Code, Error, Result};

/// A pair of tokens.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TokenPair {
    /// A JWT, 15 minutes.
    pub access_token: String,
    /// Opaque, 30 days, good once.
    pub refresh_token: String,
    /// `bearer`.
    pub token_type: &'static str,
}

/// Starts a login within the caller's transaction, which holds the account ([`storage::accounts::find_for_update`]) and has
/// seen that it is switched on.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn start(app: &App, tx: &mut Tx, account: UserId, role: Role) -> Result<TokenPair> {
    let now = tx.now();
    let login = LoginId::new();
    let refresh = Tokens::refresh();
    logins::insert(tx.conn(), login, account, now).await?;
    logins::insert_token(tx.conn(), &token_hash(&refresh), login, now, now + app.config.ttl.refresh_token).await?;
    pair(app, account, role, login, refresh)
}

/// Rotates a refresh token; an old one used again revokes the whole login and leaves a security event (settled 33).
///
/// # Errors
/// 401 `INVALID_REFRESH_TOKEN`, 403 `ACCOUNT_DISABLED`.
pub async fn refresh(app: &App, token: &str) -> Result<TokenPair> {
    let refused = || Error::Unauthenticated {
        code: Some(Code::InvalidRefreshToken),
        detail: "The refresh token is unknown, expired, revoked or was used before",
    };
    let mut tx = app.begin().await?;
    let now = tx.now();
    let hash = token_hash(token);
    let presented = logins::find_token(tx.conn(), &hash).await?.ok_or_else(refused)?;
    if !presented.is_active {
        return Err(Error::Forbidden { code: Code::AccountDisabled, detail: "This account is switched off" });
    }
    match presented.worth(now) {
        Worth::Fresh | Worth::Again => {
            let successor = app.tokens.successor(token);
            let life = app.config.ttl.refresh_token;
            logins::set_used(tx.conn(), &hash, now).await?;
            logins::insert_token(tx.conn(), &token_hash(&successor), presented.login_id, now, now + life).await?;
            let pair = pair(app, presented.account_id, presented.role, presented.login_id, successor)?;
            app.commit(tx).await?;
            Ok(pair)
        }
        Worth::Dead => Err(refused()),
        Worth::Reused => {
            logins::revoke(tx.conn(), presented.login_id, "refresh token reused", now).await?;
            let entry = audit::Entry {
                at: now,
                actor: Some(presented.account_id),
                role: presented.role.as_str(),
                action: "auth.refresh_reused",
                subject: Some(presented.account_id),
                session: None,
            };
            audit::append(tx.conn(), entry).await?;
            app.commit(tx).await?;
            app.engine.revoke(&[presented.login_id]);
            tracing::warn!(login.id = %presented.login_id, "a rotated refresh token was used again: login revoked");
            Err(refused())
        }
    }
}

/// Ends a login: its refresh tokens, its access token and its connections.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn end(app: &App, login: LoginId) -> Result<()> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    logins::revoke(tx.conn(), login, "logout", now).await?;
    app.commit(tx).await?;
    app.engine.revoke(&[login]);
    Ok(())
}

/// Ends every login of an account within the caller's transaction; the connections are closed by
/// [`consilium_realtime::Engine::revoke`] after the commit.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn end_all(tx: &mut Tx, account: UserId, reason: &str) -> storage::Result<Vec<LoginId>> {
    let now = tx.now();
    logins::revoke_all(tx.conn(), account, reason, now).await
}

fn pair(app: &App, account: UserId, role: Role, login: LoginId, refresh_token: String) -> Result<TokenPair> {
    let access_token = app.tokens.access(account, role, login, app.now(), app.config.ttl.access_token)?;
    Ok(TokenPair { access_token, refresh_token, token_type: "bearer" })
}
