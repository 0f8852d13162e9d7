//! What goes in and out of the report endpoints. The inputs of 58 are a query, as the contract's sample has it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use consilium_storage::ids::{AttachmentId, SessionId};
use consilium_storage::states::upload::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A report to upload (58).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct InitReport {
    /// As it is shown; folders before it are dropped. Its extension, if any, fits the type.
    #[schemars(length(min = 1, max = 255))]
    pub original_filename: String,
    /// `application/pdf`, `image/jpeg`, `image/png` or `image/webp`; checked by content later.
    #[schemars(length(min = 1, max = 255))]
    pub mime_type: String,
    /// At most 10 MB.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub size_bytes: i64,
}

/// Where the bytes go (58).
#[derive(Debug, Serialize, JsonSchema)]
pub struct InitReportView {
    /// The report.
    pub report_id: AttachmentId,
    /// Takes a PUT for 15 minutes.
    pub sas_url: String,
    /// The headers that the PUT carries.
    pub required_headers: BTreeMap<&'static str, String>,
    /// Azure's container, S3's bucket, a folder.
    pub container_name: String,
    /// The name in it.
    pub blob_name: String,
}

/// A complete report (59).
#[derive(Debug, Serialize, JsonSchema)]
pub struct CompletedReportView {
    /// The report.
    pub report_id: AttachmentId,
    /// UPLOADED.
    pub status: Status,
    /// Of the stored object.
    pub verified_size_bytes: i64,
    /// By its content.
    pub verified_mime_type: String,
}

/// One report with its address (61).
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportView {
    /// The report.
    pub report_id: AttachmentId,
    /// As it is shown.
    pub original_filename: String,
    /// By its content.
    pub mime_type: String,
    /// Of the stored object.
    pub size_bytes: i64,
    /// Where it is fetched.
    pub download_url: Option<String>,
    /// Seconds until the address ends.
    pub expires_in: i64,
    /// When begun.
    pub created_at: DateTime<Utc>,
}

/// A deleted report (62).
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeletedReportView {
    /// The report.
    pub report_id: AttachmentId,
    /// DELETED.
    pub status: Status,
    /// When it was deleted first.
    pub deleted_at: DateTime<Utc>,
}

/// A report in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ReportPath {
    /// The consultation.
    pub session_id: SessionId,
    /// The report.
    pub report_id: AttachmentId,
}
