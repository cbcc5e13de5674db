//! Tariffs that are refused, with the reason as it is told.

use super::*;

fn told(tariff: &Tariff) -> Vec<String> {
    tariff.check().iter().map(ToString::to_string).collect()
}

fn blocks(blocks: Vec<Block>) -> Vec<String> {
    told(&tariff(Pricing::Blocks(blocks)))
}

fn windows(windows: Vec<Window>) -> Vec<String> {
    told(&tariff(Pricing::Windows(windows)))
}

#[test]
fn sound_tariffs_pass() {
    assert_eq!(hanoi_car().validate(), Ok(()));
    assert_eq!(hanoi_motorbike().validate(), Ok(()));
}

#[test]
fn blocks_must_price_every_minute_once() {
    assert_eq!(
        blocks(vec![]),
        ["there is neither a block nor a window to price by"]
    );
    assert_eq!(
        blocks(vec![block(Some(60), 1, 60)]),
        [
            "block 1, until_min: the last block ends at 60 minutes and a longer stay has no price: leave its end out"
        ]
    );
    assert_eq!(
        blocks(vec![block(None, 1, 60), block(None, 1, 60)]),
        ["block 1: it has no end, so that the next block is never reached"]
    );
    assert_eq!(
        blocks(vec![
            block(Some(120), 1, 60),
            block(Some(60), 1, 60),
            block(None, 1, 60)
        ]),
        ["block 2, until_min: it ends at 60 minutes but begins at 120"]
    );
    assert_eq!(
        blocks(vec![block(Some(90), 1, 60), block(None, 1, 60)]),
        ["block 1, until_min: its 90 minutes are no whole number of increments of 60 minutes"]
    );
    assert_eq!(
        blocks(vec![block(None, -1, 0)]),
        [
            "block 1, rate_vnd: a price cannot be negative: -1 ₫",
            "block 1, per_min: an increment has 1 to 44640 minutes, not 0",
        ]
    );
    let bounds = Block {
        min_vnd: Some(Vnd::new(2)),
        max_vnd: Some(Vnd::new(1)),
        ..block(None, 1, 60)
    };
    assert_eq!(
        blocks(vec![bounds]),
        ["block 1: its minimum 2 ₫ exceeds its maximum 1 ₫"]
    );
    let calendar = Tariff {
        increments: Increments::Calendar,
        ..tariff(Pricing::Blocks(vec![block(None, 1, 50)]))
    };
    assert_eq!(
        told(&calendar),
        ["block 1, per_min: calendar increments must fill a day evenly, 50 minutes do not"]
    );
}

#[test]
fn windows_must_fill_the_day_once() {
    assert_eq!(
        windows(vec![window("06:00:00", "18:00:00", 1)]),
        ["window 1: nothing is priced from 18:00 to 06:00: a gap of 720 minutes"]
    );
    assert_eq!(
        windows(vec![
            window("06:00:00", "18:00:00", 1),
            window("19:00:00", "06:00:00", 1)
        ]),
        ["window 2: nothing is priced from 18:00 to 19:00: a gap of 60 minutes"]
    );
    assert_eq!(
        windows(vec![
            window("06:00:00", "19:00:00", 1),
            window("18:00:00", "06:00:00", 1)
        ]),
        ["window 2: 18:00 to 19:00 is priced twice: an overlap of 60 minutes"]
    );
    let both = Window {
        blocks: vec![block(None, 1, 60)],
        ..window("00:00:00", "00:00:00", 1)
    };
    assert_eq!(
        windows(vec![both]),
        ["window 1: a window has a flat price or blocks, not both"]
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let rule = DayRule {
        name_vi: "Lễ".to_owned(),
        name_en: String::new(),
        on: vec![Day::Holiday, Day::Mon, Day::Mon],
        pricing: Pricing::Blocks(Vec::new()),
    };
    let bad = Tariff {
        free_min: 2_000,
        max_stay_min: 1,
        vat_bp: 10_001,
        cap_24h_vnd: Some(Vnd::new(-1)),
        cap_day_vnd: Some(Vnd::new(i64::MAX)),
        days: vec![rule],
        passes: vec![PassOffer {
            kind: PassKind::Day,
            hours: None,
            price_vnd: Vnd::ZERO,
        }],
        ..hanoi_car()
    };
    assert_eq!(
        told(&bad),
        [
            "max_stay_min: the longest session has 15 to 44640 minutes, not 1",
            "free_min: at most 1440 minutes can be free, not 2000",
            "vat_bp: VAT is at most 10000 basis points (100 %), not 10001",
            "cap_24h_vnd: a price cannot be negative: -1 ₫",
            "cap_day_vnd: a price of 9.223.372.036.854.775.807 ₫ is surely a mistake; the most is 1.000.000.000 ₫",
            "day rule 1: it needs a code and a name in Vietnamese and in English",
            "day rule 1, on: mon is named twice",
            "day rule 1, on: it prices holidays, but no holidays are listed",
            "day rule 1: there is neither a block nor a window to price by",
            "pass 1: a pass that costs nothing is an exemption: give it a price, or the ground an [[exemption]]",
            "pass 1: a day pass has hours, a pass for day and night has none",
        ]
    );
}
