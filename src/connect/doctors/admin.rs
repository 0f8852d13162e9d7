//! Doctors made and changed by admins (connect-v2 35, 36; settled 17).

use aide::axum::ApiRouter;
use aide::axum::routing::{patch_with, post_with};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use consilium_storage as storage;
use consilium_storage::connect::doctors::{self, NewDoctor, profile};
use consilium_storage::ids::UserId;
use consilium_storage::tx::Tx;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::NOT_FOUND;
use super::wire::{DoctorPath, ProfileView};
use crate::accounts::caller::{Account, Admin, Caller};
use crate::accounts::{passwords, sign_in};
use crate::app::App;
use crate::connect::sessions;
use crate::error::{Code, Error, Result};
use crate::http::idempotency::{IdempotencyKey, Start, finish};
use crate::http::input::{BodyOnly, Input, PathBody};
use crate::http::patch::{Maybe, Patch};
use crate::http::reply::{Answer, Created};

const TAG: &str = "Doctors, by admins";

/// The routes 35 and 36.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/api/v2/doctors", post_with(create, |op| op.id("C35").tag(TAG).summary("Make a doctor")))
        .api_route(
            "/api/v2/doctors/{doctor_id}",
            patch_with(update, |op| op.id("C36").tag(TAG).summary("Change a doctor")),
        )
}

/// A doctor to be made (35).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DoctorCreate")]
struct CreateDoctor {
    /// Sign-in name.
    #[schemars(email, length(max = 254))]
    email: String,
    /// Only ever kept hashed.
    #[serde(skip_serializing)]
    #[schemars(with = "String", length(min = 8, max = 128))]
    password: SecretString,
    /// With the title.
    #[schemars(length(min = 2, max = 100), regex(pattern = r"\S[\s\S]*\S"))]
    full_name: String,
    /// Any: the list of 32 binds doctors, not admins.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    speciality_category: String,
    /// E.164.
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{7,14}$"))]
    phone: Option<String>,
    /// `MBBS`, `MD` …
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100), regex(pattern = r"\S")))]
    degrees: Vec<String>,
    /// Years.
    #[serde(default)]
    #[schemars(range(min = 0, max = 60))]
    years_experience: i32,
    /// A few sentences.
    #[schemars(length(max = 600))]
    about_short: Option<String>,
    /// Spoken languages.
    #[serde(default)]
    #[schemars(length(max = 30), inner(length(min = 1, max = 50), regex(pattern = r"\S")))]
    languages: Vec<String>,
    /// Of the medical council; six characters or more, not counting spaces around them.
    #[schemars(length(min = 6, max = 50), regex(pattern = r"\S[\s\S]{4,}\S"))]
    registration_number: Option<String>,
    /// Paise.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    rate_per_minute: i32,
    /// Takes chats.
    #[serde(default = "yes")]
    chat_enabled: bool,
    /// Takes calls.
    #[serde(default = "yes")]
    call_enabled: bool,
    /// Shown first.
    #[serde(default)]
    is_featured: bool,
    /// Whether patients see the doctor.
    #[serde(default = "yes")]
    is_verified: bool,
    /// Reviews encounters.
    #[serde(default)]
    is_reviewer: bool,
}

const fn yes() -> bool {
    true
}

