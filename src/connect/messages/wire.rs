//! What goes in and out of the message endpoints.

use chrono::{DateTime, Utc};
use consilium_storage::connect::messages::ContentType;
use consilium_storage::ids::MessageId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rules::TEXT_BYTES;
use crate::http::formats::REFERENCE;

/// A message to store (48).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(extend(
    "if" = {"properties": {"content_type": {"enum": ["image", "file", "audio"]}}, "required": ["content_type"]},
    "then" = {"properties": {"content": {"format": REFERENCE}}},
))]
pub struct SendMessage {
    /// The client's own id: a repeat gives the stored message.
    pub client_message_id: Uuid,
    /// What `content` is.
    pub content_type: ContentType,
    /// The text, or the id of an uploaded attachment of this session, or an https address.
    #[schemars(length(min = 1, max = 16000), extend("x-max-bytes" = TEXT_BYTES))]
    pub content: String,
}

/// Messages that arrived or were read (50, 51).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct MarkMessages {
    /// 1 to 500.
    #[schemars(length(min = 1, max = 500))]
    pub message_ids: Vec<MessageId>,
}

/// How many messages changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Updated {
    /// Own, foreign and unknown ids do not count, nor do repeats.
    pub updated: usize,
}

/// A window of the history (49).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct HistoryQuery {
    /// 1 to 100.
    #[serde(default = "HistoryQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// Only messages before this time.
    pub before: Option<DateTime<Utc>>,
    /// Only messages after this time.
    pub after: Option<DateTime<Utc>>,
}

impl HistoryQuery {
    const fn limit() -> i64 {
        50
    }
}
