//! A driver's objection to a receipt.

use serde::{Deserialize, Serialize};

use crate::place::codes;

/// The longest text of a dispute or of its answer, in characters.
pub const TEXT_MAX: usize = 2_000;

/// What the driver objects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DisputeReason {
    /// Another bay was meant.
    WrongBay,
    /// The same parking was paid for twice.
    DoubleCharge,
    /// The price is not what was shown, or not right.
    WrongAmount,
    /// The vehicle left earlier than was paid for.
    LeftEarly,
    /// The bay was taken or closed.
    CouldNotPark,
    /// Somebody asked for cash on top of the payment.
    CashAsked,
    /// Something else.
    Other,
}

codes!(DisputeReason {
    WrongBay = "wrong_bay",
    DoubleCharge = "double_charge",
    WrongAmount = "wrong_amount",
    LeftEarly = "left_early",
    CouldNotPark = "could_not_park",
    CashAsked = "cash_asked",
    Other = "other",
});

impl DisputeReason {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 7] = [
        Self::CashAsked,
        Self::WrongBay,
        Self::DoubleCharge,
        Self::WrongAmount,
        Self::LeftEarly,
        Self::CouldNotPark,
        Self::Other,
    ];
}

/// Where a dispute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// Waits for staff.
    Open,
    /// Decided for the driver; money goes back.
    Refunded,
    /// Decided against.
    Refused,
}

codes!(DisputeStatus { Open = "open", Refunded = "refunded", Refused = "refused" });
