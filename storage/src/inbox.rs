//! Reading inboxes: many users in one query, events and messages merged by `seq` (DESIGN §2).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::connect::Party;
use crate::connect::messages::{ContentType, Message};
use crate::error::{Error, Result};
use crate::events::Event;
use crate::ids::{MessageId, SessionId, UserId};

/// One place in an inbox.
#[derive(Clone)]
pub struct Row {
    /// Which of the places asked for this answers, from 0.
    pub ask: usize,
    /// Whose inbox.
    pub user_id: UserId,
    /// Which place.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// The event's name.
    pub kind: String,
    /// The session it belongs to.
    pub session_id: Option<SessionId>,
    /// The frame's `data`, as JSON.
    pub data: String,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row")
            .field("user_id", &self.user_id)
            .field("seq", &self.seq)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The heads of these inboxes; a user without one has head 0 and is left out.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn heads(conn: &mut PgConnection, users: &[UserId]) -> Result<Vec<(UserId, i64)>> {
    let rows =
        sqlx::query!("select user_id, head from inboxes where user_id = any($1)", users as _).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.head)).collect())
}

/// For each `(user, after)`: up to `limit` rows that follow `after`, not older than `floor`, ascending by `seq`.
///
/// # Errors
/// When Postgres cannot be asked, or a stored row cannot be read.
pub async fn read_many(
    conn: &mut PgConnection,
    wanted: &[(UserId, i64)],
    floor: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Row>> {
    let (users, afters): (Vec<UserId>, Vec<i64>) = wanted.iter().copied().unzip();
    let rows =
        sqlx::query_file_as!(Stored, "src/inbox_read.sql", &users as _, &afters, limit, floor).fetch_all(conn).await?;
    rows.into_iter().map(Stored::into_row).collect()
}

/// A row of the merged read: an event with its data, or a message with its columns.
struct Stored {
    ask: i64,
    user_id: UserId,
    seq: i64,
    at: DateTime<Utc>,
    kind: String,
    session_id: Option<SessionId>,
    data: Option<String>,
    message_id: Option<MessageId>,
    client_message_id: Option<uuid::Uuid>,
    sender_id: Option<UserId>,
    sender_role: Option<Party>,
    content_type: Option<ContentType>,
    content: Option<String>,
}

impl Stored {
    fn into_row(self) -> Result<Row> {
        let data = match self.data {
            Some(data) => data,
            None => {
                self.message_data().ok_or_else(|| Error::Corrupt(format!("inbox row {} of a message", self.seq)))?
            }
        };
        Ok(Row {
            // Ordinality counts from 1.
            ask: usize::try_from(self.ask - 1).unwrap_or(0),
            user_id: self.user_id,
            seq: self.seq,
            at: self.at,
            kind: self.kind,
            session_id: self.session_id,
            data,
        })
    }

    /// The message as it was announced: receipts that came later are events of their own.
    fn message_data(&self) -> Option<String> {
        let message = Message {
            id: self.message_id?,
            session_id: self.session_id?,
            client_message_id: self.client_message_id?,
            sender_id: self.sender_id?,
            sender_role: self.sender_role?,
            content_type: self.content_type?,
            content: self.content.clone()?,
            created_at: self.at,
            delivered_at: None,
            read_at: None,
        };
        Event::MessageNew(message).data().ok().map(|data| data.get().to_owned())
    }
}

/// A transaction in which everything is read from one snapshot; dropped, it ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn snapshot(pool: &sqlx::PgPool) -> Result<sqlx::Transaction<'static, sqlx::Postgres>> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    Ok(tx)
}