/// What an admin may change (36); absent fields stay.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "DoctorUpdate")]
struct UpdateDoctor {
    /// Sign-in name.
    #[serde(default)]
    #[schemars(email, length(max = 254))]
    email: Maybe<String>,
    /// A new one ends every login.
    #[serde(default)]
    #[schemars(with = "Maybe<String>", length(min = 8, max = 128))]
    password: Maybe<SecretString>,
    /// With the title; the slug stays.
    #[serde(default)]
    #[schemars(length(min = 2, max = 100), regex(pattern = r"\S[\s\S]*\S"))]
    full_name: Maybe<String>,
    /// Any.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    speciality_category: Maybe<String>,
    /// E.164; null clears it.
    #[serde(default)]
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{7,14}$"))]
    phone: Patch<String>,
    /// `MBBS`, `MD` …
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100), regex(pattern = r"\S")))]
    degrees: Maybe<Vec<String>>,
    /// Years.
    #[serde(default)]
    #[schemars(range(min = 0, max = 60))]
    years_experience: Maybe<i32>,
    /// A few sentences; null clears them.
    #[serde(default)]
    #[schemars(length(max = 600))]
    about_short: Patch<String>,
    /// Spoken languages.
    #[serde(default)]
    #[schemars(length(max = 30), inner(length(min = 1, max = 50), regex(pattern = r"\S")))]
    languages: Maybe<Vec<String>>,
    /// Of the medical council; six characters or more, not counting spaces around them. Null clears it.
    #[serde(default)]
    #[schemars(length(min = 6, max = 50), regex(pattern = r"\S[\s\S]{4,}\S"))]
    registration_number: Patch<String>,
    /// Paise; holds for later sessions.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    rate_per_minute: Maybe<i32>,
    /// Takes chats.
    #[serde(default)]
    chat_enabled: Maybe<bool>,
    /// Takes calls.
    #[serde(default)]
    call_enabled: Maybe<bool>,
    /// Shown first.
    #[serde(default)]
    is_featured: Maybe<bool>,
    /// Whether patients see the doctor.
    #[serde(default)]
    is_verified: Maybe<bool>,
    /// Reviews encounters.
    #[serde(default)]
    is_reviewer: Maybe<bool>,
    /// Whether the account is switched on.
    #[serde(default)]
    is_active: Maybe<bool>,
}

/// 201 with the new doctor, or the stored answer of a repeat.
struct CreatedOrAgain(Response);

impl IntoResponse for CreatedOrAgain {
    fn into_response(self) -> Response {
        self.0
    }
}

impl aide::OperationOutput for CreatedOrAgain {
    type Inner = ProfileView;

    fn inferred_responses(
        ctx: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) -> Vec<(Option<aide::openapi::StatusCode>, aide::openapi::Response)> {
        <Created<ProfileView> as aide::OperationOutput>::inferred_responses(ctx, operation)
    }
}

/// 35, which an `Idempotency-Key` may make repeatable.
async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    key: IdempotencyKey,
    Input { body, .. }: BodyOnly<CreateDoctor>,
) -> Result<CreatedOrAgain> {
    // The body is remembered by a hash, which a password alone must not stand in: the keyed one stands for it.
    let keyed = hex::encode(app.tokens.keyed_hash(&["doctor-password", body.password.expose_secret()]));
    let hash = passwords::hash(body.password.expose_secret().to_owned()).await?;
    let mut tx = app.begin().await?;
    let key = match key.start(&mut tx, caller.id, "POST /api/v2/doctors", &(&body, keyed)).await? {
        Start::Again(stored) => return Ok(CreatedOrAgain(stored)),
        Start::Go(key) => key,
    };
    let id = insert(&mut tx, body, hash).await?;
    caller.note(&mut tx, "admin.doctor.create", id, None).await?;
    let doctor = profile::find(tx.conn(), id).await?.ok_or(NOT_FOUND)?;
    let view = ProfileView::of(&app, doctor);
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOrAgain(Created(view).into_response()))
}

async fn insert(tx: &mut Tx, body: CreateDoctor, password_hash: String) -> Result<UserId> {
    let new = NewDoctor {
        email: body.email,
        password_hash,
        phone: body.phone,
        full_name: body.full_name.trim().to_owned(),
        speciality_category: body.speciality_category.trim().to_owned(),
        degrees: body.degrees,
        years_experience: body.years_experience,
        about_short: body.about_short,
        languages: body.languages,
        registration_number: body.registration_number.map(|number| number.trim().to_owned()),
        rate_per_minute: body.rate_per_minute,
        chat_enabled: body.chat_enabled,
        call_enabled: body.call_enabled,
        is_featured: body.is_featured,
        is_verified: body.is_verified,
        is_reviewer: body.is_reviewer,
    };
    let (id, now) = (UserId::new(), tx.now());
    doctors::insert(tx.conn(), id, &new, now).await.map_err(taken)?;
    Ok(id)
}

