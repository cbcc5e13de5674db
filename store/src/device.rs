//! The registry: which device watches which bay, and how it is listened to.

use std::collections::HashMap;

use domain::device::{Device, DeviceModel, Mounting};
use domain::id::BayId;
use sqlx::{FromRow, PgConnection};

use crate::{Store, StoreError, storable};

/// A device as ingest needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// Its key.
    pub id: i32,
    /// The bay that it watches.
    pub bay: BayId,
    /// The code of that bay's lot.
    pub lot: String,
    /// Its model, which decides the decoder.
    pub model: DeviceModel,
    /// How it is mounted.
    pub mounting: Mounting,
    /// Whether it plays a recording, whose times are of years ago.
    pub recorded: bool,
}

impl Store {
    /// Every device by the name it calls itself.
    ///
    /// # Errors
    /// Database errors.
    pub async fn device_directory(&self) -> Result<HashMap<String, KnownDevice>, StoreError> {
        let rows: Vec<DeviceRow> = sqlx::query_as(
            "SELECT device.name, device_id, bay_id, lot.code AS lot, model,
                    occupied_below_mm, silence_after_s IS NULL AS recorded
             FROM device JOIN bay USING (bay_id) JOIN lot USING (lot_id)",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(DeviceRow::known).collect())
    }

    /// The devices of those names that are installed.
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
        let rows: Vec<DeviceRow> = sqlx::query_as(
            "SELECT device.name, device_id, bay_id, lot.code AS lot, model,
                    occupied_below_mm, silence_after_s IS NULL AS recorded
             FROM device JOIN bay USING (bay_id) JOIN lot USING (lot_id)
             WHERE device.name = ANY($1)",
        )
        .bind(names)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(DeviceRow::known).collect())
    }

    /// Which of these codes are no bay's.
    ///
    /// # Errors
    /// Database errors.
    pub async fn bays_missing(&self, codes: &[&str]) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT code FROM unnest($1::text[]) AS code
             WHERE NOT EXISTS (SELECT FROM bay WHERE bay.code = code.code)",
        )
        .bind(codes)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Puts devices into bays, by the bays' codes: new ones, and such as stood elsewhere. What stood
    /// in one of these bays before stands nowhere now. A bay that does not exist is passed over.
    /// All or nothing.
    ///
    /// # Errors
    /// Database errors, where one device or bay is named twice.
    pub async fn devices_install(&self, installed: &[(&str, &Device)]) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let bays: Vec<&str> = installed.iter().map(|(bay, _)| *bay).collect();
        let names: Vec<&str> = installed
            .iter()
            .map(|(_, device)| device.id.as_str())
            .collect();
        // First of all: two devices may change places.
        sqlx::query(
            "UPDATE device SET bay_id = NULL WHERE name = ANY($1)
                OR bay_id IN (SELECT bay_id FROM bay WHERE code = ANY($2))",
        )
        .bind(&names)
        .bind(&bays)
        .execute(&mut *tx)
        .await?;
        devices_put(&mut tx, installed).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Writes devices into bays that nobody else has.
pub(crate) async fn devices_put(
    tx: &mut PgConnection,
    installed: &[(&str, &Device)],
) -> Result<(), StoreError> {
    let below_mm = |device: &Device| {
        let below_mm = device.mounting.occupied_below_mm;
        below_mm.and_then(|mm| i32::try_from(mm).ok())
    };
    sqlx::query(
        "INSERT INTO device (name, bay_id, model, silence_after_s, occupied_below_mm)
         SELECT d.name, bay_id, d.model, d.silence_after_s, d.occupied_below_mm
         FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::integer[])
                AS d (bay, name, model, silence_after_s, occupied_below_mm)
              JOIN bay ON bay.code = d.bay
         ON CONFLICT (name) DO UPDATE SET bay_id = excluded.bay_id, model = excluded.model,
            silence_after_s = excluded.silence_after_s,
            occupied_below_mm = excluded.occupied_below_mm",
    )
    .bind(installed.iter().map(|(bay, _)| *bay).collect::<Vec<_>>())
    .bind(
        installed
            .iter()
            .map(|(_, d)| d.id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        installed
            .iter()
            .map(|(_, d)| d.model.code())
            .collect::<Vec<_>>(),
    )
    .bind(
        installed
            .iter()
            .map(|(_, d)| d.silence_after_s)
            .collect::<Vec<_>>(),
    )
    .bind(
        installed
            .iter()
            .map(|(_, d)| below_mm(d))
            .collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct DeviceRow {
    name: String,
    device_id: i32,
    bay_id: i32,
    lot: String,
    #[sqlx(try_from = "String")]
    model: DeviceModel,
    occupied_below_mm: Option<i32>,
    recorded: bool,
}

impl DeviceRow {
    fn known(self) -> (String, KnownDevice) {
        let known = KnownDevice {
            id: self.device_id,
            bay: BayId(self.bay_id),
            lot: self.lot,
            model: self.model,
            mounting: Mounting {
                occupied_below_mm: self.occupied_below_mm.and_then(|mm| mm.try_into().ok()),
            },
            recorded: self.recorded,
        };
        (self.name, known)
    }
}
