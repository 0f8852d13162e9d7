//! Platform admins (connect-v2 §3.23).

mod auth;
mod users;

use aide::axum::ApiRouter;

use crate::app::App;

pub(super) const TAG: &str = "Admin";

/// The routes of 120 to 125.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new().merge(auth::router()).merge(users::router())
}
