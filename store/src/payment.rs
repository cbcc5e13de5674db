//! Payments: asked for, then settled by what a gateway says.

use std::collections::HashMap;

use domain::Timestamp;
use domain::id::{AccountId, PaymentId, ReceiptId, SessionId, TransferId};
use domain::ledger::{Transfer, TransferKind};
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use domain::session::SessionStatus;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::idempotency::{Claim, Intent, claim};
use crate::ledger::transfers_insert;
use crate::{Store, StoreError, corrupt};

/// A payment to be asked for.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// Its identity, used unless the intent was done before.
    pub id: PaymentId,
    /// What it pays for.
    pub session: SessionId,
    /// Through whom, a gateway's code.
    pub gateway: &'static str,
    /// The text by which the transfer is recognised.
    pub reference: String,
    /// What the driver's bank app reads.
    pub qr: Option<String>,
    /// Until when the money must arrive.
    pub expires_at: Timestamp,
    /// The client's key and request.
    pub intent: Intent,
}

/// What became of a request for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It was written under its own id.
    Created(PaymentId),
    /// The same intent, or an unpaid payment of the same session, was there already.
    Existing(PaymentId),
    /// The key belongs to another request.
    KeyMismatch,
    /// There is no such session.
    NoSession,
    /// The session is paid for.
    AlreadyPaid,
    /// The session lapsed before it was paid.
    Lapsed,
}

/// A payment as it is kept.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Its identity.
    pub id: PaymentId,
    /// What it pays for.
    pub session: SessionId,
    /// Through whom.
    pub gateway: String,
    /// The text by which the transfer is recognised.
    pub reference: String,
    /// The amount asked for.
    pub amount_vnd: Vnd,
    /// Where it stands.
    pub status: PaymentStatus,
    /// What the driver's bank app reads.
    pub qr: Option<String>,
    /// Until when the money must arrive.
    pub expires_at: Timestamp,
    /// When it arrived.
    pub posted_at: Option<Timestamp>,
    /// The proof, once posted.
    pub receipt: Option<ReceiptId>,
}

const PAYMENT_COLUMNS: &str =
    "payment_id, payment.session_id, gateway, reference, payment.amount_vnd,
    payment.status, qr, expires_at, posted_at, receipt_id";

impl Store {
    /// Asks for payments: each writes the payment and its pending transfer, once per intent.
    /// A session has at most one unpaid payment that has not expired; asking again returns it.
    /// The result is in the order of the argument. Keys and sessions must differ within one call.
    ///
    /// # Errors
    /// Database errors; then nothing is written.
    pub async fn payment_request(
        &self,
        payments: &[NewPayment],
        now: Timestamp,
    ) -> Result<Vec<Requested>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let ids: Vec<SessionId> = payments.iter().map(|new| new.session).collect();
        let payable = payable(&mut tx, &ids, now).await?;
        let mut results = vec![Requested::NoSession; payments.len()];
        let mut open = Vec::new();
        for (index, new) in payments.iter().enumerate() {
            results[index] = match payable.get(&new.session) {
                None => continue,
                Some(row) => match row.decide() {
                    Ok(()) => {
                        open.push(index);
                        continue;
                    }
                    Err(requested) => requested,
                },
            };
        }
        let intents: Vec<_> = open
            .iter()
            .map(|&i| (&payments[i].intent, payments[i].id.0))
            .collect();
        let claims = claim(&mut tx, "payment", &intents, now).await?;
        let mut fresh = Vec::new();
        for (&index, claim) in open.iter().zip(claims) {
            results[index] = match claim {
                Claim::New => {
                    fresh.push((&payments[index], &payable[&payments[index].session]));
                    Requested::Created(payments[index].id)
                }
                Claim::Done(id) => Requested::Existing(PaymentId(id)),
                Claim::Mismatch => Requested::KeyMismatch,
            };
        }
        payments_insert(&mut tx, &fresh, now).await?;
        tx.commit().await?;
        Ok(results)
    }

    /// The payment of that identity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn payment(&self, id: PaymentId) -> Result<Payment, StoreError> {
        self.payments(&[id])
            .await?
            .remove(&id)
            .ok_or(StoreError::NotFound("payment"))
    }

    /// The payments of those identities that exist.
    ///
    /// # Errors
    /// Database errors.
    pub async fn payments(
        &self,
        ids: &[PaymentId],
    ) -> Result<HashMap<PaymentId, Payment>, StoreError> {
        let rows: Vec<PaymentRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {PAYMENT_COLUMNS} FROM payment LEFT JOIN receipt USING (payment_id)
             WHERE payment_id = ANY($1)"
        )))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| row.payment().map(|payment| (payment.id, payment)))
            .collect()
    }

    /// Voids payments that were asked for before `before` and whose time has run out by `now`,
    /// with their pending transfers, and lets their sessions lapse. Returns how many, at most
    /// 1,000: call again until it returns 0.
    ///
    /// # Errors
    /// Database errors; then nothing is changed.
    pub async fn payment_void_expired(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut tx = self.pool.begin().await?;
        let expired: Vec<(Uuid, Uuid, i32, i32, i64, Uuid)> = sqlx::query_as(
            "SELECT payment.payment_id, transfer_id, debit_id, credit_id, transfer.amount_vnd, session_id
             FROM payment JOIN transfer ON transfer.payment_id = payment.payment_id
                                       AND transfer.kind = 'pending'
             WHERE status = 'pending' AND expires_at < $1 AND created_at < $2
             ORDER BY payment.payment_id LIMIT 1000
             FOR UPDATE OF payment SKIP LOCKED",
        )
        .bind(now)
        .bind(before)
        .fetch_all(&mut *tx)
        .await?;
        let voids: Vec<Transfer> = expired
            .iter()
            .map(|&(payment, transfer, debit, credit, amount, _)| {
                pending_transfer(transfer, debit, credit, amount, payment, now).resolve(
                    TransferId(Uuid::now_v7()),
                    TransferKind::Void,
                    now,
                )
            })
            .collect();
        transfers_insert(&mut tx, &voids, now).await?;
        sqlx::query("UPDATE payment SET status = 'voided' WHERE payment_id = ANY($1)")
            .bind(expired.iter().map(|row| row.0).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE session SET status = 'lapsed' WHERE session_id = ANY($1) AND status = 'pending'",
        )
        .bind(expired.iter().map(|row| row.5).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(voids.len())
    }
}

