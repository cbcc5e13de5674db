//! Money is promised back, in the transaction that finds it due.

use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::{AccountId, PaymentId, RefundId, TransferId};
use domain::ledger::Transfer;
use domain::money::Vnd;
use domain::payment::reference;
use domain::purchase::Shares;
use domain::refund::{RefundGround, RefundStatus};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::NewRefund;
use crate::audit::{Audit, audit_insert};
use crate::ledger::transfers_insert;
use crate::outbox::{OutboxKind, outbox_insert};
use crate::payment::WALLET;
use crate::{Store, StoreError, corrupt};

/// Of a payment that is to go back: whose money it became.
#[derive(FromRow)]
struct Origin {
    credit_id: i32,
    debit_id: i32,
    amount_vnd: i64,
    vat_bp: i16,
    /// What of it went to the city when it was posted.
    city_vnd: i64,
    lot_id: i32,
    timezone: String,
    refunded_vnd: i64,
}

/// How money goes back.
#[derive(Clone, Copy)]
enum Route {
    /// Into the wallet it came from, at once.
    Wallet(AccountId),
    /// By people's hands: its driver has given the wallet up, and nobody could take the money out of it again.
    People,
    /// Through its gateway, which is asked for it later.
    Gateway,
}

impl Route {
    /// How money goes back that came out of a wallet; nobody closes that before this transaction ends.
    async fn of_wallet(tx: &mut PgConnection, wallet: AccountId) -> Result<Self, StoreError> {
        let open: Option<bool> = sqlx::query_scalar(
            "SELECT closed_at IS NULL FROM wallet WHERE account_id = $1 FOR NO KEY UPDATE",
        )
        .bind(wallet.0)
        .fetch_optional(tx)
        .await?;
        Ok(match open.ok_or(StoreError::NotFound("wallet"))? {
            true => Self::Wallet(wallet),
            false => Self::People,
        })
    }

    fn status(self) -> RefundStatus {
        match self {
            Self::Wallet(_) => RefundStatus::Done,
            Self::People => RefundStatus::Manual,
            Self::Gateway => RefundStatus::Pending,
        }
    }

    /// What whoever has to give it back is told.
    fn note(self) -> Option<&'static str> {
        matches!(self, Self::People).then_some("the wallet is closed")
    }
}

impl Store {
    /// Promises refunds: each leaves the accounts that had the money, and waits for its gateway.
    /// Out of a wallet it goes back into it at once; where that is closed, people give it back.
    pub(crate) async fn refunds_insert(
        &self,
        tx: &mut PgConnection,
        refunds: &[NewRefund],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for new in refunds {
            self.refund_insert(tx, new, "system", now).await?;
        }
        Ok(())
    }

    /// Promises a refund, on the word of `actor`.
    pub(crate) async fn refund_insert(
        &self,
        tx: &mut PgConnection,
        new: &NewRefund,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Of two refunds of the same money the second counts what the first took.
        sqlx::query("SELECT FROM bank_notice WHERE gateway = $1 AND bank_ref = $2 FOR UPDATE")
            .bind(&new.gateway)
            .bind(&new.bank_ref)
            .execute(&mut *tx)
            .await?;
        let origin = match new.payment {
            Some(payment) => Some(origin(tx, payment).await?),
            None => None,
        };
        let way = self.accounts.id(tx, "refund").await?;
        let mut transfers = Vec::new();
        let mut moved = |debit: AccountId, credit: AccountId, amount: Vnd| {
            if amount > Vnd::ZERO {
                transfers.push(Transfer {
                    payment: new.payment,
                    refund: Some(new.id),
                    ..Transfer::single(TransferId(Uuid::now_v7()), debit, credit, amount, now)
                });
            }
        };
        match &origin {
            None => moved(self.accounts.id(tx, "suspense").await?, way, new.amount_vnd),
            Some(origin) => {
                let left = Vnd::new(origin.amount_vnd - origin.refunded_vnd);
                let after = left
                    .checked_sub(new.amount_vnd)
                    .filter(|after| *after >= Vnd::ZERO)
                    .ok_or_else(|| StoreError::Constraint("refund_within_money".to_owned()))?;
                let vat_bp = origin.vat_bp.unsigned_abs();
                // The share of then: the operator's contract may say another by now.
                let (whole, city) = (Vnd::new(origin.amount_vnd), Vnd::new(origin.city_vnd));
                let city_share_bp = Shares::city_share_bp(whole, vat_bp, city);
                let parts = Shares::given_back(left, after, vat_bp, city_share_bp);
                moved(AccountId(origin.credit_id), way, parts.operator_vnd);
                moved(self.accounts.id(tx, "vat").await?, way, parts.vat_vnd);
                moved(self.accounts.id(tx, "city").await?, way, parts.city_vnd);
            }
        }
        let route = match &origin {
            Some(origin) if new.gateway == WALLET => {
                Route::of_wallet(tx, AccountId(origin.debit_id)).await?
            }
            _ => Route::Gateway,
        };
        if let Route::Wallet(wallet) = route {
            moved(way, wallet, new.amount_vnd);
        }
        let day = origin
            .as_ref()
            .map(|origin| local_day(origin, now))
            .transpose()?;
        let is_done = matches!(route, Route::Wallet(_));
        sqlx::query(
            "INSERT INTO refund (refund_id, gateway, bank_ref, payment_id, reference, amount_vnd,
                                 ground, status, gateway_ref, lot_id, day, created_at, done_at, note)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(new.id.0)
        .bind(&new.gateway)
        .bind(&new.bank_ref)
        .bind(new.payment.map(|id| id.0))
        .bind(reference(new.id.0))
        .bind(new.amount_vnd.get())
        .bind(new.ground.code())
        .bind(route.status().code())
        .bind(is_done.then(|| new.id.0.to_string()))
        .bind(origin.as_ref().map(|origin| origin.lot_id))
        .bind(day)
        .bind(now)
        .bind(is_done.then_some(now))
        .bind(route.note())
        .execute(&mut *tx)
        .await?;
        transfers_insert(tx, &transfers, now).await?;
        if matches!(route, Route::Gateway) {
            outbox_insert(tx, OutboxKind::Refund, &[new.id.0], now, now).await?;
        }
        let whole = origin
            .as_ref()
            .is_some_and(|o| o.refunded_vnd + new.amount_vnd.get() == o.amount_vnd);
        if whole {
            sqlx::query("UPDATE payment SET status = 'refunded' WHERE payment_id = $1")
                .bind(new.payment.map(|id| id.0))
                .execute(&mut *tx)
                .await?;
        }
        let audit = Audit {
            payment: new.payment,
            refund: Some(new.id),
            detail: serde_json::json!({
                "amount_vnd": new.amount_vnd, "ground": new.ground, "gateway": new.gateway,
                "bank_ref": new.bank_ref,
            }),
            ..Audit::new(actor, "refund.promise")
        };
        audit_insert(tx, &audit, now).await
    }

