//! The registry: what a device is and how its messages are read. What it watches is `assignment`'s.

use std::collections::HashMap;

use domain::device::{Device, DeviceModel, Mounting};
use domain::signing::Signing;
use sqlx::{FromRow, PgConnection};

use crate::signing::{signing_drop, signing_of};
use crate::{Store, StoreError, storable};

/// A device as ingest needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// Its key.
    pub id: i32,
    /// Its model, which decides the decoder.
    pub model: DeviceModel,
    /// How it is mounted.
    pub mounting: Mounting,
    /// Whether it plays a recording, whose times are of years ago.
    pub recorded: bool,
    /// How it signs what it says, where it must.
    pub signing: Option<Signing>,
}

/// Without a WHERE clause, every device.
const KNOWN: &str = "
    SELECT name, device_id, model, occupied_below_mm, signing, public_key,
           EXISTS (SELECT FROM device_assignment
                   WHERE device_assignment.device_id = device.device_id
                     AND silence_after_s IS NULL) AS recorded
    FROM device";

impl Store {
    /// Every device by the name it calls itself.
    ///
    /// # Errors
    /// Database errors.
    pub async fn device_directory(&self) -> Result<HashMap<String, KnownDevice>, StoreError> {
        let rows: Vec<DeviceRow> = sqlx::query_as(KNOWN).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(DeviceRow::known).collect())
    }

    /// The devices of those names that are installed, or were.
    ///
    /// # Errors
    /// As for [`Store::device_directory`].
    pub async fn devices_named(
        &self,
        names: &[&str],
    ) -> Result<HashMap<String, KnownDevice>, StoreError> {
        // A name that PostgreSQL cannot hold is no device's.
        let names: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| storable(name))
            .collect();
        let named = format!("{KNOWN} WHERE name = ANY($1)");
        let rows: Vec<DeviceRow> = sqlx::query_as(sqlx::AssertSqlSafe(named))
            .bind(names)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(DeviceRow::known).collect())
    }
}

/// Writes what devices are; the key of each by its name.
pub(crate) async fn devices_put(
    tx: &mut PgConnection,
    devices: &[&Device],
) -> Result<HashMap<String, i32>, StoreError> {
    let below_mm = |device: &&Device| {
        let below_mm = device.mounting.occupied_below_mm;
        below_mm.and_then(|mm| i32::try_from(mm).ok())
    };
    signing_drop(tx, devices).await?;
    let keys: Vec<(String, i32)> = sqlx::query_as(
        "INSERT INTO device (name, model, occupied_below_mm)
         SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])
         ON CONFLICT (name) DO UPDATE SET model = excluded.model,
            occupied_below_mm = excluded.occupied_below_mm
         RETURNING name, device_id",
    )
    .bind(devices.iter().map(|d| d.id.as_str()).collect::<Vec<_>>())
    .bind(devices.iter().map(|d| d.model.code()).collect::<Vec<_>>())
    .bind(devices.iter().map(below_mm).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(keys.into_iter().collect())
}

#[derive(FromRow)]
struct DeviceRow {
    name: String,
    device_id: i32,
    #[sqlx(try_from = "String")]
    model: DeviceModel,
    occupied_below_mm: Option<i32>,
    recorded: bool,
    signing: Option<String>,
    public_key: Option<Vec<u8>>,
}

impl DeviceRow {
    fn known(self) -> (String, KnownDevice) {
        let known = KnownDevice {
            id: self.device_id,
            model: self.model,
            mounting: Mounting {
                occupied_below_mm: self.occupied_below_mm.and_then(|mm| mm.try_into().ok()),
            },
            recorded: self.recorded,
            signing: signing_of(self.signing.as_deref(), self.public_key),
        };
        (self.name, known)
    }
}
