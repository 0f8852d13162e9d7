//! One-time codes by SMS: an HTTP gateway, or the development inbox.

mod http;

use consilium_storage::database::Pool;
use consilium_storage::dev_inbox::{self, NewItem};
use secrecy::SecretString;

use consilium_storage::clock::Clock;

/// The gateway refused or did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the SMS gateway did not take the message: {0}")]
pub struct NotSent(String);

/// Carries codes.
#[derive(Clone)]
pub enum Codes {
    /// The development inbox page; never in production.
    DevInbox(Pool, Clock),
    /// An HTTP gateway.
    Http(http::Gateway),
}

impl Codes {
    /// The carrier of an HTTP gateway's address.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn http(url: SecretString) -> Result<Self, NotSent> {
        Ok(Self::Http(http::Gateway::new(url)?))
    }

    /// Sends a code to a phone; `platform` chooses the sender id.
    ///
    /// # Errors
    /// [`NotSent`] when the gateway refuses or is away.
    pub async fn send(&self, phone: &str, code: &str, platform: Option<&str>) -> Result<(), NotSent> {
        let body = format!("{code} is your sign-in code. It is valid for 5 minutes.");
        match self {
            Self::DevInbox(pool, clock) => {
                let item = NewItem { channel: "sms", to: phone, body: &body, code: Some(code), ..NewItem::default() };
                let mut conn = pool.acquire().await.map_err(|error| NotSent(error.to_string()))?;
                dev_inbox::insert(&mut conn, item, clock.now()).await.map_err(|error| NotSent(error.to_string()))
            }
            Self::Http(gateway) => gateway.send(phone, &body, platform).await,
        }
    }
}
