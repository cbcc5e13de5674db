#![allow(clippy::unwrap_used)]

use chrono::{DateTime, TimeDelta};

use super::*;

pub(super) fn at(minute: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minute)
}

pub(super) fn span(from: i64, until: i64) -> Span {
    Span {
        from: at(from),
        until: at(until),
    }
}

pub(super) fn stay(from: i64, to: i64) -> SeenStay {
    SeenStay {
        from: at(from),
        to: at(to),
        is_open: false,
    }
}

pub(super) fn session(from: i64, to: i64, collected_vnd: i64) -> PaidSession {
    PaidSession {
        from: at(from),
        to: at(to),
        collected_vnd,
        waived: None,
        given_back_vnd: 0,
        is_unsettled: false,
    }
}

/// A hundred đồng a minute.
pub(super) fn board(_: VehicleClass, from: Timestamp, to: Timestamp) -> Option<i64> {
    Some((to - from).num_minutes() * 100)
}

pub(super) fn bay(number: i32, stays: &[SeenStay], sessions: &[PaidSession]) -> SeenBay {
    SeenBay {
        bay: BayId(number),
        class: VehicleClass::Car,
        stays: stays.to_vec(),
        sessions: sessions.to_vec(),
        unknown: Vec::new(),
    }
}

/// The sum as of a minute that is after everything, with what unsure time costs at the board's price.
pub(super) fn sum_of(bays: &[SeenBay], now: i64) -> Collection {
    let found = collect(bays, at(now), board);
    let mut sum = Collection::default();
    for part in &found.parts {
        assert!(part.sum.is_balanced(), "{part:?}");
        sum += part.sum;
    }
    for unsure in &found.unsure {
        let cost = Rate::cost_vnd(&[Rate::hour(6_000)], unsure.span.length_us());
        sum.uncertainty.due_more_vnd += cost;
        if !unsure.is_paid {
            sum.uncertainty.owed_more_vnd += cost;
        }
    }
    sum
}

fn of(stay: SeenStay, sessions: &[PaidSession]) -> Collection {
    sum_of(&[bay(1, &[stay], sessions)], 10_000)
}

#[test]
fn each_way_not_to_pay_has_its_name() {
    let whole = of(stay(0, 60), &[session(-5, 60, 6_000)]);
    assert_eq!((whole.due_vnd, whole.collected_vnd), (6_000, 6_000));
    assert_eq!(whole.owed_vnd(), 0);
    assert_eq!(of(stay(0, 60), &[]).unpaid_vnd, 6_000);
    assert_eq!(of(stay(0, 5), &[]).grace_vnd, 500);
    assert_eq!(of(stay(0, 60), &[session(0, 30, 3_000)]).short_vnd, 3_000);
    assert_eq!(of(stay(0, 63), &[session(0, 60, 6_000)]).grace_vnd, 300);
    assert_eq!(of(stay(0, 30), &[session(0, 60, 6_000)]).beyond_vnd, 3_000);
    // The next vehicle's session, and nobody's.
    let next = of(stay(0, 60), &[session(60, 90, 3_000)]);
    assert_eq!((next.elsewhere_vnd, next.unseen_vnd()), (3_000, 3_000));
    let exempt = PaidSession {
        waived: Some((Waiver::Exemption, 9_000)),
        ..session(0, 90, 0)
    };
    assert_eq!(of(stay(0, 60), &[exempt]).exempt_vnd, 6_000);
    let complained = PaidSession {
        given_back_vnd: 6_000,
        ..session(0, 60, 0)
    };
    let found = of(stay(0, 60), &[complained]);
    assert_eq!((found.given_back_vnd, found.grace_vnd), (6_000, 0));
    let stayed_on = of(stay(0, 90), &[complained]);
    assert_eq!(
        (stayed_on.given_back_vnd, stayed_on.short_vnd),
        (6_000, 3_000)
    );
}

#[test]
fn who_pays_only_for_the_end_owes_the_rest() {
    let late = of(stay(0, 300), &[session(240, 300, 6_000)]);
    assert_eq!((late.short_vnd, late.grace_vnd), (24_000, 0));
    let in_parts = [session(0, 100, 10_000), session(103, 300, 19_700)];
    let gap = of(stay(0, 300), &in_parts);
    assert_eq!((gap.short_vnd, gap.grace_vnd), (0, 300));
}

