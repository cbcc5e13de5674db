//! The live board after a restart of the broker, of the database and of `clearbay serve`: what it
//! shows, and what those who watch were told, is what the database holds.
//!
//! Only a restart can have brought that about within this time: without one, a board that missed
//! something is set right once a minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use domain::board::{BaySummary, LotSummary};
use tests::broker::Broker;
use tests::ingesting::{Ingesting, hears};
use tests::sensors::{Told, publish, told};
use tests::serving::Serving;
use tests::watching::{Line, Reader};
use tests::{city, eventually, provided};

const LOTS: usize = 4;
const BAYS_PER_LOT: usize = 5;
const IN_TIME: Duration = Duration::from_secs(30);

async fn start(broker: Broker) -> Serving {
    Serving::place(&city::small(LOTS, BAYS_PER_LOT), broker).await
}

/// The first bays of each lot are taken, one more in each lot than in the one before.
fn arrivals(seq: i64) -> Vec<Told> {
    let taken = |lot: usize| (0..BAYS_PER_LOT).map(move |bay| (lot, bay, bay <= lot));
    (0..LOTS)
        .flat_map(taken)
        .map(|(lot, bay, occupied)| {
            told(
                &format!("lot-{lot}-{bay}-sensor"),
                Utc::now(),
                seq,
                occupied,
            )
        })
        .collect()
}

/// A page that stood still would look true: staff who are that no longer are told so, and not what anybody sees.
#[tokio::test]
async fn who_is_no_longer_staff_is_told_so() {
    let city = start(Broker::rumqttd()).await;
    let guard = city.staff("guard", None).await;
    let look = async |who: &str| {
        let request = city.get("/api/v1/live?lot=lot-0&staff=true");
        let mut reply = request.header("cookie", who).send().await.unwrap();
        let mut said = String::new();
        while !said.contains("event: bay") {
            let Some(more) = reply.chunk().await.unwrap() else {
                break;
            };
            said.push_str(&String::from_utf8_lossy(&more));
        }
        said
    };
    assert!(look(&guard).await.contains("event: bay"));
    let said = look("").await;
    assert!(said.starts_with("event: signed-out\n"), "{said}");
    assert!(!said.contains("event: lot"), "{said}");
}

/// Every lot with its bays, as the database has them.
async fn stored(city: &Serving) -> Vec<(LotSummary, Vec<BaySummary>)> {
    let now = Utc::now();
    let lots = city.database.store.board_load(now).await.unwrap();
    let lots = lots
        .iter()
        .map(|lot| (lot.summary(now), lot.public_bays(now)));
    lots.collect()
}

/// Every lot with its bays, as the API shows them.
async fn shown(city: &Serving) -> Vec<(LotSummary, Vec<BaySummary>)> {
    let mut shown = Vec::new();
    for lot in city.json("/api/v1/lots").await["lots"].as_array().unwrap() {
        let path = format!("/api/v1/lots/{}", lot["code"].as_str().unwrap());
        let bays = city.json(&path).await["bays"].clone();
        let lot = serde_json::from_value(lot.clone()).unwrap();
        shown.push((lot, serde_json::from_value(bays).unwrap()));
    }
    shown
}

/// Somebody who watches all lots, and what they know by now.
#[derive(Clone, Default)]
struct Watcher(Arc<Mutex<BTreeMap<String, LotSummary>>>);

impl Watcher {
    /// Watches until the connection ends.
    async fn start(city: &Serving) -> Self {
        let path = "/api/v1/live";
        let mut reader = Reader::connect(city.serve.address, path, Line::LOCAL)
            .await
            .unwrap();
        let watcher = Self::default();
        let known = watcher.0.clone();
        tokio::spawn(async move {
            while let Ok(told) = reader.next().await {
                let lot: LotSummary = serde_json::from_str(&told.data).unwrap();
                known.lock().unwrap().insert(lot.code.clone(), lot);
            }
        });
        watcher
    }

    fn knows(&self) -> Vec<LotSummary> {
        self.0.lock().unwrap().values().cloned().collect()
    }
}

/// Waits until the API shows what the database holds and `watcher` was told the same.
async fn is_right_in_time(city: &Serving, watcher: &Watcher) {
    let is_right = eventually("the board to be as the database", || async {
        let stored = stored(city).await;
        let lots = stored.iter().map(|(lot, _)| lot.clone());
        shown(city).await == stored && watcher.knows() == lots.collect::<Vec<_>>()
    });
    let in_time = tokio::time::timeout(IN_TIME, is_right).await;
    assert!(
        in_time.is_ok(),
        "stored: {:#?}\nshown: {:#?}\ntold: {:#?}",
        stored(city).await,
        shown(city).await,
        watcher.knows(),
    );
}

