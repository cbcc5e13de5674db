//! Monthly passes that drivers buy.

use domain::Timestamp;
use domain::id::{BayId, PassId, PurchaseId, TariffId, ZoneId};
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::purchase::{PurchaseKind, PurchaseStatus};
use domain::tariff::{Pass, PassOffer};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::failpoint::{Step, commit};
use crate::idempotency::{Claim, Intent, claim};
use crate::place::class;
use crate::purchase::{NewPurchase, purchases_insert};
use crate::{Store, StoreError, corrupt};

/// A pass to be written.
#[derive(Clone, Debug)]
pub struct NewPass {
    /// Its identity, used unless the intent was done before.
    pub id: PassId,
    /// Where it is bought.
    pub bay: BayId,
    /// The zone in which it counts.
    pub zone: ZoneId,
    /// The tariff version that offers it.
    pub tariff: TariffId,
    /// For which vehicle.
    pub plate: Plate,
    /// What it is.
    pub pass: Pass,
    /// The value-added tax contained in its price, in basis points.
    pub vat_bp: u16,
    /// The client's key and request.
    pub intent: Intent,
}

/// A pass as it is kept.
#[derive(Clone, Debug)]
pub struct BoughtPass {
    /// Its identity, which is that of its purchase.
    pub id: PassId,
    /// The code of the bay where it was bought.
    pub bay_code: String,
    /// For which vehicle.
    pub plate: Plate,
    /// What it is.
    pub pass: Pass,
    /// Whether it is paid for.
    pub status: PurchaseStatus,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// What became of a pass that was to be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bought {
    /// It waits for its payment, now or since the same intent before.
    Pass(PassId),
    /// The vehicle has one of its kind for some of that time.
    HeldAlready,
    /// The key belongs to another request.
    KeyMismatch,
}

impl Store {
    /// Writes a pass that counts once it is paid, once per intent.
    ///
    /// # Errors
    /// Database errors; then nothing is written.
    pub async fn pass_buy(&self, new: &NewPass, now: Timestamp) -> Result<Bought, StoreError> {
        let mut tx = self.begin().await?;
        match claim(&mut tx, "pass", &[(&new.intent, new.id.0)], now)
            .await?
            .first()
        {
            Some(Claim::New) => {}
            Some(Claim::Done(id)) => return Ok(Bought::Pass(PassId(*id))),
            _ => return Ok(Bought::KeyMismatch),
        }
        let held: bool = sqlx::query_scalar(
            "SELECT EXISTS (
                SELECT FROM held_pass
                WHERE plate = $1 AND ends_at > $2 AND starts_at < $3 AND zone_id = $4
                  AND class = $5 AND offer ->> 'kind' = $6)",
        )
        .bind(new.plate.reveal())
        .bind(new.pass.from)
        .bind(new.pass.to)
        .bind(new.zone.0)
        .bind(new.pass.class.code())
        .bind(new.pass.offer.kind.code())
        .fetch_one(&mut *tx)
        .await?;
        if held {
            return Ok(Bought::HeldAlready);
        }
        let purchase = NewPurchase {
            id: PurchaseId(new.id.0),
            kind: PurchaseKind::Pass,
            session: None,
            wallet: None,
            tariff: Some(new.tariff),
            time: Some((new.pass.from, new.pass.to)),
            quote: &new.pass.quote(),
            vat_bp: new.vat_bp,
        };
        purchases_insert(&mut tx, &[purchase], now).await?;
        sqlx::query(
            "INSERT INTO pass (pass_id, bay_id, zone_id, plate, class, offer, starts_at, ends_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.id.0)
        .bind(new.bay.0)
        .bind(new.zone.0)
        .bind(new.plate.reveal())
        .bind(new.pass.class.code())
        .bind(Json(new.pass.offer))
        .bind(new.pass.from)
        .bind(new.pass.to)
        .execute(&mut *tx)
        .await?;
        commit(tx, Step::Pass).await?;
        Ok(Bought::Pass(new.id))
    }

    /// The pass of that identity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn pass(&self, id: PassId) -> Result<BoughtPass, StoreError> {
        let row: Option<PassRow> = sqlx::query_as(
            "SELECT pass_id, bay.code AS bay_code, zone.code AS zone, plate, pass.class, offer,
                    pass.starts_at, pass.ends_at, purchase.status, purchase.created_at
             FROM pass JOIN purchase ON purchase_id = pass_id JOIN bay USING (bay_id)
                  JOIN zone USING (zone_id)
             WHERE pass_id = $1",
        )
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound("pass"))?.pass()
    }
}

#[derive(FromRow)]
struct PassRow {
    pass_id: Uuid,
    bay_code: String,
    zone: String,
    plate: String,
    class: String,
    offer: Json<PassOffer>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    status: String,
    created_at: Timestamp,
}

impl PassRow {
    fn pass(self) -> Result<BoughtPass, StoreError> {
        let class: VehicleClass = class(&self.class)?;
        Ok(BoughtPass {
            id: PassId(self.pass_id),
            bay_code: self.bay_code,
            plate: Plate::stored(&self.plate).map_err(|why| corrupt("plate", why))?,
            pass: Pass {
                class,
                zone: self.zone,
                offer: self.offer.0,
                from: self.starts_at,
                to: self.ends_at,
            },
            status: PurchaseStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("purchase status", &self.status))?,
            created_at: self.created_at,
        })
    }
}
