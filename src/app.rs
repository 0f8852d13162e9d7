//! The one state that handlers get.

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use consilium_realtime::Engine;
use consilium_realtime::engine::Origin;
use consilium_realtime::shared::counters::Limits;
use consilium_realtime::shared::once::Once;
use consilium_storage::clock::Clock;
use consilium_storage::database::{Pool, PoolConnection, Postgres};
use consilium_storage::tx::Tx;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::standings::Standings;
use crate::accounts::tokens::Tokens;
use crate::config::Config;
use crate::error::Result;
use crate::gateways::codes::Codes;
use crate::gateways::files::Files;
use crate::gateways::media::Media;
use crate::gateways::media::recorder::Target;
use crate::gateways::payments::Payments;
use crate::gateways::push::Push;

/// A cheap handle to everything.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What there is.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// How clients reach this server, without a slash at the end.
    pub public_url: String,
    /// Postgres, as the role that owns nothing.
    pub pool: Pool,
    /// The present.
    pub clock: Clock,
    /// The live engine.
    pub engine: Engine,
    /// Access and refresh tokens.
    pub tokens: Tokens,
    /// Whether their bearers are still welcome.
    pub standings: Standings,
    /// One-time codes by SMS.
    pub codes: Codes,
    /// Where files are kept.
    pub files: Files,
    /// LiveKit.
    pub media: Media,
    /// Push messages to devices.
    pub push: Push,
    /// A word to the outbox's workers that there is something new.
    pub outbox: watch::Sender<()>,
    /// Who takes patients' payments.
    pub payments: Payments,
    /// Where LiveKit's recorder writes; none where nothing is recorded.
    pub recorder: Option<Target>,
    /// Counters of what somebody did lately.
    pub limits: Limits,
    /// Which tickets of browsers were used.
    pub tickets: Once,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// Every task of the server but its connections.
    pub tracker: TaskTracker,
    /// The WebSockets: they outlive the HTTP connection they came by.
    pub sockets: TaskTracker,
    /// Cancelled when the server drains.
    pub shutdown: CancellationToken,
}

impl App {
    /// Wraps the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// 503 when Postgres cannot be reached.
    pub async fn conn(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.pool.acquire().await?)
    }

    /// A transaction at the present.
    ///
    /// # Errors
    /// 503 when Postgres cannot be reached.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx::begin(&self.pool, self.now()).await?)
    }

    /// Commits, and delivers what was emitted.
    ///
    /// # Errors
    /// What the commit is refused for.
    pub async fn commit(&self, tx: Tx) -> Result<()> {
        self.commit_for(tx, None, &()).await
    }

    /// Acknowledges a command that changed nothing: a repeat.
    ///
    /// # Errors
    /// When the answer cannot be written, which its types rule out.
    pub fn acknowledge(&self, origin: Option<Origin>, data: &impl serde::Serialize) -> Result<()> {
        if let Some(origin) = origin {
            let data = serde_json::to_string(data).map_err(crate::error::Error::internal)?;
            self.engine.deliver(&[], Some((origin, data.into())));
        }
        Ok(())
    }

    /// Commits and delivers; the origin's connection gets its acknowledgement with this data in its place (settled 6).
    ///
    /// # Errors
    /// What the commit is refused for.
    pub async fn commit_for(&self, tx: Tx, origin: Option<Origin>, data: &impl serde::Serialize) -> Result<()> {
        let origin = match origin {
            Some(origin) => {
                let data = serde_json::to_string(data).map_err(crate::error::Error::internal)?;
                Some((origin, data.into()))
            }
            None => None,
        };
        // The engine has delivered the events already.
        let committed = self.engine.commit(tx, origin).await?;
        if committed.queued > 0 {
            self.outbox.send_replace(());
        }
        Ok(())
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
