//! The operators' doors, beside the contract's: doctors whether or not patients see them, and the outbox with its dead
//! letters (DESIGN §6). For admins alone, and no part of the OpenAPI document (docs/decisions/030).

use aide::axum::ApiRouter;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use consilium_storage::connect::doctors::profile::{self, Wanted};
use consilium_storage::outbox::{self, Entry, Figures, Which};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::doctors::wire::ProfileView;
use crate::accounts::caller::{Admin, Caller};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::input::{BodyOnly, Input, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::Answer;

/// The doors.
pub fn router() -> Router<App> {
    ApiRouter::<App>::new()
        .route("/operations/doctors", get(list_doctors))
        .route("/operations/outbox", get(list_jobs))
        .route("/operations/outbox/retry", post(retry))
        .into()
}

/// Which doctors.
#[derive(Debug, Deserialize, JsonSchema)]
struct DoctorsQuery {
    /// 1 to 100.
    #[serde(default = "DoctorsQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    offset: i64,
    /// Part of the name or the address, whatever the case of its letters.
    #[schemars(length(max = 100))]
    search: Option<String>,
    /// Only those whom patients see, or only the others.
    is_visible: Option<bool>,
}

impl DoctorsQuery {
    const fn limit() -> i64 {
        20
    }
}

/// Every doctor, by name.
async fn list_doctors(
    State(app): State<App>,
    _caller: Caller<Admin>,
    Input { query, .. }: QueryOnly<DoctorsQuery>,
) -> Result<Answer<Page<ProfileView>>> {
    let search = query.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let wanted = Wanted { search, is_visible: query.is_visible, limit: query.limit, offset: query.offset };
    let (found, total) = profile::list(&mut *app.conn().await?, &wanted).await?;
    let items = found.into_iter().map(|doctor| ProfileView::of(&app, doctor)).collect();
    Ok(Answer(Page::new(items, total, query.limit, query.offset)))
}

/// Which jobs of the outbox.
#[derive(Debug, Deserialize, JsonSchema)]
struct JobsQuery {
    /// Dead unless said otherwise.
    #[serde(default)]
    state: JobState,
    /// Only of this kind.
    #[schemars(length(max = 100))]
    kind: Option<String>,
    /// 1 to 1000, the oldest first.
    #[serde(default = "JobsQuery::limit")]
    #[schemars(range(min = 1, max = 1000))]
    limit: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum JobState {
    #[default]
    Dead,
    Waiting,
}

impl JobsQuery {
    const fn limit() -> i64 {
        100
    }
}

/// The outbox.
#[derive(Debug, Serialize, JsonSchema)]
struct OutboxView {
    /// The oldest first.
    items: Vec<JobView>,
    /// How it stands with each kind that has rows.
    figures: Vec<FiguresView>,
}

/// A job without its payload, which may name people.
#[derive(Debug, Serialize, JsonSchema)]
struct JobView {
    id: i64,
    kind: String,
    attempts: i32,
    created_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    dead_at: Option<DateTime<Utc>>,
    /// Somebody is at work on it until then; what has passed, they never came to an end with.
    leased_until: Option<DateTime<Utc>>,
    last_error: Option<String>,
}

impl From<Entry> for JobView {
    fn from(entry: Entry) -> Self {
        let Entry { id, kind, attempts, created_at, due_at, expires_at, dead_at, leased_until, last_error } = entry;
        Self { id, kind, attempts, created_at, due_at, expires_at, dead_at, leased_until, last_error }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct FiguresView {
    kind: String,
    waiting: i64,
    dead: i64,
    oldest_due: Option<DateTime<Utc>>,
}

impl From<Figures> for FiguresView {
    fn from(figures: Figures) -> Self {
        let Figures { kind, waiting, dead, oldest_due } = figures;
        Self { kind, waiting, dead, oldest_due }
    }
}

/// Dead letters, or what waits, and the figures of all.
async fn list_jobs(
    State(app): State<App>,
    _caller: Caller<Admin>,
    Input { query, .. }: QueryOnly<JobsQuery>,
) -> Result<Answer<OutboxView>> {
    let mut conn = app.conn().await?;
    let is_dead = query.state == JobState::Dead;
    let items = outbox::list(&mut conn, is_dead, query.kind.as_deref(), query.limit).await?;
    let figures = outbox::figures(&mut conn).await?;
    Ok(Answer(OutboxView {
        items: items.into_iter().map(JobView::from).collect(),
        figures: figures.into_iter().map(FiguresView::from).collect(),
    }))
}

/// Which dead letters: all where nothing is said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("x-body-optional" = true))]
struct Retry {
    /// This one.
    id: Option<i64>,
    /// All of this kind.
    #[schemars(length(max = 100))]
    kind: Option<String>,
}

/// How many were given their attempts again.
#[derive(Debug, Serialize, JsonSchema)]
struct Retried {
    retried: u64,
}

/// Tries dead letters again; those that are of no use any more stay dead.
async fn retry(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { body, .. }: BodyOnly<Retry>,
) -> Result<Answer<Retried>> {
    let which = body.id.map_or(Which::All(body.kind.as_deref()), Which::One);
    let mut tx = app.begin().await?;
    let now = tx.now();
    let retried = outbox::retry(tx.conn(), which, now).await?;
    if retried == 0 && body.id.is_some() {
        return Err(Error::NotFound("Dead letter"));
    }
    caller.note_act(&mut tx, "admin.outbox.retry").await?;
    app.commit(tx).await?;
    app.outbox.send_replace(());
    Ok(Answer(Retried { retried }))
}
