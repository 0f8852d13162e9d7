//! Partitions, the audit sealer, revocations that the bus may have missed, and what memory forgets.

use consilium_storage::accounts::logins;
use consilium_storage::database::Options;
use consilium_storage::{audit, database, maintenance};

use crate::app::App;
use crate::error::{Error, Result};

/// Makes the coming days' partitions, drops those past retention, and sweeps what has outlived its use.
pub(super) async fn partitions(app: &App, owner: &Options) -> Result<()> {
    let now = app.now();
    let mut conn = database::connect_once(owner).await?;
    maintenance::make_partitions(&mut conn, now).await?;
    let dropped = maintenance::drop_partitions(&mut conn, now - app.config.ttl.inbox_retention).await?;
    maintenance::sweep(&mut conn, now).await?;
    if dropped > 0 {
        tracing::info!(dropped, "inbox partitions past retention dropped");
    }
    Ok(())
}

/// Seals the settled rows of the audit log.
pub(super) async fn seal(app: &App) -> Result<()> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let sealed = audit::seal(tx.conn(), now).await?;
    if sealed > 0 {
        tx.commit().await.map(drop).map_err(Error::from)?;
    }
    Ok(())
}

/// Closes the connections of logins revoked in the last seconds, wherever that happened.
pub(super) async fn revocations(app: &App) -> Result<()> {
    if app.engine.hub().is_empty() {
        return Ok(());
    }
    let since = app.now() - chrono::TimeDelta::seconds(10);
    let revoked = logins::list_revoked_since(&mut *app.conn().await?, since).await?;
    app.engine.hub().close_logins(&revoked, consilium_realtime::close::Close::Unauthenticated);
    Ok(())
}

/// Counters and tickets that ended, sessions nobody touches, streams whose client takes nothing; and what histograms were
/// given is added up, which a scrape does too, but where nobody scrapes it would be kept for ever.
pub(super) fn forget(app: &App) {
    let now = app.now();
    app.limits.sweep(now);
    app.tickets.sweep(now);
    app.engine.sessions().sweep(now);
    app.engine.cut_overdue();
    app.metrics.run_upkeep();
}
