//! That money goes back on staff's word: who decided it, and who confirmed it where one person may not.

use domain::Timestamp;
use domain::id::{DisputeId, PaymentId, ReceiptId, RefundId};
use domain::money::Vnd;
use domain::refund::{AloneLimits, DecisionStatus, RefundGround};
use domain::staff::Role;
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::refund::NewRefund;
use crate::staff::Staff;
use crate::{Store, StoreError, corrupt, storable, without_nul};

mod second;

pub use second::Second;

/// A decision as it is kept.
#[derive(Clone, Debug)]
pub struct RefundDecision {
    /// The number of the refund, which is there once it is decided.
    pub id: RefundId,
    /// The dispute that it answers; `None` for money without an owner.
    pub dispute: Option<DisputeId>,
    /// The receipt whose money it is.
    pub receipt: Option<ReceiptId>,
    /// The bay's code.
    pub bay: Option<String>,
    /// Through whom the money came.
    pub gateway: String,
    /// The gateway's own number of it.
    pub bank_ref: String,
    /// The code of the operator whose administrators confirm; `None` is the city.
    pub operator: Option<String>,
    /// How much goes back.
    pub amount_vnd: Vnd,
    /// Where it stands.
    pub status: DecisionStatus,
    /// What the driver is to read.
    pub answer: Option<String>,
    /// The login of who decided.
    pub by: String,
    /// Their name.
    pub by_name: String,
    /// When.
    pub at: Timestamp,
    /// The name of the second person.
    pub second_name: Option<String>,
    /// When they looked at it.
    pub second_at: Option<Timestamp>,
    /// Why they did not confirm it.
    pub note: Option<String>,
}

impl RefundDecision {
    /// Whether it waits for somebody, and these staff may be who confirms or refuses it.
    pub fn waits_for(&self, staff: &Staff) -> bool {
        let own = staff.operator.is_none() || staff.operator == self.operator;
        let is_open = self.status == DecisionStatus::Open;
        is_open && own && staff.role == Role::Administrator && staff.login != self.by
    }
}

/// Money that staff wish to go back.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) dispute: Option<DisputeId>,
    pub(crate) gateway: String,
    pub(crate) bank_ref: String,
    /// What it had paid for; `None` for money without an owner.
    pub(crate) payment: Option<PaymentId>,
    pub(crate) amount_vnd: Vnd,
    /// What the driver is to read.
    pub(crate) answer: Option<&'a str>,
}

impl Wish<'_> {
    fn ground(&self) -> RefundGround {
        match self.dispute {
            Some(_) => RefundGround::Dispute,
            None => RefundGround::Staff,
        }
    }
}

/// What became of a wish that money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenBack {
    /// It is promised.
    Promised(RefundId),
    /// A second person is to confirm it.
    Proposed(RefundId),
}

impl Store {
    /// Decides that money goes back, where these staff may do so alone; else proposes it. The money is locked, then
    /// the person, so that of two wishes at once the second sees the first.
    pub(crate) async fn refund_decide(
        &self,
        tx: &mut PgConnection,
        wish: &Wish<'_>,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<GivenBack, StoreError> {
        sqlx::query("SELECT FROM bank_notice WHERE gateway = $1 AND bank_ref = $2 FOR UPDATE")
            .bind(&wish.gateway)
            .bind(&wish.bank_ref)
            .execute(&mut *tx)
            .await?;
        sqlx::query("SELECT FROM staff WHERE staff_id = $1 FOR NO KEY UPDATE")
            .bind(staff.staff_id)
            .execute(&mut *tx)
            .await?;
        let known: Option<(i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT alone_vnd, day_vnd, refund_alone_of_money($1, $2), refund_alone_of_day($3, $4, timezone)
             FROM refund_limits($5) WHERE alone_vnd IS NOT NULL",
        )
        .bind(&wish.gateway)
        .bind(&wish.bank_ref)
        .bind(staff.staff_id)
        .bind(now)
        .bind(wish.payment.map(|id| id.0))
        .fetch_optional(&mut *tx)
        .await?;
        let (payment, day, of_money, of_day) = known.ok_or(StoreError::NotFound("payment"))?;
        let limits = AloneLimits {
            payment_vnd: Vnd::new(payment),
            day_vnd: Vnd::new(day),
        };
        let status = match limits.allow(wish.amount_vnd, Vnd::new(of_money), Vnd::new(of_day)) {
            true => DecisionStatus::Alone,
            false => DecisionStatus::Open,
        };
        let id = RefundId(Uuid::now_v7());
        sqlx::query(
            "INSERT INTO refund_decision (refund_id, dispute_id, gateway, bank_ref, payment_id, amount_vnd,
                                          status, decided_by, decided_at, answer)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(id.0)
        .bind(wish.dispute.map(|id| id.0))
        .bind(&wish.gateway)
        .bind(&wish.bank_ref)
        .bind(wish.payment.map(|id| id.0))
        .bind(wish.amount_vnd.get())
        .bind(status.code())
        .bind(staff.staff_id)
        .bind(now)
        .bind(wish.answer.map(without_nul))
        .execute(&mut *tx)
        .await?;
        if status == DecisionStatus::Alone {
            let new = NewRefund {
                id,
                gateway: wish.gateway.clone(),
                bank_ref: wish.bank_ref.clone(),
                payment: wish.payment,
                amount_vnd: wish.amount_vnd,
                ground: wish.ground(),
            };
            self.refund_insert(tx, &new, &staff.actor(), now).await?;
            return Ok(GivenBack::Promised(id));
        }
        let audit = Audit {
            payment: wish.payment,
            refund: Some(id),
            dispute: wish.dispute,
            detail: json!({
                "amount_vnd": wish.amount_vnd, "ground": wish.ground(), "gateway": wish.gateway,
                "bank_ref": wish.bank_ref,
            }),
            ..Audit::new(staff.actor(), "refund.propose")
        };
        audit_insert(tx, &audit, now).await?;
        Ok(GivenBack::Proposed(id))
    }

