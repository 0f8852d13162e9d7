//! Reminders of appointments and of reviews (connect-v2 45, 63): rows in Postgres, each sent once or not at all, by any
//! node.

use consilium_storage::ids::{FollowupId, SessionId};
use consilium_storage::reminders::{self, Kind};

use crate::app::App;
use crate::connect::{followups, reviews};
use crate::error::Result;

/// How many subjects one round looks at.
const ROUND: i64 = 200;

/// Sends what is due. One that fails does not hold up the others; it is tried again with the next round.
///
/// # Errors
/// When Postgres cannot be asked, or the last of those that failed.
pub async fn send(app: &App) -> Result<()> {
    let due = reminders::list_due(&mut *app.conn().await?, app.now(), ROUND).await?;
    let mut outcome = Ok(());
    for (subject, kind) in due {
        let sent = match kind {
            Kind::FollowupDay | Kind::FollowupHour => followups::ops::remind(app, FollowupId(subject)).await,
            Kind::Review => reviews::ops::remind(app, SessionId(subject)).await,
        };
        match sent {
            Ok(true) => metrics::counter!("consilium_reminders_sent_total", "kind" => kind.as_str()).increment(1),
            Ok(false) => {}
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}