#[test]
fn a_session_is_the_stay_s_with_which_it_shares_most() {
    let stays = [stay(0, 20), stay(25, 80)];
    let found = sum_of(&[bay(1, &stays, &[session(15, 75, 5_500)])], 10_000);
    assert_eq!((found.unpaid_vnd, found.owed_vnd()), (2_000, 2_000));
}

#[test]
fn what_no_board_prices_is_nobody_s_to_pay() {
    let bays = [bay(1, &[stay(0, 60)], &[session(0, 60, 6_000)])];
    let found = collect(&bays, at(10_000), |_, _, _| None);
    let sum = found.parts[0].sum;
    assert!(sum.is_balanced() && found.parts.len() == 1);
    assert_eq!((sum.stays, sum.due_vnd, sum.beyond_vnd), (0, 0, 6_000));
}

#[test]
fn who_pays_for_a_bay_nearby_has_paid() {
    let unpaid = || bay(1, &[stay(0, 60)], &[]);
    let other = |sessions: &[PaidSession]| bay(2, &[], sessions);
    let right = sum_of(&[unpaid(), other(&[session(2, 62, 6_000)])], 10_000);
    assert_eq!(
        (right.paid_elsewhere_vnd, right.elsewhere_vnd),
        (6_000, 6_000)
    );
    assert_eq!(
        (right.owed_vnd(), right.due_vnd, right.collected_vnd),
        (0, 6_000, 6_000)
    );
    assert!(right.owed().is_exact());
    // For less than the stay, for more, and with a pass.
    let less = sum_of(&[unpaid(), other(&[session(0, 30, 3_000)])], 10_000);
    assert_eq!((less.paid_elsewhere_vnd, less.short_vnd), (3_000, 3_000));
    let more = sum_of(&[unpaid(), other(&[session(0, 90, 9_000)])], 10_000);
    assert_eq!(
        (more.paid_elsewhere_vnd, more.elsewhere_vnd),
        (6_000, 9_000)
    );
    let pass = PaidSession {
        waived: Some((Waiver::Pass, 6_000)),
        ..session(0, 60, 0)
    };
    let pass = sum_of(&[unpaid(), other(&[pass])], 10_000);
    assert_eq!((pass.pass_vnd, pass.owed_vnd()), (6_000, 0));
    // Too short a time, another class, a bay that held a vehicle.
    let short = sum_of(&[unpaid(), other(&[session(46, 90, 4_400)])], 10_000);
    assert_eq!((short.unpaid_vnd, short.elsewhere_vnd), (6_000, 4_400));
    let mut motorbike = other(&[session(0, 60, 6_000)]);
    motorbike.class = VehicleClass::Motorbike;
    assert_eq!(sum_of(&[unpaid(), motorbike], 10_000).unpaid_vnd, 6_000);
    let taken = bay(2, &[stay(50, 70)], &[session(0, 60, 6_000)]);
    assert_eq!(sum_of(&[unpaid(), taken], 10_000).unpaid_vnd, 6_000);
}

#[test]
fn one_session_pays_for_one_vehicle_and_the_likeliest() {
    let stays = [bay(1, &[stay(0, 30)], &[]), bay(2, &[stay(5, 65)], &[])];
    let paid = bay(3, &[], &[session(4, 64, 6_000)]);
    let found = sum_of(&[stays[0].clone(), stays[1].clone(), paid], 10_000);
    assert_eq!((found.paid_elsewhere_vnd, found.unpaid_vnd), (6_000, 3_000));
}

