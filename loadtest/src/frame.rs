//! Server frames (realtime.md §4), read without copying what nobody looks at.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::history::record::{Detail, Message};
use crate::history::{Event, Kind};

/// A frame's envelope; `data` stays unread until somebody asks.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) cursor: Option<Cow<'a, str>>,
    #[serde(rename = "ref", borrow, default)]
    pub(crate) reference: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) session_id: Option<Uuid>,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) error: Option<FrameError>,
    #[serde(default)]
    pub(crate) user_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) resumed: bool,
    #[serde(default)]
    pub(crate) replay: u64,
}

/// The `error` of an error frame.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct FrameError {
    #[serde(default)]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) code: Option<String>,
}

impl FrameError {
    pub(crate) fn label(&self) -> String {
        match &self.code {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct MessageOut<'a> {
    id: Uuid,
    #[serde(default)]
    session_id: Option<Uuid>,
    client_message_id: Uuid,
    sender_id: Uuid,
    #[serde(borrow)]
    content: Cow<'a, str>,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct Receipts {
    message_ids: Vec<Uuid>,
}

/// The video state after a transition (connect-v2.md §3.13).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct VideoState {
    pub(crate) video_permission_state: String,
    #[serde(default)]
    pub(crate) consent_round: i64,
}

#[derive(Debug, Deserialize)]
struct SessionRef {
    #[serde(alias = "id")]
    session_id: Uuid,
}

impl<'a> Frame<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The durable event in this frame, if its data can be read.
    pub(crate) fn event(&self) -> Option<Event> {
        let kind = Kind::parse(&self.name);
        let data = self.data.map_or("null", RawValue::get);
        event(kind, self.session_id, data)
    }
}

/// The event of a kind with this data; `None` if the data is not what the contract says.
pub(crate) fn event(kind: Kind, session: Option<Uuid>, data: &str) -> Option<Event> {
    let mut session = session;
    let detail = match kind {
        Kind::MessageNew => {
            let (of, message) = message(data)?;
            session = session.or(of);
            Detail::Message(Box::new(message))
        }
        Kind::Delivered | Kind::Read => {
            let receipts: Receipts = serde_json::from_str(data).ok()?;
            Detail::Receipts(receipts.message_ids.into())
        }
        Kind::Video => {
            let state = video(data)?;
            Detail::Video { state: state.video_permission_state.into(), round: state.consent_round }
        }
        _ => Detail::None,
    };
    if session.is_none() {
        session = session_of(data);
    }
    Some(Event { kind, session, detail })
}

/// A MessageOut, and the session it names.
pub(crate) fn message(data: &str) -> Option<(Option<Uuid>, Message)> {
    let out: MessageOut<'_> = serde_json::from_str(data).ok()?;
    let message = Message {
        id: out.id,
        client_message_id: out.client_message_id,
        sender: out.sender_id,
        created_us: out.created_at.timestamp_micros(),
        intact: is_intact(&out.content, out.client_message_id),
    };
    Some((out.session_id, message))
}

/// How long `going_away` asks to stay away, at most ten seconds.
pub(crate) fn reconnect_after(data: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct GoingAway {
        reconnect_after_ms: u64,
    }
    let going: GoingAway = serde_json::from_str(data).ok()?;
    Some(Duration::from_millis(going.reconnect_after_ms.min(10_000)))
}

/// The session named in some data.
pub(crate) fn session_of(data: &str) -> Option<Uuid> {
    serde_json::from_str::<SessionRef>(data).ok().map(|of| of.session_id)
}

/// The video state in some data.
pub(crate) fn video(data: &str) -> Option<VideoState> {
    serde_json::from_str(data).ok()
}

/// What is written under a `client_message_id`: the id, then as much text as asked for. The end mark
/// shows a cut.
pub(crate) fn content(id: Uuid, length: usize) -> String {
    written(&id.to_string(), length).map(char::from).collect()
}

fn written(id: &str, length: usize) -> impl Iterator<Item = u8> {
    const TEXT: &[u8] = b" the quick brown fox jumps over the lazy dog,";
    let filling = length.saturating_sub(id.len() + 1);
    id.bytes().chain(TEXT.iter().copied().cycle().take(filling)).chain([b'.'])
}

fn is_intact(text: &str, id: Uuid) -> bool {
    let mut buffer = [0_u8; uuid::fmt::Hyphenated::LENGTH];
    let id: &str = id.hyphenated().encode_lower(&mut buffer);
    text.bytes().eq(written(id, text.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn content_of_any_length_is_known_again_and_a_changed_one_is_not() {
        let id = Uuid::new_v4();
        for length in [0, 37, 38, 39, 120, 1000] {
            let text = content(id, length);
            assert!(is_intact(&text, id), "{length}");
            assert!(!is_intact(&format!("{text}."), Uuid::new_v4()));
        }
        let text = content(id, 120);
        assert!(!is_intact(&text.replace("fox", "ox"), id) || !text.contains("fox"));
        assert!(!is_intact(text.get(..100).unwrap(), id));
    }

    #[test]
    fn an_event_frame_of_the_contract_is_read() {
        let id = Uuid::new_v4();
        let text = format!(
            r#"{{"type":"message.new","cursor":"k3-42","at":"2026-02-07T21:56:24.120Z","session_id":"{id}",
            "data":{{"id":"{id}","session_id":"{id}","client_message_id":"{id}","sender_id":"{id}",
            "sender_role":"client","content_type":"text","content":"{}","created_at":"2026-02-07T21:56:24.120001Z",
            "delivered_at":null,"read_at":null}}}}"#,
            content(id, 60)
        );
        let frame = Frame::parse(&text).unwrap();
        let event = frame.event().unwrap();
        assert_eq!(event.kind, Kind::MessageNew);
        assert_eq!(event.session, Some(id));
        assert!(event.message().unwrap().intact);
    }

    #[test]
    fn greeting_and_error_frames_are_read() {
        let id = Uuid::new_v4();
        let text = format!(
            r#"{{"type":"connected","connection_id":"x","user_id":"{id}","role":"client","cursor":"k3-41","resumed":true,"replay":3,"heartbeat_seconds":25}}"#
        );
        let frame = Frame::parse(&text).unwrap();
        assert_eq!((frame.resumed, frame.replay, frame.user_id), (true, 3, Some(id)));
        let frame = Frame::parse(
            r#"{"type":"error","ref":"18","error":{"status":409,"code":"ILLEGAL_TRANSITION","detail":"…"}}"#,
        )
        .unwrap();
        assert_eq!(frame.error.unwrap().label(), "409 ILLEGAL_TRANSITION");
    }
}
