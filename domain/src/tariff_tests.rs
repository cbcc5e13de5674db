#![allow(clippy::unwrap_used)]
use chrono::DateTime;
use chrono_tz::Asia::Ho_Chi_Minh;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn block(until_min: Option<u32>, rate: i64, per_min: u32) -> Block {
    Block {
        until_min,
        rate_vnd: Vnd::new(rate),
        per_min,
    }
}

fn tariff(pricing: Pricing) -> Tariff {
    Tariff {
        class: VehicleClass::Car,
        effective_from: at("2018-01-01T00:00:00+07:00"),
        free_min: 0,
        max_stay_min: 1440,
        cap_24h_vnd: None,
        pricing,
    }
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
    }
}

fn hanoi_motorbike() -> Tariff {
    tariff(Pricing::Windows(vec![
        window("06:00:00", "18:00:00", 5_000),
        window("18:00:00", "06:00:00", 8_000),
    ]))
}

fn price(tariff: &Tariff, from: &str, minutes: i64) -> i64 {
    let from = at(from);
    let quote = tariff
        .quote(Ho_Chi_Minh, from, from + TimeDelta::minutes(minutes))
        .unwrap();
    quote.amount_vnd.get()
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
fn bad_tariffs_are_refused_with_their_line() {
    let blocks = |blocks| tariff(Pricing::Blocks(blocks)).validate();
    assert_eq!(blocks(vec![]), Err(TariffError::Empty));
    assert_eq!(
        blocks(vec![block(Some(60), 1, 60)]),
        Err(TariffError::BlockOrder(1))
    );
    assert_eq!(
        blocks(vec![block(None, 1, 60), block(None, 1, 60)]),
        Err(TariffError::BlockOrder(1))
    );
    assert_eq!(
        blocks(vec![block(Some(90), 1, 60), block(None, 1, 60)]),
        Err(TariffError::Uneven(1))
    );
    assert_eq!(
        blocks(vec![block(None, -1, 60)]),
        Err(TariffError::Negative(1))
    );
    assert_eq!(
        blocks(vec![block(None, 1, 0)]),
        Err(TariffError::NoIncrement(1))
    );
    let windows = |windows| tariff(Pricing::Windows(windows)).validate();
    assert_eq!(
        windows(vec![window("06:00:00", "18:00:00", 1)]),
        Err(TariffError::WindowGap(1))
    );
    assert_eq!(
        windows(vec![
            window("06:00:00", "18:00:00", 1),
            window("19:00:00", "06:00:00", 1)
        ]),
        Err(TariffError::WindowGap(2))
    );
    assert_eq!(hanoi_car().validate(), Ok(()));
    assert_eq!(hanoi_motorbike().validate(), Ok(()));
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

fn any_tariff() -> impl Strategy<Value = Tariff> {
    let blocks = (
        prop::collection::vec(
            (
                1u32..6,
                0i64..100_000,
                prop::sample::select(vec![15u32, 30, 60, 120]),
            ),
            0..4,
        ),
        0i64..100_000,
        1u32..200,
    )
        .prop_map(|(steps, last, per_min)| {
            let mut end = 0;
            let mut blocks: Vec<_> = steps
                .into_iter()
                .map(|(count, rate, per_min)| {
                    end += count * per_min;
                    block(Some(end), rate, per_min)
                })
                .collect();
            blocks.push(block(None, last, per_min));
            Pricing::Blocks(blocks)
        });
    let windows =
        (0i64..50_000, 0i64..50_000, 0u32..24, 1u32..24).prop_map(|(day, night, from, length)| {
            let clock = |hour: u32| format!("{:02}:00:00", hour % 24);
            Pricing::Windows(vec![
                window(&clock(from), &clock(from + length), day),
                window(&clock(from + length), &clock(from), night),
            ])
        });
    (
        prop_oneof![blocks, windows],
        0u32..60,
        prop::option::of(0i64..500_000),
    )
        .prop_map(|(pricing, free_min, cap)| Tariff {
            free_min,
            cap_24h_vnd: cap.map(Vnd::new),
            ..tariff(pricing)
        })
}

proptest! {
    /// Never negative, never falls as the stay grows, the cap holds, and the lines sum to the
    /// total and cover the stay without a gap.
    #[test]
    fn a_price_is_sound(tariff in any_tariff(), start in 0i64..200_000, short in 1i64..6_000, more in 0i64..6_000) {
        prop_assert_eq!(tariff.validate(), Ok(()));
        let from = at("2026-01-01T00:00:00Z") + TimeDelta::minutes(start);
        let quote = |minutes| tariff.quote(Ho_Chi_Minh, from, from + TimeDelta::minutes(minutes)).unwrap();
        let (less, whole) = (quote(short), quote(short + more));
        prop_assert!(less.amount_vnd >= Vnd::ZERO);
        prop_assert!(whole.amount_vnd >= less.amount_vnd);
        prop_assert_eq!(Vnd::checked_sum(whole.lines.iter().map(|line| line.amount_vnd)), Some(whole.amount_vnd));
        if let Some(cap) = tariff.cap_24h_vnd {
            let days = (short + more - 1) / 1440 + 1;
            prop_assert!(whole.amount_vnd <= cap.checked_mul(days).unwrap());
        }
        let mut reached = from;
        for line in whole.lines.iter().filter(|line| line.rate_vnd >= Vnd::ZERO) {
            prop_assert_eq!(line.from, reached);
            prop_assert_eq!(line.rate_vnd.checked_mul(line.units), Some(line.amount_vnd));
            reached = line.to;
        }
        prop_assert_eq!(reached, from + TimeDelta::minutes(short + more));
    }
}
