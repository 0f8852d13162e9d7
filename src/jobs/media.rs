//! Webhooks get lost and tokens are used again: rooms are compared with what was permitted, and put right (DESIGN §5).
//! One node does it for all: whoever comes first when the last round's time is up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use consilium_realtime::hub::sessions::LiveSession;
use consilium_storage::connect::sessions::{self, Session, room_name};
use consilium_storage::turns;

use crate::app::App;
use crate::connect::video_permission::camera_right;
use crate::error::Result;
use crate::gateways::media::CameraRight;
use crate::gateways::media::reconcile::{LiveRooms, reconcile_all};

/// How often.
const EVERY: Duration = Duration::from_secs(5);
/// How long a round is one node's: less than a period, so that the node that had it comes in time for the next.
const TURN: TimeDelta = TimeDelta::seconds(4);

/// The rooms of one round.
struct Round(HashMap<String, Known>);

struct Known {
    /// The right as Postgres had it when the round began.
    right: CameraRight,
    /// The session in memory, where that agreed: it hears of changes during the round. Memory that did not agree may
    /// have missed what another node did.
    live: Option<Arc<LiveSession>>,
}

impl Known {
    fn now(&self) -> Option<CameraRight> {
        self.live.as_deref().map_or(Some(self.right), right_in_memory)
    }
}

fn right_in_memory(live: &LiveSession) -> Option<CameraRight> {
    camera_right(live.status(), live.video().0)
}

impl Round {
    fn of(app: &App, running: &[Session]) -> Self {
        let known = running.iter().filter_map(|session| {
            let right = camera_right(session.status, session.video_state)?;
            let live = app.engine.sessions().known(session.id).filter(|live| right_in_memory(live) == Some(right));
            Some((room_name(session.id), Known { right, live }))
        });
        Self(known.collect())
    }

    /// What has changed since the other round's beginning.
    fn since(mut self, other: &Self) -> Self {
        self.0.retain(|room, known| other.0.get(room).is_none_or(|before| before.right != known.right));
        self
    }
}

impl LiveRooms for Round {
    fn rooms(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn camera(&self, room: &str) -> Option<CameraRight> {
        self.0.get(room)?.now()
    }
}

/// Starts the rounds.
pub(super) fn start(app: &App) {
    super::every(app, "media reconciler", EVERY, |app| async move { round(&app).await.map(drop) });
}

/// One round, if it is this node's turn. Answers whether it was.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn round(app: &App) -> Result<bool> {
    if app.media.is_away() {
        return Ok(false);
    }
    let asked = std::time::Instant::now();
    let running = sessions::list_with_open_calls(&mut *app.conn().await?).await?;
    if running.is_empty() || !turns::take(&mut *app.conn().await?, "media reconciler", app.now(), TURN).await? {
        return Ok(false);
    }
    // Memory may lack what another node changed while its signals could not be heard.
    running.iter().for_each(|session| app.engine.sessions().take(session, asked));
    let round = Round::of(app, &running);
    if put_right(app, &round).await > 0 {
        // A transition at another node may have come between the look and the change: then it is undone at once.
        let running = sessions::list_with_open_calls(&mut *app.conn().await?).await?;
        put_right(app, &Round::of(app, &running).since(&round)).await;
    }
    Ok(true)
}

async fn put_right(app: &App, round: &Round) -> usize {
    match reconcile_all(&app.media, round).await {
        Ok(found) => found.corrected,
        Err(error) => {
            tracing::debug!(%error, "media rooms not compared");
            0
        }
    }
}
