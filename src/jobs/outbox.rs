//! The outbox's workers (DESIGN §6): each kind of job has its carrier, takes what is due under a lease, and settles what
//! became of it. A slow carrier holds up no other, a slow job no other of its kind.

mod push;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::outbox::{self, Job};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::error::Result;

/// How long a node may work on a job before another one takes it: well above every carrier's time-outs.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// How often a carrier looks unasked.
const LOOK: Duration = Duration::from_millis(250);

/// How often a job is tried before it is a dead letter.
const ATTEMPTS: i32 = 12;

/// The longest pause between two attempts; with the doubling before it the attempts spread over about an hour.
const LONGEST: TimeDelta = TimeDelta::minutes(15);

/// Who carries what. A new kind of job is a line in each `match` here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// A push to one device.
    Push,
    /// One device's part of a push to all patients.
    Bulk,
    /// A push to all patients.
    Broadcast,
}

impl Carrier {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Push, Self::Bulk, Self::Broadcast];

    /// The outbox's word for its jobs.
    #[must_use]
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Push => consilium_storage::push::KIND,
            Self::Bulk => consilium_storage::push::BULK,
            Self::Broadcast => consilium_storage::push::BROADCAST,
        }
    }

    /// How many jobs are under way at once, on each node.
    const fn at_once(self) -> usize {
        match self {
            Self::Push => 32,
            Self::Bulk => 8,
            Self::Broadcast => 1,
        }
    }

    async fn carry(self, app: &App, job: &Job) -> Result<Outcome> {
        match self {
            Self::Push | Self::Bulk => push::carry(app, job).await,
            Self::Broadcast => push::spread(app, job).await,
        }
    }
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Done, or not needed any more.
    Done,
    /// Not tried, and nothing is wrong: then.
    Later(DateTime<Utc>),
    /// Not tried, as the other side is away: then.
    TurnedAway(DateTime<Utc>),
    /// Failed: again, not before the pause that the other side wants.
    Failed(String, Option<TimeDelta>),
    /// It can never be done.
    Dead(String),
    /// The carrier has settled the job itself, in a transaction of its own.
    Settled,
}

