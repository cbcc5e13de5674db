//! A database for one test.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use store::Store;
use store::roles::{INGEST, READ, SERVE};
use uuid::Uuid;

/// A migrated database of its own, dropped with this value.
pub struct TestDatabase {
    /// The store on it.
    pub store: Store,
    /// Raw access, to look at tables as an auditor would.
    pub pool: PgPool,
    /// Its address, for who owns it.
    pub url: String,
    /// The same for who may do no more than `clearbay serve` needs.
    pub serve_url: String,
    /// The same for who may do no more than `clearbay ingest` needs.
    pub ingest_url: String,
    /// The same for who reads reports.
    pub read_url: String,
    name: String,
    server: PgConnectOptions,
    /// Its server lives no longer than whoever made it: nobody need drop it.
    goes_with_its_server: bool,
}

impl TestDatabase {
    /// Makes one on the server that `cargo xtask test` provides.
    ///
    /// # Panics
    /// Where there is no server, or it refuses.
    pub async fn create() -> Self {
        let database = Self::empty().await;
        database.store.migrate().await.unwrap();
        database
    }

    /// Makes one with a small city in it ([`crate::city::small`]), installed now.
    ///
    /// # Panics
    /// As for [`TestDatabase::create`].
    pub async fn with_city(lots: usize, bays: usize) -> Self {
        let database = Self::create().await;
        let place = crate::city::small(lots, bays);
        let placed = database.store.place_import(&place, chrono::Utc::now());
        placed.await.unwrap();
        database
    }

    /// Makes one on a server of one's own, which ends with it.
    ///
    /// # Panics
    /// Where there is no server, or it refuses.
    pub async fn create_on(server_url: &str) -> Self {
        let mut database = Self::empty_on(server_url).await;
        database.store.migrate().await.unwrap();
        database.goes_with_its_server = true;
        database
    }

    /// Makes one without a table on the server that `cargo xtask test` provides.
    ///
    /// # Panics
    /// Where there is no server, or it refuses.
    pub async fn empty() -> Self {
        Self::empty_on(&crate::provided("CLEARBAY_TEST_DATABASE_URL")).await
    }

    async fn empty_on(server_url: &str) -> Self {
        crate::log();
        let server = PgConnectOptions::from_str(server_url)
            .unwrap()
            .disable_statement_logging();
        let name = format!("clearbay_test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect_with(&server).await.unwrap();
        // template0 has no users of its own that could be in the way of another test's.
        let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"));
        connection.execute(create).await.unwrap();
        connection.close().await.unwrap();
        let options = server.clone().database(&name);
        let url = options.to_url_lossy().to_string();
        let store = Store::connect(&url, 8).await.unwrap();
        store.roles_create().await.unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options.clone())
            .await
            .unwrap();
        let [serve_url, ingest_url, read_url] = logins(&pool, &options).await;
        Self {
            store,
            pool,
            url,
            serve_url,
            ingest_url,
            read_url,
            name,
            server,
            goes_with_its_server: false,
        }
    }

    /// Sets what it says of the time so many seconds ahead of its server: for those who connect after this was asked for the
    /// first time.
    ///
    /// # Panics
    /// Where it refuses.
    pub async fn set_clock(&self, ahead_s: i64) {
        let statements = format!(
            "CREATE SCHEMA IF NOT EXISTS another_time;
             GRANT USAGE ON SCHEMA another_time TO PUBLIC;
             CREATE OR REPLACE FUNCTION another_time.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
                RETURN pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => {ahead_s});
             ALTER DATABASE {} SET search_path = another_time, pg_catalog, public;",
            self.name
        );
        run(&self.pool, &statements).await;
    }

    /// Refuses new connections and ends those there are, as a database that goes away would.
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn take_away(&self) {
        self.allow_connections(false).await;
        let mut connection = PgConnection::connect_with(&self.server).await.unwrap();
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
            .bind(&self.name)
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// Undoes [`TestDatabase::take_away`].
    ///
    /// # Panics
    /// Where the server refuses.
    pub async fn bring_back(&self) {
        self.allow_connections(true).await;
    }

    async fn allow_connections(&self, allow: bool) {
        let name = &self.name;
        let alter = AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}"));
        let mut connection = PgConnection::connect_with(&self.server).await.unwrap();
        connection.execute(alter).await.unwrap();
    }

    /// How large it is, its log of changes aside.
    ///
    /// # Panics
    /// Where it does not answer.
    pub async fn bytes(&self) -> i64 {
        sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// How much its server has written to the log of changes, for all of its databases.
    ///
    /// # Panics
    /// Where it does not answer.
    pub async fn wal_bytes(&self) -> i64 {
        sqlx::query_scalar("SELECT (pg_current_wal_lsn() - '0/0')::bigint")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// How many rows a table has.
    ///
    /// # Panics
    /// Where there is no such table.
    pub async fn count(&self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(count)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// What of a message gave no event, by reason, in order of reason.
    ///
    /// # Panics
    /// Where the database does not answer.
    pub async fn refused(&self) -> Vec<(String, i64)> {
        self.store.refused_counts().await.unwrap()
    }
}

/// The password of tests' logins, which own nothing.
pub const LOGIN_PASSWORD: &str = "a-login-password-of-tests";

/// A login in each of the server's roles; the database's address for each. Other tests make them too.
async fn logins(pool: &PgPool, options: &PgConnectOptions) -> [String; 3] {
    let roles = [SERVE, INGEST, READ];
    for role in roles {
        let make = format!(
            "DO $$ BEGIN
                CREATE ROLE {role}_of_tests LOGIN PASSWORD '{LOGIN_PASSWORD}' IN ROLE {role};
             EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
             END $$"
        );
        pool.execute(AssertSqlSafe(make)).await.unwrap();
    }
    roles.map(|role| {
        let login = options.clone().username(&format!("{role}_of_tests"));
        login.password(LOGIN_PASSWORD).to_url_lossy().to_string()
    })
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.goes_with_its_server {
            return;
        }
        let (name, server) = (self.name.clone(), self.server.clone());
        // A destructor cannot await on the test's own runtime.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect_with(&server).await?;
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connection.execute(AssertSqlSafe(drop)).await?;
                anyhow::Ok(())
            })
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("database {} could not be dropped", self.name);
        }
    }
}

/// Runs statements, as who owns the database.
///
/// # Panics
/// Where they are refused.
pub async fn run(pool: &PgPool, statements: &str) {
    let statements = AssertSqlSafe(statements.to_owned());
    sqlx::raw_sql(statements).execute(pool).await.unwrap();
}

/// All that is written for ever, in short.
///
/// # Panics
/// Where one of them is not there.
pub async fn written(pool: &PgPool) -> Vec<String> {
    let tables = ["receipt", "transfer", "log_leaf", "refund"];
    let sums = tables.map(|table| {
        format!(
            "SELECT coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM {table} AS r"
        )
    });
    let mut found = Vec::new();
    for sum in sums {
        let sum = sqlx::query_scalar(AssertSqlSafe(sum)).fetch_one(pool);
        found.push(sum.await.unwrap());
    }
    found
}
