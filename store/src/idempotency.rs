//! One intent, one effect: keys are claimed in the transaction that does the work.

use std::collections::HashMap;

use domain::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Store, StoreError};

/// What a client wants done once, however often it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// SHA-256 of the client's key, in hexadecimal. Who knows a key is given what it has made, with the
    /// token that opens it: so keys are kept as passwords are.
    pub(crate) key: String,
    /// The key as it was kept before, for as long as such are remembered.
    plain_key: String,
    /// SHA-256 of the request, so that a key cannot be used for two requests.
    fingerprint: [u8; 32],
}

impl Intent {
    /// What is asked for under a client's key of 8 to 128 characters, with the SHA-256 of the request.
    pub fn new(key: String, fingerprint: [u8; 32]) -> Self {
        let hashed = hex::encode(Sha256::digest(&key));
        // What looks like a hash is not compared as it is: it would be as good as the key.
        let is_hash = key.len() == hashed.len() && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self {
            plain_key: if is_hash { hashed.clone() } else { key },
            key: hashed,
            fingerprint,
        }
    }
}

/// What became of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is new: do the work.
    New,
    /// It was done; this was made.
    Done(Uuid),
    /// The key belongs to another request.
    Mismatch,
}

/// Claims each intent for the resource beside it. A key that another transaction is claiming at
/// this moment makes this one wait for that one's end. Within one call keys must differ.
pub(crate) async fn claim(
    tx: &mut PgConnection,
    scope: &'static str,
    intents: &[(&Intent, Uuid)],
    now: Timestamp,
) -> Result<Vec<Claim>, StoreError> {
    // In order of key, so that two batches cannot wait for each other.
    let mut sorted: Vec<_> = intents.to_vec();
    sorted.sort_unstable_by(|a, b| a.0.key.cmp(&b.0.key));
    let keys: Vec<&str> = sorted
        .iter()
        .map(|(intent, _)| intent.key.as_str())
        .collect();
    let plain: Vec<&str> = sorted
        .iter()
        .map(|(intent, _)| intent.plain_key.as_str())
        .collect();
    let prints: Vec<&[u8]> = sorted
        .iter()
        .map(|(intent, _)| &intent.fingerprint[..])
        .collect();
    let made: Vec<Uuid> = sorted.iter().map(|(_, id)| *id).collect();
    let fresh: Vec<String> = sqlx::query_scalar(
        "INSERT INTO idempotency (scope, key, fingerprint, resource_id, created_at)
         SELECT $1, k.key, k.fingerprint, k.resource_id, $5
         FROM unnest($2::text[], $3::bytea[], $4::uuid[], $6::text[]) AS k (key, fingerprint, resource_id, plain)
         WHERE NOT EXISTS (SELECT FROM idempotency AS old WHERE old.scope = $1 AND old.key = k.plain)
         ON CONFLICT (scope, key) DO NOTHING
         RETURNING key",
    )
    .bind(scope)
    .bind(&keys)
    .bind(&prints)
    .bind(&made)
    .bind(now)
    .bind(&plain)
    .fetch_all(&mut *tx)
    .await?;
    let mut known: HashMap<String, Claim> =
        fresh.into_iter().map(|key| (key, Claim::New)).collect();
    if known.len() < intents.len() {
        let wanted: HashMap<&str, &Intent> = intents
            .iter()
            .flat_map(|(intent, _)| [(&*intent.key, *intent), (&*intent.plain_key, *intent)])
            .collect();
        let rows: Vec<(String, Vec<u8>, Uuid)> = sqlx::query_as(
            "SELECT key, fingerprint, resource_id FROM idempotency
             WHERE scope = $1 AND key = ANY($2 || $3)",
        )
        .bind(scope)
        .bind(&keys)
        .bind(&plain)
        .fetch_all(&mut *tx)
        .await?;
        for (key, fingerprint, id) in rows {
            let Some(intent) = wanted.get(key.as_str()) else {
                continue;
            };
            let same = intent.fingerprint[..] == fingerprint[..];
            known.entry(intent.key.clone()).or_insert(if same {
                Claim::Done(id)
            } else {
                Claim::Mismatch
            });
        }
    }
    let claim_of = |intent: &Intent| {
        known
            .get(&intent.key)
            .copied()
            .ok_or(StoreError::NotFound("idempotency key"))
    };
    intents.iter().map(|(intent, _)| claim_of(intent)).collect()
}

/// Gives up keys that were claimed in this transaction and made nothing.
pub(crate) async fn unclaim(
    tx: &mut PgConnection,
    scope: &'static str,
    keys: &[&str],
) -> Result<(), StoreError> {
    if !keys.is_empty() {
        sqlx::query("DELETE FROM idempotency WHERE scope = $1 AND key = ANY($2)")
            .bind(scope)
            .bind(keys)
            .execute(tx)
            .await?;
    }
    Ok(())
}

impl Store {
    /// What became of an intent, if it was claimed.
    ///
    /// # Errors
    /// Database errors.
    pub async fn idempotency_find(
        &self,
        scope: &str,
        intent: &Intent,
    ) -> Result<Option<Claim>, StoreError> {
        let row: Option<(Vec<u8>, Uuid)> = sqlx::query_as(
            "SELECT fingerprint, resource_id FROM idempotency WHERE scope = $1 AND key IN ($2, $3)",
        )
        .bind(scope)
        .bind(&intent.key)
        .bind(&intent.plain_key)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(print, id)| {
            if print == intent.fingerprint {
                Claim::Done(id)
            } else {
                Claim::Mismatch
            }
        }))
    }

    /// What a key stands for, whatever was asked with it.
    ///
    /// # Errors
    /// Database errors.
    pub async fn idempotency_resource(
        &self,
        scope: &str,
        intent: &Intent,
    ) -> Result<Option<Uuid>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT resource_id FROM idempotency WHERE scope = $1 AND key IN ($2, $3)",
        )
        .bind(scope)
        .bind(&intent.key)
        .bind(&intent.plain_key)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Forgets keys claimed before `before`; returns how many.
    ///
    /// # Errors
    /// Database errors.
    pub async fn idempotency_prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("DELETE FROM idempotency WHERE created_at < $1")
            .bind(before)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }
}
