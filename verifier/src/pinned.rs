//! The keys that somebody pins, as they type or paste them, and a log that none of them has signed.

use std::fmt;

use domain::log::{KeyError, LogKey, LogKeys, WitnessKey, signers};

/// Why what somebody gives is no key to check a log by. A line's text is not repeated: it may be a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// There is none.
    #[error("no key is given; {form}", form = FORM)]
    None,
    /// A line has not a key's form.
    #[error("line {0} is no key; {form}", form = FORM)]
    Form(usize),
    /// A line has a key's form, but its parts do not belong together.
    #[error(
        "line {0} is no key: it has a key's form, but a letter of it is missing or another; copy it anew and whole"
    )]
    Mistyped(usize),
    /// They are of several logs.
    #[error(
        "the keys are those of several logs: each log has a name, which stands before the first +"
    )]
    SeveralLogs,
}

/// What a key looks like.
const FORM: &str =
    "a key is one line, name+id+key, copied whole, such as hanoi.example/log+1a2b3c4d+AQ...";

/// The pinned keys: the log's, and those of witnesses.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The log's.
    pub log: LogKeys,
    /// The witnesses'.
    pub witnesses: Vec<WitnessKey>,
}

impl Pinned {
    /// Reads keys, a line each.
    ///
    /// # Errors
    /// [`PinError`], which says what to put right.
    pub fn parse(text: &str) -> Result<Self, PinError> {
        let (mut log, mut witnesses) = (Vec::new(), Vec::new());
        let lines = text.lines().enumerate();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            if let Ok(witness) = line.parse::<WitnessKey>() {
                witnesses.push(witness);
                continue;
            }
            let key = line.parse::<LogKey>().map_err(|why| match why {
                KeyError::Mistyped => PinError::Mistyped(index + 1),
                KeyError::Public | KeyError::Private => PinError::Form(index + 1),
            })?;
            log.push(key);
        }
        if log.is_empty() {
            return Err(PinError::None);
        }
        let log = LogKeys::new(log).ok_or(PinError::SeveralLogs)?;
        Ok(Self { log, witnesses })
    }
}

/// A log that is signed, but by no key that is trusted. Nothing else of it is worth checking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherKey {
    /// Which keys it names, as `name+id`.
    pub signed_by: Vec<String>,
    /// Those that are trusted, in the same form.
    pub trusted: Vec<String>,
}

impl OtherKey {
    /// Of a note that none of the keys has signed.
    pub fn of(note: &[u8], keys: &LogKeys) -> Self {
        Self {
            signed_by: signers(note),
            trusted: keys.iter().map(LogKey::label).collect(),
        }
    }
}

impl fmt::Display for OtherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "signed by key {}, not by yours, {}",
            self.signed_by.join(", "),
            self.trusted.join(", ")
        )
    }
}
