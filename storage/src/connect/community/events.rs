//! Events that people come to (connect-v2 112, 113, 140 to 143); nothing of the inboxes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::CommunityEventId;

/// Where it takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "CommunityEventType")]
pub enum EventType {
    /// On the internet.
    #[default]
    Online,
    /// In a place.
    InPerson,
    /// Both.
    Hybrid,
}

impl EventType {
    /// The word of the contract, also stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::InPerson => "in_person",
            Self::Hybrid => "hybrid",
        }
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommunityEvent {
    /// Its id.
    pub id: CommunityEventId,
    /// A line.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// When it begins.
    pub event_date: DateTime<Utc>,
    /// Where.
    pub event_type: EventType,
    /// Any word.
    pub category: Option<String>,
    /// A picture elsewhere.
    pub image_url: Option<String>,
    /// When it was written here.
    pub created_at: DateTime<Utc>,
}

/// Which events.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Only of this type.
    pub event_type: Option<EventType>,
    /// Only those that begin after now, or only the others.
    pub upcoming: Option<bool>,
    /// Only of this category, whatever the case of its letters.
    pub category: Option<&'a str>,
    /// The last first.
    pub is_down: bool,
    /// What is past.
    pub now: DateTime<Utc>,
    /// At most so many.
    pub limit: i64,
    /// After so many.
    pub offset: i64,
}

/// The events by their dates, and how many match in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, wanted: Wanted<'_>) -> Result<(Vec<CommunityEvent>, i64)> {
    let event_type = wanted.event_type.map(EventType::as_str);
    let total = sqlx::query_scalar!(
        "select count(*) as \"total!\" from community_events
         where ($1::text is null or event_type = $1) and ($2::bool is null or (event_date > $3) = $2)
           and ($4::text is null or lower(category) = lower($4))",
        event_type,
        wanted.upcoming,
        wanted.now,
        wanted.category
    )
    .fetch_one(&mut *conn)
    .await?;
    let events = sqlx::query_as!(
        CommunityEvent,
        "select id, title, description, event_date, event_type, category, image_url, created_at from community_events
         where ($1::text is null or event_type = $1) and ($2::bool is null or (event_date > $3) = $2)
           and ($4::text is null or lower(category) = lower($4))
         order by case when $5::bool then event_date end desc, event_date, id
         limit $6 offset $7",
        event_type,
        wanted.upcoming,
        wanted.now,
        wanted.category,
        wanted.is_down,
        wanted.limit,
        wanted.offset
    )
    .fetch_all(conn)
    .await?;
    Ok((events, total))
}

/// One event.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: CommunityEventId) -> Result<Option<CommunityEvent>> {
    Ok(sqlx::query_as!(
        CommunityEvent,
        "select id, title, description, event_date, event_type, category, image_url, created_at from community_events
         where id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// One event, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: CommunityEventId) -> Result<Option<CommunityEvent>> {
    Ok(sqlx::query_as!(
        CommunityEvent,
        "select id, title, description, event_date, event_type, category, image_url, created_at from community_events
         where id = $1 for update",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Writes a new event.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, event: &CommunityEvent) -> Result<()> {
    sqlx::query!(
        "insert into community_events (id, title, description, event_date, event_type, category, image_url, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        event.id as _,
        event.title,
        event.description,
        event.event_date,
        event.event_type as _,
        event.category,
        event.image_url,
        event.created_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes an event anew; when it was made stays.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn update(conn: &mut PgConnection, event: &CommunityEvent) -> Result<()> {
    sqlx::query!(
        "update community_events
         set title = $2, description = $3, event_date = $4, event_type = $5, category = $6, image_url = $7
         where id = $1",
        event.id as _,
        event.title,
        event.description,
        event.event_date,
        event.event_type as _,
        event.category,
        event.image_url
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes an event. Answers whether it was there.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn delete(conn: &mut PgConnection, id: CommunityEventId) -> Result<bool> {
    let done = sqlx::query!("delete from community_events where id = $1", id as _).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
