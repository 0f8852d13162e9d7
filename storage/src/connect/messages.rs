//! Chat messages (connect-v2 §3.8). A message is its own event: its places in both inboxes stand in its row.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Party;
use crate::error::Result;
use crate::ids::{MessageId, SessionId, UserId};

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "MessageContentType")]
pub enum ContentType {
    /// Words.
    Text,
    /// A picture: an attachment id or an https address.
    Image,
    /// A file: an attachment id or an https address.
    File,
    /// A recording: an attachment id or an https address.
    Audio,
}

impl ContentType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::File => "file",
            Self::Audio => "audio",
        }
    }
}

/// A stored message, in the shape of `MessageOut`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "MessageOut")]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The consultation.
    pub session_id: SessionId,
    /// The client's own id, unique within the session.
    pub client_message_id: Uuid,
    /// Who wrote it.
    pub sender_id: UserId,
    /// As which party.
    pub sender_role: Party,
    /// What `content` is.
    pub content_type: ContentType,
    /// The text, or where the file is.
    pub content: String,
    /// Strictly increasing within a session (settled 13).
    pub created_at: DateTime<Utc>,
    /// When the first device of the receiver had it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When the receiver read it.
    pub read_at: Option<DateTime<Utc>>,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("session_id", &self.session_id)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// A message about to be written.
#[derive(Clone)]
pub struct NewMessage {
    /// The consultation.
    pub session_id: SessionId,
    /// Its patient.
    pub patient_id: UserId,
    /// Its doctor.
    pub doctor_id: UserId,
    /// The client's own id.
    pub client_message_id: Uuid,
    /// Who writes.
    pub sender: Party,
    /// What `content` is.
    pub content_type: ContentType,
    /// The text, or where the file is.
    pub content: String,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewMessage")
            .field("session_id", &self.session_id)
            .field("client_message_id", &self.client_message_id)
            .finish_non_exhaustive()
    }
}

impl NewMessage {
    /// The message as it will stand in the database.
    pub(crate) fn at(self, created_at: DateTime<Utc>) -> Message {
        Message {
            id: MessageId::new(),
            session_id: self.session_id,
            client_message_id: self.client_message_id,
            sender_id: match self.sender {
                Party::Client => self.patient_id,
                Party::Doctor => self.doctor_id,
            },
            sender_role: self.sender,
            content_type: self.content_type,
            content: self.content,
            created_at,
            delivered_at: None,
            read_at: None,
        }
    }
}

/// Inserts messages with their places: the patient's first, then the doctor's.
pub(crate) async fn insert_many(conn: &mut PgConnection, rows: &[(Message, Vec<(UserId, i64)>)]) -> Result<()> {
    let place = |places: &[(UserId, i64)], index: usize| places.get(index).copied().unwrap_or((UserId(Uuid::nil()), 0));
    let patients: Vec<_> = rows.iter().map(|(_, places)| place(places, 0)).collect();
    let doctors: Vec<_> = rows.iter().map(|(_, places)| place(places, 1)).collect();
    sqlx::query!(
        "insert into messages (id, session_id, client_message_id, patient_id, doctor_id, patient_seq, doctor_seq,
                               sender_role, content_type, content, created_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[],
                              $8::text[], $9::text[], $10::text[], $11::timestamptz[])",
        &rows.iter().map(|(m, _)| m.id).collect::<Vec<_>>() as _,
        &rows.iter().map(|(m, _)| m.session_id).collect::<Vec<_>>() as _,
        &rows.iter().map(|(m, _)| m.client_message_id).collect::<Vec<_>>(),
        &patients.iter().map(|(user, _)| *user).collect::<Vec<_>>() as _,
        &doctors.iter().map(|(user, _)| *user).collect::<Vec<_>>() as _,
        &patients.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
        &doctors.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(),
        &rows.iter().map(|(m, _)| m.sender_role.as_str().to_owned()).collect::<Vec<_>>(),
        &rows.iter().map(|(m, _)| m.content_type.as_str().to_owned()).collect::<Vec<_>>(),
        &rows.iter().map(|(m, _)| m.content.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|(m, _)| m.created_at).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The stored messages of these `(session, client_message_id)` pairs, as far as they exist.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_by_client_ids(conn: &mut PgConnection, wanted: &[(SessionId, Uuid)]) -> Result<Vec<Message>> {
    let (sessions, ids): (Vec<SessionId>, Vec<Uuid>) = wanted.iter().copied().unzip();
    Ok(sqlx::query_as!(
        Message,
        "select m.id, m.session_id, m.client_message_id,
                case m.sender_role when 'client' then m.patient_id else m.doctor_id end as \"sender_id!: UserId\",
                m.sender_role, m.content_type, m.content, m.created_at, m.delivered_at, m.read_at
         from unnest($1::uuid[], $2::uuid[]) as w(session_id, client_message_id)
         join messages m on m.session_id = w.session_id and m.client_message_id = w.client_message_id",
        &sessions as _,
        &ids
    )
    .fetch_all(conn)
    .await?)
}

/// When the latest message of a session was written.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_last_at(conn: &mut PgConnection, session_id: SessionId) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar!("select max(created_at) from messages where session_id = $1", session_id as _)
        .fetch_one(conn)
        .await?)
}

