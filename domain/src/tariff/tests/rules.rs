//! Each rule of pricing by example.

use crate::vat::vat_contained;
use chrono_tz::Europe::Berlin;

use super::*;

const MONDAY: &str = "2026-11-23T08:00:00+07:00";

/// The lines as (English reason, amount).
fn lines(quote: &Quote) -> Vec<(&str, i64)> {
    let line = |line: &'_ QuoteLine| line.amount_vnd.get();
    quote
        .lines
        .iter()
        .map(|l| (l.text_en.as_str(), line(l)))
        .collect()
}

fn sum(tariffs: &[Tariff], from: &str, to: &str) -> i64 {
    let quote = quote(tariffs, VehicleClass::Car, Ho_Chi_Minh, at(from), at(to)).unwrap();
    quote.amount_vnd.get()
}

#[test]
fn lines_are_in_vietnamese_and_english() {
    let quote = quoted(&hanoi_car(), MONDAY, 9 * 60);
    assert_eq!(
        lines(&quote),
        [
            ("Hours 0 to 2: 2 × 25,000 ₫ per hour", 50_000),
            ("Hours 2 to 4: 2 × 35,000 ₫ per hour", 70_000),
            ("After 4 hours: 5 × 45,000 ₫ per hour", 225_000),
        ]
    );
    let texts: Vec<_> = quote.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Từ 0 đến 2 giờ: 2 × 25.000 ₫ mỗi giờ",
            "Từ 2 đến 4 giờ: 2 × 35.000 ₫ mỗi giờ",
            "Sau 4 giờ: 5 × 45.000 ₫ mỗi giờ",
        ]
    );
    let half_hours = tariff(Pricing::Blocks(vec![
        block(Some(90), 7_000, 30),
        block(None, 9_000, 180),
    ]));
    assert_eq!(
        lines(&quoted(&half_hours, MONDAY, 91)),
        [
            ("Hours 0 to 1:30: 3 × 7,000 ₫ per 30 minutes", 21_000),
            ("After 1:30 hours: 1 × 9,000 ₫ per 3 hours", 9_000),
        ]
    );
}

#[test]
fn a_price_that_was_told_is_the_most() {
    let dear = quoted(&hanoi_car(), MONDAY, 3 * 60);
    assert_eq!(dear.amount_vnd, Vnd::new(85_000));
    assert_eq!(dear.clone().at_most(Vnd::new(85_000)), Ok(dear.clone()));
    let told = dear.clone().at_most(Vnd::new(50_000)).unwrap();
    assert_eq!(told.amount_vnd, Vnd::new(50_000));
    assert_eq!(
        lines(&told).last(),
        Some(&(
            "No more than the price told at the start, 50,000 ₫",
            -35_000
        ))
    );
    let free = dear.at_most(Vnd::ZERO).unwrap();
    assert_eq!(free.amount_vnd, Vnd::ZERO);
    let sum: i64 = free.lines.iter().map(|line| line.amount_vnd.get()).sum();
    assert_eq!(sum, 0);
}

#[test]
fn calendar_increments_count_started_hours_of_the_clock() {
    let calendar = Tariff {
        increments: Increments::Calendar,
        ..hanoi_car()
    };
    let from = "2026-11-23T08:40:00+07:00";
    assert_eq!(price(&calendar, from, 20), 25_000);
    assert_eq!(price(&calendar, from, 60), 50_000);
    assert_eq!(price(&hanoi_car(), from, 60), 25_000);
    // The third hour of the clock begins 80 minutes into the stay: still the first block.
    assert_eq!(price(&calendar, from, 81), 75_000);
    assert_eq!(price(&calendar, from, 141), 110_000);
    // On the morning the clocks go forward in Berlin, 1:30 to 3:30 is one hour.
    let from = at("2026-03-29T01:30:00+01:00");
    let book = TariffBook::new([&calendar], VehicleClass::Car, Berlin);
    let spring = book.quote(from, from + TimeDelta::minutes(60)).unwrap();
    assert_eq!(spring.amount_vnd.get(), 50_000);
}

