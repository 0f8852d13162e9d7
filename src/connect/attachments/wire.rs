//! What goes in and out of the attachment endpoints.

use chrono::{DateTime, Utc};
use consilium_storage::connect::attachments::{Attachment, Scope, UploadMode};
use consilium_storage::ids::{AttachmentId, SessionId, UserId};
use consilium_storage::states::upload::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file to upload to a consultation (52).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct InitAttachment {
    /// Shown to the other party; folders before it are dropped.
    #[schemars(length(min = 1, max = 255))]
    pub filename: String,
    /// Jpeg, png, webp, heic, pdf, txt, doc, docx, m4a, aac, mp3, ogg, wav or webm audio; checked by content later.
    #[schemars(length(min = 1, max = 255))]
    pub content_type: String,
    /// At most 25 MB.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub size_bytes: i64,
    /// SAS: a PUT to `upload_url`, then complete. DIRECT: a form to `upload_url`.
    #[serde(default)]
    pub upload_mode: UploadMode,
}

/// A file to upload (103).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(extend(
    "if" = {"properties": {"scope_type": {"enum": ["SESSION", "REPORT", "RECORDING"]}}, "required": ["scope_type"]},
    "then" = {"properties": {"scope_id": {"not": {"type": "null"}}}, "required": ["scope_id"]},
))]
pub struct InitGeneral {
    /// What it belongs to.
    pub scope_type: Scope,
    /// The consultation; required unless PROFILE.
    pub scope_id: Option<SessionId>,
    /// As it is shown; folders before it are dropped.
    #[schemars(length(min = 1, max = 255))]
    pub filename: String,
    /// Of the types that the scope takes; checked by content later.
    #[schemars(length(min = 1, max = 255))]
    pub content_type: String,
    /// PROFILE at most 2 MB, REPORT 10 MB, SESSION 25 MB, RECORDING 500 MB.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub size_bytes: i64,
    /// SAS: a PUT to `upload_url`, then complete. DIRECT: a form to `upload_url`.
    #[serde(default)]
    pub upload_mode: UploadMode,
}

/// Where the bytes go (52, 103).
#[derive(Debug, Serialize, JsonSchema)]
pub struct InitView {
    /// The attachment.
    pub id: AttachmentId,
    /// SAS: takes a PUT for 15 minutes, with the headers `Content-Type` (as declared) and `x-ms-blob-type: BlockBlob`.
    pub upload_url: String,
    /// As asked.
    pub upload_mode: UploadMode,
    /// PENDING.
    pub status: Status,
}

impl InitView {
    /// Of a fresh upload.
    #[must_use]
    pub fn of(begun: &Attachment, upload_url: String) -> Self {
        Self { id: begun.id, upload_url, upload_mode: begun.upload_mode, status: begun.status }
    }
}

/// A complete upload (53, 105).
#[derive(Debug, Serialize, JsonSchema)]
pub struct CompletedView {
    /// The attachment.
    pub id: AttachmentId,
    /// UPLOADED.
    pub status: Status,
    /// As it is shown.
    pub filename: String,
    /// Verified.
    pub content_type: String,
    /// Verified.
    pub size_bytes: i64,
    /// When it was completed first.
    pub uploaded_at: Option<DateTime<Utc>>,
}

impl From<Attachment> for CompletedView {
    fn from(done: Attachment) -> Self {
        Self {
            id: done.id,
            status: done.status,
            filename: done.filename,
            content_type: done.content_type,
            size_bytes: done.size_bytes,
            uploaded_at: done.uploaded_at,
        }
    }
}

/// An attachment of any scope (`AttachmentOut`).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AttachmentOut")]
pub struct AttachmentView {
    /// The attachment.
    pub id: AttachmentId,
    /// What it belongs to.
    pub scope_type: Scope,
    /// The consultation; null for a picture of a person.
    pub scope_id: Option<SessionId>,
    /// As it is shown.
    pub filename: String,
    /// Verified.
    pub content_type: String,
    /// Verified.
    pub size_bytes: i64,
    /// UPLOADED.
    pub status: Status,
    /// Whose it is.
    pub uploader_user_id: UserId,
    /// When begun.
    pub created_at: DateTime<Utc>,
    /// Where it is fetched, for some minutes; null unless asked for.
    pub download_url: Option<String>,
}

impl AttachmentView {
    /// An attachment with its address, where one is wanted.
    #[must_use]
    pub fn of(found: Attachment, download_url: Option<String>) -> Self {
        Self {
            id: found.id,
            scope_type: found.scope,
            scope_id: found.session_id,
            filename: found.filename,
            content_type: found.content_type,
            size_bytes: found.size_bytes,
            status: found.status,
            uploader_user_id: found.uploader_id,
            created_at: found.created_at,
            download_url,
        }
    }
}

/// An attachment of a consultation in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct OfSessionPath {
    /// The consultation.
    pub session_id: SessionId,
    /// The attachment.
    pub attachment_id: AttachmentId,
}

/// An attachment in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct AttachmentPath {
    /// The attachment.
    pub attachment_id: AttachmentId,
}

/// A list of files of a consultation (54, 60).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct FilesQuery {
    /// Whether each item has an address.
    #[serde(default)]
    pub include_download_url: bool,
    /// 1 to 100.
    #[serde(default = "FilesQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub offset: i64,
}

impl FilesQuery {
    const fn limit() -> i64 {
        50
    }
}

/// A list of one scope (107).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend(
    "if" = {"properties": {"scope_type": {"enum": ["SESSION", "REPORT", "RECORDING"]}}, "required": ["scope_type"]},
    "then" = {"required": ["scope_id"]},
))]
pub struct ScopeQuery {
    /// What they belong to.
    pub scope_type: Scope,
    /// The consultation; required unless PROFILE.
    pub scope_id: Option<SessionId>,
    /// Whether each item has an address.
    #[serde(default)]
    pub include_download_url: bool,
    /// 1 to 100.
    #[serde(default = "ScopeQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub offset: i64,
}

impl ScopeQuery {
    const fn limit() -> i64 {
        20
    }
}
