//! What the live city was promised, against what is in the database, counted while all of it runs.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use simulator::acknowledged::{Event, Line};
use sqlx::PgPool;

use super::table::grouped;

/// How long the database may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How much of the record is read at a time, in bytes.
const READ_MAX: u64 = 4 << 20;
/// An event of which a device's later word is there is lost if it is still missing when looked for again: what a
/// broker was told twice may arrive in another order.
const LOOKS_UNTIL_LOST: u32 = 2;

/// The counts.
#[derive(Debug)]
pub struct Tally {
    record: PathBuf,
    read: u64,
    acknowledged: usize,
    confirmed: usize,
    /// Acknowledged events that were not found yet, in the order in which they were sent.
    missing: Vec<Missing>,
    /// Confirmed transfers that were not found.
    lost_transfers: Vec<String>,
    is_fresh: bool,
}

#[derive(Debug)]
struct Missing {
    event: Event,
    /// How often it was looked for in vain since a later word of its device was found.
    overtaken: u32,
}

impl Tally {
    /// Counts what a record says from its beginning ([`simulator::acknowledged`]); it need not be there yet.
    pub fn of(record: &Path) -> Self {
        Self {
            record: record.to_owned(),
            read: 0,
            acknowledged: 0,
            confirmed: 0,
            missing: Vec::new(),
            lost_transfers: Vec::new(),
            is_fresh: false,
        }
    }

