//! Recorded occupancy as events of synthetic bays.
//!
//! A reading "n of c places are taken at t" makes bays 1 to n occupied and the others free, as if
//! places filled one after the other; only bays that change speak. Nothing is invented: the events
//! carry the recorded times, and a row that cannot be true is refused with its reason.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, SecondsFormat, TimeZone};
use chrono_tz::Europe::London;
use domain::Timestamp;
use domain::device::{Device, DeviceModel};
use domain::place::{Bay, City, Lot, LotKind, Operator, Place, VehicleClass, Ward, Zone};
use serde::Deserialize;
use tokio::sync::watch;

use crate::mqtt::Publisher;

/// The code of the recording's city.
const CITY: &str = "birmingham";

/// How fast a recording is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as the broker takes it.
    Max,
    /// So many times faster than it was recorded.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<f64>()) {
            ("max", _) => Ok(Self::Max),
            (_, Ok(factor)) if factor.is_finite() && factor > 0.0 => Ok(Self::Times(factor)),
            _ => Err("a speed is `max` or a positive number such as 3600".to_owned()),
        }
    }
}

/// Why a row is not taken. The order is the order in which a row is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowRefusal {
    /// A field is missing or is no number or time.
    Unreadable,
    /// Fewer than no vehicles.
    BelowZero,
    /// More vehicles than places.
    OverCapacity,
    /// The same car park and time stood before.
    Repeated,
}

impl RowRefusal {
    const ALL: [Self; 4] = [
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

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "SystemCodeNumber")]
    code: String,
    #[serde(rename = "Capacity")]
    capacity: u32,
    #[serde(rename = "Occupancy")]
    occupancy: i64,
    #[serde(rename = "LastUpdated")]
    updated: String,
}

struct Reading {
    at: Timestamp,
    lot: usize,
    occupied: u32,
}

/// A recording whose every row is accounted for.
pub struct Recording {
    lots: Vec<(String, u32)>,
    /// In order of time.
    readings: Vec<Reading>,
    rows: usize,
    refused: BTreeMap<RowRefusal, usize>,
    expected: BTreeMap<String, u32>,
}

