//! A price with its reasons.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::money::Vnd;

/// A price with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quote {
    /// The sum of the lines.
    pub amount_vnd: Vnd,
    /// The reasons, in order of time. Never empty.
    pub lines: Vec<QuoteLine>,
}

/// One reason of a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuoteLine {
    /// Where the priced interval begins.
    pub from: DateTime<Utc>,
    /// Where it ends.
    pub to: DateTime<Utc>,
    /// The price of one unit.
    pub rate_vnd: Vnd,
    /// How many units are charged.
    pub units: i64,
    /// `rate_vnd` times `units`; negative only in lines that apply a maximum or deduct what is
    /// already paid.
    pub amount_vnd: Vnd,
    /// The reason in Vietnamese.
    pub text: String,
    /// The reason in English.
    pub text_en: String,
}

/// Why an interval has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The interval is empty or runs backwards.
    #[error("the end must be later than the start")]
    NoTime,
    /// The interval exceeds [`MAX_QUOTED`](super::MAX_QUOTED).
    #[error("at most 31 days can be quoted at once")]
    TooLong,
    /// No version prices that time.
    #[error("no tariff is in force at that time")]
    NoTariff,
    /// The tariff in force knows no such exemption.
    #[error("the tariff knows no such ground of exemption")]
    NoGround,
    /// The amount does not fit.
    #[error("the price is too large to be stated")]
    Overflow,
}
