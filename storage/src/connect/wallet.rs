//! A patient's wallet as the patient sees it (connect-v2 117, 118): read from the ledger.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{PostingId, UserId};
use crate::ledger::Kind;
use crate::money::Paise;

/// What is in a wallet.
#[derive(Debug, Clone, Copy)]
pub struct Wallet {
    /// Never negative.
    pub balance: Paise,
    /// When something last moved; of a fresh wallet, when the account was made.
    pub updated_at: DateTime<Utc>,
}

/// A posting as it moved a wallet.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// The posting.
    pub id: PostingId,
    /// Why.
    pub kind: Kind,
    /// Positive into the wallet, negative out of it.
    pub amount: Paise,
    /// What was in the wallet after it.
    pub balance_after: Paise,
    /// `order`, `session` or `adjustment`.
    pub reference_type: String,
    /// Of which one.
    pub reference_id: String,
    /// For the patient.
    pub description: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The wallet of a patient; every patient has one, though the ledger knows it only after the first posting.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, patient: UserId) -> Result<Option<Wallet>> {
    Ok(sqlx::query_as!(
        Wallet,
        "select coalesce(w.balance, 0) as \"balance!: Paise\", coalesce(w.updated_at, a.created_at) as \"updated_at!\"
         from accounts a left join ledger_accounts w on w.id = a.id
         where a.id = $1",
        patient as _
    )
    .fetch_optional(conn)
    .await?)
}

/// What moved the wallet, the newest first, and how many there are.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(
    conn: &mut PgConnection,
    patient: UserId,
    kind: Option<Kind>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Transaction>, i64)> {
    let rows =
        sqlx::query_file!("src/connect/wallet_transactions.sql", patient as _, kind.map(Kind::as_str), limit, offset)
            .fetch_all(conn)
            .await?;
    let total = rows.first().map_or(0, |row| row.total);
    // A page past the end is one row that has the total alone.
    let items = rows.into_iter().filter_map(|row| {
        Some(Transaction {
            id: row.id?,
            kind: row.kind?,
            amount: row.amount?,
            balance_after: row.balance_after?,
            reference_type: row.reference_type?,
            reference_id: row.reference_id?,
            description: row.description?,
            at: row.at?,
        })
    });
    Ok((items.collect(), total))
}
