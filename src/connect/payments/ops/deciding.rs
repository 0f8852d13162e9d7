//! What no rule may decide about an order, a person does: `consilium payments settle`.

use consilium_storage::connect::payments;
use consilium_storage::ids::OrderId;
use consilium_storage::states::Step;
use consilium_storage::states::payment::{self, Status};
use consilium_storage::tx::Tx;

use super::settling::{credit, note};
use crate::error::Result;

/// What somebody has decided about a flagged order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It counts as paid: its own amount and bonus are credited.
    Credit,
    /// It is seen to elsewhere: nothing moves.
    Dismiss,
}

/// What came of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is done; the order is no longer flagged.
    Done,
    /// Nobody has to look at this order, or it is not here; nothing is changed.
    NotFlagged,
    /// It is credited already; nothing is changed.
    Credited,
}

/// Settles a flagged order by hand, in the caller's transaction.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn decide(tx: &mut Tx, id: &OrderId, decision: Decision) -> Result<Decided> {
    let Some(order) = payments::find_for_update(tx.conn(), id).await? else { return Ok(Decided::NotFlagged) };
    let may_credit = payment::transition(order.status, payment::Event::Paid) == Ok(Step::To(Status::Success));
    if decision == Decision::Credit && !may_credit {
        return Ok(Decided::Credited);
    }
    let was_flagged = match decision {
        Decision::Credit => payments::clear_flag(tx.conn(), id).await?,
        Decision::Dismiss => payments::dismiss(tx.conn(), id).await?,
    };
    if !was_flagged {
        return Ok(Decided::NotFlagged);
    }
    match decision {
        Decision::Credit => {
            credit(tx, &order, None).await?;
            note(tx, &order, "operator", "payment.credit").await?;
        }
        Decision::Dismiss => note(tx, &order, "operator", "payment.dismiss").await?,
    }
    Ok(Decided::Done)
}
