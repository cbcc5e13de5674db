//! The ledger: written by the workflows that move money, read to prove that it balances.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Timestamp;
use domain::id::AccountId;
use domain::ledger::Transfer;
use domain::payment::Suspense;
use sqlx::{FromRow, PgConnection};
use tokio::sync::OnceCell;

use crate::audit::{Audit, audit_insert};
use crate::{Store, StoreError};

/// The keys of the accounts that every city has, by their codes. They never change, so they are
/// read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts(Arc<OnceCell<HashMap<String, AccountId>>>);

impl Accounts {
    /// The key of the account of that code, such as `suspense` or `clearing:vietqr`.
    pub(crate) async fn id(
        &self,
        tx: &mut PgConnection,
        code: &str,
    ) -> Result<AccountId, StoreError> {
        let known = self
            .0
            .get_or_try_init(|| async {
                let rows: Vec<(String, i32)> = sqlx::query_as(
                    "SELECT code, account_id FROM account WHERE kind NOT IN ('operator', 'wallet')",
                )
                .fetch_all(tx)
                .await?;
                let rows = rows.into_iter().map(|(code, id)| (code, AccountId(id)));
                Ok::<_, StoreError>(rows.collect())
            })
            .await?;
        known
            .get(code)
            .copied()
            .ok_or(StoreError::NotFound("account"))
    }

    /// The account of the money that a gateway holds for us.
    pub(crate) async fn clearing(
        &self,
        tx: &mut PgConnection,
        gateway: &str,
    ) -> Result<AccountId, StoreError> {
        self.id(tx, &format!("clearing:{gateway}")).await
    }
}

pub(crate) async fn transfers_insert(
    tx: &mut PgConnection,
    transfers: &[Transfer],
    now: Timestamp,
) -> Result<(), StoreError> {
    if transfers.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO transfer (transfer_id, kind, debit_id, credit_id, amount_vnd, pending_id,
                               payment_id, suspense, at, refund_id, recorded_at)
         SELECT *, $11 FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::bigint[],
            $6::uuid[], $7::uuid[], $8::text[], $9::timestamptz[], $10::uuid[])",
    )
    .bind(transfers.iter().map(|t| t.id.0).collect::<Vec<_>>())
    .bind(transfers.iter().map(|t| t.kind.code()).collect::<Vec<_>>())
    .bind(transfers.iter().map(|t| t.debit.0).collect::<Vec<_>>())
    .bind(transfers.iter().map(|t| t.credit.0).collect::<Vec<_>>())
    .bind(
        transfers
            .iter()
            .map(|t| t.amount_vnd.get())
            .collect::<Vec<_>>(),
    )
    .bind(
        transfers
            .iter()
            .map(|t| t.pending.map(|id| id.0))
            .collect::<Vec<_>>(),
    )
    .bind(
        transfers
            .iter()
            .map(|t| t.payment.map(|id| id.0))
            .collect::<Vec<_>>(),
    )
    .bind(
        transfers
            .iter()
            .map(|t| t.suspense.map(Suspense::code))
            .collect::<Vec<_>>(),
    )
    .bind(transfers.iter().map(|t| t.at).collect::<Vec<_>>())
    .bind(
        transfers
            .iter()
            .map(|t| t.refund.map(|id| id.0))
            .collect::<Vec<_>>(),
    )
    .bind(now)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What an account's transfers add up to. Pending and void transfers move nothing.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Balance {
    /// The account's code.
    pub code: String,
    /// Money taken from it, in đồng.
    pub debits_vnd: i64,
    /// Money given to it, in đồng.
    pub credits_vnd: i64,
}

