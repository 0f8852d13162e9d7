//! Health categories: what a patient chooses from (connect-v2 109).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::CategoryId;

/// A health category.
#[derive(Debug, Clone)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// Unique, whatever the case of its letters.
    pub name: String,
    /// A sentence.
    pub description: Option<String>,
    /// Whether patients see it.
    pub is_active: bool,
}

/// The active categories, by name.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_active(conn: &mut PgConnection) -> Result<Vec<Category>> {
    Ok(sqlx::query_as!(
        Category,
        "select id, name, description, is_active from health_categories where is_active order by lower(name), id"
    )
    .fetch_all(conn)
    .await?)
}

/// Adds a category.
///
/// # Errors
/// Conflict `health_categories_name_key` when there is one of this name.
pub async fn insert(conn: &mut PgConnection, category: &Category, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "insert into health_categories (id, name, description, is_active, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $5)",
        category.id as _,
        category.name,
        category.description,
        category.is_active,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}
