//! One operation, one transaction.

use consilium_storage::accounts::patients::{self, Patient, Profile};

use super::rules;
use super::wire::{UpdateUser, UserView};
use crate::accounts::caller::Account;
use crate::accounts::codes::DEFAULT_AVATAR;
use crate::app::App;
use crate::connect::stored;
use crate::error::{Error, Result};
use crate::http::upload::Picture;

/// No such patient.
pub const NOT_FOUND: Error = Error::NotFound("User");

/// A patient's own profile.
///
/// # Errors
/// 404 when there is no such patient.
pub async fn show(app: &App, caller: &Account) -> Result<UserView> {
    let mut tx = app.begin().await?;
    let patient = patients::find(tx.conn(), caller.id).await?.ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "user.read", caller.id, None).await?;
    app.commit(tx).await?;
    Ok(UserView::of(&app.public_url, &patient))
}

/// Changes the profile.
///
/// # Errors
/// 404 when there is no such patient.
pub async fn update(app: &App, caller: &Account, changes: UpdateUser) -> Result<UserView> {
    let mut tx = app.begin().await?;
    let mut patient = patients::find_for_update(tx.conn(), caller.id).await?.ok_or(NOT_FOUND)?;
    let profile = changes.apply(Profile::from(&patient));
    patients::set_profile(tx.conn(), caller.id, &profile).await?;
    caller.note(&mut tx, "user.update", caller.id, None).await?;
    app.commit(tx).await?;
    take(&mut patient, profile);
    Ok(UserView::of(&app.public_url, &patient))
}

/// The patient as it is after the profile was written.
pub fn take(patient: &mut Patient, profile: Profile) {
    patient.full_name = profile.full_name;
    patient.age = profile.age;
    patient.sex = profile.sex;
    patient.height_cm = profile.height_cm;
    patient.weight_kg = profile.weight_kg;
}

/// Picks a system avatar; an uploaded picture goes.
///
/// # Errors
/// 404 for an id that is not in the catalogue.
pub async fn pick_avatar(app: &App, caller: &Account, avatar_id: &str) -> Result<UserView> {
    if !rules::AVATARS.contains(&avatar_id) {
        return Err(Error::NotFound("Avatar"));
    }
    set_avatar(app, caller, avatar_id, None).await
}

/// Keeps an own picture; the one before goes.
///
/// # Errors
/// 503 `STORAGE_UNAVAILABLE`.
pub async fn upload_avatar(app: &App, caller: &Account, picture: &Picture) -> Result<UserView> {
    let name = stored::put_avatar(app, picture).await?;
    set_avatar(app, caller, DEFAULT_AVATAR, Some(&name)).await
}

async fn set_avatar(app: &App, caller: &Account, avatar_id: &str, file: Option<&str>) -> Result<UserView> {
    let mut tx = app.begin().await?;
    let mut patient = patients::find_for_update(tx.conn(), caller.id).await?.ok_or(NOT_FOUND)?;
    let former = std::mem::replace(&mut patient.avatar_file, file.map(str::to_owned));
    avatar_id.clone_into(&mut patient.avatar_id);
    patients::set_avatar(tx.conn(), caller.id, avatar_id, file).await?;
    stored::exchange_avatar(&mut tx, caller.id, former.as_deref(), file).await?;
    caller.note(&mut tx, "user.avatar", caller.id, None).await?;
    app.commit(tx).await?;
    if let Some(former) = former {
        stored::discard(app, &stored::avatar(&former)).await;
    }
    Ok(UserView::of(&app.public_url, &patient))
}
