//! What holds for every sound tariff and every stay.

use proptest::prelude::*;

use super::*;

fn any_blocks(calendar: bool) -> impl Strategy<Value = Vec<Block>> {
    let increments = if calendar {
        vec![15u32, 60, 120]
    } else {
        vec![15, 30, 45, 60, 120, 420]
    };
    let step = (
        1u32..6,
        0i64..100_000,
        prop::sample::select(increments),
        prop::option::of((0i64..50_000, 50_000i64..300_000)),
    );
    prop::collection::vec(step, 1..5).prop_map(|steps| {
        let (count, mut end) = (steps.len(), 0);
        let blocks = steps.into_iter().enumerate();
        blocks
            .map(|(index, (increments, rate, per_min, bounds))| {
                end += increments * per_min;
                Block {
                    until_min: (index + 1 < count).then_some(end),
                    min_vnd: bounds.map(|(min, _)| Vnd::new(min)),
                    max_vnd: bounds.map(|(_, max)| Vnd::new(max)),
                    ..block(None, rate, per_min)
                }
            })
            .collect()
    })
}

fn any_windows(calendar: bool) -> impl Strategy<Value = Vec<Window>> {
    let day = prop_oneof![
        any_blocks(calendar).prop_map(Ok),
        (0i64..50_000).prop_map(Err)
    ];
    (day, 0i64..50_000, 0u32..24, 1u32..24).prop_map(|(day, night, from, length)| {
        let clock = |hour: u32| format!("{:02}:00:00", hour % 24);
        let (blocks, flat) = match day {
            Ok(blocks) => (blocks, 0),
            Err(flat) => (Vec::new(), flat),
        };
        vec![
            Window {
                blocks,
                ..window(&clock(from), &clock(from + length), flat)
            },
            window(&clock(from + length), &clock(from), night),
        ]
    })
}

fn any_pricing(calendar: bool) -> impl Strategy<Value = Pricing> {
    prop_oneof![
        any_blocks(calendar).prop_map(Pricing::Blocks),
        any_windows(calendar).prop_map(Pricing::Windows)
    ]
}

fn any_tariff() -> impl Strategy<Value = Tariff> {
    any::<bool>().prop_flat_map(|calendar| {
        let days = prop::option::of((any_pricing(calendar), any_pricing(calendar)));
        let caps = (
            prop::option::of(0i64..500_000),
            prop::option::of(0i64..500_000),
        );
        let unused = prop::sample::select(vec![Unused::Kept, Unused::ProRata, Unused::Repriced]);
        (any_pricing(calendar), days, caps, 0u32..60, unused).prop_map(
            move |(pricing, days, (cap_24h, cap_day), free_min, unused)| {
                let rule = |on: Vec<Day>, pricing| DayRule {
                    name_vi: "ngày".to_owned(),
                    name_en: "day".to_owned(),
                    on,
                    pricing,
                };
                let days = days.map(|(weekend, holiday)| {
                    vec![
                        rule(vec![Day::Sat, Day::Sun], weekend),
                        rule(vec![Day::Holiday], holiday),
                    ]
                });
                Tariff {
                    free_min,
                    cap_24h_vnd: cap_24h.map(Vnd::new),
                    cap_day_vnd: cap_day.map(Vnd::new),
                    increments: if calendar {
                        Increments::Calendar
                    } else {
                        Increments::Rolling
                    },
                    days: days.unwrap_or_default(),
                    holidays: vec!["2026-01-03".parse().unwrap(), "2026-03-31".parse().unwrap()],
                    unused,
                    ..tariff(pricing)
                }
            },
        )
    })
}

/// One to three versions, of which the later begin in the months that stays are drawn from.
fn any_tariffs() -> impl Strategy<Value = Vec<Tariff>> {
    prop::collection::vec((any_tariff(), 0i64..150_000), 1..4).prop_map(|versions| {
        let begin = at("2026-01-01T00:00:00Z");
        let versions = versions.into_iter().enumerate();
        versions
            .map(|(index, (tariff, after))| match index {
                0 => tariff,
                _ => Tariff {
                    effective_from: begin + TimeDelta::minutes(after),
                    ..tariff
                },
            })
            .collect()
    })
}

/// With clocks that never change, that change in the months drawn from, and at midnight.
fn any_tz() -> impl Strategy<Value = chrono_tz::Tz> {
    prop::sample::select(vec![
        Ho_Chi_Minh,
        chrono_tz::Europe::Berlin,
        chrono_tz::America::Santiago,
        chrono_tz::Australia::Lord_Howe,
    ])
}

fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Never negative, never falls as the stay grows, and the lines sum to the total and cover the
    /// stay from its start to its end.
    #[test]
    fn a_price_is_sound(
        tariffs in any_tariffs(), tz in any_tz(),
        start in 0i64..150_000, short in prop_oneof![1i64..80, 1i64..6_000], more in 0i64..6_000, before in 0i64..80,
    ) {
        for tariff in &tariffs {
            prop_assert_eq!(tariff.check(), vec![]);
        }
        let from = at("2026-01-01T00:00:00Z") + minutes(start);
        let first = TariffBook::new(&tariffs, VehicleClass::Car, tz);
        let book = first.clone().after(minutes(before));
        // Who was here before has fewer free minutes.
        let alone = first.quote(from, from + minutes(short)).unwrap();
        let (less, whole) = (
            book.quote(from, from + minutes(short)).unwrap(),
            book.quote(from, from + minutes(short + more)).unwrap(),
        );
        prop_assert!(less.amount_vnd >= alone.amount_vnd && alone.amount_vnd >= Vnd::ZERO);
        prop_assert!(whole.amount_vnd >= less.amount_vnd);
        prop_assert_eq!(Vnd::checked_sum(whole.lines.iter().map(|line| line.amount_vnd)), Some(whole.amount_vnd));
        let mut reached = from;
        for line in &whole.lines {
            prop_assert_eq!(line.rate_vnd.checked_mul(line.units), Some(line.amount_vnd));
            prop_assert!(!line.text.is_empty() && !line.text_en.is_empty());
            prop_assert!(line.from <= reached && line.from < line.to);
            reached = reached.max(line.to);
        }
        prop_assert_eq!(reached, from + minutes(short + more));
    }

    /// The caps hold: of 24 hours from the start, and of each local day.
    #[test]
    fn caps_hold(tariff in any_tariff(), tz in any_tz(), start in 0i64..150_000, length in 1i64..20_000) {
        let from = at("2026-01-01T00:00:00Z") + minutes(start);
        let to = from + minutes(length);
        let amount = TariffBook::new([&tariff], VehicleClass::Car, tz).quote(from, to).unwrap().amount_vnd;
        if let Some(cap) = tariff.cap_24h_vnd {
            prop_assert!(amount <= cap.checked_mul((length - 1) / 1440 + 1).unwrap());
        }
        if let Some(cap) = tariff.cap_day_vnd {
            let date = |at: Timestamp| at.with_timezone(&tz).date_naive();
            let days = (date(to) - date(from)).num_days() + 1;
            prop_assert!(amount <= cap.checked_mul(days).unwrap());
        }
    }

    /// A stay that is extended step by step costs what it would have cost at once.
    #[test]
    fn splitting_costs_the_same(
        tariffs in any_tariffs(), tz in any_tz(),
        start in 0i64..150_000, parts in prop::collection::vec(1i64..2_000, 1..6),
    ) {
        let from = at("2026-01-01T00:00:00Z") + minutes(start);
        let book = TariffBook::new(&tariffs, VehicleClass::Car, tz);
        let (mut to, mut paid) = (from, Vnd::ZERO);
        for part in parts {
            to += minutes(part);
            let extension = book.extension(from, to, paid).unwrap();
            prop_assert!(extension.amount_vnd >= Vnd::ZERO);
            prop_assert_eq!(
                Vnd::checked_sum(extension.lines.iter().map(|line| line.amount_vnd)),
                Some(extension.amount_vnd)
            );
            paid = paid.checked_add(extension.amount_vnd).unwrap();
        }
        prop_assert_eq!(paid, book.quote(from, to).unwrap().amount_vnd);
    }

    /// Taking equal steps at once gives what taking them one by one gives: a price that is asked
    /// for minute by minute only grows, and grows only where a step begins.
    #[test]
    fn steps_at_once_are_steps_one_by_one(
        blocks in any_blocks(false), cap in prop::option::of(0i64..500_000), length in 1i64..4_000,
    ) {
        let tariff = Tariff { cap_24h_vnd: cap.map(Vnd::new), ..tariff(Pricing::Blocks(blocks.clone())) };
        let mut expected = 0;
        for first in (0..length).step_by(1_440).filter(|first| cap.is_some() || *first == 0) {
            let end = if cap.is_some() { length.min(first + 1_440) - first } else { length };
            let (mut at, mut sum) = (0, 0);
            let mut of_block = vec![0; blocks.len()];
            while at < end {
                let index = blocks.iter().position(|b| b.until_min.is_none_or(|until| at < i64::from(until))).unwrap();
                of_block[index] += blocks[index].rate_vnd.get();
                at += i64::from(blocks[index].per_min);
            }
            for (block, amount) in blocks.iter().zip(of_block).filter(|(_, amount)| *amount > 0) {
                let least = block.min_vnd.map_or(0, Vnd::get);
                sum += amount.max(least).min(block.max_vnd.map_or(i64::MAX, Vnd::get));
            }
            expected += sum.min(cap.unwrap_or(i64::MAX));
        }
        prop_assert_eq!(price(&tariff, "2026-11-23T08:00:00+07:00", length), expected);
    }

    /// What is given back lies between nothing and what was paid.
    #[test]
    fn a_refund_is_sound(
        tariffs in any_tariffs(), tz in any_tz(),
        start in 0i64..150_000, length in 1i64..6_000, stop in -100i64..6_100, paid in 0i64..2_000_000,
    ) {
        let from = at("2026-01-01T00:00:00Z") + minutes(start);
        let book = TariffBook::new(&tariffs, VehicleClass::Car, tz);
        let back = book.refund(from, from + minutes(length), from + minutes(stop), Vnd::new(paid)).unwrap();
        prop_assert!(back >= Vnd::ZERO && back <= Vnd::new(paid));
    }

    /// Who pays before and leaves early pays no more than who pays when leaving, unless the tariff
    /// keeps what is not used.
    #[test]
    fn paying_before_costs_no_more_than_paying_when_leaving(
        tariff in any_tariff(), start in 0i64..150_000, length in 1i64..6_000, stop in 1i64..6_000,
    ) {
        prop_assume!(tariff.unused != Unused::Kept);
        let (stop, from) = (stop.min(length), at("2026-01-01T00:00:00Z") + minutes(start));
        let book = TariffBook::new([&tariff], VehicleClass::Car, Ho_Chi_Minh);
        let paid = book.quote(from, from + minutes(length)).unwrap().amount_vnd;
        let back = book.refund(from, from + minutes(length), from + minutes(stop), paid).unwrap();
        let used = book.quote(from, from + minutes(stop)).unwrap().amount_vnd;
        prop_assert!(paid.get() - back.get() <= used.get());
    }

    /// A pass never makes a stay dearer, and the lines still sum.
    #[test]
    fn a_pass_never_costs(tariff in any_tariff(), start in 0i64..80_000, length in 1i64..6_000, hour in 0u32..24) {
        let hours = Hours {
            from: chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap(),
            to: chrono::NaiveTime::from_hms_opt((hour + 12) % 24, 0, 0).unwrap(),
        };
        let offer = PassOffer { kind: PassKind::Day, hours: Some(hours), price_vnd: Vnd::new(1) };
        let pass = offer.month(VehicleClass::Car, "A", "2026-02-01".parse().unwrap(), Ho_Chi_Minh);
        let from = at("2026-01-01T00:00:00Z") + minutes(start);
        let book = TariffBook::new([&tariff], VehicleClass::Car, Ho_Chi_Minh);
        let entitlement = Entitlement::Pass(pass);
        let holder = book.clone().entitled(Some(&entitlement));
        let with = holder.quote(from, from + minutes(length)).unwrap();
        prop_assert_eq!(Vnd::checked_sum(with.lines.iter().map(|line| line.amount_vnd)), Some(with.amount_vnd));
        prop_assert!(with.amount_vnd <= book.quote(from, from + minutes(length)).unwrap().amount_vnd);
        let all = PassOffer { kind: PassKind::DayAndNight, hours: None, ..offer };
        let all = Pass { from, to: from + minutes(length), ..all.month(VehicleClass::Car, "A", "2026-02-01".parse().unwrap(), Ho_Chi_Minh) };
        let all = Entitlement::Pass(all);
        let free = book.clone().entitled(Some(&all)).quote(from, from + minutes(length)).unwrap();
        prop_assert_eq!(free.amount_vnd, Vnd::ZERO);
        // In two pieces it costs what it costs at once.
        let half = from + minutes((length + 1) / 2);
        let first = holder.quote(from, half).unwrap();
        prop_assert!(first.amount_vnd <= with.amount_vnd);
        let more = holder.extension(from, from + minutes(length), first.amount_vnd).unwrap();
        prop_assert_eq!(first.amount_vnd.checked_add(more.amount_vnd), Some(with.amount_vnd));
    }
}
