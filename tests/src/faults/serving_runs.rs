//! Processes that serve a city, killed while drivers pay.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::print_recoveries;
use super::rig::{LOOK, RECOVERY};
use super::runs::pause;
use crate::eventually;
use crate::proxy::Proxy;
use crate::serving::{Serving, text};

/// What came of it.
#[derive(Clone, Debug)]
pub struct PaymentOutcome {
    /// Payments whose money the bank was told that we have.
    pub acknowledged: usize,
    /// Those of them that are not in the books.
    pub lost: usize,
    /// Sessions, or receipts, beyond those that drivers asked for.
    pub duplicates: usize,
    /// How long after each kill until every driver had paid who began after it.
    pub recoveries: Vec<Duration>,
}

/// One `name: figure` a line.
impl fmt::Display for PaymentOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = "kill_serve";
        writeln!(f, "fault_{name}_payments_lost: {}", self.lost)?;
        writeln!(f, "fault_{name}_duplicates: {}", self.duplicates)?;
        print_recoveries(f, name, &self.recoveries)?;
        write!(f, "fault_{name}_acknowledged: {}", self.acknowledged)
    }
}

/// A driver who opens a session, asks for its money and pays by the bank, and gives up nothing.
///
/// # Panics
/// Where that is refused.
pub async fn pay(city: &Serving, bay: &str, plate: &str) -> String {
    let payment = ask_to_pay(city, bay, plate).await;
    city.pay_by_bank(&payment).await
}

/// A payment that waits for a driver's money, of an hour in that bay.
///
/// # Panics
/// Where it is refused.
pub async fn ask_to_pay(city: &Serving, bay: &str, plate: &str) -> Value {
    let key = || Uuid::new_v4().to_string();
    let wish = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 60});
    let (status, session) = city.insist("", "/api/v1/sessions", &wish, &key()).await;
    assert_eq!(status, StatusCode::CREATED, "{session}");
    let path = format!("/api/v1/sessions/{}/payments", text(&session["id"]));
    let token = text(&session["token"]);
    let gateway = json!({"gateway": "vietqr"});
    let (status, payment) = city.insist(&token, &path, &gateway, &key()).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    payment
}

/// Two processes behind a proxy; one after the other is killed, and started again once drivers pay without it.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_serve(haproxy: PathBuf, times: usize, drivers: usize) -> PaymentOutcome {
    let mut city = Serving::without_bundle(80).await;
    let other = city.another().await;
    let proxy = Proxy::start(haproxy, &[city.serve.address, other.address]).await;
    city.url = proxy.url();
    city.is_back().await;
    let over = AtomicBool::new(false);
    let acknowledged = Mutex::new(Vec::new());
    let begun: Vec<Mutex<Option<Instant>>> = (0..drivers).map(|_| Mutex::default()).collect();
    let paying = (0..drivers).map(|driver| {
        let (city, begun, over, acknowledged) = (&city, &begun[driver], &over, &acknowledged);
        async move {
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let now = Instant::now();
                let plate = format!("30A{:05}", driver * 5_000 + turn % 5_000);
                let bay = format!("HK-01-00{}", turn % 2 + 1);
                let bank_ref = pay(city, &bay, &plate).await;
                acknowledged.lock().unwrap().push(bank_ref);
                *begun.lock().unwrap() = Some(now);
            }
        }
    });
    let all_paid_after = async |moment: Instant| {
        while moment.elapsed() < RECOVERY {
            let all = begun
                .iter()
                .all(|begun| begun.lock().unwrap().is_some_and(|begun| begun > moment));
            if all {
                return moment.elapsed();
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("some drivers have not paid, {RECOVERY:?} later");
    };
    let killing = async {
        let mut recoveries = Vec::new();
        for n in 0..times {
            pause(n, 500, 1_000).await;
            let process = if n % 2 == 0 { &city.serve } else { &other };
            process.kill().await;
            recoveries.push(all_paid_after(Instant::now()).await);
            process.start_again(None).await;
            // The proxy must know that it is back before the other goes.
            pause(n, 3_000, 1_000).await;
        }
        over.store(true, Ordering::Relaxed);
        recoveries
    };
    let (recoveries, _) = futures::future::join(killing, futures::future::join_all(paying)).await;
    let acknowledged = acknowledged.into_inner().unwrap();
    let asked = acknowledged.len();
    eventually("the outbox to be empty", || async {
        city.database.count("outbox").await == 0
    })
    .await;
    let taken: Vec<String> = sqlx::query_scalar(
        "SELECT bank_ref FROM bank_notice WHERE gateway = 'vietqr' AND outcome = 'posted'",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    let receipts = city.database.count("receipt").await as usize;
    let sessions = city.database.count("session").await as usize;
    eventually("the log to have every receipt", || async {
        city.database.count("log_leaf").await as usize == receipts
    })
    .await;
    city.assert_books_are_right().await;
    let distinct: BTreeSet<&String> = taken.iter().collect();
    PaymentOutcome {
        acknowledged: asked,
        lost: acknowledged
            .iter()
            .filter(|bank_ref| !distinct.contains(bank_ref))
            .count(),
        duplicates: receipts.saturating_sub(asked) + sessions.saturating_sub(asked),
        recoveries,
    }
}
