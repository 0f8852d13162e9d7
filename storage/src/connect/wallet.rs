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
    let kind = kind.map(Kind::as_str);
    let items = sqlx::query_as!(
        Transaction,
        "select p.id, p.kind, e.amount, e.balance_after as \"balance_after!: Paise\", p.reference_type,
                p.reference_id, p.description, p.at
         from ledger_entries e join ledger_postings p on p.id = e.posting_id
         where e.account_id = $1 and e.seq is not null and ($2::text is null or p.kind = $2)
         order by e.seq desc limit $3 offset $4",
        patient as _,
        kind,
        limit,
        offset
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        "select count(*) as \"count!\" from ledger_entries e join ledger_postings p on p.id = e.posting_id
         where e.account_id = $1 and e.seq is not null and ($2::text is null or p.kind = $2)",
        patient as _,
        kind
    )
    .fetch_one(conn)
    .await?;
    Ok((items, total))
}