/// 36.
async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, body, .. }: PathBody<DoctorPath, UpdateDoctor>,
) -> Result<Answer<ProfileView>> {
    Ok(Answer(ProfileView::of(&app, change(&app, &caller, path.doctor_id, body).await?)))
}

/// Writes the changes. A new password ends every login; so does switching the account off, which also takes the doctor
/// offline and cancels the open requests (settled 15).
async fn change(app: &App, caller: &Account, id: UserId, mut body: UpdateDoctor) -> Result<profile::Doctor> {
    let hash = match body.password.0.take() {
        Some(password) => Some(passwords::hash(password.expose_secret().to_owned()).await?),
        None => None,
    };
    let mut tx = app.begin().await?;
    let mut doctor = profile::find_for_update(tx.conn(), id).await?.ok_or(NOT_FOUND)?;
    let was_active = doctor.is_active;
    body.apply(&mut doctor);
    let switched_off = was_active && !doctor.is_active;
    if switched_off {
        doctor.is_online = false;
    }
    profile::update(tx.conn(), &doctor).await.map_err(taken)?;
    let mut ended = Vec::new();
    if let Some(hash) = hash {
        profile::set_password(tx.conn(), id, &hash).await?;
        ended.extend(sign_in::end_all(&mut tx, id, "new password").await?);
    }
    if switched_off {
        ended.extend(sign_in::end_all(&mut tx, id, "account switched off").await?);
        sessions::ops::cancel_all_of(&mut tx, id).await?;
    }
    caller.note(&mut tx, "admin.doctor.update", id, None).await?;
    app.commit(tx).await?;
    app.engine.revoke(&ended);
    if switched_off {
        app.engine.note(app.engine.presence().switch(id, false, app.now()));
    }
    Ok(doctor)
}

impl UpdateDoctor {
    fn apply(self, doctor: &mut profile::Doctor) {
        set(&mut doctor.full_name, self.full_name.0.map(|name| name.trim().to_owned()));
        set(&mut doctor.speciality_category, self.speciality_category.0.map(|name| name.trim().to_owned()));
        set(&mut doctor.degrees, self.degrees.0);
        set(&mut doctor.years_experience, self.years_experience.0);
        set(&mut doctor.languages, self.languages.0);
        set(&mut doctor.rate_per_minute, self.rate_per_minute.0);
        set(&mut doctor.chat_enabled, self.chat_enabled.0);
        set(&mut doctor.call_enabled, self.call_enabled.0);
        set(&mut doctor.is_featured, self.is_featured.0);
        set(&mut doctor.is_verified, self.is_verified.0);
        set(&mut doctor.is_reviewer, self.is_reviewer.0);
        set(&mut doctor.is_active, self.is_active.0);
        if let Maybe(Some(email)) = self.email {
            doctor.email = Some(email.to_lowercase());
        }
        doctor.phone = self.phone.apply(doctor.phone.take());
        doctor.about_short = self.about_short.apply(doctor.about_short.take());
        doctor.registration_number = self.registration_number.trimmed().apply(doctor.registration_number.take());
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// 409 `DUPLICATE` with the field whose value somebody else has.
pub(super) fn taken(error: storage::Error) -> Error {
    let field = match &error {
        storage::Error::Conflict(name) if name == "accounts_email_key" => "email",
        storage::Error::Conflict(name) if name == "doctors_registration_number_key" => "registration_number",
        _ => return error.into(),
    };
    Error::conflict(Code::Duplicate, "Another account has this already").with("field", field)
}
