//! Hanoi's prices to the đồng, and what the other tests of tariffs share.

#![allow(clippy::unwrap_used)]

use chrono::{DateTime, TimeDelta};
use chrono_tz::Asia::Ho_Chi_Minh;

use super::*;
use crate::money::Vnd;

mod properties;
mod rules;
mod unsound;

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn block(until_min: Option<u32>, rate: i64, per_min: u32) -> Block {
    Block {
        until_min,
        ..Block::open(Vnd::new(rate), per_min)
    }
}

fn tariff(pricing: Pricing) -> Tariff {
    let since = at("2018-01-01T00:00:00+07:00");
    Tariff::new(VehicleClass::Car, since, pricing)
}

fn hanoi_car() -> Tariff {
    tariff(Pricing::Blocks(vec![
        block(Some(120), 25_000, 60),
        block(Some(240), 35_000, 60),
        block(None, 45_000, 60),
    ]))
}

fn window(from: &str, to: &str, rate: i64) -> Window {
    Window {
        name_vi: from.to_owned(),
        name_en: from.to_owned(),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        rate_vnd: Vnd::new(rate),
        blocks: Vec::new(),
    }
}

fn hanoi_motorbike() -> Tariff {
    tariff(Pricing::Windows(vec![
        window("06:00:00", "18:00:00", 5_000),
        window("18:00:00", "06:00:00", 8_000),
    ]))
}

fn quoted(tariff: &Tariff, from: &str, minutes: i64) -> Quote {
    let from = at(from);
    let book = TariffBook::new([tariff], tariff.class, Ho_Chi_Minh);
    book.quote(from, from + TimeDelta::minutes(minutes))
        .unwrap()
}

fn price(tariff: &Tariff, from: &str, minutes: i64) -> i64 {
    quoted(tariff, from, minutes).amount_vnd.get()
}

#[test]
fn hanoi_figures_to_the_dong() {
    let car = hanoi_car();
    let morning = "2026-11-23T08:00:00+07:00";
    for (hours, dong) in [
        (1, 25_000),
        (2, 50_000),
        (3, 85_000),
        (4, 120_000),
        (8, 300_000),
        (9, 345_000),
    ] {
        assert_eq!(price(&car, morning, hours * 60), dong, "{hours} h");
    }
    // A started hour counts whole.
    assert_eq!(price(&car, morning, 61), 50_000);
    let hoan_kiem = tariff(Pricing::Blocks(vec![block(None, 60_000, 120)]));
    assert_eq!(price(&hoan_kiem, morning, 120), 60_000);
    assert_eq!(price(&hoan_kiem, morning, 121), 120_000);
}

#[test]
fn motorbikes_pay_by_day_and_by_night() {
    let bike = hanoi_motorbike();
    assert_eq!(price(&bike, "2026-11-23T08:00:00+07:00", 60), 5_000);
    assert_eq!(price(&bike, "2026-11-23T20:00:00+07:00", 60), 8_000);
    // 23:00 to 05:00 crosses midnight but stays in one night.
    assert_eq!(price(&bike, "2026-11-23T23:00:00+07:00", 360), 8_000);
    assert_eq!(price(&bike, "2026-11-23T17:00:00+07:00", 120), 13_000);
    // Ending on the stroke of six does not touch the night.
    assert_eq!(price(&bike, "2026-11-23T17:00:00+07:00", 60), 5_000);
}

#[test]
fn cap_and_free_minutes_explain_themselves() {
    let capped = Tariff {
        cap_24h_vnd: Some(Vnd::new(200_000)),
        free_min: 10,
        ..hanoi_car()
    };
    let morning = "2026-11-23T08:00:00+07:00";
    assert_eq!(price(&capped, morning, 10), 0);
    assert_eq!(price(&capped, morning, 11), 25_000);
    assert_eq!(price(&capped, morning, 9 * 60), 200_000);
    assert_eq!(price(&capped, morning, 25 * 60), 225_000);
}

#[test]
fn the_version_in_force_is_the_one_at_the_start() {
    let old = hanoi_car();
    let new = Tariff {
        effective_from: at("2026-01-01T00:00:00+07:00"),
        ..hanoi_car()
    };
    let tariffs = [new.clone(), old.clone()];
    let chosen = |when| in_force(&tariffs, VehicleClass::Car, at(when));
    assert_eq!(chosen("2025-12-31T23:59:59+07:00"), Some(&old));
    assert_eq!(chosen("2026-01-01T00:00:00+07:00"), Some(&new));
    assert_eq!(chosen("2017-01-01T00:00:00+07:00"), None);
    assert_eq!(
        in_force(
            &tariffs,
            VehicleClass::Motorbike,
            at("2026-06-01T00:00:00Z")
        ),
        None
    );
}
