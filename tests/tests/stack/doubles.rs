//! One vehicle in one bay whose time is paid twice: it is paid once, and the vehicle may stand there.

use chrono::{SubsecRound, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::COOKIE;
use serde_json::{Value, json};
use tests::eventually;
use tests::paying::transfer_for;
use tests::sensors::{device, told};
use tests::serving::{Open, Serving, text};

const BAY: &str = "CN-01-001";

/// Ends a session; what goes back of it.
async fn stop(city: &Serving, open: &Open) -> i64 {
    city.stop(&open.session, &open.token).await
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

/// What went back of a session's money, for one reason or for any.
async fn gone_back(city: &Serving, open: &Open, ground: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT coalesce(sum(refund.amount_vnd), 0)::bigint
         FROM refund JOIN payment USING (payment_id) JOIN purchase USING (purchase_id)
         WHERE session_id = $1::uuid AND ground LIKE $2",
    )
    .bind(&open.session)
    .bind(ground)
    .fetch_one(&city.database.pool)
    .await
    .unwrap()
}

/// Until all that have ended have been looked at, and so many have not.
async fn looked_at(city: &Serving, left: i64) {
    eventually("what was paid twice to go back", || async {
        city.database.count("session_double").await == left
    })
    .await;
}

#[tokio::test]
async fn the_later_of_two_sessions_is_paid_back_when_both_are_over() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 60).await;
    let cookie = format!(
        "clearbay_session_{}={}",
        second.session.replace('-', ""),
        second.token
    );
    let path = format!("/s/{}", second.session);
    let seen = city.get(&path).header(COOKIE, cookie).send().await.unwrap();
    let seen = seen.text().await.unwrap();
    assert!(
        seen.contains("Một lượt đỗ khác cũng trả cho xe này"),
        "{seen}"
    );
    assert_eq!(city.database.count("refund").await, 0);
    city.time_passes(180).await;
    looked_at(&city, 0).await;
    assert_eq!(gone_back(&city, &second, "double").await, second.amount_vnd);
    assert_eq!(gone_back(&city, &first, "%").await, 0);
    city.assert_books_are_right().await;
}

/// Each of three has the others, and one of them is paid for.
#[tokio::test]
async fn what_several_sessions_have_paid_for_is_paid_once() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 120).await;
    let third = city.paid_session(BAY, 60).await;
    city.time_passes(180).await;
    looked_at(&city, 0).await;
    assert_eq!(gone_back(&city, &first, "%").await, 0);
    for open in [second, third] {
        assert_eq!(gone_back(&city, &open, "double").await, open.amount_vnd);
    }
    city.assert_books_are_right().await;
}

