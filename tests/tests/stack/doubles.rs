//! One vehicle in one bay whose time is paid twice: it is paid once, and the vehicle may stand there.

use chrono::{SubsecRound, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::database::run;
use tests::eventually;
use tests::paying::transfer_for;
use tests::sensors::{device, told};
use tests::serving::{Open, Serving};

const BAY: &str = "CN-01-001";

/// Ends a session; what goes back of it.
async fn stop(city: &Serving, open: &Open) -> i64 {
    let path = format!("/api/v1/sessions/{}/stop", open.session);
    let (status, stopped) = city.post_as(&open.token, &path, &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{stopped}");
    stopped["refunded_vnd"].as_i64().unwrap()
}

async fn look(city: &Serving, open: &Open) -> Value {
    let path = format!("/api/v1/sessions/{}", open.session);
    city.get_as(&open.token, &path).await
}

/// Asks how to pay for more time.
async fn wish(city: &Serving, open: &Open, minutes: u32) -> Value {
    let path = format!("/api/v1/sessions/{}/extensions", open.session);
    let more = json!({"minutes": minutes});
    let (status, wish) = city.post_as(&open.token, &path, &more).await;
    assert_eq!(status, StatusCode::CREATED, "{wish}");
    let path = format!("/api/v1/sessions/{}/payments", open.session);
    let body = json!({"gateway": "vietqr", "purchase": wish["purchase"]});
    let (status, payment) = city.post_as(&open.token, &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    payment
}

/// Pays for more time; what that costs.
async fn extend(city: &Serving, open: &Open, minutes: u32) -> i64 {
    let payment = wish(city, open, minutes).await;
    city.pay_by_bank(&payment).await;
    payment["amount_vnd"].as_i64().unwrap()
}

/// What went back because it had been paid twice.
async fn doubles_vnd(city: &Serving) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(amount_vnd), 0)::bigint FROM refund WHERE ground = 'double'",
    )
    .fetch_one(&city.database.pool)
    .await
    .unwrap()
}

/// The price of an hour that another session has paid for goes back; it is not asked for again with more time.
#[tokio::test]
async fn more_time_does_not_ask_again_for_what_went_back() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 60).await;
    let open = city.paid_session(BAY, 120).await;
    let refunded = "refund WHERE ground = 'double'";
    assert_eq!(city.database.count(refunded).await, 1);
    let path = format!("/api/v1/sessions/{}/extensions", open.session);
    let more = json!({"minutes": 60});
    let (status, more) = city.post_as(&open.token, &path, &more).await;
    assert_eq!(status, StatusCode::CREATED, "{more}");
    let whole = json!({"bay": "CN-01-002", "class": "car", "minutes": 180});
    let (_, whole) = city.post_as("", "/api/v1/quotes", &whole).await;
    let whole = whole["amount_vnd"].as_i64().unwrap();
    assert_eq!(
        more["quote"]["amount_vnd"],
        whole - open.amount_vnd,
        "{more}"
    );
    assert!(first.amount_vnd > 0);
}

/// Else both would go back, and the vehicle stand there.
#[tokio::test]
async fn what_another_session_relies_on_is_not_given_back() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 122).await;
    let doubles = "refund WHERE ground = 'double'";
    assert_eq!(city.database.count(doubles).await, 1);
    for open in [&first, &second] {
        for (what, body) in [
            ("plate", json!({"plate": "30A-888.88"})),
            ("bay", json!({"bay": "CN-01-002"})),
        ] {
            let path = format!("/api/v1/sessions/{}/{what}", open.session);
            let (status, refused) = city.post_as(&open.token, &path, &body).await;
            assert_eq!(status, StatusCode::CONFLICT, "{what}: {refused}");
        }
    }
    assert_eq!(stop(&city, &first).await, 0);
    // Once nothing relies on it any more, it is a session like any other: this one has given back all but two minutes.
    assert!(stop(&city, &second).await > 0);
    city.assert_books_are_right().await;
}

