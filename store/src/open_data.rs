//! What open data needs beside the live board: where places belong, and what sensors saw. No plates, no
//! payments, no names of devices.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::id::{LotId, ZoneId};
use domain::occupancy::{OccupancyBucket, Tally, bucket_of};
use domain::place::VehicleClass;
use domain::tariff::Tariff;
use sqlx::FromRow;

use crate::place::class;
use crate::{Store, StoreError};

/// A lot, and all that it belongs to.
#[derive(Clone, Debug, FromRow)]
pub struct OpenLot {
    /// Its code.
    pub code: String,
    /// Its ward's code.
    pub ward: String,
    /// Its zone's code.
    pub zone: String,
    /// Its zone's name.
    pub zone_name: String,
    /// Its operator's code.
    pub operator: String,
    /// Its operator's name.
    pub operator_name: String,
    /// When it was first known here.
    pub published_at: Timestamp,
    /// When something about it changed last.
    pub changed_at: Timestamp,
}

/// A bay, as far as the live board does not tell.
#[derive(Clone, Debug, FromRow)]
pub struct OpenBay {
    /// Its code.
    pub code: String,
    /// When it was first known here.
    pub published_at: Timestamp,
    /// When something about it changed last.
    pub changed_at: Timestamp,
    /// The key of the device that watches it now.
    pub device_id: Option<i32>,
    /// Its model.
    pub model: Option<String>,
}

/// What a city consists of.
#[derive(Clone, Debug, Default)]
pub struct OpenPlaces {
    /// Its lots, by their codes.
    pub lots: BTreeMap<String, OpenLot>,
    /// Its bays, by their codes.
    pub bays: BTreeMap<String, OpenBay>,
    /// Its wards' names, by their codes.
    pub wards: BTreeMap<String, String>,
    /// Every version of every zone's tariffs, by the zone's code.
    pub tariffs: BTreeMap<String, Vec<Tariff>>,
}

/// What happened at a bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurbEventKind {
    /// A vehicle came.
    ParkStart,
    /// It left.
    ParkEnd,
    /// The sensor fell silent.
    CommsLost,
    /// It spoke again.
    CommsRestored,
}

/// Something that happened at a bay, as its sensor told.
#[derive(Clone, Debug)]
pub struct CurbEvent {
    /// What.
    pub kind: CurbEventKind,
    /// The bay's code.
    pub bay: String,
    /// Its lot's code.
    pub lot: String,
    /// When, by the sensor's clock.
    pub at: Timestamp,
    /// When it was known here.
    pub known_at: Timestamp,
    /// When the stay began that it is about.
    pub stay_from: Option<Timestamp>,
    /// The key of the device.
    pub device_id: Option<i32>,
    /// Its model.
    pub model: Option<String>,
}

/// A stay that a sensor saw whole and beyond doubt.
#[derive(Clone, Debug)]
pub struct OpenStay {
    /// The bay's code.
    pub bay: String,
    /// Its lot's code.
    pub lot: String,
    /// For what vehicle the bay is made.
    pub class: VehicleClass,
    /// When the vehicle came.
    pub from: Timestamp,
    /// When it left.
    pub until: Timestamp,
}

/// Of what an answer is about: lots or one bay, between two instants, and which part of it.
#[derive(Clone, Debug)]
pub struct OpenAsk<'a> {
    /// The city's code.
    pub city: &'a str,
    /// Only these lots.
    pub lots: Option<&'a [String]>,
    /// Only this bay.
    pub bay: Option<&'a str>,
    /// The first instant.
    pub from: Timestamp,
    /// The instant after the last.
    pub to: Timestamp,
    /// How many at most.
    pub limit: i64,
    /// How many to pass over.
    pub offset: i64,
}

/// How long the stays were that began in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dwell {
    /// How many of them have ended.
    pub stays: i64,
    /// How long they lasted together, in seconds.
    pub seconds: i64,
}

