//! The double-entry ledger (docs/decisions/022-ledger.md): one function posts, the database refuses what does not
//! balance, what would make a wallet negative, and what was posted before.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::ids::{OrderId, PostingId, SessionId, UserId};
use crate::money::Paise;

/// Whose money an entry moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// A patient's wallet: never negative.
    Wallet(UserId),
    /// What a doctor has earned.
    Doctor(UserId),
    /// The payment provider: what patients have paid there.
    Provider,
    /// What the house gives on top.
    Bonus,
    /// What the house puts right by hand.
    Adjustment,
}

/// Why money moved: the types of connect-v2 118.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "TransactionType")]
pub enum Kind {
    /// A paid order.
    Recharge,
    /// What an offer adds to it.
    Bonus,
    /// A consultation.
    SessionDebit,
    /// Given back.
    Refund,
    /// Put right by hand.
    Adjustment,
}

/// What a posting is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A top-up order.
    Order(OrderId),
    /// A consultation.
    Session(SessionId),
    /// Nothing but itself.
    Own,
}

/// Money about to move from one account to another.
#[derive(Debug, Clone)]
pub struct Posting<'a> {
    /// Why.
    pub kind: Kind,
    /// About what; of each kind once.
    pub reference: Reference,
    /// Who gives.
    pub from: Account,
    /// Who gets.
    pub to: Account,
    /// More than nothing.
    pub amount: Paise,
    /// For the patient; nothing medical.
    pub description: &'a str,
    /// When.
    pub at: DateTime<Utc>,
}

/// A posting that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// Its id.
    pub id: PostingId,
    /// What is in the wallet it touched; none where it touched none.
    pub balance: Option<Paise>,
}

impl Account {
    const fn id(self) -> Uuid {
        match self {
            Self::Wallet(owner) | Self::Doctor(owner) => owner.0,
            Self::Provider => Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_00a1),
            Self::Bonus => Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_00a2),
            Self::Adjustment => Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_00a3),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Wallet(_) => "WALLET",
            Self::Doctor(_) => "DOCTOR",
            Self::Provider => "PROVIDER",
            Self::Bonus => "BONUS",
            Self::Adjustment => "ADJUSTMENT",
        }
    }
}

impl Kind {
    /// The word of the contract, also stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recharge => "RECHARGE",
            Self::Bonus => "BONUS",
            Self::SessionDebit => "SESSION_DEBIT",
            Self::Refund => "REFUND",
            Self::Adjustment => "ADJUSTMENT",
        }
    }
}

/// Posts; none when a posting of this kind about this reference stands already, whoever made it. A wallet is held until
/// the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked, or refuses: a wallet that the amount would make negative, an amount of nothing.
pub async fn post(conn: &mut PgConnection, posting: &Posting<'_>) -> Result<Option<Posted>> {
    let id = PostingId::new();
    let (reference_type, reference_id) = match &posting.reference {
        Reference::Order(order) => ("order", order.to_string()),
        Reference::Session(session) => ("session", session.to_string()),
        Reference::Own => ("adjustment", id.to_string()),
    };
    let made = sqlx::query!(
        "insert into ledger_postings (id, kind, reference_type, reference_id, description, at)
         values ($1, $2, $3, $4, $5, $6) on conflict on constraint ledger_postings_once do nothing",
        id as _,
        posting.kind.as_str(),
        reference_type,
        reference_id,
        posting.description,
        posting.at
    )
    .execute(&mut *conn)
    .await?;
    if made.rows_affected() == 0 {
        return Ok(None);
    }
    open(conn, posting).await?;
    let balances = sqlx::query_scalar!(
        "insert into ledger_entries (posting_id, account_id, amount) values ($1, $2, $4), ($1, $3, $5)
         returning balance_after",
        id as _,
        posting.from.id(),
        posting.to.id(),
        posting.amount.negated() as _,
        posting.amount as _
    )
    .fetch_all(conn)
    .await?;
    Ok(Some(Posted { id, balance: balances.into_iter().flatten().next() }))
}

/// A wallet and a doctor's earnings are opened by what first moves in them; the house's accounts are there.
async fn open(conn: &mut PgConnection, posting: &Posting<'_>) -> Result<()> {
    for account in [posting.from, posting.to] {
        if matches!(account, Account::Wallet(_) | Account::Doctor(_)) {
            sqlx::query!(
                "insert into ledger_accounts (id, kind, updated_at) values ($1, $2, $3) on conflict do nothing",
                account.id(),
                account.kind(),
                posting.at
            )
            .execute(&mut *conn)
            .await?;
        }
    }
    Ok(())
}

/// Holds a wallet until the transaction ends and says what is in it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn lock_wallet(conn: &mut PgConnection, owner: UserId) -> Result<Paise> {
    let balance = sqlx::query_scalar!("select ledger_lock_wallet($1)", owner as _).fetch_one(conn).await?;
    Ok(balance.map_or(Paise::ZERO, Paise))
}

/// What does not add up, if anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Postings looked at.
    pub postings: i64,
    /// The sum of all entries: zero.
    pub total: i64,
    /// Postings whose entries do not sum to zero, or that have fewer than two.
    pub unbalanced: i64,
    /// Wallets that do not hold the sum of their entries, or whose entries are not numbered and chained.
    pub wallets: i64,
    /// Orders that are SUCCESS without their credit, or credited without being SUCCESS.
    pub orders: i64,
    /// Sessions whose wallet gave something else than their amount without what is due.
    pub sessions: i64,
}

impl Findings {
    /// Whether everything adds up.
    #[must_use]
    pub const fn add_up(&self) -> bool {
        self.total == 0 && self.unbalanced == 0 && self.wallets == 0 && self.orders == 0 && self.sessions == 0
    }
}

/// Adds everything up again, and compares it with the orders and sessions that it follows from: `consilium ledger verify`.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn verify(conn: &mut PgConnection) -> Result<Findings> {
    let sums = sqlx::query_file!("src/ledger_verify.sql").fetch_one(conn).await?;
    Ok(Findings {
        postings: sums.postings,
        total: sums.total,
        unbalanced: sums.unbalanced,
        wallets: sums.wallets,
        orders: sums.orders,
        sessions: sums.sessions,
    })
}

#[cfg(test)]
mod tests;
