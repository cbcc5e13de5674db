//! The live board as the database knows it: every bay, what its device told last, what is paid.

use std::collections::{BTreeMap, HashMap};

use domain::Timestamp;
use domain::board::{BayDelta, BoardBay, BoardLot, PaidTime};
use domain::id::{BayId, LotId, SessionId};
use domain::place::{Amenities, LotKind};
use sqlx::FromRow;
use uuid::Uuid;

use crate::place::class;
use crate::{Store, StoreError, corrupt};

/// How long a session that has run out is still loaded for the board, to tell an overstayed
/// vehicle from an unpaid one.
const OVERSTAY_MEMORY: chrono::TimeDelta = chrono::TimeDelta::days(2);

impl Store {
    /// Every lot with its bays, what their devices told last and what is paid, as of `now`.
    ///
    /// # Errors
    /// Database errors, and [`StoreError::Corrupt`] for values this version does not know.
    pub async fn board_load(&self, now: Timestamp) -> Result<Vec<BoardLot>, StoreError> {
        // One snapshot, so that a bay's state and its payment belong together.
        let mut tx = self.snapshot().await?;
        let lots: Vec<LotRow> = sqlx::query_as(
            "SELECT lot_id, city.code AS city, lot.code, lot.name, kind, ward.name AS ward,
                    operator.code AS operator, longitude, latitude
             FROM lot JOIN city USING (city_id) JOIN ward USING (ward_id)
                  JOIN operator USING (operator_id)
             ORDER BY lot.code",
        )
        .fetch_all(&mut *tx)
        .await?;
        let bays: Vec<BoardBayRow> = sqlx::query_as(
            "SELECT bay.bay_id, bay.lot_id, bay.code, bay.class, bay.accessible, bay.charging,
                    bay.outline, silence_after_s, lower(during) AS device_from,
                    device_id IS NOT NULL AND NOT EXISTS (
                        SELECT FROM device_fault AS fault
                        WHERE fault.device_id = standing.device_id AND until IS NULL
                          AND kind IN ('stuck', 'flapping', 'clock')) AS believed,
                    told.last_at, told.occupied, told.since
             FROM bay
             LEFT JOIN device_assignment AS standing
                    ON standing.bay_id = bay.bay_id AND upper_inf(during)
             LEFT JOIN bay_state AS told ON told.bay_id = bay.bay_id
             ORDER BY bay.code",
        )
        .fetch_all(&mut *tx)
        .await?;
        let paid: Vec<(i32, Uuid, Timestamp, Timestamp)> = sqlx::query_as(
            "SELECT bay_id, session_id, starts_at, ends_at FROM session
             WHERE status = 'paid' AND ends_at > $1",
        )
        .bind(now - OVERSTAY_MEMORY)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut paid_of: HashMap<i32, Vec<PaidTime>> = HashMap::new();
        for (bay, session, from, until) in paid {
            paid_of.entry(bay).or_default().push(PaidTime {
                session: SessionId(session),
                from,
                until,
            });
        }
        let mut board: BTreeMap<i32, BoardLot> = BTreeMap::new();
        let mut order = Vec::with_capacity(lots.len());
        for row in lots {
            order.push(row.lot_id);
            board.insert(row.lot_id, row.lot()?);
        }
        for row in bays {
            if let Some(lot) = board.get_mut(&row.lot_id) {
                let paid = paid_of.remove(&row.bay_id).unwrap_or_default();
                let bay = row.bay(paid)?;
                lot.bays.insert(bay.id, bay);
            }
        }
        Ok(order
            .into_iter()
            .filter_map(|id| board.remove(&id))
            .collect())
    }
}

#[derive(FromRow)]
struct LotRow {
    lot_id: i32,
    city: String,
    code: String,
    name: String,
    kind: String,
    ward: String,
    operator: String,
    longitude: f64,
    latitude: f64,
}

impl LotRow {
    fn lot(self) -> Result<BoardLot, StoreError> {
        Ok(BoardLot {
            id: LotId(self.lot_id),
            kind: LotKind::from_code(&self.kind).ok_or_else(|| corrupt("lot kind", &self.kind))?,
            position: [self.longitude, self.latitude],
            city: self.city,
            code: self.code,
            name: self.name,
            ward: self.ward,
            operator: self.operator,
            bays: BTreeMap::new(),
        })
    }
}

#[derive(FromRow)]
struct BoardBayRow {
    bay_id: i32,
    lot_id: i32,
    code: String,
    class: String,
    accessible: bool,
    charging: bool,
    outline: Vec<f32>,
    silence_after_s: Option<i32>,
    device_from: Option<Timestamp>,
    believed: bool,
    last_at: Option<Timestamp>,
    occupied: Option<bool>,
    since: Option<Timestamp>,
}

impl BoardBayRow {
    fn bay(self, paid: Vec<PaidTime>) -> Result<BoardBay, StoreError> {
        let [x1, y1, x2, y2, x3, y3, x4, y4] = self.outline[..] else {
            return Err(corrupt("bay outline", "not four corners"));
        };
        let id = BayId(self.bay_id);
        let told = match (self.last_at, self.occupied, self.since) {
            (Some(heard_at), Some(occupied), Some(since)) => Some(BayDelta {
                bay: id,
                occupied,
                since,
                heard_at,
            }),
            _ => None,
        };
        Ok(BoardBay {
            id,
            class: class(&self.class)?,
            amenities: Amenities {
                accessible: self.accessible,
                charging: self.charging,
            },
            code: self.code,
            outline: [[x1, y1], [x2, y2], [x3, y3], [x4, y4]],
            silence_after_s: self.silence_after_s,
            believed_from: self
                .believed
                .then(|| self.device_from.unwrap_or(Timestamp::MIN_UTC)),
            told,
            paid,
        })
    }
}
