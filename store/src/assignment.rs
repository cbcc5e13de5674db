//! Which device watches which bay, from when on: installing, moving and replacing sensors.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::Timestamp;
use domain::board::OccupancyDelta;
use domain::device::Device;
use domain::id::BayId;
use domain::signing::Signing;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::device::devices_put;
use crate::signing::signing_put;
use crate::standing::{Move, moves, places};
use crate::watch::{Watches, watches_change, watches_load};
use crate::watch_change::WatchChange;
use crate::{Store, StoreError};

/// A device in a bay, as its installer tells it.
#[derive(Clone, Copy, Debug)]
pub struct Installation<'a> {
    /// The bay's code.
    pub bay: &'a str,
    /// The device.
    pub device: &'a Device,
    /// From when on it has stood there. Left out, a device that stands there already has stood there
    /// since it did, and another limit of silence counts for all that time; one that never stood
    /// anywhere, in a bay that never had one, has stood there from its first word on; any other
    /// stands there from now on.
    pub from: Option<Timestamp>,
}

impl Store {
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

    /// Puts devices into bays, each from an instant on: where it stood before, and who stood in its
    /// bay before, end there. What the devices said since then is folded into the bays' history
    /// anew, so that it is as if this had been known at once. A bay that does not exist is passed
    /// over. `signing` tells of devices how they sign; others go on as before. All or nothing. Tells
    /// who stands elsewhere by it.
    ///
    /// # Errors
    /// Database errors, also where one device or bay is named twice.
    pub async fn devices_install(
        &self,
        installed: &[Installation<'_>],
        signing: &[(&str, Option<Signing>)],
        now: Timestamp,
    ) -> Result<Vec<Move>, StoreError> {
        let (tx, moves) = self.install(installed, signing, now).await?;
        tx.commit().await?;
        Ok(moves)
    }

    /// As [`Store::devices_install`], with nothing changed: who would stand elsewhere by it.
    ///
    /// # Errors
    /// As there.
    pub async fn devices_install_try(
        &self,
        installed: &[Installation<'_>],
        signing: &[(&str, Option<Signing>)],
        now: Timestamp,
    ) -> Result<Vec<Move>, StoreError> {
        let (tx, moves) = self.install(installed, signing, now).await?;
        tx.rollback().await?;
        Ok(moves)
    }

    async fn install(
        &self,
        installed: &[Installation<'_>],
        signing: &[(&str, Option<Signing>)],
        now: Timestamp,
    ) -> Result<(Transaction<'static, Postgres>, Vec<Move>), StoreError> {
        let devices: Vec<&str> = installed.iter().map(|row| row.device.id.as_str()).collect();
        let bays: Vec<&str> = installed.iter().map(|row| row.bay).collect();
        let mut tx = self.begin().await?;
        watches_change(&mut tx).await?;
        let before = places(&mut tx, &devices, &bays).await?;
        turns_install(&mut tx, installed, now).await?;
        signing_put(&mut tx, signing).await?;
        let after = places(&mut tx, &devices, &bays).await?;
        Ok((tx, moves(before, after)))
    }

    /// Takes devices out of their bays at an instant: what they said since then is no bay's, and
    /// their bays' history is folded anew. All or nothing. Tells where they stood.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where one stands in no bay, or was put there later; database errors.
    pub async fn devices_remove(
        &self,
        devices: &[&str],
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Move>, StoreError> {
        let mut tx = self.begin().await?;
        watches_change(&mut tx).await?;
        let before = places(&mut tx, devices, &[]).await?;
        let bays: Vec<i32> = sqlx::query_scalar(
            "SELECT bay_id FROM device_assignment JOIN device USING (device_id)
             WHERE upper_inf(during) AND name = ANY($1)
               AND coalesce(lower(during), '-infinity') <= $2",
        )
        .bind(devices)
        .bind(at)
        .fetch_all(&mut *tx)
        .await?;
        let named: BTreeSet<&str> = devices.iter().copied().collect();
        if bays.len() != named.len() {
            return Err(StoreError::NotFound("device in a bay at that time"));
        }
        let ends: Vec<_> = bays.into_iter().map(|bay| (bay, Some(at))).collect();
        change(&mut tx, &[], &ends, now).await?;
        let after = places(&mut tx, devices, &[]).await?;
        tx.commit().await?;
        Ok(moves(before, after))
    }
}

/// One device's time in one bay. An unbounded start is `None`.
struct Turn {
    device: i32,
    bay: i32,
    from: Option<Timestamp>,
    silence_after_s: Option<i32>,
}

/// As [`Store::devices_install`], of devices that sign as before.
pub(crate) async fn devices_install(
    tx: &mut PgConnection,
    installed: &[Installation<'_>],
    now: Timestamp,
) -> Result<Vec<Move>, StoreError> {
    let devices: Vec<&str> = installed.iter().map(|row| row.device.id.as_str()).collect();
    let bays: Vec<&str> = installed.iter().map(|row| row.bay).collect();
    watches_change(tx).await?;
    let before = places(tx, &devices, &bays).await?;
    turns_install(tx, installed, now).await?;
    Ok(moves(before, places(tx, &devices, &bays).await?))
}

/// As [`devices_install`], for a caller that holds the watches.
async fn turns_install(
    tx: &mut PgConnection,
    installed: &[Installation<'_>],
    now: Timestamp,
) -> Result<Vec<OccupancyDelta>, StoreError> {
    let devices: Vec<&Device> = installed.iter().map(|row| row.device).collect();
    let ids = devices_put(tx, &devices).await?;
    let turns = turns(tx, installed, &ids, now).await?;
    let ends: Vec<_> = turns.iter().map(|turn| (turn.bay, turn.from)).collect();
    change(tx, &turns, &ends, now).await
}

/// Writes turns, and that bays' turns end, with all that follows. The caller holds the watches.
async fn change(
    tx: &mut PgConnection,
    turns: &[Turn],
    ends: &[(i32, Option<Timestamp>)],
    now: Timestamp,
) -> Result<Vec<OccupancyDelta>, StoreError> {
    let before = watches_load(tx).await?;
    let affected = affected(&before, turns, ends);
    let change = WatchChange::begin(tx, &before, &affected).await?;
    assignments_write(tx, turns, ends, now).await?;
    change.finish(tx).await
}

/// What is to be written: installations that change something.
async fn turns(
    tx: &mut PgConnection,
    installed: &[Installation<'_>],
    ids: &HashMap<String, i32>,
    now: Timestamp,
) -> Result<Vec<Turn>, StoreError> {
    type Standing = (
        i32,
        i32,
        Option<i32>,
        Option<bool>,
        Option<Timestamp>,
        Option<i32>,
        bool,
    );
    let device_ids: Vec<i32> = installed
        .iter()
        .map(|row| ids.get(&row.device.id).copied().unwrap_or_default())
        .collect();
    // With each: the bay, whether the device stands there now, since when, and its limit of
    // silence; and whether neither ever had another.
    let rows: Vec<Standing> = sqlx::query_as(
        "SELECT (new.n - 1)::int, bay.bay_id, device.device_id,
                standing.device_id = new.device_id AS stands, lower(standing.during),
                standing.silence_after_s,
                NOT EXISTS (SELECT FROM device_assignment AS other
                            WHERE other.device_id = new.device_id OR other.bay_id = bay.bay_id)
         FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS new (code, device_id, n)
              JOIN bay ON bay.code = new.code
              JOIN device ON device.device_id = new.device_id
              LEFT JOIN device_assignment AS standing
                     ON standing.bay_id = bay.bay_id AND upper_inf(standing.during)
         ORDER BY n",
    )
    .bind(installed.iter().map(|row| row.bay).collect::<Vec<_>>())
    .bind(&device_ids)
    .fetch_all(tx)
    .await?;
    let mut turns = Vec::new();
    for (index, bay, device, stands, since, silence_after_s, first) in rows {
        let Some(row) = usize::try_from(index).ok().and_then(|n| installed.get(n)) else {
            continue;
        };
        let wanted = row.device.silence_after_s;
        let as_it_is = stands == Some(true)
            && silence_after_s == wanted
            && row.from.is_none_or(|from| since == Some(from));
        if as_it_is {
            continue;
        }
        turns.push(Turn {
            device: device.unwrap_or_default(),
            bay,
            from: match row.from {
                None if stands == Some(true) => since,
                None if first => None,
                from => from.or(Some(now)),
            },
            silence_after_s: wanted,
        });
    }
    Ok(turns)
}

/// The bays whose history changes, each from when on; `None` is from ever.
fn affected(
    before: &Watches,
    turns: &[Turn],
    ends: &[(i32, Option<Timestamp>)],
) -> BTreeMap<BayId, Option<Timestamp>> {
    let mut affected: BTreeMap<BayId, Option<Timestamp>> = BTreeMap::new();
    let mut from_on = |bay: BayId, from: Option<Timestamp>| {
        let earliest = affected.entry(bay).or_insert(from);
        *earliest = (*earliest).min(from);
    };
    for (bay, from) in ends {
        from_on(BayId(*bay), *from);
    }
    for turn in turns {
        for bay in before.bays_since(turn.device, turn.from) {
            from_on(bay, turn.from);
        }
    }
    affected
}

/// Ends what stood in bays from the given instants on, and where the devices stood; then writes
/// their new turns.
async fn assignments_write(
    tx: &mut PgConnection,
    turns: &[Turn],
    ends: &[(i32, Option<Timestamp>)],
    now: Timestamp,
) -> Result<(), StoreError> {
    // Where one ends twice, the earlier instant counts.
    let bays: BTreeSet<_> = ends
        .iter()
        .map(|(bay, from)| (None, Some(*bay), *from))
        .collect();
    let devices: BTreeSet<_> = turns
        .iter()
        .map(|turn| (Some(turn.device), None, turn.from))
        .collect();
    let cuts: Vec<_> = bays.into_iter().chain(devices).collect();
    let columns = (
        cuts.iter().map(|cut| cut.0).collect::<Vec<Option<i32>>>(),
        cuts.iter().map(|cut| cut.1).collect::<Vec<Option<i32>>>(),
        cuts.iter().map(|cut| cut.2).collect::<Vec<_>>(),
    );
    for sql in [
        "DELETE FROM device_assignment AS gone
         USING unnest($1::int[], $2::int[], $3::timestamptz[]) AS cut (device_id, bay_id, at)
         WHERE (gone.device_id = cut.device_id OR gone.bay_id = cut.bay_id)
           AND coalesce(lower(during), '-infinity') >= coalesce(cut.at, '-infinity')",
        "UPDATE device_assignment AS ended SET during = tstzrange(lower(during), earliest.at)
         FROM (SELECT device_assignment_id, min(cut.at) AS at
               FROM device_assignment
                    JOIN unnest($1::int[], $2::int[], $3::timestamptz[])
                         AS cut (device_id, bay_id, at)
                      ON device_assignment.device_id = cut.device_id
                      OR device_assignment.bay_id = cut.bay_id
               WHERE during @> cut.at GROUP BY 1) AS earliest
         WHERE ended.device_assignment_id = earliest.device_assignment_id",
    ] {
        sqlx::query(sql)
            .bind(&columns.0)
            .bind(&columns.1)
            .bind(&columns.2)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO device_assignment (device_id, bay_id, during, silence_after_s, noted_at)
         SELECT device_id, bay_id, tstzrange(at, NULL), silence_after_s, $5
         FROM unnest($1::int[], $2::int[], $3::timestamptz[], $4::int[])
                AS new (device_id, bay_id, at, silence_after_s)",
    )
    .bind(turns.iter().map(|turn| turn.device).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.bay).collect::<Vec<_>>())
    .bind(turns.iter().map(|turn| turn.from).collect::<Vec<_>>())
    .bind(
        turns
            .iter()
            .map(|turn| turn.silence_after_s)
            .collect::<Vec<_>>(),
    )
    .bind(now)
    .execute(&mut *tx)
    .await?;
    join_turns(tx, turns).await
}

/// Makes one turn of two of a device that goes on where it stood, as if it had never been put there
/// again: its word is believed across.
async fn join_turns(tx: &mut PgConnection, turns: &[Turn]) -> Result<(), StoreError> {
    let joined: Vec<(i32, Option<Timestamp>)> = sqlx::query_as(
        "DELETE FROM device_assignment AS later USING device_assignment AS earlier
         WHERE later.device_id = ANY($1) AND earlier.device_id = later.device_id
           AND earlier.bay_id = later.bay_id AND upper(earlier.during) = lower(later.during)
           AND earlier.silence_after_s IS NOT DISTINCT FROM later.silence_after_s
         RETURNING earlier.device_assignment_id, upper(later.during)",
    )
    .bind(turns.iter().map(|turn| turn.device).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    let (ids, ends): (Vec<i32>, Vec<Option<Timestamp>>) = joined.into_iter().unzip();
    sqlx::query(
        "UPDATE device_assignment AS earlier SET during = tstzrange(lower(during), until)
         FROM unnest($1::int[], $2::timestamptz[]) AS joined (id, until)
         WHERE earlier.device_assignment_id = joined.id",
    )
    .bind(ids)
    .bind(ends)
    .execute(tx)
    .await?;
    Ok(())
}
