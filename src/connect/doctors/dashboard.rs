//! The doctor's own desk (connect-v2 18–20).

use std::collections::HashMap;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use consilium_storage::accounts::patients::{self, Patient, Sex};
use consilium_storage::connect::doctors::dashboard::{self, Figures, Filter, Line};
use consilium_storage::connect::doctors::profile;
use consilium_storage::ids::{SessionId, UserId};
use consilium_storage::states::session::Status;
use consilium_storage::tx::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wire::avatar_url;
use super::{NOT_FOUND, rules};
use crate::accounts::caller::{Account, Caller, Doctor};
use crate::app::App;
use crate::connect::display;
use crate::error::Result;
use crate::http::calendar::Zone;
use crate::http::input::{Input, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::Answer;

const TAG: &str = "Doctor's desk";

/// The routes 18 to 20.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/doctors/me/overview",
            get_with(overview, |op| op.id("C18").tag(TAG).summary("Head figures of the day")),
        )
        .api_route(
            "/api/v2/doctors/me/sessions",
            get_with(list, |op| op.id("C19").tag(TAG).summary("The doctor's sessions, filtered")),
        )
        .api_route(
            "/api/v2/doctors/me/sessions/recent",
            get_with(recent, |op| op.id("C20").tag(TAG).summary("The doctor's latest sessions")),
        )
}

/// Whose day it is (18).
#[derive(Debug, Deserialize, JsonSchema)]
struct OverviewQuery {
    /// IANA name; UTC unless said otherwise.
    timezone: Option<Zone>,
}

/// Which sessions (19).
#[derive(Debug, Deserialize, JsonSchema)]
struct SessionsQuery {
    /// A status, or `all`.
    #[serde(default)]
    status: Wanted,
    /// The first day, by creation, in UTC; not after the last.
    #[schemars(extend("x-not-after" = "to_date"))]
    from_date: Option<NaiveDate>,
    /// The last day, by creation, in UTC.
    to_date: Option<NaiveDate>,
    /// Only those with, or without, a follow-up.
    has_followup: Option<bool>,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    skip: i64,
    /// 1 to 100.
    #[serde(default = "SessionsQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
}