impl Recording {
    /// Reads Birmingham's recording.
    ///
    /// # Errors
    /// Where the file cannot be read or has other columns.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let mut reader = csv::Reader::from_path(path)?;
        let wanted = ["SystemCodeNumber", "Capacity", "Occupancy", "LastUpdated"];
        anyhow::ensure!(
            reader.headers()? == wanted.as_slice(),
            "its columns are not {}",
            wanted.join(",")
        );
        let mut recording = Self {
            lots: Vec::new(),
            readings: Vec::new(),
            rows: 0,
            refused: BTreeMap::new(),
            expected: BTreeMap::new(),
        };
        let mut seen = HashSet::new();
        for row in reader.deserialize::<Row>() {
            recording.rows += 1;
            if let Err(refusal) = recording.take(row, &mut seen) {
                *recording.refused.entry(refusal).or_default() += 1;
            }
        }
        anyhow::ensure!(!recording.readings.is_empty(), "it holds no valid row");
        // Stable: rows of one time keep the file's order.
        recording.readings.sort_by_key(|reading| reading.at);
        for reading in &recording.readings {
            let code = lot_code(&recording.lots[reading.lot].0);
            recording.expected.insert(code, reading.occupied);
        }
        Ok(recording)
    }

    fn take(
        &mut self,
        row: Result<Row, csv::Error>,
        seen: &mut HashSet<(String, String)>,
    ) -> Result<(), RowRefusal> {
        let row = row.map_err(|_| RowRefusal::Unreadable)?;
        let local = NaiveDateTime::parse_from_str(&row.updated, "%Y-%m-%d %H:%M:%S");
        // Where clocks went back, the earlier of two instants.
        let at = local
            .ok()
            .and_then(|local| London.from_local_datetime(&local).earliest());
        let at = at.ok_or(RowRefusal::Unreadable)?.to_utc();
        if row.occupancy < 0 {
            return Err(RowRefusal::BelowZero);
        }
        let occupied = u32::try_from(row.occupancy)
            .ok()
            .filter(|occupied| *occupied <= row.capacity)
            .ok_or(RowRefusal::OverCapacity)?;
        if !seen.insert((row.code.clone(), row.updated)) {
            return Err(RowRefusal::Repeated);
        }
        let lot = self
            .lots
            .iter()
            .position(|(code, _)| *code == row.code)
            .unwrap_or_else(|| {
                self.lots.push((row.code.clone(), row.capacity));
                self.lots.len() - 1
            });
        self.lots[lot].1 = self.lots[lot].1.max(row.capacity);
        self.readings.push(Reading { at, lot, occupied });
        Ok(())
    }

    /// The code of the recording's city.
    pub fn city(&self) -> String {
        CITY.to_owned()
    }

    /// How many vehicles each car park held in its last valid row, by lot code.
    pub fn expected(&self) -> &BTreeMap<String, u32> {
        &self.expected
    }

    /// How many rows were read, taken, and refused by reason.
    pub fn account(&self) -> (usize, usize, Vec<(RowRefusal, usize)>) {
        let refused = RowRefusal::ALL
            .map(|why| (why, self.refused.get(&why).copied().unwrap_or(0)))
            .to_vec();
        (self.rows, self.readings.len(), refused)
    }

    /// The closing table.
    pub fn table(&self) -> String {
        let (rows, taken, refused) = self.account();
        let mut out = format!(
            "{:<24}{rows:>8}\n{:<24}{taken:>8}\n",
            "rows read", "rows taken"
        );
        for (why, count) in refused {
            let _ = writeln!(out, "{:<24}{count:>8}", format!("refused: {}", why.text()));
        }
        let places: u32 = self.lots.iter().map(|(_, capacity)| capacity).sum();
        let occupied: u32 = self.expected.values().sum();
        let _ = write!(
            out,
            "\n{} car parks with {places} places, {occupied} of them occupied at the end.",
            self.lots.len()
        );
        out
    }

    /// The car parks as a place. The recording knows no prices, so the zone has none, and nothing
    /// of where they lie, so they stand in a grid around the city's middle.
    pub fn place(&self) -> Place {
        let lots = self
            .lots
            .iter()
            .enumerate()
            .map(|(index, (code, capacity))| Lot {
                code: lot_code(code),
                name: code.clone(),
                kind: LotKind::OffStreet,
                ward: "centre".to_owned(),
                zone: "none".to_owned(),
                operator: "bcc".to_owned(),
                position: [
                    -1.9106 + 0.006 * (index % 6) as f64,
                    52.4711 + 0.004 * (index / 6) as f64,
                ],
                bays: (0..*capacity).map(|bay| self.bay(code, bay)).collect(),
            });
        Place {
            city: City {
                code: CITY.to_owned(),
                name: "Birmingham".to_owned(),
                timezone: London,
            },
            operators: vec![Operator {
                code: "bcc".to_owned(),
                name: "Birmingham City Council (recording)".to_owned(),
                bank_bin: "000000".to_owned(),
                bank_account: "none".to_owned(),
            }],
            wards: vec![Ward {
                code: "centre".to_owned(),
                name: "Birmingham".to_owned(),
            }],
            zones: vec![Zone {
                code: "none".to_owned(),
                name: "Recording without prices".to_owned(),
                tariffs: Vec::new(),
            }],
            lots: lots.collect(),
        }
    }

    fn bay(&self, code: &str, index: u32) -> Bay {
        let id = device_id(code, index);
        let (x, y) = ((index % 40) as f32 * 2.5, (index / 40) as f32 * 8.0);
        Bay {
            code: id.to_uppercase(),
            class: VehicleClass::Car,
            outline: [[x, y], [x + 2.5, y], [x + 2.5, y + 5.0], [x, y + 5.0]],
            device: Some(Device {
                id,
                model: DeviceModel::Clearbay,
                silence_after_s: None,
            }),
        }
    }

    /// Sends all events over MQTT and waits until the broker has them; the result is how many.
    ///
    /// # Errors
    /// Where the broker refuses, or when told to stop.
    pub async fn publish(
        &self,
        mqtt_url: &str,
        speed: Speed,
        shutdown: watch::Receiver<bool>,
    ) -> anyhow::Result<u64> {
        let mut publisher = Publisher::connect(mqtt_url, "clearbay-replay")?;
        let mut known: Vec<Option<u32>> = vec![None; self.lots.len()];
        let first = self.readings.first().map(|reading| reading.at);
        let (started, mut said) = (Instant::now(), Instant::now());
        let mut sent = 0;
        for (index, reading) in self.readings.iter().enumerate() {
            anyhow::ensure!(!*shutdown.borrow(), "stopped");
            if let (Speed::Times(factor), Some(first)) = (speed, first) {
                let due = (reading.at - first)
                    .to_std()
                    .unwrap_or_default()
                    .div_f64(factor);
                tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
            }
            let (code, capacity) = &self.lots[reading.lot];
            let at = reading.at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let seq = reading.at.timestamp();
            for bay in changed(known[reading.lot], reading.occupied, *capacity) {
                let id = device_id(code, bay);
                let occupied = bay < reading.occupied;
                let payload = format!(
                    "{{\"device\":\"{id}\",\"at\":\"{at}\",\"seq\":{seq},\"occupied\":{occupied}}}"
                );
                publisher
                    .publish(format!("clearbay/v1/devices/{id}/up"), payload.into())
                    .await?;
                sent += 1;
            }
            known[reading.lot] = Some(reading.occupied);
            if said.elapsed() > Duration::from_secs(2) {
                said = Instant::now();
                let rate = sent as f64 / started.elapsed().as_secs_f64();
                println!(
                    "  {:>3} % of the rows, {sent} messages, {rate:.0} a second",
                    index * 100 / self.readings.len()
                );
            }
        }
        publisher.flush().await;
        Ok(sent)
    }
}

