//! Payments: asked for, then settled by what a gateway says.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{AccountId, PaymentId, PurchaseId, ReceiptId, SessionId, TransferId, WalletId};
use domain::ledger::{Transfer, TransferKind};
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use domain::purchase::PurchaseStatus;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::failpoint::{Step, commit};
use crate::idempotency::{Claim, Intent, claim, unclaim};
use crate::ledger::transfers_insert;
use crate::outbox::{OutboxKind, outbox_delete, outbox_insert};
use crate::{Store, StoreError, corrupt};

/// How long whoever asked for a payment has to call its gateway before the outbox does it again.
const FIRST_CALL: TimeDelta = TimeDelta::seconds(20);

/// Where a payment's money comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaidFrom {
    /// A gateway's that tells by itself.
    Gateway(&'static str),
    /// A gateway's that is called: before the driver can pay, or later, to ask what became of it.
    CalledGateway(&'static str),
    /// The wallet with this account.
    Wallet(AccountId),
    /// The same, but only reserved: it is paid when the time that it pays for has ended.
    Hold(AccountId),
}

impl PaidFrom {
    /// The code of the gateway.
    pub const fn gateway(&self) -> &'static str {
        match self {
            Self::Gateway(code) | Self::CalledGateway(code) => code,
            Self::Wallet(_) | Self::Hold(_) => WALLET,
        }
    }
}

/// The scope of payments' idempotency keys.
const SCOPE: &str = "payment";

/// The gateway of payments out of wallets.
pub const WALLET: &str = "wallet";

/// A payment to be asked for.
#[derive(Clone, Debug)]
pub struct NewPayment {
    /// Its identity, used unless the intent was done before.
    pub id: PaymentId,
    /// What it pays for.
    pub purchase: PurchaseId,
    /// Through whom.
    pub from: PaidFrom,
    /// The text by which the transfer is recognised.
    pub reference: String,
    /// What the driver's bank app reads.
    pub qr: Option<String>,
    /// The provider's page.
    pub redirect_url: Option<String>,
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
    /// The same intent, an unpaid payment of the same purchase and gateway, or the payment that
    /// paid for it, was there already.
    Existing(PaymentId),
    /// The key belongs to another request.
    KeyMismatch,
    /// There is no such purchase.
    NoPurchase,
    /// It was paid for without a payment: it costs nothing.
    AlreadyPaid,
    /// It lapsed before it was paid.
    Lapsed,
    /// There is not enough in the wallet.
    NotCovered,
}

/// A payment as it is kept.
#[derive(Clone, Debug)]
pub struct Payment {
    /// Its identity.
    pub id: PaymentId,
    /// What it pays for.
    pub purchase: PurchaseId,
    /// Whose session that is.
    pub session: Option<SessionId>,
    /// Or which wallet it fills.
    pub wallet: Option<WalletId>,
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
    /// The provider's page.
    pub redirect_url: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when the money must arrive.
    pub expires_at: Timestamp,
    /// When it arrived.
    pub posted_at: Option<Timestamp>,
    /// What the provider said last.
    pub note: Option<String>,
    /// The proof, once posted.
    pub receipt: Option<ReceiptId>,
}

const PAYMENT_COLUMNS: &str =
    "payment_id, purchase_id, purchase.session_id, wallet_id, gateway, reference, payment.amount_vnd,
    payment.status, qr, redirect_url, payment.created_at, expires_at, posted_at, note, receipt_id";

const PAYMENT_TABLES: &str = "payment JOIN purchase USING (purchase_id)
    LEFT JOIN wallet USING (account_id) LEFT JOIN receipt USING (payment_id)";

impl Store {
    /// Asks for payments: each writes the payment and its pending transfer, once per intent.
    /// A purchase has at most one unpaid payment by each gateway that has not expired; asking
    /// again returns it. The result is in the order of the argument. Keys and purchases must
    /// differ within one call.
    ///
    /// # Errors
    /// Database errors; then nothing is written.
    pub async fn payment_request(
        &self,
        payments: &[NewPayment],
        now: Timestamp,
    ) -> Result<Vec<Requested>, StoreError> {
        match self.payments_request(payments, now).await {
            Err(StoreError::Constraint(name)) if name == "wallet_covers" && payments.len() == 1 => {
                Ok(vec![Requested::NotCovered])
            }
            other => other,
        }
    }

