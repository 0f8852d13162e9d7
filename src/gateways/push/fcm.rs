//! Firebase Cloud Messaging, HTTP v1.

use std::time::Duration;

use chrono::TimeDelta;
use consilium_storage::clock::Clock;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::google::{BadCredentials, ServiceAccount};
use super::{Message, NotSent};
use crate::gateways::breaker::Breaker;

/// How long FCM may take with one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a message may take with all that it waits for, a new token too: well within the lease of its job.
const LONGEST: Duration = Duration::from_secs(30);
/// More than any answer of it has.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Where FCM says that it is too much and not for how long.
const QUOTA_PAUSE: TimeDelta = TimeDelta::seconds(60);

/// A client of one project.
pub struct Fcm {
    http: reqwest::Client,
    url: String,
    account: ServiceAccount,
    clock: Clock,
    breaker: Breaker,
}

impl Fcm {
    pub(super) fn new(credentials: &SecretString, url: &str, clock: Clock) -> Result<Self, BadCredentials> {
        let account = ServiceAccount::new(credentials)?;
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        Ok(Self {
            // Without a client of its own settings the default one serves as well.
            http: client.unwrap_or_default(),
            url: format!("{}/v1/projects/{}/messages:send", url.trim_end_matches('/'), account.project),
            account,
            clock,
            breaker: Breaker::new(5, Duration::from_secs(10)),
        })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), NotSent> {
        if !self.breaker.admits(Instant::now()) {
            return Err(NotSent::TurnedAway);
        }
        let outcome = tokio::time::timeout(LONGEST, self.attempts(message)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Trouble::Down(away("no answer in time".to_owned()))));
        match outcome {
            Err(Trouble::Token) => self.breaker.failed(Instant::now()),
            Err(Trouble::Down(_)) => self.breaker.failed(Instant::now()),
            Ok(()) | Err(Trouble::Answer(_)) => self.breaker.succeeded(),
            // FCM was not asked.
            Err(Trouble::Late) => {}
        }
        outcome.map_err(|trouble| match trouble {
            Trouble::Token => away("status 401 with a new token".to_owned()),
            Trouble::Late => away("of no use any more when a token was there".to_owned()),
            Trouble::Down(not_sent) | Trouble::Answer(not_sent) => not_sent,
        })
    }

    async fn attempts(&self, message: &Message) -> Result<(), Trouble> {
        match self.attempt(message).await {
            // The token at hand was not good any more: with a new one, once.
            Err(Trouble::Token) => self.attempt(message).await,
            outcome => outcome,
        }
    }

    async fn attempt(&self, message: &Message) -> Result<(), Trouble> {
        let token = self.account.token(&self.http, self.clock.now()).await.map_err(|why| Trouble::Down(away(why)))?;
        // Android counts from when FCM has it, and the token may have been long in coming.
        let life = message.expires_at - self.clock.now();
        if life <= TimeDelta::zero() {
            return Err(Trouble::Late);
        }
        let request = self.http.post(&self.url).bearer_auth(token.expose_secret()).json(&envelope(message, life));
        let answer = request.send().await.map_err(|error| Trouble::Down(away(cause(&error))))?;
        let status = answer.status();
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let after = after.map(|seconds: i64| TimeDelta::seconds(seconds.clamp(0, 3600)));
        let body = body(answer).await.map_err(|why| Trouble::Down(away(why)))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            // Something between us and FCM answered, or FCM in a way that we do not know.
            let is_taken = body.get("name").is_some_and(Value::is_string);
            return if is_taken { Ok(()) } else { Err(Trouble::Down(away("an answer that is none".to_owned()))) };
        }
        let word = word_of(&body);
        // Where Apple does not take the key FCM has for it, a new token of ours mends nothing.
        if status == StatusCode::UNAUTHORIZED && word != APPLE {
            self.account.forget(&token).await;
            return Err(Trouble::Token);
        }
        Err(refusal(status, word, &body, after))
    }
}

const fn away(why: String) -> NotSent {
    NotSent::Away { why, after: None }
}

/// What became of an attempt, by what the breaker and the token have to do with it.
enum Trouble {
    /// The access token is not good.
    Token,
    /// FCM is away or in trouble.
    Down(NotSent),
    /// FCM answered.
    Answer(NotSent),
    /// By now the message is of no use any more.
    Late,
}

