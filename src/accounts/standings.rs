//! What the bearers of tokens may do right now: asked at every call and every door, in shared queries. No answer is
//! kept, so a revoked login or a switched-off account is refused by the very next call.

use consilium_realtime::batcher::{Batcher, Figures, Hurry};
use consilium_storage::accounts::{Standing, standings};
use consilium_storage::database::Pool;
use consilium_storage::ids::{LoginId, UserId};
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result};

/// The door to shared looks at standings.
#[derive(Debug, Clone)]
pub struct Standings(Batcher<(LoginId, UserId), Option<Standing>>);

impl Standings {
    /// Starts the looking; it ends with its last handle.
    #[must_use]
    pub fn start(pool: Pool, tracker: &TaskTracker) -> Self {
        let figures = Figures {
            asks: metrics::counter!("consilium_standing_asks_total"),
            queries: metrics::counter!("consilium_standing_queries_total"),
        };
        Self(Batcher::start(tracker, figures, move |wanted: Vec<(LoginId, UserId)>| {
            let pool = pool.clone();
            async move { standings(&mut *pool.acquire().await?, &wanted).await }
        }))
    }

    /// The standing of an account's login, as it is now; none where there is no such login.
    ///
    /// # Errors
    /// 503 when Postgres cannot be asked.
    pub async fn of(&self, login: LoginId, account: UserId, hurry: Hurry) -> Result<Option<Standing>> {
        self.0.ask((login, account), hurry).await.map_err(|failure| Error::shared(&failure))
    }
}
