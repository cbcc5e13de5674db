//! What an entry promises: the receipt or the refund itself, in one fixed form, hidden behind a salt.
//!
//! A hash of the document alone would hide nothing: a bay, a price and a minute are quickly guessed. So
//! each has a salt of its own, which only its receipt tells.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entry::EntryKind;
use crate::Timestamp;
use crate::id::{ReceiptId, RefundId};
use crate::money::Vnd;
use crate::place::VehicleClass;
use crate::refund::RefundGround;
use crate::tariff::QuoteLine;

/// What is hashed before salt and document, so that no other hash of anybody's can pass for one.
const DOMAIN: &[u8] = b"clearbay/commitment/v1\n";

macro_rules! base64_bytes {
    ($Name:ident, $len:literal) => {
        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE64_STANDARD.encode(self.0))
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $Name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let bytes = BASE64_STANDARD
                    .decode(text)
                    .map_err(|error| error.to_string())?;
                let bytes = bytes
                    .try_into()
                    .map_err(|_| concat!($len, " bytes are needed"))?;
                Ok(Self(bytes))
            }
        }

        impl From<$Name> for String {
            fn from(bytes: $Name) -> Self {
                bytes.to_string()
            }
        }
    };
}

/// What an entry holds of its document: SHA-256 over domain, salt and document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commitment(pub [u8; 32]);

base64_bytes!(Commitment, 32);

/// Chance that hides a document until its receipt is shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt(pub [u8; 16]);

base64_bytes!(Salt, 16);

/// One reason of a price, as a receipt's document has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentLine {
    /// The reason in words.
    pub text: String,
    /// What it adds.
    pub amount_vnd: Vnd,
}

/// What a receipt says, without what may be named otherwise later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptDocument {
    /// The receipt.
    pub receipt: ReceiptId,
    /// The bay's code.
    pub bay: String,
    /// The lot's code.
    pub lot: String,
    /// For what vehicle.
    pub class: VehicleClass,
    /// When the money was booked, to the microsecond.
    pub issued_at: String,
    /// The start of the paid time.
    pub starts_at: String,
    /// The end of the paid time, as it was paid.
    pub ends_at: String,
    /// The amount.
    pub amount_vnd: Vnd,
    /// The value-added tax contained in it, in basis points of the price without it.
    pub vat_bp: u16,
    /// Through whom it was paid.
    pub gateway: String,
    /// The text of the transfer.
    pub reference: String,
    /// The price's reasons.
    pub lines: Vec<DocumentLine>,
}

/// What a refund says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundDocument {
    /// The refund.
    pub refund: RefundId,
    /// The receipt of which it gives back.
    pub receipt: ReceiptId,
    /// How much.
    pub amount_vnd: Vnd,
    /// Why.
    pub ground: RefundGround,
    /// When it was promised, to the microsecond.
    pub promised_at: String,
}

/// What an entry promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Document {
    /// A receipt.
    Receipt(ReceiptDocument),
    /// A refund.
    Refund(RefundDocument),
}

/// An instant as documents have it.
pub(super) fn written(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl ReceiptDocument {
    /// With its times and lines in their form.
    #[must_use]
    pub fn with(
        mut self,
        issued_at: Timestamp,
        (starts_at, ends_at): (Timestamp, Timestamp),
        lines: &[QuoteLine],
    ) -> Self {
        self.issued_at = written(issued_at);
        self.starts_at = written(starts_at);
        self.ends_at = written(ends_at);
        let line = |line: &QuoteLine| DocumentLine {
            text: line.text.clone(),
            amount_vnd: line.amount_vnd,
        };
        self.lines = lines.iter().map(line).collect();
        self
    }
}

impl RefundDocument {
    /// Of a refund promised at `at`.
    pub fn new(
        refund: RefundId,
        receipt: ReceiptId,
        amount_vnd: Vnd,
        ground: RefundGround,
        at: Timestamp,
    ) -> Self {
        Self {
            refund,
            receipt,
            amount_vnd,
            ground,
            promised_at: written(at),
        }
    }
}

impl Document {
    /// Its bytes, which the commitment hashes: JSON without spaces, the fields in their order.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Which way the money went.
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Receipt(_) => EntryKind::Receipt,
            Self::Refund(_) => EntryKind::Refund,
        }
    }

    /// The amount.
    pub fn amount_vnd(&self) -> Vnd {
        match self {
            Self::Receipt(receipt) => receipt.amount_vnd,
            Self::Refund(refund) => refund.amount_vnd,
        }
    }
}

impl Commitment {
    /// The promise of a document's text under a salt.
    pub fn of(salt: Salt, document: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(salt.0);
        hash.update(document.as_bytes());
        Self(hash.finalize().into())
    }
}
