//! Health categories as admins make, see, change and delete them (128 to 131).

use aide::axum::ApiRouter;
use aide::axum::routing::{patch_with, post_with};
use axum::extract::State;
use chrono::{DateTime, Utc};
use consilium_storage as storage;
use consilium_storage::connect::categories::{self, Category, NAME_TAKEN};
use consilium_storage::ids::CategoryId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::caller::{Admin, Caller};
use crate::app::App;
use crate::connect::admin::TAG;
use crate::error::{Code, Error, Result};
use crate::http::input::{BodyOnly, Input, PathBody, PathOnly, QueryOnly};
use crate::http::paging::Page;
use crate::http::patch::{Maybe, Patch};
use crate::http::reply::{Answer, Created, NoContent};

/// No such category.
const NOT_FOUND: Error = Error::NotFound("Category");

/// The routes 128 to 131.
pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/admin/categories",
            post_with(create, |op| op.id("C128").tag(TAG).summary("Make a health category"))
                .get_with(list, |op| op.id("C129").tag(TAG).summary("All health categories, inactive ones too")),
        )
        .api_route(
            "/api/v2/admin/categories/{category_id}",
            patch_with(update, |op| op.id("C130").tag(TAG).summary("Change a health category"))
                .delete_with(remove, |op| {
                    op.id("C131").tag(TAG).summary("Delete a health category; consultations keep its name")
                }),
        )
}

/// A category in the path.
#[derive(Debug, Deserialize, JsonSchema)]
struct CategoryPath {
    /// The category.
    category_id: CategoryId,
}

/// Which part of the list (129).
#[derive(Debug, Deserialize, JsonSchema)]
struct CategoriesQuery {
    /// 1 to 100.
    #[serde(default = "CategoriesQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    offset: i64,
}

impl CategoriesQuery {
    const fn limit() -> i64 {
        50
    }
}

/// A new category (128).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CategoryCreate")]
struct CreateCategory {
    /// What patients read; unique, whatever the case of its letters.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    name: String,
    /// A sentence.
    #[schemars(length(max = 500))]
    description: Option<String>,
    /// Whether patients see it.
    #[serde(default = "CreateCategory::is_active")]
    is_active: bool,
}

impl CreateCategory {
    const fn is_active() -> bool {
        true
    }
}

/// Changes to a category (130); absent fields stay.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CategoryUpdate")]
struct UpdateCategory {
    /// What patients read.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    name: Maybe<String>,
    /// A sentence; null clears it.
    #[serde(default)]
    #[schemars(length(max = 500))]
    description: Patch<String>,
    /// Whether patients see it.
    #[serde(default)]
    is_active: Maybe<bool>,
}

impl UpdateCategory {
    /// The category after the changes.
    fn apply(self, category: Category, now: DateTime<Utc>) -> Category {
        Category {
            id: category.id,
            name: self.name.0.map_or(category.name, |name| name.trim().to_owned()),
            description: self.description.apply(category.description),
            is_active: self.is_active.0.unwrap_or(category.is_active),
            created_at: category.created_at,
            updated_at: now,
        }
    }
}

/// A category as admins see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CategoryOut")]
struct AdminCategoryView {
    /// Its id.
    id: CategoryId,
    /// What patients read.
    name: String,
    /// A sentence.
    description: Option<String>,
    /// Whether patients see it.
    is_active: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was changed last.
    updated_at: DateTime<Utc>,
}

impl From<Category> for AdminCategoryView {
    fn from(category: Category) -> Self {
        let Category { id, name, description, is_active, created_at, updated_at } = category;
        Self { id, name, description, is_active, created_at, updated_at }
    }
}

/// 128.
async fn create(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { body, .. }: BodyOnly<CreateCategory>,
) -> Result<Created<AdminCategoryView>> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let category = Category {
        id: CategoryId::new(),
        name: body.name.trim().to_owned(),
        description: body.description,
        is_active: body.is_active,
        created_at: now,
        updated_at: now,
    };
    categories::insert(tx.conn(), &category).await.map_err(taken)?;
    caller.note_act(&mut tx, "admin.category.create").await?;
    app.commit(tx).await?;
    Ok(Created(category.into()))
}

/// 129: by name.
async fn list(
    State(app): State<App>,
    _caller: Caller<Admin>,
    Input { query: CategoriesQuery { limit, offset }, .. }: QueryOnly<CategoriesQuery>,
) -> Result<Answer<Page<AdminCategoryView>>> {
    let (found, total) = categories::list(&mut *app.conn().await?, limit, offset).await?;
    Ok(Answer(Page::new(found.into_iter().map(AdminCategoryView::from).collect(), total, limit, offset)))
}

/// 130.
async fn update(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, body, .. }: PathBody<CategoryPath, UpdateCategory>,
) -> Result<Answer<AdminCategoryView>> {
    let mut tx = app.begin().await?;
    let category = categories::find_for_update(tx.conn(), path.category_id).await?.ok_or(NOT_FOUND)?;
    let category = body.apply(category, tx.now());
    categories::update(tx.conn(), &category).await.map_err(taken)?;
    caller.note_act(&mut tx, "admin.category.update").await?;
    app.commit(tx).await?;
    Ok(Answer(category.into()))
}

/// 131: a repeat is 404.
async fn remove(
    State(app): State<App>,
    caller: Caller<Admin>,
    Input { path, .. }: PathOnly<CategoryPath>,
) -> Result<NoContent> {
    let mut tx = app.begin().await?;
    if !categories::delete(tx.conn(), path.category_id).await? {
        return Err(NOT_FOUND);
    }
    caller.note_act(&mut tx, "admin.category.delete").await?;
    app.commit(tx).await?;
    Ok(NoContent)
}

/// 409 `DUPLICATE` for a name that there is already.
fn taken(error: storage::Error) -> Error {
    if error.is_conflict(NAME_TAKEN) {
        return Error::conflict(Code::Duplicate, "There is a category of this name").with("field", "name");
    }
    error.into()
}
