//! What is remembered of a log from one check to the next: enough to see that nothing of it was changed, and
//! about where.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::log::{BUNDLE_ENTRIES, Hash, TreeHead, tile_bytes, tile_hashes};
use serde::{Deserialize, Serialize};

/// A log as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The log's name.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The hash over each 256 entries: 12 MB for a hundred million.
    pub tiles: Vec<Hash>,
}

/// A text is no memory of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this file does not hold what an earlier check remembered")]
pub struct MemoryError;

#[derive(Serialize, Deserialize)]
struct Written {
    origin: String,
    size: u64,
    root: String,
    tiles: String,
}

impl Memory {
    /// The tree head.
    pub const fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size,
            root: self.root,
        }
    }

    /// As text, to be kept.
    pub fn to_text(&self) -> String {
        let written = Written {
            origin: self.origin.clone(),
            size: self.size,
            root: self.root.to_string(),
            tiles: BASE64_STANDARD.encode(tile_bytes(&self.tiles)),
        };
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn parse(text: &str) -> Result<Self, MemoryError> {
        let written: Written = serde_json::from_str(text).map_err(|_| MemoryError)?;
        let bytes = BASE64_STANDARD
            .decode(written.tiles)
            .map_err(|_| MemoryError)?;
        let tiles = tile_hashes(&bytes).ok_or(MemoryError)?;
        if tiles.len() as u64 != written.size / BUNDLE_ENTRIES {
            return Err(MemoryError);
        }
        Ok(Self {
            origin: written.origin,
            size: written.size,
            root: Hash::parse_hash(&written.root).map_err(|_| MemoryError)?,
            tiles,
        })
    }
}
