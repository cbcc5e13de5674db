//! Messages that gave no event: kept whole with the reason, and taken from here when the reason has
//! gone.

use domain::Timestamp;
use domain::event::Event;
use sqlx::{FromRow, PgConnection};

use crate::event::Ingested;
use crate::refused_tally::within_limits;
use crate::signing::{REPLAYED, counters_claim};
use crate::{Store, StoreError};

/// A message that gave no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedMessage {
    /// When it reached us.
    pub received_at: Timestamp,
    /// Where it was published.
    pub topic: String,
    /// What it was.
    pub payload: Vec<u8>,
    /// The device that it names, where it could be read so far.
    pub device: Option<String>,
    /// A short code.
    pub reason: &'static str,
    /// The reason in words.
    pub detail: String,
    /// How many of a device are kept in an hour for this reason; `None` is all. Every one is counted.
    pub kept_per_hour: Option<u32>,
}

/// A refused message whose reason may have gone.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct WaitingMessage {
    refused_message_id: i64,
    /// When it reached us.
    pub received_at: Timestamp,
    /// Where it was published.
    pub topic: String,
    /// What it was.
    pub payload: Vec<u8>,
}

/// What a waiting message is worth now: an event with its device's key, or the reason in force, as
/// a short code and in words.
pub type Judged = Result<(i32, Event), (&'static str, String)>;

/// The refused messages of one device for one reason, as far as they are kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RefusedOf {
    /// Which device they name; `None` where that could not be read.
    pub device: Option<String>,
    /// Why, as a short code.
    pub reason: String,
    /// How many are kept.
    pub messages: i64,
    /// When the last came.
    pub last_at: Timestamp,
    /// What was wrong with it, in words.
    pub detail: String,
}

impl Store {
    /// Takes up to `limit` messages from the quarantine, oldest first, whose device has been
    /// installed since or has been given the value that it lacked, or, with `keyed`, for whose
    /// signature there was no key. What `judge` makes events of is
    /// kept as such, and leaves the quarantine in the same transaction; the rest stays, with the
    /// reason that `judge` gives. Two processes may do this at once.
    ///
    /// # Errors
    /// Database errors; then nothing has changed.
    pub async fn quarantine_take(
        &self,
        limit: i64,
        keyed: bool,
        judge: impl FnOnce(&[WaitingMessage]) -> Vec<Judged> + Send,
    ) -> Result<Ingested, StoreError> {
        let mut tx = self.begin().await?;
        let waiting: Vec<WaitingMessage> = sqlx::query_as(
            "SELECT refused_message_id, received_at, topic, payload FROM refused_message AS waiting
             WHERE reason = 'unknown_device' AND EXISTS (
                    SELECT FROM device WHERE name = waiting.device)
                OR reason = 'unconfigured' AND EXISTS (
                    SELECT FROM device WHERE name = waiting.device AND occupied_below_mm IS NOT NULL)
                OR reason = 'no_key' AND ($2 OR EXISTS (
                    SELECT FROM device WHERE name = waiting.device AND signing IS NULL))
             ORDER BY refused_message_id LIMIT $1 FOR UPDATE OF waiting SKIP LOCKED",
        )
        .bind(limit)
        .bind(keyed)
        .fetch_all(&mut *tx)
        .await?;
        if waiting.is_empty() {
            return Ok(Ingested::default());
        }
        let (mut events, mut taken) = (Vec::new(), Vec::new());
        let (mut kept, mut reasons, mut details) = (Vec::new(), Vec::new(), Vec::new());
        for (message, judged) in waiting.iter().zip(judge(&waiting)) {
            match judged {
                Ok(event) => {
                    events.push(event);
                    taken.push(message.refused_message_id);
                }
                Err((reason, detail)) => {
                    kept.push(message.refused_message_id);
                    reasons.push(reason);
                    details.push(detail.replace('\0', "\u{fffd}"));
                }
            }
        }
        let told: Vec<&(i32, Event)> = events.iter().collect();
        let replayed = counters_claim(&mut tx, &told).await?;
        for position in replayed.into_iter().rev() {
            events.remove(position);
            kept.push(taken.remove(position));
            reasons.push(REPLAYED);
            details.push("its counter belongs to another message".to_owned());
        }
        let ingested = self.events_keep(&mut tx, &events).await?;
        sqlx::query("DELETE FROM refused_message WHERE refused_message_id = ANY($1)")
            .bind(&taken)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE refused_message SET reason = now.reason, detail = now.detail
             FROM unnest($1::bigint[], $2::text[], $3::text[]) AS now (id, reason, detail)
             WHERE refused_message_id = now.id",
        )
        .bind(&kept)
        .bind(&reasons)
        .bind(&details)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(ingested)
    }

    /// Whose messages were refused since an instant, and why: those that were refused most first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refused_by_device(
        &self,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<RefusedOf>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT device, reason, count(*) AS messages, max(received_at) AS last_at,
                    (array_agg(detail ORDER BY received_at DESC))[1] AS detail
             FROM refused_message WHERE received_at >= $1
             GROUP BY device, reason ORDER BY messages DESC, device LIMIT $2",
        )
        .bind(since)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many messages were refused, by reason.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refused_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT reason, count(*) FROM refused_message GROUP BY reason ORDER BY reason",
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

pub(crate) async fn refused_insert(
    tx: &mut PgConnection,
    refused: &[RefusedMessage],
) -> Result<(), StoreError> {
    let refused = within_limits(tx, refused).await?;
    if refused.is_empty() {
        return Ok(());
    }
    let storable = |text: &str| text.replace('\0', "\u{fffd}");
    let texts = |of: fn(&RefusedMessage) -> &str| -> Vec<String> {
        refused.iter().map(|row| storable(of(row))).collect()
    };
    // A name that PostgreSQL cannot hold will never be a device's.
    let device = |row: &&RefusedMessage| row.device.clone().filter(|name| crate::storable(name));
    sqlx::query(
        "INSERT INTO refused_message (received_at, topic, payload, device, reason, detail)
         SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::bytea[], $4::text[], $5::text[],
            $6::text[])",
    )
    .bind(
        refused
            .iter()
            .map(|row| row.received_at)
            .collect::<Vec<_>>(),
    )
    .bind(texts(|row| &row.topic))
    .bind(
        refused
            .iter()
            .map(|row| row.payload.as_slice())
            .collect::<Vec<_>>(),
    )
    .bind(refused.iter().map(device).collect::<Vec<_>>())
    .bind(refused.iter().map(|row| row.reason).collect::<Vec<_>>())
    .bind(texts(|row| &row.detail))
    .execute(tx)
    .await?;
    Ok(())
}
