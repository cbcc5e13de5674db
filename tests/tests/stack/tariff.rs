//! Tariffs as their operator handles them: `clearbay tariff` over the database, and prices that
//! change during a stay.

use std::process::Output;

use chrono::{SubsecRound, TimeDelta, Utc};
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::tariff::{Block, Pricing, Tariff};
use serde_json::json;
use tests::broker::Broker;
use tests::city;
use tests::database::TestDatabase;
use tests::provided;
use tests::serving::Serving;
use tokio::process::Command;

/// What [`city::small`] charges, as a file says it.
const IN_FORCE: &str = "
[[tariff]]
zones = [\"centre\"]
class = \"car\"
effective_from = 1970-01-01T00:00:00Z
blocks = [{ rate_vnd = 25_000, per_min = 60 }]
";

/// A price that begins in ten years.
fn planned(rate: &str) -> String {
    let year = chrono::Datelike::year(&Utc::now()) + 10;
    format!(
        "
[[tariff]]
zones = [\"centre\"]
class = \"car\"
effective_from = {year}-01-01
blocks = [{{ rate_vnd = {rate}, per_min = 60 }}]
"
    )
}

struct City {
    database: TestDatabase,
    folder: tempfile::TempDir,
}

impl City {
    async fn new() -> Self {
        let database = TestDatabase::create().await;
        database
            .store
            .place_import(&city::small(1, 1), chrono::Utc::now())
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { database, folder }
    }

    /// `clearbay tariff` with those arguments, run where the file is.
    async fn tariff(&self, arguments: &[&str]) -> Output {
        Command::new(provided("CLEARBAY_TEST_BIN"))
            .arg("tariff")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DATABASE_URL", &self.database.url)
            .output()
            .await
            .unwrap()
    }

    /// Imports a file of those tariffs: whether it was done, and what was said.
    async fn import(&self, tariffs: &[&str], arguments: &[&str]) -> (bool, String, String) {
        let head = "city = \"hn\"\ntimezone = \"Asia/Ho_Chi_Minh\"\n";
        let text = [&[head], tariffs].concat().concat();
        std::fs::write(self.folder.path().join("city.toml"), text).unwrap();
        let arguments = [&["import", "city.toml"], arguments].concat();
        let output = self.tariff(&arguments).await;
        let said = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.success(),
            said(output.stdout),
            said(output.stderr),
        )
    }

    /// The words that begin the lines of an import that was done.
    async fn done(&self, tariffs: &[&str]) -> Vec<String> {
        let (done, said, complaint) = self.import(tariffs, &[]).await;
        assert!(done, "{complaint}");
        let word = |line: &str| line.split_whitespace().next().map(str::to_owned);
        said.lines().filter_map(word).collect()
    }
}

#[tokio::test]
async fn importing_again_changes_nothing_and_what_is_planned_may_change() {
    let city = City::new().await;
    let (first, second) = (planned("30_000"), planned("40_000"));
    let (done, said, _) = city.import(&[IN_FORCE, &first], &["--dry-run"]).await;
    assert!(
        done && said.contains("added") && said.contains("--dry-run"),
        "{said}"
    );
    assert_eq!(city.database.count("tariff").await, 1);

    assert_eq!(city.done(&[IN_FORCE, &first]).await, ["unchanged", "added"]);
    assert_eq!(
        city.done(&[IN_FORCE, &first]).await,
        ["unchanged", "unchanged"]
    );
    assert_eq!(
        city.done(&[IN_FORCE, &second]).await,
        ["unchanged", "replaced"]
    );
    assert_eq!(city.database.count("tariff").await, 2);
    assert_eq!(city.done(&[IN_FORCE]).await, ["unchanged", "withdrawn"]);
    assert_eq!(city.database.count("tariff").await, 1);
}

#[tokio::test]
async fn a_price_in_force_is_never_changed() {
    let city = City::new().await;
    let dearer = IN_FORCE.replace("25_000", "26_000");
    let future = planned("30_000");
    let (done, _, complaint) = city.import(&[&dearer, &future], &[]).await;
    assert!(!done);
    assert!(
        complaint.contains(
            "city.toml:4: zone centre, car from 1970-01-01 08:00: this version is in force"
        ),
        "{complaint}"
    );
    assert!(
        complaint.contains("1 of 2 versions are refused; nothing was changed"),
        "{complaint}"
    );
    let backdated = IN_FORCE.replace("1970-01-01T00:00:00Z", "2020-01-01");
    let (done, _, complaint) = city.import(&[IN_FORCE, &backdated], &[]).await;
    assert!(
        !done && complaint.contains("city.toml:10: ") && complaint.contains("begins in the past"),
        "{complaint}"
    );
    let elsewhere = future.replace("centre", "moon");
    let (done, _, complaint) = city.import(&[&elsewhere], &[]).await;
    assert!(
        !done && complaint.contains("city.toml:4: zone moon") && complaint.contains("no such zone"),
        "{complaint}"
    );
    assert_eq!(city.database.count("tariff").await, 1);
}

#[tokio::test]
async fn holidays_to_come_may_be_added_to_a_price_in_force() {
    let city = City::new().await;
    let holidays = |days: &str| format!("holidays = [2024-01-01, {days}]\n");
    let tariff = "
[[tariff]]
zones = [\"centre\"]
class = \"motorbike\"
effective_from = 2020-01-01
blocks = [{ rate_vnd = 5_000, per_min = 60 }]
[[tariff.days]]
on = [\"holiday\"]
vi = \"Lễ\"
en = \"Holiday\"
blocks = [{ rate_vnd = 9_000, per_min = 60 }]
";
    let year = chrono::Datelike::year(&Utc::now());
    let (next, later) = (format!("{}-01-01", year + 1), format!("{}-01-01", year + 2));
    // Motorbikes had no price: one may be given them afterwards.
    assert_eq!(city.done(&[&holidays(&next), tariff]).await, ["added"]);
    let both = holidays(&format!("{next}, {later}"));
    assert_eq!(city.done(&[&both, tariff]).await, ["holidays"]);
    assert_eq!(city.done(&[&both, tariff]).await, ["unchanged"]);
    let past = holidays(&format!("2024-02-10, {next}, {later}"));
    let (done, _, complaint) = city.import(&[&past, tariff], &[]).await;
    assert!(!done && complaint.contains("is in force"), "{complaint}");
}

#[tokio::test]
async fn a_bad_file_is_refused_with_every_line_and_reason() {
    let city = City::new().await;
    let bad = "
[[tariff]]
zones = [\"centre\"]
class = \"truck\"
effective_from = 2030-01-01
blocks = [
    { from_min = 0, until_min = 60, rate_vnd = -5, per_min = 60 },
    { from_min = 120, until_min = 180, rate_vnd = 5, per_min = 60 },
]
";
    let (done, said, complaint) = city.import(&[bad], &[]).await;
    assert!(!done && said.is_empty());
    let lines: Vec<&str> = complaint.lines().collect();
    assert_eq!(
        lines,
        [
            "city.toml:6: zone \"centre\": class \"truck\" is not known: it is car or motorbike",
            "city.toml:9: zone \"centre\": block 1, rate_vnd: a price cannot be negative: -5 ₫",
            "city.toml:10: zone \"centre\": block 2 starts at 120 but block 1 ends at 60: a gap of 60 minutes",
            "city.toml:10: zone \"centre\": block 2, until_min: the last block ends at 180 minutes and a longer stay has no price: leave its end out",
            "clearbay: city.toml has 4 mistakes",
        ]
    );
}

#[tokio::test]
async fn explain_lists_every_line_in_both_languages() {
    let city = City::new().await;
    let stay = [
        "--class",
        "car",
        "--from",
        "2026-11-23T08:00",
        "--to",
        "2026-11-23 10:30",
    ];
    let explain = |lot: &'static str| [&["explain", "--lot", lot], &stay[..]].concat();
    let output = city.tariff(&explain("lot-0")).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    for part in [
        "lot-0 Lot 0 · centre Centre",
        "23/11 08:00  23/11 10:30",
        "75.000 ₫  3 × 25.000 ₫ mỗi giờ",
        "3 × 25,000 ₫ per hour",
        "Tổng cộng / Total",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    let unknown = city.tariff(&explain("nowhere")).await;
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("lot not found"));
}

#[tokio::test]
async fn the_city_of_the_demo_is_the_file_in_deploy() {
    let database = TestDatabase::create().await;
    let place = simulator::city::hanoi(80).unwrap();
    database
        .store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/tariffs/hanoi.toml");
    let import = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["tariff", "import", file])
        .env("DATABASE_URL", &database.url)
        .output();
    let output = import.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.lines().count(), 12);
    assert!(
        said.lines().all(|line| line.starts_with("unchanged")),
        "{said}"
    );
}

#[tokio::test]
async fn a_tariff_that_changes_during_a_stay_is_quoted_by_both() {
    let mut place = city::small(1, 1);
    let now = Utc::now().trunc_subsecs(0);
    place.zones[0].tariffs.push(Tariff::new(
        VehicleClass::Car,
        now + TimeDelta::minutes(90),
        Pricing::Blocks(vec![Block::open(Vnd::new(50_000), 60)]),
    ));
    let city = Serving::place(&place, Broker::rumqttd()).await;
    let request = json!({"bay": "lot-0-0", "class": "car", "minutes": 180});
    let reply = city.post("/api/v1/quotes", &request).send().await.unwrap();
    let quote: serde_json::Value = reply.json().await.unwrap();
    // Two hours begin under the old price and the third under the new one.
    assert_eq!(quote["amount_vnd"], 100_000, "{quote}");
    let lines = quote["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[1]["text"]
            .as_str()
            .unwrap()
            .starts_with("Giá mới từ "),
        "{quote}"
    );
    assert!(
        lines[1]["text_en"]
            .as_str()
            .unwrap()
            .starts_with("New price from "),
        "{quote}"
    );
}
