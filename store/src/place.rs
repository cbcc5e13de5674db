//! The city: importing it, and reading it back as the live board and the pages need it.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::{BayId, LotId, OperatorId, TariffId, ZoneId};
use domain::place::{Amenities, Lot, Place, VehicleClass};
use domain::tariff::Tariff;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres, Transaction};

use crate::assignment::{Installation, devices_install};
use crate::map::import_map;
use crate::standing::Move;
use crate::{Store, StoreError, among, corrupt, storable};

/// A version of a tariff with its key.
#[derive(Clone, Debug)]
pub struct TariffVersion {
    /// Its key, which a session names.
    pub id: TariffId,
    /// The tariff.
    pub tariff: Tariff,
}

/// One bay with all that pricing and paying need.
#[derive(Clone, Debug)]
pub struct BayPlace {
    /// Its key.
    pub id: BayId,
    /// The code on its sticker.
    pub code: String,
    /// What it is made for.
    pub class: VehicleClass,
    /// What it has beside its room.
    pub amenities: Amenities,
    /// Its lot's key.
    pub lot: LotId,
    /// Its lot's code.
    pub lot_code: String,
    /// Its lot's name.
    pub lot_name: String,
    /// Its zone's key.
    pub zone: ZoneId,
    /// Its zone's code.
    pub zone_code: String,
    /// Its zone's name.
    pub zone_name: String,
    /// The city's time zone.
    pub timezone: Tz,
    /// Who runs the lot.
    pub operator: OperatorId,
    /// The operator's name.
    pub operator_name: String,
    /// NAPAS BIN of the bank into which drivers pay.
    pub bank_bin: String,
    /// The account there.
    pub bank_account: String,
    /// Every version of the zone's tariffs.
    pub tariffs: Vec<TariffVersion>,
}

/// A city's name and time zone.
#[derive(Clone, Debug)]
pub struct CityInfo {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its time zone.
    pub timezone: Tz,
}

pub(crate) fn zone_name(text: &str) -> Result<Tz, StoreError> {
    text.parse().map_err(|why| corrupt("time zone", why))
}

pub(crate) fn class(code: &str) -> Result<VehicleClass, StoreError> {
    VehicleClass::from_code(code).ok_or_else(|| corrupt("vehicle class", code))
}

impl Store {
    /// Writes a city and all that is in it. What exists under the same code is brought up to date; nothing is removed but
    /// the map, which is drawn anew. Prices are taken for zones that have none yet; a device that the document names for
    /// another bay than it stands in moves there as of `now`, and no other goes.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] where the document is not sound, or would give another city a lot, or another lot a bay
    /// of which anything is known; database errors.
    pub async fn place_import(
        &self,
        place: &Place,
        now: Timestamp,
    ) -> Result<Imported, StoreError> {
        let (tx, imported) = self.imported(place, now).await?;
        tx.commit().await?;
        Ok(imported)
    }

    /// As [`Store::place_import`], with nothing changed: what it would have to say.
    ///
    /// # Errors
    /// As there.
    pub async fn place_import_try(
        &self,
        place: &Place,
        now: Timestamp,
    ) -> Result<Imported, StoreError> {
        let (tx, imported) = self.imported(place, now).await?;
        tx.rollback().await?;
        Ok(imported)
    }

    async fn imported(
        &self,
        place: &Place,
        now: Timestamp,
    ) -> Result<(Transaction<'static, Postgres>, Imported), StoreError> {
        let unsound = |why: domain::place::PlaceError| StoreError::Unsound(why.to_string());
        place.validate().map_err(unsound)?;
        let mut tx = self.begin().await?;
        let city: i32 = sqlx::query_scalar(
            "INSERT INTO city (code, name, timezone) VALUES ($1, $2, $3)
             ON CONFLICT (code) DO UPDATE SET name = excluded.name, timezone = excluded.timezone
             RETURNING city_id",
        )
        .bind(&place.city.code)
        .bind(&place.city.name)
        .bind(place.city.timezone.name())
        .fetch_one(&mut *tx)
        .await?;
        stays_where_it_is(&mut tx, city, place).await?;
        import_parties(&mut tx, city, place).await?;
        let priced = import_tariffs(&mut tx, city, place).await?;
        import_lots(&mut tx, city, place).await?;
        for lot in &place.lots {
            import_bays(&mut tx, lot).await?;
        }
        let moves = import_devices(&mut tx, &place.lots, now).await?;
        import_map(&mut tx, city, &place.map).await?;
        Ok((tx, Imported { priced, moves }))
    }