#[test]
fn a_block_has_a_minimum_and_a_maximum() {
    let bounded = tariff(Pricing::Blocks(vec![
        Block {
            min_vnd: Some(Vnd::new(15_000)),
            max_vnd: Some(Vnd::new(35_000)),
            ..Block::until(300, Vnd::new(10_000), 60)
        },
        block(None, 5_000, 60),
    ]));
    for (hours, dong) in [
        (1, 15_000),
        (2, 20_000),
        (3, 30_000),
        (4, 35_000),
        (5, 35_000),
        (6, 40_000),
    ] {
        assert_eq!(price(&bounded, MONDAY, hours * 60), dong, "{hours} h");
    }
    assert_eq!(
        lines(&quoted(&bounded, MONDAY, 60)),
        [
            ("Hours 0 to 5: 1 × 10,000 ₫ per hour", 10_000),
            ("At least 15,000 ₫ for this part", 5_000)
        ]
    );
    assert_eq!(
        lines(&quoted(&bounded, MONDAY, 300))[1],
        ("At most 35,000 ₫ for this part", -15_000)
    );
}

#[test]
fn caps_hold_by_the_calendar_day_and_by_24_hours() {
    let daily = Tariff {
        cap_day_vnd: Some(Vnd::new(100_000)),
        ..hanoi_car()
    };
    // 20:00 to 24:00 is 120,000; then 45,000 an hour.
    let quote = quoted(&daily, "2026-11-23T20:00:00+07:00", 6 * 60);
    assert_eq!(quote.amount_vnd.get(), 190_000);
    assert_eq!(
        lines(&quote)[2],
        ("No more than 100,000 ₫ on 23/11/2026", -20_000)
    );
    assert_eq!(
        quote.lines[2].text,
        "Không quá 100.000 ₫ trong ngày 23/11/2026"
    );
    let both = Tariff {
        cap_24h_vnd: Some(Vnd::new(150_000)),
        ..daily
    };
    let quote = quoted(&both, "2026-11-23T20:00:00+07:00", 6 * 60);
    assert_eq!(quote.amount_vnd.get(), 150_000);
    assert_eq!(
        lines(&quote).last(),
        Some(&("No more than 150,000 ₫ in 24 hours", -40_000))
    );
}

#[test]
fn weekends_and_holidays_have_prices_of_their_own() {
    let rule = |on: &[Day], name: &str, rate| DayRule {
        name_vi: name.to_owned(),
        name_en: name.to_owned(),
        on: on.to_vec(),
        pricing: Pricing::Blocks(vec![block(None, rate, 60)]),
    };
    let tariff = Tariff {
        days: vec![
            rule(&[Day::Sat, Day::Sun], "Weekend", 40_000),
            rule(&[Day::Holiday], "Holiday", 70_000),
        ],
        holidays: vec!["2026-11-21".parse().unwrap(), "2026-11-24".parse().unwrap()],
        ..tariff(Pricing::Blocks(vec![block(None, 30_000, 60)]))
    };
    // Sunday, Monday, Tuesday which is a holiday, and a Saturday that is both.
    assert_eq!(price(&tariff, "2026-11-22T08:00:00+07:00", 60), 40_000);
    assert_eq!(price(&tariff, MONDAY, 60), 30_000);
    assert_eq!(price(&tariff, "2026-11-24T08:00:00+07:00", 60), 70_000);
    assert_eq!(price(&tariff, "2026-11-21T08:00:00+07:00", 60), 70_000);
    // The hour that begins at 23:30 is charged by its own day, whole.
    let night = quoted(&tariff, "2026-11-22T22:30:00+07:00", 180);
    assert_eq!(
        lines(&night),
        [
            ("Weekend: 2 × 40,000 ₫ per hour", 80_000),
            ("1 × 30,000 ₫ per hour", 30_000)
        ]
    );
}

