//! Reading inboxes for many connections at once: whoever asks while a query runs shares the next one.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage as storage;
use consilium_storage::clock::Clock;
use consilium_storage::database::Pool;
use consilium_storage::ids::UserId;
use consilium_storage::inbox::{self, Row};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// How many rows one read brings.
pub const PAGE: i64 = 100;

/// How many reads share one query.
const BATCH: usize = 512;

/// What one read found.
#[derive(Debug, Default)]
pub struct Found {
    /// The inbox's head.
    pub head: i64,
    /// Up to [`PAGE`] rows after the place asked for; none for a read of the head alone.
    pub rows: Vec<Row>,
}

/// Why a read failed; one failure answers all that shared the query.
pub type ReadError = Arc<storage::Error>;

struct Ask {
    user: UserId,
    after: Option<i64>,
    reply: oneshot::Sender<Result<Found, ReadError>>,
}

/// The door to the shared reads.
#[derive(Debug, Clone)]
pub struct Reader(mpsc::Sender<Ask>);

impl Reader {
    /// Starts the reader; it ends when its last door is dropped.
    #[must_use]
    pub fn start(pool: Pool, clock: Clock, retention: TimeDelta, tracker: &TaskTracker) -> Self {
        let (sender, receiver) = mpsc::channel(4096);
        tracker.spawn(run(pool, clock, retention, receiver));
        Self(sender)
    }

    /// The head alone, or with the rows after a place.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn read(&self, user: UserId, after: Option<i64>) -> Result<Found, ReadError> {
        let (reply, answer) = oneshot::channel();
        let closed = || Arc::new(storage::Error::away());
        self.0.send(Ask { user, after, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

async fn run(pool: Pool, clock: Clock, retention: TimeDelta, mut asks: mpsc::Receiver<Ask>) {
    let mut batch = Vec::with_capacity(BATCH);
    while asks.recv_many(&mut batch, BATCH).await > 0 {
        metrics::counter!("consilium_inbox_queries_total").increment(1);
        metrics::counter!("consilium_inbox_reads_total").increment(batch.len() as u64);
        let floor = clock.now() - retention;
        match answer_all(&pool, &batch, floor).await {
            Ok(found) => {
                for (ask, found) in batch.drain(..).zip(found) {
                    // Whoever is gone has closed its connection.
                    drop(ask.reply.send(Ok(found)));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for ask in batch.drain(..) {
                    drop(ask.reply.send(Err(Arc::clone(&error))));
                }
            }
        }
    }
}

/// One query for the heads, then one for the rows: each sees what is committed when it runs, so a head read first is
/// never ahead of the rows, and a place at the head never looks as if rows were missing.
async fn answer_all(pool: &Pool, batch: &[Ask], floor: DateTime<Utc>) -> storage::Result<Vec<Found>> {
    let mut conn = pool.acquire().await?;
    let users: Vec<UserId> = batch.iter().map(|ask| ask.user).collect();
    let heads: HashMap<UserId, i64> = inbox::heads(&mut conn, &users).await?.into_iter().collect();
    let head_of = |ask: &Ask| heads.get(&ask.user).copied().unwrap_or(0);
    let mut answers: Vec<Found> = batch.iter().map(|ask| Found { head: head_of(ask), rows: Vec::new() }).collect();
    let (indices, wanted): (Vec<usize>, Vec<(UserId, i64)>) =
        batch.iter().enumerate().filter_map(|(index, ask)| Some((index, (ask.user, ask.after?)))).unzip();
    if wanted.is_empty() {
        return Ok(answers);
    }
    for row in inbox::read_many(&mut conn, &wanted, floor, PAGE).await? {
        if let Some(answer) = indices.get(row.ask).and_then(|index| answers.get_mut(*index)) {
            // Committed between the two queries.
            answer.head = answer.head.max(row.seq);
            answer.rows.push(row);
        }
    }
    Ok(answers)
}
