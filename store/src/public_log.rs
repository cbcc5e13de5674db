//! The public log of revenue: what waits for a place, the entries, the tree's tiles, its signed head.

use chrono::NaiveDate;
use domain::Timestamp;
use domain::id::{ReceiptId, RefundId};
use domain::log::{Edge, Hash, LogPath, Salt, TreeHead, record_hash, tile_bytes, tile_hashes};
use sqlx::PgConnection;

use crate::{Store, StoreError, corrupt};

mod queued;
mod report;
mod served;
mod witnessed;

pub use report::PublishedReport;
pub use served::Leaf;

/// Whoever publishes holds this advisory lock, with the city's key: `plog`.
const PUBLISHER: i32 = 0x706c_6f67;

/// What one round of publishing did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The tree as it is now.
    pub head: TreeHead,
    /// How many entries are new.
    pub added: u64,
    /// The earliest day on which one of them counts: perhaps one that is reported already.
    pub earliest: Option<NaiveDate>,
}

/// An entry with what is kept beside it.
struct NewLeaf {
    receipt: Option<ReceiptId>,
    refund: Option<RefundId>,
    salt: Salt,
    day: NaiveDate,
    entry: Vec<u8>,
}

impl Store {
    /// Whether anything waits for its place in a city's log, and the tree that is signed, if one is.
    ///
    /// # Errors
    /// Database errors.
    pub async fn log_state(&self, city: &str) -> Result<(bool, Option<TreeHead>), StoreError> {
        let (waits, size, root): (bool, Option<i64>, Option<Vec<u8>>) = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM log_queue WHERE log_queue.city_id = city.city_id), size, root
             FROM city LEFT JOIN log_head USING (city_id) WHERE code = $1",
        )
        .bind(city)
        .fetch_optional(&self.pool)
        .await?
        .ok_or(StoreError::NotFound("city"))?;
        let head = size.zip(root).map(|(size, root)| tree_head(size, root));
        Ok((waits, head.transpose()?))
    }

    /// Gives what waits its places in the log, at most `limit` of it, in the order in which it came, and
    /// signs the tree that it makes: entries, tiles and head in one transaction. `None` where another
    /// process is at it. `anew` signs the head even where nothing is new, for there is another key. `published` is
    /// the largest tree that the caller knows to be, if any.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the tiles are not those of the head, [`StoreError::LogSetBack`] where it does not
    /// go on from what is known to be published: then nothing is signed. Database errors.
    pub async fn log_publish(
        &self,
        city: &str,
        limit: i64,
        published: Option<&TreeHead>,
        sign: impl Fn(&TreeHead) -> Option<Vec<u8>> + Send,
        anew: bool,
        now: Timestamp,
    ) -> Result<Option<Published>, StoreError> {
        let mut tx = self.begin().await?;
        let Some(city_id) = lock(&mut tx, city).await? else {
            return Ok(None);
        };
        let (mut edge, known) = edge(&mut tx, city_id).await?;
        let before = edge.size();
        let head = TreeHead {
            size: before,
            root: edge.root(),
        };
        goes_on(Some(&head), published)?;
        let queued = queued::take(&mut tx, city_id, limit).await?;
        if queued.is_empty() && known && !anew {
            return Ok(Some(Published {
                head,
                added: 0,
                earliest: None,
            }));
        }
        let mut tiles: Vec<(LogPath, Vec<u8>)> = Vec::new();
        let mut leaves = Vec::with_capacity(queued.len());
        for queued in queued {
            let leaf = queued.leaf();
            edge.push(record_hash(&leaf.entry), |path, hashes| {
                tiles.push((path, tile_bytes(hashes)));
            });
            leaves.push(leaf);
        }
        leaves_insert(&mut tx, city_id, before, &leaves).await?;
        let open = edge.open_tiles();
        tiles.extend(open.map(|(path, hashes)| (path, tile_bytes(hashes))));
        tiles_put(&mut tx, city_id, tiles).await?;
        let head = TreeHead {
            size: edge.size(),
            root: edge.root(),
        };
        let checkpoint = sign(&head).ok_or_else(|| corrupt("log key", "it does not sign"))?;
        sqlx::query(
            "INSERT INTO log_head (city_id, size, root, checkpoint, published_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (city_id) DO UPDATE SET size = excluded.size, root = excluded.root,
                checkpoint = excluded.checkpoint, published_at = excluded.published_at",
        )
        .bind(city_id)
        .bind(signed(head.size))
        .bind(&head.root.0[..])
        .bind(checkpoint)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(Published {
            head,
            added: head.size - before,
            earliest: leaves.iter().map(|leaf| leaf.day).min(),
        }))
    }
}

/// Checks that a tree may be the one that was published, or have grown from it: whoever saw the published one must
/// never be shown another beside it.
///
/// # Errors
/// [`StoreError::LogSetBack`].
pub fn goes_on(head: Option<&TreeHead>, published: Option<&TreeHead>) -> Result<(), StoreError> {
    let found = head.map_or(0, |head| head.size);
    let is_other = |published: &&TreeHead| {
        let root = head.map(|head| &head.root);
        found < published.size || found == published.size && root != Some(&published.root)
    };
    match published.filter(is_other) {
        None => Ok(()),
        Some(published) => Err(StoreError::LogSetBack {
            published: published.size,
            found,
        }),
    }
}

