//! A patient's favourite doctors, and doctors a patient waits for (connect-v2 23–25).

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::State;
use consilium_realtime::presence::Shown;
use consilium_storage::connect::doctors::{favourites, profile};
use consilium_storage::database::Conn;
use consilium_storage::ids::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NOT_FOUND;
use super::wire::{DoctorPath, DoctorView};
use crate::accounts::caller::{Caller, Client};
use crate::app::App;
use crate::error::Result;
use crate::http::input::{Input, PathBody, PathOnly, QueryOnly};
use crate::http::reply::Answer;

const TAG: &str = "Doctors";

/// The routes 23 to 25.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/doctors/favourites",
            get_with(list, |op| op.id("C23").tag(TAG).summary("The patient's favourite doctors")),
        )
        .api_route(
            "/api/v2/doctors/{doctor_id}/favourite",
            post_with(set, |op| op.id("C24").tag(TAG).summary("Add or remove a favourite")),
        )
        .api_route(
            "/api/v2/doctors/{doctor_id}/notify-me",
            post_with(notify_me, |op| op.id("C25").tag(TAG).summary("Be told when the doctor is online")),
        )
}

/// Which of them (23).
#[derive(Debug, Deserialize, JsonSchema)]
struct ListQuery {
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    skip: i64,
    /// 1 to 100.
    #[serde(default = "ListQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
}

impl ListQuery {
    const fn limit() -> i64 {
        50
    }
}

/// What to do with a favourite (24).
#[derive(Debug, Deserialize, JsonSchema)]
struct SetFavourite {
    /// Add or remove.
    action: Action,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "FavouriteAction")]
enum Action {
    Add,
    Remove,
}

/// Whether the doctor is a favourite now.
#[derive(Debug, Serialize, JsonSchema)]
struct FavouriteView {
    /// The doctor.
    doctor_id: UserId,
    /// After the action.
    is_favourite: bool,
}

/// What became of the wish to be told (25).
#[derive(Debug, Serialize, JsonSchema)]
struct NotificationResult {
    /// The doctor.
    doctor_id: UserId,
    /// The patient will be told.
    subscribed: bool,
    /// There is nothing to wait for: the doctor is online.
    notified: bool,
    /// For a person.
    message: &'static str,
}

/// 23: the latest favourite first.
async fn list(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { query, .. }: QueryOnly<ListQuery>,
) -> Result<Answer<Vec<DoctorView>>> {
    let cards = favourites::list(&mut *app.conn().await?, caller.id, query.skip, query.limit).await?;
    Ok(Answer(cards.into_iter().map(|card| DoctorView::of(&app, card)).collect()))
}

/// 24: says the same again without harm.
async fn set(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, body, .. }: PathBody<DoctorPath, SetFavourite>,
) -> Result<Answer<FavouriteView>> {
    let mut conn = app.conn().await?;
    require_visible(&mut conn, path.doctor_id).await?;
    let is_favourite = match body.action {
        Action::Add => {
            favourites::insert(&mut conn, caller.id, path.doctor_id, app.now()).await?;
            true
        }
        Action::Remove => {
            favourites::delete(&mut conn, caller.id, path.doctor_id).await?;
            false
        }
    };
    Ok(Answer(FavouriteView { doctor_id: path.doctor_id, is_favourite }))
}

/// 25: a doctor who is online already needs no waiting for.
async fn notify_me(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, .. }: PathOnly<DoctorPath>,
) -> Result<Answer<NotificationResult>> {
    let doctor_id = path.doctor_id;
    let mut conn = app.conn().await?;
    require_visible(&mut conn, doctor_id).await?;
    let now = app.now();
    if app.engine.presence().shown(doctor_id, now) == Shown::Online {
        let message = "The doctor is online already";
        return Ok(Answer(NotificationResult { doctor_id, subscribed: false, notified: true, message }));
    }
    favourites::watch(&mut conn, caller.id, doctor_id, now).await?;
    let message = "You will be told when the doctor is online";
    Ok(Answer(NotificationResult { doctor_id, subscribed: true, notified: false, message }))
}

async fn require_visible(conn: &mut Conn, id: UserId) -> Result<()> {
    let doctor = profile::find(conn, id).await?;
    doctor.filter(profile::Doctor::is_visible).map(|_| ()).ok_or(NOT_FOUND)
}
