//! Revenue that anybody can check: every receipt in the log, every report its sum, whichever key signs it.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{NaiveDate, TimeDelta, Utc};
use domain::log::{DayReport, LogKeys, LogSigner, TreeHead, sign_head};
use simulator::city::CODE;
use tests::citizen::{BAY, Citizen, clearbay, day, noon, published, reported, sold, with_a_past};
use tests::eventually;
use tests::log_owner::Owner;
use tests::serve_process::ServeProcess;
use tests::serving::{LOG_NAME, Serving, log_key, text};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

#[tokio::test]
async fn what_is_published_is_the_sum_of_the_log() {
    let city = with_a_past().await;
    let citizen = Citizen::default();
    let said = citizen.is_content(&city.url).await;
    assert!(said.contains(&format!("{LOG_NAME}, 312 entries")), "{said}");
    assert!(
        said.contains("3 signed, each the sum of its entries"),
        "{said}"
    );
    assert!(said.contains("never; remembered from now on"), "{said}");
    assert!(!said.contains("not published yet"), "{said}");

    // A day's report is checked by itself, wherever it was kept; not one that was touched since.
    let report = city
        .get(&format!("/log/report/{}", day(3)))
        .send()
        .await
        .unwrap();
    let report = report.text().await.unwrap();
    let said = citizen.verify_report(&report).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("175.000"), "{}", said.text);
    let said = citizen
        .verify_report(&report.replace("175000", "75000"))
        .await;
    assert_eq!(said.code, Some(2), "{}", said.text);

    // Money that comes and money that goes back.
    let open = city.paid_session(BAY, 120).await;
    city.stop(&open.session, &open.token).await;
    published(&city, 314).await;
    let said = citizen.is_content(&city.url).await;
    assert!(
        said.contains("312 entries: the log begins with exactly those"),
        "{said}"
    );
    // What nothing is published of yet stands apart.
    let (compared, waiting) = said
        .split_once("Days that are not published yet")
        .unwrap_or_else(|| panic!("{said}"));
    assert!(compared.contains("each compared:"), "{said}");
    assert!(compared.contains(&day(2)), "{said}");
    assert!(!waiting.contains(&day(2)), "{said}");
    // An address that is not the city's is none of the log's faults.
    let page = citizen.verify(&format!("{}/verify", city.url)).await;
    assert_eq!(page.code, Some(1), "{}", page.text);
    assert!(page.text.contains("cannot be told"), "{}", page.text);
    assert!(!page.text.contains("WRONG"), "{}", page.text);

    // Whoever has the receipt shows that it is in there, with no connection at all.
    let payment = city.payment(&open).await;
    let path = format!("/api/v1/receipts/{}", text(&payment["receipt_id"]));
    let receipt = city.json(&path).await;
    let said = citizen.verify_receipt(&receipt).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("IN THE LOG"), "{}", said.text);
    assert!(
        said.text.contains("as entry 312 (the first is 0) of 314"),
        "{}",
        said.text
    );
    // Nothing in the log tells who parked, where exactly, or when.
    let bundle = city.get("/log/tile/entries/001.p/58").send().await.unwrap();
    assert_eq!(
        bundle.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
    assert_eq!(bundle.headers()["access-control-allow-origin"], "*");
    let bundle = bundle.bytes().await.unwrap();
    let entries = String::from_utf8_lossy(&bundle);
    for secret in ["30A", BAY, text(&receipt["id"]).as_str(), "vietqr"] {
        assert!(!entries.contains(secret), "{secret}: {entries}");
    }
    for path in [
        "/log/tile/entries/001.p/59",
        "/log/tile/entries/002",
        "/log/tile/0/1",
        "/log/tile/9/000",
        "/log/report/2020-01-01",
    ] {
        let missing = city.get(path).send().await.unwrap();
        assert!(
            missing.status().is_client_error(),
            "{path}: {}",
            missing.status()
        );
    }
    // What a bank tells late makes a second report of its day, beside the first.
    sold(&city, 1, noon(2) + TimeDelta::hours(1)).await;
    published(&city, 315).await;
    reported(&city, 4).await;
    let said = citizen.is_content(&city.url).await;
    assert!(
        said.contains(&format!("the report of {} was revised", day(2))),
        "{said}"
    );
    assert_eq!(city.json("/log/reports").await["reports"][3]["revision"], 2);
    // Money is published as it comes, and in the log a moment later: who asks between the two is not told of a fault.
    let mut publisher = city.database.pool.begin().await.unwrap();
    let held = sqlx::query(PUBLISHER_HELD).execute(&mut *publisher);
    held.await.unwrap();
    sold(&city, 1, noon(2) + TimeDelta::hours(2)).await;
    let asked =
        r#"clearbay_http_requests_total{method="GET",path="/api/v1/reports/revenue",status="200"}"#;
    let before = city.metric(asked).await;
    let comes = async {
        eventually("the published figures to be asked for", || async {
            city.metric(asked).await > before
        })
        .await;
        publisher.rollback().await.unwrap();
    };
    let (said, ()) = tokio::join!(citizen.is_content(&city.url), comes);
    assert!(said.contains("asked again"), "{said}");
    reported(&city, 5).await;
    // What a terminal uploads weeks late moves no day that is long over: it counts on the first that still may.
    sold(&city, 1, noon(20)).await;
    published(&city, 317).await;
    citizen.is_content(&city.url).await;
    let entry = Owner {
        pool: &city.database.pool,
    };
    let entry = entry.entry(316).await;
    // The latest day before it is today's.
    assert_eq!(entry.day.to_string(), day(2));
}

