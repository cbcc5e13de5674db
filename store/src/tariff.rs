//! Importing tariffs, and reading those of a lot.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use domain::Timestamp;
use domain::place::VehicleClass;
use domain::tariff::Tariff;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::place::{class, zone_name};
use crate::{Store, StoreError, storable};

/// One version of a zone's tariff, to be imported.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// The zone's code.
    pub zone: String,
    /// The tariff, which must be sound.
    pub tariff: Tariff,
}

/// What an import does with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is kept already, as it is.
    Unchanged,
    /// It has not begun, and says something else now.
    Replaced,
    /// It is in force, and knows other holidays for days to come.
    Holidays,
}

/// Why a version is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such zone.
    #[error("the city has no such zone")]
    NoZone,
    /// What prices were asked and paid by is never changed.
    #[error(
        "this version is in force and says something else; leave it as it is and give the new \
         price a [[tariff]] with a later effective_from"
    )]
    InForce,
    /// Another price was in force at that time.
    #[error(
        "it begins in the past, when another price was in force; effective_from must lie in the future"
    )]
    Backdated,
}

/// A version that was planned and is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The zone's code.
    pub zone: String,
    /// The class.
    pub class: VehicleClass,
    /// When it would have begun.
    pub effective_from: Timestamp,
}

/// What an import does, or would do.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// For each version, in order.
    pub versions: Vec<Result<Change, Refusal>>,
    /// Versions that have not begun, of zones and classes that the import names, which it lacks.
    pub withdrawn: Vec<Withdrawn>,
}

impl Import {
    /// Whether nothing stands in its way.
    pub fn is_sound(&self) -> bool {
        self.versions.iter().all(Result::is_ok)
    }
}

/// A lot with the tariffs of its zone.
#[derive(Clone, Debug)]
pub struct LotTariffs {
    /// Its name.
    pub lot_name: String,
    /// Its zone's code.
    pub zone: String,
    /// Its zone's name.
    pub zone_name: String,
    /// The city's time zone.
    pub timezone: Tz,
    /// Every version for every class.
    pub tariffs: Vec<Tariff>,
}

/// A stored version with its key.
struct Stored {
    id: i32,
    tariff: Tariff,
}

type Zones = BTreeMap<String, (i32, Vec<Stored>)>;

