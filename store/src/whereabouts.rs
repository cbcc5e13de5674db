//! Where the vehicles of sessions are seen standing: one vehicle cannot be in two places.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::EARLY_PAYMENT;
use domain::id::BayId;
use domain::plate::Plate;
use domain::tariff::FREE_AGAIN_AFTER;
use sqlx::FromRow;

use crate::entitlement::Holder;
use crate::{Store, StoreError, corrupt};

/// Whether the vehicle of `session` is seen standing in its bay at `at`, as the board tells it: it
/// came no later than its session allows ([`EARLY_PAYMENT`], `early`), has not left, and the sensor
/// that says so is neither silent nor in doubt. `told` is the bay's state.
const STANDING: &str = "
    EXISTS (
        SELECT FROM stay
        WHERE stay.bay_id = session.bay_id AND stay.started_at <= at
          AND stay.started_at <= session.starts_at + early
          AND CASE WHEN stay.ended_at IS NOT NULL THEN stay.ended_at > at ELSE EXISTS (
                SELECT FROM bay_state AS told
                     JOIN device_assignment AS standing USING (bay_id)
                WHERE told.bay_id = session.bay_id AND upper_inf(during)
                  AND (lower_inf(during) OR lower(during) <= told.last_at)
                  AND (silence_after_s IS NULL
                       OR told.last_at + make_interval(secs => silence_after_s) >= at)
                  AND NOT EXISTS (
                        SELECT FROM device_fault AS fault
                        WHERE fault.device_id = standing.device_id AND until IS NULL
                          AND kind IN ('stuck', 'flapping', 'clock'))) END)";

/// A vehicle with a session, in a bay where it is seen.
#[derive(Clone, Debug)]
pub struct Parked {
    /// The vehicle's plate, as its session has it.
    pub plate: Plate,
    /// The bay's code.
    pub bay: String,
    /// The lot's name.
    pub lot_name: String,
    /// The code of the lot's operator.
    pub operator: String,
    /// When the session ends.
    pub ends_at: Timestamp,
}

