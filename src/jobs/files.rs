//! What is to be removed from the file store (docs/decisions/020): rows in Postgres, taken with `skip locked` on any node.

use chrono::TimeDelta;
use consilium_storage::audit::{self, Entry};
use consilium_storage::connect::attachments;
use consilium_storage::files;

use crate::app::App;
use crate::connect::uploads::ops::PENDING_LIFE;
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
/// When Postgres cannot be asked, or the store cannot be reached.
pub async fn sweep(app: &App) -> Result<()> {
    lapse(app).await?;
    // Also first, as the rest may take long or end here.
    tell_refused(app).await?;
    // Also what finds out that a store is back that was not asked for a while.
    app.files.check().await?;
    while remove_due(app).await? {}
    tell_refused(app).await?;
    Ok(app.files.sweep((app.now() - STALE).into()).await?)
}

async fn tell_refused(app: &App) -> Result<()> {
    let refused = files::count_refused(&mut *app.conn().await?).await?;
    metrics::gauge!("consilium_file_removals_refused").set(refused as f64);
    Ok(())
}

/// Removes some of what is due. Answers whether to go on: a store that went away meanwhile is left alone, and what
/// was not taken yet keeps its attempts.
async fn remove_due(app: &App) -> Result<bool> {
    let taken = files::take_due(&mut *app.conn().await?, app.now(), LEASE, ROUND).await?;
    for due in &taken {
        match app.files.remove(&due.object).await {
            Ok(()) => {
                files::forget(&mut *app.conn().await?, due).await?;
                metrics::counter!("consilium_files_removed_total").increment(1);
            }
            Err(error) => {
                tracing::warn!(%error, area = due.object.area.as_str(), "not removed, trying again");
                if app.files.is_away() {
                    return Ok(false);
                }
            }
        }
    }
    Ok(taken.len() == usize::try_from(ROUND).unwrap_or(usize::MAX))
}

/// Uploads that were begun and never completed are DELETED (connect-v2 §4.5); their objects are swept by themselves.
async fn lapse(app: &App) -> Result<()> {
    loop {
        let mut tx = app.begin().await?;
        let now = tx.now();
        let uploaders = attachments::take_lapsed(tx.conn(), now - PENDING_LIFE, now, ROUND).await?;
        let count = uploaders.len();
        if count > 0 {
            let (actor, subject, session) = (None, None, None);
            let entry = Entry { at: now, actor, role: "system", action: "attachment.lapse", subject, session };
            audit::append_for_each(tx.conn(), entry, &uploaders).await?;
            app.commit(tx).await?;
        }
        if count < usize::try_from(ROUND).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}
