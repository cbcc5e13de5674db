//! Recorded occupancy as events of synthetic bays.
//!
//! A reading "n of c places are taken at t" makes bays 1 to n occupied and the others free, as if
//! places filled one after the other; only bays that change speak. Nothing is invented: the events
//! carry the recorded times, and a row that cannot be true is refused with its reason.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use chrono::{NaiveDateTime, TimeZone};
use chrono_tz::Europe::London;
use domain::Timestamp;

mod place;
mod publish;

pub use publish::Speed;

/// The code of the recording's city.
pub const CITY: &str = "bhm";

const COLUMNS: [&str; 4] = ["SystemCodeNumber", "Capacity", "Occupancy", "LastUpdated"];

/// Why a row is not taken. A row is checked in this order and counted once, under the first reason
/// that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowRefusal {
    /// A field is missing, or is no number or no time that Birmingham's clocks showed.
    Unreadable,
    /// Fewer than no vehicles.
    BelowZero,
    /// More vehicles than places.
    OverCapacity,
    /// A row of the same car park and time was taken before.
    Repeated,
}

impl RowRefusal {
    /// Every reason, in the order of the checks.
    pub const ALL: [Self; 4] = [
        Self::Unreadable,
        Self::BelowZero,
        Self::OverCapacity,
        Self::Repeated,
    ];

    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::BelowZero => "below zero",
            Self::OverCapacity => "over capacity",
            Self::Repeated => "repeated",
        }
    }
}

/// A car park of the recording and what became of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarPark {
    /// Its name in the recording.
    pub name: String,
    /// Its name where a code is needed: letters, digits and hyphens.
    pub code: String,
    /// How many places it has.
    pub capacity: u32,
    /// How many of its rows were taken.
    pub taken: usize,
    /// How many were refused, by [`RowRefusal::ALL`].
    pub refused: [usize; 4],
    /// How many vehicles its last valid row tells of.
    pub last: Option<u32>,
}

/// A valid row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    at: Timestamp,
    /// Index into the recording's car parks.
    car_park: usize,
    occupied: u32,
}

/// A recording whose every row is accounted for.
#[derive(Clone, Debug)]
pub struct Recording {
    car_parks: Vec<CarPark>,
    /// In order of time; those of one time in the file's order.
    readings: Vec<Reading>,
    rows: usize,
    /// Rows that do not even name a car park.
    nameless: usize,
    expected: BTreeMap<String, u32>,
}

