//! The history a client keeps: connections, events, acknowledgements, in the order it saw them.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use uuid::Uuid;

/// A place in one user's inbox. Clients of the product treat cursors as opaque; only the checker looks in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Cursor {
    /// A fingerprint of the epoch: only equality matters.
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

impl Cursor {
    /// Reads `<epoch>-<seq>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (epoch, seq) = text.rsplit_once('-')?;
        let mut hasher = DefaultHasher::new();
        epoch.hash(&mut hasher);
        Some(Self { epoch: hasher.finish(), seq: seq.parse().ok()? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.seq)
    }
}

/// The durable events the checker has rules for (realtime.md §6).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Requested,
    Accepted,
    Rejected,
    Cancelled,
    Expired,
    Ended,
    MessageNew,
    Delivered,
    Read,
    Video,
    Other(Box<str>),
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Self {
        match name {
            "session.requested" | "session_requested" => Self::Requested,
            "session.accepted" | "session_accepted" => Self::Accepted,
            "session.rejected" | "session_rejected" => Self::Rejected,
            "session.cancelled" | "session_cancelled" => Self::Cancelled,
            "session.expired" | "session_expired" => Self::Expired,
            "session.ended" => Self::Ended,
            "message.new" => Self::MessageNew,
            "message.delivered" => Self::Delivered,
            "message.read" => Self::Read,
            "video.permission" => Self::Video,
            other => Self::Other(other.into()),
        }
    }

    /// Whether both parties of the session have a row of it in their inboxes.
    pub(crate) fn goes_to_both(&self) -> bool {
        matches!(
            self,
            Self::Accepted
                | Self::Rejected
                | Self::Cancelled
                | Self::Expired
                | Self::Ended
                | Self::MessageNew
                | Self::Video
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "session.requested",
            Self::Accepted => "session.accepted",
            Self::Rejected => "session.rejected",
            Self::Cancelled => "session.cancelled",
            Self::Expired => "session.expired",
            Self::Ended => "session.ended",
            Self::MessageNew => "message.new",
            Self::Delivered => "message.delivered",
            Self::Read => "message.read",
            Self::Video => "video.permission",
            Self::Other(name) => name,
        })
    }
}

/// A message as an event or an acknowledgement showed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) id: Uuid,
    pub(crate) client_message_id: Uuid,
    pub(crate) sender: Uuid,
    /// Microseconds since 1970; strictly increasing in one session (settled.md 13).
    pub(crate) created_us: i64,
    /// Whether the content is what this program sent under that `client_message_id`.
    pub(crate) intact: bool,
}

/// The part of an event's data that the checker needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Detail {
    None,
    Message(Box<Message>),
    /// Message ids of a receipt event.
    Receipts(Box<[Uuid]>),
    Video {
        state: Box<str>,
        round: i64,
    },
}

/// One durable event, or the event that an acknowledged command stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) session: Option<Uuid>,
    pub(crate) detail: Detail,
}

impl Event {
    pub(crate) fn message(&self) -> Option<&Message> {
        match &self.detail {
            Detail::Message(message) => Some(message),
            Detail::None | Detail::Receipts(_) | Detail::Video { .. } => None,
        }
    }

    pub(crate) fn receipts(&self) -> &[Uuid] {
        match &self.detail {
            Detail::Receipts(ids) => ids,
            Detail::None | Detail::Message(_) | Detail::Video { .. } => &[],
        }
    }
}

/// Which door a connection went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Channel {
    Socket,
    /// The doctors' requests stream: inbox cursors, but only request events, so holes by nature.
    Requests,
    Poll,
}

