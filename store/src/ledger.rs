//! The ledger: written by the workflows that move money, read to prove that it balances.

use domain::Timestamp;
use domain::ledger::Transfer;
use domain::payment::Suspense;
use sqlx::{FromRow, PgConnection};

use crate::{Store, StoreError};

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
                               payment_id, suspense, at, recorded_at)
         SELECT *, $10 FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::bigint[],
            $6::uuid[], $7::uuid[], $8::text[], $9::timestamptz[])",
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

    /// Breaks between payments, their transfers and their receipts: a line for each, none where
    /// the books are right.
    ///
    /// # Errors
    /// Database errors.
    pub async fn ledger_breaks(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT 'posted payment ' || payment_id || ' has no posted transfer of its amount'
             FROM payment p WHERE status = 'posted' AND NOT EXISTS (
                SELECT FROM transfer t WHERE t.payment_id = p.payment_id AND t.kind = 'post'
                    AND t.amount_vnd = p.amount_vnd)
             UNION ALL
             SELECT 'posted payment ' || payment_id || ' has no receipt of its amount'
             FROM payment p WHERE status = 'posted' AND NOT EXISTS (
                SELECT FROM receipt r WHERE r.payment_id = p.payment_id
                    AND r.amount_vnd = p.amount_vnd)
             UNION ALL
             SELECT 'receipt ' || receipt_id || ' has no posted payment'
             FROM receipt r WHERE NOT EXISTS (
                SELECT FROM payment p WHERE p.payment_id = r.payment_id
                    AND p.status IN ('posted', 'refunded'))
             UNION ALL
             SELECT 'transfer ' || transfer_id || ' posts money of a payment that is not posted'
             FROM transfer t JOIN payment p USING (payment_id)
             WHERE t.kind = 'post' AND p.status NOT IN ('posted', 'refunded')
             UNION ALL
             SELECT 'transfer ' || t.transfer_id || ' differs from the pending one it resolves'
             FROM transfer t JOIN transfer p ON p.transfer_id = t.pending_id
             WHERE p.kind <> 'pending' OR (t.debit_id, t.credit_id, t.amount_vnd)
                <> (p.debit_id, p.credit_id, p.amount_vnd)
             LIMIT 1000",
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