impl Store {
    /// Makes the versions of the zones and classes that `versions` names those that it holds: all
    /// of it, or nothing where one is refused or `dry_run` is set. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a tariff is not sound, and database errors.
    pub async fn tariff_import(
        &self,
        city: &str,
        timezone: Tz,
        versions: &[NewVersion],
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Import, StoreError> {
        for new in versions {
            new.tariff
                .validate()
                .map_err(|why| crate::corrupt("tariff", why))?;
        }
        let mut tx = self.begin().await?;
        let zones = lock_zones(&mut tx, city).await?;
        let today = now.with_timezone(&timezone).date_naive();
        let decide = |new: &NewVersion| {
            let (_, stored) = zones.get(&new.zone).ok_or(Refusal::NoZone)?;
            decide(stored, &new.tariff, now, today)
        };
        let import = Import {
            versions: versions.iter().map(decide).collect(),
            withdrawn: Vec::new(),
        };
        let planned = withdrawn(&zones, versions, now);
        if import.is_sound() && !dry_run {
            write(&mut tx, &zones, versions, &import.versions).await?;
            let keys: Vec<i32> = planned.iter().map(|(id, _)| *id).collect();
            sqlx::query("DELETE FROM tariff WHERE tariff_id = ANY($1)")
                .bind(&keys)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
        }
        Ok(Import {
            withdrawn: planned.into_iter().map(|(_, version)| version).collect(),
            ..import
        })
    }

    /// A lot with the tariffs of its zone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such lot.
    pub async fn lot_tariffs(&self, code: &str) -> Result<LotTariffs, StoreError> {
        if !storable(code) {
            return Err(StoreError::NotFound("lot"));
        }
        let row: Option<(String, i32, String, String, String)> = sqlx::query_as(
            "SELECT lot.name, zone_id, zone.code, zone.name, timezone
             FROM lot JOIN zone USING (zone_id) JOIN city ON city.city_id = lot.city_id
             WHERE lot.code = $1",
        )
        .bind(code)
        .fetch_optional(&self.pool)
        .await?;
        let (lot_name, zone_id, zone, name, timezone) = row.ok_or(StoreError::NotFound("lot"))?;
        let tariffs: Vec<Json<Tariff>> =
            sqlx::query_scalar("SELECT document FROM tariff WHERE zone_id = $1")
                .bind(zone_id)
                .fetch_all(&self.pool)
                .await?;
        Ok(LotTariffs {
            lot_name,
            zone,
            zone_name: name,
            timezone: zone_name(&timezone)?,
            tariffs: tariffs.into_iter().map(|Json(tariff)| tariff).collect(),
        })
    }
}

/// What becomes of `new` beside what is stored for its zone. `today` is the city's local date.
fn decide(
    stored: &[Stored],
    new: &Tariff,
    now: Timestamp,
    today: chrono::NaiveDate,
) -> Result<Change, Refusal> {
    let of_class = || {
        stored
            .iter()
            .map(|stored| &stored.tariff)
            .filter(|tariff| tariff.class == new.class)
    };
    let began = new.effective_from <= now;
    match of_class().find(|tariff| tariff.effective_from == new.effective_from) {
        Some(tariff) if tariff == new => Ok(Change::Unchanged),
        Some(_) if !began => Ok(Change::Replaced),
        Some(tariff) if tariff.past(today) == new.past(today) => Ok(Change::Holidays),
        Some(_) => Err(Refusal::InForce),
        // A time without a price may get one afterwards: nobody has paid for it.
        None if began && of_class().any(|tariff| tariff.effective_from < new.effective_from) => {
            Err(Refusal::Backdated)
        }
        None => Ok(Change::Added),
    }
}

/// The stored versions that have not begun and that `versions` lacks, with their keys.
fn withdrawn(zones: &Zones, versions: &[NewVersion], now: Timestamp) -> Vec<(i32, Withdrawn)> {
    let mut out = Vec::new();
    for (zone, (_, stored)) in zones {
        for Stored { id, tariff } in stored {
            let named = || {
                versions
                    .iter()
                    .filter(|new| new.zone == *zone && new.tariff.class == tariff.class)
            };
            let has = named().any(|new| new.tariff.effective_from == tariff.effective_from);
            if tariff.effective_from > now && named().next().is_some() && !has {
                let version = Withdrawn {
                    zone: zone.clone(),
                    class: tariff.class,
                    effective_from: tariff.effective_from,
                };
                out.push((*id, version));
            }
        }
    }
    out
}

/// A city's zones with their tariffs, locked so that two imports come one after the other; not against receipts, which
/// name them.
async fn lock_zones(tx: &mut PgConnection, city: &str) -> Result<Zones, StoreError> {
    let zones: Vec<(i32, String)> = sqlx::query_as(
        "SELECT zone_id, zone.code FROM zone JOIN city USING (city_id)
         WHERE city.code = $1 ORDER BY zone_id FOR NO KEY UPDATE OF zone",
    )
    .bind(city)
    .fetch_all(&mut *tx)
    .await?;
    let keys: Vec<i32> = zones.iter().map(|(id, _)| *id).collect();
    let rows: Vec<(i32, i32, String, Json<Tariff>)> = sqlx::query_as(
        "SELECT zone_id, tariff_id, class, document FROM tariff WHERE zone_id = ANY($1)
         ORDER BY effective_from",
    )
    .bind(&keys)
    .fetch_all(&mut *tx)
    .await?;
    let mut out: Zones = zones
        .into_iter()
        .map(|(id, code)| (code, (id, Vec::new())))
        .collect();
    for (zone, id, code, Json(tariff)) in rows {
        // The column is what the database keeps unique; the document must agree with it.
        if class(&code)? != tariff.class {
            return Err(crate::corrupt(
                "tariff",
                "its class differs from its column",
            ));
        }
        let found = out.values_mut().find(|(key, _)| *key == zone);
        if let Some((_, stored)) = found {
            stored.push(Stored { id, tariff });
        }
    }
    Ok(out)
}

async fn write(
    tx: &mut PgConnection,
    zones: &Zones,
    versions: &[NewVersion],
    changes: &[Result<Change, Refusal>],
) -> Result<(), StoreError> {
    for (new, change) in versions.iter().zip(changes) {
        let Some((zone, _)) = zones.get(&new.zone) else {
            return Err(StoreError::NotFound("zone"));
        };
        if *change == Ok(Change::Unchanged) {
            continue;
        }
        sqlx::query(
            "INSERT INTO tariff (zone_id, class, effective_from, document) VALUES ($1, $2, $3, $4)
             ON CONFLICT (zone_id, class, effective_from) DO UPDATE SET document = excluded.document",
        )
        .bind(zone)
        .bind(new.tariff.class.code())
        .bind(new.tariff.effective_from)
        .bind(Json(&new.tariff))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