/// What happened at the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Opened {
        channel: Channel,
        /// The cursor the client resumed with.
        asked: Option<Cursor>,
        /// The cursor the server greeted with.
        cursor: Option<Cursor>,
    },
    Event {
        /// Absent only in the snapshot of the requests stream.
        cursor: Option<Cursor>,
        event: Event,
    },
    /// A durable event without content for somebody whose right to it is gone: keeps the sequence whole.
    Redacted {
        cursor: Cursor,
    },
    /// An id alone on the requests stream: the head of its snapshot, or a heartbeat.
    Reached {
        cursor: Cursor,
    },
    /// A message leaves for the first time; the order of these is the order the sender means.
    Sent {
        session: Uuid,
        client_message_id: Uuid,
    },
    /// A refused command; a message refused and sent again loses its place in the sender's order.
    Refused {
        client_message_id: Option<Uuid>,
    },
    /// A message whose connection was lost while the server was failing: it may have been refused unheard, and its
    /// repetition then comes after what was sent behind it.
    Unheard {
        client_message_id: Uuid,
    },
    /// A positive answer, over the socket or over REST.
    Ack {
        /// Where the sender's own inbox row stands (settled.md 6); absent for a repeat and for
        /// commands that write into other inboxes only.
        cursor: Option<Cursor>,
        event: Event,
        /// When the command was first sent.
        sent_us: u64,
    },
    Resync {
        cursor: Cursor,
    },
    Closed {
        why: Box<str>,
    },
}

/// One line of a client's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// Microseconds since the run began.
    pub(crate) at_us: u64,
    /// The client's own number of the connection it came over; 0 is REST.
    pub(crate) conn: u32,
    pub(crate) what: What,
}

/// Everything one logical client saw of one user's inbox.
#[derive(Clone, Debug)]
pub(crate) struct UserLog {
    pub(crate) user: Uuid,
    /// For people: `patient 17`, `doctor 3`.
    pub(crate) name: String,
    pub(crate) entries: Vec<Entry>,
    /// Whether the client read its inbox to the head at the end, so that "lost" can be decided.
    pub(crate) settled: bool,
}

impl UserLog {
    pub(crate) fn new(user: Uuid, name: String) -> Self {
        Self { user, name, entries: Vec::new(), settled: false }
    }
}

/// The two people of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Parties {
    pub(crate) patient: Uuid,
    pub(crate) doctor: Uuid,
}

impl Parties {
    pub(crate) fn includes(&self, user: Uuid) -> bool {
        self.patient == user || self.doctor == user
    }
}

/// A message as `GET …/messages` shows it at the end.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) message: Message,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match &self.detail {
            Detail::None => {}
            Detail::Message(message) => write!(f, " {} from {}", message.id, message.sender)?,
            Detail::Receipts(ids) => match ids.split_first() {
                Some((first, rest)) if !rest.is_empty() => {
                    write!(f, " {first} and {} more", rest.len())?;
                }
                Some((first, _)) => write!(f, " {first}")?,
                None => write!(f, " of nothing")?,
            },
            Detail::Video { state, round } => write!(f, " {state} round {round}")?,
        }
        match self.session {
            Some(session) => write!(f, " in session {session}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} ms  conn {:<3} ", ms(self.at_us), self.conn)?;
        let show = |cursor: &Option<Cursor>| match cursor {
            Some(cursor) => cursor.to_string(),
            None => "-".to_owned(),
        };
        match &self.what {
            What::Opened { channel, asked, cursor } => {
                let channel = match channel {
                    Channel::Socket => "socket",
                    Channel::Requests => "requests stream",
                    Channel::Poll => "poll",
                };
                write!(f, "opened {channel} since {} greeted with {}", show(asked), show(cursor))
            }
            What::Event { cursor, event } => write!(f, "{} {event}", show(cursor)),
            What::Redacted { cursor } => write!(f, "{cursor} redacted"),
            What::Reached { cursor } => write!(f, "{cursor} reached"),
            What::Sent { client_message_id, session } => write!(f, "sent {client_message_id} in session {session}"),
            What::Refused { client_message_id } => match client_message_id {
                Some(id) => write!(f, "refused message {id}"),
                None => write!(f, "refused"),
            },
            What::Unheard { client_message_id } => write!(f, "no answer to message {client_message_id}"),
            What::Ack { cursor, event, .. } => write!(f, "{} ack of {event}", show(cursor)),
            What::Resync { cursor } => write!(f, "{cursor} resync"),
            What::Closed { why } => write!(f, "closed: {why}"),
        }
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}
