//! Partitions, the audit sealer, and what memory forgets.

use chrono::{DateTime, Utc};
use consilium_storage::database::{Conn, Options};
use consilium_storage::{audit, database, maintenance};

use crate::app::App;
use crate::error::{Error, Result};

/// Makes the coming days' partitions, drops those past retention, and sweeps what has outlived its use. Where another
/// node is at it, it is left to that node.
///
/// # Errors
/// When Postgres cannot be asked, or a partition is in use for long; the next round tries anew.
pub async fn partitions(app: &App, owner: &Options) -> Result<()> {
    let now = app.now();
    let mut conn = database::connect_once(owner).await?;
    let dropped = maintain(&mut conn, now, now - app.config.ttl.inbox_retention).await;
    // The turn ends with the connection.
    database::disconnect(conn).await;
    if let Some(dropped @ 1..) = dropped? {
        tracing::info!(dropped, "inbox partitions past retention dropped");
    }
    Ok(())
}

/// How many partitions went; none if another node is at it.
async fn maintain(conn: &mut Conn, now: DateTime<Utc>, floor: DateTime<Utc>) -> Result<Option<usize>> {
    if !maintenance::take_turn(conn).await? {
        return Ok(None);
    }
    maintenance::make_partitions(conn, now).await?;
    let dropped = maintenance::drop_partitions(conn, floor).await?;
    maintenance::sweep(conn, now).await?;
    Ok(Some(dropped))
}

/// Seals the settled rows of the audit log.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn seal(app: &App) -> Result<()> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let sealed = audit::seal(tx.conn(), now).await?;
    if sealed > 0 {
        tx.commit().await.map(drop).map_err(Error::from)?;
    }
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
