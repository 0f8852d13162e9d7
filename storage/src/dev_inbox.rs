//! The development inbox: what would have been sent by SMS, mail or push (running.md). Never used in production.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::error::Result;

/// One thing that would have been sent.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Item {
    /// Ascending.
    pub id: i64,
    /// `sms`, `email` or `push`.
    pub channel: String,
    /// Phone, address or device token.
    pub to: String,
    /// Of a mail.
    pub subject: Option<String>,
    /// The text.
    pub body: String,
    /// The one-time code, when it carries one.
    pub code: Option<String>,
    /// The push payload.
    pub data: Option<serde_json::Value>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Something to put there.
#[derive(Debug, Clone, Default)]
pub struct NewItem<'a> {
    /// `sms`, `email` or `push`.
    pub channel: &'a str,
    /// Phone, address or device token.
    pub to: &'a str,
    /// Of a mail.
    pub subject: Option<&'a str>,
    /// The text.
    pub body: &'a str,
    /// The one-time code.
    pub code: Option<&'a str>,
    /// The push payload.
    pub data: Option<serde_json::Value>,
}

/// Which items are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this channel.
    pub channel: Option<String>,
    /// Only this recipient.
    pub to: Option<String>,
    /// Only later ones.
    pub after: i64,
    /// At most so many, the newest.
    pub limit: i64,
}

/// Adds an item; the last 1,000 are kept.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, item: NewItem<'_>, at: DateTime<Utc>) -> Result<()> {
    let id = sqlx::query_scalar!(
        "insert into dev_inbox (channel, recipient, subject, body, code, data, created_at)
         values ($1, $2, $3, $4, $5, $6, $7) returning id",
        item.channel,
        item.to,
        item.subject,
        item.body,
        item.code,
        item.data,
        at
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!("delete from dev_inbox where id <= $1::bigint - 1000", id).execute(conn).await?;
    Ok(())
}

/// The items of the filter, newest last.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, filter: &Filter) -> Result<Vec<Item>> {
    let mut items = sqlx::query_as!(
        Item,
        "select id, channel, recipient as \"to\", subject, body, code, data, created_at from dev_inbox
         where id > $1 and ($2::text is null or channel = $2) and ($3::text is null or recipient = $3)
         order by id desc limit $4",
        filter.after,
        filter.channel,
        filter.to,
        filter.limit
    )
    .fetch_all(conn)
    .await?;
    items.reverse();
    Ok(items)
}
