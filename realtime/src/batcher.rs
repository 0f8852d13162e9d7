//! Many asks, few queries: whoever asks while a query runs shares the next one, and a lone ask on an idle node waits
//! for nobody. When a fleet comes back ([`crate::pacing`]), those who can wait gather for a moment, so that hundreds
//! share a query.

use std::future::Future;
use std::sync::Arc;

use consilium_storage as storage;
use metrics::Counter;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::pacing::Pacing;

/// How many asks share one query at most: a statement of some ten thousand index probes, some 50 ms of Postgres.
pub const MOST: usize = 2048;
/// How many asks may wait; whoever comes then waits to be let in.
const QUEUE: usize = 4096;
/// How many queries of one kind run at once: one that takes long does not hold up all others.
const LANES: usize = 2;

/// Why a query failed; one failure answers all that shared it.
pub type Failure = Arc<storage::Error>;

/// How urgent an ask is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hurry {
    /// Goes with the next query, whoever else asks: a call.
    Now,
    /// May wait a moment for company in a storm: a connection that is being opened.
    InTurn,
}

/// What is counted.
#[derive(Debug)]
pub struct Figures {
    /// How many asked.
    pub asks: Counter,
    /// How many queries that took.
    pub queries: Counter,
}

/// The door to shared queries.
#[derive(Debug)]
pub struct Batcher<A, R>(mpsc::Sender<Ask<A, R>>);

impl<A, R> Clone for Batcher<A, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[derive(Debug)]
struct Ask<A, R> {
    what: A,
    hurry: Hurry,
    reply: oneshot::Sender<Result<R, Failure>>,
}

impl<A: Send + 'static, R: Send + 'static> Batcher<A, R> {
    /// Starts the gathering; it ends when the last door is dropped. `look` answers every ask, in their order.
    #[must_use]
    pub fn start<F, W>(tracker: &TaskTracker, figures: Figures, look: F) -> Self
    where
        F: Fn(Vec<A>) -> W + Send + Sync + 'static,
        W: Future<Output = storage::Result<Vec<R>>> + Send + 'static,
    {
        let (sender, asks) = mpsc::channel(QUEUE);
        let gathering = Gathering { asks, batch: Vec::new(), pacing: Pacing::new(Instant::now()), hurried: false };
        tracker.spawn(run(gathering, figures, Arc::new(look), tracker.clone()));
        Self(sender)
    }

