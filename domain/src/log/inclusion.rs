//! That one receipt or refund is in the log, with all that it takes to check it, without asking anybody.

use serde::{Deserialize, Serialize};
use tlog_tiles::tlog::{Hash, RecordProof, check_record, record_hash};

use super::document::{Commitment, Document, Salt};
use super::entry::{Entry, EntryError};
use super::key::{LogKeys, NoteError, TreeHead};

/// A receipt with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inclusion {
    /// The receipt's content, exactly as the commitment hashes it.
    pub document: String,
    /// The receipt's own chance, in base64.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub salt: Salt,
    /// Its entry, exactly as the tree hashes it.
    pub entry: String,
    /// Which entry of the log it is, from 0.
    pub index: u64,
    /// The hashes from the entry to the root, in base64 (RFC 6962, 2.1.1).
    pub proof: Vec<String>,
    /// The signed tree head.
    pub checkpoint: String,
}

/// Why a receipt is not shown to be in the log.
#[derive(Debug, thiserror::Error)]
pub enum InclusionError {
    /// The checkpoint is not believed.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The entry is none.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The document cannot be read.
    #[error("the receipt's content cannot be read: {0}")]
    Document(#[from] serde_json::Error),
    /// The receipt is not the one that was promised.
    #[error(
        "the receipt's content is not what its entry in the log promises: it was changed since"
    )]
    Commitment,
    /// The entry says another kind, amount or lot than the receipt.
    #[error("the entry counts {entry} where the receipt says {receipt}")]
    Differs {
        /// What the entry has.
        entry: String,
        /// What the receipt has.
        receipt: String,
    },
    /// A hash is none.
    #[error("the proof holds what is no hash")]
    Hash,
    /// The proof does not lead to the root.
    #[error("the proof does not lead from entry {0} to the checkpoint: it is not in the log")]
    NotIncluded(u64),
}

/// What was shown of a receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Included {
    /// What is counted.
    pub entry: Entry,
    /// The receipt's content.
    pub document: Document,
    /// The tree that it is in.
    pub head: TreeHead,
}

impl Inclusion {
    /// With a proof as [`super::TileSet::inclusion`] makes it.
    pub fn new(
        (document, salt): (String, Salt),
        (entry, index): (String, u64),
        proof: &RecordProof,
        checkpoint: String,
    ) -> Self {
        Self {
            document,
            salt,
            entry,
            index,
            proof: proof.iter().map(Hash::to_string).collect(),
            checkpoint,
        }
    }

    /// Checks all of it against the keys that are trusted.
    ///
    /// # Errors
    /// [`InclusionError`], which says what does not hold.
    pub fn check(&self, keys: &LogKeys) -> Result<Included, InclusionError> {
        let head = keys.open_head(self.checkpoint.as_bytes())?;
        let entry = Entry::parse(self.entry.as_bytes())?;
        if Commitment::of(self.salt, &self.document) != entry.commitment {
            return Err(InclusionError::Commitment);
        }
        let document: Document = serde_json::from_str(&self.document)?;
        let differs = |entry: String, receipt: String| match entry == receipt {
            true => Ok(()),
            false => Err(InclusionError::Differs { entry, receipt }),
        };
        // What came in and is entered as money that went back would lower what is to be accounted for.
        differs(entry.kind.to_string(), document.kind().to_string())?;
        differs(
            entry.amount_vnd.to_string(),
            document.amount_vnd().to_string(),
        )?;
        if let Document::Receipt(receipt) = &document {
            differs(entry.lot.clone(), receipt.lot.clone())?;
        }
        let proof = self.proof.iter().map(|hash| Hash::parse_hash(hash));
        let proof: RecordProof = proof
            .collect::<Result<_, _>>()
            .map_err(|_| InclusionError::Hash)?;
        let leaf = record_hash(self.entry.as_bytes());
        check_record(&proof, head.size, head.root, self.index, leaf)
            .map_err(|_| InclusionError::NotIncluded(self.index))?;
        Ok(Included {
            entry,
            document,
            head,
        })
    }
}