impl Store {
    /// Every account with the sums of its transfers.
    ///
    /// # Errors
    /// Database errors, an overflow of the sums among them.
    pub async fn ledger_balances(&self) -> Result<Vec<Balance>, StoreError> {
        Ok(sqlx::query_as(
            "WITH side AS (
                SELECT debit_id AS account_id, amount_vnd AS debit, 0 AS credit
                FROM transfer WHERE kind IN ('single', 'post')
                UNION ALL
                SELECT credit_id, 0, amount_vnd FROM transfer WHERE kind IN ('single', 'post')
             )
             SELECT code, coalesce(sum(debit), 0)::bigint AS debits_vnd,
                    coalesce(sum(credit), 0)::bigint AS credits_vnd
             FROM account LEFT JOIN side USING (account_id)
             GROUP BY code ORDER BY code",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Records transfers by hand, all or none: corrections, and openings of accounts.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the books do not take one: `wallet_covers`,
    /// `transfer_fits_pending`, `transfer_resolved_once`, `transfer_amount` and others.
    pub async fn ledger_record(
        &self,
        transfers: &[Transfer],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        transfers_insert(&mut tx, transfers, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Records a correction with the reason for it, and a line in the audit.
    ///
    /// # Errors
    /// As [`Store::ledger_record`].
    pub async fn ledger_correct(
        &self,
        transfer: &Transfer,
        note: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO transfer (transfer_id, kind, debit_id, credit_id, amount_vnd, at, note,
                                   recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(transfer.id.0)
        .bind(transfer.kind.code())
        .bind(transfer.debit.0)
        .bind(transfer.credit.0)
        .bind(transfer.amount_vnd.get())
        .bind(transfer.at)
        .bind(note)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let audit = Audit {
            detail: serde_json::json!({ "transfer": transfer.id, "note": note }),
            ..Audit::new("operator of this system", "ledger.correct")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The key of an account by its code, such as `operator:HKP`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn account(&self, code: &str) -> Result<AccountId, StoreError> {
        let id: Option<i32> = sqlx::query_scalar("SELECT account_id FROM account WHERE code = $1")
            .bind(code)
            .fetch_optional(&self.pool)
            .await?;
        id.map(AccountId).ok_or(StoreError::NotFound("account"))
    }

    /// How much there is to check: transfers, payments, receipts and refunds.
    ///
    /// # Errors
    /// Database errors.
    pub async fn ledger_size(&self) -> Result<[i64; 4], StoreError> {
        let (transfers, payments, receipts, refunds) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM transfer), (SELECT count(*) FROM payment),
                    (SELECT count(*) FROM receipt), (SELECT count(*) FROM refund)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok([transfers, payments, receipts, refunds])
    }

    /// Breaks between payments, refunds, their transfers and their receipts: a line for each, at
    /// most 100 of a kind, none where the books are right.
    ///
    /// # Errors
    /// Database errors.
    pub async fn ledger_breaks(&self) -> Result<Vec<String>, StoreError> {
        let mut tx = self.snapshot().await?;
        // Every rule reads whole tables. Just after much was written there are no statistics, and
        // what looks like few rows would be looked up one by one.
        sqlx::query("SET LOCAL enable_nestloop = off")
            .execute(&mut *tx)
            .await?;
        let mut breaks = Vec::new();
        for rule in RULES {
            let sql = format!("{rule} LIMIT 100");
            let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_all(&mut *tx)
                .await?;
            breaks.extend(found);
        }
        tx.commit().await?;
        Ok(breaks)
    }
}

/// What must hold, each as a query for what breaks it.
const RULES: [&str; 14] = [
    "SELECT 'payment ' || payment_id || ' is posted, but its money never moved'
     FROM payment p WHERE status IN ('posted', 'refunded') AND NOT EXISTS (
        SELECT FROM transfer t WHERE t.payment_id = p.payment_id AND t.kind = 'post'
            AND t.amount_vnd = p.amount_vnd)",
    "SELECT 'transfer ' || transfer_id || ' posts money of a payment that is not posted'
     FROM transfer t JOIN payment p USING (payment_id)
     WHERE t.kind = 'post' AND p.status NOT IN ('posted', 'refunded')",
    "SELECT 'payment ' || p.payment_id || ' is posted, but its purchase is ' || status_of.status
     FROM payment p JOIN purchase AS status_of USING (purchase_id)
     WHERE p.status IN ('posted', 'refunded') AND status_of.status <> 'paid'",
    "SELECT 'purchase ' || purchase_id || ' was paid ' || count(*) || ' times'
     FROM payment WHERE status IN ('posted', 'refunded') GROUP BY purchase_id HAVING count(*) > 1",
    "SELECT 'payment ' || payment_id || ' is posted, but has no receipt of its amount'
     FROM payment p JOIN purchase USING (purchase_id)
     WHERE p.status IN ('posted', 'refunded') AND kind <> 'top_up' AND NOT EXISTS (
        SELECT FROM receipt r WHERE r.payment_id = p.payment_id AND r.amount_vnd = p.amount_vnd)",
    "SELECT 'receipt ' || receipt_id || ' has no posted payment of its amount'
     FROM receipt r WHERE NOT EXISTS (
        SELECT FROM payment p WHERE p.payment_id = r.payment_id AND p.amount_vnd = r.amount_vnd
            AND p.status IN ('posted', 'refunded'))",
    "SELECT 'transfer ' || t.transfer_id || ' does not fit the pending one that it ends'
     FROM transfer t JOIN transfer p ON p.transfer_id = t.pending_id
     WHERE p.kind <> 'pending' OR (t.debit_id, t.credit_id) <> (p.debit_id, p.credit_id)
        OR t.amount_vnd > p.amount_vnd",
    "SELECT 'notice ' || n.gateway || ' ' || n.bank_ref || ' says posted, but its payment is not'
     FROM bank_notice n LEFT JOIN payment p USING (payment_id)
     WHERE outcome = 'posted' AND coalesce(p.status, '') NOT IN ('posted', 'refunded')",
    "SELECT 'refund ' || refund_id || ' took ' || coalesce(sum(t.amount_vnd), 0)
            || ' from its accounts instead of ' || r.amount_vnd
     FROM refund r LEFT JOIN account AS way ON way.code = 'refund'
          LEFT JOIN transfer t USING (refund_id)
     WHERE t.transfer_id IS NULL OR t.credit_id = way.account_id
     GROUP BY refund_id, r.amount_vnd HAVING coalesce(sum(t.amount_vnd), 0) <> r.amount_vnd",
    "SELECT 'refund ' || refund_id || ' is ' || status || ', but ' || gone || ' went back'
     FROM (SELECT r.refund_id, r.status, r.amount_vnd, coalesce(sum(t.amount_vnd), 0) AS gone
           FROM refund r JOIN account AS way ON way.code = 'refund'
                LEFT JOIN transfer t ON t.refund_id = r.refund_id AND t.debit_id = way.account_id
           GROUP BY r.refund_id, r.status, r.amount_vnd) AS back
     WHERE gone <> CASE status WHEN 'done' THEN amount_vnd ELSE 0 END",
    "SELECT 'payment ' || payment_id || ' is ' || p.status || ', but ' || sum(r.amount_vnd)
            || ' of ' || p.amount_vnd || ' went back'
     FROM payment p JOIN refund r USING (payment_id) GROUP BY payment_id
     HAVING (p.status = 'refunded') <> (sum(r.amount_vnd) = p.amount_vnd)",
    "SELECT 'payment ' || payment_id || ' went back, but ' || code || ' kept ' || kept || ' of it'
     FROM (SELECT payment_id, code, sum(CASE WHEN t.credit_id = account_id THEN t.amount_vnd
                                             ELSE -t.amount_vnd END) AS kept
           FROM payment JOIN transfer t USING (payment_id)
                JOIN account ON account_id IN (t.debit_id, t.credit_id)
           WHERE payment.status = 'refunded' AND t.kind IN ('single', 'post') AND account.kind IN ('operator', 'city', 'vat')
           GROUP BY payment_id, code) AS part
     WHERE kept <> 0",
    "SELECT 'wallet ' || wallet_id || ' holds ' || balance_vnd || ' and reserves ' || held_vnd
            || ', its transfers say ' || told.balance || ' and ' || told.held
     FROM wallet JOIN LATERAL (
        SELECT coalesce(sum(CASE WHEN kind NOT IN ('single', 'post') THEN 0
                                 WHEN credit_id = account_id THEN amount_vnd
                                 ELSE -amount_vnd END), 0) AS balance,
               coalesce(sum(amount_vnd) FILTER (WHERE kind = 'pending' AND debit_id = account_id
                    AND NOT EXISTS (SELECT FROM transfer e WHERE e.pending_id = t.transfer_id)), 0) AS held
        FROM transfer t WHERE debit_id = account_id AND debit_id < 0
            OR credit_id = account_id AND credit_id < 0) AS told ON true
     WHERE (balance_vnd, held_vnd) <> (told.balance, told.held)",
    "SELECT 'wallet ' || wallet_id || ' is below zero' FROM wallet WHERE balance_vnd < held_vnd",
];