/// Ingests what the board is not told of: deltas go to another broker than the board follows.
async fn ingest_elsewhere(city: &Serving) {
    let elsewhere = Broker::rumqttd();
    let ingest = Ingesting::start(&city.database.store, &elsewhere.url);
    hears(&city.database, &elsewhere).await;
    let before = city.database.count("event").await;
    publish(&elsewhere.url, arrivals(1)).await;
    eventually("what was said elsewhere", || async {
        city.database.count("event").await == before + (LOTS * BAYS_PER_LOT) as i64
    })
    .await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_in_the_middle_leaves_the_board_right() {
    let mut city = start(Broker::mosquitto()).await;
    let watcher = Watcher::start(&city).await;
    for round in 1..=3 {
        publish(&city.broker.url, arrivals(round)).await;
        // Some deltas may be lost with it.
        city.broker.restart();
        let count = round * (LOTS * BAYS_PER_LOT) as i64;
        eventually("all that was acknowledged", || async {
            city.database.count("event").await == count
        })
        .await;
        is_right_in_time(&city, &watcher).await;
    }
    assert_eq!(
        watcher.knows().iter().map(|lot| lot.occupied).sum::<u32>(),
        1 + 2 + 3 + 4
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_the_broker_was_away_is_told_after_it() {
    let mut city = start(Broker::mosquitto()).await;
    let watcher = Watcher::start(&city).await;
    ingest_elsewhere(&city).await;
    assert_ne!(
        shown(&city).await,
        stored(&city).await,
        "the board was told nothing"
    );
    city.broker.restart();
    is_right_in_time(&city, &watcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_comes_back_after_the_broker_is_read_then() {
    let mut city = start(Broker::mosquitto()).await;
    let watcher = Watcher::start(&city).await;
    ingest_elsewhere(&city).await;
    city.database.take_away().await;
    city.broker.restart();
    // More than were asked for: it goes on asking.
    eventually("readings that fail", || async {
        city.metric("clearbay_live_reloads_failed_total").await > 2.0
    })
    .await;
    city.database.bring_back().await;
    is_right_in_time(&city, &watcher).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serve_that_restarts_shows_what_was_said_while_it_was_away() {
    let city = start(Broker::mosquitto()).await;
    city.serve.kill().await;
    publish(&city.broker.url, arrivals(1)).await;
    eventually("all that was said", || async {
        city.database.count("event").await == (LOTS * BAYS_PER_LOT) as i64
    })
    .await;
    city.serve.start_again(None).await;
    eventually("an answer", || async {
        city.get("/livez").send().await.is_ok()
    })
    .await;
    // Nothing is shown before it is right.
    assert_eq!(shown(&city).await, stored(&city).await);
    let watcher = Watcher::start(&city).await;
    is_right_in_time(&city, &watcher).await;
    publish(&city.broker.url, arrivals(2)).await;
    eventually("all that was said since", || async {
        city.database.count("event").await == 2 * (LOTS * BAYS_PER_LOT) as i64
    })
    .await;
    is_right_in_time(&city, &watcher).await;
}

/// What was told by a sensor that did not stand there then is told no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_that_the_database_has_taken_back_is_not_shown_any_more() {
    let mut city = start(Broker::mosquitto()).await;
    let watcher = Watcher::start(&city).await;
    let at = Utc::now().trunc_subsecs(6);
    let words = [
        told("lot-0-0-sensor", at - TimeDelta::minutes(10), 1, false),
        told("lot-0-1-sensor", at - TimeDelta::minutes(5), 1, true),
    ];
    city.sense(&words, 2, "event").await;
    is_right_in_time(&city, &watcher).await;
    let before = shown(&city).await;
    // They have stood in each other's bay for an hour.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    let from = (at - TimeDelta::minutes(60)).to_rfc3339();
    let exchanged = format!(
        "device,bay,model,silence_after_s,from\n\
         lot-0-0-sensor,lot-0-1,clearbay,3600,{from}\nlot-0-1-sensor,lot-0-0,clearbay,3600,{from}\n"
    );
    std::fs::write(&file, exchanged).unwrap();
    let imported = tokio::process::Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["device", "import", file.to_str().unwrap()])
        .env("DATABASE_URL", &city.database.url)
        .env("CLEARBAY_CITY", "hn")
        .output()
        .await
        .unwrap();
    assert!(imported.status.success(), "{imported:?}");
    city.broker.restart();
    is_right_in_time(&city, &watcher).await;
    assert_ne!(shown(&city).await, before);
}
