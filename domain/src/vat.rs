//! Value added tax that is already in the price, as on every price board in Vietnam.

use crate::money::Vnd;

/// The tax in a price that contains it: `amount × rate / (10000 + rate)`, to the nearest đồng,
/// halves away from zero, so that a refund contains the negative of what the payment contained.
///
/// `rate_bp` is the rate in basis points: 800 is 8 %. Net and tax always sum to the amount, because
/// the net is what the tax leaves: `amount - vat_contained(amount, rate_bp)`.
pub fn vat_contained(amount: Vnd, rate_bp: u16) -> Vnd {
    let (amount, rate) = (i128::from(amount.get()), i128::from(rate_bp));
    let whole = 10_000 + rate;
    let vat = (2 * amount.abs() * rate + whole) / (2 * whole) * amount.signum();
    // Never more than the amount, which is an i64.
    Vnd::new(vat as i64)
}

/// The tax in each of the lines of one bill, summing to exactly the tax in the bill's total.
///
/// Taxing each line for itself would miss the total's tax by some đồng. So each line gets what the
/// running total's tax grows by: no line is off by more than one đồng. `None` where a sum does not fit.
pub fn vat_by_line(amounts: &[Vnd], rate_bp: u16) -> Option<Vec<Vnd>> {
    let mut total = Vnd::ZERO;
    amounts
        .iter()
        .map(|amount| {
            let before = vat_contained(total, rate_bp);
            total = total.checked_add(*amount)?;
            vat_contained(total, rate_bp).checked_sub(before)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_halves_up() {
        let vat = |amount, rate| vat_contained(Vnd::new(amount), rate).get();
        assert_eq!(vat(108_000, 800), 8_000);
        assert_eq!(vat(25_000, 800), 1_852); // 1851.85
        assert_eq!(vat(25_000, 1000), 2_273); // 2272.73
        assert_eq!(vat(25_000, 0), 0);
        assert_eq!(vat(1, 10_000), 1); // 0.5
        assert_eq!(vat(-1, 10_000), -1);
        assert_eq!(vat(0, 800), 0);
    }

    #[test]
    fn a_sum_that_does_not_fit_is_no_tax() {
        let most = Vnd::new(i64::MAX);
        assert_eq!(vat_by_line(&[most, Vnd::new(1)], 800), None);
        assert_eq!(vat_by_line(&[], 800), Some(vec![]));
    }

    proptest! {
        #[test]
        fn is_the_nearest_dong(amount in any::<i64>(), rate_bp in any::<u16>()) {
            let vat = i128::from(vat_contained(Vnd::new(amount), rate_bp).get());
            let (amount, rate) = (i128::from(amount), i128::from(rate_bp));
            let off = vat * (10_000 + rate) - amount * rate;
            prop_assert!(2 * off.abs() <= 10_000 + rate);
            prop_assert!(vat.abs() <= amount.abs());
        }

        #[test]
        fn a_refund_gives_back_what_was_contained(amount in -i64::MAX.., rate_bp in any::<u16>()) {
            let (paid, back) = (Vnd::new(amount), Vnd::new(-amount));
            prop_assert_eq!(vat_contained(paid, rate_bp).get(), -vat_contained(back, rate_bp).get());
        }

        #[test]
        fn lines_sum_to_the_total_and_none_is_off_by_more_than_a_dong(
            amounts in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 0..30),
            rate_bp in any::<u16>(),
        ) {
            let amounts: Vec<Vnd> = amounts.into_iter().map(Vnd::new).collect();
            let total = Vnd::checked_sum(amounts.iter().copied()).unwrap();
            let lines = vat_by_line(&amounts, rate_bp).unwrap();
            prop_assert_eq!(
                Vnd::checked_sum(lines.iter().copied()).unwrap(),
                vat_contained(total, rate_bp)
            );
            let whole = 10_000 + i128::from(rate_bp);
            for (amount, vat) in amounts.iter().zip(lines) {
                let exact = i128::from(amount.get()) * i128::from(rate_bp);
                prop_assert!((i128::from(vat.get()) * whole - exact).abs() <= whole);
            }
        }
    }
}
