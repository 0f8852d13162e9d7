//! What goes in and out of the articles' endpoints.

use chrono::{DateTime, Utc};
use consilium_storage::connect::community::articles::{Article, Card, Order, Wanted};
use consilium_storage::ids::ArticleId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{PICTURE, trimmed, word};
use crate::http::paging::Direction;
use crate::http::patch::{Maybe, Patch};

/// An article in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ArticlePath {
    /// The article.
    pub(super) article_id: ArticleId,
}

/// Which articles (110).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ArticlesQuery {
    /// 1 to 100.
    #[serde(default = "ArticlesQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub(super) offset: i64,
    /// Only of this category, whatever the case of its letters.
    #[schemars(length(max = 100))]
    category: Option<String>,
    /// By time unless said otherwise.
    #[serde(default)]
    sort_by: ArticleSort,
    /// Down unless said otherwise.
    #[serde(default = "ArticlesQuery::down")]
    sort_order: Direction,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ArticleSort {
    #[default]
    PublishedAt,
    Title,
}

impl ArticlesQuery {
    const fn limit() -> i64 {
        20
    }

    const fn down() -> Direction {
        Direction::Desc
    }

    pub(super) fn wanted(&self) -> Wanted<'_> {
        let order = match (self.sort_by, self.sort_order) {
            (ArticleSort::PublishedAt, Direction::Desc) => Order::Newest,
            (ArticleSort::PublishedAt, Direction::Asc) => Order::Oldest,
            (ArticleSort::Title, Direction::Asc) => Order::TitleUp,
            (ArticleSort::Title, Direction::Desc) => Order::TitleDown,
        };
        Wanted { category: word(self.category.as_deref()), order, limit: self.limit, offset: self.offset }
    }
}

/// A new article (136).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ArticleCreate")]
pub(super) struct CreateArticle {
    /// A line.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    title: String,
    /// A few sentences, for lists.
    #[schemars(length(max = 500))]
    excerpt: String,
    /// The text.
    #[schemars(length(max = 100_000))]
    content: String,
    /// Any word.
    #[schemars(length(max = 100), regex(pattern = r"\S"))]
    category: Option<String>,
    /// A name.
    #[schemars(length(max = 100), regex(pattern = r"\S"))]
    author: Option<String>,
    /// `https` only.
    #[schemars(length(max = 2048), regex(pattern = PICTURE))]
    image_url: Option<String>,
}

impl CreateArticle {
    /// The article, published at once.
    pub(super) fn article(self, now: DateTime<Utc>) -> Article {
        Article {
            id: ArticleId::new(),
            title: trimmed(&self.title),
            excerpt: self.excerpt,
            content: self.content,
            category: self.category.as_deref().map(trimmed),
            author: self.author.as_deref().map(trimmed),
            image_url: self.image_url,
            published_at: now,
            updated_at: now,
        }
    }
}

/// Changes to an article (138); absent fields stay.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ArticleUpdate")]
pub(super) struct UpdateArticle {
    /// A line.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    title: Maybe<String>,
    /// A few sentences, for lists.
    #[serde(default)]
    #[schemars(length(max = 500))]
    excerpt: Maybe<String>,
    /// The text.
    #[serde(default)]
    #[schemars(length(max = 100_000))]
    content: Maybe<String>,
    /// Any word; null clears it.
    #[serde(default)]
    #[schemars(length(max = 100), regex(pattern = r"\S"))]
    category: Patch<String>,
    /// A name; null clears it.
    #[serde(default)]
    #[schemars(length(max = 100), regex(pattern = r"\S"))]
    author: Patch<String>,
    /// `https` only; null clears it.
    #[serde(default)]
    #[schemars(length(max = 2048), regex(pattern = PICTURE))]
    image_url: Patch<String>,
}

impl UpdateArticle {
    /// The article after the changes.
    pub(super) fn apply(self, article: Article, now: DateTime<Utc>) -> Article {
        Article {
            id: article.id,
            title: self.title.0.as_deref().map_or(article.title, trimmed),
            excerpt: self.excerpt.0.unwrap_or(article.excerpt),
            content: self.content.0.unwrap_or(article.content),
            category: self.category.apply(article.category).as_deref().map(trimmed),
            author: self.author.apply(article.author).as_deref().map(trimmed),
            image_url: self.image_url.apply(article.image_url),
            published_at: article.published_at,
            updated_at: now,
        }
    }
}

/// An article of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ArticleCard {
    /// Its id.
    id: ArticleId,
    /// A line.
    title: String,
    /// A few sentences.
    excerpt: String,
    /// Any word.
    category: Option<String>,
    /// A name.
    author: Option<String>,
    /// A picture elsewhere.
    image_url: Option<String>,
    /// When it was published.
    published_at: DateTime<Utc>,
}

impl From<Card> for ArticleCard {
    fn from(card: Card) -> Self {
        let Card { id, title, excerpt, category, author, image_url, published_at } = card;
        Self { id, title, excerpt, category, author, image_url, published_at }
    }
}

/// An article with its text.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ArticleOut")]
pub(super) struct ArticleView {
    /// As in the list.
    #[serde(flatten)]
    card: ArticleCard,
    /// The text.
    content: String,
}

impl From<Article> for ArticleView {
    fn from(article: Article) -> Self {
        let Article { id, title, excerpt, content, category, author, image_url, published_at, updated_at: _ } = article;
        Self { card: ArticleCard { id, title, excerpt, category, author, image_url, published_at }, content }
    }
}

/// An article as admins see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AdminArticleOut")]
pub(super) struct AdminArticleView {
    /// As everybody sees it.
    #[serde(flatten)]
    article: ArticleView,
    /// When it was changed last.
    updated_at: DateTime<Utc>,
}

impl From<Article> for AdminArticleView {
    fn from(article: Article) -> Self {
        Self { updated_at: article.updated_at, article: article.into() }
    }
}
