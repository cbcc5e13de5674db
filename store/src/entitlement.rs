//! Who is entitled to pay less: passes and exemptions, found by plate.

use domain::Timestamp;
use domain::id::{BayId, ExemptionId, PassId, ZoneId};
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::tariff::{Entitlement, Pass, PassOffer};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::place::class;
use crate::{Store, StoreError};

/// A vehicle that begins to park somewhere.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Its plate.
    pub plate: Plate,
    /// What it is.
    pub class: VehicleClass,
    /// The bay.
    pub bay: BayId,
    /// The bay's zone.
    pub zone: ZoneId,
    /// How many minutes are free there for whoever parks no longer.
    pub free_min: u32,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

/// On which row an entitlement rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A pass; the first of them where it was renewed.
    Pass(PassId),
    /// An exemption.
    Exemption(ExemptionId),
}

/// An entitlement that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitled {
    /// Why they pay less.
    pub entitlement: Entitlement,
    /// Where that stands.
    pub source: Source,
}

impl Store {
    /// What each holder may be entitled by, in the order of the argument: exemptions in force when
    /// it begins, then paid passes that count within its time, renewals joined.
    ///
    /// # Errors
    /// Database errors.
    pub async fn entitlements(&self, holders: &[Holder]) -> Result<Vec<Vec<Entitled>>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "WITH holder AS (
                SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::timestamptz[])
                    WITH ORDINALITY AS h (plate, class, zone_id, since, n))
             SELECT n, exemption_id AS id, ground, NULL::jsonb AS offer, NULL AS zone, e.class,
                    starts_at, ends_at
             FROM holder h JOIN exemption e ON e.plate = h.plate AND e.class = h.class
                AND coalesce(e.zone_id, h.zone_id) = h.zone_id
                AND e.starts_at <= since AND e.ends_at > since
                AND coalesce(withdrawn_at > since, true)
             UNION ALL
             SELECT n, pass_id, NULL, offer, zone.code, p.class, p.starts_at, p.ends_at
             FROM holder h JOIN held_pass p ON p.plate = h.plate AND p.class = h.class
                AND p.zone_id = h.zone_id AND p.ends_at > since
                JOIN zone ON zone.zone_id = p.zone_id
             ORDER BY n, ground NULLS LAST, starts_at, id",
        )
        .bind(texts(holders, |holder| holder.plate.reveal()))
        .bind(texts(holders, |holder| holder.class.code()))
        .bind(
            holders
                .iter()
                .map(|holder| holder.zone.0)
                .collect::<Vec<_>>(),
        )
        .bind(holders.iter().map(|holder| holder.from).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let mut found = vec![Vec::new(); holders.len()];
        for row in rows {
            let place = usize::try_from(row.n - 1).unwrap_or(usize::MAX);
            if let Some(of_holder) = found.get_mut(place) {
                row.add_to(of_holder)?;
            }
        }
        for (of_holder, holder) in found.iter_mut().zip(holders) {
            // Renewals are joined before what begins too late is left out.
            of_holder.retain(|known: &Entitled| match &known.entitlement {
                Entitlement::Pass(pass) => pass.from < holder.to,
                Entitlement::Exemption { .. } => true,
            });
        }
        Ok(found)
    }
}

fn texts<'a>(holders: &'a [Holder], get: fn(&'a Holder) -> &'a str) -> Vec<&'a str> {
    holders.iter().map(get).collect()
}

#[derive(FromRow)]
struct Row {
    n: i64,
    id: Uuid,
    ground: Option<String>,
    offer: Option<Json<PassOffer>>,
    zone: Option<String>,
    class: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

impl Row {
    fn add_to(self, found: &mut Vec<Entitled>) -> Result<(), StoreError> {
        let Some(Json(offer)) = self.offer else {
            let ground = self.ground.unwrap_or_default();
            found.push(Entitled {
                entitlement: Entitlement::Exemption { ground },
                source: Source::Exemption(ExemptionId(self.id)),
            });
            return Ok(());
        };
        let pass = Pass {
            class: class(&self.class)?,
            zone: self.zone.unwrap_or_default(),
            offer,
            from: self.starts_at,
            to: self.ends_at,
        };
        for known in found.iter_mut() {
            if let Entitlement::Pass(earlier) = &mut known.entitlement
                && let Some(joined) = earlier.joined(&pass)
            {
                *earlier = joined;
                return Ok(());
            }
        }
        found.push(Entitled {
            entitlement: Entitlement::Pass(pass),
            source: Source::Pass(PassId(self.id)),
        });
        Ok(())
    }
}
