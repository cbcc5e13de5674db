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

    /// The share of `part` in `whole` of this amount, rounded down; `None` where there is no whole
    /// or it does not fit. Neither part nor amount is negative.
    pub fn portion(self, part: i64, whole: i64) -> Option<Self> {
        let share = i128::from(self.0) * i128::from(part);
        i64::try_from(share.checked_div(i128::from(whole))?)
            .ok()
            .map(Self)
    }

    /// The sum of `amounts`, or `None` where that does not fit.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// The digits in groups of three, joined by `separator`, without a currency sign.
    pub fn grouped(self, separator: char) -> String {
        let mut out = String::with_capacity(26);
        self.push_grouped(separator, &mut out);
        out
    }

    /// As [`Vnd::grouped`], at the end of `out`. Without `core::fmt`: prices are written by the
    /// million.
    pub(crate) fn push_grouped(self, separator: char, out: &mut String) {
        if self.0 < 0 {
            out.push('-');
        }
        let mut groups = [0u16; 7];
        let (mut rest, mut count) = (self.0.unsigned_abs(), 0);
        for group in &mut groups {
            *group = u16::try_from(rest % 1_000).unwrap_or(0);
            rest /= 1_000;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        for (index, group) in groups.iter().take(count).rev().enumerate() {
            let digit = |ten: u16| char::from(b'0' + u8::try_from(group / ten % 10).unwrap_or(0));
            if index > 0 {
                out.push(separator);
            }
            if index > 0 || *group >= 100 {
                out.push(digit(100));
            }
            if index > 0 || *group >= 10 {
                out.push(digit(10));
            }
            out.push(digit(1));
        }
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
        assert_eq!(Vnd::new(1_000_050).grouped(','), "1,000,050");
        assert_eq!(
            Vnd::new(i64::MIN).grouped('.'),
            "-9.223.372.036.854.775.808"
        );
    }

    #[test]
    fn a_portion_is_rounded_down() {
        assert_eq!(Vnd::new(100).portion(1, 3), Some(Vnd::new(33)));
        assert_eq!(Vnd::new(i64::MAX).portion(7, 7), Some(Vnd::new(i64::MAX)));
        assert_eq!(Vnd::new(100).portion(1, 0), None);
        assert_eq!(Vnd::new(i64::MAX).portion(2, 1), None);
    }

    #[test]
    fn overflow_is_no_amount() {
        assert_eq!(Vnd::new(i64::MAX).checked_add(Vnd::new(1)), None);
        assert_eq!(Vnd::new(i64::MAX).checked_mul(2), None);
        assert_eq!(Vnd::checked_sum([Vnd::new(i64::MAX), Vnd::new(1)]), None);
    }
}
