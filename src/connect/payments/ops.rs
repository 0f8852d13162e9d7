//! The operations on top-up orders.

mod deciding;
mod ordering;
mod settling;

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

/// 115: asks the provider unless the order is credited, and applies what it says.
///
/// # Errors
/// 404 for somebody else's order; 503 `PAYMENT_UNAVAILABLE` while it is PENDING and the provider does not answer.
pub async fn verify(app: &App, caller: &Account, id: &OrderId) -> Result<VerifiedView> {
    let mut conn = app.conn().await?;
    let order = payments::find(&mut conn, id).await?.filter(|order| order.patient_id == caller.id).ok_or(NOT_FOUND)?;
    // Nothing is held while the provider is asked.
    drop(conn);
    if order.status != Status::Success {
        match app.payments.look(id).await {
            Ok(report) => drop(settle(app, id, &report).await?),
            // An order of another provider, from before the settings changed: nobody here can be asked.
            Err(PaymentError::Unknown) => {}
            Err(error) if order.status == Status::Pending => return Err(unavailable(&error)),
            Err(_) => {}
        }
    }
    view(&mut *app.conn().await?, id).await
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
