//! Drivers' money with us.

use domain::Timestamp;
use domain::id::{AccountId, PurchaseId, WalletId};
use domain::money::Vnd;
use domain::purchase::PurchaseKind;
use domain::tariff::Quote;

use crate::failpoint::{Step, commit};
use crate::idempotency::{Claim, Intent, claim};
use crate::purchase::{NewPurchase, purchases_insert};
use crate::{Store, StoreError};

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
        let mut tx = self.pool.begin().await?;
        let claims = claim(&mut tx, "wallet", &[(intent, id.0)], now).await?;
        let claimed = claims.first().copied().unwrap_or(Claim::Mismatch);
        if claimed == Claim::New {
            sqlx::query(
                "WITH opened AS (
                    INSERT INTO account (account_id, code, kind) OVERRIDING SYSTEM VALUE
                    VALUES (nextval('wallet_account'), 'wallet:' || $1::uuid, 'wallet')
                    RETURNING account_id)
                 INSERT INTO wallet (account_id, wallet_id, created_at)
                 SELECT account_id, $1::uuid, $2 FROM opened",
            )
            .bind(id.0)
            .bind(now)
            .execute(&mut *tx)
            .await?;
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
    /// Database errors.
    pub async fn wallet_top_up(
        &self,
        id: PurchaseId,
        account: AccountId,
        amount_vnd: Vnd,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let mut tx = self.pool.begin().await?;
        let claims = claim(&mut tx, "top_up", &[(intent, id.0)], now).await?;
        let claimed = claims.first().copied().unwrap_or(Claim::Mismatch);
        if claimed == Claim::New {
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

    /// NAPAS BIN and account that collect what drivers put into their wallets by bank transfer:
    /// the first operator's, which keeps it in trust.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no operator.
    pub async fn collecting_bank(&self) -> Result<(String, String), StoreError> {
        let row: Option<(String, String)> = sqlx::query_as(
            "SELECT bank_bin, bank_account FROM operator ORDER BY operator_id LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound("operator"))
    }
}
