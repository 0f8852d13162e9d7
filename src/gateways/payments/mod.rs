//! Who takes patients' payments: the sandbox on a laptop, Cashfree PG for real (DESIGN §6).
//!
//! A provider says what became of an order in two ways, by a signed webhook and when it is asked; both are read into the
//! same [`Report`], and neither is believed about an amount that is not the order's.

mod calls;
pub mod cashfree;
pub mod sandbox;
pub mod webhook;

use chrono::{DateTime, Utc};
use consilium_storage::ids::{OrderId, UserId};
use consilium_storage::money::Paise;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub use calls::Policy;
pub use cashfree::Cashfree;
pub use sandbox::Sandbox;
pub use webhook::{Notice, WebhookError};

/// Why the provider did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// No answer, trouble, an answer that makes no sense, or not asked because it did not answer just now: whether it
    /// was done is not known.
    #[error("the payment provider cannot be reached: {0}")]
    Unreachable(&'static str),
    /// It answered no.
    #[error("the payment provider refused the call: {0}")]
    Refused(String),
    /// It does not know the order.
    #[error("the payment provider does not know the order")]
    Unknown,
}

/// An order to be opened at the provider.
#[derive(Debug, Clone, Copy)]
pub struct NewPayment<'a> {
    /// Its id, here and there.
    pub order_id: &'a OrderId,
    /// What is to be paid.
    pub amount: Paise,
    /// Who pays.
    pub customer: UserId,
    /// Their phone in E.164; one who came by mail has none.
    pub phone: Option<&'a str>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// What the provider says of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Somebody paid something.
    Paid(Paid),
    /// The attempts so far failed or were abandoned; another may follow.
    Failed,
    /// It takes no payment any more, and none is under way.
    Expired,
    /// Nothing is decided.
    Open,
}

/// A payment that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// What the provider thinks was ordered.
    pub order_amount: Amount,
    /// What was paid.
    pub payment_amount: Amount,
    /// Whether every currency it names is INR.
    pub in_rupees: bool,
    /// The provider's id of the payment.
    pub payment_id: Option<String>,
}

impl Paid {
    /// Whether exactly this was paid, and ordered as far as that is said.
    #[must_use]
    pub fn is(&self, amount: Paise) -> bool {
        let amount = Amount::Paise(amount);
        self.in_rupees && self.payment_amount == amount && [Amount::Absent, amount].contains(&self.order_amount)
    }
}

/// An amount as a provider writes it: a JSON number of rupees, read exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Amount {
    /// Not said.
    #[default]
    Absent,
    /// A whole number of paise.
    Paise(Paise),
    /// Something else.
    Unreadable,
}

impl Amount {
    /// The amount, where there is one.
    #[must_use]
    pub const fn paise(self) -> Option<Paise> {
        match self {
            Self::Paise(paise) => Some(paise),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        // Some versions of the provider's messages write numbers as texts.
        let text = raw.get().trim_matches('"');
        Ok(if text == "null" { Self::Absent } else { Paise::from_rupees(text).map_or(Self::Unreadable, Self::Paise) })
    }
}

/// The provider. Cheap to clone; all clones share one breaker.
#[derive(Clone)]
pub enum Payments {
    /// A page of this server plays the provider; never in production.
    Sandbox(Sandbox),
    /// Cashfree PG.
    Cashfree(Cashfree),
}

impl Payments {
    /// Its name, as orders remember it.
    #[must_use]
    pub const fn provider(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "sandbox",
            Self::Cashfree(_) => "cashfree",
        }
    }

    /// Opens an order; answers the session that the payer's app hands to the provider.
    ///
    /// # Errors
    /// See [`PaymentError`]. An order whose session nobody was given is never paid.
    pub async fn open(&self, new: NewPayment<'_>) -> Result<String, PaymentError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.open(new).await,
            Self::Cashfree(cashfree) => cashfree.open(new).await,
        }
    }

    /// Asks what became of an order.
    ///
    /// # Errors
    /// See [`PaymentError`].
    pub async fn look(&self, order_id: &OrderId) -> Result<Report, PaymentError> {
        match self {
            Self::Sandbox(sandbox) => sandbox.look(order_id).await,
            Self::Cashfree(cashfree) => cashfree.look(order_id).await,
        }
    }

    /// Verifies and reads a webhook (116): the two headers and the raw bytes.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub fn webhook(&self, timestamp: &[u8], signature: &[u8], body: &[u8]) -> Result<Notice, WebhookError> {
        webhook::read(self.secret().expose_secret(), timestamp, signature, body)
    }

    fn secret(&self) -> &SecretString {
        match self {
            Self::Sandbox(sandbox) => sandbox.secret(),
            Self::Cashfree(cashfree) => cashfree.secret(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn amount(json: &str) -> Amount {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn amounts_are_read_as_they_are_written() {
        assert_eq!(amount("500.10"), Amount::Paise(Paise(50_010)));
        assert_eq!(amount("\"500.10\""), Amount::Paise(Paise(50_010)));
        assert_eq!(amount("1e2"), Amount::Paise(Paise(10_000)));
        assert_eq!(amount("500.000000000000000001"), Amount::Unreadable, "a float would have taken it for 500");
        assert_eq!(amount("null"), Amount::Absent);
        assert_eq!(amount("{}"), Amount::Unreadable);
    }

    #[test]
    fn only_the_very_amount_is_the_amount() {
        let paid = |order: &str, payment: &str, in_rupees| Paid {
            order_amount: amount(order),
            payment_amount: amount(payment),
            in_rupees,
            payment_id: None,
        };
        let wanted = Paise(50_000);
        assert!(paid("500", "500.00", true).is(wanted));
        assert!(paid("null", "500.00", true).is(wanted));
        assert!(!paid("500", "499.99", true).is(wanted));
        assert!(!paid("500.01", "500", true).is(wanted));
        assert!(!paid("500", "500", false).is(wanted));
        assert!(!paid("500", "null", true).is(wanted), "what was ordered is not what was paid");
        assert!(!paid("null", "null", true).is(wanted));
        assert!(!paid("500", "\"lots\"", true).is(wanted));
    }
}
