//! A patient's orders and recharges (connect-v2 94, 95).

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use chrono::{DateTime, Utc};
use consilium_storage::connect::payments::{self, Order, Recharge};
use consilium_storage::ids::{OfferId, OrderId, PostingId};
use consilium_storage::money::Paise;
use consilium_storage::states::payment::Status;
use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::caller::{Caller, Client};
use crate::app::App;
use crate::error::Result;
use crate::http::input::{Input, QueryOnly};
use crate::http::paging::{Page, Paging};
use crate::http::reply::Answer;

const TAG: &str = "Analytics";

pub(super) fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/v2/analytics/user/orders",
            get_with(orders, |op| op.id("C94").tag(TAG).summary("The patient's top-up orders, whatever their status")),
        )
        .api_route(
            "/api/v2/analytics/user/recharges",
            get_with(recharges, |op| op.id("C95").tag(TAG).summary("The patient's credited top-ups")),
        )
}

/// A top-up order (94).
#[derive(Debug, Serialize, JsonSchema)]
struct OrderItem {
    /// The order.
    order_id: OrderId,
    /// Paise.
    amount: Paise,
    /// Paise that the offer adds.
    bonus_amount: Paise,
    /// Where it stands.
    status: Status,
    /// The offer, which may be gone.
    offer_id: Option<OfferId>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was credited.
    paid_at: Option<DateTime<Utc>>,
}

/// A credited top-up (95).
#[derive(Debug, Serialize, JsonSchema)]
struct RechargeItem {
    /// The credit, as in the wallet's transactions.
    id: PostingId,
    /// The order.
    order_id: OrderId,
    /// Paise that were paid.
    amount: Paise,
    /// Paise that came on top.
    bonus_amount: Paise,
    /// Both.
    total_credited: Paise,
    /// What was in the wallet then.
    balance_after: Paise,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Order> for OrderItem {
    fn from(order: Order) -> Self {
        Self {
            order_id: order.id,
            amount: order.amount,
            bonus_amount: order.bonus_amount,
            status: order.status,
            offer_id: order.offer_id,
            created_at: order.created_at,
            paid_at: order.paid_at,
        }
    }
}

impl From<Recharge> for RechargeItem {
    fn from(recharge: Recharge) -> Self {
        let Recharge { id, order_id, amount, bonus_amount, balance_after, created_at } = recharge;
        let total_credited = amount.plus(bonus_amount);
        Self { id, order_id, amount, bonus_amount, total_credited, balance_after, created_at }
    }
}

/// 94: the newest first.
async fn orders(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { query: Paging { limit, offset }, .. }: QueryOnly<Paging>,
) -> Result<Answer<Page<OrderItem>>> {
    let mut tx = app.begin().await?;
    let (found, total) = payments::list_of(tx.conn(), caller.id, limit, offset).await?;
    caller.note(&mut tx, "analytics.orders", caller.id, None).await?;
    app.commit(tx).await?;
    Ok(Answer(Page::new(found.into_iter().map(OrderItem::from).collect(), total, limit, offset)))
}

/// 95: the newest first.
async fn recharges(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { query: Paging { limit, offset }, .. }: QueryOnly<Paging>,
) -> Result<Answer<Page<RechargeItem>>> {
    let mut tx = app.begin().await?;
    let (found, total) = payments::list_recharges_of(tx.conn(), caller.id, limit, offset).await?;
    caller.note(&mut tx, "analytics.recharges", caller.id, None).await?;
    app.commit(tx).await?;
    Ok(Answer(Page::new(found.into_iter().map(RechargeItem::from).collect(), total, limit, offset)))
}