#[test]
fn hours_by_day_and_a_flat_price_by_night() {
    let mixed = tariff(Pricing::Windows(vec![
        Window {
            blocks: vec![block(Some(60), 20_000, 60), block(None, 30_000, 60)],
            ..window("06:00:00", "22:00:00", 0)
        },
        window("22:00:00", "06:00:00", 50_000),
    ]));
    let quote = quoted(&mixed, "2026-11-23T20:30:00+07:00", 10 * 60);
    assert_eq!(
        lines(&quote),
        [
            ("06:00:00: Hours 0 to 1: 1 × 20,000 ₫ per hour", 20_000),
            ("06:00:00: After 1 hour: 1 × 30,000 ₫ per hour", 30_000),
            ("22:00:00: 50,000 ₫ flat", 50_000),
            ("06:00:00: After 1 hour: 1 × 30,000 ₫ per hour", 30_000),
        ]
    );
}

#[test]
fn a_new_tariff_begins_during_a_stay() {
    let old = tariff(Pricing::Blocks(vec![block(None, 10_000, 60)]));
    let new = Tariff {
        effective_from: at("2026-11-24T00:00:00+07:00"),
        ..tariff(Pricing::Blocks(vec![block(None, 20_000, 60)]))
    };
    let tariffs = [new, old];
    let (from, to) = ("2026-11-23T22:30:00+07:00", "2026-11-24T01:30:00+07:00");
    // 22:30 and 23:30 began under the old one; 0:30 under the new one.
    assert_eq!(sum(&tariffs, from, to), 40_000);
    let quote = quote(&tariffs, VehicleClass::Car, Ho_Chi_Minh, at(from), at(to)).unwrap();
    assert_eq!(
        lines(&quote),
        [
            ("2 × 10,000 ₫ per hour", 20_000),
            ("New price from 24/11/2026: 1 × 20,000 ₫ per hour", 20_000)
        ]
    );
    assert_eq!(quote.lines[0].to, at("2026-11-24T00:30:00+07:00"));
    let before = at("2017-01-01T00:00:00Z");
    let none = super::quote(
        &tariffs,
        VehicleClass::Car,
        Ho_Chi_Minh,
        before,
        at(to).min(before + TimeDelta::hours(1)),
    );
    assert_eq!(none, Err(QuoteError::NoTariff));
}

fn hoan_kiem() -> Tariff {
    let offer = |kind, hours, price| PassOffer {
        kind,
        hours,
        price_vnd: Vnd::new(price),
    };
    let day = Hours {
        from: "06:00:00".parse().unwrap(),
        to: "18:00:00".parse().unwrap(),
    };
    Tariff {
        passes: vec![
            offer(PassKind::Day, Some(day), 3_000_000),
            offer(PassKind::DayAndNight, None, 4_000_000),
        ],
        exemptions: vec![Ground {
            code: "disabled".to_owned(),
            name_vi: "Người khuyết tật".to_owned(),
            name_en: "Disabled person".to_owned(),
        }],
        ..tariff(Pricing::Blocks(vec![block(None, 60_000, 120)]))
    }
}

#[test]
fn a_day_pass_frees_the_day_and_the_rest_is_priced() {
    let tariff = hoan_kiem();
    let book = TariffBook::new([&tariff], VehicleClass::Car, Ho_Chi_Minh);
    let month = |offer: usize| {
        let first = "2026-11-01".parse().unwrap();
        tariff.passes[offer].month(VehicleClass::Car, "A", first, Ho_Chi_Minh)
    };
    let quote = |offer, from, to| {
        let pass = Entitlement::Pass(month(offer));
        let book = book.clone().entitled(Some(&pass));
        book.quote(at(from), at(to)).unwrap()
    };
    let evening = quote(0, "2026-11-23T16:00:00+07:00", "2026-11-23T21:00:00+07:00");
    assert_eq!(
        lines(&evening),
        [
            ("Monthly pass by day", 0),
            ("2 × 60,000 ₫ per 2 hours", 120_000)
        ]
    );
    let all = quote(1, "2026-11-23T16:00:00+07:00", "2026-11-24T21:00:00+07:00");
    assert_eq!(lines(&all), [("Monthly pass by day and night", 0)]);
    // The month ends at midnight before the first of December.
    let after = quote(1, "2026-11-30T22:00:00+07:00", "2026-12-01T01:00:00+07:00");
    assert_eq!(after.amount_vnd.get(), 60_000);
}

