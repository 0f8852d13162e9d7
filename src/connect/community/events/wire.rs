//! What goes in and out of the events' endpoints.

use chrono::{DateTime, Utc};
use consilium_storage::connect::community::events::{CommunityEvent, EventType, Wanted};
use consilium_storage::ids::CommunityEventId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{PICTURE, trimmed, word};
use super::rules::{self, Status};
use crate::http::paging::Direction;
use crate::http::patch::{Maybe, Patch};

/// An event in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct EventPath {
    /// The event.
    pub(super) event_id: CommunityEventId,
}

/// Which events (112).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct EventsQuery {
    /// 1 to 100.
    #[serde(default = "EventsQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub(super) offset: i64,
    /// Only of this type.
    event_type: Option<EventType>,
    /// Only those to come, or only the others.
    status: Option<Status>,
    /// Only of this category, whatever the case of its letters.
    #[schemars(length(max = 100))]
    category: Option<String>,
    /// There is one way.
    #[serde(default, rename = "sort_by")]
    _sort_by: EventSort,
    /// The next first unless said otherwise.
    #[serde(default)]
    sort_order: Direction,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum EventSort {
    #[default]
    EventDate,
}

impl EventsQuery {
    const fn limit() -> i64 {
        20
    }

    pub(super) fn wanted(&self, now: DateTime<Utc>) -> Wanted<'_> {
        Wanted {
            event_type: self.event_type,
            upcoming: self.status.map(|status| status == Status::Upcoming),
            category: word(self.category.as_deref()),
            is_down: self.sort_order == Direction::Desc,
            now,
            limit: self.limit,
            offset: self.offset,
        }
    }
}

/// A new event (140).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CommunityEventCreate")]
pub(super) struct CreateEvent {
    /// A line.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    title: String,
    /// What it is about.
    #[schemars(length(max = 10_000))]
    description: String,
    /// When it begins: in the future.
    event_date: DateTime<Utc>,
    /// Online unless said otherwise.
    event_type: Option<EventType>,
    /// Any word.
    #[schemars(length(max = 100), regex(pattern = r"\S"))]
    category: Option<String>,
    /// `https` only.
    #[schemars(length(max = 2048), regex(pattern = PICTURE))]
    image_url: Option<String>,
}

impl CreateEvent {
    /// The event, with a new id.
    pub(super) fn event(self, now: DateTime<Utc>) -> CommunityEvent {
        CommunityEvent {
            id: CommunityEventId::new(),
            title: trimmed(&self.title),
            description: self.description,
            event_date: rules::stored(self.event_date),
            event_type: self.event_type.unwrap_or_default(),
            category: self.category.as_deref().map(trimmed),
            image_url: self.image_url,
            created_at: now,
        }
    }
}

/// Changes to an event (142); absent fields stay. A date may be set right also when it is past.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CommunityEventUpdate")]
pub(super) struct UpdateEvent {
    /// A line.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    title: Maybe<String>,
    /// What it is about.
    #[serde(default)]
    #[schemars(length(max = 10_000))]
    description: Maybe<String>,
    /// When it begins.
    #[serde(default)]
    event_date: Maybe<DateTime<Utc>>,
    /// Where.
    #[serde(default)]
    event_type: Maybe<EventType>,
    /// Any word; null clears it.
    #[serde(default)]
    #[schemars(length(max = 100), regex(pattern = r"\S"))]
    category: Patch<String>,
    /// `https` only; null clears it.
    #[serde(default)]
    #[schemars(length(max = 2048), regex(pattern = PICTURE))]
    image_url: Patch<String>,
}

impl UpdateEvent {
    /// The event after the changes.
    pub(super) fn apply(self, event: CommunityEvent) -> CommunityEvent {
        CommunityEvent {
            id: event.id,
            title: self.title.0.as_deref().map_or(event.title, trimmed),
            description: self.description.0.unwrap_or(event.description),
            event_date: self.event_date.0.map_or(event.event_date, rules::stored),
            event_type: self.event_type.0.unwrap_or(event.event_type),
            category: self.category.apply(event.category).as_deref().map(trimmed),
            image_url: self.image_url.apply(event.image_url),
            created_at: event.created_at,
        }
    }
}

/// An event.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CommunityEventOut")]
pub(super) struct EventView {
    /// Its id.
    id: CommunityEventId,
    /// A line.
    title: String,
    /// What it is about.
    description: String,
    /// When it begins.
    event_date: DateTime<Utc>,
    /// Where.
    event_type: EventType,
    /// Any word.
    category: Option<String>,
    /// A picture elsewhere.
    image_url: Option<String>,
    /// Whether it has begun.
    status: Status,
    /// When it was announced.
    created_at: DateTime<Utc>,
}

impl EventView {
    /// The event as it stands now.
    pub(super) fn of(event: CommunityEvent, now: DateTime<Utc>) -> Self {
        let status = Status::of(event.event_date, now);
        let CommunityEvent { id, title, description, event_date, event_type, category, image_url, created_at } = event;
        Self { id, title, description, event_date, event_type, category, image_url, status, created_at }
    }
}