/// The bays asked for, and when their sensors were in doubt or lost.
const PLACES: &str = "place AS (
        SELECT bay_id, bay.code AS bay, bay.class, lot.code AS lot
        FROM bay JOIN lot USING (lot_id) JOIN city USING (city_id)
        WHERE city.code = $1 AND ($4::text[] IS NULL OR lot.code = ANY($4))
          AND ($5::text IS NULL OR bay.code = $5)
     ), doubt AS (
        SELECT bay_id, kind, during * tstzrange(since, until) AS during
        FROM device_fault JOIN device_assignment USING (device_id)
        WHERE kind IN ('stuck', 'flapping', 'clock', 'comms_lost') AND since < $3
     )";

/// Their stays that began from $2 to $3. The bay's names go along: a planner that expects few bays would join
/// them once more by comparing each with each.
const BEGAN: &str = "SELECT place.*, started_at, ended_at FROM stay JOIN place USING (bay_id)
        WHERE started_at >= $2 AND started_at < $3";

/// Their last stays that began before $2. A bay's stays do not overlap, so that no earlier one can end later.
const BEFORE: &str = "SELECT place.*, started_at, ended_at
        FROM place CROSS JOIN LATERAL (
            -- Written so that only the primary key has that order: along another index the whole past may be read.
            SELECT started_at, ended_at FROM stay
            WHERE stay.bay_id >= place.bay_id AND (stay.bay_id, started_at) < (place.bay_id, $2)
            ORDER BY stay.bay_id DESC, started_at DESC LIMIT 1) AS last";

/// Of stays, those that were seen whole by a sensor beyond doubt.
const SURE: &str = "NOT EXISTS (
        SELECT FROM doubt WHERE doubt.bay_id = near.bay_id AND doubt.during && tstzrange(started_at, ended_at))";