    /// Gives back money that lies in suspense, on the word of `staff`, or proposes it. Asking again gives the refund
    /// or the proposal that there is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where no such money is held.
    pub async fn suspense_refund(
        &self,
        gateway: &str,
        bank_ref: &str,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<GivenBack, StoreError> {
        if !storable(gateway) || !storable(bank_ref) {
            return Err(StoreError::NotFound("held money"));
        }
        let mut tx = self.begin().await?;
        let held: Option<i64> = sqlx::query_scalar(
            "SELECT amount_vnd FROM bank_notice
             WHERE gateway = $1 AND bank_ref = $2 AND outcome <> 'posted' AND currency = 'VND'
                AND amount_vnd > 0 FOR UPDATE",
        )
        .bind(gateway)
        .bind(bank_ref)
        .fetch_optional(&mut *tx)
        .await?;
        let amount = held.ok_or(StoreError::NotFound("held money"))?;
        let there: Option<(Uuid, bool)> = sqlx::query_as(
            "SELECT refund_id, true FROM refund WHERE gateway = $1 AND bank_ref = $2
             UNION ALL
             SELECT refund_id, false FROM refund_decision
             WHERE gateway = $1 AND bank_ref = $2 AND status = 'open' LIMIT 1",
        )
        .bind(gateway)
        .bind(bank_ref)
        .fetch_optional(&mut *tx)
        .await?;
        match there {
            Some((id, true)) => return Ok(GivenBack::Promised(RefundId(id))),
            Some((id, false)) => return Ok(GivenBack::Proposed(RefundId(id))),
            None => {}
        }
        let wish = Wish {
            dispute: None,
            gateway: gateway.to_owned(),
            bank_ref: bank_ref.to_owned(),
            payment: None,
            amount_vnd: Vnd::new(amount),
            answer: None,
        };
        let given = self.refund_decide(&mut tx, &wish, staff, now).await?;
        tx.commit().await?;
        Ok(given)
    }

    /// Proposals that wait for a second person, oldest first: those of one operator's money, or all.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refund_proposals(
        &self,
        operator: Option<&str>,
        limit: i64,
    ) -> Result<Vec<RefundDecision>, StoreError> {
        let rows: Vec<DecisionRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{DECISION} WHERE it.status = 'open'
                AND ($1::text IS NULL OR operator.code = $1)
             ORDER BY it.decided_at, it.refund_id LIMIT $2"
        )))
        .bind(operator)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(DecisionRow::decision).collect()
    }

    /// The latest decision about each of these disputes that somebody has decided or proposed something about.
    ///
    /// # Errors
    /// Database errors.
    pub async fn dispute_decisions(
        &self,
        disputes: &[DisputeId],
    ) -> Result<Vec<RefundDecision>, StoreError> {
        let rows: Vec<DecisionRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT DISTINCT ON (dispute_id) * FROM ({DECISION} WHERE it.dispute_id = ANY($1)) AS decision
             ORDER BY dispute_id, decided_at DESC, refund_id DESC"
        )))
        .bind(disputes.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(DecisionRow::decision).collect()
    }
}

const DECISION: &str =
    "SELECT it.refund_id, it.dispute_id, receipt.receipt_id, bay.code AS bay, it.gateway, it.bank_ref,
            operator.code AS operator, it.amount_vnd, it.status, it.answer, first.login AS by,
            first.name AS by_name, it.decided_at, second.name AS second_name, it.second_at, it.note
     FROM refund_decision AS it JOIN staff AS first ON first.staff_id = it.decided_by
          LEFT JOIN staff AS second ON second.staff_id = it.second_by
          LEFT JOIN dispute ON dispute.dispute_id = it.dispute_id
          LEFT JOIN receipt ON receipt.receipt_id = dispute.receipt_id
          LEFT JOIN bay ON bay.bay_id = receipt.bay_id
          LEFT JOIN operator ON operator.operator_id = it.operator_id";

#[derive(FromRow)]
struct DecisionRow {
    refund_id: Uuid,
    dispute_id: Option<Uuid>,
    receipt_id: Option<Uuid>,
    bay: Option<String>,
    gateway: String,
    bank_ref: String,
    operator: Option<String>,
    amount_vnd: i64,
    status: String,
    answer: Option<String>,
    by: String,
    by_name: String,
    decided_at: Timestamp,
    second_name: Option<String>,
    second_at: Option<Timestamp>,
    note: Option<String>,
}

impl DecisionRow {
    fn decision(self) -> Result<RefundDecision, StoreError> {
        Ok(RefundDecision {
            id: RefundId(self.refund_id),
            dispute: self.dispute_id.map(DisputeId),
            receipt: self.receipt_id.map(ReceiptId),
            amount_vnd: Vnd::new(self.amount_vnd),
            status: DecisionStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("refund decision", &self.status))?,
            bay: self.bay,
            gateway: self.gateway,
            bank_ref: self.bank_ref,
            operator: self.operator,
            answer: self.answer,
            by: self.by,
            by_name: self.by_name,
            at: self.decided_at,
            second_name: self.second_name,
            second_at: self.second_at,
            note: self.note,
        })
    }
}
