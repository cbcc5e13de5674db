//! What the city publishes: revenue from receipts and refunds, occupancy from what ingest has
//! tallied, sensed against paid parking from stays. No plates.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate, Timelike};
use domain::Timestamp;
use domain::occupancy::{Tally, bucket_of};
use domain::tariff::MAX_QUOTED;
use sqlx::FromRow;

use crate::place::zone_name;
use crate::{Store, StoreError};

/// By what revenue is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevenueBy {
    /// The city's local date.
    Day,
    /// The ward.
    Ward,
    /// The price zone.
    Zone,
    /// The lot.
    Lot,
    /// The operator.
    Operator,
    /// What the bay is made for.
    Class,
    /// The gateway through which it was paid.
    Method,
}

impl RevenueBy {
    /// The columns for the key and for its name. Fixed texts: nothing from outside enters SQL.
    const fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Day => ("to_char(day, 'YYYY-MM-DD')", "to_char(day, 'YYYY-MM-DD')"),
            Self::Ward => ("ward.code", "ward.name"),
            Self::Zone => ("zone.code", "zone.name"),
            Self::Lot => ("lot.code", "lot.name"),
            Self::Operator => ("operator.code", "operator.name"),
            Self::Class => ("r.class", "r.class"),
            Self::Method => ("r.gateway", "r.gateway"),
        }
    }

    /// Revenue by this key, of the city `$1` from day `$2` to day `$3`.
    fn sql(self) -> String {
        let (key, name) = self.columns();
        // What only some need is not looked up for all.
        let (detail, joined) = match self {
            Self::Class => (
                // As the public log has it: what a bay is made for may change.
                "coalesce(session.class, pass.class) AS class, NULL AS gateway",
                "JOIN payment AS paying ON paying.payment_id = receipt.payment_id
                 LEFT JOIN session ON session.session_id = receipt.session_id
                 LEFT JOIN pass ON pass.pass_id = paying.purchase_id",
            ),
            Self::Method => (
                "NULL AS class, payment.gateway AS gateway",
                "JOIN payment ON payment.payment_id = receipt.payment_id",
            ),
            _ => ("NULL AS class, NULL AS gateway", ""),
        };
        format!(
            "SELECT {key} AS key, {name} AS name, sum(r.receipts)::bigint AS receipts,
                    sum(r.amount_vnd)::bigint AS amount_vnd,
                    sum(r.refunded_vnd)::bigint AS refunded_vnd
             FROM (SELECT receipt.day, receipt.lot_id, receipt.ward_id, receipt.zone_id, receipt.operator_id, {detail},
                          count(*) AS receipts, sum(receipt.amount_vnd) AS amount_vnd,
                          0 AS refunded_vnd
                   FROM receipt {joined} WHERE receipt.day BETWEEN $2 AND $3
                   GROUP BY 1, 2, 3, 4, 5, 6, 7
                   UNION ALL
                   SELECT refund.day, receipt.lot_id, receipt.ward_id, receipt.zone_id, receipt.operator_id, {detail}, 0,
                          -refund.amount_vnd, refund.amount_vnd
                   FROM refund JOIN receipt USING (payment_id) {joined}
                   WHERE refund.day BETWEEN $2 AND $3) AS r
                  JOIN lot USING (lot_id) JOIN ward ON ward.ward_id = r.ward_id
                  JOIN zone ON zone.zone_id = r.zone_id
                  JOIN operator ON operator.operator_id = r.operator_id
                  JOIN city ON city.city_id = lot.city_id
             WHERE city.code = $1
             GROUP BY 1, 2 ORDER BY 1"
        )
    }
}

/// Revenue under one key.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RevenueRow {
    /// The date or the code.
    pub key: String,
    /// Its name, for people.
    pub name: String,
    /// How many receipts.
    pub receipts: i64,
    /// Their sum in đồng, less what went back.
    pub amount_vnd: i64,
    /// What went back, on the days on which it did.
    pub refunded_vnd: i64,
}

/// What a lot's bays did by the hour of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotWeek {
    /// The lot's code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// By weekday, from Monday as 0, and local hour; only hours of which something is known.
    pub hours: BTreeMap<(u32, u32), Tally>,
}

/// Sensed parking against paid parking on one day.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SensedPaid {
    /// The city's local date.
    pub day: NaiveDate,
    /// Stays that began on it.
    pub stays: i64,
    /// Their sensed length in seconds.
    pub sensed_s: i64,
    /// Of that, seconds during which a paid session covered the bay.
    pub paid_s: i64,
}