    /// The city of that code.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn city(&self, code: &str) -> Result<CityInfo, StoreError> {
        let row: Option<(String, String, String)> =
            sqlx::query_as("SELECT code, name, timezone FROM city WHERE code = $1")
                .bind(code)
                .fetch_optional(&self.pool)
                .await?;
        let (code, name, timezone) = row.ok_or(StoreError::NotFound("city"))?;
        Ok(CityInfo {
            code,
            name,
            timezone: zone_name(&timezone)?,
        })
    }

    /// How many bays a city has; 0 where there is no such city.
    ///
    /// # Errors
    /// Database errors.
    pub async fn city_bay_count(&self, code: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM bay JOIN lot USING (lot_id) JOIN city USING (city_id)
             WHERE city.code = $1",
        )
        .bind(code)
        .fetch_one(&self.pool)
        .await?)
    }

    /// The bay of that code with its tariffs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn bay_place(&self, code: &str) -> Result<BayPlace, StoreError> {
        self.bay_places(&[code.to_owned()])
            .await?
            .pop()
            .ok_or(StoreError::NotFound("bay"))
    }

    /// The bays of those codes that exist, in no order.
    ///
    /// # Errors
    /// Database errors.
    pub async fn bay_places(&self, codes: &[String]) -> Result<Vec<BayPlace>, StoreError> {
        let codes: Vec<&str> = codes
            .iter()
            .map(String::as_str)
            .filter(|code| storable(code))
            .collect();
        let among = among(&codes, "text");
        let rows: Vec<BayRow> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT bay_id, bay.code, bay.class, accessible, charging, lot_id, lot.code AS lot_code,
                    lot.name AS lot_name, zone_id, zone.code AS zone_code, zone.name AS zone_name, timezone,
                    operator_id, operator.name AS operator_name, bank_bin, bank_account
             FROM bay JOIN lot USING (lot_id) JOIN zone USING (zone_id)
                  JOIN operator USING (operator_id) JOIN city ON city.city_id = lot.city_id
             WHERE bay.code {among}"
        )))
        .bind(&codes)
        .fetch_all(&self.pool)
        .await?;
        let zones: Vec<i32> = rows.iter().map(|row| row.zone_id).collect();
        let tariffs = self.tariffs_of(&zones).await?;
        rows.into_iter().map(|row| row.place(&tariffs)).collect()
    }

    pub(crate) async fn tariffs_of(
        &self,
        zones: &[i32],
    ) -> Result<BTreeMap<ZoneId, Vec<TariffVersion>>, StoreError> {
        let rows: Vec<(i32, i32, Json<Tariff>)> = sqlx::query_as(
            "SELECT zone_id, tariff_id, document FROM tariff WHERE zone_id = ANY($1)",
        )
        .bind(zones)
        .fetch_all(&self.pool)
        .await?;
        let mut out: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (zone, id, Json(tariff)) in rows {
            out.entry(ZoneId(zone)).or_default().push(TariffVersion {
                id: TariffId(id),
                tariff,
            });
        }
        Ok(out)
    }
}

#[derive(FromRow)]
struct BayRow {
    bay_id: i32,
    code: String,
    class: String,
    accessible: bool,
    charging: bool,
    lot_id: i32,
    lot_code: String,
    lot_name: String,
    zone_id: i32,
    zone_code: String,
    zone_name: String,
    timezone: String,
    operator_id: i32,
    operator_name: String,
    bank_bin: String,
    bank_account: String,
}

impl BayRow {
    fn place(self, tariffs: &BTreeMap<ZoneId, Vec<TariffVersion>>) -> Result<BayPlace, StoreError> {
        Ok(BayPlace {
            id: BayId(self.bay_id),
            class: class(&self.class)?,
            amenities: Amenities {
                accessible: self.accessible,
                charging: self.charging,
            },
            timezone: zone_name(&self.timezone)?,
            tariffs: tariffs
                .get(&ZoneId(self.zone_id))
                .cloned()
                .unwrap_or_default(),
            code: self.code,
            lot: LotId(self.lot_id),
            lot_code: self.lot_code,
            lot_name: self.lot_name,
            zone: ZoneId(self.zone_id),
            zone_code: self.zone_code,
            zone_name: self.zone_name,
            operator: OperatorId(self.operator_id),
            operator_name: self.operator_name,
            bank_bin: self.bank_bin,
            bank_account: self.bank_account,
        })
    }
}

/// What an import left to say.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The codes of zones whose prices in the document were not taken, for they have prices.
    pub priced: Vec<String>,
    /// Which devices stand otherwise now.
    pub moves: Vec<Move>,
}

