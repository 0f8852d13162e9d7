//! The doctor's own switches (connect-v2 21, 22); presence follows from them, from signs of life and from sessions.

use aide::axum::ApiRouter;
use aide::axum::routing::patch_with;
use axum::extract::State;
use consilium_realtime::presence::Shown;
use consilium_storage::connect::doctors::profile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NOT_FOUND;
use crate::accounts::caller::{Caller, Doctor};
use crate::app::App;
use crate::connect::presence;
use crate::error::Result;
use crate::http::input::{BodyOnly, Input};
use crate::http::patch::Maybe;
use crate::http::reply::Answer;

const TAG: &str = "Doctor's desk";

/// The routes 21 and 22.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/doctors/me/availability",
            patch_with(set_availability, |op| op.id("C21").tag(TAG).summary("Online switch, chats and calls")),
        )
        .api_route(
            "/api/v2/doctors/me/presence",
            patch_with(set_presence, |op| op.id("C22").tag(TAG).summary("Go online or offline")),
        )
}

/// At least one of these (21).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend(
    "anyOf" = [{"required": ["online"]}, {"required": ["chat_enabled"]}, {"required": ["call_enabled"]}]
))]
struct SetAvailability {
    /// The online switch.
    #[serde(default)]
    online: Maybe<bool>,
    /// Takes chats.
    #[serde(default)]
    chat_enabled: Maybe<bool>,
    /// Takes calls.
    #[serde(default)]
    call_enabled: Maybe<bool>,
}

/// The switches as they stand.
#[derive(Debug, Serialize, JsonSchema)]
struct AvailabilityView {
    /// The online switch.
    is_online: bool,
    /// Takes chats.
    chat_enabled: bool,
    /// Takes calls.
    call_enabled: bool,
    /// What others see.
    presence_status: Shown,
}

/// BUSY cannot be set: it follows from sessions (22).
#[derive(Debug, Deserialize, JsonSchema)]
struct SetPresence {
    /// Lower case.
    presence_status: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "WantedPresence")]
enum Wanted {
    Online,
    Offline,
}

/// What others see (22).
#[derive(Debug, Serialize, JsonSchema)]
struct PresenceView {
    /// Upper case.
    presence_status: Shown,
}

/// 21.
async fn set_availability(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { body, .. }: BodyOnly<SetAvailability>,
) -> Result<Answer<AvailabilityView>> {
    let (Maybe(online), Maybe(chat), Maybe(call)) = (body.online, body.chat_enabled, body.call_enabled);
    if chat.is_some() || call.is_some() {
        profile::set_channels(&mut *app.conn().await?, caller.id, chat, call).await?;
    }
    if let Some(online) = online {
        presence::switch(&app, caller.id, online).await?;
    }
    let doctor = profile::find(&mut *app.conn().await?, caller.id).await?.ok_or(NOT_FOUND)?;
    Ok(Answer(AvailabilityView {
        is_online: doctor.is_online,
        chat_enabled: doctor.chat_enabled,
        call_enabled: doctor.call_enabled,
        presence_status: app.engine.presence().shown(caller.id, app.now()),
    }))
}

/// 22.
async fn set_presence(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { body, .. }: BodyOnly<SetPresence>,
) -> Result<Answer<PresenceView>> {
    let presence_status = presence::switch(&app, caller.id, body.presence_status == Wanted::Online).await?;
    Ok(Answer(PresenceView { presence_status }))
}
