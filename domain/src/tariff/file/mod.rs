//! A city's tariffs as a TOML file that people write and review.
//!
//! `deploy/tariffs/hanoi.toml` is a documented example. Everything wrong with a file is told at
//! once, each with its line; a key that is not known is wrong too, for it is most likely a typing
//! error in one that is.

use chrono::NaiveDate;
use chrono_tz::Tz;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    Day, DayRule, Ground, Hours, Increments, Part, PassKind, PassOffer, Spot, Tariff, Unused,
};
use crate::Timestamp;
use crate::place::VehicleClass;

mod fields;
mod pricing;
#[cfg(test)]
mod tests;
mod time;

use fields::{Faults, Fields, SpotLines};

/// A city's tariffs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TariffFile {
    /// The city's code.
    pub city: String,
    /// Its time zone.
    pub timezone: Tz,
    /// Every version, zone by zone as the file has them.
    pub entries: Vec<Entry>,
}

/// One version of one zone's tariff for one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The zone's code.
    pub zone: String,
    /// The tariff, which is sound.
    pub tariff: Tariff,
    /// The line on which it begins.
    pub line: usize,
}

/// What is wrong with a file, and where. Prints as `14: what`, to follow the file's name and a
/// colon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {what}")]
pub struct FileError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// What all tariffs of a file share.
struct Shared {
    timezone: Tz,
    holidays: Vec<NaiveDate>,
    grounds: Vec<Ground>,
}

impl TariffFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// All that is wrong with it, in order of lines.
    pub fn read(source: &str) -> Result<Self, Vec<FileError>> {
        let mut faults = Faults::new(source);
        let (document, errors) = DeTable::parse_recoverable(source);
        for error in errors {
            faults.add(error.span().unwrap_or(0..0), error.message());
        }
        // A file that is not TOML would give follow-up errors that only confuse.
        if !faults.is_empty() {
            return Err(faults.into_errors());
        }
        let file = read_document(&document, &mut faults);
        match file {
            Some(file) if faults.is_empty() => Ok(file),
            _ => Err(faults.into_errors()),
        }
    }

    /// The tariffs of one zone.
    pub fn zone(&self, code: &str) -> Vec<Tariff> {
        let of_zone = self.entries.iter().filter(|entry| entry.zone == code);
        of_zone.map(|entry| entry.tariff.clone()).collect()
    }

    /// The zones it has tariffs for, in its order.
    pub fn zones(&self) -> Vec<&str> {
        let mut zones = Vec::new();
        for entry in &self.entries {
            if !zones.contains(&entry.zone.as_str()) {
                zones.push(entry.zone.as_str());
            }
        }
        zones
    }
}

fn read_document(document: &Spanned<DeTable<'_>>, faults: &mut Faults<'_>) -> Option<TariffFile> {
    let mut top = Fields::new(document.get_ref(), document.span(), String::new());
    let city = top.text("city", faults);
    let timezone = top.code("timezone", faults, "an IANA name", |name| name.parse().ok());
    let holidays = top.list("holidays", faults);
    let holidays = holidays
        .iter()
        .filter_map(|value| time::date(value, faults))
        .collect();
    let grounds = top.tables("exemption", faults);
    let grounds = grounds
        .into_iter()
        .filter_map(|mut fields| {
            let ground = Ground {
                code: fields.text("code", faults)?,
                name_vi: fields.text("vi", faults)?,
                name_en: fields.text("en", faults)?,
            };
            fields.finish(faults);
            Some(ground)
        })
        .collect();
    let shared = Shared {
        // Only to find what else is wrong; the missing name is a fault already.
        timezone: timezone.unwrap_or(Tz::UTC),
        holidays,
        grounds,
    };
    let tariffs = top.tables("tariff", faults);
    if tariffs.is_empty() {
        faults.add(document.span(), "there is no [[tariff]]");
    }
    let mut entries: Vec<Entry> = Vec::new();
    for fields in tariffs {
        for entry in read_tariff(fields, &shared, faults) {
            let same = |known: &&Entry| {
                known.zone == entry.zone
                    && known.tariff.class == entry.tariff.class
                    && known.tariff.effective_from == entry.tariff.effective_from
            };
            if let Some(known) = entries.iter().find(same) {
                let (zone, class, line) = (&entry.zone, entry.tariff.class, known.line);
                faults.add_line(
                    entry.line,
                    format!(
                        "zone {zone:?}, {class}: the version on line {line} begins at the same time"
                    ),
                );
            }
            entries.push(entry);
        }
    }
    top.finish(faults);
    Some(TariffFile {
        city: city?,
        timezone: timezone?,
        entries,
    })
}

