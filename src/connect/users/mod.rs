//! Patients about themselves (connect-v2 §3.2).

mod handlers;
pub mod ops;
pub mod rules;
pub mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, put_with};

use crate::app::App;

const TAG: &str = "Users";

/// The routes 6 to 11.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/users/me",
            get_with(handlers::show, |op| op.id("C6").tag(TAG).summary("Own profile"))
                .patch_with(handlers::update, |op| op.id("C7").tag(TAG).summary("Change the profile")),
        )
        .api_route(
            "/api/v2/users/avatars",
            get_with(handlers::avatars, |op| op.id("C8").tag(TAG).summary("The system's avatars")),
        )
        .api_route(
            "/api/v2/users/me/avatar",
            put_with(handlers::pick, |op| op.id("C9").tag(TAG).summary("Pick a system avatar"))
                .post_with(handlers::upload, |op| op.id("C10").tag(TAG).summary("Upload an own picture"))
                .delete_with(handlers::reset, |op| op.id("C11").tag(TAG).summary("Back to the default avatar")),
        )
}