    async fn payments_request(
        &self,
        payments: &[NewPayment],
        now: Timestamp,
    ) -> Result<Vec<Requested>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let payable = payable(&mut tx, payments, now).await?;
        let mut results = vec![Requested::NoPurchase; payments.len()];
        let known: Vec<usize> = (0..payments.len())
            .filter(|&i| payable.contains_key(&payments[i].purchase))
            .collect();
        // The key before anything else: a repeated request gets what the first one made, whatever
        // has become of it since.
        let intents: Vec<_> = known
            .iter()
            .map(|&i| (&payments[i].intent, payments[i].id.0))
            .collect();
        let claims = claim(&mut tx, SCOPE, &intents, now).await?;
        let (mut fresh, mut unused) = (Vec::new(), Vec::new());
        for (&index, claim) in known.iter().zip(claims) {
            let new = &payments[index];
            let row = &payable[&new.purchase];
            results[index] = match (claim, row.decide()) {
                (Claim::Done(id), _) => Requested::Existing(PaymentId(id)),
                (Claim::Mismatch, _) => Requested::KeyMismatch,
                (Claim::New, Ok(())) => {
                    fresh.push((new, row));
                    Requested::Created(new.id)
                }
                (Claim::New, Err(other)) => {
                    unused.push(new.intent.key.as_str());
                    other
                }
            };
        }
        unclaim(&mut tx, SCOPE, &unused).await?;
        self.payments_insert(&mut tx, &fresh, now).await?;
        commit(tx, Step::Request).await?;
        Ok(results)
    }

    async fn payments_insert(
        &self,
        tx: &mut PgConnection,
        fresh: &[(&NewPayment, &Payable)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let texts = |get: fn(&NewPayment) -> Option<&str>| {
            fresh.iter().map(|(new, _)| get(new)).collect::<Vec<_>>()
        };
        sqlx::query(
            "INSERT INTO payment (payment_id, purchase_id, gateway, reference, amount_vnd, qr,
                                  redirect_url, expires_at, status, created_at)
             SELECT *, 'pending', $9 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[],
                $5::bigint[], $6::text[], $7::text[], $8::timestamptz[])",
        )
        .bind(fresh.iter().map(|(new, _)| new.id.0).collect::<Vec<_>>())
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.purchase.0)
                .collect::<Vec<_>>(),
        )
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.from.gateway())
                .collect::<Vec<_>>(),
        )
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.reference.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            fresh
                .iter()
                .map(|(_, row)| row.amount_vnd)
                .collect::<Vec<_>>(),
        )
        .bind(texts(|new| new.qr.as_deref()))
        .bind(texts(|new| new.redirect_url.as_deref()))
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.expires_at)
                .collect::<Vec<_>>(),
        )
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let mut transfers = Vec::with_capacity(fresh.len());
        for (new, row) in fresh {
            let debit = match new.from {
                PaidFrom::Wallet(account) | PaidFrom::Hold(account) => account,
                PaidFrom::Gateway(code) | PaidFrom::CalledGateway(code) => {
                    self.accounts.clearing(tx, code).await?
                }
            };
            transfers.push(Transfer {
                kind: TransferKind::Pending,
                payment: Some(new.id),
                ..Transfer::single(
                    TransferId(Uuid::now_v7()),
                    debit,
                    AccountId(row.account_id),
                    Vnd::new(row.amount_vnd),
                    now,
                )
            });
        }
        transfers_insert(tx, &transfers, now).await?;
        // What is reserved is as good as paid: the driver may park.
        let held: Vec<Uuid> = fresh
            .iter()
            .filter(|(new, _)| matches!(new.from, PaidFrom::Hold(_)))
            .map(|(new, _)| new.purchase.0)
            .collect();
        if !held.is_empty() {
            sqlx::query(
                "UPDATE session SET status = 'paid' FROM purchase
                 WHERE purchase_id = ANY($1) AND session.session_id = purchase.session_id",
            )
            .bind(&held)
            .execute(&mut *tx)
            .await?;
        }
        let called: Vec<Uuid> = fresh
            .iter()
            .filter(|(new, _)| matches!(new.from, PaidFrom::CalledGateway(_) | PaidFrom::Wallet(_)))
            .map(|(new, _)| new.id.0)
            .collect();
        outbox_insert(tx, OutboxKind::Payment, &called, now + FIRST_CALL, now).await
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
            "SELECT {PAYMENT_COLUMNS} FROM {PAYMENT_TABLES} WHERE payment_id = ANY($1)"
        )))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| row.payment().map(|payment| (payment.id, payment)))
            .collect()
    }

    /// Keeps what a driver needs in order to pay, once the provider has said it.
    ///
    /// # Errors
    /// Database errors.
    pub async fn payment_checkout(
        &self,
        id: PaymentId,
        qr: Option<&str>,
        redirect_url: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE payment SET qr = coalesce($2, qr), redirect_url = coalesce($3, redirect_url)
             WHERE payment_id = $1",
        )
        .bind(id.0)
        .bind(qr)
        .bind(redirect_url)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Voids the pending payment that carries a reference, because its provider says that the
    /// money will not come. The purchase stays, for another try. The result is the payment, or
    /// `None` where there is none that is pending.
    ///
    /// # Errors
    /// Database errors; then nothing is changed.
    pub async fn payment_fail(
        &self,
        gateway: &str,
        reference: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<PaymentId>, StoreError> {
        if !crate::storable(reference) {
            return Ok(None);
        }
        let mut tx = self.pool.begin().await?;
        let found: Vec<Pending> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{PENDING} AND gateway = $1 AND reference = $2 FOR UPDATE OF purchase, payment"
        )))
        .bind(gateway)
        .bind(reference)
        .fetch_all(&mut *tx)
        .await?;
        void(&mut tx, &found, Some(reason), now).await?;
        tx.commit().await?;
        Ok(found.first().map(|row| PaymentId(row.payment_id)))
    }

    /// Voids payments that were asked for before `before` and whose time has run out by `now`,
    /// with their pending transfers, and lets what nobody paid for lapse. Returns how many
    /// payments, at most 1,000: call again until it returns 0.
    ///
    /// # Errors
    /// Database errors; then nothing is changed.
    pub async fn payment_void_expired(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut tx = self.pool.begin().await?;
        let expired: Vec<Pending> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{PENDING} AND expires_at < $1 AND payment.created_at < $2
             AND (session_id IS NULL OR NOT EXISTS (
                SELECT FROM session s WHERE s.session_id = purchase.session_id AND metered))
             ORDER BY purchase.purchase_id, payment.payment_id LIMIT 1000
             FOR UPDATE OF purchase, payment SKIP LOCKED"
        )))
        .bind(now)
        .bind(before)
        .fetch_all(&mut *tx)
        .await?;
        void(&mut tx, &expired, None, now).await?;
        sqlx::query(
            "WITH gone AS (
                UPDATE purchase SET status = 'lapsed'
                WHERE purchase_id IN (
                    SELECT purchase_id FROM purchase
                    WHERE status = 'pending' AND created_at < $1 AND NOT EXISTS (
                        SELECT FROM payment WHERE payment.purchase_id = purchase.purchase_id
                            AND payment.status IN ('pending', 'posted', 'refunded'))
                    ORDER BY purchase_id LIMIT 1000 FOR UPDATE SKIP LOCKED)
                RETURNING session_id, kind)
             UPDATE session SET status = 'lapsed'
             FROM gone WHERE session.session_id = gone.session_id AND gone.kind = 'start'
                AND session.status = 'pending'",
        )
        .bind(before)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(expired.len())
    }
}

