//! The public log of revenue: what it holds, how it is hashed, signed and proved. Anybody can recompute
//! the city's revenue from it, and show that a receipt is in it; nobody can change it unnoticed.
//!
//! The tree is RFC 6962's, served as C2SP tlog-tiles with C2SP checkpoints; trees, proofs and signatures
//! are [`tlog_tiles`]'s and [`signed_note`]'s. What an entry says is ours, and is written down in
//! `docs/public-log.md`. Both who publishes and who verifies use this module.

mod bundle;
mod code;
mod document;
mod edge;
mod entry;
mod inclusion;
mod key;
mod report;
mod tile;
mod witness;

pub use bundle::{BUNDLE_ENTRIES, BundleError, pack, unpack};
pub use code::CodeError;
pub use document::{Commitment, Document, DocumentLine, ReceiptDocument, RefundDocument, Salt};
pub use edge::{Edge, EdgeError, tile_bytes, tile_hashes, tile_root};
pub use entry::{Entry, EntryError, EntryKind, LATE_DAYS};
pub use inclusion::{Included, Inclusion, InclusionError};
pub use key::{
    KeyError, LogKey, LogKeys, LogSigner, NoteError, TreeHead, sign_head, sign_list, signers,
};
pub use report::{DayReport, LotSum, Place, ReportError, Sums};
pub use tile::{LogPath, Missing, PathError, TileSet};
pub use witness::{
    Cosignature, MAX_ANSWER, WitnessKey, WitnessKeyError, Witnesses, add_checkpoint,
    read_add_checkpoint,
};

pub use tlog_tiles::tlog::{Hash, TreeProof, check_record, check_tree, node_hash, record_hash};

#[cfg(test)]
mod document_test;
#[cfg(test)]
mod tests;
