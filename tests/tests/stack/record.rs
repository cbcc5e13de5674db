//! Where money goes, what parking costs and whose word counts: each change is on the record, whoever makes it.

use chrono::{TimeDelta, Utc};
use reqwest::header::COOKIE;
use serde_json::Value;
use tests::city;
use tests::database::TestDatabase;
use tests::serving::Serving;
use tests::signing::{Signer, register};

/// The lines of the record of one action, with what was there before and after.
async fn lines(database: &TestDatabase, action: &str) -> Vec<(Value, Value)> {
    sqlx::query_as(
        "SELECT detail -> 'before', detail -> 'after' FROM audit
         WHERE action = $1 AND actor LIKE 'database:%' ORDER BY audit_id",
    )
    .bind(action)
    .fetch_all(&database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_changes_the_money_s_way_is_told_with_what_was_before() {
    let database = TestDatabase::create().await;
    let mut place = city::small(1, 1);
    let import = async |place: &domain::place::Place| {
        let imported = database.store.place_import(place, Utc::now());
        imported.await.unwrap();
    };
    import(&place).await;
    assert_eq!(lines(&database, "operator.add").await.len(), 1);
    let tariffs = lines(&database, "tariff.add").await.len();

    // The same once more changes nothing.
    import(&place).await;
    assert!(lines(&database, "operator.change").await.is_empty());

    let account = place.operators[0].bank_account.clone();
    place.operators[0].bank_account = "9999999999".to_owned();
    import(&place).await;
    let changed = lines(&database, "operator.change").await;
    let [(before, after)] = &changed[..] else {
        panic!("{changed:?}");
    };
    assert_eq!(before["bank_account"], account);
    assert_eq!(after["bank_account"], "9999999999");
    assert_eq!(before["code"], after["code"]);

    // A price that is to come, set by hand.
    let later = Utc::now() + TimeDelta::days(30);
    sqlx::query(
        "INSERT INTO tariff (zone_id, class, effective_from, document)
         SELECT zone_id, 'car', $1, '{\"a\": 1}' FROM zone LIMIT 1",
    )
    .bind(later)
    .execute(&database.pool)
    .await
    .unwrap();
    assert_eq!(lines(&database, "tariff.add").await.len(), tariffs + 1);
    for change in [
        "UPDATE tariff SET document = '{\"a\": 2}' WHERE effective_from > now()",
        "DELETE FROM tariff WHERE effective_from > now()",
    ] {
        sqlx::query(change).execute(&database.pool).await.unwrap();
    }
    let changed = lines(&database, "tariff.change").await;
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0["document"]["a"], 1);
    assert_eq!(changed[0].1["document"]["a"], 2);
    let removed = lines(&database, "tariff.remove").await;
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0].0["document"]["a"], 2);
    assert_eq!(removed[0].1, Value::Null);

    // A device that is to be believed by its key from now on.
    assert!(lines(&database, "device.change").await.is_empty());
    let signer = Signer::hmac("lot-0-0-sensor");
    register(&database.store, &[("lot-0-0-sensor", &signer)]).await;
    register(&database.store, &[("lot-0-0-sensor", &signer)]).await;
    let changed = lines(&database, "device.change").await;
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0["signing"], Value::Null);
    assert_eq!(changed[0].1["signing"], "hmac");
}

#[tokio::test]
async fn changed_accounts_are_shown_to_whoever_oversees_the_money_and_masked() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let chief = city.administrator("chief", Some("HNP")).await;
    let stranger = city.administrator("stranger", Some("THP")).await;
    let auditor = city.auditor("auditor").await;
    let clerk = city.staff("clerk", None).await;
    let look = async |who: &str| {
        let page = city.get("/staff/money").header(COOKIE, who);
        page.send().await.unwrap().text().await.unwrap()
    };
    let changes = |page: &str| page.matches("data-account-change").count();
    assert_eq!(changes(&look(&chief).await), 0);

    let pool = &city.database.pool;
    for account in ["11112222333", "44445555666"] {
        sqlx::query("UPDATE operator SET bank_account = $1 WHERE code = 'HNP'")
            .bind(account)
            .execute(pool)
            .await
            .unwrap();
    }
    // Another name is no other account.
    sqlx::query("UPDATE operator SET name = name || ' JSC' WHERE code = 'HNP'")
        .execute(pool)
        .await
        .unwrap();
    for (who, seen) in [
        (&guard, 0),
        (&stranger, 0),
        (&chief, 2),
        (&clerk, 2),
        (&auditor, 2),
    ] {
        let page = look(who).await;
        assert_eq!(changes(&page), seen, "{page}");
        let new = page.matches("data-changed-on").count();
        assert_eq!(new, usize::from(seen > 0), "{page}");
        assert!(!page.contains("11112222333") && !page.contains("44445555666"));
    }
    let page = look(&chief).await;
    let newest = page.split_once("data-account-change").unwrap().1;
    let newest = newest.split_once("</tr>").unwrap().0;
    assert!(newest.contains("•••333"), "{newest}");
    assert!(newest.contains("•••666"), "{newest}");
    assert!(newest.contains("database:"), "{newest}");

    // An account of thirty-one days is not new, a change of ninety-one is not shown. What is written stays, so
    // these are written as older ones.
    sqlx::query(
        "INSERT INTO account_change (operator_id, at, actor, bin_before, account_before, bin_after, account_after)
         SELECT operator_id, now() - days * interval '1 day', 'database:owner', bank_bin, '1', bank_bin, '2'
         FROM operator, unnest(ARRAY[31, 91]) AS days WHERE code = 'THP'",
    )
    .execute(pool)
    .await
    .unwrap();
    let page = look(&stranger).await;
    assert_eq!(changes(&page), 1, "{page}");
    assert_eq!(page.matches("data-changed-on").count(), 0, "{page}");
    // It is one with the change itself, and nobody takes it back.
    assert_eq!(lines(&city.database, "operator.change").await.len(), 3);
    for change in [
        "UPDATE account_change SET account_before = '1'",
        "DELETE FROM account_change",
    ] {
        assert!(sqlx::query(change).execute(pool).await.is_err(), "{change}");
    }
}