impl Store {
    /// Revenue of a city from day `from` to day `to`, both included, by each of the keys: all of one moment, so that
    /// their sums are the same while money comes in.
    ///
    /// # Errors
    /// Database errors.
    pub async fn report_revenue(
        &self,
        city: &str,
        from: NaiveDate,
        to: NaiveDate,
        by: &[RevenueBy],
    ) -> Result<Vec<Vec<RevenueRow>>, StoreError> {
        let mut tx = self.snapshot().await?;
        let mut revenue = Vec::with_capacity(by.len());
        for by in by {
            let rows = sqlx::query_as(sqlx::AssertSqlSafe(by.sql()))
                .bind(city)
                .bind(from)
                .bind(to)
                .fetch_all(&mut *tx)
                .await?;
            revenue.push(rows);
        }
        tx.commit().await?;
        Ok(revenue)
    }

    /// The first local day of which anything is known of a city: that of its first receipt, or of what a sensor
    /// first told; `None` where nothing is.
    ///
    /// # Errors
    /// Database errors.
    pub async fn report_first_day(&self, city: &str) -> Result<Option<NaiveDate>, StoreError> {
        Ok(sqlx::query_scalar(
            "WITH its AS (SELECT lot_id, timezone FROM lot JOIN city USING (city_id) WHERE city.code = $1)
             SELECT least(
                (SELECT day FROM receipt WHERE lot_id IN (SELECT lot_id FROM its) ORDER BY day LIMIT 1),
                (SELECT min((told.bucket AT TIME ZONE timezone)::date)
                 FROM its, LATERAL (SELECT bucket FROM lot_occupancy
                                    WHERE lot_occupancy.lot_id = its.lot_id ORDER BY bucket LIMIT 1) AS told))",
        )
        .bind(city)
        .fetch_one(&self.pool)
        .await?)
    }

