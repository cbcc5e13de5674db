//! The database's own rules about money, and their independent second telling in memory.

use std::process::Command;

use chrono::Utc;
use domain::id::{AccountId, TransferId, WalletId};
use domain::ledger::{Books, LedgerError, Transfer, TransferKind};
use domain::money::Vnd;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::StoreError;
use store::idempotency::Intent;
use tests::database::TestDatabase;
use tests::{city, provided};
use uuid::Uuid;

async fn accounts(database: &TestDatabase, wallets: usize) -> (Vec<AccountId>, Vec<AccountId>) {
    database
        .store
        .place_import(&city::small(1, 1), chrono::Utc::now())
        .await
        .unwrap();
    let mut ours = Vec::new();
    for code in [
        "clearing:vietqr",
        "operator:khai-thac",
        "suspense",
        "city",
        "vat",
    ] {
        ours.push(database.store.account(code).await.unwrap());
    }
    let mut theirs = Vec::new();
    for _ in 0..wallets {
        let id = WalletId(Uuid::new_v4());
        let intent = Intent::new(id.to_string(), [0; 32]);
        database
            .store
            .wallet_open(id, &intent, Utc::now())
            .await
            .unwrap();
        theirs.push(database.store.wallet(id).await.unwrap().account);
    }
    (ours, theirs)
}

fn transfer(kind: TransferKind, debit: AccountId, credit: AccountId, amount: i64) -> Transfer {
    let id = TransferId(Uuid::now_v7());
    Transfer {
        kind,
        ..Transfer::single(id, debit, credit, Vnd::new(amount), Utc::now())
    }
}

async fn refused(database: &TestDatabase, transfers: &[Transfer]) -> String {
    let refused = database.store.ledger_record(transfers, Utc::now()).await;
    match refused.unwrap_err() {
        StoreError::Constraint(name) => name,
        other => panic!("not by a named rule: {other}"),
    }
}

#[tokio::test]
async fn the_database_refuses_what_the_books_do_not_allow() {
    use TransferKind::{Pending, Post, Single, Void};
    let database = TestDatabase::create().await;
    let (ours, theirs) = accounts(&database, 1).await;
    let (bank, operator, wallet) = (ours[0], ours[1], theirs[0]);
    let record = |transfers: Vec<Transfer>| {
        let store = database.store.clone();
        async move { store.ledger_record(&transfers, Utc::now()).await }
    };
    // More than nothing is needed to spend.
    let spend = |amount| transfer(Single, wallet, operator, amount);
    assert_eq!(refused(&database, &[spend(1)]).await, "wallet_covers");
    record(vec![transfer(Single, bank, wallet, 1_000)])
        .await
        .unwrap();
    assert_eq!(refused(&database, &[spend(1_001)]).await, "wallet_covers");
    // What is reserved cannot be spent twice.
    let hold = transfer(Pending, wallet, operator, 600);
    record(vec![hold]).await.unwrap();
    assert_eq!(refused(&database, &[spend(401)]).await, "wallet_covers");
    let ends = |kind, amount| Transfer {
        amount_vnd: Vnd::new(amount),
        ..hold.resolve(TransferId(Uuid::now_v7()), kind, Utc::now())
    };
    assert_eq!(
        refused(&database, &[ends(Post, 601)]).await,
        "transfer_fits_pending"
    );
    assert_eq!(
        refused(&database, &[ends(Void, 599)]).await,
        "transfer_fits_pending"
    );
    let elsewhere = Transfer {
        credit: bank,
        ..ends(Post, 600)
    };
    assert_eq!(
        refused(&database, &[elsewhere]).await,
        "transfer_fits_pending"
    );
    record(vec![ends(Post, 250)]).await.unwrap();
    assert_eq!(
        refused(&database, &[ends(Post, 100)]).await,
        "transfer_resolved_once"
    );
    assert_eq!(
        refused(&database, &[ends(Void, 600)]).await,
        "transfer_resolved_once"
    );
    assert_eq!(refused(&database, &[spend(0)]).await, "transfer_amount");
    assert_eq!(refused(&database, &[spend(-5)]).await, "transfer_amount");
    let circle = transfer(Single, bank, bank, 1);
    assert_eq!(refused(&database, &[circle]).await, "transfer_two_accounts");
    // Nor can the running total be written past the transfers.
    for change in [
        "UPDATE wallet SET balance_vnd = 1000000",
        "UPDATE transfer SET amount_vnd = 1",
        "DELETE FROM transfer",
        "SET session_replication_role = replica; DELETE FROM transfer",
    ] {
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(change))
            .execute(&database.pool)
            .await;
        assert!(refused.is_err(), "{change}");
    }
    record(vec![spend(750)]).await.unwrap();
    let left = database
        .count("wallet WHERE balance_vnd = 0 AND held_vnd = 0")
        .await;
    assert_eq!(left, 1);
    assert_eq!(
        database.store.ledger_breaks().await.unwrap(),
        Vec::<String>::new()
    );
}

