//! What goes in and out of the payment endpoints.

use consilium_storage::ids::{OfferId, OrderId};
use consilium_storage::money::Paise;
use consilium_storage::states::payment::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct OrderPath {
    /// The order.
    pub(super) order_id: OrderId,
}

/// A top-up that is wanted (114).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreateOrder {
    /// Paise, 1 to 100,000 rupees.
    #[schemars(range(min = 100, max = 10_000_000))]
    pub amount: Paise,
    /// The offer to apply.
    pub offer_id: Option<OfferId>,
}

/// A new order (114).
#[derive(Debug, Serialize, JsonSchema)]
pub struct OrderView {
    /// The order.
    pub order_id: OrderId,
    /// For the provider's SDK.
    pub payment_session_id: String,
    /// Paise.
    pub amount: Paise,
    /// PENDING.
    pub status: Status,
}

/// What became of an order (115).
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerifiedView {
    /// The order.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: Status,
    /// Paise.
    pub amount: Paise,
    /// Paise that the offer adds, as it stood when the order was made.
    pub bonus_amount: Paise,
    /// Whether both are in the wallet.
    pub wallet_credited: bool,
    /// What is in the wallet now, in paise.
    pub wallet_balance: Paise,
}
