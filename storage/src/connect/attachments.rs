//! Uploaded files: attachments of consultations, documents of patients, recordings that an app made, pictures of people
//! (connect-v2 §3.9, §3.11, §3.20). One table holds them all; what differs is the scope.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::Party;
use crate::error::Result;
use crate::files::{Area, Object};
use crate::ids::{AttachmentId, SessionId, UserId};
use crate::states::upload::Status;

/// What a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "AttachmentScope")]
pub enum Scope {
    /// A person: the own picture.
    Profile,
    /// A consultation: what its parties show each other.
    Session,
    /// A consultation: a document of the patient.
    Report,
    /// A consultation: a recording that an app made.
    Recording,
}

impl Scope {
    /// Where its files are kept.
    #[must_use]
    pub const fn area(self) -> Area {
        match self {
            Self::Profile => Area::Avatars,
            Self::Session => Area::Sessions,
            Self::Report => Area::Reports,
            Self::Recording => Area::Recordings,
        }
    }
}

/// How the bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UploadMode {
    /// By a PUT to the file store.
    #[default]
    Sas,
    /// By a POST to the server.
    Direct,
}

/// An uploaded file as it stands in the database.
#[derive(Clone)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// What it belongs to.
    pub scope: Scope,
    /// Which consultation; none for a picture of a person.
    pub session_id: Option<SessionId>,
    /// Whose it is.
    pub uploader_id: UserId,
    /// As which party.
    pub uploader_role: Party,
    /// As the uploader called it, cleaned.
    pub filename: String,
    /// As declared; the content is of this kind once it is UPLOADED.
    pub content_type: String,
    /// As declared; the file has this size once it is UPLOADED.
    pub size_bytes: i64,
    /// How the bytes come.
    pub upload_mode: UploadMode,
    /// Where it stands.
    pub status: Status,
    /// Where the client's PUT goes.
    pub upload_key: Option<String>,
    /// Where the file is once it is UPLOADED.
    pub stored_key: Option<String>,
    /// Until when the client's PUT is taken.
    pub link_ends_at: Option<DateTime<Utc>>,
    /// When begun.
    pub created_at: DateTime<Utc>,
    /// When complete.
    pub uploaded_at: Option<DateTime<Utc>>,
    /// When deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

// What patients call their files never reaches a log.
impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Attachment {
    /// The object that the client's PUT makes.
    #[must_use]
    pub fn upload_object(&self) -> Option<Object> {
        self.upload_key.as_ref().map(|key| Object::new(self.scope.area(), key))
    }

    /// The verified object.
    #[must_use]
    pub fn stored_object(&self) -> Option<Object> {
        self.stored_key.as_ref().map(|key| Object::new(self.scope.area(), key))
    }

    /// As lists and events show it, without an address.
    #[must_use]
    pub fn item(&self) -> AttachmentItem {
        AttachmentItem {
            id: self.id,
            filename: self.filename.clone(),
            content_type: self.content_type.clone(),
            size_bytes: self.size_bytes,
            status: self.status,
            uploader_user_id: self.uploader_id,
            uploader_role: self.uploader_role,
            created_at: self.created_at,
            download_url: None,
        }
    }
}

/// An attachment of a consultation in lists and events (connect-v2 54).
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AttachmentItem {
    /// Its id, which a message may carry as its content.
    pub id: AttachmentId,
    /// As the uploader called it, without folders.
    pub filename: String,
    /// What it is, checked by its content.
    pub content_type: String,
    /// How large it is.
    pub size_bytes: i64,
    /// UPLOADED.
    pub status: Status,
    /// Whose it is.
    pub uploader_user_id: UserId,
    /// As which party.
    pub uploader_role: Party,
    /// When begun.
    pub created_at: DateTime<Utc>,
    /// Where it is fetched, for some minutes; null unless asked for, and in events.
    pub download_url: Option<String>,
}

// What patients call their files never reaches a log.
impl std::fmt::Debug for AttachmentItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttachmentItem").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Selects whole attachments with the given tail of a query.
macro_rules! select_attachments {
    ($tail:literal, $($bind:expr),+) => {
        sqlx::query_as!(
            Attachment,
            "select id, scope, session_id, uploader_id, uploader_role, filename, content_type, size_bytes, upload_mode,
                    status, upload_key, stored_key, link_ends_at, created_at, uploaded_at, deleted_at
             from attachments " + $tail,
            $($bind),+
        )
    };
}

