//! What goes in and out of the offers' endpoints: rupees in, paise out (connect-v2 §1, §6 row 20).

use std::borrow::Cow;

use chrono::NaiveDate;
use consilium_storage::connect::offers::Offer;
use consilium_storage::ids::OfferId;
use consilium_storage::money::Paise;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Issue, Result};
use crate::http::patch::Maybe;

/// An amount that comes in rupees. It is read as it was written, so that nothing of it is lost in a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rupees(Paise);

impl<'de> Deserialize<'de> for Rupees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Box::<RawValue>::deserialize(deserializer)?;
        let paise = Paise::from_rupees(written.get()).map(Self);
        paise.ok_or_else(|| serde::de::Error::custom("Input should have at most 2 decimals"))
    }
}

impl JsonSchema for Rupees {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rupees".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "x-whole-paise": true})
    }
}

/// An offer in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct OfferPath {
    /// The offer.
    pub(super) offer_id: OfferId,
}

/// A new offer (132). Amounts are in rupees, with at most two decimals.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "WalletOfferCreate", extend("x-exact-numbers" = true))]
pub(super) struct CreateOffer {
    /// What patients read.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    title: String,
    /// Rupees: the least that must be paid.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000_000))]
    amount: Rupees,
    /// Rupees: what is given on top; nothing if absent.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    bonus_amount: Option<Rupees>,
    /// The first day, in UTC.
    valid_from: NaiveDate,
    /// The last day, in UTC; not before the first.
    #[schemars(extend("x-not-before" = "valid_from"))]
    valid_until: NaiveDate,
}

/// Changes to an offer (134); absent fields stay.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "WalletOfferUpdate", extend("x-exact-numbers" = true))]
pub(super) struct UpdateOffer {
    /// What patients read.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    title: Maybe<String>,
    /// Rupees.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000_000))]
    amount: Maybe<Rupees>,
    /// Rupees.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    bonus_amount: Maybe<Rupees>,
    /// The first day, in UTC.
    #[serde(default)]
    valid_from: Maybe<NaiveDate>,
    /// The last day, in UTC; not before the first.
    #[serde(default)]
    #[schemars(extend("x-not-before" = "valid_from"))]
    valid_until: Maybe<NaiveDate>,
    /// Whether it is switched on.
    #[serde(default)]
    is_active: Maybe<bool>,
}

/// An offer, in paise (`WalletOfferOut`).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WalletOfferOut")]
pub(super) struct OfferView {
    /// The offer.
    id: OfferId,
    /// What patients read.
    title: String,
    /// Paise: the least that must be paid.
    amount: Paise,
    /// Paise: what is given on top.
    bonus_amount: Paise,
    /// The first day, in UTC.
    valid_from: NaiveDate,
    /// The last day, in UTC.
    valid_until: NaiveDate,
    /// Whether it is switched on.
    is_active: bool,
}

impl From<Offer> for OfferView {
    fn from(offer: Offer) -> Self {
        let Offer { id, title, amount, bonus_amount, valid_from, valid_until, is_active } = offer;
        Self { id, title, amount, bonus_amount, valid_from, valid_until, is_active }
    }
}

impl CreateOffer {
    /// The offer, with a new id.
    pub(super) fn offer(self) -> Result<Offer> {
        checked(Offer {
            id: OfferId::new(),
            title: self.title.trim().to_owned(),
            amount: self.amount.0,
            bonus_amount: self.bonus_amount.map_or(Paise::ZERO, |Rupees(bonus)| bonus),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            is_active: true,
        })
    }
}

impl UpdateOffer {
    /// The offer after the changes: its dates are judged as a whole.
    pub(super) fn apply(self, mut offer: Offer) -> Result<Offer> {
        offer.amount = self.amount.0.map_or(offer.amount, |Rupees(amount)| amount);
        offer.bonus_amount = self.bonus_amount.0.map_or(offer.bonus_amount, |Rupees(bonus)| bonus);
        if let Some(title) = self.title.0 {
            title.trim().clone_into(&mut offer.title);
        }
        offer.valid_from = self.valid_from.0.unwrap_or(offer.valid_from);
        offer.valid_until = self.valid_until.0.unwrap_or(offer.valid_until);
        offer.is_active = self.is_active.0.unwrap_or(offer.is_active);
        checked(offer)
    }
}

/// Dates that came together were held against each other with the rest of their request.
fn checked(offer: Offer) -> Result<Offer> {
    if offer.valid_until < offer.valid_from {
        return Err(Error::invalid(Issue::body("valid_until", "value_error", "Input should not be before valid_from")));
    }
    Ok(offer)
}