/// Pending payments with their pending transfers; further conditions and locks follow.
const PENDING: &str =
    "SELECT payment.payment_id, transfer_id, debit_id, credit_id, transfer.amount_vnd
     FROM payment JOIN purchase USING (purchase_id)
          JOIN transfer ON transfer.payment_id = payment.payment_id AND transfer.kind = 'pending'
     WHERE payment.status = 'pending'";

#[derive(FromRow)]
struct Pending {
    payment_id: Uuid,
    transfer_id: Uuid,
    debit_id: i32,
    credit_id: i32,
    amount_vnd: i64,
}

/// Voids one pending payment.
pub(crate) async fn payment_void(
    tx: &mut PgConnection,
    payment: Uuid,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!("{PENDING} AND payment.payment_id = $1");
    let found: Vec<Pending> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(payment)
        .fetch_all(&mut *tx)
        .await?;
    void(tx, &found, Some(reason), now).await
}

async fn void(
    tx: &mut PgConnection,
    payments: &[Pending],
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if payments.is_empty() {
        return Ok(());
    }
    let voids: Vec<Transfer> = payments
        .iter()
        .map(|row| {
            pending_transfer(
                row.transfer_id,
                row.debit_id,
                row.credit_id,
                row.amount_vnd,
                row.payment_id,
                now,
            )
            .resolve(TransferId(Uuid::now_v7()), TransferKind::Void, now)
        })
        .collect();
    transfers_insert(tx, &voids, now).await?;
    let ids: Vec<Uuid> = payments.iter().map(|row| row.payment_id).collect();
    sqlx::query(
        "UPDATE payment SET status = 'voided', note = coalesce($2, note) WHERE payment_id = ANY($1)",
    )
    .bind(&ids)
    .bind(reason.map(|text| text.replace('\0', " ")))
    .execute(&mut *tx)
    .await?;
    outbox_delete(tx, OutboxKind::Payment, &ids).await
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
        kind: TransferKind::Pending,
        payment: Some(PaymentId(payment)),
        ..Transfer::single(
            TransferId(id),
            AccountId(debit),
            AccountId(credit),
            Vnd::new(amount),
            at,
        )
    }
}

