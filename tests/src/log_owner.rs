//! Whoever owns the database of a city, against its public log.

use domain::log::{
    Commitment, Edge, Entry, EntryKind, LogPath, LogSigner, TreeHead, record_hash, sign_head,
    tile_bytes,
};
use domain::money::Vnd;
use sqlx::PgPool;

use crate::citizen::day;
use crate::serving::log_key;

/// The tables that guard themselves.
const TABLES: [&str; 4] = ["log_leaf", "log_report", "receipt", "refund"];

/// Whoever owns the database, with everything that they can switch off.
pub struct Owner<'a> {
    /// Its connections.
    pub pool: &'a PgPool,
}

impl Owner<'_> {
    /// Does something with every guard switched off.
    pub async fn does(&self, sql: &str) {
        let guards = |state: &str| {
            TABLES
                .map(|table| format!("ALTER TABLE {table} {state} TRIGGER USER; "))
                .concat()
        };
        // Statements that are sent together are one transaction.
        let sql = format!("{}{sql}; {}", guards("DISABLE"), guards("ENABLE"));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(self.pool)
            .await
            .unwrap();
    }

    /// Keeps all that the log is, to be brought back.
    pub async fn keep(&self) {
        for table in ["log_leaf", "log_tile", "log_head", "log_report", "receipt"] {
            let sql = format!("CREATE TABLE IF NOT EXISTS kept_{table} AS TABLE {table}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                .execute(self.pool)
                .await
                .unwrap();
        }
    }

    /// Makes all as it was kept.
    pub async fn bring_back(&self) {
        // At once: the publisher is at work meanwhile.
        let tables = ["log_leaf", "log_tile", "log_head", "log_report"];
        let tables = tables.map(|table| {
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table};")
        });
        let receipts = "UPDATE receipt SET amount_vnd = kept_receipt.amount_vnd FROM kept_receipt
             WHERE kept_receipt.receipt_id = receipt.receipt_id";
        self.does(&format!("{} {receipts}", tables.concat())).await;
    }

    /// An entry of the log.
    pub async fn entry(&self, index: i64) -> Entry {
        let bytes: Vec<u8> = sqlx::query_scalar("SELECT entry FROM log_leaf WHERE leaf_index = $1")
            .bind(index)
            .fetch_one(self.pool)
            .await
            .unwrap();
        Entry::parse(&bytes).unwrap()
    }

    /// Writes an entry in the place of another.
    pub async fn put_entry(&self, index: i64, entry: &Entry) {
        let hex = hex::encode(entry.to_bytes());
        self.does(&format!(
            "UPDATE log_leaf SET entry = '\\x{hex}', day = '{}' WHERE leaf_index = {index}",
            entry.day
        ))
        .await;
    }

    /// Adds an entry that no receipt stands behind.
    pub async fn forge(&self, entry: &Entry) {
        let hex = hex::encode(entry.to_bytes());
        // A receipt is named twice, which the owner's index does not stop.
        self.does(&format!(
            "ALTER TABLE log_leaf DROP CONSTRAINT IF EXISTS log_leaf_receipt;
             INSERT INTO log_leaf (city_id, leaf_index, receipt_id, salt, day, entry)
             SELECT city_id, leaf_index + 1, receipt_id, salt, '{}', '\\x{hex}' FROM log_leaf
             ORDER BY leaf_index DESC LIMIT 1",
            entry.day
        ))
        .await;
    }

    /// Makes tiles and head anew for whatever the entries are now, and signs them with the log's own key.
    pub async fn rebuild(&self) {
        let entries: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT entry FROM log_leaf ORDER BY leaf_index")
                .fetch_all(self.pool)
                .await
                .unwrap();
        let mut edge = Edge::default();
        let mut tiles: Vec<(LogPath, Vec<u8>)> = Vec::new();
        for entry in &entries {
            edge.push(record_hash(entry), |path, hashes| {
                tiles.push((path, tile_bytes(hashes)));
            });
        }
        let open = edge.open_tiles();
        tiles.extend(open.map(|(path, hashes)| (path, tile_bytes(hashes))));
        self.does("DELETE FROM log_tile").await;
        for (path, hashes) in tiles {
            let LogPath::Tile { level, index, .. } = path else {
                continue;
            };
            sqlx::query(
                "INSERT INTO log_tile (city_id, level, tile_index, hashes)
                 SELECT city_id, $1, $2, $3 FROM log_head",
            )
            .bind(i16::from(level))
            .bind(i64::try_from(index).unwrap())
            .bind(hashes)
            .execute(self.pool)
            .await
            .unwrap();
        }
        let head = TreeHead {
            size: edge.size(),
            root: edge.root(),
        };
        let signer: LogSigner = log_key(1).1.parse().unwrap();
        sqlx::query("UPDATE log_head SET size = $1, root = $2, checkpoint = $3")
            .bind(i64::try_from(head.size).unwrap())
            .bind(&head.root.0[..])
            .bind(sign_head(&head, &[signer]).unwrap())
            .execute(self.pool)
            .await
            .unwrap();
    }
}

/// A forged entry of so much, that many days ago.
pub fn forged(days_ago: i64, amount: i64) -> Entry {
    Entry {
        kind: EntryKind::Receipt,
        day: day(days_ago).parse().unwrap(),
        ward: "cua-nam".to_owned(),
        lot: "CN-01".to_owned(),
        operator: "HNP".to_owned(),
        amount_vnd: Vnd::new(amount),
        commitment: Commitment([1; 32]),
    }
}
