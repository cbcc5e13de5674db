//! Money that comes while it is decided what it would have paid for.

use chrono::{SubsecRound, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};
use tests::database::run;
use tests::eventually;
use tests::paying::Purse;
use tests::serving::{Open, Serving, text};
use uuid::Uuid;

const BAY: &str = "CN-01-001";

/// The bank's word that a payment was made.
fn transfer(payment: &Value) -> Value {
    json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()), "description": payment["reference"],
        "amount_vnd": payment["amount_vnd"], "currency": "VND", "paid_at": Utc::now().trunc_subsecs(6)})
}

/// A session with two hours more that nobody has paid for yet; that purchase.
async fn prolonged(city: &Serving) -> (Open, Value) {
    let open = city.paid_session(BAY, 60).await;
    let path = format!("/api/v1/sessions/{}/extensions", open.session);
    let more = json!({"minutes": 120});
    let (status, wish) = city.post_as(&open.token, &path, &more).await;
    assert_eq!(status, StatusCode::CREATED, "{wish}");
    (open, wish["purchase"].clone())
}

async fn asks(city: &Serving, open: &Open, body: &Value) -> (StatusCode, Value) {
    let path = format!("/api/v1/sessions/{}/payments", open.session);
    city.post_as(&open.token, &path, body).await
}

/// A session's end that is written and not there for others yet.
async fn ending(city: &Serving, open: &Open) -> Transaction<'static, Postgres> {
    let mut ending = city.database.pool.begin().await.unwrap();
    sqlx::query(
        "UPDATE session SET stopped_at = now(), stopped_by = 'driver' WHERE session_id = $1::uuid",
    )
    .bind(&open.session)
    .execute(&mut *ending)
    .await
    .unwrap();
    ending
}

/// Lets it be there for others as soon as somebody waits for it.
async fn once_awaited(city: &Serving, ending: Transaction<'static, Postgres>) {
    eventually("somebody to wait", || async {
        let waiting =
            "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        city.database.count(waiting).await > 0
    })
    .await;
    ending.commit().await.unwrap();
}

