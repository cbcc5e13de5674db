//! Whoever has the database in their hands changes the public log's past, and is found out.

use domain::log::{Inclusion, record_hash};
use domain::money::Vnd;
use serde_json::json;
use tests::citizen::{BAY, Citizen, day, is_closed, noon, published, reported, sold, with_a_past};
use tests::eventually;
use tests::log_owner::{Owner, forged};
use tests::serving::{Serving, log_key, text};
use uuid::Uuid;

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
