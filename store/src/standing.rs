//! Which device stands in which bay at present, and what a change has moved.

use std::collections::BTreeMap;
use std::fmt;

use domain::Timestamp;
use domain::device::DeviceModel;
use domain::signing::Signing;
use sqlx::{FromRow, PgConnection};

use crate::signing::signing_of;
use crate::{Store, StoreError};

/// A device in its bay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it calls itself.
    pub device: String,
    /// The bay's code.
    pub bay: String,
    /// Its model.
    pub model: DeviceModel,
    /// Seconds without a word after which the bay is unknown; `None` for a recording's.
    pub silence_after_s: Option<i32>,
    /// Less than so many millimetres is a vehicle, for sensors that measure a distance.
    pub occupied_below_mm: Option<i32>,
    /// Since when it stands there; `None` is from its first word on.
    pub from: Option<Timestamp>,
    /// How it signs, where it must.
    pub signing: Option<Signing>,
}

#[derive(FromRow)]
struct StandingRow {
    device: String,
    bay: String,
    #[sqlx(try_from = "String")]
    model: DeviceModel,
    silence_after_s: Option<i32>,
    occupied_below_mm: Option<i32>,
    installed_from: Option<Timestamp>,
    signing: Option<String>,
    public_key: Option<Vec<u8>>,
}

/// A device that stands elsewhere than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What it calls itself.
    pub device: String,
    /// The bay's code in which it stood, where it did.
    pub from: Option<String>,
    /// The bay's code in which it stands now, where it does.
    pub to: Option<String>,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = &self.device;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{device} moves from {from} to {to}."),
            (Some(from), None) => write!(f, "{device} is taken out of {from}."),
            (None, Some(to)) => write!(f, "{device} is put into {to}."),
            (None, None) => write!(f, "{device} stands nowhere."),
        }
    }
}

impl Store {
    /// The devices that stand in a city's bays, or a lot's, by the bay's code.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such city or lot; database errors.
    pub async fn devices_standing(
        &self,
        city: &str,
        lot: Option<&str>,
    ) -> Result<Vec<Standing>, StoreError> {
        let there: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM city LEFT JOIN lot USING (city_id)
                            WHERE city.code = $1 AND ($2::text IS NULL OR lot.code = $2))",
        )
        .bind(city)
        .bind(lot)
        .fetch_one(&self.pool)
        .await?;
        if !there {
            return Err(StoreError::NotFound(match lot {
                Some(_) => "lot",
                None => "city",
            }));
        }
        let rows: Vec<StandingRow> = sqlx::query_as(
            "SELECT device.name AS device, bay.code AS bay, model, silence_after_s,
                    occupied_below_mm, lower(during) AS installed_from, signing, public_key
             FROM device_assignment JOIN device USING (device_id) JOIN bay USING (bay_id)
                  JOIN lot USING (lot_id) JOIN city USING (city_id)
             WHERE upper_inf(during) AND city.code = $1 AND ($2::text IS NULL OR lot.code = $2)
             ORDER BY bay.code",
        )
        .bind(city)
        .bind(lot)
        .fetch_all(&self.pool)
        .await?;
        let standing = |row: StandingRow| Standing {
            device: row.device,
            bay: row.bay,
            model: row.model,
            silence_after_s: row.silence_after_s,
            occupied_below_mm: row.occupied_below_mm,
            from: row.installed_from,
            signing: signing_of(row.signing.as_deref(), row.public_key),
        };
        Ok(rows.into_iter().map(standing).collect())
    }

    /// In which bay each of these devices stands, by its name; who stands in none is left out.
    ///
    /// # Errors
    /// Database errors.
    pub async fn devices_in_bays(
        &self,
        devices: &[&str],
    ) -> Result<BTreeMap<String, String>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        places(&mut connection, devices, &[]).await
    }
}

/// In which bay each device stands, of those named and of those that stand in the named bays.
pub(crate) async fn places(
    tx: &mut PgConnection,
    devices: &[&str],
    bays: &[&str],
) -> Result<BTreeMap<String, String>, StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT device.name, bay.code
         FROM device_assignment JOIN device USING (device_id) JOIN bay USING (bay_id)
         WHERE upper_inf(during) AND (device.name = ANY($1) OR bay.code = ANY($2))",
    )
    .bind(devices)
    .bind(bays)
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// What differs between two states of the same devices.
pub(crate) fn moves(
    mut before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
) -> Vec<Move> {
    let mut moves = Vec::new();
    for (device, to) in after {
        let from = before.remove(&device);
        if from.as_ref() != Some(&to) {
            moves.push(Move {
                device,
                from,
                to: Some(to),
            });
        }
    }
    moves.extend(before.into_iter().map(|(device, from)| Move {
        device,
        from: Some(from),
        to: None,
    }));
    moves
}
