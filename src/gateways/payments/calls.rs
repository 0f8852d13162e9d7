//! How a call to the provider is made: a limit per attempt and on the whole, retries with jitter, the breaker, and no
//! more of an answer than an answer has.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rand::Rng;
use reqwest::{RequestBuilder, StatusCode};
use tokio::time::{Instant, sleep, timeout};

use super::PaymentError;
use crate::gateways::breaker::Breaker;

/// The longest answer that is read.
const ANSWER_LIMIT: usize = 256 * 1024;

/// Limits on talking to the provider. Looking changes nothing, and an order is opened under an id of its own that the
/// provider takes once, so any call may be repeated.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// One attempt.
    pub attempt_timeout: Duration,
    /// The whole call with its retries.
    pub budget: Duration,
    /// Attempts in all.
    pub attempts: u32,
    /// The longest wait before the first retry; doubled before each next one.
    pub backoff: Duration,
    /// Calls without a good answer, in a row, after which none is tried for `open_for`.
    pub open_after: u32,
    /// How long calls are then turned away at once, before one is let through to see.
    pub open_for: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(5),
            budget: Duration::from_secs(12),
            attempts: 3,
            backoff: Duration::from_millis(200),
            open_after: 5,
            open_for: Duration::from_secs(10),
        }
    }
}

/// An answer that says something: whatever its status, it is no trouble of the provider's.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// Which attempt it answers, from 1.
    pub(super) attempt: u32,
}

/// Makes calls under a [`Policy`].
pub(super) struct Caller {
    policy: Policy,
    breaker: Breaker,
}

impl Caller {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, breaker: Breaker::new(policy.open_after, policy.open_for) }
    }

    /// Sends what `request` makes until somebody answers.
    pub(super) async fn call(
        &self,
        name: &'static str,
        request: impl Fn() -> RequestBuilder + Send + Sync,
    ) -> Result<Answer, PaymentError> {
        if !self.breaker.admits(Instant::now()) {
            count(name, "turned_away");
            return Err(PaymentError::Unreachable("not asked after it did not answer"));
        }
        let outcome = timeout(self.policy.budget, self.attempts(&request)).await.unwrap_or(Err("no answer in time"));
        match outcome {
            Ok(answer) => {
                self.breaker.succeeded();
                count(name, if answer.status.is_success() { "ok" } else { "refused" });
                Ok(answer)
            }
            Err(why) => {
                self.breaker.failed(Instant::now());
                count(name, "unreachable");
                tracing::warn!(payment.call = name, reason = why, "payment provider call failed");
                Err(PaymentError::Unreachable(why))
            }
        }
    }

    async fn attempts(&self, request: &(impl Fn() -> RequestBuilder + Send + Sync)) -> Result<Answer, &'static str> {
        let mut made = 1;
        let mut longest = self.policy.backoff;
        loop {
            let why = match timeout(self.policy.attempt_timeout, attempt(request(), made)).await {
                Ok(Ok(answer)) if !in_trouble(answer.status) => return Ok(answer),
                Ok(Ok(_)) => "it is in trouble",
                Ok(Err(why)) => why,
                Err(_) => "no answer in time",
            };
            if made >= self.policy.attempts {
                return Err(why);
            }
            let wait = longest.mul_f64(rand::rng().random_range(0.5..=1.0));
            sleep(wait).await;
            longest *= 2;
            made += 1;
        }
    }
}

/// Its own trouble, or too many calls: worth another attempt.
fn in_trouble(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT
}

/// One attempt; errors are told without the address.
async fn attempt(request: RequestBuilder, number: u32) -> Result<Answer, &'static str> {
    let mut response = request.send().await.map_err(|error| {
        tracing::debug!(error = %error.without_url(), "payment provider did not answer");
        "no connection"
    })?;
    let status = response.status();
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|_| "the answer broke off")? {
        if body.len() + piece.len() > ANSWER_LIMIT {
            return Err("the answer does not end");
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status, body: body.freeze(), attempt: number })
}

fn count(call: &'static str, outcome: &'static str) {
    metrics::counter!("consilium_payment_calls_total", "call" => call, "outcome" => outcome).increment(1);
}
