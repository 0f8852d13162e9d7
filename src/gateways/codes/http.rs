//! An HTTP SMS gateway: one JSON POST a message, to an address that may carry its credentials.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use super::NotSent;
use crate::gateways::breaker::Breaker;

const TIMEOUT: Duration = Duration::from_secs(5);
const TRIES: u32 = 2;
/// The longest wait before the second try.
const PAUSE: Duration = Duration::from_millis(300);
/// So many messages in a row that nobody answered for, and none is tried for so long.
const AWAY: (u32, Duration) = (5, Duration::from_secs(5));

/// The gateway behind one address.
#[derive(Clone)]
pub struct Gateway {
    url: SecretString,
    client: reqwest::Client,
    breaker: Arc<Breaker>,
}

#[derive(Serialize)]
struct Message<'a> {
    to: &'a str,
    body: &'a str,
    platform: Option<&'a str>,
}

impl Gateway {
    pub(super) fn new(url: SecretString) -> Result<Self, NotSent> {
        // A code goes where the operator said, and nowhere else.
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).build();
        let client = client.map_err(|error| NotSent(error.to_string()))?;
        Ok(Self { url, client, breaker: Arc::new(Breaker::new(AWAY.0, AWAY.1)) })
    }

    /// Tries twice when the gateway is away or in trouble; its refusal is final.
    pub(super) async fn send(&self, to: &str, body: &str, platform: Option<&str>) -> Result<(), NotSent> {
        if !self.breaker.admits(Instant::now()) {
            return Err(NotSent("not asked: it did not answer just now".to_owned()));
        }
        let mut reason = String::new();
        for tried in 0..TRIES {
            if tried > 0 {
                let pause = PAUSE.mul_f64(rand::rng().random_range(0.3..=1.0));
                tokio::time::sleep(pause).await;
            }
            let message = Message { to, body, platform };
            match self.client.post(self.url.expose_secret()).json(&message).send().await {
                Ok(answer) if answer.status().is_success() => {
                    self.breaker.succeeded();
                    return Ok(());
                }
                Ok(answer) if answer.status().is_client_error() => {
                    self.breaker.succeeded();
                    return Err(NotSent(format!("status {}", answer.status().as_u16())));
                }
                Ok(answer) => reason = format!("status {}", answer.status().as_u16()),
                // The address may hold credentials: an error is told without it.
                Err(error) => reason = error.without_url().to_string(),
            }
        }
        self.breaker.failed(Instant::now());
        Err(NotSent(reason))
    }
}
