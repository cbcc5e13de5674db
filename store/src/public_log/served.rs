//! What is served of the log: the signed head, tiles, bundles of entries, the place of a receipt or refund.

use domain::id::{ReceiptId, RefundId};
use domain::log::{Document, LogPath, Salt, pack};
use sqlx::FromRow;

use super::{queued, signed};
use crate::{Store, StoreError, corrupt};

/// The place of a receipt or refund in the log, with what opens its promise.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Which entry it is.
    pub index: u64,
    /// The entry.
    pub entry: Vec<u8>,
    /// Its chance.
    pub salt: Salt,
    /// What it says, as it is kept today.
    pub document: Document,
}

#[derive(FromRow)]
struct LeafRow {
    leaf_index: i64,
    entry: Vec<u8>,
    salt: Vec<u8>,
}

impl Store {
    /// The newest signed tree head, with the lines of witnesses who have seen it; `None` where none has been
    /// signed yet.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_checkpoint(&self, city: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT log_head.checkpoint || coalesce(cosignatures, '')
             FROM log_head JOIN city USING (city_id)
                  LEFT JOIN log_witnessed USING (city_id, size, root)
             WHERE code = $1",
        )
        .bind(city)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The same without witnesses.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_own_checkpoint(&self, city: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT checkpoint FROM log_head JOIN city USING (city_id) WHERE code = $1",
        )
        .bind(city)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// A tile or a bundle, as wide as its path says; `None` where the log does not have so much.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_resource(
        &self,
        city: &str,
        path: LogPath,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match path {
            LogPath::Checkpoint => self.log_checkpoint(city).await,
            LogPath::Tile {
                level,
                index,
                width,
            } => Ok(sqlx::query_scalar(
                "SELECT substring(hashes FOR $4) FROM log_tile JOIN city USING (city_id)
                 WHERE code = $1 AND level = $2 AND tile_index = $3 AND octet_length(hashes) >= $4",
            )
            .bind(city)
            .bind(i16::from(level))
            .bind(signed(index))
            .bind(i32::from(width) * 32)
            .fetch_optional(&self.pool)
            .await?),
            LogPath::Entries { index, width } => {
                let first = signed(index).saturating_mul(256);
                let entries: Vec<Vec<u8>> = sqlx::query_scalar(
                    "SELECT entry FROM log_leaf JOIN city USING (city_id)
                     WHERE code = $1 AND leaf_index >= $2 AND leaf_index < $2 + $3
                     ORDER BY leaf_index",
                )
                .bind(city)
                .bind(first)
                .bind(i64::from(width))
                .fetch_all(&self.pool)
                .await?;
                let whole = entries.len() == usize::from(width);
                Ok(whole.then(|| pack(entries.iter().map(Vec::as_slice))))
            }
        }
    }

    /// A receipt's place in the log; `None` where it waits for it yet.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_leaf_of_receipt(
        &self,
        receipt: ReceiptId,
    ) -> Result<Option<Leaf>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let row: Option<LeafRow> =
            sqlx::query_as("SELECT leaf_index, entry, salt FROM log_leaf WHERE receipt_id = $1")
                .bind(receipt.0)
                .fetch_optional(&mut *connection)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let mut facts = queued::receipt_facts(&mut connection, &[receipt.0]).await?;
        Ok(Some(row.leaf(facts.remove(&receipt.0))?))
    }

    /// A refund's place in the log; `None` where it waits for it yet, or gives back what never was revenue.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_leaf_of_refund(&self, refund: RefundId) -> Result<Option<Leaf>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let row: Option<LeafRow> =
            sqlx::query_as("SELECT leaf_index, entry, salt FROM log_leaf WHERE refund_id = $1")
                .bind(refund.0)
                .fetch_optional(&mut *connection)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let mut facts = queued::refund_facts(&mut connection, &[refund.0]).await?;
        Ok(Some(row.leaf(facts.remove(&refund.0))?))
    }
}

impl LeafRow {
    fn leaf(self, facts: Option<queued::Facts>) -> Result<Leaf, StoreError> {
        let facts = facts.ok_or_else(|| corrupt("log leaf", "what it is of"))?;
        let salt = self
            .salt
            .try_into()
            .map_err(|_| corrupt("log salt", "its length"))?;
        Ok(Leaf {
            index: self.leaf_index.unsigned_abs(),
            entry: self.entry,
            salt: Salt(salt),
            document: facts.document,
        })
    }
}