/// Starts a worker for each carrier.
pub(super) fn start(app: &App) {
    for carrier in Carrier::ALL {
        let (app, stop) = (app.clone(), app.shutdown.clone());
        let mut wake = app.outbox.subscribe();
        app.tracker.clone().spawn(async move {
            let slots = Arc::new(Semaphore::new(carrier.at_once()));
            while !stop.is_cancelled() {
                let taken = match super::guarded(take(&app, carrier, &slots)).await {
                    Ok(taken) => taken,
                    Err(error) => {
                        tracing::warn!(%error, kind = carrier.kind(), "outbox cannot be read, trying again");
                        0
                    }
                };
                // What is left waits for a free slot, what is new for a word or the next look.
                let free = async {
                    if taken == 0 {
                        std::future::pending::<()>().await;
                    }
                    drop(slots.acquire().await);
                };
                tokio::select! {
                    () = stop.cancelled() => {}
                    changed = wake.changed() => drop(changed),
                    () = free => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        });
    }
    super::every(app, "outbox figures", Duration::from_secs(15), |app| async move { count(&app).await });
}

/// Takes as many jobs as there are free slots and sets to work on them. Answers how many.
async fn take(app: &App, carrier: Carrier, slots: &Arc<Semaphore>) -> Result<usize> {
    let free = i64::try_from(slots.available_permits()).unwrap_or(0);
    if free == 0 {
        return Ok(0);
    }
    let jobs = outbox::take(&mut *app.conn().await?, carrier.kind(), app.now(), LEASE, free).await?;
    let count = jobs.len();
    for job in jobs {
        let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { continue };
        let app = app.clone();
        app.tracker.clone().spawn(async move {
            if let Err(error) = super::guarded(work(&app, carrier, &job)).await {
                // Its lease runs out, and it is taken again.
                tracing::warn!(%error, kind = carrier.kind(), "outbox job not settled");
            }
            drop(slot);
        });
    }
    Ok(count)
}

/// Carries one job and settles it.
async fn work(app: &App, carrier: Carrier, job: &Job) -> Result<()> {
    if job.attempts > ATTEMPTS {
        // Whoever had it before never came to an end with it.
        outbox::bury(&mut *app.conn().await?, job, app.now(), Some("given up")).await?;
        return told(carrier, "dead");
    }
    let is_over = job.expires_at.is_some_and(|expires_at| expires_at <= app.now());
    let outcome = match (is_over, job.attempts > 1 || job.has_failed) {
        // Nobody came to it in time: there is nothing to look into.
        (true, false) => Ok(Outcome::Done),
        (true, true) => {
            outbox::bury(&mut *app.conn().await?, job, app.now(), None).await?;
            return told(carrier, "dead");
        }
        (false, _) => carrier.carry(app, job).await,
    };
    // What failed on our side (no database) is an attempt like another.
    let outcome = outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string(), None));
    let mut conn = app.conn().await?;
    let now = app.now();
    match outcome {
        Outcome::Done => {
            outbox::finish(&mut conn, job).await?;
            told(carrier, if is_over { "expired" } else { "done" })
        }
        Outcome::Settled => told(carrier, "done"),
        Outcome::Later(at) => {
            outbox::postpone(&mut conn, job, at, None, None).await?;
            told(carrier, "later")
        }
        Outcome::TurnedAway(at) => {
            outbox::postpone(&mut conn, job, at, None, Some("turned away while the provider is away")).await?;
            told(carrier, "later")
        }
        Outcome::Failed(error, after) => {
            let again = now + pause(job.attempts).max(after.unwrap_or_default());
            let is_last = job.attempts >= ATTEMPTS || job.expires_at.is_some_and(|expires_at| expires_at <= again);
            if is_last {
                outbox::bury(&mut conn, job, now, Some(&error)).await?;
                return told(carrier, "dead");
            }
            outbox::put_off(&mut conn, job, again, &error).await?;
            told(carrier, "failed")
        }
        Outcome::Dead(error) => {
            outbox::bury(&mut conn, job, now, Some(&error)).await?;
            told(carrier, "dead")
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the last word of each way out")]
fn told(carrier: Carrier, outcome: &'static str) -> Result<()> {
    metrics::counter!("consilium_outbox_jobs_total", "kind" => carrier.kind(), "outcome" => outcome).increment(1);
    Ok(())
}

/// The pause after an attempt: one second, doubled each time, a quarter more or less, so that a crowd does not come back
/// at once.
fn pause(attempt: i32) -> TimeDelta {
    let doubled = 1_000_i64 << attempt.clamp(1, 20).saturating_sub(1);
    let longest = doubled.min(LONGEST.num_milliseconds());
    TimeDelta::milliseconds(rand::random_range(longest * 3 / 4..=longest * 5 / 4))
}

/// Shows how many wait and how many are dead.
async fn count(app: &App) -> Result<()> {
    let figures = outbox::figures(&mut *app.conn().await?).await?;
    for carrier in Carrier::ALL {
        let kind = carrier.kind();
        let found = figures.iter().find(|figures| figures.kind == kind);
        let waited = found.and_then(|figures| figures.oldest_due).map_or(TimeDelta::zero(), |due| app.now() - due);
        metrics::gauge!("consilium_outbox_waiting", "kind" => kind).set(found.map_or(0.0, |f| f.waiting as f64));
        metrics::gauge!("consilium_outbox_dead", "kind" => kind).set(found.map_or(0.0, |f| f.dead as f64));
        metrics::gauge!("consilium_outbox_overdue_seconds", "kind" => kind).set(waited.num_seconds().max(0) as f64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        for (attempt, seconds) in [(1, 1), (2, 2), (5, 16), (10, 512), (11, 900), (40, 900)] {
            for _ in 0..50 {
                let pause = pause(attempt).num_milliseconds();
                assert!((seconds * 750..=seconds * 1250).contains(&pause), "{attempt}: {pause}");
            }
        }
    }
}