    /// What each of a city's lots did between two instants by local hour of the week, as far as it is
    /// known at `to`, by the lot's code.
    ///
    /// # Errors
    /// Database errors.
    pub async fn report_weeks(
        &self,
        city: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LotWeek>, StoreError> {
        let from = bucket_of(from);
        let mut tx = self.snapshot().await?;
        let lots: Vec<(i32, String, String, String)> = sqlx::query_as(
            "SELECT lot_id, lot.code, lot.name, timezone FROM lot JOIN city USING (city_id)
             WHERE city.code = $1 ORDER BY lot.code",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        let ids: Vec<i32> = lots.iter().map(|lot| lot.0).collect();
        let bays: Vec<i32> = sqlx::query_scalar("SELECT bay_id FROM bay WHERE lot_id = ANY($1)")
            .bind(&ids)
            .fetch_all(&mut *tx)
            .await?;
        let rows: Vec<(i32, i32, i32, i64, i64, i64)> = sqlx::query_as(
            "SELECT lot_id, extract(isodow FROM bucket AT TIME ZONE timezone)::int - 1,
                    extract(hour FROM bucket AT TIME ZONE timezone)::int, sum(occupied_us)::bigint,
                    sum(free_us)::bigint, sum(arrivals)::bigint
             FROM lot_occupancy JOIN lot USING (lot_id) JOIN city USING (city_id)
             WHERE city.code = $1 AND bucket >= $2 AND bucket < $3
             GROUP BY 1, 2, 3",
        )
        .bind(city)
        .bind(from)
        .bind(to)
        .fetch_all(&mut *tx)
        .await?;
        let present = self.present(&mut tx, bays, to).await?;
        tx.commit().await?;
        let mut weeks: BTreeMap<i32, LotWeek> = BTreeMap::new();
        let mut zones = BTreeMap::new();
        for (id, code, name, timezone) in lots {
            zones.insert(id, zone_name(&timezone)?);
            let hours = BTreeMap::new();
            weeks.insert(id, LotWeek { code, name, hours });
        }
        let mut add = |lot: i32, at: (u32, u32), tally: Tally| {
            if let Some(week) = weeks.get_mut(&lot) {
                let sum = week.hours.entry(at).or_default();
                *sum = sum.plus(tally);
            }
        };
        for (lot, weekday, hour, occupied_us, free_us, arrivals) in rows {
            let tally = Tally {
                occupied_us,
                free_us,
                arrivals,
            };
            add(lot, (weekday.unsigned_abs(), hour.unsigned_abs()), tally);
        }
        for (lot, tallies) in present {
            let Some(tz) = zones.get(&lot.0) else {
                continue;
            };
            for (at, tally) in tallies.changes().filter(|(at, _)| *at >= from) {
                let local = at.with_timezone(tz);
                let weekday = local.weekday().num_days_from_monday();
                add(lot.0, (weekday, local.hour()), tally);
            }
        }
        Ok(weeks.into_values().collect())
    }

    /// Sensed against paid parking, by the local day on which a stay began, between two instants, as it
    /// is known at `now`: a stay counts until it ends, whatever the range. Time in which its sensor was
    /// lost does not count, nor does a stay that began while it was in doubt.
    ///
    /// # Errors
    /// Database errors.
    pub async fn report_sensed_paid(
        &self,
        city: &str,
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<SensedPaid>, StoreError> {
        Ok(sqlx::query_as(
            // Both sides are cut into pieces of six hours, so that the join is by equality and its
            // cost grows with the number of stays, not with its square. They are made before they are
            // joined: else a planner that expects few joins whole bays first, and cuts each pair.
            "WITH place AS (
                SELECT bay_id, timezone FROM bay JOIN lot USING (lot_id) JOIN city USING (city_id)
                WHERE city.code = $1
             ), doubt AS (
                SELECT bay_id, during * tstzrange(since, until) AS during
                FROM device_fault JOIN device_assignment USING (device_id)
                WHERE kind IN ('stuck', 'flapping', 'clock') AND since < $3
                  AND coalesce(until, 'infinity') > $2
             ), lost AS (
                SELECT bay_id, range_agg(during * tstzrange(since, until)) AS during
                FROM device_fault JOIN device_assignment USING (device_id)
                WHERE kind = 'comms_lost' AND coalesce(until, 'infinity') > $2 GROUP BY bay_id
             ), sensed AS (
                SELECT bay_id, (started_at AT TIME ZONE timezone)::date AS day, started_at,
                       lower(part) AS starts, upper(part) AS ends
                FROM stay JOIN place USING (bay_id) LEFT JOIN lost USING (bay_id),
                     unnest(tstzmultirange(tstzrange(started_at, least(coalesce(ended_at, $4), $4)))
                            - coalesce(lost.during, '{}')) AS part
                WHERE started_at >= $2 AND started_at < $3
                  AND NOT EXISTS (
                    SELECT FROM doubt WHERE doubt.bay_id = stay.bay_id AND doubt.during @> started_at)
             ), paid AS (
                -- Sessions of one bay may overlap: each counts from where those before it end.
                SELECT bay_id, greatest(starts_at, max(ends_at) OVER (
                            PARTITION BY bay_id ORDER BY starts_at, ends_at
                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS starts,
                       ends_at AS ends
                FROM session JOIN place USING (bay_id), (SELECT max(ends) AS sensed_until FROM sensed) AS sensed_end
                WHERE status = 'paid' AND ends_at > $2 AND starts_at < sensed_until
                    AND ends_at < sensed_until + $5::interval
             ), sensed_piece AS MATERIALIZED (
                SELECT bay_id, day, piece, greatest(starts, piece) AS starts,
                       least(ends, piece + interval '6 hours') AS ends
                FROM sensed, generate_series(date_bin('6 hours', starts, 'epoch'), ends, interval '6 hours') AS piece
             ), paid_piece AS MATERIALIZED (
                SELECT bay_id, piece, greatest(starts, piece) AS starts,
                       least(ends, piece + interval '6 hours') AS ends
                FROM paid, generate_series(date_bin('6 hours', starts, 'epoch'), ends, interval '6 hours') AS piece
                WHERE starts < ends
             ), covered AS (
                SELECT day, sum(least(s.ends, p.ends) - greatest(s.starts, p.starts)) AS length
                FROM sensed_piece AS s JOIN paid_piece AS p USING (bay_id, piece)
                WHERE s.starts < p.ends AND p.starts < s.ends
                GROUP BY day
             )
             SELECT day, count(DISTINCT (bay_id, started_at)) AS stays,
                    extract(epoch FROM sum(ends - starts))::bigint AS sensed_s,
                    coalesce(extract(epoch FROM min(covered.length)), 0)::bigint AS paid_s
             FROM sensed LEFT JOIN covered USING (day)
             GROUP BY day ORDER BY day",
        )
        .bind(city)
        .bind(from)
        .bind(to)
        .bind(now)
        .bind(MAX_QUOTED)
        .fetch_all(&self.pool)
        .await?)
    }
}
