//! `/api/v2`: the connect family (connect-v2.md).

pub mod admin;
pub mod analytics;
pub mod attachments;
pub mod auth;
pub mod calls;
pub mod catalog;
pub mod categories;
pub mod community;
pub mod devices;
pub mod display;
pub mod doctors;
pub mod followups;
pub mod lab_tests;
pub mod media_webhook;
pub mod messages;
pub mod offers;
pub mod operations;
pub mod payments;
pub mod prescriptions;
pub mod presence;
pub mod recordings;
pub mod reports;
pub mod reviews;
pub mod sessions;
pub mod stored;
pub mod uploads;
pub mod users;
pub mod video_permission;
pub mod wallet;

use aide::axum::ApiRouter;

use crate::app::App;

/// Every slice's routes.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .merge(auth::router())
        .merge(users::router())
        .merge(admin::router())
        .merge(analytics::router())
        .merge(doctors::router())
        .merge(categories::router())
        .merge(community::router())
        .merge(catalog::router())
        .merge(sessions::router())
        .merge(messages::router())
        .merge(attachments::router())
        .merge(reports::router())
        .merge(video_permission::router())
        .merge(calls::router())
        .merge(recordings::router())
        .merge(media_webhook::router())
        .merge(wallet::router())
        .merge(prescriptions::router())
        .merge(lab_tests::router())
        .merge(reviews::router())
        .merge(followups::router())
        .merge(devices::router())
        .merge(offers::router())
        .merge(payments::router())
}