impl Store {
    /// What a city consists of.
    ///
    /// # Errors
    /// Database errors.
    pub async fn open_places(&self, city: &str) -> Result<OpenPlaces, StoreError> {
        let mut tx = self.snapshot().await?;
        let lots: Vec<OpenLot> = sqlx::query_as(
            "SELECT lot.code, ward.code AS ward, zone.code AS zone, zone.name AS zone_name,
                    operator.code AS operator, operator.name AS operator_name, published_at, changed_at
             FROM lot JOIN city USING (city_id) JOIN ward USING (ward_id) JOIN zone USING (zone_id)
                  JOIN operator USING (operator_id)
             WHERE city.code = $1",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        let bays: Vec<OpenBay> = sqlx::query_as(
            "SELECT bay.code, bay.published_at, bay.changed_at, device_id, model
             FROM bay JOIN lot USING (lot_id) JOIN city USING (city_id)
                  LEFT JOIN device_assignment AS a ON a.bay_id = bay.bay_id AND upper_inf(during)
                  LEFT JOIN device USING (device_id)
             WHERE city.code = $1",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        let wards: Vec<(String, String)> = sqlx::query_as(
            "SELECT ward.code, ward.name FROM ward JOIN city USING (city_id) WHERE city.code = $1",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        let zones: Vec<(i32, String)> = sqlx::query_as(
            "SELECT zone_id, zone.code FROM zone JOIN city USING (city_id) WHERE city.code = $1",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let ids: Vec<i32> = zones.iter().map(|zone| zone.0).collect();
        let mut versions = self.tariffs_of(&ids).await?;
        let tariffs = zones.into_iter().map(|(id, code)| {
            let versions = versions.remove(&ZoneId(id)).unwrap_or_default();
            let mut tariffs: Vec<Tariff> = versions.into_iter().map(|v| v.tariff).collect();
            tariffs.sort_by_key(|tariff| (tariff.class, tariff.effective_from));
            (code, tariffs)
        });
        Ok(OpenPlaces {
            lots: lots
                .into_iter()
                .map(|lot| (lot.code.clone(), lot))
                .collect(),
            bays: bays
                .into_iter()
                .map(|bay| (bay.code.clone(), bay))
                .collect(),
            wards: wards.into_iter().collect(),
            tariffs: tariffs.collect(),
        })
    }

    /// What happened at bays, the newest first. What a sensor told while it was in doubt is left out.
    ///
    /// # Errors
    /// Database errors.
    pub async fn open_events(&self, ask: &OpenAsk<'_>) -> Result<Vec<CurbEvent>, StoreError> {
        let sql = format!(
            "WITH {PLACES}, near AS ({BEGAN} UNION ALL {BEFORE}), moment AS (
                SELECT 'park_start' AS kind, bay_id, bay, lot, started_at AS at, started_at FROM near
                WHERE started_at >= $2
                UNION ALL
                SELECT 'park_end', bay_id, bay, lot, ended_at, started_at FROM near
                WHERE ended_at >= $2 AND ended_at < $3
             ), told AS (
                SELECT kind, bay, lot, at, started_at, device_id
                FROM moment LEFT JOIN device_assignment AS a ON a.bay_id = moment.bay_id AND during @> at
                WHERE NOT EXISTS (
                    SELECT FROM doubt WHERE doubt.bay_id = moment.bay_id AND doubt.kind <> 'comms_lost'
                       AND doubt.during @> at)
                UNION ALL
                SELECT event_type, bay, lot, at, NULL, device_id
                FROM device_comms_event JOIN device_assignment USING (device_id) JOIN place USING (bay_id)
                WHERE at >= $2 AND at < $3 AND during @> at
             ), page AS (
                SELECT * FROM told ORDER BY at DESC, bay, kind LIMIT $6 OFFSET $7
             )
             SELECT kind, bay, lot, at, started_at, page.device_id, model,
                    coalesce((SELECT min(received_at) FROM event
                              WHERE event.device_id = page.device_id AND event.at = page.at), at) AS known_at
             FROM page LEFT JOIN device USING (device_id)
             ORDER BY at DESC, bay, kind"
        );
        let rows: Vec<EventRow> = asking(&sql, ask).fetch_all(&self.pool).await?;
        rows.into_iter().map(EventRow::event).collect()
    }

    /// The stays that ended between two instants, the newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn open_stays(&self, ask: &OpenAsk<'_>) -> Result<Vec<OpenStay>, StoreError> {
        let sql = format!(
            "WITH {PLACES}, near AS ({BEGAN} UNION ALL {BEFORE})
             SELECT bay, lot, class, started_at, ended_at FROM near
             WHERE ended_at >= $2 AND ended_at < $3 AND {SURE}
             ORDER BY ended_at DESC, bay LIMIT $6 OFFSET $7"
        );
        let rows: Vec<StayRow> = asking(&sql, ask).fetch_all(&self.pool).await?;
        let stay = |row: StayRow| {
            Ok(OpenStay {
                class: class(&row.class)?,
                bay: row.bay,
                lot: row.lot,
                from: row.started_at,
                until: row.ended_at,
            })
        };
        rows.into_iter().map(stay).collect()
    }

    /// How long stays were, by their lot and the hour in which they began, counted from `ask.from`. Only stays
    /// that have ended and were seen whole.
    ///
    /// # Errors
    /// Database errors.
    pub async fn open_dwells(
        &self,
        ask: &OpenAsk<'_>,
    ) -> Result<BTreeMap<(String, Timestamp), Dwell>, StoreError> {
        let sql = format!(
            "WITH {PLACES}, near AS ({BEGAN})
             SELECT lot, date_bin('1 hour', started_at, $2) AS hour, count(*) AS stays,
                    extract(epoch FROM sum(ended_at - started_at))::bigint AS seconds
             FROM near
             WHERE ended_at IS NOT NULL AND {SURE}
             GROUP BY 1, 2 ORDER BY 1, 2 LIMIT $6 OFFSET $7"
        );
        let rows: Vec<(String, Timestamp, i64, i64)> =
            asking(&sql, ask).fetch_all(&self.pool).await?;
        let dwell = |(lot, hour, stays, seconds)| ((lot, hour), Dwell { stays, seconds });
        Ok(rows.into_iter().map(dwell).collect())
    }

