//! Copies of the database, and a city brought back to a moment.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::{Command, Output};

use chrono::Utc;
use futures::FutureExt;
use serde_json::Value;
use simulator::city::hanoi;
use tests::broker::Broker;
use tests::database::TestDatabase;
use tests::database_server::{DatabaseServer, give_to_owner};
use tests::serving::{Serving, log_key};
use tests::small_disk::open_to_all;
use tests::{eventually, provided};

fn clearbay(args: &[&str], server: &str) -> Output {
    let command = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(args)
        .env("DATABASE_URL", server)
        .env("CLEARBAY_PG_BIN", provided("CLEARBAY_TEST_PG_BIN"))
        .output();
    command.unwrap()
}

fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{why}");
    said
}

/// Every change up to now is in the backup's folder.
async fn followed(server: &DatabaseServer) {
    eventually("changes to be kept", || async {
        let mut connection = server.connect().await;
        let kept: Option<bool> = sqlx::query_scalar(
            "SELECT bool_and(flush_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication
             WHERE application_name = 'pg_receivewal'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        kept == Some(true)
    })
    .await;
}

/// Lays out what there was at a moment, or in the end.
fn at(dir: &str, url: &str, to: Option<String>) -> impl FnOnce(&Path) + use<> {
    let (dir, url) = (dir.to_owned(), url.to_owned());
    move |data| {
        let into = data.display().to_string();
        let mut args = vec!["backup", "restore", "--dir", &dir, "--into", &into];
        if let Some(to) = &to {
            args.extend(["--to", to]);
        }
        let said = done(&clearbay(&args, &url));
        assert!(said.contains("laid out"), "{said}");
    }
}

/// Without PostgreSQL's tools nothing is begun, and a folder that is not there is no empty one.
#[tokio::test]
async fn what_is_missing_is_told_first() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("backup").display().to_string();
    let no_tools = folder.path().display().to_string();
    for verb in ["make", "follow"] {
        let refused = ["backup", verb, "--dir", &dir, "--pg-bin", &no_tools];
        let refused = clearbay(&refused, "postgres://nobody@127.0.0.1:1/none");
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{told}");
        assert!(
            told.contains("lacks pg_basebackup") || told.contains("lacks pg_receivewal"),
            "{told}"
        );
        assert!(!Path::new(&dir).exists(), "{verb} made a folder");
    }
    let listed = clearbay(&["backup", "list", "--dir", &dir], "");
    assert_eq!(listed.status.code(), Some(1), "{listed:?}");
}

#[tokio::test]
async fn two_do_not_make_a_copy_in_one_folder_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let copies = folder.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    let first = std::fs::File::open(&copies).unwrap();
    first.lock().unwrap();
    let dir = folder.path().display().to_string();
    let second = clearbay(
        &["backup", "make", "--dir", &dir],
        "postgres://nobody@127.0.0.1:1/none",
    );
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success(), "{told}");
    assert!(told.contains("a copy is being made"), "{told}");
    assert!(!copies.join("unfinished").exists());
}

