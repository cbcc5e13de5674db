//! Revenue that anybody can check: every receipt in the log, every report its sum, and nobody who can change
//! either unnoticed, not even with the database in their hands.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{TimeDelta, Utc};
use domain::log::{DayReport, Inclusion, LogKeys, LogSigner, TreeHead, record_hash, sign_head};
use domain::money::Vnd;
use reqwest::StatusCode;
use serde_json::json;
use tests::citizen::{
    BAY, Citizen, clearbay, day, is_closed, noon, published, reported, sold, with_a_past,
};
use tests::eventually;
use tests::log_owner::{Owner, forged};
use tests::serve_process::ServeProcess;
use tests::serving::{LOG_NAME, Serving, log_key, text};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use uuid::Uuid;

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
    let stop = format!("/api/v1/sessions/{}/stop", open.session);
    let (status, _) = city.post_as(&open.token, &stop, &json!({})).await;
    assert_eq!(status, StatusCode::OK);
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

/// A receipt that comes while the reports are made is in none of them before it is in the tree that they name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_has_no_receipt_that_its_tree_has_not() {
    // Nobody but this test publishes.
    let city = Serving::with_settings(80, &[("CLEARBAY_LOG_KEY", "")]).await;
    let (key, private) = log_key(1);
    let signers = [private.parse::<LogSigner>().unwrap()];
    let code = simulator::city::hanoi(80).unwrap().city.code;
    let (store, code, now) = (&city.database.store, code.as_str(), Utc::now());
    let publish = async || {
        let sign = |head: &TreeHead| sign_head(head, &signers).ok();
        let published = store.log_publish(code, 100, None, sign, false, now).await;
        published.unwrap().unwrap().head.size
    };
    sold(&city, 2, noon(3)).await;
    sold(&city, 3, noon(2)).await;
    assert_eq!(publish().await, 5);
    let today = day(0).parse().unwrap();
    let one_comes = AtomicBool::new(true);
    let report = async || {
        let sign = |report: &DayReport| {
            // The first day is signed, the second is not summed up yet.
            if one_comes.swap(false, Ordering::Relaxed) {
                let comes = sold(&city, 1, noon(2) + TimeDelta::hours(1));
                block_in_place(|| Handle::current().block_on(comes));
            }
            report.sign(&signers).ok()
        };
        let done = store.log_report_days(code, today, 10, sign, now).await;
        done.unwrap().len()
    };
    assert_eq!(report().await, 0, "one waits for its place in the log");
    assert_eq!(publish().await, 6);
    assert_eq!(report().await, 2);
    let keys = LogKeys::new(vec![key]).unwrap();
    for (days_ago, receipts) in [(3, 2), (2, 4)] {
        let day = day(days_ago).parse().unwrap();
        let note = store.log_report(code, day, None).await.unwrap().unwrap();
        let report = DayReport::open(&note, &keys).unwrap();
        assert_eq!(report.total().receipts, receipts, "{report:?}");
        assert_eq!(report.head.size, 6);
    }
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

/// Somebody who has seen the log as it is, and somebody who can change it.
async fn owner_and_citizen(city: &Serving) -> (Owner<'_>, Citizen) {
    let citizen = Citizen::default();
    citizen.is_content(&city.url).await;
    let owner = Owner {
        pool: &city.database.pool,
    };
    owner.keep().await;
    (owner, citizen)
}

