//! Top-up orders (connect-v2 §3.22, §4.7): the row, its compare-and-set transitions, and what is still to be asked.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::{OfferId, OrderId, PostingId, UserId};
use crate::ledger::{self, Account, Kind, Posting, Reference};
use crate::money::Paise;
use crate::states::payment::Status;

/// A top-up order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its id, here and at the provider.
    pub id: OrderId,
    /// Whose wallet.
    pub patient_id: UserId,
    /// Where it stands.
    pub status: Status,
    /// What is to be paid.
    pub amount: Paise,
    /// What the offer adds, frozen when the order was made.
    pub bonus_amount: Paise,
    /// The offer, which may be gone.
    pub offer_id: Option<OfferId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on nobody can pay it any more.
    pub expires_at: DateTime<Utc>,
    /// When it was credited.
    pub paid_at: Option<DateTime<Utc>>,
}

/// An order about to be written, PENDING.
#[derive(Debug, Clone)]
pub struct NewOrder<'a> {
    /// Its id.
    pub id: &'a OrderId,
    /// Whose wallet.
    pub patient_id: UserId,
    /// Who takes the payment.
    pub provider: &'a str,
    /// What is to be paid.
    pub amount: Paise,
    /// What the offer adds.
    pub bonus_amount: Paise,
    /// The offer.
    pub offer_id: Option<OfferId>,
    /// What the payer's app hands to the provider.
    pub payment_session_id: &'a str,
    /// When.
    pub created_at: DateTime<Utc>,
    /// From when on nobody can pay it any more.
    pub expires_at: DateTime<Utc>,
    /// When the provider is asked without anybody wanting to know.
    pub next_check_at: DateTime<Utc>,
}

/// Why an admin has to look at an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// What was paid is not what was ordered.
    AmountDiffers,
    /// The provider could not tell what became of it, for weeks.
    Unresolved,
    /// It was paid after all, though an admin had seen to it as one that was not: the money may be on its way back.
    PaidAfterAll,
}

impl Flag {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmountDiffers => "AMOUNT_DIFFERS",
            Self::Unresolved => "UNRESOLVED",
            Self::PaidAfterAll => "PAID_AFTER_ALL",
        }
    }
}

/// An order that an admin has to look at.
#[derive(Debug, Clone)]
pub struct Flagged {
    /// The order.
    pub id: OrderId,
    /// Where it stands.
    pub status: Status,
    /// What was ordered.
    pub amount: Paise,
    /// Why it is here.
    pub flag: String,
    /// What was paid, where that could be read.
    pub paid: Option<Paise>,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// A credited order (connect-v2 95).
#[derive(Debug, Clone)]
pub struct Recharge {
    /// The credit.
    pub id: PostingId,
    /// The order.
    pub order_id: OrderId,
    /// What was paid.
    pub amount: Paise,
    /// What came on top.
    pub bonus_amount: Paise,
    /// What was in the wallet after both.
    pub balance_after: Paise,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Writes a PENDING order.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, new: &NewOrder<'_>) -> Result<()> {
    sqlx::query!(
        "insert into payment_orders (id, patient_id, provider, status, amount, bonus_amount, offer_id,
                                     payment_session_id, created_at, expires_at, next_check_at)
         values ($1, $2, $3, 'PENDING', $4, $5, $6, $7, $8, $9, $10)",
        new.id as _,
        new.patient_id as _,
        new.provider,
        new.amount as _,
        new.bonus_amount as _,
        new.offer_id as _,
        new.payment_session_id,
        new.created_at,
        new.expires_at,
        new.next_check_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Selects whole orders with the given tail of a query.
macro_rules! select_orders {
    ($tail:literal $(, $bind:expr)*) => {
        sqlx::query_as!(
            Order,
            "select id, patient_id, status, amount, bonus_amount, offer_id, created_at, expires_at, paid_at
             from payment_orders " + $tail
            $(, $bind)*
        )
    };
}

/// One order.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: &OrderId) -> Result<Option<Order>> {
    Ok(select_orders!("where id = $1", id as _).fetch_optional(conn).await?)
}

/// One order, locked until the transaction ends: whoever settles it waits here for whoever came first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: &OrderId) -> Result<Option<Order>> {
    Ok(select_orders!("where id = $1 for update", id as _).fetch_optional(conn).await?)
}

/// Credits a locked order that was not credited yet: SUCCESS, the amount, the bonus. Answers what the wallet holds then;
/// none when the ledger has this order's credit already, whatever its row says. What became of an unresolved order is known
/// then; a payment of another amount still waits for an admin, for that money is with the provider.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn credit(
    conn: &mut PgConnection,
    order: &Order,
    provider_payment_id: Option<&str>,
    at: DateTime<Utc>,
) -> Result<Option<Paise>> {
    sqlx::query!(
        "update payment_orders set status = 'SUCCESS', paid_at = $2, provider_payment_id = $3, next_check_at = null,
             flag = nullif(flag, 'UNRESOLVED')
         where id = $1 and status <> 'SUCCESS'",
        &order.id as _,
        at,
        provider_payment_id
    )
    .execute(&mut *conn)
    .await?;
    let recharge = Posting {
        kind: Kind::Recharge,
        reference: Reference::Order(order.id.clone()),
        from: Account::Provider,
        to: Account::Wallet(order.patient_id),
        amount: order.amount,
        description: "Wallet top-up",
        at,
    };
    let Some(mut posted) = ledger::post(conn, &recharge).await? else { return Ok(None) };
    if order.bonus_amount.is_positive() {
        let bonus = Posting {
            kind: Kind::Bonus,
            from: Account::Bonus,
            amount: order.bonus_amount,
            description: "Offer bonus",
            ..recharge
        };
        posted = ledger::post(conn, &bonus).await?.unwrap_or(posted);
    }
    Ok(posted.balance)
}

