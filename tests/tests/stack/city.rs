//! The whole line at once: a simulated city over its real doors, and a recording of a real one.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use domain::place::VehicleClass;
use futures::future::join;
use futures::{StreamExt, stream};
use tests::broker::Broker;
use tests::serving::{IMPORT_TOKEN, Serving, WEBHOOK_KEY};
use tests::{eventually, provided, shared_path};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn a_simulated_past_fills_the_reports_and_the_books_are_right() {
    let city = Serving::city(120).await;
    let folder = tempfile::tempdir().unwrap();
    let mut simulator = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args([
            "simulate",
            "--bays",
            "120",
            "--history-days",
            "2",
            "--api-url",
            &city.url,
        ])
        .arg("--state-file")
        .arg(folder.path().join("simulator.json"))
        .env("MQTT_URL", &city.broker.url)
        .env("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY)
        .env("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(simulator.stdout.take().unwrap()).lines();
    // Until then the past is still coming in.
    while !said.next_line().await.unwrap().unwrap().contains("live") {}
    let receipts = || async {
        let report = city.json("/api/v1/reports/revenue").await;
        let rows = report["rows"].as_array().unwrap().clone();
        rows.iter()
            .filter(|row| row["receipts"].as_i64().unwrap() > 0)
            .count()
    };
    eventually("revenue on two days and more", || async {
        receipts().await >= 2
    })
    .await;
    eventually("bays that are known", || async {
        let lots = city.json("/api/v1/lots").await;
        let lots = lots["lots"].as_array().unwrap().clone();
        let sum = |field: &str| {
            lots.iter()
                .map(|lot| lot[field].as_i64().unwrap())
                .sum::<i64>()
        };
        sum("occupied") > 0 && sum("unknown") < 30
    })
    .await;
    assert_breakdowns_agree(&city).await;
    let parking = city.json("/api/v1/reports/parking").await;
    let mut paid_s = 0;
    for day in parking["rows"].as_array().unwrap() {
        let (sensed, paid) = (
            day["sensed_s"].as_i64().unwrap(),
            day["paid_s"].as_i64().unwrap(),
        );
        assert!(paid <= sensed, "{day}");
        paid_s += paid;
    }
    // In all: a day that has just begun may have a few vehicles, and none of them paid.
    assert!(paid_s > 0, "{parking}");
    assert_collection_is_told_with_its_range(&city).await;
    simulator.kill().await.unwrap();
    city.assert_books_are_right().await;
    assert_eq!(city.database.count("refused_message").await, 0);
}

/// For each lot and day, reasons add up and what is owed lies within its range; one lot, which has more
/// bays than it is licensed for, holds too many.
async fn assert_collection_is_told_with_its_range(city: &Serving) {
    let report = city.json("/api/v1/reports/collection?by=lot_day").await;
    let rows = report["rows"].as_array().unwrap();
    // Of the seven days lots have been known for the last ones, and for none that is no row.
    let days = rows.len() / 40;
    assert!((3..=4).contains(&days) && rows.len() == 40 * days);
    assert_eq!(report["total"]["too_little_known"], false);
    for row in rows {
        let vnd = |field: &str| row[format!("{field}_vnd")].as_i64().unwrap();
        let explained =
            vnd("collected") + vnd("given_back") + vnd("grace") + vnd("pass") + vnd("exempt");
        let owed = vnd("paid_elsewhere") + vnd("unpaid") + vnd("short") + vnd("open");
        let over = vnd("beyond") + vnd("unknown") + vnd("elsewhere");
        assert_eq!(vnd("due"), explained + owed - over, "{row}");
        assert!(
            vnd("owed_low") <= vnd("owed") && vnd("owed") <= vnd("owed_high"),
            "{row}"
        );
    }
    assert!(
        rows.iter()
            .any(|row| row["unpaid_vnd"].as_i64().unwrap() > 0)
    );
    let path = "/api/v1/reports/over-capacity?only_beyond=true";
    let crowded = simulator::city::CROWDED;
    let beyond = city.json(path).await;
    let beyond = beyond["rows"].as_array().unwrap();
    assert!(!beyond.is_empty());
    assert!(
        beyond.iter().all(|row| row["lot"] == *crowded),
        "{beyond:?}"
    );
    let page = city.get("/city?lang=en").send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains(&format!("data-beyond=\"{crowded}\"")));
    // The week before, and the first days of this one, are from before the city began.
    assert!(page.contains("Nothing is known of days before"), "{page}");
    assert!(page.contains("not known") && !page.contains("nothing collected"));
}

/// However revenue is broken down, it is the same revenue. The city goes on selling meanwhile: the days
/// before today stand still.
async fn assert_breakdowns_agree(city: &Serving) {
    let today = chrono::Utc::now()
        .with_timezone(&chrono_tz::Asia::Ho_Chi_Minh)
        .date_naive();
    let (from, to) = (today - chrono::Days::new(6), today - chrono::Days::new(1));
    let mut totals = Vec::new();
    for by in ["day", "ward", "zone", "lot", "operator", "class", "method"] {
        let report = city
            .json(&format!(
                "/api/v1/reports/revenue?from={from}&to={to}&by={by}"
            ))
            .await;
        let rows = report["rows"].as_array().unwrap();
        let sum: i64 = rows
            .iter()
            .map(|row| row["amount_vnd"].as_i64().unwrap())
            .sum();
        assert_eq!(report["total_vnd"], sum, "{by}");
        totals.push((by, sum));
    }
    assert!(totals[0].1 > 0);
    assert!(
        totals.iter().all(|(_, sum)| *sum == totals[0].1),
        "{totals:?}"
    );
}

/// How many payments the bank tells of, how many between two looks at the page, and how many at once.
const PAYMENTS: usize = 120;
const BETWEEN: usize = 20;
const AT_ONCE: usize = 4;

/// Each panel of the page is another sum of the same money: whoever reads it while payments come in sees one moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_panels_of_a_page_agree_while_payments_come_in() {
    let city = Serving::without_bundle(400).await;
    let place = simulator::city::hanoi(400).unwrap();
    let bays = place.lots.into_iter().flat_map(|lot| lot.bays);
    let bays = bays.filter(|bay| bay.class == VehicleClass::Car);
    let opened: Vec<_> = stream::iter(bays.take(PAYMENTS))
        .map(|bay| {
            let city = &city;
            async move { city.open_payment(&bay.code, 60).await }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(opened.len(), PAYMENTS);
    let looks = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let paying = async {
        for (number, some) in opened.chunks(BETWEEN).enumerate() {
            eventually("another look at the page", || async {
                looks.load(Ordering::Relaxed) > number
            })
            .await;
            let transfers = stream::iter(some).map(|open| async {
                let outcomes = city.outcomes(&[open.transfer()]).await;
                assert_eq!(outcomes, ["posted"]);
            });
            let paid = transfers.buffer_unordered(AT_ONCE);
            paid.collect::<Vec<()>>().await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let looking = async {
        let mut totals = BTreeSet::new();
        loop {
            // The last look is after the last payment.
            let last = is_over.load(Ordering::Relaxed);
            let page = city.get("/city?lang=en").send().await.unwrap();
            totals.insert(agreed(&page.text().await.unwrap()));
            looks.fetch_add(1, Ordering::Relaxed);
            if last {
                return totals;
            }
        }
    };
    let ((), totals) = join(paying, looking).await;
    let paid: i64 = opened.iter().map(|open| open.amount_vnd).sum();
    assert_eq!(totals.last(), Some(&paid));
    assert!(
        totals.len() > 2,
        "nothing came in while it was looked: {totals:?}"
    );
}

/// The total of the page, which is that of its chart and of each of its breakdowns.
fn agreed(page: &str) -> i64 {
    let numbers = |text: &str, name: &str| -> Vec<i64> {
        let attribute = format!("{name}=\"");
        let found = text.split(&attribute).skip(1);
        found
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect()
    };
    let totals = numbers(page, "data-total");
    assert_eq!(totals.len(), 1, "{page}");
    let mut seen = Vec::new();
    for part in page.split("data-by=\"").skip(1) {
        let (by, part) = part.split_once('"').unwrap();
        let part = part.split("</section>").next().unwrap();
        let sum: i64 = numbers(part, "data-vnd").iter().sum();
        assert_eq!(sum, totals[0], "by {by}");
        seen.push(by);
    }
    assert_eq!(seen, ["ward", "zone", "lot", "operator", "class", "method"]);
    totals[0]
}

/// The last days of the recording: all its car parks, in a hundredth of the time.
#[tokio::test]
async fn a_replay_ends_with_each_car_park_as_its_last_valid_row_says() {
    let whole = shared_path("data/birmingham.csv");
    let Ok(text) = std::fs::read_to_string(&whole) else {
        println!("skipped: {} is not on this machine", whole.display());
        return;
    };
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let last_days = lines.filter(|line| {
        ["2016-11-30", "2016-12-18", "2016-12-19"]
            .iter()
            .any(|day| line.contains(day))
            || line.contains(",-")
    });
    let part: Vec<&str> = std::iter::once(header).chain(last_days).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("birmingham.csv");
    std::fs::write(&file, part.join("\n")).unwrap();

    let city = Serving::place(&simulator::city::hanoi(80).unwrap(), Broker::mosquitto()).await;
    let done = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["replay", "birmingham"])
        .arg(&file)
        .env("DATABASE_URL", &city.database.url)
        .env("MQTT_URL", &city.broker.url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let recording = simulator::replay::Recording::read(&file).unwrap();
    let (rows, taken, refused) = recording.account();
    assert_eq!(rows, part.len() - 1);
    assert_eq!(
        taken + refused.iter().map(|(_, count)| count).sum::<usize>(),
        rows
    );
    assert!(
        said.contains(&rows.to_string()) && said.contains(&taken.to_string()),
        "{said}"
    );
    let shown = || async {
        let lots = city.json("/api/v1/lots?city=bhm").await;
        let lots = lots["lots"].as_array().unwrap().clone();
        recording.expected().iter().all(|(code, occupied)| {
            lots.iter().any(|lot| {
                lot["code"] == **code && lot["occupied"] == *occupied && lot["unknown"] == 0
            })
        })
    };
    eventually("each car park as its last valid row says", shown).await;
    let lots = city.json("/api/v1/lots?city=bhm").await;
    assert_eq!(
        lots["lots"].as_array().unwrap().len(),
        recording.expected().len()
    );
}
