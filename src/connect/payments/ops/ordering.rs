//! Making an order (114): its terms are looked up, then the provider opens it, then it is kept.

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::accounts::patients;
use consilium_storage::connect::offers;
use consilium_storage::connect::payments::{self, NewOrder};
use consilium_storage::ids::{OfferId, OrderId, UserId};
use consilium_storage::money::Paise;
use consilium_storage::states::payment::Status;
use consilium_storage::tx::Tx;

use super::super::wire::{CreateOrder, OrderView};
use super::unavailable;
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::offers as offer_doors;
use crate::error::{Code, Error, Result};
use crate::gateways::payments::NewPayment;

/// How long an order can be paid (connect-v2 §4.7).
const LIFE: TimeDelta = TimeDelta::hours(24);

/// How long after it was made an order is first asked for unasked: most are settled by then.
const FIRST_CHECK: TimeDelta = TimeDelta::minutes(1);

/// The terms of an order to be opened.
#[derive(Debug)]
pub struct Quote {
    order_id: OrderId,
    patient_id: UserId,
    phone: Option<String>,
    amount: Paise,
    bonus_amount: Paise,
    offer_id: Option<OfferId>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// An order that the provider has opened.
#[derive(Debug)]
pub struct Opened {
    quote: Quote,
    payment_session_id: String,
}

/// Looks up what is ordered; the offer's terms are those of now.
///
/// # Errors
/// 404 for an offer that is not there, 400 `OFFER_NOT_APPLICABLE` for one that does not run or asks for more.
pub async fn quote(tx: &mut Tx, caller: &Account, body: &CreateOrder) -> Result<Quote> {
    let now = tx.now();
    let bonus_amount = match body.offer_id {
        None => Paise::ZERO,
        Some(id) => {
            let offer = offers::find(tx.conn(), id).await?.ok_or(offer_doors::NOT_FOUND)?;
            let refused = |detail: &str| Error::Rule { code: Code::OfferNotApplicable, detail: detail.to_owned() };
            if !offer.runs_on(now.date_naive()) {
                return Err(refused("This offer does not run today"));
            }
            if body.amount < offer.amount {
                return Err(refused("This offer asks for a larger amount"));
            }
            offer.bonus_amount
        }
    };
    let patient = patients::find(tx.conn(), caller.id).await?.ok_or(Error::NotFound("User"))?;
    Ok(Quote {
        order_id: OrderId::random(),
        patient_id: caller.id,
        phone: patient.phone,
        amount: body.amount,
        bonus_amount,
        offer_id: body.offer_id,
        created_at: now,
        expires_at: now + LIFE,
    })
}

/// Opens it at the provider; no transaction is open meanwhile.
///
/// # Errors
/// 503 `PAYMENT_UNAVAILABLE`; no order is kept then.
pub async fn open(app: &App, quote: Quote) -> Result<Opened> {
    let new = NewPayment {
        order_id: &quote.order_id,
        amount: quote.amount,
        customer: quote.patient_id,
        phone: quote.phone.as_deref(),
        expires_at: quote.expires_at,
    };
    match app.payments.open(new).await {
        Ok(payment_session_id) => Ok(Opened { quote, payment_session_id }),
        Err(error) => Err(unavailable(&error)),
    }
}

/// Writes the order, in the caller's transaction.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn keep(app: &App, tx: &mut Tx, caller: &Account, opened: Opened) -> Result<OrderView> {
    let Opened { quote, payment_session_id } = opened;
    let new = NewOrder {
        id: &quote.order_id,
        patient_id: quote.patient_id,
        provider: app.payments.provider(),
        amount: quote.amount,
        bonus_amount: quote.bonus_amount,
        offer_id: quote.offer_id,
        payment_session_id: &payment_session_id,
        created_at: quote.created_at,
        expires_at: quote.expires_at,
        next_check_at: quote.created_at + FIRST_CHECK,
    };
    payments::insert(tx.conn(), &new).await?;
    caller.note(tx, "payment.order", quote.patient_id, None).await?;
    Ok(OrderView { order_id: quote.order_id, payment_session_id, amount: quote.amount, status: Status::Pending })
}
