//! One receipt, as a file or as its QR code, against the pinned keys: no connection is needed.

use domain::log::{
    CodeError, Cosignature, DocumentLine, Included, Inclusion, InclusionError, LogKeys, NoteError,
    Witnesses,
};
use domain::money::Vnd;
use serde::Deserialize;
use serde_json::Value;

use crate::OtherKey;

/// What stands before a receipt's code in the address that its QR code holds.
pub const CODE_MARK: &str = "#r=";

/// What somebody holds: the proof, and the amount that they were shown beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The proof.
    pub inclusion: Inclusion,
    shown_vnd: Option<Vnd>,
    /// All that a file says, where it is one.
    shown: Value,
}

/// What stands beside the proof and is not what was paid for: changed since, as a session's bay may be, or by
/// whoever handed it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// The field's name.
    pub field: &'static str,
    /// What is shown.
    pub shown: String,
    /// What is in the log.
    pub logged: String,
}

/// Why a text is no receipt that can be checked.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// It has the place of a code, but none that can be read.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// It is not what the API gives.
    #[error("it is no receipt as its page or the API gives it: {0}")]
    Shape(#[from] serde_json::Error),
    /// It was fetched within two seconds of its payment.
    #[error(
        "it was fetched before the receipt had its place in the log, which takes two seconds: fetch it again"
    )]
    Waiting,
}

/// Why a receipt does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The checkpoint to which its proof leads is signed by none of the keys that are trusted.
    #[error("{0}")]
    OtherKey(OtherKey),
    /// It is not in the log.
    #[error(transparent)]
    Inclusion(InclusionError),
    /// Beside the proof another amount is shown.
    #[error("it shows another amount, {shown}, than the receipt that is in the log, {logged}")]
    Shown {
        /// What is shown.
        shown: Vnd,
        /// What is in the log.
        logged: Vnd,
    },
    /// Too few of the witnesses that are trusted have seen the tree that it is in.
    #[error(
        "{found} of the witnesses that you trust have seen the tree that it is in, {needed} are needed"
    )]
    NotWitnessed {
        /// How many are needed.
        needed: usize,
        /// How many have.
        found: usize,
    },
}

/// As the API gives it, or its proof alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Receipt {
        log: Inclusion,
        amount_vnd: Option<Vnd>,
    },
    Waiting {
        #[serde(rename = "log")]
        _log: (),
    },
    Alone(Inclusion),
}

impl Held {
    /// Reads a receipt's JSON, or the address that its QR code holds.
    ///
    /// # Errors
    /// [`HeldError`].
    pub fn parse(text: &str) -> Result<Self, HeldError> {
        if let Some((_, code)) = text.split_once(CODE_MARK) {
            let of_code = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            let code = code.split(|letter| !of_code(letter)).next();
            let code = code.unwrap_or_default();
            return Ok(Self {
                inclusion: Inclusion::of_code(code)?,
                shown_vnd: None,
                shown: Value::Null,
            });
        }
        let shown: Value = serde_json::from_str(text)?;
        let (inclusion, shown_vnd) = match Written::deserialize(&shown)? {
            Written::Receipt { log, amount_vnd } => (log, amount_vnd),
            Written::Alone(log) => (log, None),
            Written::Waiting { .. } => return Err(HeldError::Waiting),
        };
        Ok(Self {
            inclusion,
            shown_vnd,
            shown,
        })
    }

    /// What the file says otherwise than what is in the log.
    pub fn unproven(&self) -> Vec<Unproven> {
        let logged: Value = serde_json::from_str(&self.inclusion.document).unwrap_or_default();
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let fields = [
            ("id", "receipt"),
            ("bay", "bay"),
            ("lot", "lot"),
            ("class", "class"),
            ("issued_at", "issued_at"),
            ("starts_at", "starts_at"),
            ("ends_at", "ends_at"),
            ("gateway", "gateway"),
        ];
        let differing = fields.into_iter().filter_map(|(field, name)| {
            let (shown, logged) = (self.shown.get(field)?, logged.get(name)?);
            (shown != logged).then(|| Unproven {
                field,
                shown: text(shown),
                logged: text(logged),
            })
        });
        differing.collect()
    }

    /// What the file calls a line of the price in English, which the log does not hold: nothing proves it.
    pub fn english(&self, index: usize, line: &DocumentLine) -> Option<String> {
        let shown = self.shown.get("lines")?.get(index)?;
        let is_this = shown.get("text")? == line.text.as_str();
        let english = shown.get("text_en")?.as_str()?;
        is_this.then(|| english.to_owned())
    }

    /// Checks all of it; and who has witnessed the tree.
    ///
    /// # Errors
    /// [`ReceiptError`], which says what does not hold.
    pub fn check(
        &self,
        keys: &LogKeys,
        witnesses: &Witnesses,
    ) -> Result<(Included, Vec<Cosignature>), ReceiptError> {
        let checkpoint = self.inclusion.checkpoint.as_bytes();
        let included = self.inclusion.check(keys).map_err(|why| match why {
            InclusionError::Checkpoint(NoteError::Stranger) => {
                ReceiptError::OtherKey(OtherKey::of(checkpoint, keys))
            }
            why => ReceiptError::Inclusion(why),
        })?;
        let cosigned = witnesses.cosigned(checkpoint);
        if !witnesses.suffice(&cosigned) {
            return Err(ReceiptError::NotWitnessed {
                needed: witnesses.needed(),
                found: cosigned.len(),
            });
        }
        let logged = included.document.amount_vnd();
        match self.shown_vnd {
            Some(shown) if shown != logged => Err(ReceiptError::Shown { shown, logged }),
            _ => Ok((included, cosigned)),
        }
    }
}