/// Takes the publisher's place, so that nothing enters the log.
const PUBLISHER_HELD: &str = "SELECT pg_advisory_xact_lock(x'706c6f67'::int, city_id) FROM city";

/// Publishes as `clearbay serve` would, where nobody else does.
async fn publish(city: &Serving) -> u64 {
    let sign = |head: &TreeHead| sign_head(head, &[signer()]).ok();
    let store = &city.database.store;
    let published = store.log_publish(CODE, 100, None, sign, false, Utc::now());
    published.await.unwrap().unwrap().head.size
}

fn signer() -> LogSigner {
    log_key(1).1.parse().unwrap()
}

async fn without_publisher() -> Serving {
    Serving::with_settings(80, &[("CLEARBAY_LOG_KEY", "")]).await
}

/// A receipt that comes while the reports are made is in none of them before it is in the tree that they name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_has_no_receipt_that_its_tree_has_not() {
    let city = without_publisher().await;
    let store = &city.database.store;
    sold(&city, 2, noon(3)).await;
    sold(&city, 3, noon(2)).await;
    assert_eq!(publish(&city).await, 5);
    let today = day(0).parse().unwrap();
    let one_comes = AtomicBool::new(true);
    let report = async || {
        let sign = |report: &DayReport| {
            // The first day is signed, the second is not summed up yet.
            if one_comes.swap(false, Ordering::Relaxed) {
                let comes = sold(&city, 1, noon(2) + TimeDelta::hours(1));
                block_in_place(|| Handle::current().block_on(comes));
            }
            report.sign(&[signer()]).ok()
        };
        let done = store.log_report_days(CODE, today, 10, sign, Utc::now());
        done.await.unwrap().len()
    };
    assert_eq!(report().await, 0, "one waits for its place in the log");
    assert_eq!(publish(&city).await, 6);
    assert_eq!(report().await, 2);
    let keys = LogKeys::new(vec![log_key(1).0]).unwrap();
    for (days_ago, receipts) in [(3, 2), (2, 4)] {
        let day = day(days_ago).parse().unwrap();
        let note = store.log_report(CODE, day, None).await.unwrap().unwrap();
        let report = DayReport::open(&note, &keys).unwrap();
        assert_eq!(report.total().receipts, receipts, "{report:?}");
        assert_eq!(report.head.size, 6);
    }
}

/// What comes weeks late counts on the first day that still may, by what waits for its place in the log as well.
#[tokio::test]
async fn what_comes_late_while_nothing_is_published_is_not_backdated() {
    let city = without_publisher().await;
    sold(&city, 1, noon(3)).await;
    assert_eq!(publish(&city).await, 1);
    sold(&city, 1, noon(2)).await;
    sold(&city, 1, noon(20)).await;
    assert_eq!(publish(&city).await, 3);
    let days = "SELECT day FROM log_leaf ORDER BY leaf_index";
    let days: Vec<NaiveDate> = sqlx::query_scalar(days)
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    let days: Vec<String> = days.iter().map(NaiveDate::to_string).collect();
    assert_eq!(days, [day(3), day(4), day(2)]);
}