fn total(report: &Value) -> i64 {
    report["total_vnd"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_city_is_brought_back_to_a_moment_with_its_books_and_its_log_right() {
    let folder = tempfile::tempdir().unwrap();
    open_to_all(folder.path());
    let dir = folder.path().join("backup").display().to_string();
    let mut server = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let env = vec![("DATABASE_URL", database.url.clone())];
    let city = Serving::on(database, &hanoi(80).unwrap(), Broker::rumqttd(), env, None).await;
    let none = clearbay(
        &["backup", "restore", "--dir", &dir, "--into", "/nowhere"],
        &server.url,
    );
    assert!(!none.status.success());
    assert!(String::from_utf8_lossy(&none.stderr).contains("there is no copy"));

    let mut following = tokio::process::Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["backup", "follow", "--dir", &dir])
        .env("DATABASE_URL", &server.url)
        .env("CLEARBAY_PG_BIN", provided("CLEARBAY_TEST_PG_BIN"))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let early = city.paid_session("HK-01-001", 60).await;
    let before_any = Utc::now();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let metrics = folder.path().display().to_string();
    let made = ["backup", "make", "--dir", &dir, "--metrics-dir", &metrics];
    let made = clearbay(&made, &server.url);
    assert!(done(&made).contains("copied and checked"));
    let left = std::fs::read_to_string(folder.path().join("clearbay_backup.prom")).unwrap();
    let gauge = left.lines().find_map(|line| {
        line.strip_prefix("clearbay_backup_made_timestamp_seconds ")?
            .parse::<i64>()
            .ok()
    });
    assert!(gauge.unwrap() >= before_any.timestamp(), "{left}");
    // A copy's name tells the second by which it was whole.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let then = city.paid_session("HK-01-002", 60).await;
    // Published, with the head that is signed over it.
    eventually("the log to have both", || async {
        city.database.count("log_leaf").await == 2
    })
    .await;
    let moment = Utc::now();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let later = city.paid_session("HK-02-001", 60).await;
    followed(&server).await;
    // One without its changes, by the address that the city's own processes have, of a server that once followed.
    let plain = folder.path().join("plain").display().to_string();
    server
        .execute("ALTER SYSTEM SET primary_conninfo = 'host=away password=secret'")
        .await;
    let address = format!("{}?statement-cache-capacity=50", server.url);
    let cut_off = Path::new(&plain).join("copies/20200101T000000Z.going");
    std::fs::create_dir_all(cut_off.join("base")).unwrap();
    done(&clearbay(&["backup", "make", "--dir", &plain], &address));
    assert!(
        !cut_off.exists(),
        "what was being deleted is deleted by the next"
    );
    let listed = done(&clearbay(&["backup", "list", "--dir", &plain], &address));
    assert!(listed.contains("as it was made only"), "{listed}");
    eventually("it to be known that changes are kept", || async {
        let slot = r#"clearbay_slot_active{slot="clearbay_backup"}"#;
        city.metric(slot).await == 1.0
    })
    .await;
    assert!(following.try_wait().unwrap().is_none(), "it follows still");
    let listed = done(&clearbay(&["backup", "list", "--dir", &dir], &server.url));
    assert!(listed.contains("any moment since"), "{listed}");
    server.kill();
    drop(following);

    let too_early = before_any.to_rfc3339();
    let into = folder.path().join("early").display().to_string();
    let refused = [
        "backup", "restore", "--dir", &dir, "--into", &into, "--to", &too_early,
    ];
    let refused = clearbay(&refused, &server.url);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("after the moment"));

    // Nor beyond the end of what is kept: PostgreSQL would end there instead of opening.
    let too_late = (Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let refused = [
        "backup", "restore", "--dir", &dir, "--into", &into, "--to", &too_late,
    ];
    let refused = clearbay(&refused, &server.url);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{told}");
    assert!(told.contains("changes are kept until"), "{told}");
    assert!(!Path::new(&into).exists(), "nothing is laid out");

    // What the server cannot read is no end of the changes: it does not open with a part of the past.
    if tests::database_server::owner_is_another() {
        let part = AssertUnwindSafe(server.restored(at(&dir, &server.url, None)));
        assert!(
            part.catch_unwind().await.is_err(),
            "it opened without its changes"
        );
    }
    let as_made = server.restored(|data| {
        at(&plain, &server.url, None)(data);
        let settings = std::fs::read_to_string(data.join("postgresql.auto.conf")).unwrap();
        assert!(!settings.contains("secret"), "{settings}");
    });
    let paid = early.amount_vnd + then.amount_vnd + later.amount_vnd;
    assert_restored(&city, &as_made.await, paid).await;
    give_to_owner(Path::new(&dir));
    let at = |to: Option<String>| at(&dir, &server.url, to);
    let there = server.restored(at(Some(moment.to_rfc3339()))).await;
    assert_restored(&city, &there, early.amount_vnd + then.amount_vnd).await;
    let all = server.restored(at(None)).await;
    assert_restored(&city, &all, paid).await;
}

/// The books are right, the public log is whole, and revenue is what it was.
async fn assert_restored(city: &Serving, server: &DatabaseServer, revenue_vnd: i64) {
    let url = server.same_database(&city.database.url);
    let checked = done(&clearbay(&["ledger", "check"], &url));
    assert!(checked.contains("The books are right"), "{checked}");
    let process = city.serve.another_with(|settings| {
        settings.env.retain(|(name, _)| *name != "DATABASE_URL");
        settings.env.push(("DATABASE_URL", url.clone()));
    });
    eventually("the restored city to be ready", || async {
        let reply = city
            .client
            .get(format!("{}/livez", process.url()))
            .send()
            .await;
        reply.is_ok_and(|reply| reply.status().is_success())
    })
    .await;
    let reply = city
        .client
        .get(format!("{}/api/v1/reports/revenue", process.url()));
    let report: Value = reply.send().await.unwrap().json().await.unwrap();
    assert_eq!(total(&report), revenue_vnd, "{report}");
    let seen = tempfile::tempdir().unwrap();
    let state = seen.path().join("seen").display().to_string();
    let key = log_key(1).0.to_string();
    let verified = [
        "verify",
        "--url",
        &process.url(),
        "--key",
        &key,
        "--state",
        &state,
    ];
    done(&clearbay(&verified, &url));
}
