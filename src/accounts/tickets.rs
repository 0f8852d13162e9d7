//! Tickets (realtime.md §3, settled 5): signed, so that every node can read one; used up once, over all nodes where they
//! share a Redis. A node alone takes only its own: what it used up is forgotten when it ends.

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::accounts::Role;
use consilium_storage::ids::{LoginId, UserId};
use serde::{Deserialize, Serialize};

use super::caller::Account;
use crate::app::App;
use crate::error::Result;

/// Another issuer than that of access tokens: neither passes for the other.
const ISSUER: &str = "consilium-ticket";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    role: Role,
    sid: LoginId,
    jti: uuid::Uuid,
    /// When the ticket ends, in Unix milliseconds.
    exp: i64,
    /// When the access token it stands in for ends, in Unix seconds.
    end: i64,
    /// The only node that takes it, where nodes share nothing.
    node: Option<String>,
}

/// A ticket with the rights of this account.
///
/// # Errors
/// [`crate::error::Error::Internal`] when signing fails.
pub fn issue(app: &App, account: &Account, life: TimeDelta) -> Result<String> {
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: account.id,
        role: account.role,
        sid: account.login,
        jti: uuid::Uuid::new_v4(),
        exp: (app.now() + life).timestamp_millis(),
        end: account.expires_at.timestamp(),
        node: (!app.tickets.is_shared()).then(|| app.engine.node()),
    };
    app.tokens.sign(&claims)
}

/// Uses up a ticket: its rights, once and in time.
pub async fn redeem(app: &App, ticket: &str) -> Option<Account> {
    let now = app.now();
    let claims: Claims = app.tokens.open(ticket, ISSUER)?;
    let ends = DateTime::<Utc>::from_timestamp_millis(claims.exp)?;
    let is_ours = claims.node.is_none_or(|node| node == app.engine.node());
    if ends <= now || !is_ours || !app.tickets.use_up(&claims.jti.simple().to_string(), ends, now).await {
        return None;
    }
    let expires_at = DateTime::from_timestamp(claims.end, 0)?;
    Some(Account { id: claims.sub, role: claims.role, login: claims.sid, expires_at })
}