#[tokio::test]
async fn more_time_for_a_session_that_is_being_stopped_goes_back() {
    let city = Serving::city(80).await;
    let (open, purchase) = prolonged(&city).await;
    let (status, payment) = asks(
        &city,
        &open,
        &json!({"gateway": "vietqr", "purchase": purchase}),
    )
    .await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    let ending = ending(&city, &open).await;
    let transfers = [transfer(&payment)];
    let (outcomes, ()) = tokio::join!(city.outcomes(&transfers), once_awaited(&city, ending));
    assert_eq!(outcomes, ["late"]);
    let refunds = "refund WHERE ground = 'late'";
    assert_eq!(city.database.count(refunds).await, 1);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_wallet_has_back_at_once_what_pays_for_nothing_any_more() {
    let city = Serving::city(80).await;
    let purse = Purse::full(&city).await;
    let (had, _) = purse.look(&city).await;
    let (open, purchase) = prolonged(&city).await;
    let ending = ending(&city, &open).await;
    let body = json!({"gateway": "wallet", "wallet": purse.key(), "purchase": purchase});
    let (reply, ()) = tokio::join!(asks(&city, &open, &body), once_awaited(&city, ending));
    assert_eq!(reply.0, StatusCode::CONFLICT, "{}", reply.1);
    assert_eq!(purse.look(&city).await, (had, 0));
    assert_eq!(asks(&city, &open, &body).await.0, StatusCode::CONFLICT);
    assert_eq!(city.database.count("outbox").await, 0);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_session_by_the_minute_is_paid_by_what_its_wallet_holds_and_nothing_else() {
    let city = Serving::city(80).await;
    let purse = Purse::full(&city).await;
    let (had, _) = purse.look(&city).await;
    let (id, token) = purse.park_by_the_minute(&city, BAY, "30A-666.66").await;
    let reserved = purse.look(&city).await;
    assert!(reserved.1 > 0, "{reserved:?}");
    let pay = format!("/api/v1/sessions/{id}/payments");
    for body in [
        json!({"gateway": "wallet", "wallet": purse.key()}),
        json!({"gateway": "vietqr"}),
    ] {
        let (status, refused) = city.post_as(&token, &pay, &body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    }
    assert_eq!(purse.look(&city).await, reserved);
    city.stop(&id, &token).await;
    let (left, held) = purse.look(&city).await;
    assert!(held == 0 && left <= had, "{left} of {had}");
    city.assert_books_are_right().await;
}

/// More was not reserved, so that more could never be had of it.
#[tokio::test]
async fn a_session_by_the_minute_costs_no_more_than_was_told_whatever_prices_become() {
    let city = Serving::city(80).await;
    let purse = Purse::full(&city).await;
    let (had, _) = purse.look(&city).await;
    let (id, token) = purse.park_by_the_minute(&city, BAY, "30A-777.77").await;
    let (_, reserved) = purse.look(&city).await;
    // It began a while ago, and since soon after all costs ten times as much.
    let dearer = format!(
        r#"UPDATE session SET starts_at = starts_at - interval '150 minutes' WHERE session_id = '{id}';
           UPDATE purchase SET starts_at = starts_at - interval '150 minutes' WHERE session_id = '{id}';
           INSERT INTO tariff (zone_id, class, effective_from, document)
              SELECT DISTINCT ON (zone_id, class) zone_id, class, now() - interval '130 minutes', regexp_replace(
                  jsonb_set(document, '{{effective_from}}', to_jsonb(now() - interval '130 minutes'))::text,
                  '(_vnd": )([1-9][0-9]*)', '\1\20', 'g')::jsonb
              FROM tariff WHERE effective_from < now() ORDER BY zone_id, class, effective_from DESC"#
    );
    run(&city.database.pool, &dearer).await;
    city.stop(&id, &token).await;
    assert_eq!(purse.look(&city).await, (had - reserved, 0));
    city.assert_books_are_right().await;
}

/// A pass for the month that begins today, once more; the transfer that pays it.
async fn pass(city: &Serving, plate: &str) -> Value {
    let today = Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    let body = json!({"bay": "HK-01-001", "plate": plate, "class": "car", "kind": "day",
        "first": today.date_naive()});
    let (status, pass) = city.post_as("", "/api/v1/passes", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{pass}");
    let path = format!("/api/v1/passes/{}/payments", text(&pass["id"]));
    let (token, body) = (text(&pass["token"]), json!({"gateway": "vietqr"}));
    let (status, payment) = city.post_as(&token, &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    transfer(&payment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_a_vehicle_has_is_not_paid_for_again() {
    let city = Serving::city(80).await;
    let both = async |plate: &str| [pass(&city, plate).await, pass(&city, plate).await];
    // One after the other, in one word of the bank's, at once.
    let [first, second] = both("30A-111.11").await;
    assert_eq!(city.outcomes(&[first]).await, ["posted"]);
    assert_eq!(city.outcomes(&[second]).await, ["paid_twice"]);
    let told = both("30A-222.22").await;
    assert_eq!(city.outcomes(&told).await, ["posted", "paid_twice"]);
    for round in 0..5 {
        let [first, second] = both(&format!("30A-333.3{round}")).await;
        let (first, second) = ([first], [second]);
        let (one, other) = tokio::join!(city.outcomes(&first), city.outcomes(&second));
        let mut outcomes = [one, other].concat();
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["paid_twice", "posted"]);
    }
    // Another vehicle's is another matter.
    let others = [
        pass(&city, "30A-444.44").await,
        pass(&city, "30A-555.55").await,
    ];
    assert_eq!(city.outcomes(&others).await, ["posted", "posted"]);
    let refunds = "refund WHERE ground = 'double'";
    assert_eq!(city.database.count(refunds).await, 7);
    assert_eq!(city.database.count("held_pass").await, 9);
    city.assert_books_are_right().await;
}
