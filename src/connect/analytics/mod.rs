//! Figures of patients and doctors (connect-v2 §3.18): 92, 93 and, for admins, 126, 127; 96 to 99. Orders and recharges (94,
//! 95) are the payments slice's.

mod doctor;
mod patient;
pub mod periods;
mod reviews;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;

use crate::app::App;

const TAG: &str = "Analytics";

/// The routes 92, 93, 96 to 99, 126, 127.
pub fn router() -> ApiRouter<App> {
    let (of_user, of_doctor) = ("/api/v2/analytics/user", "/api/v2/analytics/doctor");
    let of_any_user = "/api/v2/admin/users/{user_id}/analytics";
    ApiRouter::new()
        .api_route(
            &format!("{of_user}/overview"),
            get_with(patient::overview, |op| op.id("C92").tag(TAG).summary("The patient's counters")),
        )
        .api_route(
            &format!("{of_user}/sessions"),
            get_with(patient::sessions, |op| op.id("C93").tag(TAG).summary("The patient's sessions")),
        )
        .api_route(
            &format!("{of_any_user}/overview"),
            get_with(patient::overview_of, |op| op.id("C126").tag(TAG).summary("As 92, for that patient")),
        )
        .api_route(
            &format!("{of_any_user}/sessions"),
            get_with(patient::sessions_of, |op| op.id("C127").tag(TAG).summary("As 93, for that patient")),
        )
        .api_route(
            &format!("{of_doctor}/performance"),
            get_with(doctor::performance, |op| op.id("C96").tag(TAG).summary("The doctor's performance")),
        )
        .api_route(
            &format!("{of_doctor}/reviews/metrics"),
            get_with(reviews::metrics, |op| op.id("C97").tag(TAG).summary("Totals of the doctor's reviews")),
        )
        .api_route(
            &format!("{of_doctor}/reviews/trends"),
            get_with(reviews::trends, |op| op.id("C98").tag(TAG).summary("The doctor's reviews over time")),
        )
        .api_route(
            &format!("{of_doctor}/reviews/rating-distribution"),
            get_with(reviews::distribution, |op| op.id("C99").tag(TAG).summary("The doctor's reviews by stars")),
        )
}

/// Means are shown with one decimal, as a doctor's rating is.
fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
