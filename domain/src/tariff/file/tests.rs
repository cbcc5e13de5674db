#![allow(clippy::unwrap_used)]

use chrono::TimeDelta;
use chrono_tz::Asia::Ho_Chi_Minh;

use super::super::{Pricing, TariffBook};
use super::*;
use crate::money::Vnd;

const HANOI: &str = include_str!("../../../../deploy/tariffs/hanoi.toml");
const EVERY_RULE: &str = include_str!("../../../../deploy/tariffs/every-rule.toml");

/// What is told of a file that holds `tariff` from line 5 on.
fn told(tariff: &str) -> Vec<String> {
    let source = format!("city = \"c\"\ntimezone = \"Asia/Ho_Chi_Minh\"\n\n[[tariff]]\n{tariff}");
    match TariffFile::read(&source) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

const HEAD: &str = "zones = [\"HK\"]\nclass = \"car\"\neffective_from = 2018-01-01\n";

fn of(rest: &str) -> Vec<String> {
    told(&format!("{HEAD}{rest}"))
}

#[test]
fn hanois_file_gives_hanois_prices_to_the_dong() {
    let file = TariffFile::read(HANOI).unwrap();
    assert_eq!(file.zones(), ["A", "B", "C"]);
    let price = |zone: &str, class, from: &str, minutes| {
        let tariffs = file.zone(zone);
        let from = chrono::DateTime::parse_from_rfc3339(from).unwrap().to_utc();
        let book = TariffBook::new(&tariffs, class, file.timezone);
        book.quote(from, from + TimeDelta::minutes(minutes))
            .unwrap()
            .amount_vnd
            .get()
    };
    let (car, bike) = (VehicleClass::Car, VehicleClass::Motorbike);
    let monday = "2026-11-23T08:00:00+07:00";
    let hours = [
        (1, 25_000),
        (2, 50_000),
        (3, 85_000),
        (4, 120_000),
        (5, 165_000),
        (8, 300_000),
        (9, 345_000),
    ];
    for (hours, dong) in hours {
        assert_eq!(price("B", car, monday, hours * 60), dong, "{hours} h");
    }
    assert_eq!(price("A", car, monday, 120), 60_000);
    assert_eq!(price("A", car, monday, 121), 120_000);
    assert_eq!(price("C", car, monday, 24 * 60), 300_000);
    assert_eq!(price("A", bike, monday, 60), 5_000);
    assert_eq!(price("A", bike, "2026-11-23T18:00:00+07:00", 60), 8_000);
    assert_eq!(price("A", bike, monday, 24 * 60), 18_000);
    let streets = &file.zone("A")[0];
    let passes: Vec<i64> = streets
        .passes
        .iter()
        .map(|offer| offer.price_vnd.get())
        .collect();
    assert_eq!(passes, [3_000_000, 4_000_000]);
    assert_eq!((streets.vat_bp, streets.unused), (800, Unused::ProRata));
    assert_eq!(streets.exemptions.len(), 4);
}

#[test]
fn every_rule_can_be_written() {
    let file = TariffFile::read(EVERY_RULE).unwrap();
    let [entry] = file.entries.as_slice() else {
        panic!("{}", file.entries.len())
    };
    let tariff = &entry.tariff;
    assert_eq!(file.timezone, Ho_Chi_Minh);
    assert_eq!(
        tariff.effective_from.to_rfc3339(),
        "2026-12-31T17:00:00+00:00"
    );
    assert_eq!(
        (tariff.free_min, tariff.max_stay_min, tariff.vat_bp),
        (15, 2_880, 1_000)
    );
    assert_eq!(tariff.cap_24h_vnd, Some(Vnd::new(400_000)));
    assert_eq!(tariff.cap_day_vnd, Some(Vnd::new(350_000)));
    assert_eq!(
        (tariff.increments, tariff.unused),
        (Increments::Calendar, Unused::Repriced)
    );
    assert_eq!((tariff.days.len(), tariff.holidays.len()), (2, 4));
    let Pricing::Windows(windows) = &tariff.pricing else {
        panic!()
    };
    assert_eq!(windows[0].blocks[0].max_vnd, Some(Vnd::new(60_000)));
    let stored = serde_json::to_string(tariff).unwrap();
    assert_eq!(serde_json::from_str::<Tariff>(&stored).unwrap(), *tariff);
}

#[test]
fn gaps_overlaps_and_ends_are_told_with_their_line() {
    assert_eq!(
        of("blocks = [
    { from_min = 0, until_min = 60, rate_vnd = 25_000, per_min = 60 },
    { from_min = 120, rate_vnd = 35_000, per_min = 60 },
]"),
        ["10: zone \"HK\": block 2 starts at 120 but block 1 ends at 60: a gap of 60 minutes"]
    );
    assert_eq!(
        of("blocks = [
    { from_min = 0, until_min = 180, rate_vnd = 25_000, per_min = 60 },
    { from_min = 120, until_min = 240, rate_vnd = 35_000, per_min = 60 },
]"),
        [
            "10: zone \"HK\": block 2 starts at 120 but block 1 ends at 180: an overlap of 60 minutes",
            "10: zone \"HK\": block 2, until_min: the last block ends at 240 minutes and a longer stay has no price: leave its end out",
        ]
    );
    assert_eq!(
        of("windows = [
    { vi = \"a\", en = \"a\", from = 06:00, to = 18:00, rate_vnd = 1 },
    { vi = \"b\", en = \"b\", from = 19:00, to = 06:00, rate_vnd = -1 },
]"),
        [
            "10: zone \"HK\": window 2, rate_vnd: a price cannot be negative: -1 ₫",
            "10: zone \"HK\": window 2: nothing is priced from 18:00 to 19:00: a gap of 60 minutes",
        ]
    );
    assert_eq!(
        of(""),
        ["4: zone \"HK\": there is neither a block nor a window to price by"]
    );
}

#[test]
fn what_is_no_toml_is_told_alone() {
    let told = told("zones = [\"A\"]\nclass = \"truck\"\neffective_from = 2018-02-30\n");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("7: "), "{told:#?}");
}

#[test]
fn mistakes_of_every_kind_are_told_at_once() {
    let told = told(
        "zones = [\"A\"]
class = \"truck\"
effective_from = 2018-02-28
free_mins = 10
free_min = -1
vat_bp = \"8\"
unused = \"burnt\"
exemptions = [\"friend\"]
[[tariff]]
class = \"car\"
effective_from = 06:00
blocks = [{ rate_vnd = 1.5, per_min = 60, colour = \"red\" }]
passes = [{ kind = \"day\", price_vnd = 1 }]
[tarif]
",
    );
    let expected = [
        "4: zone \"A\": there is neither a block nor a window to price by",
        "6: zone \"A\": class \"truck\" is not known: it is car or motorbike",
        "8: zone \"A\": free_mins is not known here; known are blocks, cap_24h_vnd, cap_day_vnd, class, days, effective_from, exemptions, free_min, increments, max_stay_min, passes, unused, vat_bp, windows, zones",
        "9: zone \"A\": free_min is negative: -1",
        "10: zone \"A\": vat_bp is a text, not a whole number",
        "11: zone \"A\": unused \"burnt\" is not known: it is kept, pro_rata or repriced",
        "12: zone \"A\": exemptions \"friend\" is not known: it is described by an [[exemption]]",
        "13: a tariff needs zones, such as zones = [\"A\"]",
        "15: 06:00 is not a date such as 2027-01-01, or one with a time that exists",
        "16: rate_vnd is a number with a fraction, not a whole number",
        "16: colour is not known here; known are from_min, max_vnd, min_vnd, per_min, rate_vnd, until_min",
        "17: pass 1: a day pass has hours, a pass for day and night has none",
        "18: tarif is not known here; known are city, exemption, holidays, tariff, timezone",
    ];
    assert_eq!(told, expected, "{told:#?}");
}

#[test]
fn a_version_is_written_once() {
    let twice = format!(
        "{HEAD}blocks = [{{ rate_vnd = 1, per_min = 60 }}]\n[[tariff]]\n{HEAD}blocks = [{{ rate_vnd = 2, per_min = 60 }}]"
    );
    assert_eq!(
        told(&twice),
        ["9: zone \"HK\", car: the version on line 4 begins at the same time"]
    );
    assert_eq!(TariffFile::read("").unwrap_err().len(), 3);
}
