//! Signing in with a password (connect-v2 3, 120): one text for every refusal, one length of time for every name.

use chrono::TimeDelta;
use consilium_realtime::shared::counters::Limit;
use consilium_storage::accounts::{self, Role};

use super::passwords;
use super::sign_in::{self, TokenPair};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::http::address::Address;

/// Failures per name, and per address.
const FAILURES: Limit = Limit { count: 10, window: TimeDelta::minutes(15) };

/// Starts a login of the account of this role with this e-mail address or user name.
///
/// # Errors
/// 401 `INVALID_CREDENTIALS`, 403 `ACCOUNT_DISABLED`, 429 `LOGIN_RATE_LIMITED`.
pub async fn sign_in(app: &App, role: Role, name: &str, password: String, from: Address) -> Result<TokenPair> {
    let now = app.now();
    let by_name = format!("login:{}:{}", role.as_str(), name.to_lowercase());
    let by_address = format!("login:from:{}", from.limit_key());
    // Counted before the password is looked at, and taken back when it fits: many tries at once are not let through.
    app.limits.hit(&by_name, FAILURES, now).await.map_err(too_many)?;
    if let Err(wait) = app.limits.hit(&by_address, FAILURES, now).await {
        app.limits.take_back(&by_name, FAILURES).await;
        return Err(too_many(wait));
    }
    let found = accounts::find_by_name(&mut *app.conn().await?, role, name).await?;
    let hash = found.as_ref().and_then(|account| account.password_hash.clone());
    let fits = passwords::verify(password, hash).await?;
    let Some(account) = found.filter(|_| fits) else {
        metrics::counter!("consilium_sign_ins_total", "role" => role.as_str(), "outcome" => "refused").increment(1);
        return Err(Error::Unauthenticated {
            code: Some(Code::InvalidCredentials),
            detail: "The name or the password is wrong",
        });
    };
    app.limits.take_back(&by_name, FAILURES).await;
    app.limits.take_back(&by_address, FAILURES).await;
    if !account.is_active {
        return Err(Error::Forbidden { code: Code::AccountDisabled, detail: "This account is switched off" });
    }
    let mut tx = app.begin().await?;
    let pair = sign_in::start(app, &mut tx, account.id, role).await?;
    app.commit(tx).await?;
    metrics::counter!("consilium_sign_ins_total", "role" => role.as_str(), "outcome" => "done").increment(1);
    Ok(pair)
}

const fn too_many(retry_after: u64) -> Error {
    Error::TooMany { code: Code::LoginRateLimited, detail: "Too many failed sign-ins, try again later", retry_after }
}