/// Refuses what would give another city a lot, of which its prices would then be none; or another lot a bay of which
/// something is known: the tallies of both would be wrong for ever.
async fn stays_where_it_is(
    tx: &mut PgConnection,
    city: i32,
    place: &Place,
) -> Result<(), StoreError> {
    let lots: Vec<&str> = place.lots.iter().map(|lot| lot.code.as_str()).collect();
    let elsewhere: Option<(String, String)> = sqlx::query_as(
        "SELECT lot.code, city.code FROM lot JOIN city USING (city_id)
         WHERE lot.code = ANY($1) AND city_id <> $2 ORDER BY lot.code LIMIT 1",
    )
    .bind(&lots)
    .bind(city)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some((lot, other)) = elsewhere {
        let why = format!(
            "lot {lot:?} is of city {other:?}, not of {:?}",
            place.city.code
        );
        return Err(StoreError::Unsound(why));
    }
    let (mut of, mut codes) = (Vec::new(), Vec::new());
    for lot in &place.lots {
        for bay in &lot.bays {
            of.push(lot.code.as_str());
            codes.push(bay.code.as_str());
        }
    }
    let known: Option<(String, String)> = sqlx::query_as(
        "SELECT bay.code, lot.code FROM unnest($1::text[], $2::text[]) AS new (code, lot)
             JOIN bay ON bay.code = new.code JOIN lot ON lot.lot_id = bay.lot_id AND lot.code <> new.lot
         WHERE EXISTS (SELECT FROM bay_state WHERE bay_state.bay_id = bay.bay_id)
            OR EXISTS (SELECT FROM stay WHERE stay.bay_id = bay.bay_id)
            OR EXISTS (SELECT FROM session WHERE session.bay_id = bay.bay_id)
            OR EXISTS (SELECT FROM pass WHERE pass.bay_id = bay.bay_id)
         ORDER BY bay.code LIMIT 1",
    )
    .bind(&codes)
    .bind(&of)
    .fetch_optional(tx)
    .await?;
    match known {
        Some((bay, lot)) => {
            let why = format!(
                "bay {bay:?} has a history in lot {lot:?} and stays there: give it another code where it lies now"
            );
            Err(StoreError::Unsound(why))
        }
        None => Ok(()),
    }
}

