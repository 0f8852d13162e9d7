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
    pub after: Option<i64>,
    /// At most so many: the newest, or with `after` those that follow it.
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

/// The items of the filter, newest last. Whoever goes on from one gets all that follow, however many came meanwhile.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, filter: &Filter) -> Result<Vec<Item>> {
    let mut items = sqlx::query_as!(
        Item,
        "select id, channel, recipient as \"to\", subject, body, code, data, created_at from dev_inbox
         where id > coalesce($1::bigint, 0) and ($2::text is null or channel = $2)
           and ($3::text is null or recipient = $3)
         order by case when $1 is not null then id end, id desc limit $4",
        filter.after,
        filter.channel,
        filter.to,
        filter.limit
    )
    .fetch_all(conn)
    .await?;
    items.sort_unstable_by_key(|item| item.id);
    Ok(items)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn the_newest_are_given_and_after_one_those_that_follow() {
        let database = testing::database().await;
        let pool = crate::database::connect(&database.options, 1).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let now = crate::clock::Clock::system().now();
        for body in ["a", "b", "c", "d", "e"] {
            let item = NewItem { channel: "sms", to: "+919900000001", body, ..NewItem::default() };
            insert(&mut conn, item, now).await.unwrap();
        }
        let all = list(&mut conn, &Filter { limit: 100, ..Filter::default() }).await.unwrap();
        let first = all.first().unwrap().id;
        for (after, expected) in [(None, "de"), (Some(0), "ab"), (Some(first), "bc"), (Some(first + 3), "e")] {
            let found = list(&mut conn, &Filter { after, limit: 2, ..Filter::default() }).await.unwrap();
            let bodies: String = found.into_iter().map(|item| item.body).collect();
            assert_eq!(bodies, expected, "after {after:?}");
        }
    }
}