#[derive(FromRow)]
struct Payable {
    purchase_id: Uuid,
    status: String,
    amount_vnd: i64,
    account_id: i32,
    unpaid: Option<Uuid>,
    paid: Option<Uuid>,
}

impl Payable {
    fn decide(&self) -> Result<(), Requested> {
        match PurchaseStatus::from_code(&self.status) {
            Some(PurchaseStatus::Paid) => Err(match self.paid {
                Some(id) => Requested::Existing(PaymentId(id)),
                None => Requested::AlreadyPaid,
            }),
            Some(PurchaseStatus::Pending) => match self.unpaid {
                Some(id) => Err(Requested::Existing(PaymentId(id))),
                None => Ok(()),
            },
            _ => Err(Requested::Lapsed),
        }
    }
}

/// Locks the purchases, so that two requests for one cannot both find it without a payment.
async fn payable(
    tx: &mut PgConnection,
    payments: &[NewPayment],
    now: Timestamp,
) -> Result<HashMap<PurchaseId, Payable>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|new| new.purchase.0).collect();
    let gateways: Vec<&str> = payments.iter().map(|new| new.from.gateway()).collect();
    sqlx::query("SELECT FROM purchase WHERE purchase_id = ANY($1) ORDER BY purchase_id FOR UPDATE")
        .bind(&ids)
        .execute(&mut *tx)
        .await?;
    // The money goes to the lot's operator, or into the wallet that is filled.
    let rows: Vec<Payable> = sqlx::query_as(
        "SELECT purchase.purchase_id, purchase.status, purchase.amount_vnd,
                coalesce(purchase.account_id, account.account_id) AS account_id,
                (SELECT payment_id FROM payment
                 WHERE payment.purchase_id = purchase.purchase_id AND payment.status = 'pending'
                   AND expires_at > $3 AND gateway = wanted.gateway
                 ORDER BY created_at DESC LIMIT 1) AS unpaid,
                (SELECT payment_id FROM payment
                 WHERE payment.purchase_id = purchase.purchase_id
                   AND payment.status IN ('posted', 'refunded') LIMIT 1) AS paid
         FROM unnest($1::uuid[], $2::text[]) AS wanted (purchase_id, gateway)
              JOIN purchase USING (purchase_id)
              LEFT JOIN session USING (session_id)
              LEFT JOIN bay USING (bay_id) LEFT JOIN lot USING (lot_id)
              LEFT JOIN account USING (operator_id)",
    )
    .bind(&ids)
    .bind(&gateways)
    .bind(now)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (PurchaseId(row.purchase_id), row))
        .collect())
}

#[derive(FromRow)]
struct PaymentRow {
    payment_id: Uuid,
    purchase_id: Uuid,
    session_id: Option<Uuid>,
    wallet_id: Option<Uuid>,
    gateway: String,
    reference: String,
    amount_vnd: i64,
    status: String,
    qr: Option<String>,
    redirect_url: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    posted_at: Option<Timestamp>,
    note: Option<String>,
    receipt_id: Option<Uuid>,
}

impl PaymentRow {
    fn payment(self) -> Result<Payment, StoreError> {
        Ok(Payment {
            id: PaymentId(self.payment_id),
            purchase: PurchaseId(self.purchase_id),
            session: self.session_id.map(SessionId),
            wallet: self.wallet_id.map(WalletId),
            status: PaymentStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("payment status", &self.status))?,
            amount_vnd: Vnd::new(self.amount_vnd),
            receipt: self.receipt_id.map(ReceiptId),
            gateway: self.gateway,
            reference: self.reference,
            qr: self.qr,
            redirect_url: self.redirect_url,
            created_at: self.created_at,
            expires_at: self.expires_at,
            posted_at: self.posted_at,
            note: self.note,
        })
    }
}
