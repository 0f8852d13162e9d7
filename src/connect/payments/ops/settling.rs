//! Settling an order (115, 116, the reconciler): whatever the provider says, however often, in whatever order and
//! through whichever door, an order is credited once.

use chrono::TimeDelta;
use consilium_storage::audit::{self, Entry};
use consilium_storage::connect::payloads::{PaymentChanged, WalletUpdated};
use consilium_storage::connect::payments::{self, Flag, Order};
use consilium_storage::connect::wallet;
use consilium_storage::events::Event;
use consilium_storage::ids::OrderId;
use consilium_storage::money::Paise;
use consilium_storage::states::payment::{self, Status};
use consilium_storage::states::{Illegal, Step};
use consilium_storage::tx::Tx;

use crate::app::App;
use crate::error::{Error, Result};
use crate::gateways::payments::{Paid, Report};

/// Applies a report to its order under the order's row lock: whoever comes second finds it done. Answers the order's
/// status then; none for an order that is not here.
///
/// # Errors
/// When Postgres cannot be asked; nothing is applied then, and the next report finds the order as it was.
pub async fn settle(app: &App, id: &OrderId, report: &Report) -> Result<Option<Status>> {
    let mut tx = app.begin().await?;
    let Some(order) = payments::find_for_update(tx.conn(), id).await? else { return Ok(None) };
    let status = match report {
        Report::Open => lapse(app, &mut tx, &order).await?,
        Report::Failed => fail(&mut tx, &order).await?,
        Report::Expired => {
            payments::set_final(tx.conn(), id).await?;
            expire(&mut tx, &order).await?
        }
        Report::Paid(paid) => pay(app, &mut tx, &order, paid).await?,
    };
    app.commit(tx).await?;
    Ok(Some(status))
}

/// Credits the amount and the bonus, if exactly the order's amount was paid and no admin has seen to it otherwise.
async fn pay(app: &App, tx: &mut Tx, order: &Order, paid: &Paid) -> Result<Status> {
    if payment::transition(order.status, payment::Event::Paid) != Ok(Step::To(Status::Success)) {
        return Ok(order.status);
    }
    if !paid.is(order.amount) {
        flag(tx, order, Flag::AmountDiffers, paid.payment_amount.paise()).await?;
        return lapse_for_good(app, tx, order).await;
    }
    if payments::is_seen_to(tx.conn(), &order.id).await? {
        flag(tx, order, Flag::PaidAfterAll, paid.payment_amount.paise()).await?;
        return lapse_for_good(app, tx, order).await;
    }
    credit(tx, order, paid.payment_id.as_deref()).await?;
    note(tx, order, "system", "payment.credit").await?;
    count("success");
    Ok(Status::Success)
}

/// Credits an order that was not credited, and tells its patient.
pub(super) async fn credit(tx: &mut Tx, order: &Order, payment_id: Option<&str>) -> Result<()> {
    let now = tx.now();
    let credited = payments::credit(tx.conn(), order, payment_id, now).await?;
    let balance = credited.ok_or_else(|| Error::internal("an order that was not paid had been credited"))?;
    let parties = [order.patient_id];
    let changed = PaymentChanged { order_id: order.id.clone(), balance };
    tx.emit(Event::PaymentSuccess(changed), &parties);
    let updated = WalletUpdated { order_id: Some(order.id.clone()), session_id: None, balance };
    tx.emit(Event::WalletUpdated(updated), &parties);
    Ok(())
}

/// A failed attempt is told once; the order may still be paid.
async fn fail(tx: &mut Tx, order: &Order) -> Result<Status> {
    match payment::transition(order.status, payment::Event::Failed) {
        Ok(Step::To(status)) => {
            payments::set_unpaid(tx.conn(), &order.id, status).await?;
            let held = wallet::find(tx.conn(), order.patient_id).await?;
            let balance = held.map_or(Paise::ZERO, |held| held.balance);
            let changed = PaymentChanged { order_id: order.id.clone(), balance };
            tx.emit(Event::PaymentFailed(changed), &[order.patient_id]);
            note(tx, order, "system", "payment.fail").await?;
            count("failed");
            Ok(status)
        }
        // A late word about an attempt before the one that counted.
        Ok(Step::Held) | Err(Illegal) => Ok(order.status),
    }
}

async fn expire(tx: &mut Tx, order: &Order) -> Result<Status> {
    match payment::transition(order.status, payment::Event::Expired) {
        Ok(Step::To(status)) => {
            payments::set_unpaid(tx.conn(), &order.id, status).await?;
            note(tx, order, "system", "payment.expire").await?;
            count("expired");
            Ok(status)
        }
        Ok(Step::Held) | Err(Illegal) => Ok(order.status),
    }
}

/// The provider was asked and nothing is decided: after its time the order is EXPIRED here, and goes on being asked for
/// as long as the provider would still take a payment.
async fn lapse(app: &App, tx: &mut Tx, order: &Order) -> Result<Status> {
    if app.now() < order.expires_at {
        return Ok(order.status);
    }
    expire(tx, order).await
}

/// As [`lapse`], and then the provider is not asked again: a wrong payment stays one. The right one is still taken when it
/// is told.
async fn lapse_for_good(app: &App, tx: &mut Tx, order: &Order) -> Result<Status> {
    if app.now() >= order.expires_at {
        payments::set_final(tx.conn(), &order.id).await?;
    }
    lapse(app, tx, order).await
}

/// The provider could not or would not tell of an order. One that it does not know is EXPIRED after its time, as nobody
/// paid it there; after so long, any is, and it is left to an admin.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn leave_untold(app: &App, id: &OrderId, is_unknown: bool, patience: TimeDelta) -> Result<()> {
    let mut tx = app.begin().await?;
    let Some(order) = payments::find_for_update(tx.conn(), id).await? else { return Ok(()) };
    let is_given_up = tx.now() - order.created_at >= patience;
    if is_given_up && order.status != Status::Success {
        flag(&mut tx, &order, Flag::Unresolved, None).await?;
        lapse_for_good(app, &mut tx, &order).await?;
    } else if is_unknown {
        lapse(app, &mut tx, &order).await?;
    }
    app.commit(tx).await
}

/// Something that no rule may decide: not credited, and left for an admin.
async fn flag(tx: &mut Tx, order: &Order, flag: Flag, paid: Option<Paise>) -> Result<()> {
    let now = tx.now();
    if payments::set_flag(tx.conn(), &order.id, flag, paid, now).await? {
        note(tx, order, "system", "payment.flag").await?;
        metrics::counter!("consilium_payments_flagged_total", "reason" => flag.as_str()).increment(1);
        tracing::error!(
            order.id = %order.id,
            payment.flag = flag.as_str(),
            order.amount = order.amount.0,
            payment.amount = paid.map(|paid| paid.0),
            "a payment needs an admin's eye: consilium payments flagged"
        );
    }
    Ok(())
}

pub(super) async fn note(tx: &mut Tx, order: &Order, role: &str, action: &str) -> Result<()> {
    let subject = Some(order.patient_id);
    let entry = Entry { at: tx.now(), actor: None, role, action, subject, session: None };
    Ok(audit::append(tx.conn(), entry).await?)
}

fn count(outcome: &'static str) {
    metrics::counter!("consilium_payments_total", "outcome" => outcome).increment(1);
}
