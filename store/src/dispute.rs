//! Drivers' objections, and what staff decide.

use domain::Timestamp;
use domain::dispute::{DisputeReason, DisputeStatus};
use domain::id::{DisputeId, PaymentId, ReceiptId, RefundId, SessionId};
use domain::identity::Identity;
use domain::money::Vnd;
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit::{Audit, DRIVER, audit_insert};
use crate::idempotency::{Claim, Intent, claim};
use crate::identity::{With, confirmed_name_insert, identity_of};
use crate::refund::money_of;
use crate::refund_decision::{GivenBack, Wish};
use crate::staff::Staff;
use crate::{Store, StoreError, corrupt, without_nul};

/// A dispute as it is kept.
#[derive(Clone, Debug)]
pub struct Dispute {
    /// Its identity.
    pub id: DisputeId,
    /// The receipt that it objects to.
    pub receipt: ReceiptId,
    /// What was paid.
    pub amount_vnd: Vnd,
    /// What has gone back of it.
    pub refunded_vnd: Vnd,
    /// The lot's code.
    pub lot: String,
    /// The bay's code.
    pub bay: String,
    /// The operator's code.
    pub operator: String,
    /// What the driver objects to.
    pub reason: DisputeReason,
    /// In the driver's words.
    pub text: String,
    /// Where it stands.
    pub status: DisputeStatus,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What staff said.
    pub answer: Option<String>,
    /// When they did.
    pub answered_at: Option<Timestamp>,
    /// Whether a refund is proposed, which a second person looks at.
    pub in_review: bool,
    /// Who the driver is, where they let a confirmed name stand with it: for the staff who decide, not for
    /// whoever has the receipt's address.
    pub identity: Option<Identity>,
}

/// A dispute to be opened.
#[derive(Clone, Debug)]
pub struct NewDispute<'a> {
    /// Its identity, used unless the intent was done before.
    pub id: DisputeId,
    /// The receipt that it objects to.
    pub receipt: ReceiptId,
    /// What the driver objects to.
    pub reason: DisputeReason,
    /// In the driver's words.
    pub text: &'a str,
    /// Who the driver is, where they say so.
    pub identity: Option<&'a Identity>,
}

/// What staff decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// For the driver: this much goes back, or all that is left.
    Refund(Option<Vnd>),
    /// Against.
    Refuse,
}

/// What became of a dispute that was to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is open now, or was by the same intent.
    Dispute(DisputeId),
    /// Another one is open for the receipt.
    OpenAlready,
    /// The key belongs to another request.
    KeyMismatch,
}

/// What became of a dispute that was to be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is decided now.
    Decided(DisputeStatus),
    /// The refund is proposed: it is more than one person decides. A second one is to confirm it.
    Proposed(RefundId),
    /// Another refund about it is proposed already.
    InReview,
    /// It was decided before.
    Before,
}

