//! Devices that can be rung (connect-v2 §3.15). A doctor who has one is shown ONLINE longer after the last sign of life
//! (connect-v2 22): a request would still ring.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, post_with};
use axum::extract::State;
use consilium_storage::accounts::Role;
use consilium_storage::connect::Party;
use consilium_storage::connect::devices::{self, NewDevice, Platform};
use consilium_storage::ids::{DeviceId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::caller::{Account, Caller, Participant};
use crate::app::App;
use crate::error::Result;
use crate::http::input::{BodyOnly, Input};
use crate::http::reply::{NoContent, Stored};

const TAG: &str = "Devices";

/// The routes 83 and 84.
pub fn router() -> ApiRouter<App> {
    let all = "/api/v2/device-tokens";
    ApiRouter::new()
        .api_route(all, post_with(register, |op| op.id("C83").tag(TAG).summary("Register a device for push messages")))
        .api_route(all, delete_with(remove, |op| op.id("C84").tag(TAG).summary("Send a device no more push messages")))
}

/// A device (83).
#[derive(Deserialize, JsonSchema)]
struct RegisterDevice {
    /// The provider's registration token.
    #[schemars(length(min = 1, max = 4096))]
    token: String,
    /// What the device runs.
    platform: Platform,
    /// Of the app.
    #[schemars(length(max = 50))]
    app_version: Option<String>,
}

/// A device to let go (84).
#[derive(Deserialize, JsonSchema)]
struct RemoveDevice {
    /// The provider's registration token.
    #[schemars(length(min = 1, max = 4096))]
    token: String,
}

/// A registered device.
#[derive(Debug, Serialize, JsonSchema)]
struct DeviceView {
    /// Its id; the token is not told again.
    id: DeviceId,
    /// Whose.
    user_id: UserId,
    /// As which party.
    role: Party,
    /// What the device runs.
    platform: Platform,
    /// True: it is rung.
    is_active: bool,
}

/// 83.
async fn register(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { body, .. }: BodyOnly<RegisterDevice>,
) -> Result<Stored<DeviceView>> {
    let role = caller.party().unwrap_or(Party::Client);
    let RegisterDevice { token, platform, app_version } = body;
    let new = NewDevice { user_id: caller.id, role, token, platform, app_version };
    let mut tx = app.begin().await?;
    let now = tx.now();
    let registered = devices::register(tx.conn(), &new, now).await?;
    app.commit(tx).await?;
    for doctor in registered.from.into_iter().chain(doctor(&caller)) {
        settle_ringing(&app, doctor).await?;
    }
    let view = DeviceView { id: registered.id, user_id: caller.id, role, platform, is_active: true };
    Ok(Stored { created: registered.is_new, view })
}

/// 84: a token that is not the caller's stays as it is.
async fn remove(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { body, .. }: BodyOnly<RemoveDevice>,
) -> Result<NoContent> {
    devices::deactivate(&mut *app.conn().await?, caller.id, &body.token, app.now()).await?;
    if let Some(doctor) = doctor(&caller) {
        settle_ringing(&app, doctor).await?;
    }
    Ok(NoContent)
}

fn doctor(caller: &Account) -> Option<UserId> {
    (caller.role == Role::Doctor).then_some(caller.id)
}

/// Tells presence whether the doctor has a device that can be rung.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn settle_ringing(app: &App, doctor: UserId) -> Result<()> {
    let rings = app.push.rings() && devices::exists_active(&mut *app.conn().await?, doctor).await?;
    app.engine.note(app.engine.presence().can_ring(doctor, rings, app.now()));
    Ok(())
}
