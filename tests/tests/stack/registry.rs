//! An installation file that is imported again, years later: what it leaves out stays, and what would go wrong in silence
//! is refused.

use chrono::Utc;
use domain::place::Place;
use domain::tariff::Tariff;
use tests::city;
use tests::database::TestDatabase;
use tests::sensors;
use tests::serving::{Serving, text};

async fn import(database: &TestDatabase, place: &Place) -> Result<store::place::Imported, String> {
    let imported = database.store.place_import(place, Utc::now()).await;
    imported.map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_a_file_leaves_out_of_an_operator_stays() {
    let database = TestDatabase::create().await;
    let mut place = city::small(1, 1);
    let kept = async || -> (i16, String, String) {
        sqlx::query_as("SELECT city_share_bp, tax_code, invoice_code FROM operator")
            .fetch_one(&database.pool)
            .await
            .unwrap()
    };
    import(&database, &place).await.unwrap();
    assert_eq!(kept().await, (0, String::new(), String::new()));
    place.operators[0].city_share_bp = Some(2_000);
    place.operators[0].tax_code = Some("0100000000".to_owned());
    place.operators[0].invoice_code = Some("ABCDE".to_owned());
    import(&database, &place).await.unwrap();
    let named = (2_000, "0100000000".to_owned(), "ABCDE".to_owned());
    assert_eq!(kept().await, named);
    import(&database, &city::small(1, 1)).await.unwrap();
    assert_eq!(kept().await, named);
    // A key that is misspelt takes nothing away either.
    let document = serde_json::to_string(&place).unwrap();
    let misspelt = document.replace("city_share_bp", "city_share");
    let why = serde_json::from_str::<Place>(&misspelt)
        .unwrap_err()
        .to_string();
    assert!(why.contains("unknown field `city_share`"), "{why}");
    let misspelt = document.replace("\"accessible\"", "\"accesible\"");
    assert!(serde_json::from_str::<Place>(&misspelt).is_err());
    assert_eq!(serde_json::from_str::<Place>(&document).unwrap(), place);
}

#[tokio::test]
async fn prices_of_a_file_are_for_zones_that_have_none() {
    let database = TestDatabase::create().await;
    let mut place = city::small(1, 1);
    let prices = async || -> Vec<i64> {
        sqlx::query_scalar("SELECT count(*) FROM tariff GROUP BY zone_id")
            .fetch_all(&database.pool)
            .await
            .unwrap()
    };
    let first = import(&database, &place).await.unwrap();
    assert_eq!(first.priced, [""; 0]);
    assert_eq!(prices().await, [1]);
    assert_eq!(import(&database, &place).await.unwrap().priced, [""; 0]);
    // One that `tariff import` would not let in, for it has begun long ago.
    let known = place.zones[0].tariffs[0].clone();
    place.zones[0].tariffs.push(Tariff {
        effective_from: known.effective_from - chrono::TimeDelta::days(1),
        ..known
    });
    assert_eq!(import(&database, &place).await.unwrap().priced, ["centre"]);
    assert_eq!(prices().await, [1]);
}

#[tokio::test]
async fn nothing_changes_its_city_or_takes_a_history_along() {
    let database = TestDatabase::create().await;
    let place = city::small(2, 2);
    import(&database, &place).await.unwrap();
    let mut elsewhere = place.clone();
    elsewhere.city.code = "hn2".to_owned();
    let why = import(&database, &elsewhere).await.unwrap_err();
    assert!(why.contains("lot \"lot-0\" is of city \"hn\""), "{why}");
    assert_eq!(database.count("city").await, 1, "nothing is written");
    // A bay that was never heard moves; one that was does not.
    let mut moved = place.clone();
    let bay = moved.lots[0].bays.remove(1);
    moved.lots[1].bays.push(bay);
    import(&database, &moved).await.unwrap();
    sensors::says(
        &database.store,
        "lot-0-1-sensor",
        &[(city::past(), Utc::now(), true)],
    )
    .await;
    let why = import(&database, &place).await.unwrap_err();
    assert!(
        why.contains("bay \"lot-0-1\" has a history in lot \"lot-1\""),
        "{why}"
    );
    for code in ["", "12/4", "a b", "đ", "+"] {
        let mut odd = moved.clone();
        odd.lots[0].code = code.to_owned();
        let why = import(&database, &odd).await.unwrap_err();
        assert!(why.contains("a code has letters"), "{code:?}: {why}");
    }
}

/// Drivers were told whom to pay: it is theirs, by the ledger and by the receipt, its revenue and its share.
#[tokio::test]
async fn a_lot_is_handed_over_with_payments_under_way() {
    let city = Serving::city(80).await;
    let open = city.open_payment("CN-01-001", 60).await;
    let mut place = simulator::city::hanoi(80).unwrap();
    let lot = place.lots.iter_mut().find(|lot| lot.code == "CN-01");
    let lot = lot.unwrap();
    let before = lot.operator.clone();
    let after = place.operators.iter().find(|other| other.code != before);
    lot.operator = after.unwrap().code.clone();
    import(&city.database, &place).await.unwrap();
    assert_eq!(city.outcomes(&[open.transfer()]).await, ["posted"]);
    let named: (String, String) = sqlx::query_as(
        "SELECT operator.code, account.code FROM receipt JOIN operator USING (operator_id)
             JOIN transfer USING (payment_id) JOIN account ON account_id = credit_id
         WHERE transfer.kind = 'post'",
    )
    .fetch_one(&city.database.pool)
    .await
    .unwrap();
    assert_eq!(named, (before.clone(), format!("operator:{before}")));
    city.assert_books_are_right().await;
    let next = city.paid_session("CN-01-002", 60).await;
    let receipt = text(&city.payment(&next).await["receipt_id"]);
    let of: String = sqlx::query_scalar(
        "SELECT code FROM receipt JOIN operator USING (operator_id) WHERE receipt_id = $1::uuid",
    )
    .bind(receipt)
    .fetch_one(&city.database.pool)
    .await
    .unwrap();
    assert_ne!(of, before);
}
