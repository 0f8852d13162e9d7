//! Follow-up appointments: proposed by the doctor, answered by the patient, called off by either (connect-v2 §3.12,
//! §3.17).

mod handlers;
pub mod ops;
pub mod rules;
pub mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use crate::app::App;

const TAG: &str = "Follow-ups";

/// The routes 30, 63, 64 and 86 to 91.
pub fn router() -> ApiRouter<App> {
    let of_session = "/api/v2/connect/sessions/{session_id}/followup";
    let all = "/api/v2/followups";
    let one = "/api/v2/followups/{followup_id}";
    ApiRouter::new()
        .api_route(
            "/api/v2/doctors/me/reviews/{review_id}/followup",
            post_with(handlers::create_for_review, |op| {
                op.id("C30").tag(TAG).summary("Schedule a follow-up for the reviewed session")
            }),
        )
        .api_route(
            of_session,
            post_with(handlers::create_for_session, |op| op.id("C63").tag(TAG).summary("Schedule a follow-up")),
        )
        .api_route(
            of_session,
            get_with(handlers::show_of_session, |op| op.id("C64").tag(TAG).summary("The session's latest follow-up")),
        )
        .api_route(
            all,
            post_with(handlers::create, |op| op.id("C86").tag(TAG).summary("Schedule a follow-up of a session")),
        )
        .api_route(all, get_with(handlers::list, |op| op.id("C87").tag(TAG).summary("The caller's follow-ups")))
        .api_route(one, get_with(handlers::show, |op| op.id("C88").tag(TAG).summary("One follow-up")))
        .api_route(
            &format!("{one}/respond"),
            post_with(handlers::respond, |op| op.id("C89").tag(TAG).summary("Accept, reject or propose another date")),
        )
        .api_route(
            &format!("{one}/respond-to-proposal"),
            post_with(handlers::respond_to_proposal, |op| {
                op.id("C90").tag(TAG).summary("Answer the patient's proposal")
            }),
        )
        .api_route(
            &format!("{one}/cancel"),
            post_with(handlers::cancel, |op| op.id("C91").tag(TAG).summary("Call a follow-up off")),
        )
}
