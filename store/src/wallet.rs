//! Drivers' money with us.

use domain::Timestamp;
use domain::id::{AccountId, PurchaseId, ReceiptId, WalletId};
use domain::money::Vnd;
use domain::purchase::PurchaseKind;
use domain::tariff::Quote;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::failpoint::{Step, commit};
use crate::idempotency::{Claim, Intent, claim};
use crate::purchase::{NewPurchase, purchases_insert};
use crate::{Store, StoreError, corrupt};

/// A wallet as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Its identity.
    pub id: WalletId,
    /// Its account in the ledger.
    pub account: AccountId,
    /// What is in it.
    pub balance_vnd: Vnd,
    /// Of that, what pending payments reserve.
    pub held_vnd: Vnd,
}

impl Wallet {
    /// What can be spent.
    pub fn available_vnd(&self) -> Vnd {
        self.balance_vnd
            .checked_sub(self.held_vnd)
            .unwrap_or_default()
    }
}

/// One movement of a wallet's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletEntry {
    /// When.
    pub at: Timestamp,
    /// What came; below zero what went.
    pub amount_vnd: Vnd,
    /// What for.
    pub what: WalletUse,
    /// The code of the bay in which the time or the pass was bought.
    pub bay: Option<String>,
    /// The proof of what was bought.
    pub receipt: Option<ReceiptId>,
}

/// What moves a wallet's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletUse {
    /// It was bought with it, or the wallet was filled.
    Purchase(PurchaseKind),
    /// It went back.
    Refund,
}

/// Who collects what drivers put into their wallets by bank transfer.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Collector {
    /// Its name.
    pub name: String,
    /// NAPAS BIN of its bank.
    pub bank_bin: String,
    /// Its account there.
    pub bank_account: String,
}

impl Store {
    /// Opens an empty wallet, once per intent.
    ///
    /// # Errors
    /// Database errors.
    pub async fn wallet_open(
        &self,
        id: WalletId,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let mut tx = self.begin().await?;
        let claims = claim(&mut tx, "wallet", &[(intent, id.0)], now).await?;
        let claimed = claims.first().copied().unwrap_or(Claim::Mismatch);
        if claimed == Claim::New {
            wallet_insert(&mut tx, id, now).await?;
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// The wallet of that identity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn wallet(&self, id: WalletId) -> Result<Wallet, StoreError> {
        let row: Option<(i32, i64, i64)> = sqlx::query_as(
            "SELECT account_id, balance_vnd, held_vnd FROM wallet WHERE wallet_id = $1",
        )
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        let (account, balance, held) = row.ok_or(StoreError::NotFound("wallet"))?;
        Ok(Wallet {
            id,
            account: AccountId(account),
            balance_vnd: Vnd::new(balance),
            held_vnd: Vnd::new(held),
        })
    }

    /// Announces that money is to be put into a wallet, once per intent; a payment then brings it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where its driver has given it up meanwhile.
    pub async fn wallet_top_up(
        &self,
        id: PurchaseId,
        account: AccountId,
        amount_vnd: Vnd,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let mut tx = self.begin().await?;
        let claims = claim(&mut tx, "top_up", &[(intent, id.0)], now).await?;
        let claimed = claims.first().copied().unwrap_or(Claim::Mismatch);
        if claimed == Claim::New {
            // Whoever closes it waits for this, or this for them.
            sqlx::query(
                "SELECT FROM wallet WHERE account_id = $1 AND closed_at IS NULL FOR KEY SHARE",
            )
            .bind(account.0)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(StoreError::NotFound("wallet"))?;
            let quote = Quote {
                amount_vnd,
                lines: Vec::new(),
            };
            let purchase = NewPurchase {
                id,
                kind: PurchaseKind::TopUp,
                session: None,
                wallet: Some(account),
                tariff: None,
                time: None,
                quote: &quote,
                vat_bp: 0,
            };
            purchases_insert(&mut tx, &[purchase], now).await?;
        }
        commit(tx, Step::TopUp).await?;
        Ok(claimed)
    }

    /// The latest movements of a wallet's money, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn wallet_entries(
        &self,
        account: AccountId,
        limit: i64,
    ) -> Result<Vec<WalletEntry>, StoreError> {
        let rows: Vec<EntryRow> = sqlx::query_as(
            "SELECT transfer.at, CASE WHEN credit_id = $1 THEN 1 ELSE -1 END * transfer.amount_vnd AS amount_vnd,
                    transfer.refund_id IS NOT NULL AS is_refund, purchase.kind, bay.code AS bay, receipt_id
             FROM transfer
                LEFT JOIN refund ON refund.refund_id = transfer.refund_id
                LEFT JOIN payment ON payment.payment_id = coalesce(transfer.payment_id, refund.payment_id)
                LEFT JOIN purchase ON purchase.purchase_id = payment.purchase_id
                LEFT JOIN session ON session.session_id = purchase.session_id
                LEFT JOIN pass ON pass.pass_id = purchase.purchase_id
                LEFT JOIN bay ON bay.bay_id = coalesce(session.bay_id, pass.bay_id)
                LEFT JOIN receipt ON receipt.payment_id = payment.payment_id
             WHERE $1 IN (debit_id, credit_id) AND transfer.kind IN ('single', 'post')
             ORDER BY transfer.at DESC, transfer_id DESC LIMIT $2",
        )
        .bind(account.0)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(EntryRow::entry).collect()
    }

    /// Who collects what drivers put into their wallets by bank transfer: the first operator, which
    /// keeps it in trust.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no operator.
    pub async fn wallet_collector(&self) -> Result<Collector, StoreError> {
        let found: Option<Collector> = sqlx::query_as(
            "SELECT name, bank_bin, bank_account FROM operator ORDER BY operator_id LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        found.ok_or(StoreError::NotFound("operator"))
    }
}

/// Opens an empty wallet.
pub(crate) async fn wallet_insert(
    connection: &mut PgConnection,
    id: WalletId,
    now: Timestamp,
) -> Result<Wallet, StoreError> {
    let account: i32 = sqlx::query_scalar(
        "WITH opened AS (
            INSERT INTO account (account_id, code, kind) OVERRIDING SYSTEM VALUE
            VALUES (nextval('wallet_account'), 'wallet:' || $1::uuid, 'wallet')
            RETURNING account_id)
         INSERT INTO wallet (account_id, wallet_id, created_at)
         SELECT account_id, $1::uuid, $2 FROM opened RETURNING account_id",
    )
    .bind(id.0)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(Wallet {
        id,
        account: AccountId(account),
        balance_vnd: Vnd::ZERO,
        held_vnd: Vnd::ZERO,
    })
}

#[derive(FromRow)]
struct EntryRow {
    at: Timestamp,
    amount_vnd: i64,
    is_refund: bool,
    kind: Option<String>,
    bay: Option<String>,
    receipt_id: Option<Uuid>,
}

impl EntryRow {
    fn entry(self) -> Result<WalletEntry, StoreError> {
        let kind = self.kind.as_deref();
        let what = match kind.and_then(PurchaseKind::from_code) {
            _ if self.is_refund => WalletUse::Refund,
            Some(kind) => WalletUse::Purchase(kind),
            None => return Err(corrupt("purchase kind", kind.unwrap_or("none"))),
        };
        Ok(WalletEntry {
            at: self.at,
            amount_vnd: Vnd::new(self.amount_vnd),
            what,
            bay: self.bay,
            receipt: self.receipt_id.map(ReceiptId),
        })
    }
}
