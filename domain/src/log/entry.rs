//! One entry of the log: an amount, where and when it was revenue, and a promise of what it was for.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::document::Commitment;
use crate::money::Vnd;
use crate::place::codes;

/// The form of entries that this version writes and reads.
const VERSION: u8 = 1;

/// An entry counts at most so many days before the latest day of the entries before it. A bank tells of a payment
/// a day late, and the day may have turned meanwhile; what comes later than that counts on the first day that it
/// still may, so that days that are long over stand still.
pub const LATE_DAYS: u16 = 2;

/// Which way the money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// It came in.
    Receipt,
    /// It went back.
    Refund,
}

codes!(EntryKind { Receipt = "receipt", Refund = "refund" });

/// An entry. It holds what a citizen needs to recompute revenue, and nothing that tells who parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which way the money went.
    pub kind: EntryKind,
    /// The city's local date on which it counts.
    pub day: NaiveDate,
    /// The ward's code.
    pub ward: String,
    /// The lot's code.
    pub lot: String,
    /// The operator's code.
    pub operator: String,
    /// How much, above zero both ways.
    pub amount_vnd: Vnd,
    /// A promise of what it was for, which only the holder of the receipt can open.
    pub commitment: Commitment,
}

/// Why bytes are no entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// They are not JSON of an entry's shape.
    #[error("not an entry: {0}")]
    Shape(#[from] serde_json::Error),
    /// They are of a form that this version does not know.
    #[error("an entry of form {0}, this verifier knows form 1")]
    Version(u8),
    /// The same could be said in other bytes, so that two entries would look like one.
    #[error("an entry that is not written in its one form")]
    NotCanonical,
    /// The amount is not above zero.
    #[error("an entry of no money")]
    Amount,
}

/// An entry as its bytes have it: the fields in this order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    v: u8,
    kind: EntryKind,
    day: NaiveDate,
    #[serde(borrow)]
    ward: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    lot: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    operator: std::borrow::Cow<'a, str>,
    amount_vnd: i64,
    commitment: Commitment,
}

impl Entry {
    /// Its bytes, which the tree hashes: JSON without spaces, the fields in their order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            v: VERSION,
            kind: self.kind,
            day: self.day,
            ward: self.ward.as_str().into(),
            lot: self.lot.as_str().into(),
            operator: self.operator.as_str().into(),
            amount_vnd: self.amount_vnd.get(),
            commitment: self.commitment,
        };
        // Nothing in it can fail to be written.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// The entry that these bytes are.
    ///
    /// # Errors
    /// [`EntryError`]; each entry has one form in bytes only.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        let written: Written<'_> = serde_json::from_slice(bytes)?;
        if written.v != VERSION {
            return Err(EntryError::Version(written.v));
        }
        if written.amount_vnd <= 0 {
            return Err(EntryError::Amount);
        }
        let entry = Self {
            kind: written.kind,
            day: written.day,
            ward: written.ward.into_owned(),
            lot: written.lot.into_owned(),
            operator: written.operator.into_owned(),
            amount_vnd: Vnd::new(written.amount_vnd),
            commitment: written.commitment,
        };
        if entry.to_bytes() == bytes {
            Ok(entry)
        } else {
            Err(EntryError::NotCanonical)
        }
    }
}
