//! Where money goes, what parking costs and whose word counts: each change is on the record, whoever makes it.

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use tests::city;
use tests::database::TestDatabase;
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
