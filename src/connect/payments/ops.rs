//! The operations on top-up orders.

mod deciding;
mod ordering;
mod settling;

use chrono::TimeDelta;
use consilium_storage::connect::{payments, wallet};
use consilium_storage::database::Conn;
use consilium_storage::ids::OrderId;
use consilium_storage::money::Paise;
use consilium_storage::states::payment::Status;

use super::NOT_FOUND;
use super::wire::VerifiedView;
use crate::accounts::caller::Account;
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::gateways::payments::PaymentError;

pub use deciding::{Decided, Decision, decide};
pub use ordering::{keep, open, quote};
pub use settling::{leave_untold, settle};

/// How long the provider is not asked again about an order whose last attempt failed or that has expired.
const PAUSE: TimeDelta = TimeDelta::seconds(5);

/// 115: asks the provider unless the order is credited, and applies what it says. While it is PENDING it is asked each
/// time; afterwards only now and then, for apps that go on asking.
///
/// # Errors
/// 404 for somebody else's order; 503 `PAYMENT_UNAVAILABLE` while it is PENDING and the provider does not answer.
pub async fn verify(app: &App, caller: &Account, id: &OrderId) -> Result<VerifiedView> {
    let mut conn = app.conn().await?;
    let order = payments::find(&mut conn, id).await?.filter(|order| order.patient_id == caller.id).ok_or(NOT_FOUND)?;
    let asks = match order.status {
        Status::Pending => true,
        Status::Failed | Status::Expired => payments::set_asked(&mut conn, id, app.now(), PAUSE).await?,
        Status::Success => false,
    };
    // Nothing is held while the provider is asked.
    drop(conn);
    if asks {
        match app.payments.look(id).await {
            Ok(report) => drop(settle(app, id, &report).await?),
            // An order of another provider, from before the settings changed: nobody here can be asked.
            Err(PaymentError::Unknown) => {}
            Err(error) if order.status == Status::Pending => return Err(unavailable(&error)),
            Err(_) => {}
        }
    }
    let mut tx = app.begin().await?;
    let view = view(tx.conn(), id).await?;
    caller.note(&mut tx, "payment.read", caller.id, None).await?;
    app.commit(tx).await?;
    Ok(view)
}

async fn view(conn: &mut Conn, id: &OrderId) -> Result<VerifiedView> {
    let order = payments::find(conn, id).await?.ok_or(NOT_FOUND)?;
    let held = wallet::find(conn, order.patient_id).await?;
    Ok(VerifiedView {
        order_id: order.id,
        status: order.status,
        amount: order.amount,
        bonus_amount: order.bonus_amount,
        wallet_credited: order.status == Status::Success,
        wallet_balance: held.map_or(Paise::ZERO, |held| held.balance),
    })
}

/// The provider's own words are logged where they were heard.
fn unavailable(_error: &PaymentError) -> Error {
    Error::Unavailable { code: Code::PaymentUnavailable, detail: "Payments are briefly unavailable, try again" }
}
