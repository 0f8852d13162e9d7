//! Reading inboxes for many connections at once: heads and rows in one statement.

use std::sync::Arc;

use chrono::TimeDelta;
use consilium_storage::clock::Clock;
use consilium_storage::database::Pool;
use consilium_storage::ids::UserId;
use consilium_storage::inbox;
use tokio_util::task::TaskTracker;

use crate::batcher::{Batcher, Failure, Figures, Hurry};

pub use consilium_storage::inbox::Found;

/// How many rows one read brings at most.
pub const PAGE: usize = 100;
/// How many a read brings at least, if there are so many, however many share the query.
const SHORT_PAGE: usize = 10;
/// How many rows one query brings: many readers get shorter pages and come again for the rest.
const ROWS: usize = 20_000;

/// Why a read failed; one failure answers all that shared the query.
pub type ReadError = Failure;

/// Whose inbox, and after which place; none for the head alone.
type Wanted = (UserId, Option<i64>);

/// The door to the shared reads.
#[derive(Debug, Clone)]
pub struct Reader(Batcher<Wanted, Result<Found, ReadError>>);

impl Reader {
    /// Starts the reader; it ends when its last door is dropped.
    #[must_use]
    pub fn start(pool: Pool, clock: Clock, retention: TimeDelta, tracker: &TaskTracker) -> Self {
        let figures = Figures {
            asks: metrics::counter!("consilium_inbox_reads_total"),
            queries: metrics::counter!("consilium_inbox_queries_total"),
        };
        Self(Batcher::start(tracker, figures, move |wanted: Vec<Wanted>| {
            let (pool, floor) = (pool.clone(), clock.now() - retention);
            async move {
                let mut conn = pool.acquire().await?;
                let found = inbox::look(&mut conn, &wanted, floor, page(wanted.len())).await?;
                Ok(found.into_iter().map(|found| found.map_err(Arc::new)).collect())
            }
        }))
    }

    /// The head alone, or with the rows after a place.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn read(&self, user: UserId, after: Option<i64>) -> Result<Found, ReadError> {
        self.0.ask((user, after), Hurry::Now).await?
    }

    /// As [`Reader::read`], for a connection that is being opened: in a storm of them it waits for company.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn read_in_turn(&self, user: UserId, after: Option<i64>) -> Result<Found, ReadError> {
        self.0.ask((user, after), Hurry::InTurn).await?
    }
}

/// How many rows each of so many readers gets.
fn page(readers: usize) -> i64 {
    let share = ROWS / readers.max(1);
    i64::try_from(share.clamp(SHORT_PAGE, PAGE)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_shrink_with_company() {
        assert_eq!([1, 200, 400, 2000, 2048].map(page), [100, 100, 50, 10, 10]);
    }
}
