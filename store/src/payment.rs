//! Payments: asked for, then settled by what a gateway says.

use std::collections::HashMap;

use domain::Timestamp;
use domain::id::{AccountId, PaymentId, PurchaseId, ReceiptId, SessionId, TransferId, WalletId};
use domain::ledger::{Transfer, TransferKind};
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use sqlx::FromRow;
use uuid::Uuid;

use crate::idempotency::Intent;
use crate::{Store, StoreError, among, corrupt};

mod request;
mod void;

pub(crate) use void::payment_void;

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

/// The gateway of payments out of wallets.
pub const WALLET: &str = "wallet";

/// The gateway whose bank account holds the money of wallets, and from which people give it back.
pub(crate) const BANK: &str = "vietqr";

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
        let among = among(ids, "uuid");
        let rows: Vec<PaymentRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {PAYMENT_COLUMNS} FROM {PAYMENT_TABLES} WHERE payment_id {among}"
        )))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| row.payment().map(|payment| (payment.id, payment)))
            .collect()
    }

    /// The newest payment of a purchase that still waits for its money.
    ///
    /// # Errors
    /// Database errors.
    pub async fn payment_waiting(
        &self,
        purchase: PurchaseId,
        now: Timestamp,
    ) -> Result<Option<PaymentId>, StoreError> {
        let found: Option<Uuid> = sqlx::query_scalar(
            "SELECT payment_id FROM payment
             WHERE purchase_id = $1 AND status = 'pending' AND expires_at > $2
             ORDER BY created_at DESC LIMIT 1",
        )
        .bind(purchase.0)
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.map(PaymentId))
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
