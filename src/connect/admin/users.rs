//! Patients as admins see and change them (122 to 125). Every patient shown or changed leaves an audit row.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, patch_with};
use axum::extract::State;
use chrono::{DateTime, Utc};
use consilium_storage::accounts;
use consilium_storage::accounts::patients::{self, Patient, Profile, Wanted};
use consilium_storage::ids::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TAG;
use crate::accounts::caller::{Account, Admin, Caller};
use crate::accounts::sign_in;
use crate::app::App;
use crate::connect::sessions;
use crate::connect::users::ops::{NOT_FOUND, take};
use crate::connect::users::wire::{UpdateUser, UserView};
use crate::error::{Code, Error, Result};
use crate::http::input::{Input, PathBody, PathOnly, QueryOnly};
use crate::http::paging::Page;
use crate::http::patch::Patch;
use crate::http::reply::Answer;

pub(super) fn router() -> ApiRouter<App> {
    let one = "/api/v2/admin/users/{user_id}";
    ApiRouter::new()
        .api_route("/api/v2/admin/users", get_with(list, |op| op.id("C122").tag(TAG).summary("Patients")))
        .api_route(
            one,
            get_with(show, |op| op.id("C123").tag(TAG).summary("One patient"))
                .patch_with(update, |op| op.id("C124").tag(TAG).summary("Edit a patient")),
        )
        .api_route(
            &format!("{one}/status"),
            patch_with(set_status, |op| op.id("C125").tag(TAG).summary("Switch a patient on or off")),
        )
}

/// A patient as admins see it (`AdminUserOut`).
#[derive(Debug, Serialize, JsonSchema)]
struct AdminUserView {
    /// As the patient sees it.
    #[serde(flatten)]
    user: UserView,
    /// Whether the account is switched on.
    is_active: bool,
    /// When the account was made.
    created_at: DateTime<Utc>,
    /// When somebody last signed in.
    last_login_at: Option<DateTime<Utc>>,
}

impl AdminUserView {
    fn of(app: &App, patient: &Patient) -> Self {
        Self {
            user: UserView::of(&app.public_url, patient),
            is_active: patient.is_active,
            created_at: patient.created_at,
            last_login_at: patient.last_login_at,
        }
    }
}

/// Which patient.
#[derive(Debug, Deserialize, JsonSchema)]
struct UserPath {
    /// The account.
    user_id: UserId,
}

/// Which patients.
#[derive(Debug, Deserialize, JsonSchema)]
struct UsersQuery {
    /// At most so many.
    #[serde(default = "UsersQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// After so many.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    offset: i64,
    /// Part of the name or phone.
    #[schemars(length(max = 100))]
    search: Option<String>,
    /// Only those switched on, or off.
    is_active: Option<bool>,
}

impl UsersQuery {
    const fn limit() -> i64 {
        20
    }
}

/// Changes by an admin (124).
#[derive(Debug, Deserialize, JsonSchema)]
struct AdminUpdateUser {
    /// As 7.
    #[serde(flatten)]
    profile: UpdateUser,
    /// Null clears it.
    #[serde(default)]
    #[schemars(email, length(max = 254))]
    email: Patch<String>,
}

/// On or off (125).
#[derive(Debug, Deserialize, JsonSchema)]
struct SetStatus {
    /// Whether the patient may sign in.
    is_active: bool,
}

/// 122.
async fn list(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { query, .. }: QueryOnly<UsersQuery>,
) -> Result<Answer<Page<AdminUserView>>> {
    let mut tx = app.begin().await?;
    // A `+` of a phone comes as a blank where it was not escaped.
    let search = query.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let wanted = Wanted { search, is_active: query.is_active, limit: query.limit, offset: query.offset };
    let (found, total) = patients::list(tx.conn(), &wanted).await?;
    let subjects = found.iter().map(|patient| patient.id).collect();
    caller.note_each(&mut tx, "admin.user.list", subjects).await?;
    app.commit(tx).await?;
    let items = found.iter().map(|patient| AdminUserView::of(&app, patient)).collect();
    Ok(Answer(Page::new(items, total, query.limit, query.offset)))
}

/// 123.
async fn show(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, .. }: PathOnly<UserPath>,
) -> Result<Answer<AdminUserView>> {
    let mut tx = app.begin().await?;
    let patient = patients::find(tx.conn(), path.user_id).await?.ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "admin.user.read", patient.id, None).await?;
    app.commit(tx).await?;
    Ok(Answer(AdminUserView::of(&app, &patient)))
}

/// 124.
async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, body, .. }: PathBody<UserPath, AdminUpdateUser>,
) -> Result<Answer<AdminUserView>> {
    let mut tx = app.begin().await?;
    let mut patient = patients::find_for_update(tx.conn(), path.user_id).await?.ok_or(NOT_FOUND)?;
    let profile = body.profile.apply(Profile::from(&patient));
    patients::set_profile(tx.conn(), patient.id, &profile).await?;
    take(&mut patient, profile);
    if body.email != Patch::Absent {
        patient.email = body.email.apply(None).map(|email| email.to_lowercase());
        match accounts::set_email(tx.conn(), patient.id, patient.email.as_deref()).await {
            Err(error) if error.is_conflict("accounts_email_key") => {
                let taken = Error::conflict(Code::Duplicate, "Somebody else has this e-mail address");
                return Err(taken.with("field", "email"));
            }
            other => other?,
        }
    }
    caller.note(&mut tx, "admin.user.update", patient.id, None).await?;
    app.commit(tx).await?;
    Ok(Answer(AdminUserView::of(&app, &patient)))
}

/// 125.
async fn set_status(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, body, .. }: PathBody<UserPath, SetStatus>,
) -> Result<Answer<AdminUserView>> {
    Ok(Answer(switch(&app, &caller, path.user_id, body.is_active).await?))
}

/// Switches a patient on or off. Off: no token is good any more, connections close, open requests are cancelled.
async fn switch(app: &App, caller: &Account, id: UserId, is_active: bool) -> Result<AdminUserView> {
    let mut tx = app.begin().await?;
    let mut patient = patients::find_for_update(tx.conn(), id).await?.ok_or(NOT_FOUND)?;
    let mut ended = Vec::new();
    if accounts::set_active(tx.conn(), id, is_active).await? {
        caller.note(&mut tx, if is_active { "admin.user.enable" } else { "admin.user.disable" }, id, None).await?;
        if !is_active {
            ended = sign_in::end_all(&mut tx, id, "account switched off").await?;
            sessions::ops::cancel_all_of(&mut tx, id).await?;
        }
    }
    app.commit(tx).await?;
    app.engine.revoke(&ended);
    patient.is_active = is_active;
    Ok(AdminUserView::of(app, &patient))
}