#[test]
fn what_nobody_saw_makes_a_range() {
    // The sensor fell silent while the vehicle was there.
    let mut touched = bay(1, &[stay(0, 60)], &[]);
    touched.unknown = vec![span(30, 90)];
    let found = sum_of(&[touched.clone()], 10_000);
    assert_eq!(
        (found.stays, found.uncertainty.unsure_stays, found.due_vnd),
        (0, 1, 0)
    );
    assert_eq!(
        found.owed(),
        Bounds {
            low_vnd: 0,
            high_vnd: 9_000
        }
    );
    assert_eq!(
        found.due(),
        Bounds {
            low_vnd: 0,
            high_vnd: 9_000
        }
    );
    // Who paid for it owes nothing for that time.
    touched.sessions = vec![session(0, 60, 6_000)];
    let paid = sum_of(&[touched], 10_000);
    assert_eq!((paid.unknown_vnd, paid.elsewhere_vnd), (6_000, 0));
    assert_eq!(
        paid.owed(),
        Bounds {
            low_vnd: 0,
            high_vnd: 3_000
        }
    );
    assert_eq!(paid.due().high_vnd, 9_000);
    // A session may have been that of a vehicle that came after the known one, unseen.
    let mut doubtful = bay(1, &[stay(0, 60)], &[session(0, 60, 6_000)]);
    doubtful.unknown = vec![span(65, 70)];
    let found = sum_of(&[doubtful], 10_000);
    assert_eq!(
        found.owed(),
        Bounds {
            low_vnd: 0,
            high_vnd: 6_500
        }
    );
    // And one of a bay that nobody saw may have paid for the vehicle next to it.
    let mut blind = bay(2, &[], &[session(0, 60, 6_000)]);
    blind.unknown = vec![span(0, 60)];
    let found = sum_of(&[bay(1, &[stay(0, 60)], &[]), blind], 10_000);
    assert_eq!((found.unpaid_vnd, found.unknown_vnd), (6_000, 6_000));
    assert_eq!(
        found.owed(),
        Bounds {
            low_vnd: 0,
            high_vnd: 6_000
        }
    );
}

#[test]
fn what_is_not_over_is_open() {
    let mut there = stay(0, 60);
    there.is_open = true;
    let open = sum_of(&[bay(1, &[there], &[session(0, 20, 2_000)])], 60);
    assert_eq!(
        (open.open_vnd, open.owed_vnd(), open.due_vnd),
        (4_000, 0, 6_000)
    );
    assert_eq!(open.uncertainty.open_stays, 1);
    // Who pays when they leave has paid nothing yet: that is no grace.
    let running = PaidSession {
        is_unsettled: true,
        ..session(0, 240, 0)
    };
    let until_then = sum_of(&[bay(1, &[there], &[running])], 60);
    assert_eq!((until_then.open_vnd, until_then.grace_vnd), (6_000, 0));
    assert_eq!(
        open.owed(),
        Bounds {
            low_vnd: 0,
            high_vnd: 4_000
        }
    );
    // The vehicle of a session that has just been paid may still come.
    let early = sum_of(&[bay(1, &[], &[session(58, 120, 6_200)])], 60);
    assert_eq!((early.unknown_vnd, early.elsewhere_vnd), (6_200, 0));
}

#[test]
fn an_hour_costs_what_hours_did_and_more_where_that_rests_on_little() {
    let of = |stays, due_vnd, hours: i64| {
        Rate::of(&Collection {
            stays,
            due_vnd,
            seen_us: hours * 3_600_000_000,
            ..Collection::default()
        })
    };
    let (own, zone, board) = (
        of(100, 1_000_000, 100),
        of(900, 1_800_000, 90),
        Rate::hour(25_000),
    );
    let hour = 3_600_000_000;
    let cost = |rates: &[Rate]| Rate::cost_vnd(rates, hour);
    assert_eq!(cost(&[own, zone, board]), 10_000);
    // One free stay says nothing.
    assert_eq!(cost(&[of(1, 0, 1), zone, board]), 20_000);
    assert_eq!(cost(&[of(1, 90_000, 1), zone, board]), 90_000);
    assert_eq!(cost(&[Rate::default(), Rate::default(), board]), 25_000);
    assert_eq!(cost(&[]), 0);
    assert_eq!(Rate::cost_vnd(&[Rate::hour(1)], 1), 1);
    assert_eq!(Rate::cost_vnd(&[Rate::hour(i64::MAX)], i64::MAX), i64::MAX);
}
