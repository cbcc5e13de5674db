//! A gateway's statement against the books: every difference is shown, and the exit code says so.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset, SubsecRound, TimeDelta, Utc};
use domain::id::RefundId;
use serde_json::Value;
use store::refund::Noted;
use tests::database::TestDatabase;
use tests::provided;
use tests::serving::{Open, Serving, text};
use tokio::process::Command;
use uuid::Uuid;

/// What `clearbay reconcile` did.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    /// The line of the output that has all these words.
    fn line(&self, words: &[&str]) -> &str {
        self.out
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)))
            .unwrap_or_else(|| panic!("no line with {words:?} in\n{}", self.out))
    }
}

async fn reconcile(database: &TestDatabase, file: &str, arguments: &[&str]) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("statement.csv");
    std::fs::write(&path, file).unwrap();
    let output = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["reconcile", "--gateway", "vietqr"])
        .args(arguments)
        .arg(&path)
        .env("DATABASE_URL", &database.url)
        .output()
        .await
        .unwrap();
    Done {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Some time ago, so long before or after midnight in Vietnam that a test stays within one day.
fn at() -> DateTime<Utc> {
    let now = Utc::now().trunc_subsecs(0);
    let ago = now - TimeDelta::minutes(10);
    if vietnam(ago).date_naive() == vietnam(now + TimeDelta::minutes(1)).date_naive() {
        now - TimeDelta::minutes(1)
    } else {
        ago
    }
}

fn vietnam(at: DateTime<Utc>) -> DateTime<FixedOffset> {
    at.with_timezone(&FixedOffset::east_opt(7 * 3600).unwrap())
}

fn local(at: DateTime<Utc>) -> String {
    vietnam(at).format("%d/%m/%Y %H:%M:%S").to_string()
}

/// Opens a payment and lets the bank tell of an amount; gives the bank's number.
async fn pay(city: &Serving, bay: &str, amount_vnd: i64, at: DateTime<Utc>) -> (Open, String) {
    let open = city.open_payment(bay, 60).await;
    let transfer = open.transfer_of(amount_vnd, at);
    city.outcomes(std::slice::from_ref(&transfer)).await;
    (open, text(&transfer["bank_ref"]))
}

#[tokio::test]
async fn every_difference_is_shown_and_nothing_else() {
    let city = Serving::city(200).await;
    let at = at();
    let (agreed, agreed_ref) = pay(&city, "CN-01-001", 25_000, at).await;
    let (_, ours_ref) = pay(&city, "CN-01-002", 25_000, at).await;
    let (_, differs_ref) = pay(&city, "CN-01-003", 25_000, at).await;
    // Money that came counts, whatever became of it.
    let (_, held_ref) = pay(&city, "CN-01-004", 24_000, at).await;
    refunded(&city.database, &held_ref, at).await;

    let when = local(at + TimeDelta::seconds(30));
    let reference = agreed.reference.to_lowercase();
    let file = format!(
        "\u{feff}gateway_ref;reference;kind;amount_vnd;at\r\n\
         {agreed_ref};IBFT {reference} GD;payment;25.000;{when}\r\n\
         {agreed_ref};IBFT {reference} GD;payment;25.000;{when}\r\n\
         {differs_ref};;payment;25,001 VND;{when}\r\n\
         {held_ref};;payment;24000;{when}\r\n\
         FT-REFUND;;refund;24.000 ₫;{when}\r\n\
         FT-THEIRS;;payment;1.035.000;{when}\r\n\
         FT-BROKEN;;payment;many;{when}\r\n"
    );
    let done = reconcile(&city.database, &file, &[]).await;
    assert_eq!(done.code, 2, "{}{}", done.out, done.err);
    assert!(
        done.line(&["agreeing", "3"])
            .ends_with("25.000       25.000")
    );
    let held = done.line(&[&held_ref]);
    assert!(held.contains("amount_differs"), "{held}");
    let differs = done.line(&[&differs_ref]);
    assert!(
        differs.contains("25.000") && differs.contains("25.001") && differs.ends_with("amount"),
        "{differs}"
    );
    done.line(&["FT-THEIRS", "7", "1.035.000"]);
    assert!(done.line(&[&ours_ref]).ends_with("posted"));
    done.line(&["FT-BROKEN", "8", "\"many\" is no amount"]);
    done.line(&["Rows: 1. Ours: 0 VND. Theirs: 1.035.000 VND."]);
    let tables = ["Differing", "Missing here", "Missing there", "Repeated"];
    let at = tables.map(|title| done.out.find(&format!("\n{title}")).unwrap());
    assert!(at.is_sorted(), "{}", done.out);

    let done = reconcile(&city.database, &file, &["--json"]).await;
    assert_eq!(done.code, 2);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(found["agrees"], false);
    for (list, rows) in [
        ("matched", 3),
        ("differing", 1),
        ("missing_here", 1),
        ("missing_there", 1),
        ("repeated", 1),
        ("unreadable", 1),
    ] {
        assert_eq!(found[list].as_array().unwrap().len(), rows, "{list}");
    }
    assert_eq!(found["totals"]["matched"]["ours_vnd"], 25_000);
    assert_eq!(found["repeated"][0]["line"], 3);
    assert_eq!(found["missing_there"][0]["gateway_ref"], *ours_ref);
}

#[tokio::test]
async fn a_day_that_agrees_says_so() {
    let city = Serving::city(200).await;
    let at = at();
    let (_, first) = pay(&city, "CN-01-001", 25_000, at).await;
    let (_, second) = pay(&city, "CN-01-002", 25_000, at).await;
    let (when, before) = (local(at), local(at - TimeDelta::days(3)));
    let file = format!(
        "Sao kê tài khoản,,\n\
         Mã giao dịch,Số tiền,Thời gian giao dịch\n\
         {second},\"25,000\",{when}\n\
         {first},\"25,000\",{when}\n\
         OTHER-DAY,\"25,000\",{before}\n\
         Tổng,\"75,000\",\n"
    );
    let day = vietnam(at).date_naive().to_string();
    let done = reconcile(&city.database, &file, &["--day", &day]).await;
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    done.line(&["All agrees."]);
    done.line(&["Movements of other days, left out: 1."]);
    done.line(&["Lines that hold no movement: 1."]);
    // Without the day, the other one is compared too.
    assert_eq!(reconcile(&city.database, &file, &[]).await.code, 2);
}

#[tokio::test]
async fn errors_are_one_and_help_shows_how() {
    let database = TestDatabase::create().await;
    let done = reconcile(&database, "name,price\nbread,20000\n", &[]).await;
    assert_eq!(done.code, 1);
    assert!(done.err.contains("Found: name | price"), "{}", done.err);
    assert!(done.err.contains("amount_vnd (needed)"), "{}", done.err);
    let done = reconcile(&database, "", &["--no-such-option"]).await;
    assert_eq!(done.code, 1, "clap's own 2 would mean a difference");
    let done = reconcile(&database, "", &["--help"]).await;
    assert_eq!(done.code, 0);
    done.line(&["clearbay reconcile --gateway vnpay --day 2026-11-24"]);
    done.line(&["Exit code: 0 when all agrees"]);
}

/// Lets people pay the refund that was promised for money that came.
async fn refunded(database: &TestDatabase, bank_ref: &str, at: DateTime<Utc>) {
    let id: Uuid = sqlx::query_scalar("SELECT refund_id FROM refund WHERE bank_ref = $1")
        .bind(bank_ref)
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let done = database.store.refund_done(RefundId(id), "FT-REFUND", at);
    assert_eq!(done.await.unwrap(), Noted::Now);
}
