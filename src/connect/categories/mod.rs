//! Health categories: chosen by patients (109), kept by admins (128 to 131).

mod admin;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use consilium_storage::accounts::patients;
use consilium_storage::connect::categories::{self, Category};
use consilium_storage::ids::CategoryId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::caller::{Caller, Client};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::http::reply::Answer;

/// The routes 109 and 128 to 131.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/categories/health",
            get_with(health, |op| op.id("C109").tag("Categories").summary("Health categories for intake")),
        )
        .merge(admin::router())
}

/// A health category.
#[derive(Debug, Serialize, JsonSchema)]
struct CategoryView {
    /// Its id.
    id: CategoryId,
    /// What patients read.
    name: String,
    /// A sentence.
    description: Option<String>,
    /// True.
    is_active: bool,
}

impl From<Category> for CategoryView {
    fn from(category: Category) -> Self {
        let Category { id, name, description, is_active, created_at: _, updated_at: _ } = category;
        Self { id, name, description, is_active }
    }
}

/// The active categories by name, for patients who have said their sex and age.
async fn health(State(app): State<App>, caller: Caller<Client>) -> Result<Answer<Vec<CategoryView>>> {
    let mut conn = app.conn().await?;
    let patient = patients::find(&mut conn, caller.id).await?.ok_or(Error::NotFound("User"))?;
    if patient.sex.is_none() || patient.age.is_none() {
        return Err(Error::conflict(Code::ProfileIncomplete, "Set sex and age first"));
    }
    Ok(Answer(categories::list_active(&mut conn).await?.into_iter().map(CategoryView::from).collect()))
}
