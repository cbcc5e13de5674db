//! Who works behind the counter.

use serde::{Deserialize, Serialize};

use crate::place::codes;

/// What a member of staff may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Watch lots, write notices, answer disputes.
    #[default]
    Staff,
    /// The same, and say who else may: for their own operator, or, of the city, for all.
    Administrator,
    /// Reads what the city's staff read, and changes nothing. The city's alone.
    Auditor,
}

codes!(Role { Staff = "staff", Administrator = "administrator", Auditor = "auditor" });

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(code: String) -> Result<Self, UnknownRole> {
        Self::from_code(&code).ok_or(UnknownRole)
    }
}

/// A code is no role's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role")]
pub struct UnknownRole;
