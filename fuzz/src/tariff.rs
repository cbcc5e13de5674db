//! Files of tariffs, and the prices that they give.

use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::tariff::file::TariffFile;
use domain::tariff::{QuoteError, Tariff, TariffBook};

/// After the beginning of a version stays begin by so many minutes: at once, within a day, days later.
const BEGINS_MIN: [i64; 3] = [0, 817, 7_203];
/// How long they last, in minutes: each longer than the one before, up to what is quoted at most.
const LASTS_MIN: [i64; 9] = [1, 15, 61, 479, 1_440, 1_441, 4_001, 10_080, 44_640];
/// So many versions of a zone and zones of a file are priced: more say little new.
const PRICED_MAX: usize = 3;

/// Reads a file. What is wrong with it has a line; what is sound prices every stay.
pub fn file(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else {
        return;
    };
    match TariffFile::read(source) {
        Ok(file) => {
            for zone in file.zones().into_iter().take(PRICED_MAX) {
                prices(&file.zone(zone), file.timezone);
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = source.matches('\n').count() + 1;
            for error in errors {
                assert!((1..=lines).contains(&error.line), "{error}");
            }
        }
    }
}

/// Prices stays by a zone's versions, which are sound: the lines sum to the total, and it never falls as the stay
/// grows. What is given back lies between nothing and what was paid.
pub fn prices(tariffs: &[Tariff], tz: Tz) {
    for class in [VehicleClass::Car, VehicleClass::Motorbike] {
        let book = TariffBook::new(tariffs, class, tz);
        let versions = tariffs.iter().filter(|tariff| tariff.class == class);
        for version in versions.take(PRICED_MAX) {
            kept(version);
            for after in BEGINS_MIN {
                let from = version
                    .effective_from
                    .checked_add_signed(TimeDelta::minutes(after));
                if let Some(from) = from {
                    stays(&book, from);
                }
            }
        }
    }
}

/// The database keeps versions as JSON: they come back as they were.
fn kept(version: &Tariff) {
    let json = serde_json::to_string(version).expect("a tariff is JSON");
    let read: Tariff = serde_json::from_str(&json).expect("what was written");
    assert_eq!(&read, version);
}

fn stays(book: &TariffBook<'_>, from: domain::Timestamp) {
    let mut least = Vnd::ZERO;
    for minutes in LASTS_MIN {
        let Some(to) = from.checked_add_signed(TimeDelta::minutes(minutes)) else {
            return;
        };
        let quote = match book.quote(from, to) {
            Ok(quote) => quote,
            // No sound tariff is so high that a month could not be stated.
            Err(error) => panic!("{error}: {from} to {to}"),
        };
        assert!(quote.amount_vnd >= least, "{from} to {to}");
        least = quote.amount_vnd;
        let lines = quote.lines.iter().map(|line| line.amount_vnd);
        assert_eq!(Vnd::checked_sum(lines), Some(quote.amount_vnd));
        for line in &quote.lines {
            assert_eq!(line.rate_vnd.checked_mul(line.units), Some(line.amount_vnd));
            assert!(line.from < line.to && !line.text.is_empty() && !line.text_en.is_empty());
        }
        let stop = from + (to - from) / 3;
        let back: Result<Vnd, QuoteError> = book.refund(from, to, stop, quote.amount_vnd);
        let back = back.expect("what has a price has a refund");
        assert!(back >= Vnd::ZERO && back <= quote.amount_vnd);
        let more = book.extension(from, to, back).expect("it has a price");
        assert_eq!(more.amount_vnd.checked_add(back), Some(quote.amount_vnd));
    }
}
