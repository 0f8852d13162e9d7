//! The doctor's switch (connect-v2 21, 22): REST and WebSocket turn the same one.

use consilium_realtime::presence::Shown;
use consilium_storage::connect::doctors;
use consilium_storage::ids::UserId;

use crate::app::App;
use crate::error::Result;

/// Writes the switch, then shows it: a restart finds it as it was left.
///
/// # Errors
/// 503 when Postgres cannot be reached; nothing is shown then.
pub async fn switch(app: &App, doctor: UserId, online: bool) -> Result<Shown> {
    doctors::set_online(&mut *app.conn().await?, doctor, online, app.now()).await?;
    // The time after the write: whoever read the row before knows less.
    let now = app.now();
    app.engine.note(app.engine.presence().switch(doctor, online, now));
    Ok(app.engine.presence().shown(doctor, now))
}
