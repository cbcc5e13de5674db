//! A citizen who looks whether the public log holds, and a city that gives them something to look at.

use std::sync::atomic::{AtomicUsize, Ordering};

use api::service::public_log::CLOSED_AFTER;
use chrono::{DateTime, TimeDelta, Utc};
use domain::vietqr::VietQr;
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use crate::serving::{IMPORT_TOKEN, Serving, log_key};
use crate::{eventually, provided};

/// The bay that is paid for.
pub const BAY: &str = "CN-01-001";

/// What a command said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub text: String,
}

/// Runs `clearbay` with these arguments.
pub async fn clearbay(args: &[&str]) -> Said {
    let output = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(args)
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        code: output.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

/// A citizen who pins the log's key and remembers what they have seen.
pub struct Citizen {
    folder: tempfile::TempDir,
    /// The pinned key.
    pub key: String,
    /// More words on the command line: the witnesses that they trust.
    witnesses: Vec<String>,
}

impl Default for Citizen {
    /// Who pins the log's first key and has seen nothing yet.
    fn default() -> Self {
        Self::pinning(log_key(1).0.to_string())
    }
}

impl Citizen {
    /// Who pins that key.
    #[must_use]
    pub fn pinning(key: String) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            key,
            witnesses: Vec::new(),
        }
    }

    /// Who trusts these witnesses, too, by their keys.
    #[must_use]
    pub fn with_witnesses(mut self, keys: &[&str]) -> Self {
        let named = keys.iter().flat_map(|key| ["--witness", key]);
        self.witnesses.extend(named.map(str::to_owned));
        self
    }

    /// Who is content where so many of them have seen the log.
    #[must_use]
    pub fn needing(mut self, count: usize) -> Self {
        let words = ["--witnesses-needed".to_owned(), count.to_string()];
        self.witnesses.extend(words);
        self
    }

    async fn runs(&self, words: &[&str]) -> Said {
        let witnesses = self.witnesses.iter().map(String::as_str);
        let words = words.iter().copied().chain(witnesses);
        clearbay(&words.collect::<Vec<_>>()).await
    }

    /// `clearbay verify`.
    pub async fn verify(&self, url: &str) -> Said {
        let state = self.folder.path().join("state.json");
        let state = state.to_str().unwrap();
        self.runs(&["verify", "--url", url, "--key", &self.key, "--state", state])
            .await
    }

    /// `clearbay verify receipt`.
    pub async fn verify_receipt(&self, receipt: &Value) -> Said {
        let file = self.folder.path().join("receipt.json");
        std::fs::write(&file, receipt.to_string()).unwrap();
        let file = file.to_str().unwrap();
        self.runs(&["verify", "receipt", file, "--key", &self.key])
            .await
    }

    /// `clearbay verify report`.
    ///
    /// # Panics
    /// Where the file cannot be written.
    pub async fn verify_report(&self, report: &str) -> Said {
        let file = self.folder.path().join("report.txt");
        std::fs::write(&file, report).unwrap();
        let file = file.to_str().unwrap();
        clearbay(&["verify", "report", file, "--key", &self.key]).await
    }

    /// Finds what was done, says what and where, and remembers what it was before.
    pub async fn finds(&self, url: &str, what: &[&str]) {
        let said = self.verify(url).await;
        assert_eq!(said.code, Some(2), "{}", said.text);
        for part in what {
            assert!(said.text.contains(part), "{part}: {}", said.text);
        }
    }

    /// Finds nothing, and remembers what it saw.
    pub async fn is_content(&self, url: &str) -> String {
        let said = self.verify(url).await;
        assert_eq!(said.code, Some(0), "{}", said.text);
        assert!(said.text.contains("ALL HOLDS"), "{}", said.text);
        said.text
    }
}

/// No vehicle pays twice here: what it pays twice goes back.
static VEHICLES: AtomicUsize = AtomicUsize::new(0);

/// Sells and is paid for so many sessions at a moment, as terminals upload them.
pub async fn sold(city: &Serving, count: usize, at: DateTime<Utc>) {
    let sale = |index: usize| {
        json!({"key": format!("sale-{}-{index}", at.timestamp()), "bay": BAY,
               "plate": format!("30A{:05}", VEHICLES.fetch_add(1, Ordering::Relaxed)), "class": "car", "minutes": 60, "at": at})
    };
    let sales: Vec<Value> = (0..count).map(sale).collect();
    let upload = city
        .client
        .post(format!("{}/api/v1/imports/sessions", city.url))
        .bearer_auth(IMPORT_TOKEN)
        .json(&json!({ "sessions": sales }));
    let opened: Value = upload.send().await.unwrap().json().await.unwrap();
    let sessions = opened["sessions"].as_array().unwrap();
    let qr_codes = sessions.iter().filter_map(|sale| sale["qr"].as_str());
    let transfers: Vec<Value> = qr_codes
        .map(|qr| {
            let qr = VietQr::parse(qr).unwrap();
            json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()), "currency": "VND",
                   "description": qr.purpose, "amount_vnd": qr.amount_vnd,
                   "paid_at": at + TimeDelta::minutes(1)})
        })
        .collect();
    let outcomes = city.outcomes(&transfers).await;
    assert_eq!(outcomes.len(), count, "{opened}");
    assert!(
        outcomes.iter().all(|outcome| outcome == "posted"),
        "{outcomes:?}"
    );
}

/// Noon of so many days ago, in the city; from an hour before midnight on as seen from the next day, which counts as begun
/// for what comes late.
pub fn noon(days_ago: i64) -> DateTime<Utc> {
    let day = (Utc::now() + TimeDelta::hours(1))
        .with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
        .date_naive();
    let noon = (day - TimeDelta::days(days_ago))
        .and_hms_opt(5, 0, 0)
        .unwrap();
    noon.and_utc()
}

/// That day, as it is written.
pub fn day(days_ago: i64) -> String {
    let noon = noon(days_ago).with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    noon.date_naive().to_string()
}

/// Whether the day so many days ago is closed, so that it has a report.
pub fn is_closed(days_ago: i64) -> bool {
    let midnight = noon(days_ago) + TimeDelta::hours(12);
    Utc::now() >= midnight + CLOSED_AFTER
}

/// Waits until the log has so many entries, and nothing waits.
pub async fn published(city: &Serving, entries: i64) {
    eventually("the log to have it all", || async {
        city.database.count("log_leaf").await == entries
            && city.database.count("log_queue").await == 0
    })
    .await;
}

/// Waits until so many reports are signed.
pub async fn reported(city: &Serving, reports: i64) {
    eventually("the days to be reported", || async {
        city.database.count("log_report").await == reports
    })
    .await;
}

/// A city with three days of past, each with its report: 300, 7 and 5 receipts.
pub async fn with_a_past() -> Serving {
    let city = Serving::city(80).await;
    // Each day in one transaction, so that it is published, and then reported, whole.
    for (days_ago, count) in [(4, 300), (3, 7), (2, 5)] {
        sold(&city, count, noon(days_ago)).await;
    }
    published(&city, 312).await;
    reported(&city, 3).await;
    city
}
