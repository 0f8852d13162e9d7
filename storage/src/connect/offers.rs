//! Offers: a bonus on top of a top-up (connect-v2 119, 132 to 135).

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::OfferId;
use crate::money::Paise;

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// What patients read.
    pub title: String,
    /// The least that must be paid.
    pub amount: Paise,
    /// What is given on top.
    pub bonus_amount: Paise,
    /// The first day, in UTC.
    pub valid_from: NaiveDate,
    /// The last day, in UTC.
    pub valid_until: NaiveDate,
    /// Whether it is switched on.
    pub is_active: bool,
}

impl Offer {
    /// Whether it is switched on and `day` is one of its days.
    #[must_use]
    pub fn runs_on(&self, day: NaiveDate) -> bool {
        self.is_active && (self.valid_from..=self.valid_until).contains(&day)
    }
}

/// Writes a new offer.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert(conn: &mut PgConnection, offer: &Offer, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "insert into wallet_offers (id, title, amount, bonus_amount, valid_from, valid_until, is_active, created_at,
                                    updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        offer.id as _,
        offer.title,
        offer.amount as _,
        offer.bonus_amount as _,
        offer.valid_from,
        offer.valid_until,
        offer.is_active,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes an offer anew.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn update(conn: &mut PgConnection, offer: &Offer, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update wallet_offers
         set title = $2, amount = $3, bonus_amount = $4, valid_from = $5, valid_until = $6, is_active = $7,
             updated_at = $8
         where id = $1",
        offer.id as _,
        offer.title,
        offer.amount as _,
        offer.bonus_amount as _,
        offer.valid_from,
        offer.valid_until,
        offer.is_active,
        at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes an offer. Answers whether it was there.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn delete(conn: &mut PgConnection, id: OfferId) -> Result<bool> {
    let done = sqlx::query!("delete from wallet_offers where id = $1", id as _).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// One offer.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: OfferId) -> Result<Option<Offer>> {
    Ok(sqlx::query_as!(
        Offer,
        "select id, title, amount, bonus_amount, valid_from, valid_until, is_active from wallet_offers where id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// One offer, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: OfferId) -> Result<Option<Offer>> {
    Ok(sqlx::query_as!(
        Offer,
        "select id, title, amount, bonus_amount, valid_from, valid_until, is_active from wallet_offers
         where id = $1 for update",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Those that run on this day, the smallest first (connect-v2 119); no more than anybody would look through.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_running(conn: &mut PgConnection, day: NaiveDate) -> Result<Vec<Offer>> {
    Ok(sqlx::query_as!(
        Offer,
        "select id, title, amount, bonus_amount, valid_from, valid_until, is_active from wallet_offers
         where is_active and valid_from <= $1 and valid_until >= $1
         order by amount, bonus_amount, id limit 500",
        day
    )
    .fetch_all(conn)
    .await?)
}

/// All, the newest first, and how many there are (connect-v2 133).
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, limit: i64, offset: i64) -> Result<(Vec<Offer>, i64)> {
    let items = sqlx::query_as!(
        Offer,
        "select id, title, amount, bonus_amount, valid_from, valid_until, is_active from wallet_offers
         order by created_at desc, id desc limit $1 offset $2",
        limit,
        offset
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!("select count(*) as \"count!\" from wallet_offers").fetch_one(conn).await?;
    Ok((items, total))
}