/// Each thing is done straight in the database, found, and taken back.
#[tokio::test]
async fn tampering_without_the_key_is_found() {
    let city = with_a_past().await;
    let (owner, citizen) = owner_and_citizen(&city).await;
    let url = &city.url;

    // An amount is edited in an entry.
    let mut entry = owner.entry(100).await;
    entry.amount_vnd = Vnd::new(1_000);
    owner.put_entry(100, &entry).await;
    let edited = [
        "entry 100 is not the one that the tree was made of",
        "make the root",
    ];
    citizen.finds(url, &edited).await;
    // And in the tree's own hashes as well.
    let hash: String = record_hash(&entry.to_bytes())
        .0
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    owner
        .does(&format!(
            "UPDATE log_tile SET hashes = overlay(hashes PLACING '\\x{hash}'::bytea FROM 100 * 32 + 1)
             WHERE level = 0 AND tile_index = 0"
        ))
        .await;
    citizen
        .finds(url, &["/log/tile/1/000.p/1 does not fit", "make the root"])
        .await;
    owner.bring_back().await;

    // An entry counts on another day.
    let mut entry = owner.entry(305).await;
    entry.day = day(4).parse().unwrap();
    owner.put_entry(305, &entry).await;
    citizen.finds(url, &["entry 305 is not the one"]).await;
    owner.bring_back().await;

    // Two change places.
    let (one, other) = (owner.entry(10).await, owner.entry(301).await);
    owner.put_entry(10, &other).await;
    owner.put_entry(301, &one).await;
    citizen
        .finds(
            url,
            &["entry 10 is not the one", "entry 301 is not the one"],
        )
        .await;
    owner.bring_back().await;

    // The last is taken away.
    owner
        .does("DELETE FROM log_leaf WHERE leaf_index = 311")
        .await;
    citizen
        .finds(url, &["/log/tile/entries/001.p/56 is not served"])
        .await;
    owner.bring_back().await;

    // One is slipped in behind the last: nobody has signed it, so nobody counts it, and the next head
    // that the honest publisher signs cannot be made.
    owner.forge(&forged(2, 9_000_000)).await;
    citizen.is_content(url).await;
    sold(&city, 1, noon(1)).await;
    eventually("the publisher to refuse", || async {
        city.database.count("log_queue").await == 1
    })
    .await;
    citizen.is_content(url).await;
    owner.bring_back().await;
    published(&city, 313).await;
    // Soon after midnight yesterday may still grow, and has no report yet.
    reported(&city, if is_closed(1) { 4 } else { 3 }).await;
    citizen.is_content(url).await;
    owner
        .does(
            "DROP TABLE kept_log_leaf, kept_log_tile, kept_log_head, kept_log_report, kept_receipt",
        )
        .await;
    owner.keep().await;

    // A tile is exchanged.
    owner
        .does("UPDATE log_tile SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE level = 1")
        .await;
    citizen
        .finds(url, &["/log/tile/1/000.p/1 does not fit"])
        .await;
    owner.bring_back().await;

    // What is published is altered: in the receipts from which it is summed.
    owner
        .does(&format!(
            "UPDATE receipt SET amount_vnd = 1000 WHERE day = '{}'",
            day(3)
        ))
        .await;
    let altered = [
        "published for the total by day",
        "published for lot CN-01",
        "7.000",
    ];
    citizen.finds(url, &altered).await;
    owner.bring_back().await;

    // A signed report is altered.
    owner
        .does(&format!(
            "UPDATE log_report SET note = convert_to(replace(convert_from(note, 'UTF8'), '175000', '75000'), 'UTF8')
             WHERE day = '{}'",
            day(3)
        ))
        .await;
    let path = format!("/log/report/{}/1 is not believed", day(3));
    citizen
        .finds(url, &[&path, "not by the key that it names"])
        .await;
    owner.bring_back().await;
    // One is shown as another's.
    owner
        .does(&format!(
            "UPDATE log_report SET note = (SELECT note FROM kept_log_report WHERE day = '{}') WHERE day = '{}'",
            day(4),
            day(3)
        ))
        .await;
    citizen
        .finds(url, &[&format!("is the report of {}", day(4))])
        .await;
    owner.bring_back().await;
    // One is missing.
    owner
        .does(&format!("DELETE FROM log_report WHERE day = '{}'", day(4)))
        .await;
    citizen
        .finds(
            url,
            &[&format!(
                "300 entries of {} are in no signed report",
                day(4)
            )],
        )
        .await;
    owner.bring_back().await;
    citizen.is_content(url).await;
}

