//! The schema: brought up to date, and older than, equal to or newer than what this program knows.
//!
//! While a city is upgraded, programs of two versions work on one schema, and after a step back an older one starts
//! on a newer schema. So a migration only adds (expands); what it takes away (contracts), no program of the
//! version before may use. A file that takes something away says in its name from which migration on programs do
//! without it, `0050_drop_x_contract_0045.sql`: the database keeps the name, and a program that does not know
//! migration 45 refuses to start. CONTRIBUTING.md has the rule, the test `migrations` holds to it.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection};

use crate::{Store, StoreError};

pub(crate) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations");
    // Those of a newer program.
    migrations.set_ignore_missing(true);
    migrations
});

/// What kind of database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL with TimescaleDB: `event` is a hypertable.
    Timescale,
    /// PostgreSQL alone: `event` is a plain table.
    Plain,
}

/// From which migration on programs do without what a migration takes away, by its description: the file's name
/// without its number.
fn contract_since(description: &str) -> Option<i64> {
    let mut words = description.split([' ', '_']);
    words.find(|word| *word == "contract")?;
    words.next()?.parse().ok()
}

impl Store {
    /// Brings the schema up to date, and the rights of the database's roles with it ([`crate::roles`]). Uses
    /// TimescaleDB where the server has it loaded.
    ///
    /// A schema that a newer program has extended is left as it is.
    ///
    /// # Errors
    /// [`StoreError::Migrate`] where a migration fails; nothing of that migration remains.
    /// [`StoreError::TooOld`] where a newer program has taken away what this one uses.
    pub async fn migrate(&self) -> Result<Engine, StoreError> {
        self.fits_newer().await?;
        let missing = self.migrations_missing().await?;
        let alone = self.migrates_alone().await?;
        // What the server has loaded only its administrators may ask; what the library can be set to, anybody.
        let lacking: bool = sqlx::query_scalar(
            "SELECT current_setting('timescaledb.max_background_workers', true) IS NOT NULL
                AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
                AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')",
        )
        .fetch_one(&self.pool)
        .await?;
        if lacking {
            // Another process may be at it too.
            sqlx::query("CREATE EXTENSION IF NOT EXISTS timescaledb")
                .execute(&self.pool)
                .await?;
            // A session that was open before the extension does not see it.
            let options = self.pool.connect_options();
            let fresh = PgPoolOptions::new()
                .max_connections(1)
                .connect_with(options.as_ref().clone())
                .await?;
            MIGRATIONS.run(&fresh).await?;
            fresh.close().await;
        } else {
            MIGRATIONS.run(&self.pool).await?;
        }
        if missing > 0 {
            self.roles_grant().await?;
        }
        alone.close().await?;
        self.engine().await
    }

    /// Waits until no other process migrates; none does before the result is closed. It asks again and again: an index
    /// that is made beside the work of others waits for all that are in a statement, and whoever waited in one for it
    /// would be waited for.
    async fn migrates_alone(&self) -> Result<PgConnection, StoreError> {
        const LOCK: i64 = 0x6d69_6772_6174_6573;
        let mut connection = PgConnection::connect_with(&self.pool.connect_options()).await?;
        while !sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut connection)
            .await?
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(connection)
    }

    /// What kind of database this is.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn engine(&self) -> Result<Engine, StoreError> {
        let timescale: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(if timescale {
            Engine::Timescale
        } else {
            Engine::Plain
        })
    }

    /// Whether this program can work on what newer ones have made of the schema.
    pub(crate) async fn fits_newer(&self) -> Result<(), StoreError> {
        let is_there: bool =
            sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
                .fetch_one(&self.pool)
                .await?;
        if !is_there {
            return Ok(());
        }
        let known = MIGRATIONS.iter().map(|migration| migration.version).max();
        let known = known.unwrap_or(0);
        let newer: Vec<(i64, String)> = sqlx::query_as(
            "SELECT version, description FROM _sqlx_migrations WHERE version > $1 ORDER BY version",
        )
        .bind(known)
        .fetch_all(&self.pool)
        .await?;
        for (migration, description) in &newer {
            if let Some(since) = contract_since(description).filter(|since| *since > known) {
                return Err(StoreError::TooOld {
                    migration: *migration,
                    since,
                });
            }
        }
        if let Some((newest, _)) = newer.last() {
            tracing::info!(newest, known, "the schema is a newer program's");
        }
        Ok(())
    }
}
