//! Stays and paid sessions of a city's bays, and of which time anything was known: for what was collected
//! against what sensors saw, and for what lots held. No plates.

use std::collections::BTreeMap;

use chrono::{NaiveDate, SubsecRound, TimeDelta};
use domain::Timestamp;
use domain::collection::{SeenStay, Waiver};
use domain::id::{BayId, LotId, ZoneId};
use domain::occupancy::Span;
use domain::place::VehicleClass;
use domain::tariff::Tariff;
use sqlx::FromRow;
use sqlx::types::Json;

use crate::place::{class, zone_name};
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
    /// What somebody decided to give back of it, in đồng.
    pub given_back_vnd: i64,
    /// Why it was sold below the board's price, where it was.
    pub waiver: Option<Waiver>,
    /// Whether it is paid for when it ends, and that is still to come.
    pub is_unsettled: bool,
}

/// One bay's past.
#[derive(Clone, Debug)]
pub struct BayPast {
    /// Its key.
    pub bay: BayId,
    /// Its lot's key.
    pub lot: LotId,
    /// Its price zone's key.
    pub zone: ZoneId,
    /// What it is made for.
    pub class: VehicleClass,
    /// What its sensor told, in order of time.
    pub stays: Vec<SeenStay>,
    /// Paid sessions, in order of time.
    pub sold: Vec<SoldTime>,
    /// When nobody knew what it held, since its lot began, in order of time.
    pub unknown: Vec<Span>,
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
    /// How many vehicles it may hold at once, where the city has told.
    pub licensed_places: Option<i32>,
}

impl LotNames {
    /// How many vehicles it may hold at once, where the city has told.
    pub fn licensed(&self) -> Option<u32> {
        u32::try_from(self.licensed_places?).ok()
    }
}

/// The past of a city's bays around a range of time.
#[derive(Clone, Debug, Default)]
pub struct CityPast {
    /// Its lots.
    pub lots: Vec<LotNames>,
    /// Every version of every zone's prices.
    pub tariffs: BTreeMap<ZoneId, Vec<Tariff>>,
    /// Its bays.
    pub bays: Vec<BayPast>,
    /// Bay-microseconds by lot and local day of which it was known what bays held.
    pub known_us: BTreeMap<(LotId, NaiveDate), i64>,
    /// When lots began, with the first that was known of them; without those that were known all the time,
    /// and those of which nothing ever was.
    pub begun: BTreeMap<LotId, Timestamp>,
}

