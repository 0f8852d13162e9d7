//! Documents of patients (connect-v2 §3.11): uploaded files of the scope REPORT, in words of their own.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::attachments::Attachment;
use crate::ids::{AttachmentId, UserId};

/// A report in lists and events (connect-v2 60).
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReportItem {
    /// `report_id` elsewhere.
    pub id: AttachmentId,
    /// As the patient called it, without folders.
    pub original_filename: String,
    /// What it is, checked by its content.
    pub mime_type: String,
    /// How large it is.
    pub size_bytes: i64,
    /// When begun.
    pub created_at: DateTime<Utc>,
    /// The patient.
    pub uploader_user_id: UserId,
    /// Where it is fetched, for some minutes; null unless asked for, and in events.
    pub download_url: Option<String>,
}

// What patients call their files never reaches a log.
impl std::fmt::Debug for ReportItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportItem").field("id", &self.id).finish_non_exhaustive()
    }
}

impl From<&Attachment> for ReportItem {
    fn from(report: &Attachment) -> Self {
        Self {
            id: report.id,
            original_filename: report.filename.clone(),
            mime_type: report.content_type.clone(),
            size_bytes: report.size_bytes,
            created_at: report.created_at,
            uploader_user_id: report.uploader_id,
            download_url: None,
        }
    }
}