impl Store {
    /// Opens a dispute, once per intent.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such receipt.
    pub async fn dispute_open(
        &self,
        new: &NewDispute<'_>,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        let NewDispute {
            id,
            receipt,
            reason,
            text,
            identity,
        } = *new;
        let mut tx = self.begin().await?;
        let session: Option<Option<Uuid>> =
            sqlx::query_scalar("SELECT session_id FROM receipt WHERE receipt_id = $1")
                .bind(receipt.0)
                .fetch_optional(&mut *tx)
                .await?;
        let session = session.ok_or(StoreError::NotFound("receipt"))?;
        match claim(&mut tx, "dispute", &[(intent, id.0)], now)
            .await?
            .first()
        {
            Some(Claim::New) => {}
            Some(Claim::Done(id)) => return Ok(Opened::Dispute(DisputeId(*id))),
            _ => return Ok(Opened::KeyMismatch),
        }
        let opened = sqlx::query(
            "INSERT INTO dispute (dispute_id, receipt_id, reason, text, status, opened_at)
             VALUES ($1, $2, $3, $4, 'open', $5)
             ON CONFLICT (receipt_id) WHERE status = 'open' DO NOTHING",
        )
        .bind(id.0)
        .bind(receipt.0)
        .bind(reason.code())
        .bind(without_nul(text))
        .bind(now)
        .execute(&mut *tx)
        .await?;
        if opened.rows_affected() == 0 {
            return Ok(Opened::OpenAlready);
        }
        if let Some(identity) = identity {
            confirmed_name_insert(&mut tx, With::Dispute(id), identity).await?;
        }
        let audit = Audit {
            session: session.map(SessionId),
            dispute: Some(id),
            detail: serde_json::json!({ "reason": reason }),
            ..Audit::new(DRIVER, "dispute.open")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Opened::Dispute(id))
    }

    /// The disputes of a receipt, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn receipt_disputes(&self, receipt: ReceiptId) -> Result<Vec<Dispute>, StoreError> {
        let rows: Vec<DisputeRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{DISPUTE} WHERE receipt_id = $1 ORDER BY opened_at DESC"
        )))
        .bind(receipt.0)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(DisputeRow::dispute).collect()
    }

    /// Open disputes, oldest first: those of one operator's lots, or all.
    ///
    /// # Errors
    /// Database errors.
    pub async fn disputes_open(
        &self,
        operator: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Dispute>, StoreError> {
        let rows: Vec<DisputeRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{DISPUTE} WHERE dispute.status = 'open' AND ($1::text IS NULL OR operator.code = $1)
             ORDER BY opened_at LIMIT $2"
        )))
        .bind(operator)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(DisputeRow::dispute).collect()
    }

    /// Decides a dispute, in one transaction with the refund where there is one; a refund that is more than one
    /// person decides is proposed, once. Staff of an operator decide about its lots only.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none that they may decide;
    /// [`StoreError::Constraint`] `refund_within_money` where less is left to give back.
    pub async fn dispute_decide(
        &self,
        id: DisputeId,
        staff: &Staff,
        decision: &Decision,
        answer: &str,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let mut tx = self.begin().await?;
        let found: Option<(String, Uuid, Option<Uuid>, String)> = sqlx::query_as(
            "SELECT dispute.status, payment_id, session_id, operator.code
             FROM dispute JOIN receipt USING (receipt_id) JOIN operator USING (operator_id)
             WHERE dispute_id = $1 FOR UPDATE OF dispute",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let (status, payment, session, _) = found
            .filter(|row| staff.operator.as_ref().is_none_or(|own| *own == row.3))
            .ok_or(StoreError::NotFound("dispute"))?;
        if status != DisputeStatus::Open.code() {
            return Ok(Outcome::Before);
        }
        let payment = PaymentId(payment);
        let amount = match decision {
            Decision::Refuse => None,
            Decision::Refund(amount) => {
                let left = left_of(&mut tx, payment).await?;
                Some(amount.unwrap_or(left)).filter(|amount| *amount > Vnd::ZERO && *amount <= left)
            }
        };
        let open: Option<(Uuid, i32, i64)> = sqlx::query_as(
            "SELECT refund_id, decided_by, amount_vnd FROM refund_decision
             WHERE dispute_id = $1 AND status = 'open'",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some((refund, by, proposed)) = open {
            let same = by == staff.staff_id && amount == Some(Vnd::new(proposed));
            return Ok(match same {
                true => Outcome::Proposed(RefundId(refund)),
                false => Outcome::InReview,
            });
        }
        let (status, refund) = match decision {
            Decision::Refuse => (DisputeStatus::Refused, None),
            Decision::Refund(_) => {
                let amount_vnd = amount
                    .ok_or_else(|| StoreError::Constraint("refund_within_money".to_owned()))?;
                let (gateway, bank_ref) = money_of(&mut tx, payment).await?;
                let wish = Wish {
                    dispute: Some(id),
                    gateway,
                    bank_ref,
                    payment: Some(payment),
                    amount_vnd,
                    answer: Some(answer),
                };
                match self.refund_decide(&mut tx, &wish, staff, now).await? {
                    GivenBack::Promised(refund) => (DisputeStatus::Refunded, Some(refund)),
                    GivenBack::Proposed(refund) => {
                        tx.commit().await?;
                        return Ok(Outcome::Proposed(refund));
                    }
                }
            }
        };
        sqlx::query(
            "UPDATE dispute SET status = $2, answer = $3, answered_at = $4, staff_id = $5,
                                refund_id = $6
             WHERE dispute_id = $1",
        )
        .bind(id.0)
        .bind(status.code())
        .bind(without_nul(answer))
        .bind(now)
        .bind(staff.staff_id)
        .bind(refund.map(|id| id.0))
        .execute(&mut *tx)
        .await?;
        let audit = Audit {
            session: session.map(SessionId),
            payment: Some(payment),
            refund,
            dispute: Some(id),
            detail: serde_json::json!({ "status": status }),
            ..Audit::new(staff.actor(), "dispute.decide")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Outcome::Decided(status))
    }
}

