//! A patient's figures, for the patient (92, 93) and for admins (126, 127).

use axum::extract::State;
use chrono::{DateTime, Utc};
use consilium_storage::accounts::patients;
use consilium_storage::connect::analytics::{self, Overview, Visit};
use consilium_storage::ids::{SessionId, UserId};
use consilium_storage::money::Paise;
use consilium_storage::states::session::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::caller::{Account, Admin, Caller, Client};
use crate::app::App;
use crate::connect::display;
use crate::connect::sessions::wire::DoctorLine;
use crate::connect::users::ops::NOT_FOUND;
use crate::connect::users::rules::bmi;
use crate::error::Result;
use crate::http::input::{Input, PathOnly, PathQuery, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::Answer;

/// Which patient.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct UserPath {
    /// The account.
    user_id: UserId,
}

/// Which sessions (93).
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(super) struct VisitsQuery {
    /// 1 to 100.
    #[serde(default = "VisitsQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    offset: i64,
    /// Only in this status.
    status: Option<Status>,
}

impl VisitsQuery {
    const fn limit() -> i64 {
        20
    }
}

/// A patient's counters.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PatientOverview")]
pub(super) struct OverviewView {
    /// ENDED sessions.
    sessions_count: i64,
    /// Follow-ups, of any status.
    followups_count: i64,
    /// Null until height and weight are known.
    bmi: Option<f64>,
    /// Doctors of ENDED sessions.
    doctors_consulted_count: i64,
}

impl From<Overview> for OverviewView {
    fn from(overview: Overview) -> Self {
        Self {
            sessions_count: overview.sessions,
            followups_count: overview.followups,
            bmi: bmi(overview.height_cm, overview.weight_kg),
            doctors_consulted_count: overview.doctors,
        }
    }
}

/// A session in a patient's history.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PatientSession")]
pub(super) struct VisitView {
    /// The session.
    session_id: SessionId,
    /// Where it stands.
    status: Status,
    /// Health category.
    category: Option<String>,
    /// With whom.
    doctor: DoctorLine,
    /// When asked for.
    requested_at: DateTime<Utc>,
    /// When accepted.
    started_at: Option<DateTime<Utc>>,
    /// When over.
    ended_at: Option<DateTime<Utc>>,
    /// Whole seconds.
    duration_seconds: Option<i32>,
    /// `37m 7s`; null until it has ended.
    duration_display: Option<String>,
    /// Paise; null until it has ended.
    amount: Option<Paise>,
    /// Whether there is a prescription.
    has_prescription: bool,
    /// Whether lab tests were ordered.
    has_lab_tests: bool,
    /// Whether there is a follow-up, of any status.
    has_followup: bool,
    /// What the patient thought of it.
    rating: Option<f64>,
}

impl VisitView {
    fn new(app: &App, visit: Visit) -> Self {
        let picture = visit.avatar_file.map(|file| display::uploaded_avatar_url(&app.public_url, &file));
        Self {
            session_id: visit.id,
            status: visit.status,
            category: visit.category,
            doctor: DoctorLine {
                id: visit.doctor_id,
                full_name: visit.doctor_name,
                speciality_category: visit.speciality_category,
                avatar_url: picture,
            },
            requested_at: visit.created_at,
            started_at: visit.started_at,
            ended_at: visit.ended_at,
            duration_seconds: visit.duration_seconds,
            duration_display: visit.duration_seconds.map(display::duration_display),
            amount: visit.amount,
            has_prescription: visit.has_prescription,
            has_lab_tests: visit.has_lab_tests,
            has_followup: visit.has_followup,
            rating: visit.rating,
        }
    }
}

/// 92.
pub(super) async fn overview(State(app): State<App>, caller: Caller<Client>) -> Result<Answer<OverviewView>> {
    counters(&app, &caller, caller.id).await
}

/// 126.
pub(super) async fn overview_of(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, .. }: PathOnly<UserPath>,
) -> Result<Answer<OverviewView>> {
    counters(&app, &caller, path.user_id).await
}

/// 93: newest first.
pub(super) async fn sessions(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { query, .. }: QueryOnly<VisitsQuery>,
) -> Result<Answer<Page<VisitView>>> {
    history(&app, &caller, caller.id, query).await
}

/// 127: newest first.
pub(super) async fn sessions_of(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, query, .. }: PathQuery<UserPath, VisitsQuery>,
) -> Result<Answer<Page<VisitView>>> {
    if !patients::exists(&mut *app.conn().await?, path.user_id).await? {
        return Err(NOT_FOUND);
    }
    history(&app, &caller, path.user_id, query).await
}

async fn counters(app: &App, caller: &Account, patient: UserId) -> Result<Answer<OverviewView>> {
    let mut tx = app.begin().await?;
    let found = analytics::overview(tx.conn(), patient).await?.ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "analytics.overview", patient, None).await?;
    app.commit(tx).await?;
    Ok(Answer(found.into()))
}

async fn history(app: &App, caller: &Account, patient: UserId, query: VisitsQuery) -> Result<Answer<Page<VisitView>>> {
    let mut tx = app.begin().await?;
    let (now, page) = (tx.now(), (query.limit, query.offset));
    let (found, total) = analytics::list_visits(tx.conn(), patient, query.status, page, now).await?;
    caller.note(&mut tx, "analytics.sessions", patient, None).await?;
    app.commit(tx).await?;
    let items = found.into_iter().map(|visit| VisitView::new(app, visit)).collect();
    Ok(Answer(Page::new(items, total, query.limit, query.offset)))
}
