//! How devices sign, and which counters they have used.

use domain::Timestamp;
use domain::device::{Device, DeviceModel};
use domain::event::Event;
use domain::signing::{PublicKey, Signing};
use sqlx::PgConnection;

use crate::{Store, StoreError};

/// The reason of a message whose counter another one has used.
pub const REPLAYED: &str = "replayed";

/// How many counters are forgotten in one transaction.
const FORGET_MAX: u32 = 50_000;

impl Store {
    /// Notes the counters of signed events as used. Tells the positions of those whose counter
    /// belongs to another event of the same device: the first that was noted keeps it. To note an
    /// event again changes nothing. Events of devices that do not sign are passed over.
    ///
    /// # Errors
    /// Database errors; then none is noted.
    pub async fn counters_claim(&self, events: &[&(i32, Event)]) -> Result<Vec<usize>, StoreError> {
        let mut tx = self.begin().await?;
        let replayed = counters_claim(&mut tx, events).await?;
        tx.commit().await?;
        Ok(replayed)
    }

    /// Forgets counters that were used at times before `before`, so many at once that nothing waits
    /// for it, and tells whether that was all.
    ///
    /// # Errors
    /// Database errors.
    pub async fn counters_forget(&self, before: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "DELETE FROM device_counter WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM device_counter WHERE at < $1 LIMIT $2))",
        )
        .bind(before)
        .bind(i64::from(FORGET_MAX))
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() < u64::from(FORGET_MAX))
    }
}

pub(crate) async fn counters_claim(
    tx: &mut PgConnection,
    events: &[&(i32, Event)],
) -> Result<Vec<usize>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let devices: Vec<i32> = events.iter().map(|(device, _)| *device).collect();
    let seqs: Vec<i64> = events.iter().map(|(_, event)| event.seq).collect();
    let times: Vec<Timestamp> = events.iter().map(|(_, event)| event.at).collect();
    let states: Vec<bool> = events.iter().map(|(_, event)| event.occupied).collect();
    // In one order for everybody, so that no two wait for each other.
    sqlx::query(
        "INSERT INTO device_counter (device_id, seq, at, occupied)
         SELECT device_id, seq, at, occupied
         FROM unnest($1::int[], $2::bigint[], $3::timestamptz[], $4::bool[])
                WITH ORDINALITY AS told (device_id, seq, at, occupied, position)
              JOIN device USING (device_id)
         WHERE signing IS NOT NULL
         ORDER BY device_id, seq, position
         ON CONFLICT DO NOTHING",
    )
    .bind(&devices)
    .bind(&seqs)
    .bind(&times)
    .bind(&states)
    .execute(&mut *tx)
    .await?;
    let replayed: Vec<i64> = sqlx::query_scalar(
        "SELECT position
         FROM unnest($1::int[], $2::bigint[], $3::timestamptz[], $4::bool[])
                WITH ORDINALITY AS told (device_id, seq, at, occupied, position)
              JOIN device_counter AS used USING (device_id, seq)
              JOIN device USING (device_id)
         WHERE signing IS NOT NULL
           AND (used.at, used.occupied) <> (told.at, told.occupied)
         ORDER BY position",
    )
    .bind(&devices)
    .bind(&seqs)
    .bind(&times)
    .bind(&states)
    .fetch_all(tx)
    .await?;
    // PostgreSQL counts from 1.
    let position = |position: i64| usize::try_from(position - 1).ok();
    Ok(replayed.into_iter().filter_map(position).collect())
}

/// A device's way of signing as its row has it. A key that cannot be one verifies nothing.
pub(crate) fn signing_of(code: Option<&str>, public_key: Option<Vec<u8>>) -> Option<Signing> {
    match code? {
        "hmac" => Some(Signing::Hmac),
        _ => {
            let key = public_key.unwrap_or_default().try_into();
            Some(Signing::Ed25519(PublicKey(key.unwrap_or_default())))
        }
    }
}

/// Records how devices sign, `None` for those that do not.
pub(crate) async fn signing_put(
    tx: &mut PgConnection,
    signing: &[(&str, Option<Signing>)],
) -> Result<(), StoreError> {
    let names: Vec<&str> = signing.iter().map(|(name, _)| *name).collect();
    let codes: Vec<Option<&str>> = signing
        .iter()
        .map(|(_, signing)| signing.map(Signing::code))
        .collect();
    let keys: Vec<Option<&[u8]>> = signing
        .iter()
        .map(|(_, signing)| Some(signing.as_ref()?.public_key()?.as_slice()))
        .collect();
    sqlx::query(
        "UPDATE device SET signing = told.signing, public_key = told.public_key
         FROM unnest($1::text[], $2::text[], $3::bytea[]) AS told (name, signing, public_key)
         WHERE device.name = told.name",
    )
    .bind(names)
    .bind(codes)
    .bind(keys)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets how devices sign that are of a model now that does not.
pub(crate) async fn signing_drop(
    tx: &mut PgConnection,
    devices: &[&Device],
) -> Result<(), StoreError> {
    let names: Vec<&str> = devices
        .iter()
        .filter(|device| device.model != DeviceModel::CLEARBAY)
        .map(|device| device.id.as_str())
        .collect();
    sqlx::query(
        "UPDATE device SET signing = NULL, public_key = NULL
         WHERE name = ANY($1) AND signing IS NOT NULL",
    )
    .bind(names)
    .execute(tx)
    .await?;
    Ok(())
}