/// What has not gone back of a payment.
async fn left_of(tx: &mut sqlx::PgConnection, payment: PaymentId) -> Result<Vnd, StoreError> {
    let left: i64 = sqlx::query_scalar(
        "SELECT amount_vnd - refunded_vnd(payment_id) FROM payment WHERE payment_id = $1",
    )
    .bind(payment.0)
    .fetch_one(tx)
    .await?;
    Ok(Vnd::new(left))
}

const DISPUTE: &str =
    "SELECT dispute.dispute_id, receipt_id, receipt.amount_vnd, lot.code AS lot, bay.code AS bay,
            operator.code AS operator, reason, text, dispute.status, opened_at, answer, answered_at,
            refunded_vnd(receipt.payment_id), confirmed.issuer, confirmed.subject,
            confirmed.name AS confirmed_name,
            dispute.status = 'open' AND EXISTS (SELECT FROM refund_decision
                WHERE refund_decision.dispute_id = dispute.dispute_id
                    AND refund_decision.status = 'open') AS in_review
     FROM dispute JOIN receipt USING (receipt_id) JOIN lot ON lot.lot_id = receipt.lot_id
          JOIN bay ON bay.bay_id = receipt.bay_id
          JOIN operator ON operator.operator_id = receipt.operator_id
          LEFT JOIN confirmed_name AS confirmed ON confirmed.dispute_id = dispute.dispute_id";

#[derive(FromRow)]
struct DisputeRow {
    dispute_id: Uuid,
    receipt_id: Uuid,
    amount_vnd: i64,
    refunded_vnd: i64,
    lot: String,
    bay: String,
    operator: String,
    reason: String,
    text: String,
    status: String,
    opened_at: Timestamp,
    answer: Option<String>,
    answered_at: Option<Timestamp>,
    issuer: Option<String>,
    subject: Option<String>,
    confirmed_name: Option<String>,
    in_review: bool,
}

impl DisputeRow {
    fn dispute(self) -> Result<Dispute, StoreError> {
        Ok(Dispute {
            id: DisputeId(self.dispute_id),
            receipt: ReceiptId(self.receipt_id),
            amount_vnd: Vnd::new(self.amount_vnd),
            refunded_vnd: Vnd::new(self.refunded_vnd),
            reason: DisputeReason::from_code(&self.reason)
                .ok_or_else(|| corrupt("dispute reason", &self.reason))?,
            status: DisputeStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("dispute status", &self.status))?,
            lot: self.lot,
            bay: self.bay,
            operator: self.operator,
            text: self.text,
            opened_at: self.opened_at,
            answer: self.answer,
            answered_at: self.answered_at,
            in_review: self.in_review,
            identity: identity_of(self.issuer, self.subject, self.confirmed_name),
        })
    }
}
