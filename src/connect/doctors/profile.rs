//! A doctor's own profile and picture (connect-v2 31–34).

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::State;
use consilium_storage::connect::doctors::profile;
use consilium_storage::ids::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::{Language, ProfileView, Speciality, avatar_url};
use super::{NOT_FOUND, admin};
use crate::accounts::caller::{Caller, Doctor};
use crate::app::App;
use crate::connect::stored;
use crate::error::Result;
use crate::http::input::{BodyOnly, Input};
use crate::http::patch::{Maybe, Patch};
use crate::http::reply::{Answer, NoContent};
use crate::http::upload::Picture;

const TAG: &str = "Doctor's desk";

/// The routes 31 to 34.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/doctors/me/profile",
            get_with(show, |op| op.id("C31").tag(TAG).summary("Own profile"))
                .patch_with(update, |op| op.id("C32").tag(TAG).summary("Change the own profile")),
        )
        .api_route(
            "/api/v2/doctors/me/avatar",
            post_with(upload, |op| op.id("C33").tag(TAG).summary("Upload a picture"))
                .delete_with(remove, |op| op.id("C34").tag(TAG).summary("Remove the picture")),
        )
}

/// What a doctor may change (32); absent fields stay.
#[derive(Debug, Deserialize, JsonSchema)]
struct UpdateProfile {
    /// With the title.
    #[serde(default)]
    #[schemars(length(min = 2, max = 100), regex(pattern = r"\S[\s\S]*\S"))]
    full_name: Maybe<String>,
    /// Years.
    #[serde(default)]
    #[schemars(range(min = 0, max = 60))]
    years_experience: Maybe<i32>,
    /// A few sentences; null clears them.
    #[serde(default)]
    #[schemars(length(max = 600))]
    about_short: Patch<String>,
    /// At least one.
    #[serde(default)]
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 100), regex(pattern = r"\S")))]
    degrees: Maybe<Vec<String>>,
    /// Of the list.
    #[serde(default)]
    speciality_category: Maybe<Speciality>,
    /// Of the list.
    #[serde(default)]
    #[schemars(length(max = 30))]
    languages: Maybe<Vec<Language>>,
    /// Of the medical council; six characters or more, not counting spaces around them. Null clears it.
    #[serde(default)]
    #[schemars(length(min = 6, max = 50), regex(pattern = r"\S[\s\S]{4,}\S"))]
    registration_number: Patch<String>,
}

/// Where the new picture is read.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoctorAvatarOut")]
struct AvatarView {
    /// Readable without a token.
    avatar_url: Option<String>,
}

/// 31.
async fn show(State(app): State<App>, caller: Caller<Doctor>) -> Result<Answer<ProfileView>> {
    let doctor = profile::find(&mut *app.conn().await?, caller.id).await?.ok_or(NOT_FOUND)?;
    Ok(Answer(ProfileView::of(&app, doctor)))
}

/// 32.
async fn update(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { body, .. }: BodyOnly<UpdateProfile>,
) -> Result<Answer<ProfileView>> {
    let mut tx = app.begin().await?;
    let mut doctor = profile::find_for_update(tx.conn(), caller.id).await?.ok_or(NOT_FOUND)?;
    body.apply(&mut doctor);
    profile::update(tx.conn(), &doctor).await.map_err(admin::taken)?;
    app.commit(tx).await?;
    Ok(Answer(ProfileView::of(&app, doctor)))
}

impl UpdateProfile {
    fn apply(self, doctor: &mut profile::Doctor) {
        if let Maybe(Some(name)) = self.full_name {
            name.trim().clone_into(&mut doctor.full_name);
        }
        if let Maybe(Some(years)) = self.years_experience {
            doctor.years_experience = years;
        }
        if let Maybe(Some(degrees)) = self.degrees {
            doctor.degrees = degrees;
        }
        if let Maybe(Some(Speciality(speciality))) = self.speciality_category {
            doctor.speciality_category = speciality;
        }
        if let Maybe(Some(languages)) = self.languages {
            doctor.languages = languages.into_iter().map(|Language(name)| name).collect();
        }
        doctor.about_short = self.about_short.apply(doctor.about_short.take());
        doctor.registration_number = self.registration_number.trimmed().apply(doctor.registration_number.take());
    }
}

/// 33: replaces the former picture.
async fn upload(State(app): State<App>, caller: Caller<Doctor>, picture: Picture) -> Result<Answer<AvatarView>> {
    let name = stored::put_avatar(&app, &picture).await?;
    set_avatar(&app, caller.id, Some(&name)).await?;
    Ok(Answer(AvatarView { avatar_url: avatar_url(&app, Some(&name)) }))
}

/// 34: without a picture, nothing is left to do.
async fn remove(State(app): State<App>, caller: Caller<Doctor>) -> Result<NoContent> {
    set_avatar(&app, caller.id, None).await?;
    Ok(NoContent)
}

async fn set_avatar(app: &App, id: UserId, file: Option<&str>) -> Result<()> {
    let mut tx = app.begin().await?;
    let former = profile::set_avatar(tx.conn(), id, file).await?;
    stored::exchange_avatar(&mut tx, id, former.as_deref(), file).await?;
    app.commit(tx).await?;
    if let Some(former) = former {
        stored::discard(app, &stored::avatar(&former)).await;
    }
    Ok(())
}
