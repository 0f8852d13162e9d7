//! What the payment sandbox remembers (settled 21); in production nothing is ever written here.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::OrderId;
use crate::money::Paise;

/// What somebody decided on the sandbox's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schemars(rename = "SandboxOutcome")]
pub enum Outcome {
    /// Paid.
    Success,
    /// The bank said no.
    Failed,
    /// The payer left.
    Dropped,
}

/// An order as the sandbox has it.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Its id.
    pub order_id: OrderId,
    /// What is to be paid.
    pub amount: Paise,
    /// What was decided.
    pub outcome: Option<Outcome>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Opens an order.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, payment: &Payment) -> Result<()> {
    sqlx::query!(
        "insert into sandbox_payments (order_id, amount, created_at, expires_at) values ($1, $2, $3, $4)",
        &payment.order_id as _,
        payment.amount as _,
        payment.created_at,
        payment.expires_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One order.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, order_id: &OrderId) -> Result<Option<Payment>> {
    Ok(sqlx::query_as!(
        Payment,
        "select order_id, amount, outcome, created_at, expires_at from sandbox_payments where order_id = $1",
        order_id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Decides an order; what was paid stays paid. Answers its amount, none for an order that is not here.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_outcome(
    conn: &mut PgConnection,
    order_id: &OrderId,
    outcome: Outcome,
    at: DateTime<Utc>,
) -> Result<Option<Paise>> {
    Ok(sqlx::query_scalar!(
        "update sandbox_payments
         set outcome = case when outcome = 'success' then outcome else $2 end, decided_at = $3
         where order_id = $1 returning amount",
        order_id as _,
        outcome as Outcome,
        at
    )
    .fetch_optional(conn)
    .await?)
}
