//! What the server does unasked; each job runs until the shutdown token is cancelled.

pub mod files;
pub mod housekeeping;
pub mod media;
mod outbox;
pub mod payments;
pub mod presence;
pub mod recordings;
pub mod reminders;
pub mod revocations;
pub mod ringing;
pub mod sweeper;
pub mod watchers;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use consilium_realtime::bus::Slots;
use consilium_storage::database::Options;
use futures_util::FutureExt;

use self::revocations::Revocations;
use crate::app::App;
use crate::error::{Error, Result};

/// Starts every job. Partitions belong to the role that owns the database, so housekeeping gets its address.
pub fn start(app: &App, owner: Options) {
    every(app, "sweeper", Duration::from_millis(500), |app| async move { sweeper::expire(&app).await });
    every(app, "idle sessions", Duration::from_secs(30), |app| async move { sweeper::end_idle(&app).await });
    every(app, "reminders", Duration::from_secs(1), |app| async move { reminders::send(&app).await });
    every(app, "presence", Duration::from_secs(1), |app| async move { Ok(presence::look(&app).await?) });
    let revoked = Revocations::since(app.now());
    every(app, "revocations", Duration::from_millis(500), move |app| {
        let revoked = revoked.clone();
        async move { revoked.look(&app).await }
    });
    every(app, "audit sealer", Duration::from_secs(1), |app| async move { housekeeping::seal(&app).await });
    every(app, "inbox heads", Duration::from_secs(10), |app| async move {
        Ok(app.engine.check_heads(Slots::ALL, "routine").await?)
    });
    every(app, "memory", Duration::from_secs(1), |app| async move {
        housekeeping::forget(&app);
        Ok(())
    });
    every(app, "payments", Duration::from_secs(5), |app| async move { payments::reconcile(&app).await });
    every(app, "partitions", Duration::from_secs(3600), move |app| {
        let owner = owner.clone();
        async move { housekeeping::partitions(&app, &owner).await }
    });
    every(app, "files", Duration::from_secs(10), |app| async move { files::sweep(&app).await });
    every(app, "watchers", Duration::from_secs(5), |app| async move { watchers::look(&app).await });
    outbox::start(app);
    ringing::start(app);
    presence::follow_doubts(app);
    media::start(app);
    recordings::start(app);
}

/// Runs a job at once and then again and again; a failure is logged and the next run tries anew.
pub fn every<F, W>(app: &App, name: &'static str, period: Duration, job: F)
where
    F: Fn(App) -> W + Send + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let app = app.clone();
    let (stop, tracker) = (app.shutdown.clone(), app.tracker.clone());
    // They stand from the start: see telemetry/metrics.rs.
    metrics::gauge!("consilium_job_period_seconds", "name" => name).set(period.as_secs_f64());
    let failures = metrics::counter!("consilium_job_failures_total", "name" => name);
    let success = metrics::gauge!("consilium_job_success_timestamp_seconds", "name" => name);
    tracker.spawn(async move {
        let mut beat = tokio::time::interval(period);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = beat.tick() => {}
            }
            match guarded(job(app.clone())).await {
                Ok(()) => success.set(app.now().timestamp() as f64),
                Err(error) => {
                    failures.increment(1);
                    tracing::warn!(%error, job = name, "job failed, trying again");
                }
            }
        }
    });
}

/// A panic is a failure like another, as it is in a handler: it must not end the job on this node.
fn guarded<T>(run: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    AssertUnwindSafe(run).catch_unwind().map(|ended| ended.unwrap_or_else(|_| Err(Error::internal("the job panicked"))))
}
