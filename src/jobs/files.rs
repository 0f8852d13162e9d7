//! What is to be removed from the file store (docs/decisions/020): rows in Postgres, taken with `skip locked` on any node.

use chrono::TimeDelta;
use consilium_storage::files;

use crate::app::App;
use crate::error::Result;

/// How many objects one round removes.
const ROUND: i64 = 100;

/// How long a node has for the objects it took, before another takes them.
const LEASE: TimeDelta = TimeDelta::minutes(5);

/// How old a half-written local file is when nobody can be writing it any more.
const STALE: TimeDelta = TimeDelta::hours(24);

/// Removes what is due; what the store refuses is tried again later.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn sweep(app: &App) -> Result<()> {
    loop {
        let due = files::take_due(&mut *app.conn().await?, app.now(), LEASE, ROUND).await?;
        let count = due.len();
        for object in due {
            match app.files.remove(&object).await {
                Ok(()) => {
                    files::forget(&mut *app.conn().await?, &object).await?;
                    metrics::counter!("consilium_files_removed_total").increment(1);
                }
                Err(error) => tracing::warn!(%error, area = object.area.as_str(), "not removed, trying again"),
            }
        }
        if count < usize::try_from(ROUND).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(app.files.sweep((app.now() - STALE).into()).await?)
}
