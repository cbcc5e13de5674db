//! Names under which things are told. What stands in the street (lots, bays, wards, price zones) has names that
//! anybody can derive; what happened has pseudonyms that nobody can, each kind of its own, so that two feeds
//! cannot be joined on them, nor with a receipt's or a session's number.

use domain::Timestamp;
use uuid::{Builder, Uuid};

use crate::secret::{Secrets, sha256};

/// A name that follows from what is public: the same for ever, in every process (RFC 9562, UUIDv8).
pub(super) fn public(kind: &str, parts: &[&str]) -> Uuid {
    let mut text = format!("clearbay/open/{kind}");
    for part in parts {
        // A byte that no code has: "ab" and "c" are not "a" and "bc".
        text.push('\u{1f}');
        text.push_str(part);
    }
    from(&sha256(text.as_bytes()))
}

/// A name that only we can derive: another one once the session key is exchanged.
pub(super) fn pseudonym(secrets: &Secrets, kind: &str, parts: &[&str]) -> Uuid {
    let mut bytes: Vec<&[u8]> = vec![b"open data", b"\x1f", kind.as_bytes()];
    for part in parts {
        bytes.extend([&b"\x1f"[..], part.as_bytes()]);
    }
    from(&secrets.mac(&bytes))
}

fn from(hash: &[u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// An instant of the past, rounded down to the minute: nobody's coming and going is told more exactly.
pub(super) fn minute(at: Timestamp) -> Timestamp {
    chrono::DurationRound::duration_trunc(at, chrono::TimeDelta::minutes(1)).unwrap_or(at)
}
