//! Why bytes cannot be read, so that it can be said in each language.

use domain::log::{BundleError, EntryError};

/// Why something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is not JSON of the shape that it should have.
    #[error("it is not JSON of the right shape (line {line}, column {column})")]
    Json {
        /// Where it ceases to be, from 1.
        line: usize,
        /// The same.
        column: usize,
    },
    /// An entry is of a form that this version does not know.
    #[error("an entry of form {0}, this verifier knows form 1")]
    Version(u8),
    /// An entry could be said in other bytes, so that two would look like one.
    #[error("an entry that is not written in its one form")]
    NotCanonical,
    /// An entry's amount is not above zero.
    #[error("an entry whose amount is not above zero")]
    Amount,
    /// A bundle cannot be taken apart.
    #[error(transparent)]
    Bundle(BundleError),
    /// A bundle has another number of entries than its place in the tree.
    #[error("its number of entries is {0}, which is not that of its place")]
    Entries(usize),
}

impl Flaw {
    pub(crate) fn json(why: &serde_json::Error) -> Self {
        Self::Json {
            line: why.line(),
            column: why.column(),
        }
    }

    pub(crate) fn entry(why: &EntryError) -> Self {
        match why {
            EntryError::Shape(why) => Self::json(why),
            EntryError::Version(version) => Self::Version(*version),
            EntryError::NotCanonical => Self::NotCanonical,
            EntryError::Amount => Self::Amount,
        }
    }
}