/// Whoever pays first for another's vehicle, and knows no more of it than its plate and its bay.
#[tokio::test]
async fn nobody_takes_the_time_of_a_vehicle_away_by_paying_for_it_before() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 60).await;
    assert!(stop(&city, &first).await > 0, "as if there were no other");
    looked_at(&city, 1).await;
    assert_eq!(look(&city, &second).await["status"], "paid");
    city.time_passes(180).await;
    looked_at(&city, 0).await;
    // The moments that the first had paid for.
    let moments = gone_back(&city, &second, "%").await;
    assert!((0..200).contains(&moments), "{moments}");
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn who_ends_the_later_of_two_sessions_has_all_of_it_back() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 60).await;
    stop(&city, &second).await;
    looked_at(&city, 1).await;
    assert_eq!(gone_back(&city, &second, "%").await, second.amount_vnd);
    assert_eq!(gone_back(&city, &first, "%").await, 0);
    assert!(stop(&city, &first).await > 0);
    looked_at(&city, 0).await;
    assert_eq!(gone_back(&city, &first, "double").await, 0);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn when_the_vehicle_has_left_one_session_is_paid_for_as_long_as_it_was_there() {
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
    city.time_passes(60).await;
    looked_at(&city, 0).await;
    for open in [&second, &first] {
        assert_eq!(look(&city, open).await["status"], "ended");
    }
    let unused = gone_back(&city, &first, "unused").await;
    assert!(0 < unused && unused < first.amount_vnd, "{unused}");
    assert_eq!(gone_back(&city, &first, "double").await, 0);
    assert_eq!(gone_back(&city, &second, "%").await, second.amount_vnd);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn more_time_that_another_session_has_paid_for_goes_back() {
    let city = Serving::city(80).await;
    let first = city.paid_session(BAY, 240).await;
    let second = city.paid_session(BAY, 60).await;
    let paid =
        second.amount_vnd + extend(&city, &second, 60).await + extend(&city, &second, 180).await;
    city.time_passes(400).await;
    looked_at(&city, 0).await;
    let back = gone_back(&city, &second, "double").await;
    // An hour of its five the first had not.
    assert!(0 < back && back < paid, "{back} of {paid}");
    assert!(back <= first.amount_vnd, "{back} of {}", first.amount_vnd);
    city.assert_books_are_right().await;
}

/// Each locks its own session and the bay of both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_time_for_two_sessions_may_be_paid_at_once() {
    let city = Serving::city(80).await;
    let sessions = [
        city.paid_session(BAY, 60).await,
        city.paid_session(BAY, 60).await,
    ];
    for _ in 0..6 {
        let [one, other] = &sessions;
        let (one, other) = (wish(&city, one, 60).await, wish(&city, other, 60).await);
        let (one, other) = ([transfer_for(&one)], [transfer_for(&other)]);
        let outcomes = tokio::join!(city.outcomes(&one), city.outcomes(&other));
        assert_eq!(
            outcomes,
            (vec!["posted".to_owned()], vec!["posted".to_owned()])
        );
    }
    assert_eq!(city.database.count("session_double").await, 2);
    city.time_passes(600).await;
    looked_at(&city, 0).await;
    let [one, other] = &sessions;
    assert_eq!(gone_back(&city, one, "%").await, 0);
    assert!(gone_back(&city, other, "double").await > 0);
    city.assert_books_are_right().await;
}

/// What staff have given back pays for nothing any more.
#[tokio::test]
async fn a_stay_whose_earlier_session_was_given_back_is_paid_by_the_later() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let first = city.paid_session(BAY, 120).await;
    let second = city.paid_session(BAY, 60).await;
    let receipt = text(&city.payment(&first).await["receipt_id"]);
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    let body = json!({"reason": "other", "text": "Trả hai lần."});
    let (_, dispute) = city.post_as("", &path, &body).await;
    let path = format!("/api/v1/staff/disputes/{}", text(&dispute["id"]));
    let body = json!({"decision": "refund", "answer": "Xin lỗi bạn."});
    let reply = city.post(&path, &body).header(COOKIE, guard).send().await;
    assert_eq!(reply.unwrap().status(), StatusCode::OK);
    city.time_passes(180).await;
    looked_at(&city, 0).await;
    assert_eq!(gone_back(&city, &first, "%").await, first.amount_vnd);
    assert_eq!(gone_back(&city, &second, "%").await, 0);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_session_that_is_moved_beside_another_is_looked_at() {
    let city = Serving::city(80).await;
    let first = city.paid_session("CN-01-002", 120).await;
    let second = city.paid_session(BAY, 60).await;
    assert_eq!(city.database.count("session_double").await, 0);
    let path = format!("/api/v1/sessions/{}/bay", first.session);
    let (status, told) = city
        .post_as(&first.token, &path, &json!({"bay": BAY}))
        .await;
    assert!(status.is_success(), "{status} {told}");
    assert_eq!(city.database.count("session_double").await, 2);
    city.time_passes(180).await;
    looked_at(&city, 0).await;
    assert_eq!(gone_back(&city, &second, "double").await, second.amount_vnd);
    city.assert_books_are_right().await;
}
