//! A receipt with its proof as one short text, for a QR code: whoever scans it can check it without asking
//! anybody.
//!
//! Base64 (RFC 4648, section 5, without padding) of: a byte 1 for this form; 16 bytes of salt; the index, eight
//! bytes, big-endian; a byte with the number of hashes, and the hashes; then, deflated (RFC 1951), a JSON array
//! of day, ward, lot, operator, document and checkpoint. The entry follows from those.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::NaiveDate;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use tlog_tiles::tlog::Hash;

use super::document::{Commitment, Document, Salt};
use super::entry::Entry;
use super::inclusion::Inclusion;

/// The form that this version writes and reads.
const FORM: u8 = 1;
/// As small as it gets: it is a small text.
const LEVEL: u8 = 9;
/// No receipt's content and checkpoint are longer.
const MAX_TEXT: usize = 64 * 1024;

/// A text is no receipt's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the code of a receipt")]
pub struct CodeError;

/// Day, ward, lot, operator, document, checkpoint.
type Words = (NaiveDate, String, String, String, String, String);

impl Inclusion {
    /// As one text. `None` for what could not be read again: an entry that is none, or more hashes than a tree
    /// is high.
    pub fn to_code(&self) -> Option<String> {
        let entry = Entry::parse(self.entry.as_bytes()).ok()?;
        let mut bytes = vec![FORM];
        bytes.extend(self.salt.0);
        bytes.extend(self.index.to_be_bytes());
        bytes.push(self.proof.len().try_into().ok()?);
        for hash in &self.proof {
            bytes.extend(Hash::parse_hash(hash).ok()?.0);
        }
        let words: Words = (
            entry.day,
            entry.ward,
            entry.lot,
            entry.operator,
            self.document.clone(),
            self.checkpoint.clone(),
        );
        let words = serde_json::to_vec(&words).ok()?;
        bytes.extend(compress_to_vec(&words, LEVEL));
        Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads what [`Self::to_code`] wrote. It is not checked yet.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn of_code(code: &str) -> Result<Self, CodeError> {
        Self::read_code(code).ok_or(CodeError)
    }

    fn read_code(code: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(code.trim()).ok()?;
        let (form, rest) = bytes.split_first()?;
        if *form != FORM {
            return None;
        }
        let (salt, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (count, rest) = rest.split_first()?;
        let (hashes, rest) = rest.split_at_checked(usize::from(*count) * 32)?;
        let hash = |bytes: &[u8]| Some(Hash(bytes.try_into().ok()?).to_string());
        let proof: Option<Vec<String>> = hashes.chunks(32).map(hash).collect();
        let words = decompress_to_vec_with_limit(rest, MAX_TEXT).ok()?;
        let words: Words = serde_json::from_slice(&words).ok()?;
        let (day, ward, lot, operator, document, checkpoint) = words;
        let salt = Salt(*salt);
        let read: Document = serde_json::from_str(&document).ok()?;
        let entry = Entry {
            kind: read.kind(),
            day,
            ward,
            lot,
            operator,
            amount_vnd: read.amount_vnd(),
            commitment: Commitment::of(salt, &document),
        };
        Some(Self {
            entry: String::from_utf8(entry.to_bytes()).ok()?,
            document,
            salt,
            index: u64::from_be_bytes(*index),
            proof: proof?,
            checkpoint,
        })
    }
}
