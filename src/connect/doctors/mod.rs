//! Doctors: found, kept, shown at their own desk, made and changed (connect-v2 §3.3, §3.4, §3.6).

mod admin;
mod availability;
mod dashboard;
mod discovery;
mod favourites;
mod profile;
pub mod rules;
pub mod wire;

use aide::axum::ApiRouter;

use crate::app::App;
use crate::error::Error;

/// No such doctor, or none that the caller may see.
const NOT_FOUND: Error = Error::NotFound("Doctor");

/// The routes 12 to 16, 18 to 25 and 31 to 36.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(discovery::router())
        .merge(dashboard::router())
        .merge(availability::router())
        .merge(favourites::router())
        .merge(profile::router())
        .merge(admin::router())
}