impl Store {
    /// Stays and paid sessions of a city from `from` to `to` and some time around, as it is known at
    /// `now`: a vehicle that is still there stays until then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such city; database errors.
    pub async fn city_past(
        &self,
        city: &str,
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<CityPast, StoreError> {
        // As precise as what is kept.
        let now = now.trunc_subsecs(6);
        let (from, to) = (from - AROUND, to + AROUND);
        let mut tx = self.snapshot().await?;
        let tz: String = sqlx::query_scalar("SELECT timezone FROM city WHERE code = $1")
            .bind(city)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(StoreError::NotFound("city"))?;
        let lots: Vec<LotNames> = sqlx::query_as(
            "SELECT lot_id, lot.code AS lot, lot.name AS lot_name, ward.code AS ward,
                    ward.name AS ward_name, operator.code AS operator, operator.name AS operator_name,
                    licensed_places
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
        let stays: Vec<(i32, Timestamp, Option<Timestamp>)> = sqlx::query_as(
            "SELECT bay_id, started_at, ended_at FROM stay
             WHERE bay_id = ANY($1) AND started_at >= $2 AND started_at < least($3, $4)
             UNION ALL
             -- Stays of a bay follow one another: only the last before can reach into it.
             SELECT bay.bay_id, started_at, ended_at FROM unnest($1::int[]) AS bay (bay_id), LATERAL (
                SELECT started_at, ended_at FROM stay
                WHERE stay.bay_id = bay.bay_id AND started_at < $2 ORDER BY started_at DESC LIMIT 1) AS before
             WHERE coalesce(ended_at, 'infinity') > $2
             ORDER BY 1, 2",
        )
        .bind(&ids)
        .bind(from)
        .bind(to)
        .bind(now)
        .fetch_all(&mut *tx)
        .await?;
        // What belongs to a stay is read until it ends, however long after the range.
        let lasting: BTreeMap<BayId, Timestamp> = stays
            .iter()
            .map(|(bay, _, ended_at)| (BayId(*bay), ended_at.map_or(now, |at| at.min(now))))
            .filter(|(_, until)| *until > to)
            .collect();
        let sold: Vec<SoldRow> = sqlx::query_as(
            "SELECT bay_id, session.starts_at, session.ends_at, pass_id IS NOT NULL AS by_pass,
                    exemption_id IS NOT NULL AS exempt, money.collected_vnd, money.given_back_vnd,
                    metered AND EXISTS (
                        SELECT FROM purchase WHERE purchase_id = session.session_id AND purchase.status = 'pending')
                        AS is_unsettled
             FROM session, LATERAL (
                SELECT coalesce(sum(receipt.amount_vnd - back.refunded_vnd), 0)::bigint AS collected_vnd,
                       coalesce(sum(back.given_back_vnd), 0)::bigint AS given_back_vnd
                FROM purchase JOIN payment USING (purchase_id) JOIN receipt USING (payment_id), LATERAL (
                    SELECT coalesce(sum(refund.amount_vnd), 0) AS refunded_vnd,
                           coalesce(sum(refund.amount_vnd) FILTER (WHERE ground IN ('dispute', 'staff')), 0)
                                AS given_back_vnd
                    FROM refund WHERE refund.payment_id = receipt.payment_id) AS back
                WHERE purchase.session_id = session.session_id AND purchase.status = 'paid') AS money
             WHERE bay_id = ANY($1) AND session.status = 'paid' AND session.starts_at >= $2
               AND session.ends_at > session.starts_at
               AND (session.starts_at < $3 OR EXISTS (
                    SELECT FROM unnest($4::int[], $5::timestamptz[]) AS there (bay_id, until)
                    WHERE there.bay_id = session.bay_id AND session.starts_at < until))
             ORDER BY bay_id, session.starts_at",
        )
        .bind(&ids)
        .bind(from)
        .bind(to)
        .bind(lasting.keys().map(|bay| bay.0).collect::<Vec<_>>())
        .bind(lasting.values().copied().collect::<Vec<_>>())
        .fetch_all(&mut *tx)
        .await?;
        let lot_of = |(bay, lot, ..): &(i32, i32, i32, String)| (BayId(*bay), LotId(*lot));
        let during = Span {
            from,
            until: to.min(now),
        };
        let mut known = self
            .known_past(
                &mut tx,
                &bays.iter().map(lot_of).collect(),
                &lasting,
                during,
                zone_name(&tz)?,
            )
            .await?;
        tx.commit().await?;
        let mut past: BTreeMap<BayId, BayPast> = BTreeMap::new();
        for (bay, lot, zone, of) in bays {
            let bay_past = BayPast {
                bay: BayId(bay),
                lot: LotId(lot),
                zone: ZoneId(zone),
                class: class(&of)?,
                stays: Vec::new(),
                sold: Vec::new(),
                unknown: known.unknown.remove(&BayId(bay)).unwrap_or_default(),
            };
            past.insert(BayId(bay), bay_past);
        }
        for (bay, from, ended_at) in stays {
            // Of a device whose clock runs ahead, the end may lie in the future.
            let to = ended_at.filter(|to| *to <= now);
            if let Some(bay) = past.get_mut(&BayId(bay)).filter(|_| from < now) {
                bay.stays.push(SeenStay {
                    from,
                    to: to.unwrap_or(now),
                    is_open: to.is_none(),
                });
            }
        }
        for row in sold {
            if let Some(bay) = past.get_mut(&BayId(row.bay_id)) {
                bay.sold.push(row.sold());
            }
        }
        let mut by_zone: BTreeMap<ZoneId, Vec<Tariff>> = BTreeMap::new();
        for (zone, Json(tariff)) in tariffs {
            by_zone.entry(ZoneId(zone)).or_default().push(tariff);
        }
        Ok(CityPast {
            lots,
            tariffs: by_zone,
            bays: past.into_values().collect(),
            known_us: known.known_us,
            begun: known.begun,
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
    given_back_vnd: i64,
    is_unsettled: bool,
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
            given_back_vnd: self.given_back_vnd,
            waiver,
            is_unsettled: self.is_unsettled,
        }
    }
}
