//! Health categories: what a patient chooses from (connect-v2 109, 128 to 131).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::CategoryId;

/// The constraint that refuses a second category of the same name.
pub const NAME_TAKEN: &str = "health_categories_name_key";

/// A health category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// Unique, whatever the case of its letters.
    pub name: String,
    /// A sentence.
    pub description: Option<String>,
    /// Whether patients see it.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// The active categories, by name; no more than anybody would look through.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_active(conn: &mut PgConnection) -> Result<Vec<Category>> {
    Ok(sqlx::query_as!(
        Category,
        "select id, name, description, is_active, created_at, updated_at from health_categories
         where is_active order by lower(name), id limit 500"
    )
    .fetch_all(conn)
    .await?)
}

/// All categories by name, and how many there are.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, limit: i64, offset: i64) -> Result<(Vec<Category>, i64)> {
    let total =
        sqlx::query_scalar!("select count(*) as \"total!\" from health_categories").fetch_one(&mut *conn).await?;
    let categories = sqlx::query_as!(
        Category,
        "select id, name, description, is_active, created_at, updated_at from health_categories
         order by lower(name), id limit $1 offset $2",
        limit,
        offset
    )
    .fetch_all(conn)
    .await?;
    Ok((categories, total))
}

/// One category, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: CategoryId) -> Result<Option<Category>> {
    Ok(sqlx::query_as!(
        Category,
        "select id, name, description, is_active, created_at, updated_at from health_categories
         where id = $1 for update",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Adds a category.
///
/// # Errors
/// Conflict [`NAME_TAKEN`] when there is one of this name.
pub async fn insert(conn: &mut PgConnection, category: &Category) -> Result<()> {
    sqlx::query!(
        "insert into health_categories (id, name, description, is_active, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6)",
        category.id as _,
        category.name,
        category.description,
        category.is_active,
        category.created_at,
        category.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a category anew; when it was made stays.
///
/// # Errors
/// Conflict [`NAME_TAKEN`] when there is another one of this name.
pub async fn update(conn: &mut PgConnection, category: &Category) -> Result<()> {
    sqlx::query!(
        "update health_categories set name = $2, description = $3, is_active = $4, updated_at = $5 where id = $1",
        category.id as _,
        category.name,
        category.description,
        category.is_active,
        category.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes a category; consultations keep their word for it. Answers whether it was there.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn delete(conn: &mut PgConnection, id: CategoryId) -> Result<bool> {
    let done = sqlx::query!("delete from health_categories where id = $1", id as _).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