async fn import_parties(tx: &mut PgConnection, city: i32, place: &Place) -> Result<(), StoreError> {
    for operator in &place.operators {
        let id: i32 = sqlx::query_scalar(
            "INSERT INTO operator (code, name, bank_bin, bank_account, city_share_bp, tax_code,
                                   address, invoice_code)
             VALUES ($1, $2, $3, $4, coalesce($5::smallint, 0), coalesce($6::text, ''), coalesce($7::text, ''),
                     coalesce($8::text, ''))
             -- What is left out stays as it is.
             ON CONFLICT (code) DO UPDATE SET name = excluded.name,
                bank_bin = excluded.bank_bin, bank_account = excluded.bank_account,
                city_share_bp = coalesce($5::smallint, operator.city_share_bp),
                tax_code = coalesce($6::text, operator.tax_code),
                address = coalesce($7::text, operator.address),
                invoice_code = coalesce($8::text, operator.invoice_code)
             RETURNING operator_id",
        )
        .bind(&operator.code)
        .bind(&operator.name)
        .bind(&operator.bank_bin)
        .bind(&operator.bank_account)
        .bind(
            operator
                .city_share_bp
                .map(|share| i16::try_from(share).unwrap_or(i16::MAX)),
        )
        .bind(&operator.tax_code)
        .bind(&operator.address)
        .bind(&operator.invoice_code)
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO account (code, kind, operator_id) VALUES ('operator:' || $1, 'operator', $2)
             ON CONFLICT (code) DO NOTHING",
        )
        .bind(&operator.code)
        .bind(id)
        .execute(&mut *tx)
        .await?;
    }
    for ward in &place.wards {
        sqlx::query(
            "INSERT INTO ward (city_id, code, name) VALUES ($1, $2, $3)
             ON CONFLICT (city_id, code) DO UPDATE SET name = excluded.name",
        )
        .bind(city)
        .bind(&ward.code)
        .bind(&ward.name)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Prices for zones that have none. How prices change is `tariff import`'s, by rules that look at what has been sold; the
/// result is the zones that have some, of those for which the document has others.
async fn import_tariffs(
    tx: &mut PgConnection,
    city: i32,
    place: &Place,
) -> Result<Vec<String>, StoreError> {
    let mut priced = Vec::new();
    for zone in &place.zones {
        let id: i32 = sqlx::query_scalar(
            "INSERT INTO zone (city_id, code, name) VALUES ($1, $2, $3)
             ON CONFLICT (city_id, code) DO UPDATE SET name = excluded.name
             RETURNING zone_id",
        )
        .bind(city)
        .bind(&zone.code)
        .bind(&zone.name)
        .fetch_one(&mut *tx)
        .await?;
        let known: Vec<Json<Tariff>> =
            sqlx::query_scalar("SELECT document FROM tariff WHERE zone_id = $1")
                .bind(id)
                .fetch_all(&mut *tx)
                .await?;
        if !known.is_empty() {
            let is_known = |tariff: &Tariff| known.iter().any(|Json(known)| known == tariff);
            if !zone.tariffs.iter().all(is_known) {
                priced.push(zone.code.clone());
            }
            continue;
        }
        for tariff in &zone.tariffs {
            sqlx::query(
                "INSERT INTO tariff (zone_id, class, effective_from, document)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (zone_id, class, effective_from) DO NOTHING",
            )
            .bind(id)
            .bind(tariff.class.code())
            .bind(tariff.effective_from)
            .bind(Json(tariff))
            .execute(&mut *tx)
            .await?;
        }
    }
    Ok(priced)
}

async fn import_lots(tx: &mut PgConnection, city: i32, place: &Place) -> Result<(), StoreError> {
    for lot in &place.lots {
        sqlx::query(
            "INSERT INTO lot (city_id, ward_id, zone_id, operator_id, code, name, kind, longitude, latitude,
                              licensed_places)
             SELECT $1, ward_id, zone_id, operator_id, $5, $6, $7, $8, $9, $10
             FROM ward, zone, operator
             WHERE ward.city_id = $1 AND ward.code = $2
               AND zone.city_id = $1 AND zone.code = $3 AND operator.code = $4
             ON CONFLICT (code) DO UPDATE SET ward_id = excluded.ward_id, zone_id = excluded.zone_id,
                operator_id = excluded.operator_id, name = excluded.name, kind = excluded.kind,
                longitude = excluded.longitude, latitude = excluded.latitude,
                licensed_places = excluded.licensed_places",
        )
        .bind(city)
        .bind(&lot.ward)
        .bind(&lot.zone)
        .bind(&lot.operator)
        .bind(&lot.code)
        .bind(&lot.name)
        .bind(lot.kind.code())
        .bind(lot.position[0])
        .bind(lot.position[1])
        .bind(lot.licensed_places.map(i64::from))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// A lot's bays, a column at a time: a recording has 40,000 of them.
async fn import_bays(tx: &mut PgConnection, lot: &Lot) -> Result<(), StoreError> {
    let codes: Vec<&str> = lot.bays.iter().map(|bay| bay.code.as_str()).collect();
    let classes: Vec<&str> = lot.bays.iter().map(|bay| bay.class.code()).collect();
    let accessible: Vec<bool> = lot.bays.iter().map(|b| b.amenities.accessible).collect();
    let charging: Vec<bool> = lot.bays.iter().map(|b| b.amenities.charging).collect();
    let outlines: Vec<String> = lot
        .bays
        .iter()
        .map(|bay| outline_text(&bay.outline))
        .collect();
    sqlx::query(
        "INSERT INTO bay (lot_id, code, class, outline, accessible, charging)
         SELECT lot_id, b.code, b.class, b.outline::real[], b.accessible, b.charging
         FROM lot, unnest($2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[])
                AS b (code, class, outline, accessible, charging)
         WHERE lot.code = $1
         ON CONFLICT (code) DO UPDATE SET lot_id = excluded.lot_id, class = excluded.class,
            outline = excluded.outline, accessible = excluded.accessible,
            charging = excluded.charging",
    )
    .bind(&lot.code)
    .bind(&codes)
    .bind(&classes)
    .bind(&outlines)
    .bind(&accessible)
    .bind(&charging)
    .execute(tx)
    .await?;
    Ok(())
}

/// The devices of all lots at once: one may come from a bay of another lot. A bay for which the document names none keeps
/// the one that it has.
async fn import_devices(
    tx: &mut PgConnection,
    lots: &[Lot],
    now: Timestamp,
) -> Result<Vec<Move>, StoreError> {
    let bays = lots.iter().flat_map(|lot| &lot.bays);
    let installed: Vec<Installation<'_>> = bays
        .filter_map(|bay| {
            Some(Installation {
                bay: &bay.code,
                device: bay.device.as_ref()?,
                from: None,
            })
        })
        .collect();
    devices_install(tx, &installed, now).await
}

/// PostgreSQL's text form of an array, since an array of arrays cannot be unnested row by row.
fn outline_text(outline: &[[f32; 2]; 4]) -> String {
    let numbers: Vec<String> = outline.iter().flatten().map(f32::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