#[test]
fn a_pass_that_was_renewed_counts_over_the_turn_of_the_month() {
    let tariff = hoan_kiem();
    let month = |offer: usize, first: &str| {
        let first = first.parse().unwrap();
        tariff.passes[offer].month(VehicleClass::Car, "A", first, Ho_Chi_Minh)
    };
    let (november, december) = (month(1, "2026-11-01"), month(1, "2026-12-01"));
    let both = november.joined(&december).unwrap();
    assert_eq!((both.from, both.to), (november.from, december.to));
    assert_eq!(
        november.joined(&month(0, "2026-12-01")),
        None,
        "other hours"
    );
    assert_eq!(november.joined(&month(1, "2026-12-02")), None, "a gap");
    let pass = Entitlement::Pass(both);
    let book = TariffBook::new([&tariff], VehicleClass::Car, Ho_Chi_Minh).entitled(Some(&pass));
    let quote = book.quote(
        at("2026-11-30T22:00:00+07:00"),
        at("2026-12-01T09:00:00+07:00"),
    );
    assert_eq!(quote.unwrap().amount_vnd, Vnd::ZERO);
}

#[test]
fn a_pass_states_its_price() {
    let offer = hoan_kiem().passes[0];
    let first = "2026-11-01".parse().unwrap();
    let pass = offer.month(VehicleClass::Car, "A", first, Ho_Chi_Minh);
    let quote = pass.quote();
    assert_eq!(quote.amount_vnd, Vnd::new(3_000_000));
    assert_eq!(lines(&quote), [("Monthly pass by day", 3_000_000)]);
}

#[test]
fn an_exemption_has_a_known_ground_and_does_not_name_it() {
    let tariff = hoan_kiem();
    let book = TariffBook::new([&tariff], VehicleClass::Car, Ho_Chi_Minh);
    let (from, to) = (at(MONDAY), at(MONDAY) + TimeDelta::hours(30));
    let exempt = |ground: &str| {
        let ground = ground.to_owned();
        let exemption = Entitlement::Exemption { ground };
        book.clone().entitled(Some(&exemption)).quote(from, to)
    };
    let quote = exempt("disabled").unwrap();
    let text = "Free of charge: the city has exempted this vehicle";
    assert_eq!(lines(&quote), [(text, 0)]);
    assert_eq!(quote.lines[0].text, "Miễn phí: xe được thành phố miễn phí");
    assert_eq!(exempt("friend"), Err(QuoteError::NoGround));
}

#[test]
fn an_extension_costs_the_difference() {
    let car = hanoi_car();
    let book = TariffBook::new([&car], VehicleClass::Car, Ho_Chi_Minh);
    let from = at(MONDAY);
    let more = book
        .extension(from, from + TimeDelta::hours(3), Vnd::new(50_000))
        .unwrap();
    assert_eq!(more.amount_vnd.get(), 35_000);
    assert_eq!(
        lines(&more).last(),
        Some(&("Already paid 50,000 ₫", -50_000))
    );
    assert_eq!(more.lines.last().unwrap().text, "Đã trả 50.000 ₫");
    let less = book
        .extension(from, from + TimeDelta::hours(1), Vnd::new(50_000))
        .unwrap();
    assert_eq!(less.amount_vnd, Vnd::ZERO);
}