impl SessionsQuery {
    const fn limit() -> i64 {
        50
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[schemars(rename = "SessionStatusOrAll")]
enum Wanted {
    #[default]
    #[serde(rename = "all")]
    All,
    #[serde(rename = "REQUESTED")]
    Requested,
    #[serde(rename = "ONGOING")]
    Ongoing,
    #[serde(rename = "ENDED")]
    Ended,
    #[serde(rename = "REJECTED")]
    Rejected,
    #[serde(rename = "EXPIRED")]
    Expired,
    #[serde(rename = "CANCELLED")]
    Cancelled,
}

impl Wanted {
    const fn status(self) -> Option<Status> {
        match self {
            Self::All => None,
            Self::Requested => Some(Status::Requested),
            Self::Ongoing => Some(Status::Ongoing),
            Self::Ended => Some(Status::Ended),
            Self::Rejected => Some(Status::Rejected),
            Self::Expired => Some(Status::Expired),
            Self::Cancelled => Some(Status::Cancelled),
        }
    }
}

/// How many, and in which zone (20).
#[derive(Debug, Deserialize, JsonSchema)]
struct RecentQuery {
    /// 1 to 100.
    #[serde(default = "RecentQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// IANA name of the display fields' zone; UTC unless said otherwise.
    timezone: Option<Zone>,
}

impl RecentQuery {
    const fn limit() -> i64 {
        10
    }
}

/// The head of the desk.
#[derive(Debug, Serialize, JsonSchema)]
struct Overview {
    doctor: OverviewDoctor,
    availability: Availability,
    metrics: Metrics,
}

/// Who sits there.
#[derive(Debug, Serialize, JsonSchema)]
struct OverviewDoctor {
    /// The doctor.
    id: UserId,
    /// Full name.
    name: String,
    /// Speciality.
    speciality_category: String,
    /// Uploaded picture.
    avatar_url: Option<String>,
    /// Mean of all reviews, one decimal.
    rating: f64,
}

/// The doctor's own switches.
#[derive(Debug, Serialize, JsonSchema)]
struct Availability {
    /// The online switch.
    is_online: bool,
    /// Takes chats.
    chat_enabled: bool,
    /// Takes calls.
    call_enabled: bool,
}

/// The figures of the day.
#[derive(Debug, Serialize, JsonSchema)]
struct Metrics {
    /// Accepted today.
    todays_sessions: i64,
    /// Running now.
    ongoing: i64,
    /// Open requests.
    pending: i64,
    /// Requests that lapsed today.
    missed: i64,
}

impl From<Figures> for Metrics {
    fn from(figures: Figures) -> Self {
        let Figures { todays_sessions, ongoing, pending, missed } = figures;
        Self { todays_sessions, ongoing, pending, missed }
    }
}

/// A session as a line of the desk (19, 20).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoctorSessionLine")]
struct LineView {
    /// The session.
    session_id: SessionId,
    /// Whose.
    patient: PatientLine,
    /// Where it stands.
    status: Status,
    /// `37m 7s`; null until it has ended.
    duration_display: Option<String>,
    /// Health category.
    category: Option<String>,
    /// The patient's words.
    symptoms: Vec<String>,
    /// When asked for.
    requested_at: DateTime<Utc>,
    /// When accepted.
    started_at: Option<DateTime<Utc>>,
    /// When over.
    ended_at: Option<DateTime<Utc>>,
    /// Whole seconds.
    duration_seconds: Option<i32>,
    /// The day it was asked for, `12 Feb 2026`.
    date_display: String,
    /// The time it was asked for, `00:45`.
    time_display: String,
    /// Whether there is a follow-up.
    has_followup: bool,
    /// Whether there is a prescription.
    has_prescription: bool,
    /// Whether lab tests were ordered.
    has_lab_tests: bool,
    /// What the patient thought of it.
    rating: Option<f64>,
}

/// The patient of a line.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoctorSessionPatient")]
struct PatientLine {
    /// The patient.
    id: UserId,
    /// Null until set.
    name: Option<String>,
    /// As the patient said.
    gender: Option<Sex>,
    /// Years.
    age: Option<i32>,
    /// Picture.
    avatar_url: String,
}

impl LineView {
    fn new(app: &App, line: Line, patient: &Patient, zone: Tz) -> Self {
        let asked = line.created_at.with_timezone(&zone);
        Self {
            session_id: line.id,
            patient: PatientLine {
                id: patient.id,
                name: patient.full_name.clone(),
                gender: patient.sex,
                age: patient.age,
                avatar_url: display::patient_avatar_url(&app.public_url, patient),
            },
            status: line.status,
            duration_display: line.duration_seconds.map(display::duration_display),
            category: line.category,
            symptoms: line.symptoms,
            requested_at: line.created_at,
            started_at: line.started_at,
            ended_at: line.ended_at,
            duration_seconds: line.duration_seconds,
            date_display: asked.format("%-d %b %Y").to_string(),
            time_display: asked.format("%H:%M").to_string(),
            has_followup: line.has_followup,
            has_prescription: line.has_prescription,
            has_lab_tests: line.has_lab_tests,
            rating: line.rating,
        }
    }
}

fn zone_of(zone: Option<Zone>) -> Tz {
    zone.map_or(Tz::UTC, |Zone(zone)| zone)
}

/// 18.
async fn overview(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<OverviewQuery>,
) -> Result<Answer<Overview>> {
    let now = app.now();
    let day = rules::day_borders(now, zone_of(query.timezone));
    let mut conn = app.conn().await?;
    let doctor = profile::find(&mut conn, caller.id).await?.ok_or(NOT_FOUND)?;
    let figures = dashboard::figures(&mut conn, caller.id, day, now).await?;
    Ok(Answer(Overview {
        availability: Availability {
            is_online: doctor.is_online,
            chat_enabled: doctor.chat_enabled,
            call_enabled: doctor.call_enabled,
        },
        doctor: OverviewDoctor {
            id: doctor.id,
            name: doctor.full_name,
            speciality_category: doctor.speciality_category,
            avatar_url: avatar_url(&app, doctor.avatar_file.as_deref()),
            rating: doctor.rating,
        },
        metrics: figures.into(),
    }))
}

/// 19: newest first.
async fn list(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<SessionsQuery>,
) -> Result<Answer<Page<LineView>>> {
    let filter = Filter {
        status: query.status.status(),
        from: query.from_date.map(rules::utc_midnight),
        // A last day at the end of time has no day after it.
        until: query.to_date.and_then(|day| day.checked_add_days(Days::new(1))).map(rules::utc_midnight),
        has_followup: query.has_followup,
    };
    let mut tx = app.begin().await?;
    let now = tx.now();
    let total = dashboard::count(tx.conn(), caller.id, &filter, now).await?;
    let lines = dashboard::list(tx.conn(), caller.id, &filter, (query.skip, query.limit), now).await?;
    let items = views(&app, &mut tx, &caller, lines, Tz::UTC).await?;
    app.commit(tx).await?;
    Ok(Answer(Page::new(items, total, query.limit, query.skip)))
}

/// 20.
async fn recent(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<RecentQuery>,
) -> Result<Answer<Vec<LineView>>> {
    let zone = zone_of(query.timezone);
    let mut tx = app.begin().await?;
    let now = tx.now();
    let lines = dashboard::list(tx.conn(), caller.id, &Filter::default(), (0, query.limit), now).await?;
    let items = views(&app, &mut tx, &caller, lines, zone).await?;
    app.commit(tx).await?;
    Ok(Answer(items))
}

/// The lines with their patients; each patient's data that was read leaves an audit row.
async fn views(app: &App, tx: &mut Tx, caller: &Account, lines: Vec<Line>, zone: Tz) -> Result<Vec<LineView>> {
    let ids: Vec<UserId> = lines.iter().map(|line| line.patient_id).collect();
    caller.note_each(tx, "sessions.list", ids.clone()).await?;
    let people: HashMap<UserId, Patient> =
        patients::find_many(tx.conn(), &ids).await?.into_iter().map(|patient| (patient.id, patient)).collect();
    let view = |line: Line| {
        let patient = people.get(&line.patient_id)?;
        Some(LineView::new(app, line, patient, zone))
    };
    Ok(lines.into_iter().filter_map(view).collect())
}
