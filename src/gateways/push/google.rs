//! Access tokens for a Google service account (RFC 7523): a signed word of ours, exchanged for a token of an hour.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What the token may do.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// So long before its end a token is not used any more.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// How long a token is kept whose life was not said.
const SHORT: i64 = 300;

/// What is wrong with the credentials: for the operator, without a word of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCredentials(&'static str);

/// The file that Google gives for a service account.
#[derive(Deserialize)]
struct Key {
    project_id: String,
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default = "Key::token_uri")]
    token_uri: String,
}

impl Key {
    fn token_uri() -> String {
        "https://oauth2.googleapis.com/token".to_owned()
    }
}

/// A service account.
pub(super) struct ServiceAccount {
    /// Whose devices it rings.
    pub(super) project: String,
    email: String,
    key: RsaKeyPair,
    key_id: Option<String>,
    token_uri: String,
    /// Asked for by one at a time; the others wait for the answer.
    held: Mutex<Held>,
}

/// What the last question came to.
#[derive(Default)]
struct Held {
    token: Option<Token>,
    failed: Option<(Instant, String)>,
}

#[derive(Clone)]
struct Token {
    value: SecretString,
    until: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    expires_in: Option<i64>,
}

impl ServiceAccount {
    pub(super) fn new(credentials: &SecretString) -> Result<Self, BadCredentials> {
        let key: Key = serde_json::from_str(credentials.expose_secret())
            .map_err(|_| BadCredentials("is not the JSON file of a service account"))?;
        let pkcs8 = der(&key.private_key).ok_or(BadCredentials("its private_key is no PEM of a private key"))?;
        let pair =
            RsaKeyPair::from_pkcs8(&pkcs8).map_err(|_| BadCredentials("its private_key is no RSA key in PKCS#8"))?;
        let plain = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.:".contains(letter));
        if key.project_id.is_empty() || !plain(&key.project_id) {
            return Err(BadCredentials("its project_id is no project"));
        }
        Ok(Self {
            project: key.project_id,
            email: key.client_email,
            key: pair,
            key_id: key.private_key_id,
            token_uri: key.token_uri,
            held: Mutex::default(),
        })
    }

    /// A token that holds for another while: the one at hand, or a new one.
    pub(super) async fn token(&self, http: &reqwest::Client, now: DateTime<Utc>) -> Result<SecretString, String> {
        let since = Instant::now();
        let mut held = self.held.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| token.until > now) {
            return Ok(token.value.clone());
        }
        // Whoever waited while it was asked for in vain has its answer too.
        if let Some((_, why)) = held.failed.as_ref().filter(|(at, _)| *at >= since) {
            return Err(why.clone());
        }
        let granted = self.ask(http, now).await.inspect_err(|why| held.failed = Some((Instant::now(), why.clone())))?;
        let life = TimeDelta::seconds(granted.expires_in.unwrap_or(SHORT).clamp(0, 86_400));
        held.token = Some(Token { value: granted.access_token.clone(), until: now + life - MARGIN });
        Ok(granted.access_token)
    }

    /// Forgets a token that was refused, unless there is another one by now.
    pub(super) async fn forget(&self, refused: &SecretString) {
        let mut held = self.held.lock().await;
        if held.token.as_ref().is_some_and(|token| token.value.expose_secret() == refused.expose_secret()) {
            held.token = None;
        }
    }

    async fn ask(&self, http: &reqwest::Client, now: DateTime<Utc>) -> Result<Granted, String> {
        let assertion = self.assertion(now)?;
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = http
            .post(&self.token_uri)
            .header("content-type", "application/x-www-form-urlencoded")
            .timeout(Duration::from_secs(10))
            .body(body);
        let answer = request.send().await.map_err(|error| format!("token: {}", super::fcm::cause(&error)))?;
        let status = answer.status();
        let body = super::fcm::body(answer).await.map_err(|why| format!("token: {why}"))?;
        if !status.is_success() {
            return Err(format!("token: status {}", status.as_u16()));
        }
        serde_json::from_slice(&body).map_err(|_| "token: an answer that is none".to_owned())
    }

    /// `header.claims.signature`, valid for an hour.
    fn assertion(&self, now: DateTime<Utc>) -> Result<String, String> {
        let header = super::fcm::with(json!({"alg": "RS256", "typ": "JWT"}), "kid", self.key_id.as_deref());
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now.timestamp(),
            "exp": (now + TimeDelta::hours(1)).timestamp(),
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "token: the key does not sign".to_owned())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The bytes between the lines of a PEM.
fn der(pem: &str) -> Option<Vec<u8>> {
    let inner = pem.split_once("-----BEGIN PRIVATE KEY-----")?.1.split_once("-----END PRIVATE KEY-----")?.0;
    let text: String = inner.split_whitespace().collect();
    STANDARD.decode(text).ok()
}