#[test]
fn unused_time_is_kept_shared_or_repriced() {
    let back = |unused, stop: i64| {
        let car = Tariff {
            unused,
            ..hanoi_car()
        };
        let book = TariffBook::new([&car], VehicleClass::Car, Ho_Chi_Minh);
        let from = at(MONDAY);
        let minutes = TimeDelta::minutes;
        book.refund(
            from,
            from + minutes(240),
            from + minutes(stop),
            Vnd::new(120_000),
        )
        .unwrap()
        .get()
    };
    assert_eq!(back(Unused::Kept, 60), 0);
    // The share would be 90,000; who had paid when leaving would have paid 25,000.
    assert_eq!(back(Unused::ProRata, 60), 95_000);
    assert_eq!(back(Unused::ProRata, 61), 89_500);
    assert_eq!(back(Unused::Repriced, 60), 95_000);
    assert_eq!(back(Unused::Repriced, 61), 70_000);
    assert_eq!(back(Unused::Repriced, 0), 120_000);
    assert_eq!(back(Unused::ProRata, 240), 0);
    assert_eq!(back(Unused::ProRata, 300), 0);
}

#[test]
fn vat_is_contained() {
    assert_eq!(vat_contained(Vnd::new(108_000), 800), Vnd::new(8_000));
    assert_eq!(vat_contained(Vnd::new(25_000), 800), Vnd::new(1_852));
    assert_eq!(vat_contained(Vnd::new(25_000), 0), Vnd::ZERO);
    assert_eq!(
        vat_contained(Vnd::new(i64::MAX), 10_000).get(),
        i64::MAX / 2 + 1
    );
}

#[test]
fn a_document_of_the_first_version_still_reads() {
    let document = r#"{"class":"car","effective_from":"2018-01-01T00:00:00Z","free_min":10,"max_stay_min":1440,
        "pricing":{"windows":[{"name_vi":"n","name_en":"d","from":"06:00:00","to":"06:00:00","rate_vnd":5000}]}}"#;
    let read: Tariff = serde_json::from_str(document).unwrap();
    assert_eq!(
        (read.unused, read.vat_bp, read.increments),
        (Unused::Kept, 0, Increments::Rolling)
    );
    assert_eq!(price(&read, MONDAY, 60), 5_000);
    let blocks = r#"{"blocks":[{"rate_vnd":60000,"per_min":120}]}"#;
    let read: Pricing = serde_json::from_str(blocks).unwrap();
    assert_eq!(read, Pricing::Blocks(vec![block(None, 60_000, 120)]));
}

#[test]
fn a_line_keeps_its_public_shape() {
    let quote = quoted(&hanoi_motorbike(), MONDAY, 60);
    let json = serde_json::to_value(&quote.lines[0]).unwrap();
    let expected = serde_json::json!({
        "from": "2026-11-23T01:00:00Z", "to": "2026-11-23T02:00:00Z", "rate_vnd": 5000, "units": 1,
        "amount_vnd": 5000, "text": "06:00:00: 5.000 ₫ mỗi lượt", "text_en": "06:00:00: 5,000 ₫ flat",
    });
    assert_eq!(json, expected);
}

#[test]
fn free_minutes_are_had_once() {
    let hanoi = Tariff {
        free_min: 10,
        ..hanoi_car()
    };
    let tariffs = [hanoi];
    let priced = |before: i64, minutes: i64| {
        let book = TariffBook::new(&tariffs, VehicleClass::Car, Ho_Chi_Minh);
        let from = at(MONDAY);
        let book = book.after(TimeDelta::minutes(before));
        book.quote(from, from + TimeDelta::minutes(minutes))
            .unwrap()
    };
    assert_eq!(priced(0, 10).amount_vnd, Vnd::ZERO);
    assert_eq!(priced(6, 4).amount_vnd, Vnd::ZERO);
    for (before, minutes) in [(6, 5), (10, 1), (600, 10)] {
        assert_eq!(
            lines(&priced(before, minutes)),
            [
                ("Hours 0 to 2: 1 × 25,000 ₫ per hour", 25_000),
                (
                    "No free minutes: this vehicle parked in this zone less than an hour before, or its plate was corrected",
                    0
                ),
            ]
        );
    }
    // What is not free anyway needs no reason.
    assert_eq!(priced(600, 11), priced(0, 11));
}
