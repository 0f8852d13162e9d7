//! Prescriptions (connect-v2 65–68): one a session, in versions of which every one is kept; and the PDF of the newest.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::error::Result;
use crate::ids::{PrescriptionId, SessionId, UserId};

/// One medicine and how it is taken.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Medication {
    /// With its strength, as the doctor writes it.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    pub name: String,
    /// How much and how often.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    pub dosage: String,
    /// How long.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub duration: Option<String>,
    /// What else to know.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub instructions: Option<String>,
}

// What patients take never reaches a log, however it is printed.
impl std::fmt::Debug for Medication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Medication").finish_non_exhaustive()
    }
}

/// A prescription as it stands.
#[derive(Clone)]
pub struct Prescription {
    /// Its id.
    pub id: PrescriptionId,
    /// Of which session.
    pub session_id: SessionId,
    /// Who wrote it.
    pub doctor_id: UserId,
    /// For whom.
    pub patient_id: UserId,
    /// At least one.
    pub medications: Json<Vec<Medication>>,
    /// What else the doctor says.
    pub notes: Option<String>,
    /// From 1, one up with each change.
    pub version: i32,
    /// When it was first written.
    pub created_at: DateTime<Utc>,
    /// When this version was.
    pub updated_at: DateTime<Utc>,
}

// What patients take never reaches a log, however it is printed.
impl std::fmt::Debug for Prescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prescription").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

/// A version of the past or present.
#[derive(Clone)]
pub struct Version {
    /// From 1.
    pub version: i32,
    /// At least one.
    pub medications: Json<Vec<Medication>>,
    /// What else the doctor said.
    pub notes: Option<String>,
    /// Who wrote it.
    pub written_by: UserId,
    /// When.
    pub written_at: DateTime<Utc>,
}

// What patients take never reaches a log, however it is printed.
impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The rendered PDF of one version.
#[derive(Debug, Clone)]
pub struct Pdf {
    /// Which version it shows.
    pub version: i32,
    /// Its key in the file store.
    pub key: String,
    /// When it was rendered.
    pub generated_at: DateTime<Utc>,
    /// Of the people as they are printed on it; unknown of one from before this was kept.
    pub digest: Option<Vec<u8>>,
}

/// The prescription of a session.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, session: SessionId) -> Result<Option<Prescription>> {
    Ok(sqlx::query_as!(
        Prescription,
        "select id, session_id, doctor_id, patient_id, medications, notes, version, created_at, updated_at
         from prescriptions where session_id = $1",
        session as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Writes the first version.
///
/// # Errors
/// Conflict `prescriptions_session_key` when the session has one.
pub async fn insert(conn: &mut PgConnection, new: &Prescription) -> Result<()> {
    sqlx::query!(
        "insert into prescriptions (id, session_id, doctor_id, patient_id, medications, notes, version, created_at,
                                    updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id as _,
        new.session_id as _,
        new.doctor_id as _,
        new.patient_id as _,
        &new.medications as _,
        new.notes,
        new.version,
        new.created_at,
        new.updated_at
    )
    .execute(&mut *conn)
    .await?;
    insert_version(conn, new).await
}

/// Writes another version over the one before. The caller holds the session's lock.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn replace(conn: &mut PgConnection, new: &Prescription) -> Result<()> {
    sqlx::query!(
        "update prescriptions set medications = $2, notes = $3, version = $4, updated_at = $5 where id = $1",
        new.id as _,
        &new.medications as _,
        new.notes,
        new.version,
        new.updated_at
    )
    .execute(&mut *conn)
    .await?;
    insert_version(conn, new).await
}

async fn insert_version(conn: &mut PgConnection, new: &Prescription) -> Result<()> {
    sqlx::query!(
        "insert into prescription_versions (prescription_id, version, medications, notes, written_by, written_at)
         values ($1, $2, $3, $4, $5, $6)",
        new.id as _,
        new.version,
        &new.medications as _,
        new.notes,
        new.doctor_id as _,
        new.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Every version, the first one first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_versions(conn: &mut PgConnection, id: PrescriptionId) -> Result<Vec<Version>> {
    Ok(sqlx::query_as!(
        Version,
        "select version, medications, notes, written_by, written_at
         from prescription_versions where prescription_id = $1 order by version",
        id as _
    )
    .fetch_all(conn)
    .await?)
}

/// The PDF that is kept of the prescription.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_pdf(conn: &mut PgConnection, id: PrescriptionId) -> Result<Option<Pdf>> {
    Ok(sqlx::query_as!(
        Pdf,
        "select version, key, generated_at, digest from prescription_pdfs where prescription_id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Keeps the PDF of a version, unless the prescription was changed meanwhile or somebody else was first. The
/// prescription's row is held until the transaction ends, so that a change comes before or after.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert_pdf(conn: &mut PgConnection, id: PrescriptionId, pdf: &Pdf) -> Result<bool> {
    let done = sqlx::query!(
        "insert into prescription_pdfs (prescription_id, version, key, generated_at, digest)
         select id, version, $3, $4, $5 from (select id, version from prescriptions where id = $1 for share) p
         where version = $2
         on conflict do nothing",
        id as _,
        pdf.version,
        pdf.key,
        pdf.generated_at,
        pdf.digest
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets the PDF; answers it, so that its object can go.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn remove_pdf(conn: &mut PgConnection, id: PrescriptionId) -> Result<Option<Pdf>> {
    Ok(sqlx::query_as!(
        Pdf,
        "delete from prescription_pdfs where prescription_id = $1 returning version, key, generated_at, digest",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Forgets a PDF that is of no use any more, unless another has taken its place. Answers whether it did.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn remove_pdf_of(conn: &mut PgConnection, id: PrescriptionId, key: &str) -> Result<bool> {
    let done = sqlx::query!("delete from prescription_pdfs where prescription_id = $1 and key = $2", id as _, key)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}
