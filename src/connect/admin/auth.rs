//! An admin's sign-in and own account (120, 121).

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::extract::State;
use chrono::{DateTime, Utc};
use consilium_storage::accounts::{Role, admins};
use consilium_storage::ids::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TAG;
use crate::accounts::by_password;
use crate::accounts::caller::{Admin, Caller};
use crate::accounts::sign_in::TokenPair;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::address::Address;
use crate::http::input::{BodyOnly, Input};
use crate::http::reply::Answer;

pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/admin/auth/login",
            post_with(login, |op| op.id("C120").tag(TAG).summary("Sign an admin in")),
        )
        .api_route("/api/v2/admin/auth/me", get_with(show, |op| op.id("C121").tag(TAG).summary("Own account")))
}

/// An admin's credentials.
#[derive(Debug, Deserialize, JsonSchema)]
struct AdminLogin {
    /// User name or e-mail address.
    #[schemars(length(min = 1))]
    username: String,
    /// The password.
    #[schemars(length(min = 1))]
    password: String,
}

/// An admin's own account.
#[derive(Debug, Serialize, JsonSchema)]
struct AdminView {
    id: UserId,
    username: Option<String>,
    email: Option<String>,
    full_name: String,
    is_active: bool,
    created_at: DateTime<Utc>,
}

/// 120.
async fn login(
    State(app): State<App>,
    from: Address,
    Input { body, .. }: BodyOnly<AdminLogin>,
) -> Result<Answer<TokenPair>> {
    Ok(Answer(by_password::sign_in(&app, Role::Admin, &body.username, body.password, from).await?))
}

/// 121.
async fn show(State(app): State<App>, caller: Caller<Admin>) -> Result<Answer<AdminView>> {
    let admin = admins::find(&mut *app.conn().await?, caller.id).await?.ok_or(Error::NotFound("Admin"))?;
    Ok(Answer(AdminView {
        id: admin.id,
        username: admin.username,
        email: admin.email,
        full_name: admin.full_name,
        is_active: admin.is_active,
        created_at: admin.created_at,
    }))
}
