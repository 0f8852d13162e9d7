//! Offers: what patients get on top of a top-up (connect-v2 119), and how admins make them (132 to 135).

mod admin;
mod wire;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use consilium_storage::connect::offers;

use self::wire::OfferView;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::reply::Answer;

/// No such offer.
pub const NOT_FOUND: Error = Error::NotFound("Offer");

/// The routes 119 and 132 to 135.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/wallet/offers",
            get_with(running, |op| op.id("C119").tag("Wallet").summary("The offers that run today")),
        )
        .merge(admin::router())
}

/// How long anybody may keep the list; the server itself asks the database each time, so that an admin's change shows
/// on every node at once.
const FOR_FIVE_MINUTES: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));

/// A list that anybody may keep for a while.
struct Cached(Answer<Vec<OfferView>>);

impl IntoResponse for Cached {
    fn into_response(self) -> Response {
        ([FOR_FIVE_MINUTES], self.0).into_response()
    }
}

impl aide::OperationOutput for Cached {
    type Inner = Vec<OfferView>;

    fn inferred_responses(
        ctx: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) -> Vec<(Option<aide::openapi::StatusCode>, aide::openapi::Response)> {
        <Answer<Vec<OfferView>> as aide::OperationOutput>::inferred_responses(ctx, operation)
    }
}

/// 119: days begin in UTC.
async fn running(State(app): State<App>) -> Result<Cached> {
    let found = offers::list_running(&mut *app.conn().await?, app.now().date_naive()).await?;
    Ok(Cached(Answer(found.into_iter().map(OfferView::from).collect())))
}
