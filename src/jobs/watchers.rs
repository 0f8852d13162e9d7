//! Patients who asked to be told when a doctor is online (connect-v2 25): told once, by whichever node is first.

use consilium_realtime::presence::Shown;
use consilium_storage::connect::doctors::favourites;
use consilium_storage::ids::UserId;

use crate::app::App;
use crate::error::Result;

/// Tells those who wait for this doctor, who is online; they wait no longer.
///
/// # Errors
/// When Postgres cannot be asked; they are told with the next look then.
pub async fn tell(app: &App, doctor: UserId) -> Result<()> {
    let mut tx = app.begin().await?;
    let patients = favourites::take_watchers(tx.conn(), doctor).await?;
    if patients.is_empty() {
        return Ok(());
    }
    tx.push("doctor.available", &patients, &[("doctor_id", doctor.0)]);
    app.commit(tx).await
}

/// Looks at every doctor whom somebody waits for: a change of presence may have been missed, or come just before the wish.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn look(app: &App) -> Result<()> {
    let watched = favourites::list_watched(&mut *app.conn().await?).await?;
    for doctor in watched {
        if app.engine.presence().shown(doctor, app.now()) == Shown::Online {
            tell(app, doctor).await?;
        }
    }
    Ok(())
}
