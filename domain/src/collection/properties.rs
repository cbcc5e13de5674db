//! What holds whatever happened.

use proptest::prelude::*;

use super::tests::{at, bay, board, session, span, stay, sum_of};
use super::*;

/// After everything.
const NOW: i64 = 6_000;

type Wish = (i64, i64, (i64, i64), Option<(bool, i64)>);

/// Stays one after the other.
fn stays(lengths: &[(i64, i64)]) -> Vec<SeenStay> {
    let mut minute = 0;
    let mut next = |(gap, length): &(i64, i64)| {
        let from = minute + gap;
        minute = from + length;
        stay(from, minute)
    };
    lengths.iter().map(&mut next).collect()
}

fn sessions(wishes: Vec<Wish>) -> Vec<PaidSession> {
    let session = |(from, length, (amount, given_back_vnd), waived): Wish| PaidSession {
        given_back_vnd,
        waived: waived.map(|(pass, amount)| {
            let why = if pass {
                Waiver::Pass
            } else {
                Waiver::Exemption
            };
            (why, amount)
        }),
        ..session(from, from + length, amount)
    };
    wishes.into_iter().map(session).collect()
}

prop_compose! {
    fn any_bay()(
        lengths in prop::collection::vec((0..90_i64, 1..300_i64), 0..8),
        wishes in prop::collection::vec(
            (-60..2_500_i64, 15..600_i64, (0..100_000_i64, 0..20_000_i64), prop::option::of((any::<bool>(), 0..50_000_i64))), 0..6),
        unknown in prop::collection::vec((0..2_500_i64, 0..300_i64), 0..3),
        is_motorbike in prop::bool::weighted(0.2),
        is_open in any::<bool>(),
    ) -> SeenBay {
        let mut stays = stays(&lengths);
        if let Some(last) = stays.last_mut().filter(|_| is_open) {
            (last.to, last.is_open) = (at(NOW), true);
        }
        SeenBay {
            bay: BayId(0),
            class: if is_motorbike { VehicleClass::Motorbike } else { VehicleClass::Car },
            stays,
            sessions: sessions(wishes),
            unknown: unknown.into_iter().map(|(from, length)| span(from, from + length)).collect(),
        }
    }
}

fn any_lot() -> impl Strategy<Value = Vec<SeenBay>> {
    prop::collection::vec(any_bay(), 0..6).prop_map(|mut bays| {
        for (number, bay) in bays.iter_mut().enumerate() {
            bay.bay = BayId(i32::try_from(number).unwrap_or_default());
        }
        bays
    })
}

