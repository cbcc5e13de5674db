//! How much waits: what whoever runs this watches.

use chrono::{NaiveDate, TimeDelta};
use domain::Timestamp;
use domain::health::FaultKind;

use crate::{Store, StoreError};

/// Beyond so much it is not counted on: whoever looks knows enough, and counting costs.
const COUNT_MAX: i64 = 100_000;

/// What waits, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Calls to gateways that are due and not made.
    pub outbox: Waiting,
    /// Refunds that no gateway pays: people must.
    pub refunds_by_hand: Waiting,
    /// Receipts and refunds that have no place in the public log yet.
    pub log: Waiting,
    /// Devices with a fault, by its kind; those that none has are not named.
    pub faults: Vec<(FaultKind, u64)>,
    /// The last day that is listed as a holiday, of the zone and class of vehicle where that is the earliest. None where
    /// no price asks for holidays.
    pub holidays_until: Option<NaiveDate>,
}

/// How many wait, up to 100,000, and for how long the one that waits longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: u64,
    /// For how long; zero where none does.
    pub longest: TimeDelta,
}

impl Waiting {
    fn new((count, oldest): (i64, Option<Timestamp>), now: Timestamp) -> Self {
        let waited = |at: Timestamp| (now - at).max(TimeDelta::zero());
        Self {
            count: count.unsigned_abs(),
            longest: oldest.map_or(TimeDelta::zero(), waited),
        }
    }
}

impl Store {
    /// How much waits, of a city where it is a city's. Reads the ends of small tables and of partial indexes, and no
    /// table whole: it may be asked every few seconds.
    ///
    /// # Errors
    /// Database errors.
    pub async fn figures(&self, city: &str, now: Timestamp) -> Result<Figures, StoreError> {
        let outbox = sqlx::query_as(
            "SELECT (SELECT count(*) FROM (SELECT FROM outbox WHERE due_at <= $1 LIMIT $2) AS due),
                    (SELECT min(due_at) FROM outbox WHERE due_at <= $1)",
        )
        .bind(now)
        .bind(COUNT_MAX)
        .fetch_one(&self.pool)
        .await?;
        // Both conditions, for the first is the index's own.
        let refunds = sqlx::query_as(
            "SELECT count(*), min(created_at) FROM refund WHERE status <> 'done' AND status = 'manual'",
        )
        .fetch_one(&self.pool)
        .await?;
        let log = sqlx::query_as(
            "SELECT (SELECT count(*) FROM
                        (SELECT FROM log_queue JOIN city USING (city_id) WHERE code = $1 LIMIT $2) AS waiting),
                    (SELECT coalesce(receipt.issued_at, refund.created_at)
                     FROM log_queue AS first JOIN city USING (city_id)
                         LEFT JOIN receipt ON receipt.receipt_id = first.receipt_id
                         LEFT JOIN refund ON refund.refund_id = first.refund_id
                     WHERE city.code = $1 ORDER BY first.log_queue_id LIMIT 1)",
        )
        .bind(city)
        .bind(COUNT_MAX)
        .fetch_one(&self.pool)
        .await?;
        let faults: Vec<(String, i64)> = sqlx::query_as(
            "SELECT kind, count(*) FROM device_fault WHERE until IS NULL GROUP BY kind",
        )
        .fetch_all(&self.pool)
        .await?;
        // By each one's last version, which need not be in force yet.
        let holidays_until = sqlx::query_scalar(
            "SELECT min(until) FROM (
                SELECT DISTINCT ON (zone_id, class) document FROM tariff JOIN zone USING (zone_id) JOIN city USING (city_id)
                WHERE city.code = $1 ORDER BY zone_id, class, effective_from DESC) AS newest,
             LATERAL (SELECT max(day::date) AS until
                      FROM jsonb_array_elements_text(coalesce(document -> 'holidays', '[]')) AS listed (day)) AS listed",
        )
        .bind(city)
        .fetch_one(&self.pool)
        .await?;
        let fault =
            |(kind, count): (String, i64)| Ok((crate::health::kind(&kind)?, count.unsigned_abs()));
        Ok(Figures {
            outbox: Waiting::new(outbox, now),
            refunds_by_hand: Waiting::new(refunds, now),
            log: Waiting::new(log, now),
            faults: faults
                .into_iter()
                .map(fault)
                .collect::<Result<_, StoreError>>()?,
            holidays_until,
        })
    }
}
