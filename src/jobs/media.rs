//! Webhooks get lost and tokens are used again: rooms are compared with what was permitted, and put right (DESIGN §5).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consilium_storage::connect::sessions::{self, room_name};

use crate::app::App;
use crate::connect::video_permission::camera_right;
use crate::error::Result;
use crate::gateways::media::CameraRight;
use crate::gateways::media::reconcile::{LiveRooms, reconcile_all};

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// The rooms of one round, with the right as read from Postgres, or from memory where that is newer.
struct Round {
    app: App,
    rights: Arc<Mutex<HashMap<String, CameraRight>>>,
}

impl LiveRooms for Round {
    fn rooms(&self) -> Vec<String> {
        self.rights.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn camera(&self, room: &str) -> Option<CameraRight> {
        let known = sessions::session_of_room(room).and_then(|id| self.app.engine.sessions().known(id));
        match known {
            Some(live) => camera_right(live.status(), live.video().0),
            None => self.rights.lock().unwrap_or_else(PoisonError::into_inner).get(room).copied(),
        }
    }
}

/// Starts the rounds.
pub(super) fn start(app: &App) {
    super::every(app, "media reconciler", EVERY, |app| async move { round(&app).await });
}

async fn round(app: &App) -> Result<()> {
    let asked = std::time::Instant::now();
    let running = sessions::list_with_open_calls(&mut *app.conn().await?).await?;
    if running.is_empty() || app.media.is_away() {
        return Ok(());
    }
    // Memory may lack what another node changed while its signals could not be heard.
    running.iter().for_each(|session| app.engine.sessions().take(session, asked));
    let rights = running
        .iter()
        .filter_map(|session| Some((room_name(session.id), camera_right(session.status, session.video_state)?)))
        .collect();
    let round = Round { app: app.clone(), rights: Arc::new(Mutex::new(rights)) };
    if let Err(error) = reconcile_all(&app.media, &round).await {
        tracing::debug!(%error, "media rooms not compared");
    }
    Ok(())
}
