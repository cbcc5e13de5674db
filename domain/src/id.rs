//! One identifier type per entity, so that a bay's key can never be passed where a lot's is meant.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! key {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i32);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
    )*};
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { text.parse().map(Self) }
        }
    )*};
}

key! {
    /// Key of a city.
    CityId,
    /// Key of a ward, the city's administrative district.
    WardId,
    /// Key of a zone: the bays that share a price.
    ZoneId,
    /// Key of an operator: the company or agency that runs lots.
    OperatorId,
    /// Key of a lot, off-street or a street segment.
    LotId,
    /// Key of a bay, one vehicle's place.
    BayId,
    /// Key of one version of a tariff.
    TariffId,
    /// Key of a planned shift.
    ShiftId,
    /// Key of a handheld terminal.
    TerminalId,
    /// Key of a ledger account.
    AccountId,
}

uuid_id! {
    /// A driver's paid right to park (UUIDv7).
    SessionId,
    /// One attempt to collect money for a session (UUIDv7).
    PaymentId,
    /// Proof of a posted payment (UUIDv4: its address is public, so it must not be guessable).
    ReceiptId,
    /// One movement of money between two accounts (UUIDv7).
    TransferId,
    /// One thing that is bought: time, or money in a wallet (UUIDv7).
    PurchaseId,
    /// Money that goes back (UUIDv7).
    RefundId,
    /// A driver's money with us (UUIDv4).
    WalletId,
    /// A driver who gave a phone number (UUIDv4).
    DriverId,
    /// A driver's objection to a receipt (UUIDv4).
    DisputeId,
    /// A monthly pass, by the number of its purchase (UUIDv7).
    PassId,
    /// The right to park for nothing on some ground (UUIDv4).
    ExemptionId,
    /// A driver's request for an exemption (UUIDv4).
    ExemptionRequestId,
}