    /// Reads what was recorded since, and looks for all that was not found yet. Where the database does not answer,
    /// the counts are those of before, and say so.
    ///
    /// # Panics
    /// Where the record cannot be read.
    pub async fn look(&mut self, pool: &PgPool) {
        let new = self.new_lines();
        for line in new {
            match line {
                Line::Event(event) => {
                    self.acknowledged += 1;
                    self.missing.push(Missing {
                        event,
                        overtaken: 0,
                    });
                }
                Line::Transfer(bank_ref) => {
                    self.confirmed += 1;
                    self.lost_transfers.push(bank_ref);
                }
            }
        }
        let asking = async {
            let events = found_events(pool, &self.missing).await?;
            Ok::<_, sqlx::Error>((events, found_transfers(pool, &self.lost_transfers).await?))
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await;
        self.is_fresh = matches!(answer, Ok(Ok(_)));
        if let Ok(Ok((events, transfers))) = answer {
            self.settle(&events);
            let mut place = 0..;
            self.lost_transfers
                .retain(|_| !place.next().is_some_and(|place| transfers.contains(&place)));
        }
    }

    /// Takes away the events that were found, by their places.
    fn settle(&mut self, found: &[usize]) {
        let mut last_found: HashMap<String, usize> = HashMap::new();
        for place in found {
            let device = &self.missing[*place].event.device;
            let last = last_found.entry(device.clone()).or_insert(*place);
            *last = (*last).max(*place);
        }
        let mut is_found = vec![false; self.missing.len()];
        found.iter().for_each(|place| is_found[*place] = true);
        for (place, missing) in self.missing.iter_mut().enumerate() {
            let last = last_found.get(&missing.event.device);
            if missing.overtaken > 0 || last.is_some_and(|last| *last > place) {
                missing.overtaken += 1;
            }
        }
        let mut is_found = is_found.into_iter();
        self.missing.retain(|_| !is_found.next().unwrap());
    }

    fn lost_events(&self) -> usize {
        let is_lost = |missing: &&Missing| missing.overtaken >= LOOKS_UNTIL_LOST;
        self.missing.iter().filter(is_lost).count()
    }

    /// Whole lines only: the last may not be written to its end.
    fn new_lines(&mut self) -> Vec<Line> {
        let Ok(mut file) = File::open(&self.record) else {
            return Vec::new();
        };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut bytes = Vec::new();
        file.take(READ_MAX).read_to_end(&mut bytes).unwrap();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        bytes.truncate(whole.map_or(0, |end| end + 1));
        self.read += bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter_map(Line::parse).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.acknowledged + self.confirmed == 0 {
            return f.write_str("nothing counted yet: that begins once the city's past is sent");
        }
        let (lost, lost_transfers) = (self.lost_events(), self.lost_transfers.len());
        write!(
            f,
            "since the city is live: {} events acknowledged, {} stored, {} on their way, {} lost; \
             {} payments confirmed to the bank, {} in the books, {} lost",
            grouped(self.acknowledged),
            grouped(self.acknowledged - self.missing.len()),
            grouped(self.missing.len() - lost),
            grouped(lost),
            grouped(self.confirmed),
            grouped(self.confirmed - lost_transfers),
            grouped(lost_transfers),
        )?;
        if !self.is_fresh {
            f.write_str(" (not looked up just now: the database does not answer)")?;
        }
        Ok(())
    }
}

/// The places of those that are in the database.
async fn found_events(pool: &PgPool, missing: &[Missing]) -> Result<Vec<usize>, sqlx::Error> {
    let events = || missing.iter().map(|missing| &missing.event);
    let names: Vec<&str> = events().map(|event| &*event.device).collect();
    let at: Vec<DateTime<Utc>> = events().map(|event| event.at).collect();
    let seq: Vec<i64> = events().map(|event| event.seq).collect();
    let places: Vec<i64> = sqlx::query_scalar(
        // Formats round a device's time in their own ways.
        "SELECT told.place
         FROM unnest($1::text[], $2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS told (name, at, seq, place)
         WHERE EXISTS (
            SELECT FROM device JOIN event USING (device_id)
            WHERE device.name = told.name AND event.seq = told.seq
              AND event.at BETWEEN told.at - interval '1 second' AND told.at + interval '1 second')",
    )
    .bind(names)
    .bind(at)
    .bind(seq)
    .fetch_all(pool)
    .await?;
    Ok(from_zero(places))
}

/// The places of those that are in the database.
async fn found_transfers(pool: &PgPool, bank_refs: &[String]) -> Result<Vec<usize>, sqlx::Error> {
    let places: Vec<i64> = sqlx::query_scalar(
        "SELECT told.place FROM unnest($1::text[]) WITH ORDINALITY AS told (bank_ref, place)
         WHERE EXISTS (SELECT FROM bank_notice WHERE gateway = 'vietqr' AND bank_ref = told.bank_ref)",
    )
    .bind(bank_refs)
    .fetch_all(pool)
    .await?;
    Ok(from_zero(places))
}

/// PostgreSQL's places, which begin with 1.
fn from_zero(places: Vec<i64>) -> Vec<usize> {
    let places = places.into_iter();
    places
        .map(|place| usize::try_from(place - 1).unwrap())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(devices: &[&str]) -> Tally {
        let mut tally = Tally::of(Path::new("/nowhere"));
        for (seq, device) in (0..).zip(devices) {
            let event = Event {
                device: (*device).to_owned(),
                at: DateTime::UNIX_EPOCH,
                seq,
            };
            tally.missing.push(Missing {
                event,
                overtaken: 0,
            });
        }
        tally.acknowledged = devices.len();
        tally.is_fresh = true;
        tally
    }

    #[test]
    fn an_event_is_lost_once_a_later_one_of_its_device_is_there_and_it_is_still_missing() {
        let mut tally = tally(&["a", "b", "a", "b"]);
        // The first device's later word is there; of the other the first one is.
        tally.settle(&[1, 2]);
        assert_eq!((tally.missing.len(), tally.lost_events()), (2, 0));
        tally.settle(&[]);
        assert_eq!((tally.missing.len(), tally.lost_events()), (2, 1));
        assert_eq!(
            tally.to_string(),
            "since the city is live: 4 events acknowledged, 2 stored, 1 on their way, 1 lost; \
             0 payments confirmed to the bank, 0 in the books, 0 lost"
        );
        // It had only been late.
        tally.settle(&[0]);
        assert_eq!((tally.missing.len(), tally.lost_events()), (1, 0));
        tally.settle(&[0]);
        assert_eq!((tally.missing.len(), tally.lost_events()), (0, 0));
    }

    #[test]
    fn only_whole_lines_of_the_record_are_taken_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("record");
        let mut tally = Tally::of(&record);
        assert_eq!(tally.new_lines(), []);
        let told = |bank_ref: &str| Line::Transfer(bank_ref.to_owned());
        std::fs::write(&record, "transfer one\ntransfer tw").unwrap();
        assert_eq!(tally.new_lines(), [told("one")]);
        std::fs::write(&record, "transfer one\ntransfer two\n").unwrap();
        assert_eq!(tally.new_lines(), [told("two")]);
        assert_eq!(tally.new_lines(), []);
    }
}
