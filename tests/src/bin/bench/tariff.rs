//! Quotes per second on one core: whole ones, with every line's words in both languages.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::place::VehicleClass;
use domain::tariff::file::TariffFile;
use domain::tariff::{self, Tariff};

const HANOI: &str = include_str!("../../../../deploy/tariffs/hanoi.toml");
const EVERY_RULE: &str = include_str!("../../../../deploy/tariffs/every-rule.toml");

/// How long each kind of stay is quoted.
const RUN: Duration = Duration::from_millis(500);

/// Stays of one kind, and their share of a city's.
struct Kind {
    name: &'static str,
    percent: u32,
    tariffs: Vec<Tariff>,
    class: VehicleClass,
    tz: Tz,
    stays: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    let mut mean_ns = 0.0;
    let mut lines = Vec::new();
    for kind in kinds()? {
        let ns = kind.ns_per_quote()?;
        mean_ns += ns * f64::from(kind.percent) / 100.0;
        lines.push(format!("tariff_{}_ns: {ns:.0}", kind.name));
    }
    println!("tariff_quotes_per_s: {:.0}", 1e9 / mean_ns);
    println!("tariff_quote_ns: {mean_ns:.0}");
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn kinds() -> anyhow::Result<Vec<Kind>> {
    let read = |source| TariffFile::read(source).map_err(|errors| anyhow::anyhow!("{errors:?}"));
    let (hanoi, invented) = (read(HANOI)?, read(EVERY_RULE)?);
    let (car, motorbike) = (VehicleClass::Car, VehicleClass::Motorbike);
    let kind = |name, percent, file: &TariffFile, zone, class, (day, hours)| Kind {
        name,
        percent,
        tariffs: file.zone(zone),
        class,
        tz: file.timezone,
        stays: stays(day, hours),
    };
    Ok(vec![
        kind("car", 45, &hanoi, "B", car, ("2026-11-23", 1..=9)),
        kind("street", 20, &hanoi, "A", car, ("2026-11-23", 1..=6)),
        kind(
            "motorbike",
            20,
            &hanoi,
            "A",
            motorbike,
            ("2026-11-23", 1..=14),
        ),
        kind("capped", 10, &hanoi, "C", car, ("2026-11-23", 6..=30)),
        kind(
            "holiday",
            5,
            &invented,
            "market",
            car,
            ("2027-05-01", 1..=12),
        ),
    ])
}

/// A thousand stays that begin over a day, at odd minutes, and last so many hours and some minutes.
fn stays(day: &str, hours: std::ops::RangeInclusive<i64>) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let midnight: DateTime<Utc> = format!("{day}T00:00:00+07:00").parse().unwrap_or_default();
    let span = hours.end() - hours.start() + 1;
    let stay = |index: i64| {
        let from = midnight + TimeDelta::seconds(index * 1_033 % 86_400);
        let minutes = (hours.start() + index % span) * 60 + index * 7 % 60;
        (from, from + TimeDelta::minutes(minutes))
    };
    (0..1_000).map(stay).collect()
}

impl Kind {
    fn ns_per_quote(&self) -> anyhow::Result<f64> {
        let (mut count, started) = (0u32, Instant::now());
        while started.elapsed() < RUN {
            for (from, to) in &self.stays {
                let quote = tariff::quote(&self.tariffs, self.class, self.tz, *from, *to)?;
                black_box(&quote);
            }
            count += u32::try_from(self.stays.len())?;
        }
        Ok(started.elapsed().as_secs_f64() * 1e9 / f64::from(count))
    }
}
