//! One-time codes by SMS and the patients they sign in (connect-v2 1, 2; settled 14).

use chrono::TimeDelta;
use consilium_realtime::shared::counters::Limit;
use consilium_storage::accounts::{self, Role, codes, patients};
use consilium_storage::audit::{self, Entry};
use consilium_storage::ids::UserId;
use consilium_storage::tx::Tx;
use rand::Rng;

use super::sign_in::{self, TokenPair};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::http::address::Address;

/// One code in half a minute and five an hour for a phone, twenty an hour from an address.
const PHONE_SOON: Limit = Limit { count: 1, window: TimeDelta::seconds(30) };
const PHONE_HOUR: Limit = Limit { count: 5, window: TimeDelta::hours(1) };
const ADDRESS_HOUR: Limit = Limit { count: 20, window: TimeDelta::hours(1) };

/// Wrong codes until the code is dropped.
const TRIES: i32 = 5;

/// The picture of a patient who chose none.
pub const DEFAULT_AVATAR: &str = "av_01";

/// Makes a code and sends it, whether or not anybody has the phone.
///
/// # Errors
/// 429 `OTP_RATE_LIMITED`, 503 `SMS_UNAVAILABLE`.
pub async fn request(app: &App, phone: &str, platform: Option<&str>, from: Address) -> Result<()> {
    count(app, phone, from).await?;
    let code = format!("{:06}", rand::rng().random_range(0..1_000_000));
    let hash = app.tokens.keyed_hash(&["otp", phone, &code]);
    let now = app.now();
    codes::put(&mut *app.conn().await?, phone, &hash, now, now + app.config.ttl.otp).await?;
    app.codes.send(phone, &code, platform).await.map_err(|error| {
        tracing::warn!(%error, "a code was not sent");
        Error::Unavailable { code: Code::SmsUnavailable, detail: "The message could not be sent, try again" }
    })
}

/// Counts the request against every limit, also when one of them refuses it.
async fn count(app: &App, phone: &str, from: Address) -> Result<()> {
    let now = app.now();
    let mut limits = vec![(soon_key(phone), PHONE_SOON), (format!("otp:hour:{phone}"), PHONE_HOUR)];
    if app.config.production || !from.is_loopback() {
        limits.push((format!("otp:from:{}", from.limit_key()), ADDRESS_HOUR));
    }
    let mut wait = None;
    for (key, limit) in &limits {
        wait = wait.max(app.limits.hit(key, *limit, now).await.err());
    }
    match wait {
        None => Ok(()),
        Some(retry_after) => Err(Error::TooMany {
            code: Code::OtpRateLimited,
            detail: "Too many codes were requested, try again later",
            retry_after,
        }),
    }
}

fn soon_key(phone: &str) -> String {
    format!("otp:soon:{phone}")
}

/// Takes a code and starts a login of the phone's patient, who is made on the first one.
///
/// # Errors
/// 400 `OTP_INVALID` or `OTP_EXPIRED`, 403 `ACCOUNT_DISABLED`, 429 `OTP_ATTEMPTS_EXCEEDED`.
pub async fn verify(app: &App, phone: &str, code: &str, name: Option<&str>) -> Result<TokenPair> {
    let mut tx = app.begin().await?;
    if let Err(refusal) = consume(app, &mut tx, phone, code).await? {
        // The try that was counted stays counted.
        app.commit(tx).await?;
        return Err(refusal);
    }
    let patient = patient_of(&mut tx, phone, name).await?;
    // A switch-off (125) holds the patient's row, then the account's: they are taken in the same order here.
    let account = accounts::find_for_update(tx.conn(), patient).await?;
    if !account.is_some_and(|account| account.is_active) {
        app.commit(tx).await?;
        return Err(Error::Forbidden { code: Code::AccountDisabled, detail: "This account is switched off" });
    }
    let pair = sign_in::start(app, &mut tx, patient, Role::Client).await?;
    app.commit(tx).await?;
    metrics::counter!("consilium_sign_ins_total", "role" => "client", "outcome" => "done").increment(1);
    Ok(pair)
}

/// Takes the phone's code off, or says why not; the outer failure is Postgres', the inner one the caller's.
async fn consume(app: &App, tx: &mut Tx, phone: &str, code: &str) -> Result<Result<()>> {
    let now = tx.now();
    let wrong = || Error::Rule { code: Code::OtpInvalid, detail: "The code is wrong".to_owned() };
    let Some(pending) = codes::find_for_update(tx.conn(), phone).await? else { return Ok(Err(wrong())) };
    if pending.attempts >= TRIES {
        let retry_after = app.limits.check(&soon_key(phone), PHONE_SOON, now).await.err().unwrap_or(1);
        let detail = "Too many wrong codes, request a new one";
        return Ok(Err(Error::TooMany { code: Code::OtpAttemptsExceeded, detail, retry_after }));
    }
    if pending.expires_at <= now {
        let detail = "The code has expired, request a new one".to_owned();
        return Ok(Err(Error::Rule { code: Code::OtpExpired, detail }));
    }
    if app.tokens.keyed_hash(&["otp", phone, code]) != pending.code_hash {
        codes::count_attempt(tx.conn(), phone).await?;
        metrics::counter!("consilium_sign_ins_total", "role" => "client", "outcome" => "refused").increment(1);
        return Ok(Err(wrong()));
    }
    codes::remove(tx.conn(), phone).await?;
    Ok(Ok(()))
}

/// The phone's patient, made now if there is none; a name is taken where none stands yet.
async fn patient_of(tx: &mut Tx, phone: &str, name: Option<&str>) -> Result<UserId> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    let now = tx.now();
    if let Some(account) = accounts::find_by_phone(tx.conn(), phone).await? {
        if let Some(name) = name.filter(|_| account.is_active)
            && patients::set_first_name(tx.conn(), account.id, name).await?
        {
            note(tx, account.id, "user.update").await?;
        }
        return Ok(account.id);
    }
    let id = UserId::new();
    patients::insert(tx.conn(), id, phone, name, DEFAULT_AVATAR, now).await?;
    note(tx, id, "user.create").await?;
    Ok(id)
}

/// The patient's own doing, before there is a caller to say so.
async fn note(tx: &mut Tx, patient: UserId, action: &str) -> Result<()> {
    let (at, role, id) = (tx.now(), Role::Client.as_str(), Some(patient));
    let entry = Entry { at, actor: id, role, action, subject: id, session: None };
    Ok(audit::append(tx.conn(), entry).await?)
}
