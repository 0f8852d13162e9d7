//! Events as admins announce, see, change and delete them (140 to 143).

use aide::axum::ApiRouter;
use aide::axum::routing::{patch_with, post_with};
use axum::extract::State;
use consilium_storage::connect::community::events::{self, Wanted};

use super::wire::{CreateEvent, EventPath, EventView, UpdateEvent};
use super::{NOT_FOUND, rules};
use crate::accounts::caller::{Admin, Caller};
use crate::app::App;
use crate::connect::admin::TAG;
use crate::error::Result;
use crate::http::input::{BodyOnly, Input, PathBody, PathOnly, QueryOnly};
use crate::http::paging::{Page, Paging};
use crate::http::reply::{Answer, Created, NoContent};

/// The routes 140 to 143.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/admin/events",
            post_with(create, |op| op.id("C140").tag(TAG).summary("Announce an event to all patients"))
                .get_with(list, |op| op.id("C141").tag(TAG).summary("All events, the last first")),
        )
        .api_route(
            "/api/v2/admin/events/{event_id}",
            patch_with(update, |op| op.id("C142").tag(TAG).summary("Change an event; nobody is told"))
                .delete_with(remove, |op| op.id("C143").tag(TAG).summary("Delete an event")),
        )
}

/// 140: the outbox tells every patient's devices, a page of them at a time.
async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { body, .. }: BodyOnly<CreateEvent>,
) -> Result<Created<EventView>> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let event = body.event(now);
    rules::still_to_come(event.event_date, now)?;
    events::insert(tx.conn(), &event).await?;
    tx.push_to_all_patients("community.event", &[("community_event_id", event.id.0)]);
    caller.note_act(&mut tx, "admin.event.create").await?;
    app.commit(tx).await?;
    Ok(Created(EventView::of(event, now)))
}

/// 141.
async fn list(
    State(app): State<App>,
    _caller: Caller<Admin>,
    Input { query: Paging { limit, offset }, .. }: QueryOnly<Paging>,
) -> Result<Answer<Page<EventView>>> {
    let now = app.now();
    let wanted = Wanted { event_type: None, upcoming: None, category: None, is_down: true, now, limit, offset };
    let (found, total) = events::list(&mut *app.conn().await?, wanted).await?;
    let items = found.into_iter().map(|event| EventView::of(event, now)).collect();
    Ok(Answer(Page::new(items, total, limit, offset)))
}

/// 142.
async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, body, .. }: PathBody<EventPath, UpdateEvent>,
) -> Result<Answer<EventView>> {
    let mut tx = app.begin().await?;
    let event = events::find_for_update(tx.conn(), path.event_id).await?.ok_or(NOT_FOUND)?;
    let event = body.apply(event);
    events::update(tx.conn(), &event).await?;
    caller.note_act(&mut tx, "admin.event.update").await?;
    let now = tx.now();
    app.commit(tx).await?;
    Ok(Answer(EventView::of(event, now)))
}

/// 143: a repeat is 404.
async fn remove(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, .. }: PathOnly<EventPath>,
) -> Result<NoContent> {
    let mut tx = app.begin().await?;
    if !events::delete(tx.conn(), path.event_id).await? {
        return Err(NOT_FOUND);
    }
    caller.note_act(&mut tx, "admin.event.delete").await?;
    app.commit(tx).await?;
    Ok(NoContent)
}