impl Recording {
    /// Reads Birmingham's recording.
    ///
    /// # Errors
    /// Where the file cannot be read, has other columns or holds no valid row.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::parse(std::fs::File::open(path)?)
    }

    fn parse(input: impl std::io::Read) -> anyhow::Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
        anyhow::ensure!(
            reader.byte_headers()? == COLUMNS.as_slice(),
            "its columns are not {}",
            COLUMNS.join(",")
        );
        let mut recording = Self {
            car_parks: Vec::new(),
            readings: Vec::new(),
            rows: 0,
            nameless: 0,
            expected: BTreeMap::new(),
        };
        let (mut known, mut taken) = (HashMap::new(), HashSet::new());
        for record in reader.byte_records() {
            let record = record.context("it breaks off")?;
            recording.rows += 1;
            let fields: Vec<&str> = record
                .iter()
                .filter_map(|field| std::str::from_utf8(field).ok())
                .collect();
            let Some(name) = fields.first().filter(|name| !name.trim().is_empty()) else {
                recording.nameless += 1;
                continue;
            };
            let car_park = recording.car_park(name, &mut known)?;
            let reading = check(&fields, car_park).and_then(|(capacity, reading)| {
                if !taken.insert((car_park, reading.at)) {
                    return Err(RowRefusal::Repeated);
                }
                Ok((capacity, reading))
            });
            let entry = &mut recording.car_parks[car_park];
            match reading {
                Ok((capacity, reading)) => {
                    entry.taken += 1;
                    entry.capacity = entry.capacity.max(capacity);
                    recording.readings.push(reading);
                }
                Err(refusal) => entry.refused[refusal as usize] += 1,
            }
        }
        anyhow::ensure!(!recording.readings.is_empty(), "it holds no valid row");
        recording.readings.sort_by_key(|reading| reading.at);
        for reading in &recording.readings {
            recording.car_parks[reading.car_park].last = Some(reading.occupied);
        }
        let last = |car_park: &CarPark| Some((car_park.code.clone(), car_park.last?));
        recording.expected = recording.car_parks.iter().filter_map(last).collect();
        Ok(recording)
    }

    /// The index of the car park of that name.
    fn car_park(
        &mut self,
        name: &str,
        known: &mut HashMap<String, usize>,
    ) -> anyhow::Result<usize> {
        if let Some(index) = known.get(name) {
            return Ok(*index);
        }
        let code = code_of(name);
        let twin = self.car_parks.iter().find(|car_park| car_park.code == code);
        if let Some(twin) = twin {
            anyhow::bail!(
                "the names {:?} and {name:?} cannot be told apart as codes",
                twin.name
            );
        }
        known.insert(name.to_owned(), self.car_parks.len());
        self.car_parks.push(CarPark {
            name: name.to_owned(),
            code,
            capacity: 0,
            taken: 0,
            refused: [0; 4],
            last: None,
        });
        Ok(self.car_parks.len() - 1)
    }

    /// The code of the recording's city.
    pub fn city(&self) -> &'static str {
        CITY
    }

    /// Every car park, in the order of the file.
    pub fn car_parks(&self) -> &[CarPark] {
        &self.car_parks
    }

    /// When a car park, named by its index, held how many vehicles, in order of time.
    pub fn readings(&self, car_park: usize) -> impl Iterator<Item = (Timestamp, u32)> {
        let readings = self.readings.iter();
        readings
            .filter(move |reading| reading.car_park == car_park)
            .map(|reading| (reading.at, reading.occupied))
    }

    /// How many vehicles each car park held in its last valid row, by lot code.
    pub fn expected(&self) -> &BTreeMap<String, u32> {
        &self.expected
    }

    /// How many rows were read, taken, and refused by reason. The first is the sum of the others.
    pub fn account(&self) -> (usize, usize, [(RowRefusal, usize); 4]) {
        let refused = RowRefusal::ALL.map(|why| {
            let named: usize = self.car_parks.iter().map(|c| c.refused[why as usize]).sum();
            let nameless = if why == RowRefusal::Unreadable {
                self.nameless
            } else {
                0
            };
            (why, named + nameless)
        });
        (self.rows, self.readings.len(), refused)
    }

    /// The closing table: a line for each car park, then the sums.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, cells: [String; 8]| {
            // Writing to memory cannot fail.
            let _ = write!(out, "{name:<18}");
            for cell in cells {
                let _ = write!(out, " {cell:>10}");
            }
            out.push('\n');
        };
        let titles = [
            "rows",
            "taken",
            "unreadable",
            "below 0",
            "over cap.",
            "repeated",
        ];
        let [rows, taken, unreadable, below, over, repeated] = titles.map(str::to_owned);
        line(
            "car park",
            [
                rows,
                taken,
                unreadable,
                below,
                over,
                repeated,
                "places".into(),
                "last".into(),
            ],
        );
        for car_park in &self.car_parks {
            let [unreadable, below, over, repeated] = car_park.refused.map(|n| n.to_string());
            let rows = car_park.taken + car_park.refused.iter().sum::<usize>();
            let last = car_park
                .last
                .map_or_else(|| "-".to_owned(), |last| last.to_string());
            let (taken, places) = (car_park.taken.to_string(), car_park.capacity.to_string());
            line(
                &car_park.name,
                [
                    rows.to_string(),
                    taken,
                    unreadable,
                    below,
                    over,
                    repeated,
                    places,
                    last,
                ],
            );
        }
        let (rows, taken, refused) = self.account();
        let [unreadable, below, over, repeated] = refused.map(|(_, count)| count.to_string());
        let places: u32 = self
            .car_parks
            .iter()
            .map(|car_park| car_park.capacity)
            .sum();
        let occupied: u32 = self.expected.values().sum();
        line(
            &format!("{} car parks", self.car_parks.len()),
            [
                rows.to_string(),
                taken.to_string(),
                unreadable,
                below,
                over,
                repeated,
                places.to_string(),
                occupied.to_string(),
            ],
        );
        let refused: usize = refused.iter().map(|(_, count)| count).sum();
        let _ = write!(out, "\n{rows} rows read: {taken} taken, {refused} refused.");
        out
    }
}

/// A row's capacity and reading, or why it cannot be true.
fn check(fields: &[&str], car_park: usize) -> Result<(u32, Reading), RowRefusal> {
    let &[_, capacity, occupancy, updated] = fields else {
        return Err(RowRefusal::Unreadable);
    };
    let number = |text: &str| {
        text.trim()
            .parse::<i64>()
            .map_err(|_| RowRefusal::Unreadable)
    };
    let capacity = u32::try_from(number(capacity)?).map_err(|_| RowRefusal::Unreadable)?;
    let occupancy = number(occupancy)?;
    let local = NaiveDateTime::parse_from_str(updated.trim(), "%Y-%m-%d %H:%M:%S");
    // Where clocks went back, the earlier of two instants.
    let at = local
        .ok()
        .and_then(|local| London.from_local_datetime(&local).earliest());
    let at = at.ok_or(RowRefusal::Unreadable)?.to_utc();
    if occupancy < 0 {
        return Err(RowRefusal::BelowZero);
    }
    let occupied = u32::try_from(occupancy)
        .ok()
        .filter(|occupied| *occupied <= capacity);
    let occupied = occupied.ok_or(RowRefusal::OverCapacity)?;
    Ok((
        capacity,
        Reading {
            at,
            car_park,
            occupied,
        },
    ))
}

/// A name with a hyphen for whatever does not belong into an address or a topic.
fn code_of(name: &str) -> String {
    name.trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// The code of a car park's bay, numbered from 0.
fn bay_code(car_park: &str, bay: u32) -> String {
    format!("{car_park}-{:04}", bay + 1)
}

/// The name of a bay's device.
fn device_id(car_park: &str, bay: u32) -> String {
    format!("{CITY}-{car_park}-{:04}", bay + 1)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
