//! What a bank's notices do: one transaction posts payments, moves money and issues receipts.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::{BayId, PaymentId, ReceiptId, SessionId, TransferId};
use domain::ledger::{Transfer, TransferKind};
use domain::money::Vnd;
use domain::payment::{
    BankNotice, Expected, PaymentStatus, Settlement, Suspense, find_reference, settle,
};
use domain::session::SessionStatus;
use sqlx::types::JsonValue;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::ledger::transfers_insert;
use crate::payment::pending_transfer;
use crate::{Store, StoreError, corrupt};

/// What became of one notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeOutcome {
    /// It paid for a session.
    Posted(Posted),
    /// It had been told before; nothing was done.
    Repeated,
    /// Its money waits for staff.
    Suspended(Suspense),
}

/// A payment that has just been posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The payment.
    pub payment: PaymentId,
    /// Its session.
    pub session: SessionId,
    /// The proof.
    pub receipt: ReceiptId,
    /// The bay that is paid for.
    pub bay: BayId,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
}

impl Store {
    /// Takes verified notices of a gateway. Each has a decided end, and a notice told twice, in
    /// this call or another, has its effect once. The result is in the order of the argument.
    ///
    /// # Errors
    /// Database errors; then nothing of the whole call remains.
    pub async fn payment_settle(
        &self,
        gateway: &str,
        notices: &[BankNotice],
        now: Timestamp,
    ) -> Result<Vec<NoticeOutcome>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let references: Vec<Option<String>> = notices
            .iter()
            .map(|notice| find_reference(&notice.description))
            .collect();
        let mut named = named_payments(&mut tx, gateway, &references).await?;
        let mut seen = notices_seen(&mut tx, gateway, notices).await?;
        let mut batch = Batch::default();
        let mut outcomes = Vec::with_capacity(notices.len());
        for (notice, reference) in notices.iter().zip(references) {
            if !seen.insert(notice.bank_ref.clone()) {
                outcomes.push(NoticeOutcome::Repeated);
                continue;
            }
            let payment = reference.and_then(|reference| named.get_mut(&reference));
            outcomes.push(batch.take(notice, payment, now)?);
        }
        // A notice of an unknown reference locks nothing, so another call may have taken the same
        // one since: then the key of bank_notice refuses this batch as a whole, and the bank,
        // told that we failed, says it again and finds it repeated.
        notices_insert(&mut tx, gateway, &batch.rows, now).await?;
        batch.suspend_in(&mut tx, gateway, now).await?;
        transfers_insert(&mut tx, &batch.transfers, now).await?;
        receipts_insert(&mut tx, &batch.receipts).await?;
        mark_posted(&mut tx, &batch.receipts).await?;
        tx.commit().await?;
        Ok(outcomes)
    }
}

#[derive(FromRow)]
struct NamedPayment {
    payment_id: Uuid,
    session_id: Uuid,
    reference: String,
    amount_vnd: i64,
    status: String,
    session_status: String,
    expires_at: Timestamp,
    transfer_id: Uuid,
    debit_id: i32,
    credit_id: i32,
    bay_id: i32,
    lot_id: i32,
    starts_at: Timestamp,
    ends_at: Timestamp,
    lines: JsonValue,
    timezone: String,
}

impl NamedPayment {
    /// A session that another payment has paid for counts as posted: the money came twice.
    fn expected(&self) -> Result<Expected, StoreError> {
        let status = PaymentStatus::from_code(&self.status)
            .ok_or_else(|| corrupt("payment status", &self.status))?;
        let paid = self.session_status == SessionStatus::Paid.code();
        Ok(Expected {
            status: if paid { PaymentStatus::Posted } else { status },
            amount_vnd: Vnd::new(self.amount_vnd),
            expires_at: self.expires_at,
        })
    }
}

struct NoticeRow<'a> {
    notice: &'a BankNotice,
    outcome: &'static str,
    payment: Option<Uuid>,
}

