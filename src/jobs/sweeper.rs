//! Deadlines of consultations (DESIGN §7): rows in Postgres, taken with `skip locked` on any node, without a leader.

use consilium_storage::connect::sessions;

use crate::app::App;
use crate::connect::sessions::ops::{self, Close};
use crate::error::Result;

/// How many rows one round takes.
const ROUND: i64 = 200;

/// REQUESTED past its time becomes EXPIRED, with the events of it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn expire(app: &App) -> Result<()> {
    loop {
        let mut tx = app.begin().await?;
        let now = tx.now();
        let lapsed = sessions::take_expired(tx.conn(), now, ROUND).await?;
        let count = lapsed.len();
        if count == 0 {
            return Ok(());
        }
        for session in lapsed {
            ops::close_locked(&mut tx, session, Close::Expire).await?;
        }
        app.commit(tx).await?;
        metrics::counter!("consilium_sessions_expired_total").increment(count as u64);
        if count < usize::try_from(ROUND).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}

/// ONGOING in which nothing happened for so long that it is over: no message, nobody in the room, nobody connected.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn end_idle(app: &App) -> Result<()> {
    let now = app.now();
    let mut conn = app.conn().await?;
    let connected = app.engine.hub().users();
    if !connected.is_empty() {
        sessions::touch_of_users(&mut conn, &connected, now).await?;
    }
    drop(conn);
    for _ in 0..ROUND {
        if !ops::end_one_idle(app, now - app.config.ttl.session_idle).await? {
            break;
        }
    }
    Ok(())
}
