//! Lab tests that a doctor recommends (connect-v2 69–71): one list a session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::error::Result;
use crate::ids::{LabOrderId, SessionId, UserId};

/// How soon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When it suits.
    #[default]
    Routine,
    /// Within a day or so.
    Urgent,
    /// At once.
    Stat,
}

/// One test.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Recommendation {
    /// As the doctor writes it.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    pub test_name: String,
    /// `routine` unless said otherwise.
    #[serde(default)]
    pub priority: Priority,
    /// How to prepare.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub instructions: Option<String>,
}

// What patients are tested for never reaches a log, however it is printed.
impl std::fmt::Debug for Recommendation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recommendation").field("priority", &self.priority).finish_non_exhaustive()
    }
}

/// The tests of a session.
#[derive(Clone)]
pub struct LabOrder {
    /// Its id.
    pub id: LabOrderId,
    /// Of which session.
    pub session_id: SessionId,
    /// Who recommends.
    pub doctor_id: UserId,
    /// For whom.
    pub patient_id: UserId,
    /// At least one.
    pub recommendations: Json<Vec<Recommendation>>,
    /// What else the doctor says.
    pub notes: Option<String>,
    /// When they were first recommended.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
}

// What patients are tested for never reaches a log, however it is printed.
impl std::fmt::Debug for LabOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LabOrder").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The tests of a session.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, session: SessionId) -> Result<Option<LabOrder>> {
    Ok(sqlx::query_as!(
        LabOrder,
        "select id, session_id, doctor_id, patient_id, recommendations, notes, created_at, updated_at
         from lab_test_orders where session_id = $1",
        session as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Writes the tests of a session.
///
/// # Errors
/// Conflict `lab_test_orders_session_key` when the session has some.
pub async fn insert(conn: &mut PgConnection, new: &LabOrder) -> Result<()> {
    sqlx::query!(
        "insert into lab_test_orders (id, session_id, doctor_id, patient_id, recommendations, notes, created_at,
                                      updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id as _,
        new.session_id as _,
        new.doctor_id as _,
        new.patient_id as _,
        &new.recommendations as _,
        new.notes,
        new.created_at,
        new.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes other tests over those before. The caller holds the session's lock.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn replace(conn: &mut PgConnection, new: &LabOrder) -> Result<()> {
    sqlx::query!(
        "update lab_test_orders set recommendations = $2, notes = $3, updated_at = $4 where id = $1",
        new.id as _,
        &new.recommendations as _,
        new.notes,
        new.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}
