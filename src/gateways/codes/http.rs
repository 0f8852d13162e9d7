//! An HTTP SMS gateway: one JSON POST a message, to an address that may carry its credentials.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::NotSent;

const TIMEOUT: Duration = Duration::from_secs(5);
const TRIES: u32 = 2;

/// The gateway behind one address.
#[derive(Clone)]
pub struct Gateway {
    url: SecretString,
    client: reqwest::Client,
}

#[derive(Serialize)]
struct Message<'a> {
    to: &'a str,
    body: &'a str,
    platform: Option<&'a str>,
}

impl Gateway {
    pub(super) fn new(url: SecretString) -> Result<Self, NotSent> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| NotSent(error.to_string()))?;
        Ok(Self { url, client })
    }

    /// Tries twice when the gateway is away or in trouble; its refusal is final.
    pub(super) async fn send(&self, to: &str, body: &str, platform: Option<&str>) -> Result<(), NotSent> {
        let mut reason = String::new();
        for _ in 0..TRIES {
            let message = Message { to, body, platform };
            match self.client.post(self.url.expose_secret()).json(&message).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) if answer.status().is_client_error() => {
                    return Err(NotSent(format!("status {}", answer.status().as_u16())));
                }
                Ok(answer) => reason = format!("status {}", answer.status().as_u16()),
                // The address may hold credentials: an error is told without it.
                Err(error) => reason = error.without_url().to_string(),
            }
        }
        Err(NotSent(reason))
    }
}
