//! Signed reports of finished days: which are to be made, and those that are published.

use chrono::NaiveDate;
use domain::Timestamp;
use domain::log::{DayReport, Place, Sums};
use sqlx::{FromRow, PgConnection};

use super::{lock, signed, tree_head};
use crate::{Store, StoreError, corrupt};

/// A report that is published.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct PublishedReport {
    /// Its day.
    pub day: NaiveDate,
    /// 1 for the first of its day; later ones have what a bank told late.
    pub revision: i32,
    /// When it was signed.
    pub signed_at: Timestamp,
}

#[derive(FromRow)]
struct SumRow {
    ward: String,
    lot: String,
    operator: String,
    receipts: i64,
    receipts_vnd: i64,
    refunds: i64,
    refunds_vnd: i64,
}

impl Store {
    /// Signs reports of days before `today` that have money and no report, or whose newest report was
    /// signed before the last of their entries; at most `limit` days. Nothing is reported while money of such days
    /// waits for its place in the log, nor while another process publishes.
    ///
    /// The sums are those of receipts and refunds, as every other report's; that the log says the same is
    /// for others to check. The result is the days that were reported, each with its revision.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_report_days(
        &self,
        city: &str,
        today: NaiveDate,
        limit: i64,
        sign: impl Fn(&DayReport) -> Option<Vec<u8>> + Send,
        now: Timestamp,
    ) -> Result<Vec<(NaiveDate, i32)>, StoreError> {
        let mut tx = self.begin().await?;
        let Some(city_id) = lock(&mut tx, city).await? else {
            return Ok(Vec::new());
        };
        if waits(&mut tx, city_id, today).await? {
            return Ok(Vec::new());
        }
        let head: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT size, root FROM log_head WHERE city_id = $1")
                .bind(city_id)
                .fetch_optional(&mut *tx)
                .await?;
        let Some((size, root)) = head else {
            return Ok(Vec::new());
        };
        let head = tree_head(size, root)?;
        let days: Vec<(NaiveDate, i32)> = sqlx::query_as(
            "SELECT day, coalesce(newest.revision, 0) + 1
             FROM (SELECT min(day) AS first FROM log_leaf WHERE city_id = $1) AS begun,
                  generate_series(first::timestamp, $2::timestamp - interval '1 day', '1 day') AS at,
                  LATERAL (SELECT at::date AS day) AS days,
                  LATERAL (SELECT max(leaf_index) AS leaf_index FROM log_leaf
                           WHERE city_id = $1 AND log_leaf.day = days.day) AS last
                  LEFT JOIN LATERAL (
                           SELECT revision, size FROM log_report
                           WHERE city_id = $1 AND log_report.day = days.day
                           ORDER BY revision DESC LIMIT 1) AS newest ON true
             WHERE last.leaf_index >= coalesce(newest.size, 0)
             ORDER BY day LIMIT $3",
        )
        .bind(city_id)
        .bind(today)
        .bind(limit)
        .fetch_all(&mut *tx)
        .await?;
        let mut done = Vec::with_capacity(days.len());
        for (day, revision) in days {
            let rows: Vec<SumRow> = sqlx::query_as(
                "SELECT ward.code AS ward, lot.code AS lot, operator.code AS operator,
                        sum(receipts)::bigint AS receipts, sum(receipts_vnd)::bigint AS receipts_vnd,
                        sum(refunds)::bigint AS refunds, sum(refunds_vnd)::bigint AS refunds_vnd
                 FROM (SELECT lot_id, ward_id, operator_id, count(*) AS receipts,
                              sum(amount_vnd) AS receipts_vnd, 0 AS refunds, 0 AS refunds_vnd
                       FROM receipt WHERE day = $2 GROUP BY 1, 2, 3
                       UNION ALL
                       SELECT receipt.lot_id, ward_id, operator_id, 0, 0, count(*),
                              sum(refund.amount_vnd)
                       FROM refund JOIN receipt USING (payment_id) WHERE refund.day = $2
                       GROUP BY 1, 2, 3) AS money
                      JOIN lot USING (lot_id) JOIN ward ON ward.ward_id = money.ward_id
                      JOIN operator ON operator.operator_id = money.operator_id
                 WHERE lot.city_id = $1 GROUP BY 1, 2, 3",
            )
            .bind(city_id)
            .bind(day)
            .fetch_all(&mut *tx)
            .await?;
            let report = DayReport {
                day,
                revision: u32::try_from(revision).unwrap_or(1),
                head,
                lots: rows.into_iter().map(SumRow::sums).collect(),
            };
            let note = sign(&report).ok_or_else(|| corrupt("log key", "it does not sign"))?;
            sqlx::query(
                "INSERT INTO log_report (city_id, day, revision, size, note, signed_at)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(city_id)
            .bind(day)
            .bind(revision)
            .bind(signed(head.size))
            .bind(note)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            done.push((day, revision));
        }
        // Each statement sees what has come until then, so the sums may have what the tree has not. As long as the
        // publisher's place is taken nothing leaves the queue: what it does not hold now, it did not hold meanwhile.
        if waits(&mut tx, city_id, today).await? {
            return Ok(Vec::new());
        }
        tx.commit().await?;
        Ok(done)
    }

    /// The reports that are published, oldest day first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_reports(&self, city: &str) -> Result<Vec<PublishedReport>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT day, revision, signed_at FROM log_report JOIN city USING (city_id)
             WHERE code = $1 ORDER BY day, revision",
        )
        .bind(city)
        .fetch_all(&self.pool)
        .await?)
    }

    /// A signed report: the newest of its day, or one of its revisions.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_report(
        &self,
        city: &str,
        day: NaiveDate,
        revision: Option<i32>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT note FROM log_report JOIN city USING (city_id)
             WHERE code = $1 AND day = $2 AND ($3::int IS NULL OR revision = $3)
             ORDER BY revision DESC LIMIT 1",
        )
        .bind(city)
        .bind(day)
        .bind(revision)
        .fetch_optional(&self.pool)
        .await?)
    }
}

/// Whether money of a day before `today` waits for its place in the log.
async fn waits(tx: &mut PgConnection, city: i32, today: NaiveDate) -> Result<bool, StoreError> {
    let waits = sqlx::query_scalar(
        "SELECT EXISTS (
            SELECT FROM log_queue LEFT JOIN receipt USING (receipt_id)
                 LEFT JOIN refund USING (refund_id)
            WHERE log_queue.city_id = $1 AND coalesce(receipt.day, refund.day) < $2)",
    );
    Ok(waits.bind(city).bind(today).fetch_one(tx).await?)
}

impl SumRow {
    fn sums(self) -> (Place, Sums) {
        let place = Place {
            ward: self.ward,
            lot: self.lot,
            operator: self.operator,
        };
        let sums = Sums {
            receipts: self.receipts.unsigned_abs(),
            receipts_vnd: self.receipts_vnd,
            refunds: self.refunds.unsigned_abs(),
            refunds_vnd: self.refunds_vnd,
        };
        (place, sums)
    }
}
