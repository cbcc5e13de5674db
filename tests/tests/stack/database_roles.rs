//! The programs run as roles that own nothing: what they need works, and nothing else does, whatever they say.

use std::process::{Command, Output};

use chrono::{SubsecRound, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::json;
use simulator::city::hanoi;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::roles::{INGEST, READ, SERVE, tables};
use tests::broker::Broker;
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::sensors::told;
use tests::serving::{Serving, text};
use tests::{eventually, provided};

const BAY: &str = "CN-01-001";
/// SQLSTATE: insufficient privilege, and a rule that a trigger or a function keeps.
const NOT_ALLOWED: &str = "42501";
const NEVER: &str = "23001";

/// What only grows, each with something to change in it.
const GROWING: [(&str, &str); 8] = [
    ("account_change", "actor = 'nobody'"),
    ("audit", "actor = 'nobody'"),
    ("invoice", "number = 1"),
    ("log_leaf", "day = '2026-01-01'"),
    ("log_report", "size = 0"),
    ("receipt", "amount_vnd = 1"),
    ("terminal_session", "terminal_id = 1"),
    ("transfer", "amount_vnd = 1"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_city_runs_by_roles_that_own_nothing() {
    let mut server = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let env = vec![("DATABASE_URL", database.serve_url.clone())];
    let place = hanoi(80).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let device = bays.find(|bay| bay.code == BAY).unwrap().device.clone();
    let device = device.unwrap().id;
    let city = Serving::on(database, &place, Broker::rumqttd(), env, None).await;

    // A vehicle comes, is paid for, and goes; what it said late is told anew.
    let now = Utc::now().trunc_subsecs(3);
    let ago = |minutes| now - TimeDelta::minutes(minutes);
    let (come, gone) = (
        told(&device, ago(30), 1, true),
        told(&device, ago(1), 3, false),
    );
    city.sense(&[come, gone], 2, "event").await;
    city.sense(&[told(&device, ago(20), 2, false)], 3, "event")
        .await;
    city.sense(&[told("a-stranger", now, 1, true)], 1, "refused_message")
        .await;
    let open = city.paid_session(BAY, 60).await;
    let receipt = text(&city.payment(&open).await["receipt_id"]);

    // Staff come in, look a plate up, and give the money back.
    let staff = city.staff("official", None).await;
    let looked = city.post("/api/v1/staff/plates", &json!({"plate": "30A-123.45"}));
    let looked = looked.header("cookie", &staff).send().await.unwrap();
    assert_eq!(looked.status(), StatusCode::OK);
    let body = json!({"reason": "could_not_park", "text": "Chỗ đã có xe khác."});
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    let (status, dispute) = city.post_as("", &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{dispute}");
    let decision = json!({"decision": "refund", "answer": "Xin lỗi bạn."});
    let path = format!("/api/v1/staff/disputes/{}", text(&dispute["id"]));
    let decided = city.post(&path, &decision).header("cookie", &staff);
    assert_eq!(decided.send().await.unwrap().status(), StatusCode::OK);
    let report = city.json("/api/v1/reports/revenue?by=day").await;
    assert_eq!(report["total_vnd"], 0);

    // What goes on in the background: the public log, and, when a process takes over, housekeeping.
    eventually("receipt and refund to be in the public log", || async {
        city.database.count("log_leaf").await == 2
    })
    .await;
    assert_eq!(city.database.count("invoice_due").await, 2);
    city.serve.kill().await;
    city.serve.start_again(None).await;
    city.is_back().await;
    eventually("housekeeping", || async {
        city.database.count("invoice_due").await == 0
    })
    .await;
    eventually("a look at the sensors", || async {
        city.database.count("health_check").await > 0
    })
    .await;
    city.assert_books_are_right().await;

    assert!(server.runs());
    let log = server.log();
    let denied: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("permission denied") || line.contains("must be owner"))
        .collect();
    assert!(denied.is_empty(), "{}", denied.join("\n"));
}

/// What a statement of somebody's ends with: an SQLSTATE, or nothing where it is done.
async fn ends(connection: &mut PgConnection, statement: &str) -> Option<String> {
    let statement = AssertSqlSafe(statement.to_owned());
    match sqlx::raw_sql(statement).execute(connection).await {
        Ok(_) => None,
        Err(error) => {
            let told = error.as_database_error().and_then(|error| error.code());
            Some(told.unwrap_or_else(|| panic!("{error}")).into_owned())
        }
    }
}

/// Fails where one of these is done, or is refused for another reason than that it may not be.
async fn all_refused(connection: &mut PgConnection, statements: &[String]) {
    for statement in statements {
        let end = ends(connection, statement).await;
        assert_eq!(end.as_deref(), Some(NOT_ALLOWED), "{statement}");
    }
}

#[tokio::test]
async fn who_serves_changes_nothing_that_is_written_for_ever() {
    let database = TestDatabase::with_city(1, 1).await;
    let mut serve = PgConnection::connect(&database.serve_url).await.unwrap();
    let mut forbidden = Vec::new();
    for (table, change) in GROWING {
        forbidden.extend([
            format!("UPDATE {table} SET {change}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
            format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
            format!("ALTER TABLE {table} DISABLE TRIGGER {table}_append_only"),
            format!("DROP TRIGGER {table}_append_only ON {table}"),
            format!("ALTER TABLE {table} ADD COLUMN mine integer"),
            format!("ALTER TABLE {table} OWNER TO {SERVE}"),
            format!("CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING"),
            format!("DROP TABLE {table} CASCADE"),
        ]);
    }
    let others = [
        "SET session_replication_role = replica",
        "UPDATE wallet SET balance_vnd = 1000000",
        "INSERT INTO wallet (account_id, wallet_id, balance_vnd, created_at)
         VALUES (-9, gen_random_uuid(), 1000000, now())",
        "UPDATE refund SET amount_vnd = 1",
        "DELETE FROM payment",
        "UPDATE bank_notice SET amount_vnd = 1",
        "UPDATE operator SET bank_account = '1'",
        "INSERT INTO account_change DEFAULT VALUES",
        "UPDATE refund_decision SET amount_vnd = 1",
        "DELETE FROM refund_decision",
        "UPDATE terminal SET token_hash = NULL",
        "DELETE FROM terminal",
        "UPDATE tariff SET document = '{}'",
        "DELETE FROM event",
        "SELECT events_forget('2026-01-01', 1)",
        "CREATE TABLE mine (a integer)",
        "CREATE FUNCTION refused(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION refuse_change() CASCADE",
        "DELETE FROM _sqlx_migrations",
        "COPY audit TO PROGRAM 'cat'",
        "CREATE ROLE mine SUPERUSER",
        // A trigger's function, which has its owner's rights, on a table of one's own.
        "CREATE TEMP TABLE mine (debit_id integer, credit_id integer, kind text, amount_vnd bigint, pending_id uuid);
         CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION wallet_follow()",
    ];
    forbidden.extend(others.map(str::to_owned));
    all_refused(&mut serve, &forbidden).await;

    // A wallet is filled by the ledger, and so it is for this role.
    let filled = "
        INSERT INTO account (account_id, code, kind) OVERRIDING SYSTEM VALUE
            VALUES (nextval('wallet_account'), 'wallet:test', 'wallet');
        INSERT INTO wallet (account_id, wallet_id, created_at)
            SELECT account_id, gen_random_uuid(), now() FROM account WHERE code = 'wallet:test';
        INSERT INTO transfer (transfer_id, kind, debit_id, credit_id, amount_vnd, at)
            SELECT gen_random_uuid(), 'single', bank.account_id, wallet.account_id, 5000, now()
            FROM account AS bank, account AS wallet
            WHERE bank.code = 'clearing:vietqr' AND wallet.code = 'wallet:test'";
    assert_eq!(ends(&mut serve, filled).await, None);
    assert_eq!(database.count("wallet WHERE balance_vnd = 5000").await, 1);
}

#[tokio::test]
async fn who_takes_what_sensors_say_has_nothing_of_money_or_people() {
    let database = TestDatabase::with_city(1, 1).await;
    let mut ingest = PgConnection::connect(&database.ingest_url).await.unwrap();
    let closed = [
        "account",
        "account_change",
        "audit",
        "bank_notice",
        "attempt",
        "dispute",
        "driver",
        "driver_login",
        "exemption",
        "exemption_request",
        "exemption_scan",
        "idempotency",
        "invoice",
        "invoice_due",
        "lease",
        "log_head",
        "log_leaf",
        "log_queue",
        "log_report",
        "login_code",
        "operator",
        "outbox",
        "parking_notice",
        "pass",
        "payment",
        "plate_key",
        "plate_walk",
        "purchase",
        "push_subscription",
        "receipt",
        "refund",
        "refund_decision",
        "session",
        "staff",
        "staff_login",
        "tariff",
        "terminal",
        "terminal_session",
        "transfer",
        "unread_notice",
        "wallet",
    ];
    let mut forbidden: Vec<String> = closed
        .into_iter()
        .flat_map(|table| {
            [
                format!("SELECT FROM {table} LIMIT 1"),
                format!("INSERT INTO {table} DEFAULT VALUES"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table} CASCADE"),
            ]
        })
        .collect();
    forbidden.extend(
        [
            "DELETE FROM event",
            "TRUNCATE event",
            "UPDATE event SET occupied = false",
            "UPDATE device SET public_key = NULL",
            "DELETE FROM device_assignment",
            "UPDATE watch_version SET version = 0",
            "ALTER TABLE event ADD COLUMN mine integer",
            "CREATE TABLE mine (a integer)",
        ]
        .map(str::to_owned),
    );
    all_refused(&mut ingest, &forbidden).await;
    // It forgets what is old, and no more.
    let old = "SELECT events_forget(now() - interval '30 days', 1)";
    assert_eq!(ends(&mut ingest, old).await, None);
    let young = "SELECT events_forget(now() - interval '2 days', 1)";
    assert_eq!(ends(&mut ingest, young).await.as_deref(), Some(NEVER));
}

#[tokio::test]
async fn who_reads_sees_money_and_nobody() {
    let database = TestDatabase::with_city(1, 1).await;
    let mut read = PgConnection::connect(&database.read_url).await.unwrap();
    for open in [
        "receipt", "transfer", "audit", "payment", "stay", "log_leaf",
    ] {
        let look = format!("SELECT count(*) FROM {open}");
        assert_eq!(ends(&mut read, &look).await, None, "{open}");
    }
    let closed = [
        "SELECT plate FROM session",
        "SELECT plate FROM pass",
        "SELECT plate FROM parking_notice",
        "SELECT code FROM parking_notice",
        "SELECT phone FROM driver",
        "SELECT ground FROM exemption",
        "SELECT content FROM exemption_scan",
        "SELECT password_hash FROM staff",
        "SELECT token_hash FROM staff_login",
        "SELECT token_hash FROM terminal",
        "SELECT description FROM bank_notice",
        "INSERT INTO audit (at, actor, action) VALUES (now(), 'nobody', 'nothing')",
        "DELETE FROM lease",
    ];
    all_refused(&mut read, &closed.map(str::to_owned)).await;
}

#[tokio::test]
async fn the_record_holds_for_its_owner_too() {
    let database = TestDatabase::with_city(1, 1).await;
    sqlx::query("INSERT INTO audit (at, actor, action) VALUES (now(), 'somebody', 'something')")
        .execute(&database.pool)
        .await
        .unwrap();
    let mut owner = PgConnection::connect(&database.url).await.unwrap();
    for change in [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "TRUNCATE invoice",
        "TRUNCATE log_leaf",
        "TRUNCATE log_report",
    ] {
        for before in ["", "SET session_replication_role = replica; "] {
            let end = ends(&mut owner, &format!("{before}{change}")).await;
            assert_eq!(end.as_deref(), Some(NEVER), "{before}{change}");
        }
        assert_eq!(ends(&mut owner, "RESET ALL").await, None);
    }
    let sleeping: Vec<String> = sqlx::query_scalar(
        "SELECT tgname::text FROM pg_trigger
         WHERE tgfoid IN ('refuse_change'::regproc, 'wallet_guard'::regproc) AND tgenabled <> 'A'",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(sleeping, Vec::<String>::new());
}

#[tokio::test]
async fn every_table_says_who_may_what_and_nobody_may_more() {
    let database = TestDatabase::create().await;
    let there: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
            AND relname <> '_sqlx_migrations'",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let unsaid = there
        .iter()
        .filter(|name| !tables().any(|told| told == *name));
    let unsaid: Vec<_> = unsaid.collect();
    assert!(unsaid.is_empty(), "not in store/src/roles.rs: {unsaid:?}");

    let too_much = "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
            AND has_table_privilege($1, oid, 'TRUNCATE, REFERENCES, TRIGGER')";
    let grown = "SELECT has_table_privilege($1, 'audit', 'UPDATE')";
    // What somebody gave by hand is taken back the next time.
    let by_hand = format!("GRANT ALL ON audit TO {SERVE}, {INGEST}, {READ}");
    sqlx::raw_sql(AssertSqlSafe(by_hand))
        .execute(&database.pool)
        .await
        .unwrap();
    assert_eq!(
        database.store.roles_grant().await.unwrap(),
        [SERVE, INGEST, READ]
    );
    for role in [SERVE, INGEST, READ] {
        let found: Vec<String> = sqlx::query_scalar(too_much)
            .bind(role)
            .fetch_all(&database.pool)
            .await
            .unwrap();
        assert_eq!(found, Vec::<String>::new(), "{role}");
        let changes: bool = sqlx::query_scalar(grown)
            .bind(role)
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert!(!changes, "{role}");
    }
}

fn clearbay(url: &str, args: &[&str]) -> Output {
    Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(args)
        .env("DATABASE_URL", url)
        .output()
        .unwrap()
}

#[tokio::test]
async fn an_owner_need_not_be_the_server_s_administrator() {
    let server = DatabaseServer::start().await;
    server
        .execute("CREATE ROLE town LOGIN CREATEROLE PASSWORD 'a-password-of-tests'")
        .await;
    server.execute("CREATE DATABASE town OWNER town").await;
    let mut url = reqwest::Url::parse(&server.url).unwrap();
    url.set_username("town").unwrap();
    url.set_password(Some("a-password-of-tests")).unwrap();
    url.set_path("town");
    for args in [
        &["migrate", "--roles"][..],
        &["migrate"],
        &["ledger", "check"],
    ] {
        let done = clearbay(url.as_str(), args);
        assert!(done.status.success(), "{args:?}: {done:?}");
    }
}

#[tokio::test]
async fn who_does_not_own_a_schema_that_is_too_old_says_so_and_leaves_it() {
    let database = TestDatabase::with_city(1, 1).await;
    let made = clearbay(&database.url, &["migrate", "--roles"]);
    let told = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "{made:?}");
    for role in [SERVE, INGEST, READ] {
        assert!(told.contains(role), "{told}");
    }
    // Who may only read checks the books.
    let checked = clearbay(&database.read_url, &["ledger", "check"]);
    assert!(checked.status.success(), "{checked:?}");

    sqlx::query(
        "DELETE FROM _sqlx_migrations
         WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let before = database.count("_sqlx_migrations").await;
    for (url, args) in [
        (&database.read_url, &["ledger", "check"][..]),
        (&database.ingest_url, &["ingest"][..]),
    ] {
        let refused = clearbay(url, args);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{args:?}");
        assert!(told.contains("clearbay migrate"), "{told}");
    }
    assert_eq!(database.count("_sqlx_migrations").await, before);
}