#[tokio::test]
async fn tampering_with_the_key_is_found_by_whoever_saw_the_log_before() {
    let city = with_a_past().await;
    let (owner, citizen) = owner_and_citizen(&city).await;
    let url = &city.url;

    // The past is edited, and all is signed anew: another tree of the same size.
    let mut entry = owner.entry(260).await;
    entry.amount_vnd = Vnd::new(1_000);
    owner.put_entry(260, &entry).await;
    owner.rebuild().await;
    citizen
        .finds(url, &["a fork: two logs of 312 entries are signed"])
        .await;
    // It has grown since: where it was changed is told. That its reports no longer fit, too.
    let mut entry = owner.entry(40).await;
    entry.amount_vnd = Vnd::new(1_000);
    owner.put_entry(40, &entry).await;
    owner.forge(&forged(1, 25_000)).await;
    owner.rebuild().await;
    let rewritten = [
        "the past was changed",
        "the first difference lies in entries 0 to 255",
        "is not the beginning of this log",
    ];
    citizen.finds(url, &rewritten).await;
    // Somebody who comes for the first time sees it by the reports and by what is published.
    let stranger = Citizen::default();
    stranger
        .finds(url, &["the report of", "published for the total"])
        .await;
    owner.bring_back().await;

    // Entries are taken away.
    owner
        .does("DELETE FROM log_leaf WHERE leaf_index >= 305")
        .await;
    owner.rebuild().await;
    citizen
        .finds(
            url,
            &["the log has shrunk: 312 entries the last time, 305 now"],
        )
        .await;
    owner.bring_back().await;

    // Receipts are left out, as if they had never been, and the day is reported without them.
    let left_out: Vec<Uuid> =
        sqlx::query_scalar("SELECT receipt_id FROM log_leaf WHERE leaf_index IN (307, 308)")
            .fetch_all(&city.database.pool)
            .await
            .unwrap();
    owner
        .does(
            "DELETE FROM log_leaf WHERE leaf_index IN (307, 308);
               UPDATE log_leaf SET leaf_index = leaf_index - 2 WHERE leaf_index > 308",
        )
        .await;
    owner.rebuild().await;
    let left = [
        "is not the beginning of this log",
        "published for the total by day",
    ];
    stranger.finds(url, &left).await;
    // Whoever holds one of those receipts has no proof to show, and so knows.
    let receipt = city
        .json(&format!("/api/v1/receipts/{}", left_out[0]))
        .await;
    assert!(receipt["log"].is_null(), "{receipt}");
    owner.bring_back().await;

    // Money that nobody paid, on a day that was closed long ago.
    owner.forge(&forged(30, 5_000_000)).await;
    owner.rebuild().await;
    citizen
        .finds(url, &["entry 312 counts on", "backdated"])
        .await;
    owner.bring_back().await;
    // Money that nobody paid, on a day of late: the sums differ.
    owner.forge(&forged(2, 5_000_000)).await;
    owner.rebuild().await;
    citizen
        .finds(url, &["published for lot CN-01", "5.125.000"])
        .await;
    owner.bring_back().await;
    citizen.is_content(url).await;
}

#[tokio::test]
async fn a_receipt_that_was_changed_does_not_fit_its_entry() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    published(&city, 1).await;
    let payment = city.payment(&open).await;
    let path = format!("/api/v1/receipts/{}", text(&payment["receipt_id"]));
    let citizen = Citizen::default();
    let right = city.json(&path).await;
    assert_eq!(citizen.verify_receipt(&right).await.code, Some(0));
    let inclusion: Inclusion = serde_json::from_value(right["log"].clone()).unwrap();
    assert!(!inclusion.checkpoint.is_empty());
    // In the file.
    let mut other = right.clone();
    other["amount_vnd"] = json!(1_000);
    let said = citizen.verify_receipt(&other).await;
    assert_eq!(said.code, Some(2), "{}", said.text);
    assert!(said.text.contains("another amount"), "{}", said.text);
    // What is no part of the amount may have changed since, as the bay of a session that moved: it is told.
    let said = citizen.verify_receipt(&right).await;
    assert!(!said.text.contains("NOT PROVEN"), "{}", said.text);
    assert!(
        said.text.contains("nothing else that the file says"),
        "{}",
        said.text
    );
    let mut other = right.clone();
    other["ends_at"] = json!("2030-01-01T00:00:00Z");
    let said = citizen.verify_receipt(&other).await;
    assert!(
        said.text.contains("NOT PROVEN: the file says ends_at 2030"),
        "{}",
        said.text
    );
    // By who trusts another key.
    let stranger = Citizen::pinning(log_key(2).0.to_string());
    let said = stranger.verify_receipt(&right).await;
    assert_eq!(said.code, Some(2), "{}", said.text);
    assert!(said.text.contains("NOT BY YOUR KEY"), "{}", said.text);
    assert!(!said.text.contains("WRONG"), "{}", said.text);
    // In the database.
    let owner = Owner {
        pool: &city.database.pool,
    };
    owner.does("UPDATE receipt SET amount_vnd = 1000").await;
    let said = citizen.verify_receipt(&city.json(&path).await).await;
    assert_eq!(said.code, Some(2), "{}", said.text);
    assert!(
        said.text.contains("not what its entry in the log promises"),
        "{}",
        said.text
    );
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
