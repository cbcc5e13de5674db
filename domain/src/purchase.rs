//! What a payment pays for, and how it is shared.

use serde::{Deserialize, Serialize};

use crate::money::Vnd;
use crate::place::codes;
use crate::vat::vat_contained;

/// What is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PurchaseKind {
    /// The first time of a session.
    Start,
    /// More time of a session.
    Extension,
    /// Money in a wallet.
    TopUp,
    /// A monthly pass.
    Pass,
}

codes!(PurchaseKind {
    Start = "start", Extension = "extension", TopUp = "top_up", Pass = "pass",
});

/// Where a purchase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PurchaseStatus {
    /// Waits for its payment.
    Pending,
    /// Paid.
    Paid,
    /// Never paid in time.
    Lapsed,
}

codes!(PurchaseStatus { Pending = "pending", Paid = "paid", Lapsed = "lapsed" });

/// One whole in basis points.
const WHOLE_BP: i64 = 10_000;

/// Whose parts of a payment are which. The three sum to the payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Value-added tax contained in the price, rounded half up.
    pub vat_vnd: Vnd,
    /// The city's share of what remains, rounded down.
    pub city_vnd: Vnd,
    /// The operator's: all the rest.
    pub operator_vnd: Vnd,
}

impl Shares {
    /// The shares of a payment of `amount_vnd`, which is never negative.
    ///
    /// Rates are in basis points of at most 10,000: a price of 108 with 800 contains a tax of 8.
    pub fn of(amount_vnd: Vnd, vat_bp: u16, city_share_bp: u16) -> Self {
        let vat_vnd = vat_contained(amount_vnd, vat_bp);
        // Each part is at most the whole, which fits.
        let less = |amount: Vnd, part: Vnd| amount.checked_sub(part).unwrap_or_default();
        let net_vnd = less(amount_vnd, vat_vnd);
        let city_vnd = net_vnd
            .portion(i64::from(city_share_bp).min(WHOLE_BP), WHOLE_BP)
            .unwrap_or_default();
        Self {
            vat_vnd,
            city_vnd,
            operator_vnd: less(net_vnd, city_vnd),
        }
    }

    /// The rate by which a payment of `amount_vnd` gave `city_vnd` to the city: the lowest by which [`Shares::of`] gives
    /// as much. Of a payment of ten thousand đồng without tax, or more, it is the only one.
    pub fn city_share_bp(amount_vnd: Vnd, vat_bp: u16, city_vnd: Vnd) -> u16 {
        let net_vnd = Self::of(amount_vnd, vat_bp, 0).operator_vnd;
        if net_vnd <= Vnd::ZERO {
            return 0;
        }
        let whole = i128::from(city_vnd.get()) * i128::from(WHOLE_BP);
        let net = i128::from(net_vnd.get());
        let rate = (whole + net - 1) / net;
        u16::try_from(rate.clamp(0, i128::from(WHOLE_BP))).unwrap_or_default()
    }

    /// What each part gives up when a payment of which `before_vnd` had remained is lowered to
    /// `after_vnd`: the difference of the two sharings, so that a payment that goes back in many
    /// pieces takes exactly its shares with it.
    pub fn given_back(before_vnd: Vnd, after_vnd: Vnd, vat_bp: u16, city_share_bp: u16) -> Self {
        let before = Self::of(before_vnd, vat_bp, city_share_bp);
        let after = Self::of(after_vnd, vat_bp, city_share_bp);
        // Shares grow with the amount, each by at most as much: the differences fit.
        let part = |a: Vnd, b: Vnd| a.checked_sub(b).unwrap_or_default();
        Self {
            vat_vnd: part(before.vat_vnd, after.vat_vnd),
            city_vnd: part(before.city_vnd, after.city_vnd),
            operator_vnd: part(before.operator_vnd, after.operator_vnd),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_contains_its_tax() {
        let shares = Shares::of(Vnd::new(108_000), 800, 2_000);
        assert_eq!(shares.vat_vnd, Vnd::new(8_000));
        assert_eq!(shares.city_vnd, Vnd::new(20_000));
        assert_eq!(shares.operator_vnd, Vnd::new(80_000));
    }

    proptest! {
        #[test]
        fn what_a_city_was_given_tells_by_which_rate(
            amount in 0i64..=i64::MAX,
            vat in 0u16..=10_000,
            city in 0u16..=10_000,
        ) {
            let amount = Vnd::new(amount);
            let shares = Shares::of(amount, vat, city);
            let found = Shares::city_share_bp(amount, vat, shares.city_vnd);
            prop_assert_eq!(Shares::of(amount, vat, found), shares);
            if amount.get() >= 2 * WHOLE_BP {
                prop_assert_eq!(found, city);
            }
        }

        #[test]
        fn shares_sum_to_the_payment(
            amount in 0i64..=i64::MAX,
            vat in 0u16..=10_000,
            city in 0u16..=10_000,
        ) {
            let shares = Shares::of(Vnd::new(amount), vat, city);
            let parts = [shares.vat_vnd, shares.city_vnd, shares.operator_vnd];
            prop_assert!(parts.iter().all(|part| *part >= Vnd::ZERO));
            prop_assert_eq!(Vnd::checked_sum(parts), Some(Vnd::new(amount)));
        }

        /// However a payment goes back in pieces, every account ends at nothing, and no piece
        /// takes from an account what it was not given.
        #[test]
        fn pieces_take_exactly_their_shares(
            pieces in prop::collection::vec(1i64..1_000_000, 1..8),
            vat in 0u16..=10_000,
            city in 0u16..=10_000,
        ) {
            let amount: i64 = pieces.iter().sum();
            let whole = Shares::of(Vnd::new(amount), vat, city);
            let (mut left, mut vats, mut cities, mut operators) = (amount, 0, 0, 0);
            for piece in pieces {
                let back = Shares::given_back(Vnd::new(left), Vnd::new(left - piece), vat, city);
                let parts = [back.vat_vnd, back.city_vnd, back.operator_vnd];
                prop_assert!(parts.iter().all(|part| *part >= Vnd::ZERO));
                prop_assert_eq!(Vnd::checked_sum(parts), Some(Vnd::new(piece)));
                left -= piece;
                vats += back.vat_vnd.get();
                cities += back.city_vnd.get();
                operators += back.operator_vnd.get();
            }
            prop_assert_eq!(vats, whole.vat_vnd.get());
            prop_assert_eq!(cities, whole.city_vnd.get());
            prop_assert_eq!(operators, whole.operator_vnd.get());
        }
    }
}
