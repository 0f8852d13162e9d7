//! Push messages to devices: FCM, or the development inbox.

mod fcm;
mod google;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::clock::Clock;
use consilium_storage::database::Pool;
use consilium_storage::dev_inbox::{self, NewItem};
use secrecy::SecretString;

pub use google::BadCredentials;

/// One message to one device.
#[derive(Clone)]
pub struct Message {
    /// The provider's registration token.
    pub token: String,
    /// What the phone shows.
    pub title: &'static str,
    /// And below it.
    pub body: &'static str,
    /// What the app gets: names and ids.
    pub data: BTreeMap<String, String>,
    /// A later message of the same word replaces it.
    pub group: Option<String>,
    /// Whether somebody waits for it.
    pub is_urgent: bool,
    /// Of no use afterwards: no provider may keep it longer.
    pub expires_at: DateTime<Utc>,
}

// A token rings somebody's phone: it stays out of logs.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("title", &self.title)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why a message did not go out. None of the words holds a token, a text or a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The provider does not know the token, or not any more: the device is to be let go.
    #[error("the token is not registered")]
    Unregistered,
    /// The provider will not take this message, however often it is sent.
    #[error("refused: {0}")]
    Refused(String),
    /// The provider is away or in trouble: again later, not before the time it named.
    #[error("not taken: {why}")]
    Away {
        /// In a few words.
        why: String,
        /// When it wants to be asked again.
        after: Option<TimeDelta>,
    },
    /// Not tried: the provider has been away lately.
    #[error("turned away while the provider is away")]
    TurnedAway,
}

/// Carries push messages.
pub enum Push {
    /// Nothing rings: production without a provider.
    Off,
    /// The development inbox page; never in production.
    DevInbox(Pool, Clock),
    /// Firebase Cloud Messaging.
    Fcm(Box<fcm::Fcm>),
}

impl Push {
    /// The carrier of a service account's credentials, as JSON.
    ///
    /// # Errors
    /// What the credentials lack.
    pub fn fcm(credentials: &SecretString, url: &str, clock: Clock) -> Result<Self, BadCredentials> {
        Ok(Self::Fcm(Box::new(fcm::Fcm::new(credentials, url, clock)?)))
    }

    /// Whether there is anything that rings.
    #[must_use]
    pub const fn rings(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`NotSent`], by what is to be done about it.
    pub async fn send(&self, message: &Message) -> Result<(), NotSent> {
        match self {
            Self::Off => Err(NotSent::Refused("no push provider is configured".to_owned())),
            Self::DevInbox(pool, clock) => {
                let item = NewItem {
                    channel: "push",
                    to: &message.token,
                    subject: Some(message.title),
                    body: message.body,
                    data: serde_json::to_value(&message.data).ok(),
                    ..NewItem::default()
                };
                let away = |why: String| NotSent::Away { why, after: None };
                let mut conn = pool.acquire().await.map_err(|error| away(error.to_string()))?;
                dev_inbox::insert(&mut conn, item, clock.now()).await.map_err(|error| away(error.to_string()))
            }
            Self::Fcm(fcm) => fcm.send(message).await,
        }
    }
}
