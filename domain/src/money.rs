//! Whole đồng. There is no smaller coin, so there is never a fraction.

use serde::{Deserialize, Serialize};

/// An amount in Vietnamese đồng, whole and signed.
///
/// Arithmetic is checked: an overflow is an error of the caller's, never a wrong amount.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Vnd(i64);

impl Vnd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of `dong` đồng.
    pub const fn new(dong: i64) -> Self {
        Self(dong)
    }

    /// The amount in đồng.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// `self + other`, or `None` where that does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `self - other`, or `None` where that does not fit.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `self` taken `count` times, or `None` where that does not fit.
    pub fn checked_mul(self, count: i64) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }

    /// The sum of `amounts`, or `None` where that does not fit.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// The digits in groups of three, joined by `separator`, without a currency sign.
    pub fn grouped(self, separator: char) -> String {
        let digits = self.0.unsigned_abs().to_string();
        let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
        if self.0 < 0 {
            out.push('-');
        }
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                out.push(separator);
            }
            out.push(digit);
        }
        out
    }
}

impl std::fmt::Display for Vnd {
    /// As Vietnamese price boards write it: `25.000 ₫`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ₫", self.grouped('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::Vnd;

    #[test]
    fn prints_like_a_price_board() {
        assert_eq!(Vnd::new(0).to_string(), "0 ₫");
        assert_eq!(Vnd::new(999).to_string(), "999 ₫");
        assert_eq!(Vnd::new(25_000).to_string(), "25.000 ₫");
        assert_eq!(Vnd::new(-1_234_567).to_string(), "-1.234.567 ₫");
    }

    #[test]
    fn overflow_is_no_amount() {
        assert_eq!(Vnd::new(i64::MAX).checked_add(Vnd::new(1)), None);
        assert_eq!(Vnd::new(i64::MAX).checked_mul(2), None);
        assert_eq!(Vnd::checked_sum([Vnd::new(i64::MAX), Vnd::new(1)]), None);
    }
}