/// Reads one `[[tariff]]`, which stands for as many entries as it names zones.
fn read_tariff(mut fields: Fields<'_>, shared: &Shared, faults: &mut Faults<'_>) -> Vec<Entry> {
    let zones = fields.texts("zones", faults);
    if zones.is_empty() {
        faults.add(
            fields.span(),
            "a tariff needs zones, such as zones = [\"A\"]",
        );
    }
    fields.set_context(match zones.as_slice() {
        [] => String::new(),
        zones => format!(
            "zone {}: ",
            zones
                .iter()
                .map(|zone| format!("{zone:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    });
    let class = fields.code("class", faults, "car or motorbike", VehicleClass::from_code);
    let effective_from = fields
        .need("effective_from", faults)
        .and_then(|value| time::instant(value, shared.timezone, faults));
    let mut lines = SpotLines::new(faults.line(fields.span().start));
    let read = Tariff {
        cap_24h_vnd: fields.money("cap_24h_vnd", faults),
        cap_day_vnd: fields.money("cap_day_vnd", faults),
        increments: fields
            .optional_code(
                "increments",
                faults,
                "rolling or calendar",
                Increments::from_code,
            )
            .unwrap_or_default(),
        free_min: fields.number("free_min", faults).unwrap_or(0),
        max_stay_min: fields.number("max_stay_min", faults).unwrap_or(24 * 60),
        vat_bp: fields.number("vat_bp", faults).unwrap_or(0),
        unused: fields
            .optional_code(
                "unused",
                faults,
                "kept, pro_rata or repriced",
                Unused::from_code,
            )
            .unwrap_or_default(),
        days: read_days(&mut fields, &mut lines, faults),
        passes: read_passes(&mut fields, &mut lines, faults),
        exemptions: read_exemptions(&mut fields, shared, faults),
        ..Tariff::new(
            class.unwrap_or(VehicleClass::Car),
            effective_from.unwrap_or(Timestamp::UNIX_EPOCH),
            pricing::read(&mut fields, &Spot::default(), &mut lines, faults),
        )
    };
    let uses_holidays = read.days.iter().any(|rule| rule.on.contains(&Day::Holiday));
    let tariff = Tariff {
        // A list that no rule needs would change the document whenever the list grows.
        holidays: if uses_holidays {
            shared.holidays.clone()
        } else {
            Vec::new()
        },
        ..read
    };
    fields.note_lines(&mut lines, &Spot::default(), faults);
    for error in tariff.check() {
        let what = format!("{}{error}", fields.context());
        faults.add_line(lines.of(&error.spot), what);
    }
    let line = faults.line(fields.span().start);
    fields.finish(faults);
    if class.is_none() || effective_from.is_none() {
        return Vec::new();
    }
    let entry = |zone| Entry {
        zone,
        tariff: tariff.clone(),
        line,
    };
    zones.into_iter().map(entry).collect()
}

fn read_days(
    fields: &mut Fields<'_>,
    lines: &mut SpotLines,
    faults: &mut Faults<'_>,
) -> Vec<DayRule> {
    let known = "mon, tue, wed, thu, fri, sat, sun or holiday";
    let rules = fields.tables("days", faults).into_iter().enumerate();
    rules
        .map(|(index, mut fields)| {
            let spot = Spot::default().with(Part::Rule(index));
            fields.note_lines(lines, &spot, faults);
            let rule = DayRule {
                name_vi: fields.text("vi", faults).unwrap_or_else(unnamed),
                name_en: fields.text("en", faults).unwrap_or_else(unnamed),
                on: fields.codes("on", faults, known, Day::from_code),
                pricing: pricing::read(&mut fields, &spot, lines, faults),
            };
            fields.finish(faults);
            rule
        })
        .collect()
}

fn read_passes(
    fields: &mut Fields<'_>,
    lines: &mut SpotLines,
    faults: &mut Faults<'_>,
) -> Vec<PassOffer> {
    let offers = fields.tables("passes", faults).into_iter().enumerate();
    offers
        .filter_map(|(index, mut fields)| {
            let spot = Spot::default().with(Part::Pass(index));
            fields.note_lines(lines, &spot, faults);
            let kind = fields.code("kind", faults, "day or day_and_night", PassKind::from_code);
            let price_vnd = fields.needed_money("price_vnd", faults);
            let hours = fields.optional("from").zip(fields.optional("to"));
            let hours = hours.and_then(|(from, to)| {
                let (from, to) = (time::of_day(from, faults)?, time::of_day(to, faults)?);
                Some(Hours { from, to })
            });
            fields.finish(faults);
            Some(PassOffer {
                kind: kind?,
                hours,
                price_vnd: price_vnd?,
            })
        })
        .collect()
}

/// The grounds that the tariff names, as `[[exemption]]` describes them.
fn read_exemptions(
    fields: &mut Fields<'_>,
    shared: &Shared,
    faults: &mut Faults<'_>,
) -> Vec<Ground> {
    let known: Vec<&str> = shared
        .grounds
        .iter()
        .map(|ground| ground.code.as_str())
        .collect();
    let known = match known.as_slice() {
        [] => "described by an [[exemption]]".to_owned(),
        known => known.join(", "),
    };
    fields.optional_codes("exemptions", faults, &known, |code| {
        shared
            .grounds
            .iter()
            .find(|ground| ground.code == code)
            .cloned()
    })
}

/// The name of what was told to be without one, so that it is not told twice.
fn unnamed() -> String {
    "?".to_owned()
}

/// What a value is, in the words of the file's readers.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
