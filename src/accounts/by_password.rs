//! Signing in with a password (connect-v2 3, 120): one text for every refusal, one length of time for every name.

use chrono::TimeDelta;
use consilium_realtime::shared::counters::Limit;
use consilium_storage::accounts::{self, Credentials, Role};

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
    let failures = Failures {
        by_name: format!("login:{}:{}", role.as_str(), name.to_lowercase()),
        by_address: format!("login:from:{}", from.limit_key()),
    };
    // Whoever is shut out does not stand in line.
    failures.check(app).await?;
    let found = accounts::find_by_name(&mut *app.conn().await?, role, name).await?;
    let turn = passwords::turn().await?;
    // A check that has begun comes to its end and is counted, also where nobody waits for the answer any more.
    let check = proven(app.clone(), failures.clone(), role, found, password, turn);
    let account = app.tracker.spawn(check).await.map_err(Error::internal)??;
    let mut tx = app.begin().await?;
    // The check took its time: a password or a switch that changed meanwhile ended the logins of before, not this one.
    let stands = accounts::find_for_update(tx.conn(), account.id).await?;
    let Some(account) = stands.filter(|stands| stands.password_hash == account.password_hash) else {
        drop(tx);
        return Err(failures.count(app, role).await);
    };
    if !account.is_active {
        return Err(Error::Forbidden { code: Code::AccountDisabled, detail: "This account is switched off" });
    }
    let pair = sign_in::start(app, &mut tx, account.id, role).await?;
    app.commit(tx).await?;
    metrics::counter!("consilium_sign_ins_total", "role" => role.as_str(), "outcome" => "done").increment(1);
    Ok(pair)
}

/// The account, where the password fits it, which is never counted. Failures are looked at again when the check's turn has
/// come, and one is counted before the turn is given on: of many tries at once only those that have their turn together can
/// go beyond the limit.
async fn proven(
    app: App,
    failures: Failures,
    role: Role,
    found: Option<Credentials>,
    password: String,
    turn: passwords::Turn,
) -> Result<Credentials> {
    failures.check(&app).await?;
    let hash = found.as_ref().and_then(|account| account.password_hash.clone());
    let fits = passwords::verify(&turn, password, hash).await?;
    match found.filter(|_| fits) {
        Some(account) => Ok(account),
        None => Err(failures.count(&app, role).await),
    }
}

/// Where failures are counted.
#[derive(Clone)]
struct Failures {
    by_name: String,
    by_address: String,
}

impl Failures {
    async fn check(&self, app: &App) -> Result<()> {
        let (by_name, by_address) = tokio::join!(
            app.limits.check(&self.by_name, FAILURES, app.now()),
            app.limits.check(&self.by_address, FAILURES, app.now())
        );
        by_name.and(by_address).map_err(too_many)
    }

    /// Counts one by both, and answers what it is refused with: one beyond the ten as those that come later.
    async fn count(&self, app: &App, role: Role) -> Error {
        metrics::counter!("consilium_sign_ins_total", "role" => role.as_str(), "outcome" => "refused").increment(1);
        let (by_name, by_address) = tokio::join!(
            app.limits.hit(&self.by_name, FAILURES, app.now()),
            app.limits.hit(&self.by_address, FAILURES, app.now())
        );
        match by_name.and(by_address) {
            Ok(()) => Error::Unauthenticated {
                code: Some(Code::InvalidCredentials),
                detail: "The name or the password is wrong",
            },
            Err(wait) => too_many(wait),
        }
    }
}

const fn too_many(retry_after: u64) -> Error {
    Error::TooMany { code: Code::LoginRateLimited, detail: "Too many failed sign-ins, try again later", retry_after }
}