/// PENDING to FAILED or EXPIRED. Answers whether the row was still PENDING.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_unpaid(conn: &mut PgConnection, id: &OrderId, to: Status) -> Result<bool> {
    let done = sqlx::query!(
        "update payment_orders set status = $2 where id = $1 and status = 'PENDING'",
        id as _,
        to.as_str()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Somebody wants the provider asked about an order at `now`. Answers whether that is to be done: not when it was within
/// `pause` before.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_asked(conn: &mut PgConnection, id: &OrderId, now: DateTime<Utc>, pause: TimeDelta) -> Result<bool> {
    let done = sqlx::query!(
        "update payment_orders set asked_at = $2 where id = $1 and (asked_at is null or asked_at <= $3)",
        id as _,
        now,
        now - pause
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Flags an order for an admin; the first reason stands, and what an admin has dismissed is not said again. Answers whether
/// it is news.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_flag(
    conn: &mut PgConnection,
    id: &OrderId,
    flag: Flag,
    paid: Option<Paise>,
    at: DateTime<Utc>,
) -> Result<bool> {
    let done = sqlx::query!(
        "update payment_orders set flag = $2, flagged_amount = $3, flagged_at = $4
         where id = $1 and flag is null
           and (dismissed is null or dismissed <> $2 or dismissed_amount is distinct from $3)",
        id as _,
        flag.as_str(),
        paid as _,
        at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// An admin counts an order as paid. Answers whether it was flagged.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn clear_flag(conn: &mut PgConnection, id: &OrderId) -> Result<bool> {
    let done = sqlx::query!("update payment_orders set flag = null where id = $1 and flag is not null", id as _)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// An admin has seen to an order elsewhere, which is remembered. Answers whether it was flagged.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn dismiss(conn: &mut PgConnection, id: &OrderId) -> Result<bool> {
    let done = sqlx::query!(
        "update payment_orders set dismissed = flag, dismissed_amount = flagged_amount, flag = null
         where id = $1 and flag is not null",
        id as _
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether an admin has seen to an order as one of which nothing is known: what is heard of it later is not credited
/// unseen. A wrong payment is another matter: the right one may still follow.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn is_seen_to(conn: &mut PgConnection, id: &OrderId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        "select coalesce(dismissed in ('UNRESOLVED', 'PAID_AFTER_ALL'), false) as \"seen_to!\"
         from payment_orders where id = $1",
        id as _
    )
    .fetch_one(conn)
    .await?)
}

/// Orders that an admin has to look at, the oldest first; some of them where there are more.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_flagged(conn: &mut PgConnection) -> Result<Vec<Flagged>> {
    Ok(sqlx::query_as!(
        Flagged,
        "select id, status, amount, flag as \"flag!\", flagged_amount as \"paid: Paise\", flagged_at as \"at!\"
         from payment_orders where flag is not null order by flagged_at, id limit 500"
    )
    .fetch_all(conn)
    .await?)
}

/// An order whose turn has come.
#[derive(Debug, Clone)]
pub struct Due {
    /// The order.
    pub id: OrderId,
    /// Whether this provider has it: otherwise it is one from before the settings changed, past its time.
    pub is_ours: bool,
}

/// Takes up to `limit` orders that are due to be asked for, skipping those another node works on: this provider's, and
/// those of another that nobody can pay any more. They are due again at a later time: whoever took them may not live to
/// see the answer.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_due(conn: &mut PgConnection, provider: &str, now: DateTime<Utc>, limit: i64) -> Result<Vec<Due>> {
    Ok(sqlx::query_file_as!(Due, "src/connect/payments_take_due.sql", provider, now, limit).fetch_all(conn).await?)
}

/// There is nothing more to learn from the provider.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn set_final(conn: &mut PgConnection, id: &OrderId) -> Result<()> {
    sqlx::query!("update payment_orders set next_check_at = null where id = $1", id as _).execute(conn).await?;
    Ok(())
}

/// All orders of a patient, the newest first, and how many there are (connect-v2 94).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_of(conn: &mut PgConnection, patient: UserId, limit: i64, offset: i64) -> Result<(Vec<Order>, i64)> {
    let rows =
        sqlx::query_file!("src/connect/payments_orders.sql", patient as _, limit, offset).fetch_all(conn).await?;
    let total = rows.first().map_or(0, |row| row.total);
    // A page past the end is one row that has the total alone.
    let orders = rows.into_iter().filter_map(|row| {
        Some(Order {
            id: row.id?,
            patient_id: patient,
            status: row.status?,
            amount: row.amount?,
            bonus_amount: row.bonus_amount?,
            offer_id: row.offer_id,
            created_at: row.created_at?,
            expires_at: row.expires_at?,
            paid_at: row.paid_at,
        })
    });
    Ok((orders.collect(), total))
}

/// The credited orders of a patient as the ledger has them, the newest first, and how many there are (connect-v2 95).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_recharges_of(
    conn: &mut PgConnection,
    patient: UserId,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Recharge>, i64)> {
    let rows =
        sqlx::query_file!("src/connect/payments_recharges.sql", patient as _, limit, offset).fetch_all(conn).await?;
    let total = rows.first().map_or(0, |row| row.total);
    let recharges = rows.into_iter().filter_map(|row| {
        Some(Recharge {
            id: row.id?,
            order_id: row.order_id?,
            amount: row.amount?,
            bonus_amount: row.bonus_amount?,
            balance_after: row.balance_after?,
            created_at: row.created_at?,
        })
    });
    Ok((recharges.collect(), total))
}
