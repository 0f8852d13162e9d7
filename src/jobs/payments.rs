//! Orders whose payer never came back and whose webhook never came: the provider is asked unasked, so that no paid order
//! is left uncredited (connect-v2 §4.7). Rows are taken with `skip locked`, on any node, without a leader.

use chrono::TimeDelta;
use consilium_storage::connect::payments::{self, Due};
use consilium_storage::states::payment::Status;
use futures_util::{StreamExt, stream};

use crate::app::App;
use crate::connect::payments::ops;
use crate::error::Result;
use crate::gateways::payments::PaymentError;

/// How many orders one round takes.
const ROUND: i64 = 100;

/// How many of them are asked for side by side.
const AT_ONCE: usize = 8;

/// For how long the provider is asked about an order that it cannot or will not tell of.
const PATIENCE: TimeDelta = TimeDelta::days(30);

/// One round. An order that could not be asked for is due again later: that was written when it was taken.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn reconcile(app: &App) -> Result<()> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let due = payments::take_due(tx.conn(), app.payments.provider(), now, ROUND).await?;
    app.commit(tx).await?;
    // No row is held while the provider is asked.
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, |due| async move {
            if let Err(error) = ask(app, &due).await {
                tracing::warn!(%error, order.id = %due.id, "a payment could not be settled, trying again later");
            }
        })
        .await;
    Ok(())
}

async fn ask(app: &App, Due { id, is_ours }: &Due) -> Result<()> {
    if !is_ours {
        // The provider that could tell of it is not the one of the settings any more.
        return ops::leave_untold(app, id, true, TimeDelta::zero()).await;
    }
    match app.payments.look(id).await {
        Ok(report) => {
            let settled = ops::settle(app, id, &report).await?;
            if settled == Some(Status::Success) {
                metrics::counter!("consilium_payments_reconciled_total").increment(1);
            }
            Ok(())
        }
        Err(PaymentError::Unreachable(_)) => Ok(()),
        Err(PaymentError::Refused(_)) => ops::leave_untold(app, id, false, PATIENCE).await,
        Err(PaymentError::Unknown) => ops::leave_untold(app, id, true, PATIENCE).await,
    }
}
