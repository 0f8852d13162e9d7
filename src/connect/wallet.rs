//! A patient's wallet (connect-v2 117, 118): what is in it, and what moved it. Money comes in by payments
//! and goes out at the end of a consultation.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use chrono::{DateTime, Utc};
use consilium_storage::connect::wallet::{self, Transaction};
use consilium_storage::ids::PostingId;
use consilium_storage::ledger::Kind;
use consilium_storage::money::Paise;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::caller::{Caller, Client};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::input::{Input, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::Answer;

const TAG: &str = "Wallet";

/// The routes 117 and 118.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/wallet/balance",
            get_with(balance, |op| op.id("C117").tag(TAG).summary("What is in the patient's wallet")),
        )
        .api_route(
            "/api/v2/wallet/transactions",
            get_with(transactions, |op| op.id("C118").tag(TAG).summary("What moved the patient's wallet")),
        )
}

/// What is in the wallet.
#[derive(Debug, Serialize, JsonSchema)]
struct BalanceView {
    /// Paise; never negative.
    balance: Paise,
    /// INR.
    currency: &'static str,
    /// When something last moved.
    updated_at: DateTime<Utc>,
}

/// Which transactions.
#[derive(Debug, Deserialize, JsonSchema)]
struct TransactionsQuery {
    /// 1 to 100.
    #[serde(default = "TransactionsQuery::limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    offset: i64,
    /// Of this type alone.
    #[serde(rename = "type")]
    kind: Option<Kind>,
}

impl TransactionsQuery {
    const fn limit() -> i64 {
        20
    }
}

/// Into the wallet or out of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "TransactionDirection")]
enum Direction {
    Credit,
    Debit,
}

/// Something that moved the wallet.
#[derive(Debug, Serialize, JsonSchema)]
struct TransactionView {
    /// Its id.
    id: PostingId,
    /// Why.
    #[serde(rename = "type")]
    kind: Kind,
    /// Into the wallet or out of it.
    direction: Direction,
    /// Paise; more than nothing.
    amount: Paise,
    /// What was in the wallet after it.
    balance_after: Paise,
    /// `order`, `session` or `adjustment`.
    reference_type: String,
    /// Of which one.
    reference_id: String,
    /// For the patient.
    description: String,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Transaction> for TransactionView {
    fn from(moved: Transaction) -> Self {
        let (direction, amount) = if moved.amount.is_positive() {
            (Direction::Credit, moved.amount)
        } else {
            (Direction::Debit, moved.amount.negated())
        };
        Self {
            id: moved.id,
            kind: moved.kind,
            direction,
            amount,
            balance_after: moved.balance_after,
            reference_type: moved.reference_type,
            reference_id: moved.reference_id,
            description: moved.description,
            created_at: moved.at,
        }
    }
}

/// 117.
async fn balance(State(app): State<App>, caller: Caller<Client>) -> Result<Answer<BalanceView>> {
    let mut tx = app.begin().await?;
    let wallet = wallet::find(tx.conn(), caller.id).await?.ok_or(Error::NotFound("Wallet"))?;
    caller.note(&mut tx, "wallet.balance", caller.id, None).await?;
    app.commit(tx).await?;
    Ok(Answer(BalanceView { balance: wallet.balance, currency: "INR", updated_at: wallet.updated_at }))
}

/// 118: the newest first.
async fn transactions(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { query, .. }: QueryOnly<TransactionsQuery>,
) -> Result<Answer<Page<TransactionView>>> {
    let TransactionsQuery { limit, offset, kind } = query;
    let mut tx = app.begin().await?;
    let (found, total) = wallet::list(tx.conn(), caller.id, kind, limit, offset).await?;
    caller.note(&mut tx, "wallet.transactions", caller.id, None).await?;
    app.commit(tx).await?;
    Ok(Answer(Page::new(found.into_iter().map(TransactionView::from).collect(), total, limit, offset)))
}
