//! Which doctors can be rung (connect-v2 22): a sign of life counts longer where a request would still ring a device.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consilium_realtime::Engine;
use consilium_storage as storage;
use consilium_storage::connect::devices;
use consilium_storage::database::Conn;
use consilium_storage::ids::UserId;

use crate::app::App;

/// How often what other nodes changed is read again; mostly they say so themselves.
const EVERY: Duration = Duration::from_secs(30);

/// Tells presence who can be rung, announcing nobody: for the start.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn load(engine: &Engine, conn: &mut Conn) -> storage::Result<()> {
    for doctor in devices::list_doctors_with_devices(conn).await? {
        // Nobody is connected yet who would have to be told.
        let _noted = engine.presence().can_ring(doctor, true, engine.now());
    }
    Ok(())
}

/// Reads again and again who can be rung.
pub(super) fn start(app: &App) {
    if !app.push.rings() {
        return;
    }
    let known: Arc<Mutex<HashSet<UserId>>> = Arc::default();
    super::every(app, "ringing", EVERY, move |app| {
        let known = Arc::clone(&known);
        async move {
            let found = devices::list_doctors_with_devices(&mut *app.conn().await?).await?;
            let found: HashSet<UserId> = found.into_iter().collect();
            let before = std::mem::replace(&mut *known.lock().unwrap_or_else(PoisonError::into_inner), found.clone());
            for doctor in found.union(&before) {
                app.engine.note(app.engine.presence().can_ring(*doctor, found.contains(doctor), app.now()));
            }
            Ok(())
        }
    });
}
