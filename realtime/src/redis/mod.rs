//! Redis as this crate uses it: where it is ([`address`]), one connection (`link`), and the door that everything but
//! the subscriptions goes through ([`Redis`]). Redis is a messenger (DESIGN §1): whoever calls here must be able to go on
//! without an answer.

pub mod address;
pub(crate) mod link;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline, Script};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

pub use address::Address;
use link::Link;

/// How long an answer may take. Longer means that Redis is away: its users go on without it.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a connection may take to be made.
pub(crate) const CONNECT: Duration = Duration::from_secs(4);
/// After so many failures in a row, two seconds of heartbeats, the connection is taken for dead whatever its socket says.
const FAILURES: u32 = 4;
/// Between two attempts to connect: doubled each time, up to the second figure.
pub(crate) const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(800));

/// Redis is away, or refused. Its text names no key, value or address.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Away {
    /// There is no connection.
    #[error("redis cannot be reached")]
    Unconnected,
    /// It did not answer in time.
    #[error("redis does not answer")]
    Late,
    /// It answered with an error.
    #[error("redis refuses: {0}")]
    Refused(String),
}

/// A cheap handle to the one command connection of this node, which is made again whenever it breaks.
#[derive(Debug, Clone)]
pub struct Redis(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: Address,
    prefix: String,
    /// The connection, and which one it is.
    link: Mutex<Option<(u64, Link)>>,
    failures: AtomicU32,
    /// Grows whenever Redis may have forgotten what it was told: with each connection, and when a key is missed.
    memory: AtomicU64,
    /// Whether the last answer came in time: without it callers do not even try, but for the beat of the bus.
    answers: AtomicBool,
    /// Wakes the keeper: the connection is broken, or nobody is left who would use one.
    broken: Arc<Notify>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.broken.notify_one();
    }
}

impl Redis {
    /// A handle; its connection is made and kept by a task that ends with the last handle.
    #[must_use]
    pub fn start(address: Address, prefix: &str, background: &TaskTracker) -> Self {
        let broken = Arc::new(Notify::new());
        let redis = Self(Arc::new(Inner {
            address,
            prefix: prefix.to_owned(),
            link: Mutex::default(),
            failures: AtomicU32::new(0),
            memory: AtomicU64::new(0),
            answers: AtomicBool::new(false),
            broken: Arc::clone(&broken),
        }));
        background.spawn(keep(Arc::downgrade(&redis.0), broken));
        redis
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// A key or channel of this deployment; `tag` is what Redis Cluster places it by.
    #[must_use]
    pub fn key(&self, kind: &str, tag: &str) -> String {
        format!("{}:{kind}:{{{tag}}}", self.0.prefix)
    }

    /// Whether the last answer came in time.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.0.answers.load(Ordering::Relaxed)
    }

    /// Changes whenever Redis may have forgotten what it was told.
    pub(crate) fn memory(&self) -> u64 {
        self.0.memory.load(Ordering::Relaxed)
    }

    /// Something that Redis was told is not there any more.
    pub(crate) fn has_forgotten(&self) {
        self.0.memory.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks one thing. While Redis does not answer, the call fails at once.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Away> {
        self.guarded(async |link| link.query(command).await).await
    }

    /// Runs a script: several steps as one. As [`Redis::ask`].
    ///
    /// # Errors
    /// [`Away`].
    pub async fn run<T: FromRedisValue>(&self, script: &Script, keys: &[String], args: &[String]) -> Result<T, Away> {
        self.guarded(async |link| link.script(script, keys, args).await).await
    }

    /// Sends pipelines, each of keys that belong together, and waits for all answers; also while Redis did not answer
    /// before: this is how it is found to be back.
    pub(crate) async fn send(&self, pipelines: &[Pipeline]) -> Result<(), Away> {
        let (which, link) = self.link().ok_or(Away::Unconnected)?;
        self.timed(which, async { link.send(pipelines).await }).await
    }

    async fn guarded<T>(&self, asking: impl AsyncFnOnce(Link) -> redis::RedisResult<T>) -> Result<T, Away> {
        if !self.answers() {
            return Err(Away::Unconnected);
        }
        let (which, link) = self.link().ok_or(Away::Unconnected)?;
        self.timed(which, asking(link)).await
    }

    async fn timed<T>(&self, which: u64, asking: impl Future<Output = redis::RedisResult<T>>) -> Result<T, Away> {
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => {
                self.0.answers.store(true, Ordering::Relaxed);
                self.0.failures.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) if error.is_io_error() || error.is_connection_dropped() => {
                // One server of a cluster is not the cluster: its client looks for the others itself.
                self.fail(which, !self.address().is_cluster());
                Err(Away::Unconnected)
            }
            Ok(Err(error)) => Err(Away::Refused(error.code().unwrap_or("error").to_owned())),
            Err(_) => {
                self.fail(which, false);
                Err(Away::Late)
            }
        }
    }

    fn link(&self) -> Option<(u64, Link)> {
        self.0.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a failure of a connection, which is dropped if it is broken for certain or has failed too often.
    fn fail(&self, which: u64, for_certain: bool) {
        self.0.answers.store(false, Ordering::Relaxed);
        let failures = self.0.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if !for_certain && failures < FAILURES {
            return;
        }
        let mut link = self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        // A straggler must not take the next connection away.
        if link.as_ref().is_some_and(|(known, _)| *known == which) {
            *link = None;
            self.0.broken.notify_one();
        }
    }
}

/// Connects again whenever there is no connection.
async fn keep(redis: Weak<Inner>, broken: Arc<Notify>) {
    let mut pause = BACKOFF.0;
    while let Some(redis) = redis.upgrade().map(Redis) {
        if redis.link().is_some() {
            pause = BACKOFF.0;
            drop(redis);
            broken.notified().await;
            continue;
        }
        match tokio::time::timeout(CONNECT, Link::connect(redis.address(), None)).await {
            Ok(Ok(link)) => {
                redis.has_forgotten();
                *redis.0.link.lock().unwrap_or_else(PoisonError::into_inner) = Some((redis.memory(), link));
                redis.0.failures.store(0, Ordering::Relaxed);
                redis.0.answers.store(true, Ordering::Relaxed);
                continue;
            }
            Ok(Err(error)) => tracing::debug!(error = error.code().unwrap_or("io"), "redis: no connection"),
            Err(_) => tracing::debug!("redis: no connection in time"),
        }
        drop(redis);
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Between half and the whole of it, so that nodes do not come back in step.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}
