//! Double entry: every transfer names the account it takes from and the account it gives to.
//!
//! Words and rules follow TigerBeetle's: a transfer is *pending* (reserves), then *posted* or
//! *voided* by a second transfer that names it; or it is *single*. Nothing is ever changed.

use crate::id::{AccountId, PaymentId, TransferId};
use crate::money::Vnd;
use crate::place::codes;
use crate::{Timestamp, payment::Suspense};

/// What an account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKind {
    /// Money a gateway or bank holds for us.
    Clearing,
    /// Money owed to an operator.
    Operator,
    /// Money that arrived and belongs to nobody yet.
    Suspense,
}

codes!(AccountKind { Clearing = "clearing", Operator = "operator", Suspense = "suspense" });

/// What a transfer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferKind {
    /// Moves money at once.
    Single,
    /// Announces money; moves nothing yet.
    Pending,
    /// Moves the money that a pending transfer announced.
    Post,
    /// Gives up a pending transfer.
    Void,
}

codes!(TransferKind { Single = "single", Pending = "pending", Post = "post", Void = "void" });

/// One movement, immutable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its identity.
    pub id: TransferId,
    /// What it does.
    pub kind: TransferKind,
    /// The account that is debited (assets grow, debts shrink).
    pub debit: AccountId,
    /// The account that is credited.
    pub credit: AccountId,
    /// The amount, never negative.
    pub amount_vnd: Vnd,
    /// The pending transfer that this one posts or voids.
    pub pending: Option<TransferId>,
    /// The payment for which it happens.
    pub payment: Option<PaymentId>,
    /// Why the money lies in suspense, where it does.
    pub suspense: Option<Suspense>,
    /// When it counts.
    pub at: Timestamp,
}

impl Transfer {
    /// The transfer that ends this pending one, by `kind` [`TransferKind::Post`] or
    /// [`TransferKind::Void`].
    pub fn resolve(&self, id: TransferId, kind: TransferKind, at: Timestamp) -> Self {
        Self {
            id,
            kind,
            pending: Some(self.id),
            at,
            ..*self
        }
    }
}
