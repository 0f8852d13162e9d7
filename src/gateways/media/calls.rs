//! How a call to the room service or the recorder is made: a limit per attempt and on the whole, retries with
//! jitter, and the breaker of each. The crate itself makes one attempt against a self-hosted server.

use std::future::Future;
use std::time::Duration;

use livekit_api::services::{ServerError, ServerErrorCode, ServiceError, ServiceResult};
use rand::Rng;
use tokio::time::{Instant, sleep, timeout};

use super::MediaError;
use crate::gateways::breaker::Breaker;

/// Limits on talking to the media server. All calls but the start of a recording may be repeated.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// One attempt. LiveKit itself waits up to 2 s for a change to take effect.
    pub attempt_timeout: Duration,
    /// The whole call with its retries.
    pub budget: Duration,
    /// Attempts in all.
    pub attempts: u32,
    /// The longest wait before the first retry; doubled before each next one.
    pub backoff: Duration,
    /// Calls without any answer, in a row, after which none is tried for `open_for`.
    pub open_after: u32,
    /// How long calls are then turned away at once, before one is let through to see.
    pub open_for: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(3),
            budget: Duration::from_secs(4),
            attempts: 3,
            backoff: Duration::from_millis(100),
            open_after: 3,
            open_for: Duration::from_secs(5),
        }
    }
}

/// What one attempt came to, when not to an answer.
enum Failure {
    /// Nothing that speaks Twirp answered.
    Silent,
    /// It answered that it is in trouble.
    Troubled,
    /// It answered no.
    Refused(String),
    /// The room or the participant is not there.
    Missing,
    /// The call could not be made at all.
    Invalid,
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

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Calls `attempt` until it answers. `None`: what it is about is not there.
    pub(super) async fn call<T, F, Fut>(&self, name: &'static str, attempt: F) -> Result<Option<T>, MediaError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = ServiceResult<T>>,
    {
        self.answer(name, self.attempts(&attempt)).await
    }

    /// As [`Caller::call`], with one attempt that may take as long as all of them: for what must not be done twice.
    pub(super) async fn call_once<T, F, Fut>(&self, name: &'static str, attempt: F) -> Result<Option<T>, MediaError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = ServiceResult<T>>,
    {
        self.answer(name, async { attempt().await.map_err(classify) }).await
    }

    async fn answer<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<T>, MediaError> {
        if !self.breaker.admits(Instant::now()) {
            count(name, "turned_away");
            return Err(MediaError::Unreachable);
        }
        let outcome = timeout(self.policy.budget, work).await.unwrap_or(Err(Failure::Silent));
        if matches!(outcome, Err(Failure::Silent)) {
            self.breaker.failed(Instant::now());
        } else {
            self.breaker.succeeded();
        }
        let (word, answer) = match outcome {
            Ok(value) => ("ok", Ok(Some(value))),
            Err(Failure::Missing) => ("missing", Ok(None)),
            Err(Failure::Silent) => ("unreachable", Err(MediaError::Unreachable)),
            Err(Failure::Troubled) => ("troubled", Err(MediaError::Unreachable)),
            Err(Failure::Refused(code)) => ("refused", Err(MediaError::Refused { code })),
            Err(Failure::Invalid) => ("invalid", Err(MediaError::Invalid("not a call"))),
        };
        count(name, word);
        if let Err(error) = &answer {
            tracing::warn!(media.call = name, media.outcome = word, %error, "media server call failed");
        }
        answer
    }

    async fn attempts<T, F, Fut>(&self, attempt: &F) -> Result<T, Failure>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = ServiceResult<T>>,
    {
        let mut made = 1;
        let mut longest = self.policy.backoff;
        loop {
            let failure = match timeout(self.policy.attempt_timeout, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => classify(error),
                Err(_) => Failure::Silent,
            };
            let again = matches!(failure, Failure::Silent | Failure::Troubled);
            if !again || made >= self.policy.attempts {
                return Err(failure);
            }
            let wait = longest.mul_f64(rand::rng().random_range(0.5..=1.0));
            sleep(wait).await;
            longest *= 2;
            made += 1;
        }
    }
}

/// Sorts an error. Texts are dropped on purpose: LiveKit repeats a refused token in its answer.
fn classify(error: ServiceError) -> Failure {
    match error {
        ServiceError::Twirp(ServerError::Twirp(answer)) => match answer.code.as_str() {
            ServerErrorCode::NOT_FOUND => Failure::Missing,
            ServerErrorCode::INTERNAL
            | ServerErrorCode::UNKNOWN
            | ServerErrorCode::UNAVAILABLE
            | ServerErrorCode::DEADLINE_EXCEEDED
            | ServerErrorCode::CANCELED
            | ServerErrorCode::ABORTED
            | ServerErrorCode::RESOURCE_EXHAUSTED
            | ServerErrorCode::DATA_LOSS => Failure::Troubled,
            _ => Failure::Refused(answer.code),
        },
        // Also an answer that is not Twirp's: a proxy's page, or LiveKit's plain 401 for a wrong
        // key pair, which the crate gives no status for.
        ServiceError::Twirp(ServerError::Request(_) | ServerError::Prost(_)) => Failure::Silent,
        ServiceError::Twirp(ServerError::Url(_)) | ServiceError::AccessToken(_) | ServiceError::Env(_) => {
            Failure::Invalid
        }
    }
}

fn count(call: &'static str, outcome: &'static str) {
    metrics::counter!("consilium_media_calls_total", "call" => call, "outcome" => outcome).increment(1);
}