/// How many random operations: `CLEARBAY_TEST_LEDGER_OPERATIONS`, or enough to find a slip.
fn operations() -> usize {
    let told = std::env::var("CLEARBAY_TEST_LEDGER_OPERATIONS").ok();
    told.and_then(|count| count.parse().ok()).unwrap_or(50_000)
}

#[tokio::test]
async fn random_operations_leave_what_the_model_says() {
    const BATCH: usize = 1_000;
    let database = TestDatabase::create().await;
    let (ours, theirs) = accounts(&database, 50).await;
    let all: Vec<AccountId> = ours.iter().chain(&theirs).copied().collect();
    let mut random = StdRng::seed_from_u64(7);
    let mut books = Books::default();
    let mut pending: Vec<Transfer> = Vec::new();
    let mut batch: Vec<Transfer> = Vec::with_capacity(BATCH);
    let (mut taken, mut left_out) = (0usize, 0usize);
    let total = operations();
    for number in 0..total {
        let pick = |random: &mut StdRng| all[random.random_range(0..all.len())];
        let amount = random.random_range(-1..10_000);
        let next = match random.random_range(0..10) {
            0..=4 => transfer(
                TransferKind::Single,
                pick(&mut random),
                pick(&mut random),
                amount,
            ),
            5..=6 => transfer(
                TransferKind::Pending,
                pick(&mut random),
                pick(&mut random),
                amount,
            ),
            kind if !pending.is_empty() => {
                let index = random.random_range(0..pending.len());
                // Mostly ended once, at times once more.
                let ended = match random.random_range(0..10) {
                    0 => pending[index],
                    _ => pending.swap_remove(index),
                };
                let end = if kind == 7 {
                    TransferKind::Void
                } else {
                    TransferKind::Post
                };
                let resolved = ended.resolve(TransferId(Uuid::now_v7()), end, Utc::now());
                match random.random_range(0..4) {
                    0 => Transfer {
                        amount_vnd: Vnd::new(amount),
                        ..resolved
                    },
                    _ => resolved,
                }
            }
            _ => continue,
        };
        match books.record(&next) {
            Ok(()) => {
                if next.kind == TransferKind::Pending {
                    pending.push(next);
                }
                batch.push(next);
                taken += 1;
            }
            Err(LedgerError::Overflow) => unreachable!("amounts are small"),
            Err(_) => {
                left_out += 1;
                // Some of what the model refuses is shown to the database, which must as well.
                if left_out % 100 == 0 {
                    flush(&database, &mut batch).await;
                    refused(&database, &[next]).await;
                }
            }
        }
        if batch.len() == BATCH || number + 1 == total {
            flush(&database, &mut batch).await;
        }
    }
    println!("{taken} transfers taken, {left_out} refused by the model");
    let rows: Vec<(i32, i64, i64)> = sqlx::query_as(
        "SELECT account_id,
                coalesce((SELECT sum(amount_vnd) FROM transfer WHERE debit_id = account_id
                    AND kind IN ('single', 'post')), 0)::bigint,
                coalesce((SELECT sum(amount_vnd) FROM transfer WHERE credit_id = account_id
                    AND kind IN ('single', 'post')), 0)::bigint
         FROM account",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    for (account, debits, credits) in rows {
        let told = books.balance(AccountId(account));
        assert_eq!(told.debits_vnd.get(), debits, "debits of {account}");
        assert_eq!(told.credits_vnd.get(), credits, "credits of {account}");
    }
    let wallets: Vec<(i32, i64, i64)> =
        sqlx::query_as("SELECT account_id, balance_vnd, held_vnd FROM wallet")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    for (account, balance, held) in wallets {
        let told = books.balance(AccountId(account));
        assert_eq!(told.credits_vnd.get() - told.debits_vnd.get(), balance);
        assert_eq!(told.held_vnd.get(), held);
        assert!(balance >= held);
    }
    assert_eq!(
        database.store.ledger_breaks().await.unwrap(),
        Vec::<String>::new()
    );
}

