//! Entries as they are served: up to 256 of them, each with its length before it.
//! <https://c2sp.org/tlog-tiles#log-entries>

/// How many entries a full bundle holds.
pub const BUNDLE_ENTRIES: u64 = 256;

/// Why bytes are no bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// They end within an entry.
    #[error("the bundle ends within an entry")]
    CutOff,
    /// They hold more entries than a bundle may.
    #[error("the bundle holds more than 256 entries")]
    TooMany,
}

/// A bundle of entries, each at most 65,535 bytes long; ours are some 200.
pub fn pack<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&entry[..usize::from(length)]);
    }
    bytes
}

/// The entries of a bundle.
///
/// # Errors
/// [`BundleError`].
pub fn unpack(mut bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, rest) = rest.split_at_checked(length).ok_or(BundleError::CutOff)?;
        entries.push(entry);
        bytes = rest;
    }
    if !bytes.is_empty() {
        return Err(BundleError::CutOff);
    }
    if entries.len() as u64 > BUNDLE_ENTRIES {
        return Err(BundleError::TooMany);
    }
    Ok(entries)
}