fn tree_head(size: i64, root: Vec<u8>) -> Result<TreeHead, StoreError> {
    let root = root
        .try_into()
        .map_err(|_| corrupt("log root", "its length"))?;
    Ok(TreeHead {
        size: size.unsigned_abs(),
        root: Hash(root),
    })
}

/// The city's key, where nobody else publishes its log.
async fn lock(tx: &mut PgConnection, city: &str) -> Result<Option<i32>, StoreError> {
    let found: Option<(i32, bool)> = sqlx::query_as(
        "SELECT city_id, pg_try_advisory_xact_lock($2, city_id) FROM city WHERE code = $1",
    )
    .bind(city)
    .bind(PUBLISHER)
    .fetch_optional(tx)
    .await?;
    let (city_id, mine) = found.ok_or(StoreError::NotFound("city"))?;
    Ok(mine.then_some(city_id))
}

/// The growing edge of a city's tree, and whether a head has been signed at all.
async fn edge(tx: &mut PgConnection, city: i32) -> Result<(Edge, bool), StoreError> {
    let head: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT size, root FROM log_head WHERE city_id = $1")
            .bind(city)
            .fetch_optional(&mut *tx)
            .await?;
    let Some((size, root)) = head else {
        return Ok((Edge::default(), false));
    };
    let size = size.unsigned_abs();
    let mut rows = Vec::new();
    for ((level, length), index) in (0_i16..).zip(Edge::lengths(size)).zip(last_tiles(size)) {
        if length == 0 {
            rows.push(Vec::new());
            continue;
        }
        let bytes: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT hashes FROM log_tile WHERE city_id = $1 AND level = $2 AND tile_index = $3",
        )
        .bind(city)
        .bind(level)
        .bind(signed(index))
        .fetch_optional(&mut *tx)
        .await?;
        let hashes = tile_hashes(&bytes.unwrap_or_default());
        rows.push(hashes.ok_or_else(|| corrupt("log tile", "it ends within a hash"))?);
    }
    let edge = Edge::of_rows(size, rows).map_err(|why| corrupt("log tile", why))?;
    // What does not fit what was signed before is never signed.
    if edge.root().0[..] != root {
        return Err(corrupt(
            "log tile",
            "the tiles are not those of the signed head",
        ));
    }
    Ok((edge, true))
}

/// Which tile is the last of each level of a tree of `size` entries, from the leaves up.
fn last_tiles(size: u64) -> impl Iterator<Item = u64> {
    (1..=8).map(move |level| size.checked_shr(8 * level).unwrap_or(0))
}

/// As PostgreSQL counts.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn leaves_insert(
    tx: &mut PgConnection,
    city: i32,
    first: u64,
    leaves: &[NewLeaf],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO log_leaf (city_id, leaf_index, receipt_id, refund_id, salt, day, entry)
         SELECT $1, $2 + n - 1, receipt_id, refund_id, salt, day, entry
         FROM unnest($3::uuid[], $4::uuid[], $5::bytea[], $6::date[], $7::bytea[])
            WITH ORDINALITY AS new (receipt_id, refund_id, salt, day, entry, n)",
    )
    .bind(city)
    .bind(signed(first))
    .bind(column(leaves, |leaf| leaf.receipt.map(|id| id.0)))
    .bind(column(leaves, |leaf| leaf.refund.map(|id| id.0)))
    .bind(column(leaves, |leaf| leaf.salt.0.to_vec()))
    .bind(column(leaves, |leaf| leaf.day))
    .bind(column(leaves, |leaf| leaf.entry.clone()))
    .execute(tx)
    .await?;
    Ok(())
}

fn column<T>(leaves: &[NewLeaf], get: impl Fn(&NewLeaf) -> T) -> Vec<T> {
    leaves.iter().map(get).collect()
}

/// Writes tiles. One that has grown takes the place of what it was; none ever shrinks.
async fn tiles_put(
    tx: &mut PgConnection,
    city: i32,
    tiles: Vec<(LogPath, Vec<u8>)>,
) -> Result<(), StoreError> {
    let (mut levels, mut indexes, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for (path, bytes) in tiles {
        if let LogPath::Tile { level, index, .. } = path {
            levels.push(i16::from(level));
            indexes.push(signed(index));
            hashes.push(bytes);
        }
    }
    sqlx::query(
        "INSERT INTO log_tile (city_id, level, tile_index, hashes)
         SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[])
         ON CONFLICT (city_id, level, tile_index) DO UPDATE SET hashes = excluded.hashes
            WHERE octet_length(log_tile.hashes) < octet_length(excluded.hashes)",
    )
    .bind(city)
    .bind(levels)
    .bind(indexes)
    .bind(hashes)
    .execute(tx)
    .await?;
    Ok(())
}
