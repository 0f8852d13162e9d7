//! Offers as admins make, see, change and delete them (132 to 135).

use aide::axum::ApiRouter;
use aide::axum::routing::{patch_with, post_with};
use axum::extract::State;
use consilium_storage::connect::offers;

use super::NOT_FOUND;
use super::wire::{CreateOffer, OfferPath, OfferView, UpdateOffer};
use crate::accounts::caller::{Admin, Caller};
use crate::app::App;
use crate::error::Result;
use crate::http::input::{BodyOnly, Input, PathBody, PathOnly, QueryOnly};
use crate::http::paging::{Page, Paging};
use crate::http::reply::{Answer, Created, NoContent};

const TAG: &str = "Admin";

/// The routes 132 to 135.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/admin/wallet/offers",
            post_with(create, |op| op.id("C132").tag(TAG).summary("Make an offer"))
                .get_with(list, |op| op.id("C133").tag(TAG).summary("All offers, past and inactive ones too")),
        )
        .api_route(
            "/api/v2/admin/wallet/offers/{offer_id}",
            patch_with(update, |op| op.id("C134").tag(TAG).summary("Change an offer"))
                .delete_with(remove, |op| op.id("C135").tag(TAG).summary("Delete an offer; orders keep their terms")),
        )
}

/// 132.
async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { body, .. }: BodyOnly<CreateOffer>,
) -> Result<Created<OfferView>> {
    let offer = body.offer()?;
    let mut tx = app.begin().await?;
    let now = tx.now();
    offers::insert(tx.conn(), &offer, now).await?;
    caller.note_act(&mut tx, "admin.offer.create").await?;
    app.commit(tx).await?;
    Ok(Created(offer.into()))
}

/// 133: the newest first.
async fn list(
    State(app): State<App>,
    _caller: Caller<Admin>,
    Input { query: Paging { limit, offset }, .. }: QueryOnly<Paging>,
) -> Result<Answer<Page<OfferView>>> {
    let (found, total) = offers::list(&mut *app.conn().await?, limit, offset).await?;
    Ok(Answer(Page::new(found.into_iter().map(OfferView::from).collect(), total, limit, offset)))
}

/// 134: dates are judged after merging.
async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, body, .. }: PathBody<OfferPath, UpdateOffer>,
) -> Result<Answer<OfferView>> {
    let mut tx = app.begin().await?;
    let offer = offers::find_for_update(tx.conn(), path.offer_id).await?.ok_or(NOT_FOUND)?;
    let offer = body.apply(offer)?;
    let now = tx.now();
    offers::update(tx.conn(), &offer, now).await?;
    caller.note_act(&mut tx, "admin.offer.update").await?;
    app.commit(tx).await?;
    Ok(Answer(offer.into()))
}

/// 135: a repeat is 404.
async fn remove(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, .. }: PathOnly<OfferPath>,
) -> Result<NoContent> {
    let mut tx = app.begin().await?;
    if !offers::delete(tx.conn(), path.offer_id).await? {
        return Err(NOT_FOUND);
    }
    caller.note_act(&mut tx, "admin.offer.delete").await?;
    app.commit(tx).await?;
    Ok(NoContent)
}
