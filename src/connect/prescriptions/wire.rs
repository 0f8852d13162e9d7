//! What goes in and out.

use chrono::{DateTime, Utc};
use consilium_storage::connect::prescriptions::{Medication, Prescription};
use consilium_storage::ids::{PrescriptionId, SessionId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A prescription to write, whole (65, 67).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct WritePrescription {
    /// At least one.
    #[schemars(length(min = 1, max = 50))]
    pub(super) medications: Vec<Medication>,
    /// What else to say.
    #[serde(default)]
    #[schemars(length(max = 4000))]
    pub(super) notes: Option<String>,
}

/// A prescription.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Prescription")]
pub(super) struct PrescriptionView {
    /// Its id.
    id: PrescriptionId,
    /// Of which session.
    connect_session_id: SessionId,
    /// Who wrote it.
    doctor_id: UserId,
    /// For whom.
    patient_id: UserId,
    /// At least one.
    medications: Vec<Medication>,
    /// What else the doctor says.
    notes: Option<String>,
    /// From 1, one up with each change.
    version: i32,
    /// When it was first written.
    created_at: DateTime<Utc>,
    /// When this version was.
    updated_at: DateTime<Utc>,
}

impl From<Prescription> for PrescriptionView {
    fn from(prescription: Prescription) -> Self {
        Self {
            id: prescription.id,
            connect_session_id: prescription.session_id,
            doctor_id: prescription.doctor_id,
            patient_id: prescription.patient_id,
            medications: prescription.medications.0,
            notes: prescription.notes,
            version: prescription.version,
            created_at: prescription.created_at,
            updated_at: prescription.updated_at,
        }
    }
}

/// Where the PDF is fetched (68).
#[derive(Serialize, JsonSchema)]
pub(super) struct PdfView {
    /// Answers a GET without a token until it ends.
    pub(super) download_url: String,
    /// Seconds until then.
    pub(super) expires_in: i64,
    /// When it was made.
    pub(super) generated_at: DateTime<Utc>,
}