fn shuffled(bays: Vec<SeenBay>) -> impl Strategy<Value = Vec<SeenBay>> {
    let one = |bay: SeenBay| {
        let (stays, sessions) = (bay.stays.clone(), bay.sessions.clone());
        (Just(stays).prop_shuffle(), Just(sessions).prop_shuffle()).prop_map(
            move |(stays, sessions)| SeenBay {
                stays,
                sessions,
                ..bay.clone()
            },
        )
    };
    Just(bays)
        .prop_shuffle()
        .prop_flat_map(move |bays| bays.into_iter().map(one).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn nothing_is_lost_and_sums_come_out(bays in any_lot()) {
        let found = sum_of(&bays, NOW);
        prop_assert!(found.is_balanced());
        let all: i64 = bays.iter().map(|bay| bay.stays.len() as i64).sum();
        prop_assert_eq!(found.stays + found.uncertainty.unsure_stays, all);
        let came: i64 = bays.iter().flat_map(|bay| &bay.sessions).map(|session| session.collected_vnd).sum();
        prop_assert_eq!(found.collected_vnd, came);
        for amount in [
            found.given_back_vnd, found.grace_vnd, found.pass_vnd, found.exempt_vnd, found.paid_elsewhere_vnd, found.unpaid_vnd,
            found.short_vnd, found.open_vnd, found.beyond_vnd, found.unknown_vnd, found.elsewhere_vnd,
        ] {
            prop_assert!(amount >= 0, "{:?}", found);
        }
        // No more is explained by other bays than was paid in empty ones.
        prop_assert!(found.paid_elsewhere_vnd <= found.elsewhere_vnd);
    }

    #[test]
    fn what_is_owed_lies_within_its_range(bays in any_lot()) {
        let found = sum_of(&bays, NOW);
        let (owed, due) = (found.owed(), found.due());
        prop_assert!(0 <= owed.low_vnd && owed.low_vnd <= found.owed_vnd(), "{:?}", found);
        prop_assert!(found.owed_vnd() <= owed.high_vnd && due.low_vnd <= due.high_vnd, "{:?}", found);
    }

    #[test]
    fn where_everything_is_known_there_is_one_figure(mut bays in any_lot()) {
        for bay in &mut bays {
            bay.unknown.clear();
            bay.stays.retain(|stay| !stay.is_open);
            bay.sessions.retain(|session| session.to <= at(NOW));
        }
        let found = sum_of(&bays, NOW);
        prop_assert!(found.owed().is_exact() && found.due().is_exact(), "{:?}", found);
        prop_assert_eq!(found.unknown_vnd, 0);
    }

    #[test]
    fn the_order_does_not_matter(
        (bays, other) in any_lot().prop_flat_map(|bays| (Just(bays.clone()), shuffled(bays))),
    ) {
        let key = |part: &Part| (part.at, part.class, part.sum.due_vnd, part.sum.collected_vnd, part.sum.unpaid_vnd);
        let sorted = |bays: &[SeenBay]| {
            let mut found = collect(bays, at(NOW), board);
            found.parts.sort_by_key(key);
            found.unsure.sort_by_key(|unsure| {
                (unsure.span.from, unsure.span.until, unsure.class, unsure.is_unknown, unsure.is_paid)
            });
            found
        };
        prop_assert_eq!(sorted(&bays), sorted(&other));
    }

    /// Time that becomes unknown makes the range of one bay wider, never narrower.
    #[test]
    fn the_less_is_known_the_wider_is_the_range(
        lengths in prop::collection::vec((0..90_i64, 1..300_i64), 0..8),
        (first, second) in ((0..1_500_i64, 1..200_i64), (0..1_500_i64, 1..200_i64)),
    ) {
        let mut seen = bay(1, &stays(&lengths), &[]);
        let mut before = sum_of(&[seen.clone()], NOW).owed();
        for (from, length) in [first, second] {
            seen.unknown.push(span(from, from + length));
            let now = sum_of(&[seen.clone()], NOW).owed();
            prop_assert!(now.low_vnd <= before.low_vnd, "{:?} {:?}", now, before);
            // But for the grace that a stay seen whole has, and one cut off by it has not.
            let grace = 500 * lengths.len() as i64;
            prop_assert!(now.high_vnd + grace >= before.high_vnd, "{:?} {:?}", now, before);
            before = now;
        }
    }

    /// What really happened lies within what is told of it: vehicles come and pay as they like, and the
    /// sensor misses some of it.
    #[test]
    fn the_truth_lies_within_the_range(
        visits in prop::collection::vec(
            (21..90_i64, 1..300_i64, prop::option::of((-9..60_i64, 15..200_i64, prop::bool::weighted(0.2)))), 0..8),
        unknown in prop::collection::vec((0..2_500_i64, 1..400_i64), 0..4),
    ) {
        let lengths: Vec<(i64, i64)> = visits.iter().map(|(gap, length, _)| (*gap, *length)).collect();
        let there = stays(&lengths);
        let until = |index: usize| there.get(index + 1).map_or(at(NOW), |next| next.from - chrono::TimeDelta::minutes(10));
        // Nobody's session reaches into the next vehicle's.
        let paid = there.iter().zip(&visits).enumerate().filter_map(|(index, (stay, (_, _, pays)))| {
            let (after, length, has_pass) = (*pays)?;
            let from = (stay.from + chrono::TimeDelta::minutes(after)).min(stay.to - chrono::TimeDelta::minutes(1));
            let to = (from + chrono::TimeDelta::minutes(length)).min(until(index));
            let price = board(VehicleClass::Car, from, to).filter(|price| *price > 0)?;
            let (collected_vnd, waived) = if has_pass { (0, Some((Waiver::Pass, price))) } else { (price, None) };
            Some(PaidSession { from, to, collected_vnd, waived, given_back_vnd: 0, is_unsettled: false })
        });
        let paid: Vec<PaidSession> = paid.collect();
        let truth = sum_of(&[bay(1, &there, &paid)], NOW);
        prop_assert!(truth.owed().is_exact());
        let unknown: Vec<Span> = unknown.into_iter().map(|(from, length)| span(from, from + length)).collect();
        let all = crate::occupancy::merged(unknown.clone());
        // Who came and left meanwhile was not seen at all.
        let seen: Vec<SeenStay> = there
            .iter()
            .filter(|stay| !crate::occupancy::outside(stay.span(), &all).is_empty())
            .copied()
            .collect();
        let mut told = bay(1, &seen, &paid);
        told.unknown = unknown;
        let told = sum_of(&[told], NOW);
        let (owed, due) = (told.owed(), told.due());
        prop_assert!(owed.low_vnd <= truth.owed_vnd() && truth.owed_vnd() <= owed.high_vnd,
            "{:?} is not {:?}", owed, truth);
        prop_assert!(due.low_vnd <= truth.due_vnd && truth.due_vnd <= due.high_vnd, "{:?} is not {:?}", due, truth);
    }
}