/// Which bays of a stack change when it goes from `before` to `after` vehicles; all where nothing
/// was known.
fn changed(before: Option<u32>, after: u32, capacity: u32) -> std::ops::Range<u32> {
    match before {
        None => 0..capacity,
        Some(before) => before.min(after)..before.max(after),
    }
}

fn lot_code(code: &str) -> String {
    format!("BHM-{code}")
}

fn device_id(code: &str, bay: u32) -> String {
    format!("bhm-{}-{:04}", code.to_ascii_lowercase(), bay + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_birmingham_is_accounted_for() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/birmingham.csv");
        if !path.exists() {
            println!("skipped: {} is not on this machine", path.display());
            return;
        }
        let recording = Recording::read(&path).unwrap();
        let (rows, taken, refused) = recording.account();
        assert_eq!(rows, 35_717);
        assert_eq!(
            taken + refused.iter().map(|(_, count)| count).sum::<usize>(),
            rows
        );
        let count = |why| refused.iter().find(|(found, _)| *found == why).unwrap().1;
        assert_eq!(count(RowRefusal::OverCapacity), 373);
        assert_eq!(count(RowRefusal::BelowZero), 12);
        assert_eq!(count(RowRefusal::Unreadable), 0);
        let place = recording.place();
        assert_eq!(place.validate(), Ok(()));
        assert_eq!(place.lots.len(), 30);
        assert_eq!(
            place.lots.iter().map(|lot| lot.bays.len()).sum::<usize>(),
            39_956
        );
    }

    #[test]
    fn only_bays_that_change_speak() {
        assert_eq!(changed(None, 3, 10), 0..10);
        assert_eq!(changed(Some(3), 5, 10), 3..5);
        assert_eq!(changed(Some(5), 3, 10), 3..5);
        assert!(changed(Some(4), 4, 10).is_empty());
    }
}