    /// What each of some lots' bays did between two instants, as [`Store::lot_occupancy`] tells of one.
    ///
    /// # Errors
    /// Database errors.
    pub async fn lots_occupancy(
        &self,
        lots: &[String],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<BTreeMap<String, Vec<OccupancyBucket>>, StoreError> {
        let (from, to) = (bucket_of(from), bucket_of(to));
        let mut tx = self.snapshot().await?;
        let known: Vec<(i32, String)> =
            sqlx::query_as("SELECT lot_id, code FROM lot WHERE code = ANY($1)")
                .bind(lots)
                .fetch_all(&mut *tx)
                .await?;
        let ids: Vec<i32> = known.iter().map(|lot| lot.0).collect();
        let bays: Vec<i32> = sqlx::query_scalar("SELECT bay_id FROM bay WHERE lot_id = ANY($1)")
            .bind(&ids)
            .fetch_all(&mut *tx)
            .await?;
        let rows: Vec<(i32, Timestamp, i64, i64, i64)> = sqlx::query_as(
            "SELECT lot_id, bucket, occupied_us, free_us, arrivals::bigint FROM lot_occupancy
             WHERE lot_id = ANY($1) AND bucket >= $2 AND bucket < $3",
        )
        .bind(&ids)
        .bind(from)
        .bind(to)
        .fetch_all(&mut *tx)
        .await?;
        let mut tallies = self.present(&mut tx, bays, now).await?;
        tx.commit().await?;
        for (lot, at, occupied_us, free_us, arrivals) in rows {
            let tally = Tally {
                occupied_us,
                free_us,
                arrivals,
            };
            tallies.entry(LotId(lot)).or_default().add(at, tally);
        }
        let buckets = known.into_iter().map(|(id, code)| {
            let tallies = tallies.remove(&LotId(id)).unwrap_or_default();
            let asked = tallies
                .changes()
                .filter(|(at, _)| (from..to).contains(at))
                .map(|(at, tally)| OccupancyBucket { at, tally });
            (code, asked.collect())
        });
        Ok(buckets.collect())
    }
}

fn asking<'q, T>(
    sql: &str,
    ask: &OpenAsk<'q>,
) -> sqlx::query::QueryAs<'q, sqlx::Postgres, T, sqlx::postgres::PgArguments>
where
    T: for<'r> FromRow<'r, sqlx::postgres::PgRow>,
{
    sqlx::query_as(sqlx::AssertSqlSafe(sql.to_owned()))
        .bind(ask.city)
        .bind(ask.from)
        .bind(ask.to)
        .bind(ask.lots)
        .bind(ask.bay)
        .bind(ask.limit)
        .bind(ask.offset)
}

#[derive(FromRow)]
struct EventRow {
    kind: String,
    bay: String,
    lot: String,
    at: Timestamp,
    started_at: Option<Timestamp>,
    device_id: Option<i32>,
    model: Option<String>,
    known_at: Timestamp,
}

impl EventRow {
    fn event(self) -> Result<CurbEvent, StoreError> {
        let kind = match self.kind.as_str() {
            "park_start" => CurbEventKind::ParkStart,
            "park_end" => CurbEventKind::ParkEnd,
            "comms_lost" => CurbEventKind::CommsLost,
            "comms_restored" => CurbEventKind::CommsRestored,
            other => return Err(crate::corrupt("kind of event", other)),
        };
        Ok(CurbEvent {
            kind,
            bay: self.bay,
            lot: self.lot,
            at: self.at,
            known_at: self.known_at,
            stay_from: self.started_at,
            device_id: self.device_id,
            model: self.model,
        })
    }
}

#[derive(FromRow)]
struct StayRow {
    bay: String,
    lot: String,
    class: String,
    started_at: Timestamp,
    ended_at: Timestamp,
}
