//! Articles (connect-v2 110, 111, 136 to 139).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::ArticleId;

/// An article with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// Its id.
    pub id: ArticleId,
    /// A line.
    pub title: String,
    /// A few sentences.
    pub excerpt: String,
    /// The text.
    pub content: String,
    /// Any word.
    pub category: Option<String>,
    /// A name.
    pub author: Option<String>,
    /// A picture elsewhere.
    pub image_url: Option<String>,
    /// When it was written here.
    pub published_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// An article of a list: all but its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its id.
    pub id: ArticleId,
    /// A line.
    pub title: String,
    /// A few sentences.
    pub excerpt: String,
    /// Any word.
    pub category: Option<String>,
    /// A name.
    pub author: Option<String>,
    /// A picture elsewhere.
    pub image_url: Option<String>,
    /// When it was written here.
    pub published_at: DateTime<Utc>,
}

/// The order of a list; titles whatever the case of their letters, ties newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// By title.
    TitleUp,
    /// By title, from the end.
    TitleDown,
}

impl Order {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::TitleUp => "title up",
            Self::TitleDown => "title down",
        }
    }
}

/// Which articles.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only of this category, whatever the case of its letters.
    pub category: Option<&'a str>,
    /// How they are sorted.
    pub order: Order,
    /// At most so many.
    pub limit: i64,
    /// After so many.
    pub offset: i64,
}

/// The articles without their texts, and how many match in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, wanted: Wanted<'_>) -> Result<(Vec<Card>, i64)> {
    let total = sqlx::query_scalar!(
        "select count(*) as \"total!\" from articles where $1::text is null or lower(category) = lower($1)",
        wanted.category
    )
    .fetch_one(&mut *conn)
    .await?;
    // The planner sees the order's word and drops the sort keys that are null with it.
    let cards = sqlx::query_as!(
        Card,
        "select id, title, excerpt, category, author, image_url, published_at from articles
         where $1::text is null or lower(category) = lower($1)
         order by case when $2::text = 'title up' then lower(title) end,
                  case when $2 = 'title down' then lower(title) end desc,
                  case when $2 = 'oldest' then published_at end,
                  published_at desc, id desc
         limit $3 offset $4",
        wanted.category,
        wanted.order.as_str(),
        wanted.limit,
        wanted.offset
    )
    .fetch_all(conn)
    .await?;
    Ok((cards, total))
}

/// The articles with their texts, the newest first, and how many there are.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_whole(conn: &mut PgConnection, limit: i64, offset: i64) -> Result<(Vec<Article>, i64)> {
    let total = sqlx::query_scalar!("select count(*) as \"total!\" from articles").fetch_one(&mut *conn).await?;
    let articles = sqlx::query_as!(
        Article,
        "select id, title, excerpt, content, category, author, image_url, published_at, updated_at from articles
         order by published_at desc, id desc limit $1 offset $2",
        limit,
        offset
    )
    .fetch_all(conn)
    .await?;
    Ok((articles, total))
}

/// One article.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: ArticleId) -> Result<Option<Article>> {
    Ok(sqlx::query_as!(
        Article,
        "select id, title, excerpt, content, category, author, image_url, published_at, updated_at from articles
         where id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// One article, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: ArticleId) -> Result<Option<Article>> {
    Ok(sqlx::query_as!(
        Article,
        "select id, title, excerpt, content, category, author, image_url, published_at, updated_at from articles
         where id = $1 for update",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Writes a new article.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, article: &Article) -> Result<()> {
    sqlx::query!(
        "insert into articles (id, title, excerpt, content, category, author, image_url, published_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        article.id as _,
        article.title,
        article.excerpt,
        article.content,
        article.category,
        article.author,
        article.image_url,
        article.published_at,
        article.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes an article anew; when it was published stays.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn update(conn: &mut PgConnection, article: &Article) -> Result<()> {
    sqlx::query!(
        "update articles
         set title = $2, excerpt = $3, content = $4, category = $5, author = $6, image_url = $7, updated_at = $8
         where id = $1",
        article.id as _,
        article.title,
        article.excerpt,
        article.content,
        article.category,
        article.author,
        article.image_url,
        article.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes an article. Answers whether it was there.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn delete(conn: &mut PgConnection, id: ArticleId) -> Result<bool> {
    let done = sqlx::query!("delete from articles where id = $1", id as _).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