pub(crate) fn pending_transfer(
    id: Uuid,
    debit: i32,
    credit: i32,
    amount: i64,
    payment: Uuid,
    at: Timestamp,
) -> Transfer {
    Transfer {
        id: TransferId(id),
        kind: TransferKind::Pending,
        debit: AccountId(debit),
        credit: AccountId(credit),
        amount_vnd: Vnd::new(amount),
        pending: None,
        payment: Some(PaymentId(payment)),
        suspense: None,
        at,
    }
}

#[derive(FromRow)]
struct Payable {
    session_id: Uuid,
    status: String,
    amount_vnd: i64,
    account_id: i32,
    unpaid: Option<Uuid>,
}

impl Payable {
    fn decide(&self) -> Result<(), Requested> {
        match SessionStatus::from_code(&self.status) {
            Some(SessionStatus::Paid) => Err(Requested::AlreadyPaid),
            Some(SessionStatus::Pending) => match self.unpaid {
                Some(id) => Err(Requested::Existing(PaymentId(id))),
                None => Ok(()),
            },
            _ => Err(Requested::Lapsed),
        }
    }
}

/// Locks the sessions, so that two requests for one cannot both find it without a payment.
async fn payable(
    tx: &mut PgConnection,
    sessions: &[SessionId],
    now: Timestamp,
) -> Result<HashMap<SessionId, Payable>, StoreError> {
    let ids: Vec<Uuid> = sessions.iter().map(|id| id.0).collect();
    sqlx::query("SELECT FROM session WHERE session_id = ANY($1) ORDER BY session_id FOR UPDATE")
        .bind(&ids)
        .execute(&mut *tx)
        .await?;
    let rows: Vec<Payable> = sqlx::query_as(
        "SELECT session.session_id, session.status, session.amount_vnd, account_id,
                (SELECT payment_id FROM payment
                 WHERE payment.session_id = session.session_id AND payment.status = 'pending'
                   AND expires_at > $2
                 ORDER BY created_at DESC LIMIT 1) AS unpaid
         FROM session JOIN bay USING (bay_id) JOIN lot USING (lot_id)
              JOIN account USING (operator_id)
         WHERE session_id = ANY($1)",
    )
    .bind(&ids)
    .bind(now)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (SessionId(row.session_id), row))
        .collect())
}

async fn payments_insert(
    tx: &mut PgConnection,
    fresh: &[(&NewPayment, &Payable)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if fresh.is_empty() {
        return Ok(());
    }
    let texts =
        |get: fn(&NewPayment) -> &str| fresh.iter().map(|(new, _)| get(new)).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO payment (payment_id, session_id, gateway, reference, amount_vnd, qr, expires_at,
                              status, created_at)
         SELECT *, 'pending', $8 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[],
            $5::bigint[], $6::text[], $7::timestamptz[])",
    )
    .bind(fresh.iter().map(|(new, _)| new.id.0).collect::<Vec<_>>())
    .bind(fresh.iter().map(|(new, _)| new.session.0).collect::<Vec<_>>())
    .bind(texts(|new| new.gateway))
    .bind(texts(|new| &new.reference))
    .bind(fresh.iter().map(|(_, row)| row.amount_vnd).collect::<Vec<_>>())
    .bind(fresh.iter().map(|(new, _)| new.qr.as_deref()).collect::<Vec<_>>())
    .bind(fresh.iter().map(|(new, _)| new.expires_at).collect::<Vec<_>>())
    .bind(now)
    .execute(&mut *tx)
    .await?;
    let clearing: HashMap<String, i32> =
        sqlx::query_as("SELECT code, account_id FROM account WHERE kind = 'clearing'")
            .fetch_all(&mut *tx)
            .await?
            .into_iter()
            .collect();
    let transfers = fresh
        .iter()
        .map(|(new, row)| {
            let debit = clearing
                .get(&format!("clearing:{}", new.gateway))
                .ok_or(StoreError::NotFound("clearing account"))?;
            let id = Uuid::now_v7();
            Ok(pending_transfer(
                id,
                *debit,
                row.account_id,
                row.amount_vnd,
                new.id.0,
                now,
            ))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    transfers_insert(tx, &transfers, now).await
}

#[derive(FromRow)]
struct PaymentRow {
    payment_id: Uuid,
    session_id: Uuid,
    gateway: String,
    reference: String,
    amount_vnd: i64,
    status: String,
    qr: Option<String>,
    expires_at: Timestamp,
    posted_at: Option<Timestamp>,
    receipt_id: Option<Uuid>,
}

impl PaymentRow {
    fn payment(self) -> Result<Payment, StoreError> {
        Ok(Payment {
            id: PaymentId(self.payment_id),
            session: SessionId(self.session_id),
            status: PaymentStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("payment status", &self.status))?,
            amount_vnd: Vnd::new(self.amount_vnd),
            receipt: self.receipt_id.map(ReceiptId),
            gateway: self.gateway,
            reference: self.reference,
            qr: self.qr,
            expires_at: self.expires_at,
            posted_at: self.posted_at,
        })
    }
}
