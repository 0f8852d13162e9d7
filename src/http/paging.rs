//! Lists (connect-v2 §1.2): the envelope and its parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The default envelope.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// At most `limit` of them.
    pub items: Vec<T>,
    /// How many match in all.
    pub total: i64,
    /// As asked.
    pub limit: i64,
    /// As asked.
    pub offset: i64,
    /// Whether `offset + limit < total`.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of `total` items.
    #[must_use]
    pub const fn new(items: Vec<T>, total: i64, limit: i64, offset: i64) -> Self {
        Self { items, total, limit, offset, has_more: offset + limit < total }
    }
}

/// `{items, total}` of an unpaged list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct Counted<T> {
    /// All of them.
    pub items: Vec<T>,
    /// How many.
    pub total: usize,
}

impl<T> Counted<T> {
    /// The whole list.
    #[must_use]
    pub const fn new(items: Vec<T>) -> Self {
        let total = items.len();
        Self { items, total }
    }
}

/// `{items, total, has_more}`, of lists whose `limit` and `offset` the caller knows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PortionOf{T}")]
pub struct Portion<T> {
    /// At most `limit` of them.
    pub items: Vec<T>,
    /// How many match in all.
    pub total: i64,
    /// Whether `offset + limit < total`.
    pub has_more: bool,
}

impl<T> Portion<T> {
    /// A portion of `total` items.
    #[must_use]
    pub const fn new(items: Vec<T>, total: i64, limit: i64, offset: i64) -> Self {
        Self { items, total, has_more: offset + limit < total }
    }
}

/// `limit` and `offset`, default 20 and 0.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub struct Paging {
    /// 1 to 100.
    #[serde(default = "Paging::limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub offset: i64,
}

impl Paging {
    const fn limit() -> i64 {
        20
    }
}

/// The way of a sorted list; up unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Up.
    #[default]
    Asc,
    /// Down.
    Desc,
}
