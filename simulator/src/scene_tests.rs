#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use domain::Timestamp;

use super::*;
use crate::city::hanoi;

fn window(hours: i64) -> Window {
    let from = Timestamp::from_timestamp(1_795_305_600, 0).unwrap();
    Window {
        from,
        to: from + TimeDelta::hours(hours),
    }
}

#[test]
fn the_same_city_does_the_same_again() {
    let place = hanoi(200).unwrap();
    let [one, two] = [1, 1].map(|seed| Scene::new(seed, &place).happenings(window(24)));
    assert_eq!(one.reports, two.reports);
    assert_eq!(one.purchases, two.purchases);
    let other = Scene::new(2, &place).happenings(window(24));
    assert_ne!(one.reports, other.reports);
    let keys: HashSet<_> = one.purchases.iter().map(|purchase| purchase.key).collect();
    assert_eq!(
        keys.len(),
        one.purchases.len(),
        "every purchase has its own key"
    );
    assert!(
        other
            .purchases
            .iter()
            .all(|purchase| !keys.contains(&purchase.key))
    );
}

#[test]
fn happenings_are_in_order_and_within_the_window() {
    let scene = Scene::new(1, &hanoi(200).unwrap());
    let window = window(24);
    let found = scene.happenings(window);
    assert!(found.reports.is_sorted_by_key(|report| report.sent_at));
    assert!(found.purchases.is_sorted_by_key(|purchase| purchase.at));
    let within = |at: Timestamp| window.from <= at && at < window.to;
    assert!(found.reports.iter().all(|report| within(report.sent_at)));
    assert!(found.purchases.iter().all(|purchase| within(purchase.at)));
    assert!(
        found
            .reports
            .iter()
            .all(|report| scene.bay(report).is_some())
    );
}

#[test]
fn a_week_of_the_city_can_be_sent_within_a_minute() {
    let scene = Scene::new(1, &hanoi(2_000).unwrap());
    let started = std::time::Instant::now();
    let week = scene.happenings(window(7 * 24));
    let paid = week
        .purchases
        .iter()
        .filter(|purchase| purchase.order.is_some())
        .count();
    println!(
        "7 days, 2,000 bays: {} messages, {} sessions, {paid} transfers, planned in {:.1} s",
        week.reports.len(),
        week.purchases.len(),
        started.elapsed().as_secs_f64()
    );
    assert!((250_000..450_000).contains(&week.reports.len()));
    assert!((50_000..120_000).contains(&week.purchases.len()));
}
