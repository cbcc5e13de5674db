//! What one member of staff gives back alone, and what each gave back in a time.

use domain::Timestamp;
use domain::money::Vnd;
use domain::refund::AloneLimits;
use domain::shift::Span;
use serde_json::json;
use sqlx::FromRow;

use crate::audit::{Audit, audit_insert};
use crate::staff::Staff;
use crate::{Store, StoreError, storable};

/// Whose limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsOf<'a> {
    /// An operator's, by its code: for the money of its lots.
    Operator(&'a str),
    /// A city's, by its code: for money without an owner.
    City(&'a str),
}

/// Limits with whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLimits {
    /// The operator's code; `None` is the city.
    pub operator: Option<String>,
    /// Its name.
    pub name: String,
    /// What one person gives back alone.
    pub limits: AloneLimits,
}

/// What one person gave back in a time. What the system gave back by a rule is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct PersonRefunds {
    /// Their login.
    pub login: String,
    /// Their name.
    pub name: String,
    /// The code of the operator they work for; `None` is the city.
    pub operator: Option<String>,
    /// How many refunds they decided, those among them that a second person confirmed.
    pub refunds: i64,
    /// Their sum in đồng.
    pub amount_vnd: i64,
    /// How many of them they decided alone.
    pub alone: i64,
    /// The sum of these in đồng.
    pub alone_vnd: i64,
    /// How many proposals of theirs were not confirmed.
    pub refused: i64,
    /// How many refunds of others they confirmed.
    pub confirmed: i64,
}

impl Store {
    /// The limits of an operator; or of the city of that code, then of all operators by their codes.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refund_limits(
        &self,
        operator: Option<&str>,
        city: &str,
    ) -> Result<Vec<KnownLimits>, StoreError> {
        let rows: Vec<(Option<String>, String, i64, i64)> = sqlx::query_as(
            "SELECT NULL AS code, name, refund_alone_vnd, refund_alone_day_vnd FROM city
             WHERE $1::text IS NULL AND code = $2
             UNION ALL
             SELECT code, name, refund_alone_vnd, refund_alone_day_vnd FROM operator
             WHERE $1::text IS NULL OR code = $1
             ORDER BY code NULLS FIRST",
        )
        .bind(operator)
        .bind(city)
        .fetch_all(&self.pool)
        .await?;
        let known = |(operator, name, payment, day)| KnownLimits {
            operator,
            name,
            limits: AloneLimits {
                payment_vnd: Vnd::new(payment),
                day_vnd: Vnd::new(day),
            },
        };
        Ok(rows.into_iter().map(known).collect())
    }

    /// Sets limits, on the record with those before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such operator or city.
    pub async fn refund_limits_set(
        &self,
        of: LimitsOf<'_>,
        limits: AloneLimits,
        by: &Staff,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (table, code) = match of {
            LimitsOf::Operator(code) => ("operator", code),
            LimitsOf::City(code) => ("city", code),
        };
        if !storable(code) {
            return Err(StoreError::NotFound(table));
        }
        let mut tx = self.begin().await?;
        let before: Option<(i64, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT refund_alone_vnd, refund_alone_day_vnd FROM {table} WHERE code = $1 FOR NO KEY UPDATE"
        )))
        .bind(code)
        .fetch_optional(&mut *tx)
        .await?;
        let (payment, day) = before.ok_or(StoreError::NotFound(table))?;
        let AloneLimits {
            payment_vnd,
            day_vnd,
        } = limits;
        if (payment, day) == (payment_vnd.get(), day_vnd.get()) {
            return Ok(());
        }
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE {table} SET refund_alone_vnd = $2, refund_alone_day_vnd = $3 WHERE code = $1"
        )))
        .bind(code)
        .bind(payment_vnd.get())
        .bind(day_vnd.get())
        .execute(&mut *tx)
        .await?;
        let audit = Audit {
            detail: json!({
                table: code,
                "before": { "refund_alone_vnd": payment, "refund_alone_day_vnd": day },
                "after": { "refund_alone_vnd": payment_vnd, "refund_alone_day_vnd": day_vnd },
            }),
            ..Audit::new(by.actor(), "refund.limits")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What each person gave back in a time, of one operator's money or of all; who gave back most comes first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refunds_by_person(
        &self,
        operator: Option<&str>,
        (from, until): Span,
    ) -> Result<Vec<PersonRefunds>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT login, staff.name, home.code AS operator,
                    count(*) FILTER (WHERE deed = 'decided' AND status <> 'refused') AS refunds,
                    coalesce(sum(amount_vnd) FILTER (WHERE deed = 'decided' AND status <> 'refused'), 0)::bigint
                        AS amount_vnd,
                    count(*) FILTER (WHERE status = 'alone') AS alone,
                    coalesce(sum(amount_vnd) FILTER (WHERE status = 'alone'), 0)::bigint AS alone_vnd,
                    count(*) FILTER (WHERE deed = 'decided' AND status = 'refused') AS refused,
                    count(*) FILTER (WHERE deed = 'second' AND status = 'confirmed') AS confirmed
             FROM (SELECT decided_by AS staff_id, 'decided' AS deed, status, amount_vnd, operator_id,
                          coalesce(second_at, decided_at) AS at
                   FROM refund_decision WHERE status <> 'open'
                   UNION ALL
                   SELECT second_by, 'second', status, amount_vnd, operator_id, second_at
                   FROM refund_decision WHERE second_by IS NOT NULL) AS deeds
                  JOIN staff USING (staff_id)
                  LEFT JOIN operator AS home ON home.operator_id = staff.operator_id
                  LEFT JOIN operator AS whose ON whose.operator_id = deeds.operator_id
             WHERE at >= $2 AND at < $3 AND ($1::text IS NULL OR whose.code = $1)
             GROUP BY login, staff.name, home.code
             ORDER BY amount_vnd DESC, login",
        )
        .bind(operator)
        .bind(from)
        .bind(until)
        .fetch_all(&self.pool)
        .await?)
    }
}