/// Whoever pays first for another's vehicle, and knows no more of it than its plate and its bay.
#[tokio::test]
async fn nobody_takes_the_time_of_a_vehicle_away_by_paying_for_it_before() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 60).await;
    assert_eq!(doubles_vnd(&city).await, second.amount_vnd);
    assert_eq!(look(&city, &second).await["status"], "paid");
    for (what, body) in [
        ("plate", json!({"plate": "30A-888.88"})),
        ("bay", json!({"bay": "CN-01-002"})),
    ] {
        let path = format!("/api/v1/sessions/{}/{what}", first.session);
        let (status, refused) = city.post_as(&first.token, &path, &body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{what}: {refused}");
    }
    assert_eq!(stop(&city, &first).await, 0);
    assert_eq!(look(&city, &second).await["status"], "paid");
    city.assert_books_are_right().await;
}

/// Else whoever paid twice by mistake could not leave early.
#[tokio::test]
async fn who_ends_the_later_of_two_sessions_has_the_rest_of_the_earlier_back() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 60).await;
    assert_eq!(stop(&city, &second).await, second.amount_vnd);
    assert!(stop(&city, &first).await > 0);
    assert_eq!(doubles_vnd(&city).await, second.amount_vnd);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn when_the_vehicle_has_left_both_sessions_end_and_the_rest_of_what_was_paid_goes_back() {
    let city = Serving::city(80).await;
    let began = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(60);
    let vehicle = [
        told(&device(BAY), began - TimeDelta::minutes(1), 1, true),
        told(&device(BAY), began + TimeDelta::minutes(30), 2, false),
    ];
    city.sense(&vehicle, 1, "stay WHERE ended_at IS NOT NULL")
        .await;
    let first = city.paid_session(BAY, 240).await;
    let second = city.paid_session(BAY, 180).await;
    let an_hour_ago = "
        UPDATE purchase SET starts_at = starts_at - interval '1 hour', ends_at = ends_at - interval '1 hour';
        UPDATE session SET starts_at = starts_at - interval '1 hour', ends_at = ends_at - interval '1 hour'";
    run(&city.database.pool, an_hour_ago).await;
    for open in [&second, &first] {
        eventually("both sessions to end", || async {
            look(&city, open).await["status"] == "ended"
        })
        .await;
    }
    assert_eq!(doubles_vnd(&city).await, second.amount_vnd);
    let unused = "refund WHERE ground = 'unused'";
    assert_eq!(city.database.count(unused).await, 1);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn more_time_that_another_session_has_paid_for_goes_back() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 240).await;
    let second = city.paid_session(BAY, 60).await;
    let more = extend(&city, &second, 60).await;
    assert_eq!(doubles_vnd(&city).await, second.amount_vnd + more);
    // What the other has not paid for is paid for.
    let beyond = extend(&city, &second, 180).await;
    let beyond_back = doubles_vnd(&city).await - second.amount_vnd - more;
    assert!(
        0 < beyond_back && beyond_back < beyond,
        "{beyond_back} of {beyond}"
    );
    assert!(doubles_vnd(&city).await <= first.amount_vnd);
    city.assert_books_are_right().await;
}

/// Each locks its own session and that of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_time_for_two_sessions_paid_at_once_is_paid_once() {
    let city = Serving::city(80).await;
    let sessions = [
        city.paid_session(BAY, 60).await,
        city.paid_session(BAY, 60).await,
    ];
    for round in 1..=6 {
        let [one, other] = &sessions;
        let (one, other) = (wish(&city, one, 60).await, wish(&city, other, 60).await);
        let (one, other) = ([transfer_for(&one)], [transfer_for(&other)]);
        let outcomes = tokio::join!(city.outcomes(&one), city.outcomes(&other));
        assert_eq!(
            outcomes,
            (vec!["posted".to_owned()], vec!["posted".to_owned()])
        );
        let doubles = "refund WHERE ground = 'double'";
        assert_eq!(city.database.count(doubles).await, 1 + round);
    }
    city.assert_books_are_right().await;
}