struct ReceiptRow {
    id: Uuid,
    payment: Uuid,
    session: Uuid,
    bay: i32,
    lot: i32,
    amount_vnd: i64,
    lines: JsonValue,
    issued_at: Timestamp,
    day: chrono::NaiveDate,
}

/// All rows that one call writes.
#[derive(Default)]
struct Batch<'a> {
    rows: Vec<NoticeRow<'a>>,
    suspended: Vec<(Vnd, Suspense, Option<Uuid>, Timestamp)>,
    transfers: Vec<Transfer>,
    receipts: Vec<ReceiptRow>,
}

impl<'a> Batch<'a> {
    fn take(
        &mut self,
        notice: &'a BankNotice,
        payment: Option<&mut NamedPayment>,
        now: Timestamp,
    ) -> Result<NoticeOutcome, StoreError> {
        let expected = payment.as_deref().map(NamedPayment::expected).transpose()?;
        let id = payment.as_deref().map(|payment| payment.payment_id);
        let (settlement, payment) = match (settle(expected.as_ref(), notice), payment) {
            (Settlement::Post, Some(payment)) => (Settlement::Post, payment),
            (Settlement::Post, None) => return Err(corrupt("settlement", "posts nothing")),
            (Settlement::Suspend(reason), _) => {
                self.rows.push(NoticeRow {
                    notice,
                    outcome: reason.code(),
                    payment: id,
                });
                // Other currencies and amounts of nothing stay out of a ledger of đồng.
                if notice.currency == "VND" && notice.amount_vnd > Vnd::ZERO {
                    self.suspended
                        .push((notice.amount_vnd, reason, id, notice.paid_at));
                }
                return Ok(NoticeOutcome::Suspended(reason));
            }
        };
        debug_assert_eq!(settlement, Settlement::Post);
        self.rows.push(NoticeRow {
            notice,
            outcome: PaymentStatus::Posted.code(),
            payment: id,
        });
        let pending = pending_transfer(
            payment.transfer_id,
            payment.debit_id,
            payment.credit_id,
            payment.amount_vnd,
            payment.payment_id,
            now,
        );
        let post = TransferId(Uuid::now_v7());
        self.transfers
            .push(pending.resolve(post, TransferKind::Post, notice.paid_at));
        let timezone: Tz = payment
            .timezone
            .parse()
            .map_err(|why| corrupt("time zone", why))?;
        let receipt = Uuid::new_v4();
        self.receipts.push(ReceiptRow {
            id: receipt,
            payment: payment.payment_id,
            session: payment.session_id,
            bay: payment.bay_id,
            lot: payment.lot_id,
            amount_vnd: payment.amount_vnd,
            lines: std::mem::take(&mut payment.lines),
            issued_at: notice.paid_at,
            day: notice.paid_at.with_timezone(&timezone).date_naive(),
        });
        payment.status = PaymentStatus::Posted.code().to_owned();
        Ok(NoticeOutcome::Posted(Posted {
            payment: PaymentId(payment.payment_id),
            session: SessionId(payment.session_id),
            receipt: ReceiptId(receipt),
            bay: BayId(payment.bay_id),
            starts_at: payment.starts_at,
            ends_at: payment.ends_at,
        }))
    }

    /// Money without an owner goes from the gateway's clearing account into suspense.
    async fn suspend_in(
        &mut self,
        tx: &mut PgConnection,
        gateway: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.suspended.is_empty() {
            return Ok(());
        }
        let (clearing, suspense): (i32, i32) = sqlx::query_as(
            "SELECT clearing.account_id, suspense.account_id
             FROM account AS clearing, account AS suspense
             WHERE clearing.code = 'clearing:' || $1 AND suspense.code = 'suspense'",
        )
        .bind(gateway)
        .fetch_optional(tx)
        .await?
        .ok_or(StoreError::NotFound("clearing account"))?;
        for (amount, reason, payment, at) in self.suspended.drain(..) {
            let payment = payment.unwrap_or_default();
            let transfer = pending_transfer(
                Uuid::now_v7(),
                clearing,
                suspense,
                amount.get(),
                payment,
                now,
            );
            self.transfers.push(Transfer {
                kind: TransferKind::Single,
                payment: transfer.payment.filter(|id| !id.0.is_nil()),
                suspense: Some(reason),
                at,
                ..transfer
            });
        }
        Ok(())
    }
}

