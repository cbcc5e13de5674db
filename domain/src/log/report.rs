//! The revenue of one day as the city publishes it, signed: lot by lot, and the tree that it stands on.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use tlog_tiles::tlog::Hash;

use super::entry::{Entry, EntryKind};
use super::key::{LogKeys, LogSigner, NoteError, TreeHead, sign};

/// What was collected and given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// How many receipts.
    pub receipts: u64,
    /// Their sum in đồng.
    pub receipts_vnd: i64,
    /// How many refunds.
    pub refunds: u64,
    /// Their sum in đồng, above zero.
    pub refunds_vnd: i64,
}

impl Sums {
    /// What remains.
    pub const fn revenue_vnd(&self) -> i64 {
        self.receipts_vnd.saturating_sub(self.refunds_vnd)
    }

    /// Adds an entry. Sums beyond what their types hold stand still: no city has so much money.
    pub fn add(&mut self, entry: &Entry) {
        let amount = entry.amount_vnd.get();
        match entry.kind {
            EntryKind::Receipt => {
                self.receipts = self.receipts.saturating_add(1);
                self.receipts_vnd = self.receipts_vnd.saturating_add(amount);
            }
            EntryKind::Refund => {
                self.refunds = self.refunds.saturating_add(1);
                self.refunds_vnd = self.refunds_vnd.saturating_add(amount);
            }
        }
    }

    /// Adds other sums.
    pub fn plus(&mut self, other: &Self) {
        self.receipts = self.receipts.saturating_add(other.receipts);
        self.refunds = self.refunds.saturating_add(other.refunds);
        self.receipts_vnd = self.receipts_vnd.saturating_add(other.receipts_vnd);
        self.refunds_vnd = self.refunds_vnd.saturating_add(other.refunds_vnd);
    }
}

/// The sums of a lot under one ward and operator: it may change hands within a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The ward's code.
    pub ward: String,
    /// The lot's code.
    pub lot: String,
    /// The operator's code.
    pub operator: String,
}

impl Place {
    /// Where an entry belongs.
    pub fn of(entry: &Entry) -> Self {
        Self {
            ward: entry.ward.clone(),
            lot: entry.lot.clone(),
            operator: entry.operator.clone(),
        }
    }
}

/// The sums of a place, as a line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotSum {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// How much.
    #[serde(flatten)]
    pub sums: Sums,
}

/// A day's report.
#[derive(Clone, Debug, PartialEq)]
pub struct DayReport {
    /// The city's local date.
    pub day: NaiveDate,
    /// 1 for the day's first report; later ones have what a bank told late.
    pub revision: u32,
    /// The tree that holds all entries of the day.
    pub head: TreeHead,
    /// By place, in order.
    pub lots: BTreeMap<Place, Sums>,
}

/// Why a report is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// As any signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is signed, but says nothing that this version can read.
    #[error("line {0} of the report cannot be read")]
    Line(usize),
    /// The sum that it names is not that of its lines.
    #[error("its total is not the sum of its lots")]
    Total,
}

/// What the last line says.
#[derive(Serialize, Deserialize)]
struct Total {
    total: Sums,
}

impl DayReport {
    /// The sum over all places.
    pub fn total(&self) -> Sums {
        let mut total = Sums::default();
        self.lots.values().for_each(|sums| total.plus(sums));
        total
    }

    /// What a report's first line is, for a log of that name: no checkpoint begins so.
    fn heading(origin: &str) -> String {
        format!("{origin}/report")
    }

    /// The signed report.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] where there is no key.
    pub fn sign(&self, signers: &[LogSigner]) -> Result<Vec<u8>, NoteError> {
        let origin = signers.first().ok_or(NoteError::Malformed)?;
        let mut text = format!(
            "{}\n{} {}\n{} {}\n",
            Self::heading(origin.public().origin()),
            self.day,
            self.revision,
            self.head.size,
            self.head.root
        );
        for (place, sums) in &self.lots {
            let line = LotSum {
                place: place.clone(),
                sums: *sums,
            };
            text += &serde_json::to_string(&line).unwrap_or_default();
            text.push('\n');
        }
        let total = Total {
            total: self.total(),
        };
        text += &serde_json::to_string(&total).unwrap_or_default();
        text.push('\n');
        sign(&text, signers)
    }

    /// The report that one of these keys has signed.
    ///
    /// # Errors
    /// [`ReportError`].
    pub fn open(note: &[u8], keys: &LogKeys) -> Result<Self, ReportError> {
        let text = keys.open(note)?;
        let lines: Vec<&str> = text.lines().collect();
        let line = |number: usize| {
            lines
                .get(number - 1)
                .copied()
                .ok_or(ReportError::Line(number))
        };
        if line(1)? != Self::heading(keys.origin()) {
            return Err(ReportError::Line(1));
        }
        let (day, revision) = line(2)?.split_once(' ').ok_or(ReportError::Line(2))?;
        let day = day.parse().map_err(|_| ReportError::Line(2))?;
        let revision = revision.parse().map_err(|_| ReportError::Line(2))?;
        let (size, root) = line(3)?.split_once(' ').ok_or(ReportError::Line(3))?;
        let head = TreeHead {
            size: size.parse().map_err(|_| ReportError::Line(3))?,
            root: Hash::parse_hash(root).map_err(|_| ReportError::Line(3))?,
        };
        let last = lines.len();
        let mut lots = BTreeMap::new();
        for number in 4..last {
            let read: LotSum =
                serde_json::from_str(line(number)?).map_err(|_| ReportError::Line(number))?;
            // A place that comes twice would hide one of its sums.
            if lots.insert(read.place, read.sums).is_some() {
                return Err(ReportError::Line(number));
            }
        }
        let report = Self {
            day,
            revision,
            head,
            lots,
        };
        let total: Total =
            serde_json::from_str(line(last.max(4))?).map_err(|_| ReportError::Line(last))?;
        (total.total == report.total())
            .then_some(report)
            .ok_or(ReportError::Total)
    }
}
