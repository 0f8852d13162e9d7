//! `/api/v2`: the connect family (connect-v2.md).

use aide::axum::ApiRouter;

use crate::app::App;

/// Every slice's routes.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
}