/// A page of a session's history (connect-v2 49).
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Only messages before this time.
    pub before: Option<DateTime<Utc>>,
    /// Only messages after this time.
    pub after: Option<DateTime<Utc>>,
    /// At most so many.
    pub limit: i64,
}

/// The messages of the window, ascending, and how many the window holds in all. With `after` the earliest of the
/// window, otherwise the latest.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, session_id: SessionId, window: Window) -> Result<(Vec<Message>, i64)> {
    let total = sqlx::query_scalar!(
        "select count(*) as \"count!\" from messages
         where session_id = $1 and ($2::timestamptz is null or created_at < $2)
           and ($3::timestamptz is null or created_at > $3)",
        session_id as _,
        window.before,
        window.after
    )
    .fetch_one(&mut *conn)
    .await?;
    let mut rows = if window.after.is_some() {
        earliest(conn, session_id, window).await?
    } else {
        latest(conn, session_id, window).await?
    };
    rows.sort_by_key(|message| (message.created_at, message.id));
    Ok((rows, total))
}

async fn earliest(conn: &mut PgConnection, session_id: SessionId, window: Window) -> Result<Vec<Message>> {
    Ok(sqlx::query_as!(
        Message,
        "select id, session_id, client_message_id,
                case sender_role when 'client' then patient_id else doctor_id end as \"sender_id!: UserId\",
                sender_role, content_type, content, created_at, delivered_at, read_at
         from messages
         where session_id = $1 and ($2::timestamptz is null or created_at < $2) and created_at > $3
         order by created_at, id limit $4",
        session_id as _,
        window.before,
        window.after,
        window.limit
    )
    .fetch_all(conn)
    .await?)
}

async fn latest(conn: &mut PgConnection, session_id: SessionId, window: Window) -> Result<Vec<Message>> {
    Ok(sqlx::query_as!(
        Message,
        "select id, session_id, client_message_id,
                case sender_role when 'client' then patient_id else doctor_id end as \"sender_id!: UserId\",
                sender_role, content_type, content, created_at, delivered_at, read_at
         from messages
         where session_id = $1 and ($2::timestamptz is null or created_at < $2)
         order by created_at desc, id desc limit $3",
        session_id as _,
        window.before,
        window.limit
    )
    .fetch_all(conn)
    .await?)
}

/// Whether a device of the receiver has it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn is_delivered(conn: &mut PgConnection, id: MessageId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        "select exists (select from messages where id = $1 and delivered_at is not null) as \"delivered!\"",
        id as _
    )
    .fetch_one(conn)
    .await?)
}