/// FCM's word for a key of Apple's that Apple does not take.
const APPLE: &str = "THIRD_PARTY_AUTH_ERROR";

/// How FCM begins to say of a token that it never was one, where it names no field (its page on error codes). Beside this
/// INVALID_ARGUMENT means that the message is wrong.
const NO_TOKEN: &str = "The registration token is not a valid FCM registration token";

/// The words of refusals that are kept; nothing else of what was answered is.
const WORDS: [&str; 10] = [
    "INVALID_ARGUMENT",
    "UNREGISTERED",
    "SENDER_ID_MISMATCH",
    "QUOTA_EXCEEDED",
    "UNAVAILABLE",
    "INTERNAL",
    APPLE,
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
];

/// The parts of a refusal's `details`.
fn details(body: &Value) -> impl Iterator<Item = &Value> {
    body.pointer("/error/details").and_then(Value::as_array).into_iter().flatten()
}

/// A refusal in FCM's word, else in Google's; empty where it is neither.
fn word_of(body: &Value) -> &'static str {
    let fcm = details(body).find_map(|detail| detail.get("errorCode")?.as_str());
    let code = fcm.or_else(|| body.pointer("/error/status")?.as_str());
    code.and_then(|code| WORDS.into_iter().find(|word| *word == code)).unwrap_or_default()
}

/// What a refusal means (the error codes of FCM's HTTP v1).
fn refusal(status: StatusCode, word: &'static str, body: &Value, after: Option<TimeDelta>) -> Trouble {
    let why = format!("status {} {word}", status.as_u16()).trim_end().to_owned();
    let mut violations = details(body).filter_map(|detail| detail.get("fieldViolations")?.as_array()).flatten();
    let names_token =
        violations.any(|violation| violation.get("field").and_then(Value::as_str) == Some("message.token"));
    let said = body.pointer("/error/message").and_then(Value::as_str);
    let is_no_token =
        names_token || (word == "INVALID_ARGUMENT" && said.is_some_and(|text| text.starts_with(NO_TOKEN)));
    match status {
        _ if word == "UNREGISTERED" => Trouble::Answer(NotSent::Unregistered),
        StatusCode::BAD_REQUEST if is_no_token => Trouble::Answer(NotSent::Unregistered),
        // One key of Apple's is no reason to turn other phones away.
        _ if word == APPLE => Trouble::Answer(NotSent::Away { why, after: Some(QUOTA_PAUSE) }),
        StatusCode::TOO_MANY_REQUESTS => Trouble::Answer(NotSent::Away { why, after: after.or(Some(QUOTA_PAUSE)) }),
        _ if status.is_server_error() => Trouble::Down(NotSent::Away { why, after }),
        _ => Trouble::Answer(NotSent::Refused(why)),
    }
}

/// The message as FCM takes it, of use for so long. Its life is the same for both kinds of phones, and in both a later one of its group takes
/// its place, before delivery and on the screen.
fn envelope(message: &Message, life: TimeDelta) -> Value {
    let (priority, apns_priority) = if message.is_urgent { ("HIGH", "10") } else { ("NORMAL", "5") };
    let group = message.group.as_deref();
    let notification = with(json!({"default_sound": message.is_urgent}), "tag", group);
    let ttl = format!("{}s", life.num_seconds());
    let android = with(json!({"priority": priority, "ttl": ttl, "notification": notification}), "collapse_key", group);
    let expiration = message.expires_at.timestamp().to_string();
    let headers =
        with(json!({"apns-priority": apns_priority, "apns-expiration": expiration}), "apns-collapse-id", group);
    let aps = if message.is_urgent { json!({"sound": "default"}) } else { json!({}) };
    json!({"message": {
        "token": message.token,
        "notification": {"title": message.title, "body": message.body},
        "data": message.data,
        "android": android,
        "apns": {"headers": headers, "payload": {"aps": aps}},
    }})
}

/// The object with one more field, where there is a value for it.
pub(super) fn with(mut object: Value, name: &str, value: Option<&str>) -> Value {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(name.to_owned(), value.into());
    }
    object
}

/// What failed, without the address it failed at.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the exchange broke off"
    };
    what.to_owned()
}

/// The body of an answer, as far as any real one goes.
pub(super) async fn body(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| cause(&error))? {
        if whole.len() + chunk.len() > ANSWER_LIMIT {
            return Err("an answer too long to be one".to_owned());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}
