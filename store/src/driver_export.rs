//! What is known of a driver, for the driver.

use domain::Timestamp;
use domain::id::{AccountId, DriverId, PassId, PaymentId, ReceiptId, SessionId};
use domain::money::Vnd;
use domain::plate::Plate;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Store, StoreError, corrupt};

/// A payment into or out of a driver's wallet, with what it was for.
#[derive(Clone, Debug)]
pub struct ExportedPayment {
    /// Its identity.
    pub id: PaymentId,
    /// What was bought: `start`, `extension`, `pass`, or `top_up`, money for the wallet.
    pub kind: String,
    /// Through whom: `wallet`, or how the wallet was filled.
    pub gateway: String,
    /// The text by which its transfer is recognised.
    pub reference: String,
    /// How much was asked for.
    pub amount_vnd: Vnd,
    /// Of that, what has gone back.
    pub refunded_vnd: Vnd,
    /// `pending`, `posted`, `voided` or `refunded`.
    pub status: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was paid.
    pub posted_at: Option<Timestamp>,
    /// The time that it bought.
    pub time: Option<(Timestamp, Timestamp)>,
    /// The proof.
    pub receipt: Option<ReceiptId>,
    /// The session whose time it bought, or the pass.
    pub parked: Option<ExportedParking>,
}

/// A session or a pass.
#[derive(Clone, Debug)]
pub struct ExportedParking {
    /// The session.
    pub session: Option<SessionId>,
    /// Or the pass.
    pub pass: Option<PassId>,
    /// The code of the bay where it was bought, or where the vehicle stood.
    pub bay: String,
    /// Of which vehicle.
    pub plate: Plate,
    /// `car` or `motorbike`.
    pub class: String,
    /// From when it was good.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
}

/// A sign-in that has not run out.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct ExportedLogin {
    /// When.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl Store {
    /// Payments into and out of a wallet, newest first, at most `limit` of those before `before`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn driver_payments(
        &self,
        account: AccountId,
        before: Option<PaymentId>,
        limit: i64,
    ) -> Result<Vec<ExportedPayment>, StoreError> {
        // Payments are numbered in the order of their time.
        let rows: Vec<PaymentRow> = sqlx::query_as(
            "SELECT payment_id, purchase.kind, gateway, reference, payment.amount_vnd, payment.status,
                    payment.created_at, posted_at, refunded_vnd(payment_id) AS refunded_vnd,
                    purchase.starts_at AS bought_from, purchase.ends_at AS bought_to, receipt_id,
                    session.session_id, pass.pass_id, bay.code AS bay, coalesce(session.plate, pass.plate) AS plate,
                    coalesce(session.class, pass.class) AS class,
                    coalesce(session.starts_at, pass.starts_at) AS starts_at,
                    coalesce(session.ends_at, pass.ends_at) AS ends_at
             FROM (SELECT payment_id FROM transfer
                   WHERE (debit_id = $1 AND debit_id < 0 OR credit_id = $1 AND credit_id < 0)
                        AND payment_id IS NOT NULL AND ($2::uuid IS NULL OR payment_id < $2)
                   GROUP BY payment_id ORDER BY payment_id DESC LIMIT $3) AS own
                JOIN payment USING (payment_id) JOIN purchase USING (purchase_id)
                LEFT JOIN session ON session.session_id = purchase.session_id
                LEFT JOIN pass ON pass.pass_id = purchase.purchase_id
                LEFT JOIN bay ON bay.bay_id = coalesce(session.bay_id, pass.bay_id)
                LEFT JOIN receipt USING (payment_id)
             ORDER BY payment_id DESC",
        )
        .bind(account.0)
        .bind(before.map(|id| id.0))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(PaymentRow::payment).collect()
    }

    /// When a driver came first, and their sign-ins that are good at `now`, the latest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such driver any more.
    pub async fn driver_logins(
        &self,
        driver: DriverId,
        limit: i64,
        now: Timestamp,
    ) -> Result<(Timestamp, Vec<ExportedLogin>), StoreError> {
        let since: Option<Timestamp> =
            sqlx::query_scalar("SELECT created_at FROM driver WHERE driver_id = $1")
                .bind(driver.0)
                .fetch_optional(&self.pool)
                .await?;
        let logins = sqlx::query_as(
            "SELECT created_at, expires_at FROM driver_login WHERE driver_id = $1 AND expires_at > $2
             ORDER BY created_at DESC LIMIT $3",
        )
        .bind(driver.0)
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok((since.ok_or(StoreError::NotFound("driver"))?, logins))
    }
}

#[derive(FromRow)]
struct PaymentRow {
    payment_id: Uuid,
    kind: String,
    gateway: String,
    reference: String,
    amount_vnd: i64,
    refunded_vnd: i64,
    status: String,
    created_at: Timestamp,
    posted_at: Option<Timestamp>,
    bought_from: Option<Timestamp>,
    bought_to: Option<Timestamp>,
    receipt_id: Option<Uuid>,
    session_id: Option<Uuid>,
    pass_id: Option<Uuid>,
    bay: Option<String>,
    plate: Option<String>,
    class: Option<String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

impl PaymentRow {
    fn payment(self) -> Result<ExportedPayment, StoreError> {
        let parked = match (
            self.bay,
            self.plate,
            self.class,
            self.starts_at,
            self.ends_at,
        ) {
            (Some(bay), Some(plate), Some(class), Some(starts_at), Some(ends_at)) => {
                Some(ExportedParking {
                    session: self.session_id.map(SessionId),
                    pass: self.pass_id.map(PassId),
                    bay,
                    plate: Plate::stored(&plate).map_err(|why| corrupt("plate", why))?,
                    class,
                    starts_at,
                    ends_at,
                })
            }
            _ => None,
        };
        Ok(ExportedPayment {
            id: PaymentId(self.payment_id),
            kind: self.kind,
            gateway: self.gateway,
            reference: self.reference,
            amount_vnd: Vnd::new(self.amount_vnd),
            refunded_vnd: Vnd::new(self.refunded_vnd),
            status: self.status,
            created_at: self.created_at,
            posted_at: self.posted_at,
            time: self.bought_from.zip(self.bought_to),
            receipt: self.receipt_id.map(ReceiptId),
            parked,
        })
    }
}
