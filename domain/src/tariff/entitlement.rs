//! Why somebody pays less than the price board says.

use serde::{Deserialize, Serialize};

use super::Pass;

/// Why a vehicle pays less than the price board says. A session keeps the one it began with, so
/// that all its prices rest on the same ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entitlement {
    /// Time that a pass covers is free.
    Pass(Pass),
    /// All time is free, on a ground that the tariff in force at the start knows.
    Exemption {
        /// The ground's code.
        ground: String,
    },
}
