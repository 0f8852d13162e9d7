//! Money in the demo: offers, a top-up of everybody who has consulted somebody, and what those consultations took.

use chrono::{Datelike, NaiveDate, TimeDelta};
use consilium_storage::connect::offers::{self, Offer};
use consilium_storage::connect::payments::{self, NewOrder, Order};
use consilium_storage::demo::{self, Past};
use consilium_storage::ids::{OfferId, OrderId, UserId};
use consilium_storage::ledger::{self, Account, Kind, Posting, Reference};
use consilium_storage::money::Paise;
use consilium_storage::states::payment::Status;
use consilium_storage::tx::Tx;

use crate::error::Result;

/// Title, what is paid and what comes on top, in paise.
const OFFERS: [(&str, Paise, Paise); 3] = [
    ("Starter Pack", Paise(50_000), Paise(5_000)),
    ("Family Pack", Paise(200_000), Paise(30_000)),
    ("Year Pack", Paise(1_000_000), Paise(200_000)),
];

/// The offers, for as long as anybody will look at a demo. An admin may have removed some: they are made only where
/// there is none at all. Answers the smallest.
pub(super) async fn seed_offers(tx: &mut Tx) -> Result<Option<Offer>> {
    if demo::has_offers(tx.conn()).await? {
        return Ok(None);
    }
    let now = tx.now();
    let year = now.date_naive().year();
    let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap_or(now.date_naive());
    let mut first = None;
    for (title, amount, bonus_amount) in OFFERS {
        let offer = Offer {
            id: OfferId::new(),
            title: title.to_owned(),
            amount,
            bonus_amount,
            valid_from: day(year - 1, 1, 1),
            valid_until: day(year + 1, 12, 31),
            is_active: true,
        };
        offers::insert(tx.conn(), &offer, now).await?;
        first.get_or_insert(offer);
    }
    Ok(first)
}

/// The wallet holds what the offer gives, an hour before the patient's first consultation.
pub(super) async fn top_up(tx: &mut Tx, patient: UserId, offer: Option<&Offer>, first: &Past) -> Result<()> {
    let at = first.session.created_at - TimeDelta::hours(1);
    let [(_, amount, bonus_amount), ..] = OFFERS;
    let order = Order {
        id: OrderId::random(),
        patient_id: patient,
        status: Status::Pending,
        amount,
        bonus_amount,
        offer_id: offer.map(|offer| offer.id),
        created_at: at,
        expires_at: at + TimeDelta::hours(24),
        paid_at: None,
    };
    let new = NewOrder {
        id: &order.id,
        patient_id: patient,
        provider: "sandbox",
        amount: order.amount,
        bonus_amount: order.bonus_amount,
        offer_id: order.offer_id,
        payment_session_id: "session_demo",
        created_at: at,
        expires_at: order.expires_at,
        next_check_at: at + TimeDelta::minutes(1),
    };
    payments::insert(tx.conn(), &new).await?;
    payments::credit(tx.conn(), &order, None, at + TimeDelta::seconds(40)).await?;
    Ok(())
}

/// What the wallet gives for a past consultation, as its end would have taken it; the rest is due.
pub(super) async fn charge(tx: &mut Tx, past: &mut Past) -> Result<()> {
    let held = ledger::lock_wallet(tx.conn(), past.session.patient_id).await?;
    let debited = past.end.amount.min(held);
    past.end.amount_due = past.end.amount.minus(debited);
    if debited.is_positive() {
        let posting = Posting {
            kind: Kind::SessionDebit,
            reference: Reference::Session(past.session.id),
            from: Account::Wallet(past.session.patient_id),
            to: Account::Doctor(past.session.doctor_id),
            amount: debited,
            description: &format!("Consultation, {} min", past.end.billed_minutes),
            at: past.end.at,
        };
        ledger::post(tx.conn(), &posting).await?;
    }
    Ok(())
}
