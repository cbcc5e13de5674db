//! Commands that only read leave the schema as it is, and work where nothing can be written.

use std::process::{Command, Output};

use sqlx::PgPool;
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::{city, eventually, provided};

/// Those that need no file, and what else they need to be told.
const READING: [&[&str]; 9] = [
    &["ledger", "check"],
    &["ledger", "balances"],
    &["device", "list"],
    &["device", "faults"],
    &["device", "refused"],
    &["staff", "list"],
    &["terminal", "list"],
    &["tariff", "rules"],
    &[
        "tariff",
        "explain",
        "--lot",
        "lot-0",
        "--class",
        "car",
        "--from",
        "2026-11-20T08:00",
        "--to",
        "2026-11-20T09:00",
    ],
];

fn clearbay(url: &str, args: &[&str]) -> Output {
    Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(args)
        .env("DATABASE_URL", url)
        .env("CLEARBAY_CITY", "hn")
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_answers_whoever_only_reads() {
    let server = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let place = city::small(1, 1);
    let placed = database.store.place_import(&place, chrono::Utc::now());
    placed.await.unwrap();
    let replica = server.replica("reading").await;
    let url = replica.same_database(&database.url);
    let pool = PgPool::connect(&url).await.unwrap();
    eventually("the replica to have the city", || async {
        let lots: i64 = sqlx::query_scalar("SELECT count(*) FROM lot")
            .fetch_one(&pool)
            .await
            .unwrap();
        lots == 1
    })
    .await;
    for args in READING {
        let said = clearbay(&url, args);
        assert!(said.status.success(), "{args:?}: {said:?}");
    }
    // Who writes is told why that does not work.
    let refused = clearbay(&url, &["tariff", "rules", "--step", "1000"]);
    assert!(!refused.status.success(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_too_old_is_told_and_left() {
    let database = TestDatabase::with_city(1, 1).await;
    sqlx::query(
        "DELETE FROM _sqlx_migrations
         WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let before = database.count("_sqlx_migrations").await;
    let empty = TestDatabase::empty().await;
    for args in READING {
        for url in [&database.url, &empty.url] {
            let refused = clearbay(url, args);
            let told = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{args:?}: {told}");
            assert!(told.contains("older than this program"), "{args:?}: {told}");
            assert!(told.contains("clearbay migrate"), "{args:?}: {told}");
        }
    }
    assert_eq!(database.count("_sqlx_migrations").await, before);
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
            .fetch_one(&empty.pool)
            .await
            .unwrap();
    assert_eq!(tables, 0, "whoever reads makes no table");
}
