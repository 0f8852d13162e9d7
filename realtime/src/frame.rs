//! Frames: an event is written as JSON once; what differs from receiver to receiver is only its head.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use consilium_storage::ids::SessionId;
use serde::{Deserialize, Serialize};

/// An event as every receiver's frame holds it; between nodes it travels as it is, written once.
#[derive(Serialize, Deserialize)]
pub struct EventFrame {
    kind: Box<str>,
    /// `"at":…,"session_id":…,"data":…}`: all that follows the receiver's own cursor.
    tail: Box<str>,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for EventFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventFrame").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl EventFrame {
    /// Writes an event; `data` is JSON already.
    #[must_use]
    pub fn new(kind: &str, at: DateTime<Utc>, session_id: Option<SessionId>, data: &str) -> Arc<Self> {
        let at = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let tail = session_id.map_or_else(
            || format!(r#""at":"{at}","data":{data}}}"#),
            |session| format!(r#""at":"{at}","session_id":"{session}","data":{data}}}"#),
        );
        Arc::new(Self { kind: kind.into(), tail: tail.into() })
    }

    /// The event's name.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The frame's `data` alone, as JSON.
    #[must_use]
    pub fn data(&self) -> &str {
        self.tail.split_once(r#""data":"#).and_then(|(_, data)| data.strip_suffix('}')).unwrap_or("null")
    }

    /// The JSON object of a WebSocket frame; without a cursor for ephemeral events.
    #[must_use]
    pub fn json(&self, epoch: &str, seq: Option<i64>) -> String {
        let (kind, tail) = (&self.kind, &self.tail);
        seq.map_or_else(
            || format!(r#"{{"type":"{kind}",{tail}"#),
            |seq| format!(r#"{{"type":"{kind}","cursor":"{epoch}-{seq}",{tail}"#),
        )
    }

    /// About how many bytes a frame takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.kind.len() + self.tail.len() + 64
    }
}

/// An acknowledgement on its way: it learns its cursor when it is placed (settled 6).
#[derive(Clone)]
pub struct Ack {
    /// The command's `ref`, as JSON.
    pub reference: Box<str>,
    /// What the REST call would answer, as JSON.
    pub data: Arc<str>,
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ack").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Ack {
    /// The frame.
    #[must_use]
    pub fn json(&self, epoch: &str, seq: Option<i64>) -> String {
        let (reference, data) = (&self.reference, &self.data);
        seq.map_or_else(
            || format!(r#"{{"type":"ack","ref":{reference},"data":{data}}}"#),
            |seq| format!(r#"{{"type":"ack","ref":{reference},"cursor":"{epoch}-{seq}","data":{data}}}"#),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn frames_are_json_with_the_receivers_cursor() {
        let frame = EventFrame::new("typing", DateTime::UNIX_EPOCH, Some(SessionId::new()), r#"{"is_typing":true}"#);
        let ephemeral: serde_json::Value = serde_json::from_str(&frame.json("k1", None)).unwrap();
        assert!(ephemeral.get("cursor").is_none());
        let durable: serde_json::Value = serde_json::from_str(&frame.json("k1", Some(7))).unwrap();
        assert_eq!(durable["cursor"], "k1-7");
        assert_eq!(durable["data"]["is_typing"], true);
        assert_eq!(frame.data(), r#"{"is_typing":true}"#);
    }

    #[test]
    fn an_ack_carries_its_cursor_inside() {
        let ack = Ack { reference: "\"17\"".into(), data: "{}".into() };
        assert_eq!(ack.json("k1", Some(3)), r#"{"type":"ack","ref":"17","cursor":"k1-3","data":{}}"#);
        assert_eq!(ack.json("k1", None), r#"{"type":"ack","ref":"17","data":{}}"#);
    }
}