/// One file, of any status.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: AttachmentId) -> Result<Option<Attachment>> {
    Ok(select_attachments!("where id = $1", id as _).fetch_optional(conn).await?)
}

/// As [`find`], with the row locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: AttachmentId) -> Result<Option<Attachment>> {
    Ok(select_attachments!("where id = $1 for update", id as _).fetch_optional(conn).await?)
}

/// Adds a file.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, new: &Attachment) -> Result<()> {
    sqlx::query!(
        "insert into attachments (id, scope, session_id, uploader_id, uploader_role, filename, content_type, size_bytes,
                                  upload_mode, status, upload_key, stored_key, link_ends_at, created_at, uploaded_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        new.id as _,
        new.scope as _,
        new.session_id as _,
        new.uploader_id as _,
        new.uploader_role as _,
        new.filename,
        new.content_type,
        new.size_bytes,
        new.upload_mode as _,
        new.status as _,
        new.upload_key,
        new.stored_key,
        new.link_ends_at,
        new.created_at,
        new.uploaded_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// PENDING to UPLOADED. Answers whether it was still PENDING.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_uploaded(
    conn: &mut PgConnection,
    id: AttachmentId,
    stored_key: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "update attachments set status = 'UPLOADED', stored_key = $2, uploaded_at = $3
         where id = $1 and status = 'PENDING'",
        id as _,
        stored_key,
        at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// To DELETED. Answers whether it was not yet.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_deleted(conn: &mut PgConnection, id: AttachmentId, at: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "update attachments set status = 'DELETED', deleted_at = $2 where id = $1 and status <> 'DELETED'",
        id as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// To DELETED: whatever shows this picture of a person, which was replaced.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_picture_deleted(conn: &mut PgConnection, owner: UserId, file: &str, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update attachments set status = 'DELETED', deleted_at = $3
         where uploader_id = $1 and scope = 'PROFILE' and status = 'UPLOADED' and stored_key = $2",
        owner as _,
        file,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// PENDING since before this time to DELETED, none that another node is at. Answers whose they were.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_lapsed(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    at: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<UserId>> {
    Ok(sqlx::query_scalar!(
        "update attachments a set status = 'DELETED', deleted_at = $2
         from (select id from attachments where status = 'PENDING' and created_at <= $1
               order by created_at limit $3 for update skip locked) l
         where a.id = l.id
         returning a.uploader_id",
        before,
        at,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// The UPLOADED files of a consultation in one scope, newest first, and how many there are in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_of_session(
    conn: &mut PgConnection,
    session_id: SessionId,
    scope: Scope,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Attachment>, i64)> {
    let total = sqlx::query_scalar!(
        "select count(*) as \"count!\" from attachments where session_id = $1 and scope = $2 and status = 'UPLOADED'",
        session_id as _,
        scope as _
    )
    .fetch_one(&mut *conn)
    .await?;
    let items = select_attachments!(
        "where session_id = $1 and scope = $2 and status = 'UPLOADED'
         order by created_at desc, id desc limit $3 offset $4",
        session_id as _,
        scope as _,
        limit,
        offset
    );
    Ok((items.fetch_all(conn).await?, total))
}

/// The UPLOADED pictures of a person, newest first, and how many there are in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_of_profile(
    conn: &mut PgConnection,
    owner: UserId,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Attachment>, i64)> {
    let total = sqlx::query_scalar!(
        "select count(*) as \"count!\" from attachments
         where uploader_id = $1 and scope = 'PROFILE' and status = 'UPLOADED'",
        owner as _
    )
    .fetch_one(&mut *conn)
    .await?;
    let items = select_attachments!(
        "where uploader_id = $1 and scope = 'PROFILE' and status = 'UPLOADED'
         order by created_at desc, id desc limit $2 offset $3",
        owner as _,
        limit,
        offset
    );
    Ok((items.fetch_all(conn).await?, total))
}

/// Whether this is an UPLOADED file of this consultation.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn is_uploaded_in(conn: &mut PgConnection, id: AttachmentId, session_id: SessionId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        "select exists (select from attachments where id = $1 and session_id = $2 and status = 'UPLOADED') as \"exists!\"",
        id as _,
        session_id as _
    )
    .fetch_one(conn)
    .await?)
}
