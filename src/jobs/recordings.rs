//! Recordings are compared with what the recorder lists, so that a webhook that never comes leaves none behind. One node
//! does it for all: whoever comes first when the last round's time is up.

use std::time::Duration;

use chrono::TimeDelta;
use consilium_storage::turns;

use crate::app::App;
use crate::connect::recordings;
use crate::error::Result;

/// How often.
const EVERY: Duration = Duration::from_secs(5);
/// How long a round is one node's: less than a period, so that the node that had it comes in time for the next.
const TURN: TimeDelta = TimeDelta::seconds(4);

/// Starts the rounds.
pub(super) fn start(app: &App) {
    super::every(app, "recordings", EVERY, |app| async move { round(&app).await });
}

async fn round(app: &App) -> Result<()> {
    if turns::take(&mut *app.conn().await?, "recordings", app.now(), TURN).await? {
        recordings::follow(app).await?;
    }
    Ok(())
}
