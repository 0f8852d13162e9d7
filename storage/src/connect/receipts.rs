//! Delivered and read receipts (connect-v2 50, 51): facts on the message, set once.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::Party;
use crate::error::Result;
use crate::ids::{MessageId, SessionId};

/// Which receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A device of the receiver has the message.
    Delivered,
    /// The receiver read it; counts only where delivered is set already.
    Read,
}

/// One message that its receiver reports on.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// The message.
    pub message_id: MessageId,
    /// The session the caller named.
    pub session_id: SessionId,
    /// The party that reports: only messages of the other one count.
    pub receiver: Party,
}

/// Sets the receipts and answers the messages whose state changed; own, foreign and unknown ids are skipped.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn mark_many(
    conn: &mut PgConnection,
    kind: Kind,
    marks: &[Mark],
    at: DateTime<Utc>,
) -> Result<Vec<MessageId>> {
    let messages: Vec<MessageId> = marks.iter().map(|mark| mark.message_id).collect();
    let sessions: Vec<SessionId> = marks.iter().map(|mark| mark.session_id).collect();
    let receivers: Vec<String> = marks.iter().map(|mark| mark.receiver.as_str().to_owned()).collect();
    let changed = match kind {
        Kind::Delivered => {
            sqlx::query_scalar!(
                "update messages m set delivered_at = $4
                 from unnest($1::uuid[], $2::uuid[], $3::text[]) as w(id, session_id, receiver)
                 where m.id = w.id and m.session_id = w.session_id and m.sender_role <> w.receiver
                   and m.delivered_at is null
                 returning m.id",
                &messages as _,
                &sessions as _,
                &receivers,
                at
            )
            .fetch_all(conn)
            .await?
        }
        Kind::Read => {
            sqlx::query_scalar!(
                "update messages m set read_at = $4
                 from unnest($1::uuid[], $2::uuid[], $3::text[]) as w(id, session_id, receiver)
                 where m.id = w.id and m.session_id = w.session_id and m.sender_role <> w.receiver
                   and m.delivered_at is not null and m.read_at is null
                 returning m.id",
                &messages as _,
                &sessions as _,
                &receivers,
                at
            )
            .fetch_all(conn)
            .await?
        }
    };
    Ok(changed)
}