/// Locks, in order of identity, the payments that carry one of the references.
async fn named_payments(
    tx: &mut PgConnection,
    gateway: &str,
    references: &[Option<String>],
) -> Result<HashMap<String, NamedPayment>, StoreError> {
    let wanted: Vec<&str> = references.iter().flatten().map(String::as_str).collect();
    // The session's row is locked as well: two payments of one session must see each other.
    let rows: Vec<NamedPayment> = sqlx::query_as(
        "SELECT payment.payment_id, session.session_id, reference, payment.amount_vnd,
                payment.status, session.status AS session_status, expires_at,
                transfer_id, debit_id, credit_id, bay_id, lot_id, starts_at, ends_at, lines, timezone
         FROM payment
         JOIN session USING (session_id)
         JOIN transfer ON transfer.payment_id = payment.payment_id AND transfer.kind = 'pending'
         JOIN bay USING (bay_id) JOIN lot USING (lot_id) JOIN city USING (city_id)
         WHERE gateway = $1 AND reference = ANY($2)
         ORDER BY session.session_id, payment.payment_id
         FOR UPDATE OF session, payment",
    )
    .bind(gateway)
    .bind(&wanted)
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.reference.clone(), row))
        .collect())
}

async fn notices_seen(
    tx: &mut PgConnection,
    gateway: &str,
    notices: &[BankNotice],
) -> Result<HashSet<String>, StoreError> {
    let refs: Vec<&str> = notices
        .iter()
        .map(|notice| notice.bank_ref.as_str())
        .collect();
    let seen: Vec<String> = sqlx::query_scalar(
        "SELECT bank_ref FROM bank_notice WHERE gateway = $1 AND bank_ref = ANY($2)",
    )
    .bind(gateway)
    .bind(&refs)
    .fetch_all(tx)
    .await?;
    Ok(seen.into_iter().collect())
}

async fn notices_insert(
    tx: &mut PgConnection,
    gateway: &str,
    rows: &[NoticeRow<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO bank_notice (gateway, bank_ref, description, amount_vnd, currency, paid_at,
                                  outcome, payment_id, received_at)
         SELECT $1, *, $9 FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[],
            $6::timestamptz[], $7::text[], $8::uuid[]) AS n (bank_ref)
         ORDER BY bank_ref",
    )
    .bind(gateway)
    .bind(
        rows.iter()
            .map(|row| row.notice.bank_ref.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.notice.description.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.notice.amount_vnd.get())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.notice.currency.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.notice.paid_at)
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(|row| row.outcome).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment).collect::<Vec<_>>())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

async fn receipts_insert(tx: &mut PgConnection, rows: &[ReceiptRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO receipt (receipt_id, payment_id, session_id, bay_id, lot_id, amount_vnd, lines,
                              issued_at, day)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::bigint[],
            $7::jsonb[], $8::timestamptz[], $9::date[])",
    )
    .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.session).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.bay).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.lot).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.amount_vnd).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| &row.lines).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.issued_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.day).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn mark_posted(tx: &mut PgConnection, rows: &[ReceiptRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE payment SET status = 'posted', posted_at = r.at
         FROM unnest($1::uuid[], $2::timestamptz[]) AS r (payment_id, at)
         WHERE payment.payment_id = r.payment_id",
    )
    .bind(rows.iter().map(|row| row.payment).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.issued_at).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE session SET status = 'paid' WHERE session_id = ANY($1)")
        .bind(rows.iter().map(|row| row.session).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    Ok(())
}
