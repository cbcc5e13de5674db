//! A record of what the live city was promised: what the broker acknowledged, what the bank was told is booked.
//! Whoever looks for losses compares it with the database.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use domain::Timestamp;

/// The record; one that nobody wants keeps nothing. Clones write to the same file.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged(Option<Arc<Mutex<File>>>);

/// A sensor's message, by what is the same in every model's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What the device calls itself.
    pub device: String,
    /// The device's time.
    pub at: Timestamp,
    /// Its counter.
    pub seq: i64,
}

/// A line of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The broker has acknowledged an event.
    Event(Event),
    /// The bank was answered; the number that it gave the transfer.
    Transfer(String),
}

impl Line {
    /// The text, with its end.
    fn text(&self) -> String {
        match self {
            Self::Event(Event { device, at, seq }) => {
                format!("event {device} {} {seq}\n", at.timestamp_millis())
            }
            Self::Transfer(bank_ref) => format!("transfer {bank_ref}\n"),
        }
    }

    /// Reads a line without its end; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        match (words.next()?, words.next()?) {
            ("event", device) => Some(Self::Event(Event {
                device: device.to_owned(),
                at: Timestamp::from_timestamp_millis(words.next()?.parse().ok()?)?,
                seq: words.next()?.parse().ok()?,
            })),
            ("transfer", bank_ref) => Some(Self::Transfer(bank_ref.to_owned())),
            _ => None,
        }
    }
}

impl Acknowledged {
    /// Goes on with the record at `path`, or begins it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().append(true).create(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(Some(Arc::new(Mutex::new(file)))))
    }

    /// Whether anybody wants it.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Adds lines, all at once.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn add(&self, lines: impl IntoIterator<Item = Line>) -> std::io::Result<()> {
        let Some(file) = &self.0 else {
            return Ok(());
        };
        let text: String = lines.into_iter().map(|line| line.text()).collect();
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let path = std::env::temp_dir().join(format!("clearbay-said-{}", uuid::Uuid::new_v4()));
        let lines = [
            Line::Event(Event {
                device: "hk-01-001-sensor".to_owned(),
                at: Timestamp::from_timestamp_millis(1_795_472_000_123).unwrap(),
                seq: 216_000_000,
            }),
            Line::Transfer("FT0123456789ABCDEF".to_owned()),
        ];
        let kept = Acknowledged::open(&path).unwrap();
        kept.add(lines[..1].to_vec()).unwrap();
        kept.clone().add(lines[1..].to_vec()).unwrap();
        Acknowledged::default().add(lines.to_vec()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let read: Option<Vec<Line>> = text.lines().map(Line::parse).collect();
        assert_eq!(read.unwrap(), lines);
        for wrong in ["", "event", "event a b c", "event a 1", "other a"] {
            assert_eq!(Line::parse(wrong), None, "{wrong}");
        }
    }
}
