#![allow(clippy::unwrap_used)]

use chrono::DateTime;
use proptest::prelude::*;

use super::*;

const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

fn minute(minute: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn booked(number: &str, amount: i64, at: i64) -> Booked {
    Booked {
        at: minute(at),
        kind: MoneyKind::Payment,
        gateway_ref: Some(number.into()),
        reference: Some(format!("CB{number}")),
        amount_vnd: Vnd::new(amount),
        outcome: "posted".into(),
        payment: None,
    }
}

fn told(number: &str, amount: i64, at: i64) -> StatementRow {
    StatementRow {
        at: minute(at),
        latest: minute(at),
        kind: MoneyKind::Payment,
        gateway_ref: number.into(),
        reference: None,
        amount_vnd: Vnd::new(amount),
        moved: true,
        line: 0,
    }
}

#[test]
fn each_row_goes_where_it_belongs() {
    let ours = [
        booked("agreed", 25_000, 1),
        booked("ours", 30_000, 2),
        booked("less", 60_000, 3),
        booked("late", 60_000, 4),
        booked("failed", 60_000, 5),
    ];
    let mut failed = told("failed", 60_000, 5);
    failed.moved = false;
    let attempt = StatementRow {
        gateway_ref: "attempt".into(),
        ..failed.clone()
    };
    let theirs = [
        told("agreed", 25_000, 6),
        told("agreed", 25_000, 6),
        told("theirs", 35_000, 7),
        told("less", 59_999, 3),
        told("late", 60_000, 10),
        failed,
        attempt,
    ];
    let found = reconcile(&ours, &theirs, TOLERANCE);
    assert_eq!(found.matched.len(), 1);
    assert_eq!(found.repeated, [&theirs[1]]);
    assert_eq!(found.missing_here, [&theirs[2]]);
    assert_eq!(found.missing_there, [&ours[1]]);
    let differs: Vec<_> = found.differing.iter().map(|p| p.differs.clone()).collect();
    use Difference::{Amount, Status, Time};
    assert_eq!(differs, [vec![Amount], vec![Time], vec![Status]]);
    assert_eq!(found.not_moved, [&theirs[6]]);
    assert!(!found.agrees());

    let totals = found.totals().unwrap();
    assert_eq!(totals.differing.ours_vnd, Vnd::new(180_000));
    assert_eq!(totals.differing.theirs_vnd, Vnd::new(179_999));
    assert_eq!(totals.missing_there.ours_vnd, Vnd::new(30_000));
}

#[test]
fn a_refund_is_one_by_its_kind_or_its_sign() {
    let refund = |amount| Booked {
        kind: MoneyKind::Refund,
        ..booked("r", amount, 1)
    };
    let by_sign = [told("r", -25_000, 1)];
    let mut by_kind = [told("r", 25_000, 1)];
    by_kind[0].kind = MoneyKind::Refund;
    let ours = [refund(25_000)];
    assert!(reconcile(&ours, &by_sign, TOLERANCE).agrees());
    assert!(reconcile(&ours, &by_kind, TOLERANCE).agrees());
    // The payment that bears the same number is another movement.
    let payment = [told("r", 25_000, 1)];
    let found = reconcile(&ours, &payment, TOLERANCE);
    assert_eq!(
        (found.missing_here.len(), found.missing_there.len()),
        (1, 1)
    );
    let totals = found.totals().unwrap();
    assert_eq!(totals.missing_there.ours_vnd, Vnd::new(-25_000));
}

#[test]
fn what_has_no_number_is_found_by_its_reference_and_amount() {
    let by_hand = |amount| Booked {
        gateway_ref: None,
        reference: Some("CBX".into()),
        ..booked("", amount, 1)
    };
    let named = |number: &str, amount| StatementRow {
        reference: Some("CBX".into()),
        ..told(number, amount, 1)
    };
    let ours = [by_hand(1), by_hand(2)];
    let theirs = [named("a", 2), named("b", 3)];
    let found = reconcile(&ours, &theirs, TOLERANCE);
    assert_eq!(found.matched[0].theirs, &theirs[0]);
    assert_eq!(found.differing[0].theirs, &theirs[1]);
    // Rows without a reference are nobody's.
    let nameless = [told("a", 1, 1)];
    let ours = [Booked {
        reference: None,
        ..by_hand(1)
    }];
    assert_eq!(reconcile(&ours, &nameless, TOLERANCE).missing_here.len(), 1);
}

#[test]
fn of_repeated_rows_the_one_that_agrees_counts() {
    let ours = [booked("a", 25_000, 1)];
    let theirs = [told("a", 24_000, 0), told("a", 25_000, 1)];
    let found = reconcile(&ours, &theirs, TOLERANCE);
    assert_eq!(found.matched[0].theirs, &theirs[1]);
    assert_eq!(found.repeated, [&theirs[0]]);
}

#[test]
fn a_statement_that_tells_only_the_day_differs_in_no_minute() {
    let ours = [booked("a", 1, 700)];
    let day = [StatementRow {
        latest: minute(1439),
        ..told("a", 1, 0)
    }];
    assert!(reconcile(&ours, &day, TimeDelta::zero()).agrees());
}

/// Few numbers, references and amounts, so that rows meet.
fn ours() -> impl Strategy<Value = Booked> {
    let number = prop::option::of("[a-d]");
    let reference = prop::option::of("[x-y]");
    (number, reference, -3i64..4, 0i64..12, any::<bool>()).prop_map(
        |(gateway_ref, reference, amount, at, refund)| Booked {
            gateway_ref,
            reference,
            kind: [MoneyKind::Payment, MoneyKind::Refund][usize::from(refund)],
            ..booked("", amount, at)
        },
    )
}

fn theirs() -> impl Strategy<Value = StatementRow> {
    let reference = prop::option::of("[x-y]");
    (
        "[a-d]",
        reference,
        -3i64..4,
        0i64..12,
        any::<(bool, bool)>(),
    )
        .prop_map(
            |(number, reference, amount, at, (refund, moved))| StatementRow {
                reference,
                moved,
                kind: [MoneyKind::Payment, MoneyKind::Refund][usize::from(refund)],
                ..told(&number, amount, at)
            },
        )
}

proptest! {
    #[test]
    fn every_row_ends_in_exactly_one_list_in_any_order(
        (ours, shuffled_ours) in prop::collection::vec(ours(), 0..12)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        (theirs, shuffled_theirs) in prop::collection::vec(theirs(), 0..12).prop_map(|mut rows| {
            for (line, row) in (1..).zip(&mut rows) { row.line = line; }
            rows
        }).prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
    ) {
        let found = reconcile(&ours, &theirs, TOLERANCE);
        prop_assert_eq!(&found, &reconcile(&shuffled_ours, &shuffled_theirs, TOLERANCE));

        let pairs = || found.matched.iter().chain(&found.differing);
        let mut here: Vec<&Booked> = pairs().map(|pair| pair.ours).collect();
        here.extend(&found.missing_there);
        here.sort();
        prop_assert_eq!(here, sorted(&ours));

        let mut there: Vec<&StatementRow> = pairs().map(|pair| pair.theirs).collect();
        there.extend(found.missing_here.iter().chain(&found.repeated).chain(&found.not_moved));
        there.sort();
        prop_assert_eq!(there, sorted(&theirs));

        let totals = found.totals().unwrap();
        let lists = [totals.matched, totals.missing_here, totals.missing_there,
                     totals.differing, totals.repeated, totals.not_moved];
        prop_assert_eq!(
            lists.iter().map(|total| total.ours_vnd.get()).sum::<i64>(),
            ours.iter().map(|row| row.flow().get()).sum::<i64>()
        );
        prop_assert_eq!(
            lists.iter().map(|total| total.theirs_vnd.get()).sum::<i64>(),
            theirs.iter().map(|row| row.flow().get()).sum::<i64>()
        );
        prop_assert!(found.matched.iter().all(|pair| pair.differs.is_empty()));
    }
}
