//! Thin: extract, call ops, wrap.

use axum::extract::State;

use super::wire::{AvatarView, PickAvatar, UpdateUser, UserView};
use super::{ops, rules};
use crate::accounts::caller::{Caller, Client};
use crate::app::App;
use crate::error::Result;
use crate::http::input::{BodyOnly, Input};
use crate::http::reply::Answer;
use crate::http::upload::Picture;

/// 6.
pub(super) async fn show(State(app): State<App>, caller: Caller<Client>) -> Result<Answer<UserView>> {
    Ok(Answer(ops::show(&app, &caller).await?))
}

/// 7: null clears age, sex, height and weight.
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { body, .. }: BodyOnly<UpdateUser>,
) -> Result<Answer<UserView>> {
    Ok(Answer(ops::update(&app, &caller, body).await?))
}

/// 8.
pub(super) async fn avatars(State(app): State<App>, _caller: Caller<Client>) -> Result<Answer<Vec<AvatarView>>> {
    let all = rules::AVATARS
        .iter()
        .map(|id| AvatarView { avatar_id: (*id).to_owned(), url: rules::system_avatar_url(&app.public_url, id) });
    Ok(Answer(all.collect()))
}

/// 9.
pub(super) async fn pick(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { body, .. }: BodyOnly<PickAvatar>,
) -> Result<Answer<UserView>> {
    Ok(Answer(ops::pick_avatar(&app, &caller, &body.avatar_id).await?))
}

/// 10.
pub(super) async fn upload(
    State(app): State<App>,
    caller: Caller<Client>,
    picture: Picture,
) -> Result<Answer<UserView>> {
    Ok(Answer(ops::upload_avatar(&app, &caller, &picture).await?))
}

/// 11.
pub(super) async fn reset(State(app): State<App>, caller: Caller<Client>) -> Result<Answer<UserView>> {
    Ok(Answer(ops::pick_avatar(&app, &caller, crate::accounts::codes::DEFAULT_AVATAR).await?))
}