async fn flush(database: &TestDatabase, batch: &mut Vec<Transfer>) {
    database
        .store
        .ledger_record(batch, Utc::now())
        .await
        .unwrap();
    batch.clear();
}

/// Whether the books are right, and what the check says. For Prometheus it leaves how many breaks it told.
fn check(database: &TestDatabase) -> (bool, String) {
    let metrics = tempfile::tempdir().unwrap();
    let output = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["ledger", "check", "--metrics-dir"])
        .arg(metrics.path())
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let left = std::fs::read_to_string(metrics.path().join("clearbay_ledger.prom")).unwrap();
    let breaks = told
        .lines()
        .filter(|line| line.starts_with("BREAK"))
        .count();
    let gauge = format!("\nclearbay_ledger_breaks {breaks}\n");
    assert!(left.contains(&gauge), "{told}\n{left}");
    assert!(left.contains("\nclearbay_ledger_checked_timestamp_seconds "));
    (output.status.success(), told)
}

/// Somebody with the database's own password and patience.
async fn tamper(database: &TestDatabase, sql: &str) {
    let sql = format!(
        "ALTER TABLE transfer DISABLE TRIGGER ALL; ALTER TABLE receipt DISABLE TRIGGER ALL;
         ALTER TABLE wallet DISABLE TRIGGER ALL; {sql};
         ALTER TABLE transfer ENABLE TRIGGER ALL; ALTER TABLE receipt ENABLE TRIGGER ALL;
         ALTER TABLE wallet ENABLE TRIGGER ALL;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&database.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_check_names_each_break() {
    let served = tests::serving::Serving::city(80).await;
    let open = served.paid_session("CN-01-001", 60).await;
    let (right, told) = check(&served.database);
    assert!(right, "{told}");
    assert!(told.contains("The books are right"), "{told}");

    let database = &served.database;
    let tampered = [
        (
            "UPDATE transfer SET amount_vnd = amount_vnd - 1 WHERE kind = 'post'",
            "UPDATE transfer SET amount_vnd = amount_vnd + 1 WHERE kind = 'post'",
            format!(
                "payment {} is posted, but its money never moved",
                open.payment
            ),
        ),
        (
            "UPDATE payment SET status = 'voided', posted_at = NULL",
            "UPDATE payment SET status = 'posted', posted_at = now()",
            "posts money of a payment that is not posted".to_owned(),
        ),
        (
            "UPDATE receipt SET amount_vnd = 24999",
            "UPDATE receipt SET amount_vnd = 25000",
            "has no posted payment of its amount".to_owned(),
        ),
        (
            "UPDATE purchase SET status = 'pending'",
            "UPDATE purchase SET status = 'paid'",
            "its purchase is pending".to_owned(),
        ),
    ];
    for (harm, repair, named) in tampered {
        tamper(database, harm).await;
        let (right, told) = check(database);
        assert!(!right, "{harm}");
        assert!(told.contains(&named), "{harm}: {told}");
        tamper(database, repair).await;
        assert!(check(database).0, "{repair}");
    }
}

/// `clearbay ledger balances | head -1`.
#[tokio::test]
async fn whoever_has_read_enough_is_no_error() {
    let database = TestDatabase::create().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["ledger", "balances"])
        .env("DATABASE_URL", &database.url)
        .stdout(writer)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(141), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}
