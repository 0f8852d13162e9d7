//! Events: seen by everybody (112, 113), announced by admins (140 to 143).

mod admin;
mod rules;
mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use consilium_storage::connect::community::events;

use self::wire::{EventPath, EventView, EventsQuery};
use super::TAG;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::input::{Input, PathOnly, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::Answer;

/// No such event.
const NOT_FOUND: Error = Error::NotFound("Event");

/// The routes 112, 113 and 140 to 143.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/community/events",
            get_with(list, |op| op.id("C112").tag(TAG).summary("Events, the next first unless asked otherwise")),
        )
        .api_route(
            "/api/v2/community/events/{event_id}",
            get_with(show, |op| op.id("C113").tag(TAG).summary("One event")),
        )
        .merge(admin::router())
}

/// 112.
async fn list(State(app): State<App>, Input { query, .. }: QueryOnly<EventsQuery>) -> Result<Answer<Page<EventView>>> {
    let now = app.now();
    let (found, total) = events::list(&mut *app.conn().await?, query.wanted(now)).await?;
    let items = found.into_iter().map(|event| EventView::of(event, now)).collect();
    Ok(Answer(Page::new(items, total, query.limit, query.offset)))
}

/// 113.
async fn show(State(app): State<App>, Input { path, .. }: PathOnly<EventPath>) -> Result<Answer<EventView>> {
    let event = events::find(&mut *app.conn().await?, path.event_id).await?.ok_or(NOT_FOUND)?;
    Ok(Answer(EventView::of(event, app.now())))
}