impl Store {
    /// For each holder, in the order of the argument: until when an entitlement of its plate serves a
    /// session in another bay, where the vehicle stood when the holder's time begins; `None` where
    /// it does not.
    ///
    /// # Errors
    /// Database errors.
    pub async fn entitled_elsewhere(
        &self,
        holders: &[Holder],
    ) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let plates: Vec<&str> = holders.iter().map(|holder| holder.plate.reveal()).collect();
        let bays: Vec<i32> = holders.iter().map(|holder| holder.bay.0).collect();
        let from: Vec<Timestamp> = holders.iter().map(|holder| holder.from).collect();
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT (SELECT max(session.ends_at) FROM session
                     WHERE session.plate = holder.plate AND session.bay_id <> holder.bay_id
                       AND session.starts_at <= at AND session.ends_at > at
                       AND session.status = 'paid' AND session.entitlement IS NOT NULL
                       AND {STANDING})
             FROM unnest($1::text[], $2::int[], $3::timestamptz[])
                    WITH ORDINALITY AS holder (plate, bay_id, at, n),
                  (VALUES ($4::interval)) AS allowed (early)
             ORDER BY n"
        )))
        .bind(plates)
        .bind(bays)
        .bind(from)
        .bind(EARLY_PAYMENT)
        .fetch_all(&self.pool)
        .await?)
    }

    /// For each holder, in the order of the argument: how much time its plate had in the zone before the holder's, in
    /// whole seconds, of sessions that had ended no longer than [`FREE_AGAIN_AFTER`] ago. Nobody needs to know where no
    /// minutes are free: there it is none.
    ///
    /// # Errors
    /// Database errors.
    pub async fn parked_before(&self, holders: &[Holder]) -> Result<Vec<TimeDelta>, StoreError> {
        if holders.iter().all(|holder| holder.free_min == 0) {
            return Ok(vec![TimeDelta::zero(); holders.len()]);
        }
        let plates: Vec<&str> = holders.iter().map(|holder| holder.plate.reveal()).collect();
        let zones: Vec<i32> = holders.iter().map(|holder| holder.zone.0).collect();
        let from: Vec<Timestamp> = holders.iter().map(|holder| holder.from).collect();
        let seconds: Vec<i64> = sqlx::query_scalar(
            "SELECT (
                SELECT coalesce(floor(extract(epoch FROM sum(
                            least(session.ends_at, since) - session.starts_at))), 0)::bigint
                FROM session JOIN bay USING (bay_id) JOIN lot USING (lot_id)
                WHERE session.plate = holder.plate AND session.ends_at > since - $4::interval
                  AND session.starts_at < since AND session.ends_at > session.starts_at
                  AND session.status = 'paid' AND lot.zone_id = holder.zone_id)
             FROM unnest($1::text[], $2::int[], $3::timestamptz[])
                    WITH ORDINALITY AS holder (plate, zone_id, since, n)
             ORDER BY n",
        )
        .bind(plates)
        .bind(zones)
        .bind(from)
        .bind(FREE_AGAIN_AFTER)
        .fetch_all(&self.pool)
        .await?;
        Ok(seconds.into_iter().map(TimeDelta::seconds).collect())
    }

    /// For which vehicles a bay is paid at `now`, with the end of each one's time, the latest first.
    ///
    /// # Errors
    /// Database errors, and [`StoreError::Corrupt`] for a plate that is none.
    pub async fn bay_paid_for(
        &self,
        bay: BayId,
        now: Timestamp,
    ) -> Result<Vec<(Plate, Timestamp)>, StoreError> {
        let rows: Vec<(String, Timestamp)> = sqlx::query_as(
            "SELECT plate, ends_at FROM session
             WHERE bay_id = $1 AND ends_at > $2 AND starts_at <= $2 AND status = 'paid'
             ORDER BY ends_at DESC LIMIT 5",
        )
        .bind(bay.0)
        .bind(now)
        .fetch_all(&self.pool)
        .await?;
        let paid = |(plate, until): (String, Timestamp)| {
            let plate = Plate::stored(&plate).map_err(|_| corrupt("plate", "of a session"))?;
            Ok((plate, until))
        };
        rows.into_iter().map(paid).collect()
    }

    /// Vehicles with one plate that are seen standing in two bays or more, each on a session in
    /// force, by plate: those of which an operator has one at least, or all. At most `limit` bays.
    ///
    /// # Errors
    /// Database errors, and [`StoreError::Corrupt`] for a plate that is none.
    pub async fn plates_in_two_bays(
        &self,
        operator: Option<&str>,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Parked>, StoreError> {
        let rows: Vec<ParkedRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "WITH in_force AS (
                SELECT session.*, at, early FROM session, (VALUES ($1::timestamptz, $2::interval)) AS asked (at, early)
                WHERE status = 'paid' AND ends_at > $1 AND starts_at <= $1),
             twice AS (
                SELECT session.* FROM in_force AS session
                WHERE plate IN (SELECT plate FROM in_force GROUP BY plate HAVING count(DISTINCT bay_id) > 1)
                  AND {STANDING}),
             parked AS (
                SELECT plate, bay.code AS bay, lot.name AS lot_name, operator.code AS operator,
                       max(ends_at) AS ends_at
                FROM twice JOIN bay USING (bay_id) JOIN lot USING (lot_id)
                     JOIN operator USING (operator_id)
                GROUP BY plate, bay.code, lot.name, operator.code)
             SELECT * FROM parked
             WHERE plate IN (SELECT plate FROM parked GROUP BY plate
                             HAVING count(*) > 1 AND bool_or($3::text IS NULL OR operator = $3))
             ORDER BY plate, bay LIMIT $4"
        )))
        .bind(now)
        .bind(EARLY_PAYMENT)
        .bind(operator)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(ParkedRow::parked).collect()
    }
}

#[derive(FromRow)]
struct ParkedRow {
    plate: String,
    bay: String,
    lot_name: String,
    operator: String,
    ends_at: Timestamp,
}

impl ParkedRow {
    fn parked(self) -> Result<Parked, StoreError> {
        Ok(Parked {
            plate: Plate::stored(&self.plate).map_err(|_| corrupt("plate", "of a session"))?,
            bay: self.bay,
            lot_name: self.lot_name,
            operator: self.operator,
            ends_at: self.ends_at,
        })
    }
}