    /// Gives back some of a posted payment, on the word of `actor`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where no money is known to have posted it;
    /// [`StoreError::Constraint`] `refund_within_money` where less is left of it.
    pub(crate) async fn payment_refund(
        &self,
        tx: &mut PgConnection,
        payment: PaymentId,
        amount_vnd: Vnd,
        ground: RefundGround,
        actor: &str,
        now: Timestamp,
    ) -> Result<RefundId, StoreError> {
        let (gateway, bank_ref) = money_of(tx, payment).await?;
        let new = NewRefund {
            id: RefundId(Uuid::now_v7()),
            gateway,
            bank_ref,
            payment: Some(payment),
            amount_vnd,
            ground,
        };
        self.refund_insert(tx, &new, actor, now).await?;
        Ok(new.id)
    }

    /// Notes what people did about a notice that brought no đồng (another currency, or an amount
    /// that is none), so that it waits no longer. Noting it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such notice, or it brought đồng.
    pub async fn notice_settle(
        &self,
        gateway: &str,
        bank_ref: &str,
        note: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let noted: Option<bool> = sqlx::query_scalar(
            "SELECT settled_note IS NOT NULL FROM bank_notice
             WHERE gateway = $1 AND bank_ref = $2 AND outcome <> 'posted'
                AND (currency <> 'VND' OR amount_vnd <= 0) FOR UPDATE",
        )
        .bind(gateway)
        .bind(bank_ref)
        .fetch_optional(&mut *tx)
        .await?;
        if noted.ok_or(StoreError::NotFound("notice without money"))? {
            return Ok(());
        }
        sqlx::query(
            "UPDATE bank_notice SET settled_note = $3 WHERE gateway = $1 AND bank_ref = $2",
        )
        .bind(gateway)
        .bind(bank_ref)
        .bind(note)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO audit (at, actor, action, detail)
             VALUES ($1, $2, 'notice.settle', jsonb_build_object('gateway', $3, 'bank_ref', $4, 'note', $5))",
        )
        .bind(now)
        .bind(actor)
        .bind(gateway)
        .bind(bank_ref)
        .bind(note)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The money that posted a payment: its gateway, and the gateway's number of it.
///
/// # Errors
/// [`StoreError::NotFound`] where none is known.
pub(crate) async fn money_of(
    tx: &mut PgConnection,
    payment: PaymentId,
) -> Result<(String, String), StoreError> {
    let money: Option<(String, String)> = sqlx::query_as(
        "SELECT gateway, bank_ref FROM bank_notice
         WHERE payment_id = $1 AND outcome = 'posted'",
    )
    .bind(payment.0)
    .fetch_optional(tx)
    .await?;
    money.ok_or(StoreError::NotFound("payment"))
}

async fn origin(tx: &mut PgConnection, payment: PaymentId) -> Result<Origin, StoreError> {
    let found: Option<Origin> = sqlx::query_as(
        "SELECT transfer.credit_id, transfer.debit_id, payment.amount_vnd, vat_bp,
                (SELECT coalesce(sum(part.amount_vnd), 0)::bigint
                 FROM transfer AS part JOIN account ON account_id = part.credit_id
                 WHERE part.payment_id = payment.payment_id AND part.refund_id IS NULL
                   AND part.kind = 'single' AND account.kind = 'city') AS city_vnd,
                receipt.lot_id, timezone,
                refunded_vnd(payment.payment_id)
         FROM payment JOIN purchase USING (purchase_id) JOIN receipt USING (payment_id)
              JOIN transfer ON transfer.payment_id = payment.payment_id AND transfer.kind = 'post'
              JOIN lot ON lot.lot_id = receipt.lot_id
              JOIN city USING (city_id)
         WHERE payment.payment_id = $1",
    )
    .bind(payment.0)
    .fetch_optional(tx)
    .await?;
    found.ok_or(StoreError::NotFound("payment"))
}

fn local_day(origin: &Origin, now: Timestamp) -> Result<chrono::NaiveDate, StoreError> {
    let timezone: Tz = origin
        .timezone
        .parse()
        .map_err(|why| corrupt("time zone", why))?;
    Ok(now.with_timezone(&timezone).date_naive())
}
