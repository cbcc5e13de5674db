//! Double entry: every transfer names the account it takes from and the account it gives to.
//!
//! Words and rules follow TigerBeetle's: a transfer is *pending* (reserves), then *posted* or
//! *voided* by a second transfer that names it; or it is *single*. Nothing is ever changed.

use std::collections::HashMap;

use crate::id::{AccountId, PaymentId, RefundId, TransferId};
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
    /// Money that a driver has with us.
    Wallet,
    /// The city's share.
    City,
    /// Value-added tax owed to the state.
    Vat,
    /// Money on its way back to drivers.
    Refund,
}

codes!(AccountKind {
    Clearing = "clearing",
    Operator = "operator",
    Suspense = "suspense",
    Wallet = "wallet",
    City = "city",
    Vat = "vat",
    Refund = "refund",
});

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
    /// The refund for which it happens.
    pub refund: Option<RefundId>,
    /// Why the money lies in suspense, where it does.
    pub suspense: Option<Suspense>,
    /// When it counts.
    pub at: Timestamp,
}

impl Transfer {
    /// A movement at once, for nothing in particular: fill in what it is for.
    pub fn single(
        id: TransferId,
        debit: AccountId,
        credit: AccountId,
        amount_vnd: Vnd,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            kind: TransferKind::Single,
            debit,
            credit,
            amount_vnd,
            pending: None,
            payment: None,
            refund: None,
            suspense: None,
            at,
        }
    }

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

/// Why the books do not take a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A transfer of that identity is in the books.
    #[error("the transfer is in the books already")]
    Repeated,
    /// An amount of nothing or less, or one account on both sides.
    #[error("a transfer moves a positive amount between two accounts")]
    Empty,
    /// It ends no pending transfer, or differs from the one it ends.
    #[error("the transfer does not fit the pending one that it ends")]
    Unfit,
    /// The pending transfer has been posted or voided.
    #[error("the pending transfer has ended")]
    Resolved,
    /// A wallet would be left with less than nothing.
    #[error("the wallet does not cover it")]
    NotCovered,
    /// The sums do not fit.
    #[error("the amount is too large")]
    Overflow,
}

/// What an account holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// All that was taken from it.
    pub debits_vnd: Vnd,
    /// All that was given to it.
    pub credits_vnd: Vnd,
    /// What pending transfers reserve of it.
    pub held_vnd: Vnd,
}

impl Balance {
    /// What can still be taken from a wallet.
    fn available(&self) -> Option<Vnd> {
        self.credits_vnd
            .checked_sub(self.debits_vnd)?
            .checked_sub(self.held_vnd)
    }
}

/// The ledger's rules in memory: what the database must do, said a second time and independently.
#[derive(Clone, Debug, Default)]
pub struct Books {
    balances: HashMap<AccountId, Balance>,
    transfers: HashMap<TransferId, Transfer>,
    resolved: HashMap<TransferId, TransferId>,
}

impl Books {
    /// What an account holds.
    pub fn balance(&self, account: AccountId) -> Balance {
        self.balances.get(&account).copied().unwrap_or_default()
    }

    /// Takes a transfer into the books, or leaves them as they are. Accounts with negative keys
    /// are wallets.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn record(&mut self, transfer: &Transfer) -> Result<(), LedgerError> {
        if self.transfers.contains_key(&transfer.id) {
            return Err(LedgerError::Repeated);
        }
        if transfer.amount_vnd <= Vnd::ZERO || transfer.debit == transfer.credit {
            return Err(LedgerError::Empty);
        }
        let ended = self.ended(transfer)?;
        let mut debit = self.balance(transfer.debit);
        let mut credit = self.balance(transfer.credit);
        let add = |sum: &mut Vnd, amount: Vnd| {
            *sum = sum.checked_add(amount).ok_or(LedgerError::Overflow)?;
            Ok(())
        };
        if let Some(ended) = ended {
            debit.held_vnd = debit
                .held_vnd
                .checked_sub(ended)
                .ok_or(LedgerError::Overflow)?;
        }
        match transfer.kind {
            TransferKind::Single | TransferKind::Post => {
                add(&mut debit.debits_vnd, transfer.amount_vnd)?;
                add(&mut credit.credits_vnd, transfer.amount_vnd)?;
            }
            TransferKind::Pending => add(&mut debit.held_vnd, transfer.amount_vnd)?,
            TransferKind::Void => {}
        }
        let covered = debit.available().ok_or(LedgerError::Overflow)? >= Vnd::ZERO;
        if transfer.debit.0 < 0 && !covered {
            return Err(LedgerError::NotCovered);
        }
        self.balances.insert(transfer.debit, debit);
        self.balances.insert(transfer.credit, credit);
        self.transfers.insert(transfer.id, *transfer);
        if let Some(pending) = transfer.pending {
            self.resolved.insert(pending, transfer.id);
        }
        Ok(())
    }

    /// The amount that the pending transfer reserved which this one ends.
    fn ended(&self, transfer: &Transfer) -> Result<Option<Vnd>, LedgerError> {
        let ends = matches!(transfer.kind, TransferKind::Post | TransferKind::Void);
        let Some(id) = transfer.pending else {
            return if ends {
                Err(LedgerError::Unfit)
            } else {
                Ok(None)
            };
        };
        let pending = self
            .transfers
            .get(&id)
            .filter(|pending| ends && pending.kind == TransferKind::Pending)
            .ok_or(LedgerError::Unfit)?;
        let same = (pending.debit, pending.credit) == (transfer.debit, transfer.credit);
        let whole = pending.amount_vnd == transfer.amount_vnd;
        let part = transfer.kind == TransferKind::Post && transfer.amount_vnd < pending.amount_vnd;
        if !same || !(whole || part) {
            return Err(LedgerError::Unfit);
        }
        if self.resolved.contains_key(&id) {
            return Err(LedgerError::Resolved);
        }
        Ok(Some(pending.amount_vnd))
    }
}