#[tokio::test]
async fn a_process_that_is_killed_loses_and_repeats_nothing() {
    let city = Serving::city(80).await;
    let another = city.another().await;
    for round in 0..6 {
        sold(&city, 40, noon(1) + TimeDelta::minutes(round)).await;
        // Both publish; whichever is at it dies.
        city.serve.kill().await;
        another.kill().await;
        city.serve.start_again(None).await;
        another.start_again(None).await;
        city.is_back().await;
    }
    published(&city, 240).await;
    let twice = "(SELECT receipt_id FROM log_leaf GROUP BY 1 HAVING count(*) > 1) AS twice";
    assert_eq!(city.database.count(twice).await, 0);
    let places = "(SELECT FROM log_leaf GROUP BY city_id
        HAVING max(leaf_index) = 239 AND count(DISTINCT receipt_id) = 240) AS whole";
    assert_eq!(city.database.count(places).await, 1);
    Citizen::default().is_content(&city.url).await;
}

async fn serves_with_key(city: &Serving, key: String) -> ServeProcess {
    let process = city.serve.another_with(|settings| {
        settings.env.retain(|(name, _)| *name != "CLEARBAY_LOG_KEY");
        settings.env.push(("CLEARBAY_LOG_KEY", key));
        let former = log_key(1).0.to_string();
        settings.env.push(("CLEARBAY_LOG_FORMER_KEYS", former));
    });
    let url = process.url();
    eventually("the other process", || async {
        let reply = city.client.get(format!("{url}/readyz")).send().await;
        reply.is_ok_and(|reply| reply.status().is_success())
    })
    .await;
    process
}

async fn signed_anew(city: &Serving, before: &str) -> String {
    let after = std::cell::RefCell::new(String::new());
    eventually("the head to be signed anew", || async {
        let reply = city.get("/log/checkpoint").send().await.unwrap();
        *after.borrow_mut() = reply.text().await.unwrap();
        *after.borrow() != before
    })
    .await;
    after.into_inner()
}

#[tokio::test]
async fn a_key_is_exchanged_openly_or_not_at_all() {
    let city = Serving::city(80).await;
    sold(&city, 3, noon(1)).await;
    published(&city, 3).await;
    let citizen = Citizen::default();
    citizen.is_content(&city.url).await;
    let first = city.get("/log/checkpoint").send().await.unwrap();
    let first = first.text().await.unwrap();
    city.serve.kill().await;

    // Both sign: who trusts the old key is content, and so is who trusts the new one.
    let both = format!("{} {}", log_key(1).1, log_key(2).1);
    let process = serves_with_key(&city, both).await;
    let at = |process: &ServeProcess| process.url();
    let newer = Citizen::pinning(log_key(2).0.to_string());
    eventually("both to have signed", || async {
        newer.verify(&at(&process)).await.code == Some(0)
    })
    .await;
    citizen.is_content(&at(&process)).await;
    process.kill().await;

    // The new one alone, or a stranger's.
    let process = serves_with_key(&city, log_key(2).1).await;
    newer.is_content(&at(&process)).await;
    eventually("the old key to be gone", || async {
        citizen.verify(&at(&process)).await.code == Some(2)
    })
    .await;
    // That is said once, as what it is: perhaps nobody's fault.
    let said = citizen.verify(&at(&process)).await;
    let other = format!(
        "signed by key {}, not by yours, {}",
        log_key(2).0.label(),
        log_key(1).0.label()
    );
    assert!(said.text.contains(&other), "{}", said.text);
    assert!(!said.text.contains("WRONG"), "{}", said.text);
    process.kill().await;
    city.serve.start_again(None).await;
    city.is_back().await;
    assert_eq!(
        signed_anew(&city, "").await.lines().count(),
        first.lines().count()
    );
}

#[tokio::test]
async fn what_cannot_be_told_is_no_verdict() {
    let citizen = Citizen::default();
    let nobody = format!("http://{}", tests::free_address());
    let said = citizen.verify(&nobody).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("cannot be fetched"), "{}", said.text);
    let said = clearbay(&["verify", "--url", &nobody, "--key", "no key"]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("name+id+key"), "{}", said.text);
    let mistyped = citizen.key.replace("+A", "+B");
    let said = clearbay(&["verify", "--url", &nobody, "--key", &mistyped]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.text.contains("a letter of it is"), "{}", said.text);
    let said = clearbay(&["verify", "receipt", "/nowhere", "--key", &citizen.key]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    // A key is made, and its public half is told apart from the secret one.
    let said = clearbay(&["log-key", "parking.example/log"]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(
        said.text.contains("PRIVATE+KEY+parking.example/log+"),
        "{}",
        said.text
    );
    assert!(
        said.text
            .contains("public key, to be published: parking.example/log+")
    );
}
