//! Finding doctors (connect-v2 12–16): anybody may look; a patient also sees which ones they keep.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use consilium_realtime::presence::Shown;
use consilium_storage::connect::doctors::discovery::{self, Card, Order, Present, Query, Rank, SortBy};
use consilium_storage::connect::doctors::{favourites, profile};
use schemars::JsonSchema;
use serde::Deserialize;

use super::wire::{DetailView, DoctorPath, DoctorView};
use super::{NOT_FOUND, rules};
use crate::accounts::caller::{Client, Visitor, require};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::input::{Input, PathOnly, QueryOnly};
use crate::http::paging::Direction;
use crate::http::reply::Answer;

const TAG: &str = "Doctors";

/// The most that an unpaged list gives (14).
const CAP: i64 = 500;

/// The routes 12 to 16.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/doctors/search",
            get_with(search, |op| op.id("C12").tag(TAG).summary("Search by name, speciality and degrees")),
        )
        .api_route(
            "/api/v2/doctors",
            get_with(list, |op| op.id("C13").tag(TAG).summary("Doctors, those who are there first")),
        )
        .api_route(
            "/api/v2/doctors/all_doctors_list",
            get_with(list_all, |op| op.id("C14").tag(TAG).summary("Doctors, filtered and sorted")),
        )
        .api_route(
            "/api/v2/doctors/slug/{slug}",
            get_with(show_by_slug, |op| op.id("C15").tag(TAG).summary("One doctor by slug")),
        )
        .api_route(
            "/api/v2/doctors/{doctor_id}",
            get_with(show, |op| op.id("C16").tag(TAG).summary("One doctor by id")),
        )
}

/// What is looked for (12).
#[derive(Debug, Deserialize, JsonSchema)]
struct SearchQuery {
    /// Words; typos are tolerated.
    #[schemars(length(min = 1, max = 100))]
    q: String,
    /// 1 to 25.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 25))]
    limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    offset: i64,
}

const fn ten() -> i64 {
    10
}

/// Which doctors (13).
#[derive(Debug, Deserialize, JsonSchema)]
struct ListQuery {
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    skip: i64,
    /// 1 to 100.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// The patient's favourites come first.
    #[serde(default)]
    favourites_first: bool,
    /// Only the patient's favourites.
    #[serde(default)]
    favourites_only: bool,
}

const fn fifty() -> i64 {
    50
}

/// Which doctors (14).
#[derive(Debug, Deserialize, JsonSchema)]
struct AllQuery {
    /// Presence.
    status: Option<Shown>,
    /// Speciality, whatever the case of its letters.
    category: Option<String>,
    /// What they take.
    available_for: Option<Channel>,
    /// Only the featured.
    #[serde(default)]
    featured_only: bool,
    /// Price, reviews or years; without it, those who are there first.
    sort_by: Option<Sort>,
    /// Up, unless said otherwise.
    #[serde(default)]
    sort_order: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Channel {
    Chat,
    Call,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Rate,
    Rating,
    Experience,
}

impl AllQuery {
    fn order(&self) -> Order {
        let Some(sort) = self.sort_by else { return Order::Presence };
        let by = match sort {
            Sort::Rate => SortBy::Rate,
            Sort::Rating => SortBy::Rating,
            Sort::Experience => SortBy::Experience,
        };
        match self.sort_order {
            Direction::Asc => Order::Up(by),
            Direction::Desc => Order::Down(by),
        }
    }
}

/// A slug in the path.
#[derive(Debug, Deserialize, JsonSchema)]
struct SlugPath {
    /// In addresses.
    slug: String,
}

/// 12.
async fn search(
    State(app): State<App>,
    visitor: Visitor,
    Input { query, .. }: QueryOnly<SearchQuery>,
) -> Result<Answer<Vec<DoctorView>>> {
    let viewer = visitor.client().map(|client| client.id);
    let words = rules::search_words(&query.q);
    let mut conn = app.conn().await?;
    let cards = discovery::search(&mut conn, viewer, &words, query.limit, query.offset).await?;
    Ok(views(&app, cards))
}

/// 13: the favourites options need a patient.
async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Input { query, .. }: QueryOnly<ListQuery>,
) -> Result<Answer<Vec<DoctorView>>> {
    if query.favourites_first || query.favourites_only {
        require::<Client>(&visitor.0.ok_or(Error::unauthenticated("Not authenticated"))?)?;
    }
    let wanted = Query {
        viewer: visitor.client().map(|client| client.id),
        favourites: query.favourites_only,
        order: if query.favourites_first { Order::FavouritesFirst } else { Order::Presence },
        skip: query.skip,
        limit: query.limit,
        ..Query::default()
    };
    let cards = discovery::list(&mut *app.conn().await?, &wanted, &present(&app)).await?;
    Ok(views(&app, cards))
}

/// 14.
async fn list_all(
    State(app): State<App>,
    visitor: Visitor,
    Input { query, .. }: QueryOnly<AllQuery>,
) -> Result<Answer<Vec<DoctorView>>> {
    let wanted = Query {
        viewer: visitor.client().map(|client| client.id),
        rank: query.status.map(|status| match status {
            Shown::Online => Rank::Online,
            Shown::Busy => Rank::Busy,
            Shown::Offline => Rank::Offline,
        }),
        order: query.order(),
        category: query.category,
        chat: query.available_for == Some(Channel::Chat),
        call: query.available_for == Some(Channel::Call),
        featured: query.featured_only,
        limit: CAP,
        ..Query::default()
    };
    let cards = discovery::list(&mut *app.conn().await?, &wanted, &present(&app)).await?;
    Ok(views(&app, cards))
}

/// 15.
async fn show_by_slug(
    State(app): State<App>,
    visitor: Visitor,
    Input { path, .. }: PathOnly<SlugPath>,
) -> Result<Answer<DetailView>> {
    let found = profile::find_by_slug(&mut *app.conn().await?, &path.slug).await?;
    detail(&app, visitor, found).await
}

/// 16.
async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Input { path, .. }: PathOnly<DoctorPath>,
) -> Result<Answer<DetailView>> {
    let found = profile::find(&mut *app.conn().await?, path.doctor_id).await?;
    detail(&app, visitor, found).await
}

async fn detail(app: &App, visitor: Visitor, found: Option<profile::Doctor>) -> Result<Answer<DetailView>> {
    let doctor = found.filter(profile::Doctor::is_visible).ok_or(NOT_FOUND)?;
    let is_favourite = match visitor.client() {
        Some(client) => favourites::exists(&mut *app.conn().await?, client.id, doctor.id).await?,
        None => false,
    };
    Ok(Answer(DetailView::of(app, doctor, is_favourite)))
}

/// Who is there, as every node knows.
fn present(app: &App) -> Present {
    let (online, busy): (Vec<_>, Vec<_>) =
        app.engine.presence().present(app.now()).into_iter().partition(|(_, shown)| *shown == Shown::Online);
    let ids = |list: Vec<(_, Shown)>| list.into_iter().map(|(id, _)| id).collect();
    Present { online: ids(online), busy: ids(busy) }
}

fn views(app: &App, cards: Vec<Card>) -> Answer<Vec<DoctorView>> {
    Answer(cards.into_iter().map(|card| DoctorView::of(app, card)).collect())
}
