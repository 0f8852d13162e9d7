//! Telling those concerned who is there (DESIGN §4).

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_realtime::Engine;
use consilium_realtime::engine::Doubt;
use consilium_realtime::frame::EventFrame;
use consilium_realtime::presence::{Change, Shown};
use consilium_storage as storage;
use consilium_storage::connect::{doctors, sessions};
use consilium_storage::database::{Conn, Pool};
use consilium_storage::ids::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::app::App;
use crate::error::Result;

/// How often a doctor's last sign of life is written at most.
const WRITE_EVERY: TimeDelta = TimeDelta::seconds(60);

/// The pause after presence was read again.
const AGAIN: Duration = Duration::from_millis(500);

/// How many changes share a query at most.
const AT_ONCE: usize = 512;

/// The data of `presence.changed`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PresenceChanged {
    /// Who.
    pub doctor_id: UserId,
    /// What others see now.
    pub presence_status: Shown,
}

/// Takes switches, last signs of life and running sessions from the database. Answers whom that shows differently from
/// before: nobody at the start.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn load(engine: &Engine, conn: &mut Conn, now: DateTime<Utc>) -> storage::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for sign in doctors::list_signs(conn).await? {
        changes.extend(engine.presence().load(sign.id, (sign.is_online, sign.last_seen_at), now, engine.now()));
    }
    let pairs = sessions::list_ongoing_pairs(conn).await?;
    changes.extend(engine.presence().load_running(&pairs, now, engine.now()));
    Ok(changes)
}

/// Reads presence again whenever signals of other nodes may have been missed: switches and sessions from Postgres,
/// connected doctors from the rosters in Redis.
pub(super) fn follow_doubts(app: &App) {
    let (app, stop) = (app.clone(), app.shutdown.clone());
    app.tracker.clone().spawn(async move {
        loop {
            let doubt = tokio::select! {
                () = stop.cancelled() => return,
                doubt = app.engine.presence_doubt() => doubt,
            };
            app.engine.read_rosters(doubt.nodes.iter().copied()).await;
            if doubt.database
                && let Err(error) = load_again(&app).await
            {
                tracing::debug!(%error, "presence cannot be read, trying again");
                app.engine.doubt_again(&Doubt { database: true, ..Doubt::default() });
            }
            app.engine.presence_is_read();
            // Whatever raises doubts again and again: twice a second is often enough.
            tokio::time::sleep(AGAIN).await;
        }
    });
}

async fn load_again(app: &App) -> Result<()> {
    let changes = load(&app.engine, &mut *app.conn().await?, app.now()).await?;
    app.engine.announce(changes);
    Ok(())
}

/// Sends each change to the patients concerned and to everybody who watches the doctor. Changes that came while the
/// last ones were told share a query.
pub fn announce(app: &App, mut changes: mpsc::Receiver<Change>) {
    let (app, engine) = (app.clone(), app.engine.clone());
    let (pool, stop) = (app.pool.clone(), app.shutdown.clone());
    app.tracker.clone().spawn(async move {
        let mut batch = Vec::new();
        loop {
            let count = tokio::select! {
                () = stop.cancelled() => return,
                count = changes.recv_many(&mut batch, AT_ONCE) => count,
            };
            if count == 0 {
                return;
            }
            let is_somebody_online = batch.iter().any(|change| change.now == Shown::Online);
            let waiting = waiting_for(&pool, &batch).await.unwrap_or_default();
            for change in batch.drain(..) {
                tell(&engine, change, &waiting);
            }
            if is_somebody_online && let Err(error) = super::watchers::look(&app).await {
                tracing::debug!(%error, "who waits for a doctor is told with the next look");
            }
        }
    });
}

/// Patients who wait for these doctors or are with them, by doctor.
async fn waiting_for(pool: &Pool, changes: &[Change]) -> storage::Result<HashMap<UserId, Vec<UserId>>> {
    let doctors: Vec<UserId> = changes.iter().map(|change| change.doctor).collect();
    let mut waiting: HashMap<UserId, Vec<UserId>> = HashMap::new();
    for (doctor, patient) in sessions::list_patients_waiting_for(&mut *pool.acquire().await?, &doctors).await? {
        waiting.entry(doctor).or_default().push(patient);
    }
    Ok(waiting)
}

fn tell(engine: &Engine, change: Change, waiting: &HashMap<UserId, Vec<UserId>>) {
    let data = PresenceChanged { doctor_id: change.doctor, presence_status: change.now };
    let Ok(data) = serde_json::to_string(&data) else { return };
    let frame = EventFrame::new("presence.changed", engine.now(), None, &data);
    engine.hub().send_presence(change.doctor, waiting.get(&change.doctor).map_or(&[], Vec::as_slice), &frame);
}

/// Looks once: whose lease ran out, and which signs of life want to be written.
///
/// # Errors
/// When Postgres cannot be asked; the sign is written with the next look then.
pub async fn look(app: &App) -> storage::Result<()> {
    let now = app.now();
    app.engine.tell_untold();
    // Nobody is taken for gone while it is not known what other nodes see.
    if app.engine.knows_presence() {
        app.engine.announce(app.engine.presence().sweep(now));
    }
    let unwritten = app.engine.presence().unwritten(WRITE_EVERY, now);
    if !unwritten.is_empty() {
        let mut conn = app.pool.acquire().await?;
        doctors::set_last_seen(&mut conn, &unwritten).await?;
    }
    Ok(())
}
