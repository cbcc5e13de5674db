//! Which devices are to be repaired, the worst first.

use domain::Timestamp;
use domain::device::DeviceModel;
use domain::health::{FaultDetail, FaultKind};
use sqlx::FromRow;

use crate::health::kind;
use crate::{Store, StoreError};

/// A device that needs somebody to look after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultyDevice {
    /// What it calls itself.
    pub device: String,
    /// Its model.
    pub model: DeviceModel,
    /// The code of its bay.
    pub bay: String,
    /// The code of its lot.
    pub lot: String,
    /// The lot's name.
    pub lot_name: String,
    /// The device's time of its last word; `None` where it was never heard.
    pub last_seen: Option<Timestamp>,
    /// What it last said of its battery, in millivolts, within the last days.
    pub battery_mv: Option<i32>,
    /// What is wrong, oldest first.
    pub faults: Vec<OpenFault>,
}

/// What is wrong with a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFault {
    /// What.
    pub kind: FaultKind,
    /// Since when.
    pub since: Timestamp,
    /// Its particulars, where this version can read them.
    pub detail: Option<FaultDetail>,
}

/// How devices do, and what is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceHealth {
    /// How many devices stand in bays.
    pub devices: i64,
    /// How many of them have a fault.
    pub faulty: i64,
    /// Those, worst first.
    pub repairs: Vec<FaultyDevice>,
}

/// Whose devices are asked for.
#[derive(Clone, Copy, Debug)]
pub enum DevicesOf<'a> {
    /// Those of one lot, by its code.
    Lot(&'a str),
    /// Those of a city's lots, by its code: all, or one operator's.
    City {
        /// The city's code.
        city: &'a str,
        /// The operator's code.
        operator: Option<&'a str>,
    },
}

/// For how long a reading of a battery is told.
const BATTERY_TOLD_DAYS: i32 = 7;

impl Store {
    /// How devices do, with at most `limit` that need repair, the worst first: those that leave a bay
    /// unknown before those with a weak battery; then by how many vehicles came to a bay of
    /// their lot within the last week, most first; then by how long it has lasted.
    ///
    /// # Errors
    /// Database errors; [`StoreError::Corrupt`] for a kind of fault that this version does not know.
    pub async fn device_health(
        &self,
        of: DevicesOf<'_>,
        limit: i64,
        now: Timestamp,
    ) -> Result<DeviceHealth, StoreError> {
        let (lot, city, operator) = match of {
            DevicesOf::Lot(lot) => (Some(lot), None, None),
            DevicesOf::City { city, operator } => (None, Some(city), operator),
        };
        let mut tx = self.snapshot().await?;
        let (devices, faulty): (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE EXISTS (
                        SELECT FROM device_fault AS fault
                        WHERE fault.device_id = standing.device_id AND until IS NULL))
             FROM device_assignment AS standing JOIN bay USING (bay_id) JOIN lot USING (lot_id)
                  JOIN city USING (city_id) JOIN operator USING (operator_id)
             WHERE upper_inf(during) AND ($1::text IS NULL OR lot.code = $1)
               AND ($2::text IS NULL OR city.code = $2) AND ($3::text IS NULL OR operator.code = $3)",
        )
        .bind(lot)
        .bind(city)
        .bind(operator)
        .fetch_one(&mut *tx)
        .await?;
        if devices == 0 {
            let known: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM lot WHERE code = $1)
                     OR EXISTS (SELECT FROM city WHERE code = $2)",
            )
            .bind(lot)
            .bind(city)
            .fetch_one(&mut *tx)
            .await?;
            if !known {
                return Err(StoreError::NotFound(lot.map_or("city", |_| "lot")));
            }
        }
        let rows: Vec<FaultRow> = sqlx::query_as(
            "WITH worst AS (
                SELECT standing.device_id, bay.bay_id, bay.code AS bay, lot_id, lot.code AS lot,
                       lot.name AS lot_name, lower(during) AS installed_from,
                       bool_or(device_fault.kind <> 'battery') AS unknown, min(since) AS since
                FROM device_fault JOIN device_assignment AS standing USING (device_id)
                     JOIN bay USING (bay_id) JOIN lot USING (lot_id) JOIN city USING (city_id)
                     JOIN operator USING (operator_id)
                WHERE until IS NULL AND upper_inf(during) AND ($1::text IS NULL OR lot.code = $1)
                  AND ($2::text IS NULL OR city.code = $2)
                  AND ($3::text IS NULL OR operator.code = $3)
                GROUP BY standing.device_id, during, bay.bay_id, lot.lot_id
             ), busy AS (
                SELECT lot_id, sum(arrivals)::float8 / (
                            SELECT count(*) FROM bay WHERE bay.lot_id = lot_occupancy.lot_id) AS vehicles
                FROM lot_occupancy
                WHERE lot_id IN (SELECT lot_id FROM worst) AND bucket > $4 - interval '7 days'
                GROUP BY lot_id
             ), listed AS (
                SELECT worst.*, row_number() OVER (
                            ORDER BY unknown DESC, coalesce(vehicles, 0) DESC, since, device_id) AS place
                FROM worst LEFT JOIN busy USING (lot_id)
                ORDER BY place LIMIT $5
             )
             SELECT device.name AS device, model, bay, lot, lot_name, last_at AS last_seen,
                    (SELECT battery_mv FROM event
                     WHERE event.device_id = listed.device_id AND battery_mv IS NOT NULL
                       AND event.at > $4 - make_interval(days => $6)
                     ORDER BY event.at DESC LIMIT 1) AS battery_mv,
                    fault.kind, fault.since, fault.detail
             FROM listed JOIN device USING (device_id)
                  JOIN device_fault AS fault ON fault.device_id = listed.device_id AND until IS NULL
                  LEFT JOIN bay_state AS told ON told.bay_id = listed.bay_id
                        AND told.last_at >= coalesce(installed_from, '-infinity')
             ORDER BY place, fault.since, fault.kind",
        )
        .bind(lot)
        .bind(city)
        .bind(operator)
        .bind(now)
        .bind(limit)
        .bind(BATTERY_TOLD_DAYS)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut repairs: Vec<FaultyDevice> = Vec::new();
        for row in rows {
            let fault = row.fault()?;
            match repairs.last_mut().filter(|last| last.device == row.device) {
                Some(device) => device.faults.push(fault),
                None => repairs.push(row.device(fault)),
            }
        }
        Ok(DeviceHealth {
            devices,
            faulty,
            repairs,
        })
    }
}

#[derive(FromRow)]
struct FaultRow {
    device: String,
    #[sqlx(try_from = "String")]
    model: DeviceModel,
    bay: String,
    lot: String,
    lot_name: String,
    last_seen: Option<Timestamp>,
    battery_mv: Option<i32>,
    kind: String,
    since: Timestamp,
    detail: String,
}

impl FaultRow {
    fn fault(&self) -> Result<OpenFault, StoreError> {
        Ok(OpenFault {
            kind: kind(&self.kind)?,
            since: self.since,
            detail: serde_json::from_str(&self.detail).ok(),
        })
    }

    fn device(self, fault: OpenFault) -> FaultyDevice {
        FaultyDevice {
            device: self.device,
            model: self.model,
            bay: self.bay,
            lot: self.lot,
            lot_name: self.lot_name,
            last_seen: self.last_seen,
            battery_mv: self.battery_mv,
            faults: vec![fault],
        }
    }
}
