//! Stays and paid sessions of a city's bays, for what was collected against what sensors saw. No plates.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::collection::{SeenStay, Waiver};
use domain::id::{BayId, LotId, ZoneId};
use domain::place::VehicleClass;
use domain::tariff::Tariff;
use sqlx::FromRow;
use sqlx::types::Json;

use crate::place::class;
use crate::{Store, StoreError};

/// For so long before and after a range stays and sessions are read that may belong together with one
/// within it.
const AROUND: TimeDelta = TimeDelta::days(2);

/// A paid session as it was recorded.
#[derive(Clone, Copy, Debug)]
pub struct SoldTime {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// What it brought, less what went back, in đồng.
    pub collected_vnd: i64,
    /// Why it was sold below the board's price, where it was.
    pub waiver: Option<Waiver>,
}

/// One bay's past.
#[derive(Clone, Debug)]
pub struct BayPast {
    /// Its lot's key.
    pub lot: LotId,
    /// Its price zone's key.
    pub zone: ZoneId,
    /// What it is made for.
    pub class: VehicleClass,
    /// Stays that its sensor saw without doubt or loss, in order of time.
    pub stays: Vec<SeenStay>,
    /// Paid sessions, in order of time.
    pub sold: Vec<SoldTime>,
}

/// A lot as reports name it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct LotNames {
    /// Its key.
    pub lot_id: i32,
    /// Its code.
    pub lot: String,
    /// Its name.
    pub lot_name: String,
    /// Its ward's code.
    pub ward: String,
    /// Its ward's name.
    pub ward_name: String,
    /// Its operator's code.
    pub operator: String,
    /// Its operator's name.
    pub operator_name: String,
}

/// The past of a city's bays around a range of time.
#[derive(Clone, Debug, Default)]
pub struct CityPast {
    /// Its lots.
    pub lots: Vec<LotNames>,
    /// Every version of every zone's prices.
    pub tariffs: BTreeMap<ZoneId, Vec<Tariff>>,
    /// Bays with stays or sessions.
    pub bays: Vec<BayPast>,
}

impl Store {
    /// Stays and paid sessions of a city from `from` to `to` and some time around, as it is known at
    /// `now`: a vehicle that is still there stays until then.
    ///
    /// # Errors
    /// Database errors.
    pub async fn city_past(
        &self,
        city: &str,
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<CityPast, StoreError> {
        let (from, to) = (from - AROUND, to + AROUND);
        let mut tx = self.snapshot().await?;
        let lots: Vec<LotNames> = sqlx::query_as(
            "SELECT lot_id, lot.code AS lot, lot.name AS lot_name, ward.code AS ward,
                    ward.name AS ward_name, operator.code AS operator, operator.name AS operator_name
             FROM lot JOIN city USING (city_id) JOIN ward USING (ward_id) JOIN operator USING (operator_id)
             WHERE city.code = $1 ORDER BY lot.code",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        let bays: Vec<(i32, i32, i32, String)> = sqlx::query_as(
            "SELECT bay_id, lot_id, zone_id, class FROM bay JOIN lot USING (lot_id) JOIN city USING (city_id)
             WHERE city.code = $1",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        let tariffs: Vec<(i32, Json<Tariff>)> = sqlx::query_as(
            "SELECT zone_id, document FROM tariff
             WHERE zone_id IN (SELECT zone_id FROM lot JOIN city USING (city_id) WHERE city.code = $1)",
        )
        .bind(city)
        .fetch_all(&mut *tx)
        .await?;
        let ids: Vec<i32> = bays.iter().map(|bay| bay.0).collect();
        let stays: Vec<(i32, Timestamp, Timestamp)> = sqlx::query_as(
            "WITH unsure AS (
                SELECT bay_id, during * tstzrange(since, until) AS during
                FROM device_fault JOIN device_assignment USING (device_id)
                WHERE kind IN ('stuck', 'flapping', 'clock', 'comms_lost') AND since < $3
                  AND coalesce(until, 'infinity') > $2)
             SELECT bay_id, started_at, least(coalesce(ended_at, $4), $4)
             FROM stay
             -- Longer ones have no price.
             WHERE bay_id = ANY($1) AND started_at >= $2 - interval '31 days' AND started_at < least($3, $4)
               AND coalesce(ended_at, $4) > $2
               AND NOT EXISTS (
                    SELECT FROM unsure WHERE unsure.bay_id = stay.bay_id
                        AND unsure.during && tstzrange(started_at, coalesce(ended_at, $4)))
             ORDER BY bay_id, started_at",
        )
        .bind(&ids)
        .bind(from)
        .bind(to)
        .bind(now)
        .fetch_all(&mut *tx)
        .await?;
        let sold: Vec<SoldRow> = sqlx::query_as(
            "SELECT bay_id, session.starts_at, session.ends_at, pass_id IS NOT NULL AS by_pass,
                    exemption_id IS NOT NULL AS exempt, money.collected_vnd
             FROM session, LATERAL (
                SELECT coalesce(sum(receipt.amount_vnd - refunded_vnd(receipt.payment_id)), 0)::bigint
                            AS collected_vnd
                FROM purchase JOIN payment USING (purchase_id) JOIN receipt USING (payment_id)
                WHERE purchase.session_id = session.session_id AND purchase.status = 'paid') AS money
             WHERE bay_id = ANY($1) AND session.status = 'paid' AND session.starts_at >= $2
               AND session.starts_at < $3 AND session.ends_at > session.starts_at
             ORDER BY bay_id, session.starts_at",
        )
        .bind(&ids)
        .bind(from)
        .bind(to)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut past: BTreeMap<BayId, BayPast> = BTreeMap::new();
        for (bay, lot, zone, of) in bays {
            let bay_past = BayPast {
                lot: LotId(lot),
                zone: ZoneId(zone),
                class: class(&of)?,
                stays: Vec::new(),
                sold: Vec::new(),
            };
            past.insert(BayId(bay), bay_past);
        }
        for (bay, from, to) in stays.into_iter().filter(|(_, from, to)| from < to) {
            if let Some(bay) = past.get_mut(&BayId(bay)) {
                bay.stays.push(SeenStay { from, to });
            }
        }
        for row in sold {
            if let Some(bay) = past.get_mut(&BayId(row.bay_id)) {
                bay.sold.push(row.sold());
            }
        }
        past.retain(|_, bay| !bay.stays.is_empty() || !bay.sold.is_empty());
        let mut by_zone: BTreeMap<ZoneId, Vec<Tariff>> = BTreeMap::new();
        for (zone, Json(tariff)) in tariffs {
            by_zone.entry(ZoneId(zone)).or_default().push(tariff);
        }
        Ok(CityPast {
            lots,
            tariffs: by_zone,
            bays: past.into_values().collect(),
        })
    }
}

#[derive(FromRow)]
struct SoldRow {
    bay_id: i32,
    starts_at: Timestamp,
    ends_at: Timestamp,
    by_pass: bool,
    exempt: bool,
    collected_vnd: i64,
}

impl SoldRow {
    fn sold(&self) -> SoldTime {
        let waiver = match (self.by_pass, self.exempt) {
            (true, _) => Some(Waiver::Pass),
            (_, true) => Some(Waiver::Exemption),
            _ => None,
        };
        SoldTime {
            from: self.starts_at,
            to: self.ends_at,
            collected_vnd: self.collected_vnd,
            waiver,
        }
    }
}
