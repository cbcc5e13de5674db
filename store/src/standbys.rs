//! Who keeps the database's changes: machines that a commit waits for, and whoever has the server keep what they have
//! not taken yet.

use crate::{Store, StoreError};

/// Servers that a commit waits for, by `synchronous_standby_names`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standbys {
    /// How many are named; none where any will do (`*`).
    pub named: u64,
    /// For how many of them a commit waits. With fewer it waits for ever.
    pub wanted: u64,
    /// How many of them are connected. One of them may still be catching up.
    pub connected: u64,
}

/// A replication slot: the server keeps every change for its owner until it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What it is called.
    pub name: String,
    /// Whether its owner is connected.
    pub is_active: bool,
    /// How many bytes of changes are kept for it. None where it has not begun, or is lost.
    pub behind_bytes: Option<u64>,
}

impl Store {
    /// Whether commits have the machines that they wait for. It asks for no right: who is connected everybody may see,
    /// though not how far they are.
    ///
    /// # Errors
    /// Database errors.
    pub async fn standbys(&self) -> Result<Standbys, StoreError> {
        let (names, commit): (String, String) = sqlx::query_as(
            "SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit')",
        )
        .fetch_one(&self.pool)
        .await?;
        // So set, nobody waits for another machine.
        if matches!(commit.as_str(), "off" | "local") {
            return Ok(Standbys::default());
        }
        let connected: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT application_name FROM pg_stat_replication")
                .fetch_all(&self.pool)
                .await?;
        Ok(standbys(&names, &connected))
    }

    /// Every slot of the server, the database's own and others'.
    ///
    /// # Errors
    /// Database errors.
    pub async fn slots(&self) -> Result<Vec<Slot>, StoreError> {
        let rows: Vec<(String, bool, Option<i64>)> = sqlx::query_as(
            "SELECT slot_name::text, active, pg_wal_lsn_diff(
                CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                restart_lsn)::bigint
             FROM pg_replication_slots ORDER BY slot_name LIMIT 100",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(name, is_active, behind)| Slot {
                name,
                is_active,
                behind_bytes: behind.map(|bytes| bytes.max(0).unsigned_abs()),
            })
            .collect())
    }
}

/// Reads `synchronous_standby_names`: `a, b`, `1 (a, b)`, `FIRST 1 (a, b)` or `ANY 1 (a, b)`; a name with other
/// characters than a word's stands in quotation marks, and case does not matter.
fn standbys(setting: &str, connected: &[String]) -> Standbys {
    let (before, list) = match setting.split_once('(') {
        Some((before, list)) => (before, list.trim_end().trim_end_matches(')')),
        None => ("", setting),
    };
    let names: Vec<&str> = list
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Standbys::default();
    }
    let wanted = before.split_whitespace().last();
    let wanted = wanted.and_then(|number| number.parse().ok()).unwrap_or(1);
    let is_named = |one: &&String| {
        let mut names = names.iter();
        names.any(|name| *name == "*" || name.eq_ignore_ascii_case(one))
    };
    let any = names.contains(&"*");
    Standbys {
        named: if any { 0 } else { names.len() as u64 },
        wanted,
        connected: connected.iter().filter(is_named).count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_commit_waits_for_is_read_as_postgresql_reads_it() {
        let there = ["clearbay_replica", "pg_receivewal"].map(str::to_owned);
        let of = |setting: &str| {
            let found = standbys(setting, &there);
            [found.named, found.wanted, found.connected]
        };
        assert_eq!(of(""), [0, 0, 0]);
        assert_eq!(
            of("ANY 1 (clearbay_replica, clearbay_replica_2)"),
            [2, 1, 1]
        );
        assert_eq!(of("FIRST 2 (CLEARBAY_REPLICA, \"b\")"), [2, 2, 1]);
        assert_eq!(of("2(a, b, c)"), [3, 2, 0]);
        assert_eq!(of("clearbay_replica"), [1, 1, 1]);
        assert_eq!(of("a, b"), [2, 1, 0]);
        assert_eq!(of("*"), [0, 1, 2]);
    }
}
