//! A page of this server plays the provider (settled 21): what is decided there is what asking shows afterwards, and
//! goes out as the same signed webhook that Cashfree sends. Orders are kept in the database, so that all nodes and the
//! next start know them.

use std::time::Duration;

use chrono::SecondsFormat;
use consilium_storage as storage;
use consilium_storage::clock::Clock;
use consilium_storage::connect::sandbox::{self, Outcome, Payment};
use consilium_storage::database::Pool;
use consilium_storage::ids::OrderId;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Amount, NewPayment, Paid, PaymentError, Report, webhook};

/// Everybody may know it: the sandbox moves no money.
const SECRET: &str = "sandbox-secret";

/// How long the webhook may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The sandbox.
#[derive(Clone)]
pub struct Sandbox {
    pool: Pool,
    clock: Clock,
    webhook_url: String,
    secret: SecretString,
    client: reqwest::Client,
}

impl Sandbox {
    /// A sandbox that sends its webhooks to this address.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(pool: Pool, clock: Clock, webhook_url: String) -> Result<Self, PaymentError> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let client = client.map_err(|error| PaymentError::Refused(error.to_string()))?;
        Ok(Self { pool, clock, webhook_url, secret: SECRET.into(), client })
    }

    pub(super) const fn secret(&self) -> &SecretString {
        &self.secret
    }

    pub(super) async fn open(&self, new: NewPayment<'_>) -> Result<String, PaymentError> {
        let mut conn = self.pool.acquire().await.map_err(|_| AWAY)?;
        let payment = Payment {
            order_id: new.order_id.clone(),
            amount: new.amount,
            outcome: None,
            created_at: self.clock.now(),
            expires_at: new.expires_at,
        };
        sandbox::insert(&mut conn, &payment).await.map_err(away)?;
        Ok(format!("session_{}", uuid::Uuid::new_v4().simple()))
    }

    pub(super) async fn look(&self, order_id: &OrderId) -> Result<Report, PaymentError> {
        let payment = self.find(order_id).await?.ok_or(PaymentError::Unknown)?;
        Ok(match payment.outcome {
            Some(Outcome::Success) => Report::Paid(Paid {
                order_amount: Amount::Paise(payment.amount),
                payment_amount: Amount::Paise(payment.amount),
                in_rupees: true,
                payment_id: Some(payment_id(order_id)),
            }),
            _ if payment.expires_at <= self.clock.now() => Report::Expired,
            Some(Outcome::Failed | Outcome::Dropped) => Report::Failed,
            None => Report::Open,
        })
    }

    /// The order as the sandbox has it.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn find(&self, order_id: &OrderId) -> Result<Option<Payment>, PaymentError> {
        let mut conn = self.pool.acquire().await.map_err(|_| AWAY)?;
        sandbox::find(&mut conn, order_id).await.map_err(away)
    }

    /// Plays the provider: the outcome is what asking shows from now on (a success stays one), and its webhook is sent.
    /// Answers the webhook's status, none where it did not arrive; none of both for an order that is not here.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn decide(&self, order_id: &OrderId, outcome: Outcome) -> Result<Option<Option<u16>>, PaymentError> {
        let mut conn = self.pool.acquire().await.map_err(|_| AWAY)?;
        let amount = sandbox::set_outcome(&mut conn, order_id, outcome, self.clock.now()).await.map_err(away)?;
        drop(conn);
        let Some(amount) = amount else { return Ok(None) };
        let now = self.clock.now();
        let amount =
            RawValue::from_string(amount.rupees()).map_err(|error| PaymentError::Refused(error.to_string()))?;
        let message = Message::of(order_id, outcome, &amount, now.to_rfc3339_opts(SecondsFormat::Secs, true));
        let body = serde_json::to_vec(&message).map_err(|error| PaymentError::Refused(error.to_string()))?;
        let timestamp = now.timestamp_millis().to_string();
        let signature = webhook::sign(self.secret.expose_secret(), timestamp.as_bytes(), &body);
        let request = self.client.post(&self.webhook_url).header("x-webhook-timestamp", timestamp);
        let request = request.header("x-webhook-signature", signature).header("content-type", "application/json");
        match request.body(body).send().await {
            Ok(answer) => Ok(Some(Some(answer.status().as_u16()))),
            Err(error) => {
                tracing::warn!(%error, "the sandbox's webhook did not arrive");
                Ok(Some(None))
            }
        }
    }
}

const AWAY: PaymentError = PaymentError::Unreachable("the sandbox's database is away");

#[expect(clippy::needless_pass_by_value, reason = "a shape for map_err")]
fn away(error: storage::Error) -> PaymentError {
    tracing::warn!(%error, "the sandbox's database refused");
    AWAY
}

fn payment_id(order_id: &OrderId) -> String {
    format!("sandbox_{}", order_id.0.trim_start_matches("cf_order_"))
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_time: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    order: OrderPart<'a>,
    payment: PaymentPart<'a>,
}

#[derive(Serialize)]
struct OrderPart<'a> {
    order_id: &'a OrderId,
    order_amount: &'a RawValue,
    order_currency: &'static str,
}

#[derive(Serialize)]
struct PaymentPart<'a> {
    cf_payment_id: String,
    payment_status: &'static str,
    payment_amount: &'a RawValue,
    payment_currency: &'static str,
}

impl<'a> Message<'a> {
    fn of(order_id: &'a OrderId, outcome: Outcome, amount: &'a RawValue, event_time: String) -> Self {
        let (kind, payment_status) = match outcome {
            Outcome::Success => ("PAYMENT_SUCCESS_WEBHOOK", "SUCCESS"),
            Outcome::Failed => ("PAYMENT_FAILED_WEBHOOK", "FAILED"),
            Outcome::Dropped => ("PAYMENT_USER_DROPPED_WEBHOOK", "USER_DROPPED"),
        };
        let data = Data {
            order: OrderPart { order_id, order_amount: amount, order_currency: "INR" },
            payment: PaymentPart {
                cf_payment_id: payment_id(order_id),
                payment_status,
                payment_amount: amount,
                payment_currency: "INR",
            },
        };
        Self { kind, event_time, data }
    }
}
