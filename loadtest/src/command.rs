//! Client frames (realtime.md §4), written once and sent as often as needed.

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use uuid::Uuid;

use crate::frame::{self, FrameError};
use crate::history::record::Detail;
use crate::history::{Event, Kind};
use crate::stats::Step;
use crate::world::Mark;

/// What a command is about.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Message {
        session: Uuid,
        client_message_id: Uuid,
    },
    Receipt {
        kind: Kind,
        session: Uuid,
        ids: Box<[Uuid]>,
    },
    /// accept, reject, cancel, end
    Session {
        kind: Kind,
        session: Uuid,
    },
    Video {
        session: Uuid,
    },
    /// Commands without a durable event.
    Plain,
}

/// A command on its way to its one answer.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) reference: u64,
    pub(crate) name: &'static str,
    pub(crate) frame: Utf8Bytes,
    pub(crate) deed: Deed,
    pub(crate) queued: Instant,
    /// First written at, in the run's microseconds.
    pub(crate) first_sent_us: Option<u64>,
    /// Last written at.
    pub(crate) written: Option<Instant>,
    /// Sent over more than one connection.
    pub(crate) crossed: bool,
}

impl Command {
    fn new(reference: u64, name: &'static str, deed: Deed, fields: &str) -> Self {
        let frame = format!(r#"{{"type":"{name}","ref":"{reference}"{fields}}}"#);
        Self {
            reference,
            name,
            frame: frame.into(),
            deed,
            queued: Instant::now(),
            first_sent_us: None,
            written: None,
            crossed: false,
        }
    }

    pub(crate) fn message(reference: u64, session: Uuid, length: usize) -> Self {
        let client_message_id = Uuid::new_v4();
        let content = frame::content(client_message_id, length);
        let fields = format!(
            r#","session_id":"{session}","client_message_id":"{client_message_id}","content_type":"text","content":"{content}""#
        );
        let deed = Deed::Message { session, client_message_id };
        Self::new(reference, "message.send", deed, &fields)
    }

    pub(crate) fn receipt(reference: u64, kind: Kind, session: Uuid, ids: &[Uuid]) -> Self {
        let mut fields = format!(r#","session_id":"{session}","message_ids":["#);
        for (place, id) in ids.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            fields.push_str(&format!(r#"{comma}"{id}""#));
        }
        fields.push(']');
        let name = match kind {
            Kind::Read => "receipt.read",
            _ => "receipt.delivered",
        };
        let deed = Deed::Receipt { kind, session, ids: ids.into() };
        Self::new(reference, name, deed, &fields)
    }

    pub(crate) fn session(reference: u64, kind: Kind, session: Uuid) -> Self {
        let name = match kind {
            Kind::Accepted => "session.accept",
            Kind::Rejected => "session.reject",
            Kind::Cancelled => "session.cancel",
            _ => "session.end",
        };
        let fields = format!(r#","session_id":"{session}""#);
        Self::new(reference, name, Deed::Session { kind, session }, &fields)
    }

    pub(crate) fn video(reference: u64, name: &'static str, session: Uuid) -> Self {
        let fields = format!(r#","session_id":"{session}""#);
        Self::new(reference, name, Deed::Video { session }, &fields)
    }

    pub(crate) fn online(reference: u64) -> Self {
        Self::new(reference, "presence.set", Deed::Plain, r#","status":"online""#)
    }

    pub(crate) fn refresh(reference: u64, token: &str) -> Self {
        let fields = format!(r#","token":"{token}""#);
        Self::new(reference, "auth.refresh", Deed::Plain, &fields)
    }

    /// The event that a positive answer stands for; `Err` if the answer cannot be read.
    pub(crate) fn event(&self, data: &str) -> Result<Option<Event>, ()> {
        let (kind, session, detail) = match &self.deed {
            Deed::Message { session, .. } => {
                let (_, message) = frame::message(data).ok_or(())?;
                (Kind::MessageNew, *session, Detail::Message(Box::new(message)))
            }
            Deed::Receipt { kind, session, ids } => (kind.clone(), *session, Detail::Receipts(ids.clone())),
            Deed::Session { kind, session } => (kind.clone(), *session, Detail::None),
            Deed::Video { session } => {
                let state = frame::video(data).ok_or(())?;
                let detail = Detail::Video { state: state.video_permission_state.into(), round: state.consent_round };
                (Kind::Video, *session, detail)
            }
            Deed::Plain => return Ok(None),
        };
        Ok(Some(Event { kind, session: Some(session), detail }))
    }

    /// What the other party's sight of it is measured from.
    pub(crate) fn mark(&self) -> Option<Mark> {
        match &self.deed {
            Deed::Message { client_message_id, .. } => Some(Mark::Message(*client_message_id)),
            Deed::Receipt { kind, ids, .. } => {
                let first = *ids.first()?;
                Some(match kind {
                    Kind::Read => Mark::Read(first),
                    _ => Mark::Delivered(first),
                })
            }
            Deed::Session { kind, session } => match kind {
                Kind::Accepted => Some(Mark::Accept(*session)),
                Kind::Ended => Some(Mark::End(*session)),
                _ => None,
            },
            Deed::Video { session } => Some(Mark::Video(*session)),
            Deed::Plain => None,
        }
    }

    /// The step that its acknowledgement is measured as.
    pub(crate) fn ack_step(&self) -> Option<Step> {
        match &self.deed {
            Deed::Message { .. } if self.crossed => Some(Step::SendAckAcross),
            _ if self.crossed => None,
            Deed::Message { .. } => Some(Step::SendAck),
            Deed::Session { kind, .. } => match kind {
                Kind::Accepted => Some(Step::Accept),
                Kind::Ended => Some(Step::End),
                _ => None,
            },
            Deed::Video { .. } => Some(Step::VideoAck),
            Deed::Receipt { .. } | Deed::Plain => None,
        }
    }

    /// Whether the contract foresees this refusal for a race of the scenario: the other party was
    /// first, or the first try was answered on a connection that was cut.
    pub(crate) fn foresees(&self, error: &FrameError) -> bool {
        let code = error.code.as_deref().unwrap_or_default();
        match &self.deed {
            Deed::Message { .. } => code == "INVALID_SESSION_STATE",
            Deed::Session { kind, .. } => {
                code == "ILLEGAL_TRANSITION" || (code == "ACTIVE_SESSION_EXISTS" && *kind == Kind::Accepted)
            }
            Deed::Video { .. } => code == "INVALID_SESSION_STATE" || code == "ILLEGAL_TRANSITION",
            Deed::Receipt { .. } | Deed::Plain => false,
        }
    }
}

/// The event that somebody else's command caused, as a place to measure to.
pub(crate) fn seen_step(event: &Event) -> Option<(Mark, Step)> {
    let first = || event.receipts().first().copied();
    Some(match event.kind {
        Kind::MessageNew => (Mark::Message(event.message()?.client_message_id), Step::SendSeen),
        Kind::Delivered => (Mark::Delivered(first()?), Step::Delivered),
        Kind::Read => (Mark::Read(first()?), Step::Read),
        Kind::Accepted => (Mark::Accept(event.session?), Step::AcceptSeen),
        Kind::Ended => (Mark::End(event.session?), Step::EndSeen),
        Kind::Video => (Mark::Video(event.session?), Step::VideoSeen),
        _ => return None,
    })
}