    /// Asks, and waits for the answer of a query that began after the ask.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn ask(&self, what: A, hurry: Hurry) -> Result<R, Failure> {
        let (reply, answer) = oneshot::channel();
        let closed = || Arc::new(storage::Error::away());
        self.0.send(Ask { what, hurry, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

struct Gathering<A, R> {
    asks: mpsc::Receiver<Ask<A, R>>,
    batch: Vec<Ask<A, R>>,
    pacing: Pacing,
    hurried: bool,
}

impl<A, R> Gathering<A, R> {
    /// Gathers until a query is due; answers whether there is anything to ask.
    async fn gather(&mut self) -> bool {
        while self.batch.is_empty() {
            if !self.receive().await {
                return false;
            }
        }
        while !self.hurried && self.batch.len() < MOST {
            let rest = self.pacing.rest(self.batch.len(), Instant::now());
            if rest.is_zero() {
                break;
            }
            // An end of the asks ends the gathering too; a rest that is over is seen above.
            if let Ok(false) = tokio::time::timeout(rest, self.receive()).await {
                break;
            }
        }
        true
    }

    /// Takes what has come; waits for the first. Answers whether anything may still come.
    async fn receive(&mut self) -> bool {
        let known = self.batch.len();
        if self.asks.recv_many(&mut self.batch, MOST - known).await == 0 {
            return false;
        }
        self.note(known);
        true
    }

    /// The batch with whoever came while the lanes were busy.
    fn take(&mut self) -> Vec<Ask<A, R>> {
        let known = self.batch.len();
        while self.batch.len() < MOST
            && let Ok(ask) = self.asks.try_recv()
        {
            self.batch.push(ask);
        }
        self.note(known);
        self.pacing.queried(Instant::now());
        self.hurried = false;
        std::mem::take(&mut self.batch)
    }

    fn note(&mut self, known: usize) {
        let new = self.batch.get(known..).unwrap_or_default();
        let patient = new.iter().filter(|ask| ask.hurry == Hurry::InTurn).count();
        self.hurried |= patient < new.len();
        self.pacing.arrived(patient, Instant::now());
    }
}

async fn run<A, R, F, W>(mut gathering: Gathering<A, R>, figures: Figures, look: Arc<F>, tracker: TaskTracker)
where
    A: Send + 'static,
    R: Send + 'static,
    F: Fn(Vec<A>) -> W + Send + Sync + 'static,
    W: Future<Output = storage::Result<Vec<R>>> + Send + 'static,
{
    let lanes = Arc::new(Semaphore::new(LANES));
    while gathering.gather().await {
        let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else { return };
        let batch = gathering.take();
        figures.asks.increment(batch.len() as u64);
        figures.queries.increment(1);
        let look = Arc::clone(&look);
        tracker.spawn(async move {
            answer(&*look, batch).await;
            drop(lane);
        });
    }
}

async fn answer<A, R, F, W>(look: &F, batch: Vec<Ask<A, R>>)
where
    F: Fn(Vec<A>) -> W,
    W: Future<Output = storage::Result<Vec<R>>>,
{
    let (asked, replies): (Vec<A>, Vec<_>) = batch.into_iter().map(|ask| (ask.what, ask.reply)).unzip();
    // Whoever is gone meanwhile takes no answer.
    match look(asked).await {
        Ok(answers) => replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(Ok(answer)))),
        Err(error) => {
            let error = Arc::new(error);
            replies.into_iter().for_each(|reply| drop(reply.send(Err(Arc::clone(&error)))));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Mutex;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    fn figures() -> Figures {
        Figures { asks: Counter::noop(), queries: Counter::noop() }
    }

    /// A batcher that doubles once the gate lets a query through; and the sizes of its batches.
    struct Doubling {
        batcher: Batcher<u64, u64>,
        sizes: Arc<Mutex<Vec<usize>>>,
        gate: Arc<Semaphore>,
    }

    impl Doubling {
        fn start() -> Self {
            let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
            let gate = Arc::new(Semaphore::new(0));
            let (noted, closed) = (Arc::clone(&sizes), Arc::clone(&gate));
            let batcher = Batcher::start(&TaskTracker::new(), figures(), move |asked: Vec<u64>| {
                noted.lock().unwrap().push(asked.len());
                let closed = Arc::clone(&closed);
                async move {
                    closed.acquire().await.unwrap().forget();
                    Ok(asked.into_iter().map(|one| one * 2).collect())
                }
            });
            Self { batcher, sizes, gate }
        }

        fn open(self) -> Self {
            self.gate.add_permits(1_000_000);
            self
        }

        fn sizes(&self) -> Vec<usize> {
            self.sizes.lock().unwrap().clone()
        }

        /// So many asks at once.
        async fn ask(&self, count: u64, hurry: Hurry) {
            let asks = (0..count).map(|number| async move {
                assert_eq!(self.batcher.ask(number, hurry).await.unwrap(), number * 2);
            });
            join_all(asks).await;
        }
    }

    #[tokio::test]
    async fn a_lone_ask_waits_for_nobody() {
        let doubling = Doubling::start().open();
        for hurry in [Hurry::InTurn, Hurry::Now].repeat(20) {
            doubling.ask(1, hurry).await;
        }
        assert_eq!(doubling.sizes(), [1; 40]);
    }

    #[tokio::test]
    async fn who_asks_while_queries_run_shares_the_next() {
        let doubling = Doubling::start();
        let asks = async {
            for running in 1..=LANES {
                // One in each lane.
                let first = doubling.ask(1, Hurry::Now);
                let shut = async {
                    while doubling.sizes().len() < running {
                        tokio::task::yield_now().await;
                    }
                };
                futures_util::future::select(Box::pin(first), Box::pin(shut)).await;
            }
            let rest = doubling.ask(40, Hurry::Now);
            let gate = async {
                tokio::task::yield_now().await;
                doubling.gate.add_permits(10);
            };
            tokio::join!(rest, gate);
        };
        asks.await;
        assert_eq!(doubling.sizes(), [1, 1, 40]);
    }

    #[tokio::test]
    async fn a_fleet_that_comes_at_once_fills_whole_batches() {
        let mut queries = Vec::new();
        // A storm that a machine stands still in has passed meanwhile: then another one.
        for _ in 0..8 {
            let doubling = Doubling::start().open();
            doubling.ask(5000, Hurry::InTurn).await;
            let sizes = doubling.sizes();
            assert!(sizes.iter().all(|size| *size <= MOST), "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), 5000);
            queries.push(sizes.len());
            if sizes.len() <= 6 {
                break;
            }
        }
        assert!(queries.iter().any(|count| *count <= 6), "queries for 5000: {queries:?}");
    }

    #[tokio::test]
    async fn in_a_storm_those_in_turn_rest_until_a_call_takes_them_along() {
        let (sender, asks) = mpsc::channel(16);
        // Of a storm that lasts however long this machine takes to begin.
        let later = Instant::now() + std::time::Duration::from_secs(60);
        let mut pacing = Pacing::new(later);
        pacing.arrived(1000, later);
        pacing.queried(later);
        let mut gathering = Gathering::<u64, u64> { asks, batch: Vec::new(), pacing, hurried: false };
        let ask = |hurry| Ask { what: 1, hurry, reply: oneshot::channel().0 };
        sender.send(ask(Hurry::InTurn)).await.unwrap();
        assert_eq!(gathering.gather().now_or_never(), None, "it rests");
        sender.send(ask(Hurry::Now)).await.unwrap();
        assert_eq!(gathering.gather().now_or_never(), Some(true));
        assert_eq!(gathering.take().len(), 2, "nobody was lost on the way");
        // Without a call the rest ends by itself; and with the last door, at once.
        sender.send(ask(Hurry::InTurn)).await.unwrap();
        assert!(gathering.gather().await);
        assert_eq!(gathering.take().len(), 1);
        drop(sender);
        assert_eq!(gathering.gather().now_or_never(), Some(false));
    }

    #[tokio::test]
    async fn a_failure_answers_all_that_shared_the_query_and_nobody_else() {
        let failing = Arc::new(Mutex::new(true));
        let state = Arc::clone(&failing);
        let batcher: Batcher<u64, u64> = Batcher::start(&TaskTracker::new(), figures(), move |asked: Vec<u64>| {
            let fails = *state.lock().unwrap();
            async move { if fails { Err(storage::Error::away()) } else { Ok(asked) } }
        });
        for answer in join_all((0..10).map(|number| batcher.ask(number, Hurry::Now))).await {
            assert!(matches!(*answer.unwrap_err(), storage::Error::Unavailable(_)));
        }
        *failing.lock().unwrap() = false;
        assert_eq!(batcher.ask(7, Hurry::Now).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_query_that_dies_answers_too() {
        let batcher: Batcher<u64, u64> = Batcher::start(&TaskTracker::new(), figures(), |asked: Vec<u64>| async move {
            assert_ne!(asked, [1], "this query dies");
            Ok(asked)
        });
        assert!(batcher.ask(1, Hurry::Now).await.is_err());
        assert_eq!(batcher.ask(2, Hurry::Now).await.unwrap(), 2);
    }
}
