//! Money goes back out of the accounts that it came into, once, and on the word of whoever may say so.

use chrono::{TimeDelta, Utc};
use domain::id::{RefundId, SessionId};
use domain::money::Vnd;
use domain::session::StoppedBy;
use reqwest::StatusCode;
use reqwest::header::COOKIE;
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::refund::Noted;
use store::session_stop::{Stop, StopMoney, Stopped};
use tests::eventually;
use tests::paying::Purse;
use tests::serving::{Open, Serving, text};
use uuid::Uuid;

const OPERATOR: &str = "HNP";

async fn run(city: &Serving, statement: &str) {
    let done = sqlx::query(AssertSqlSafe(statement.to_owned()));
    let done = done.execute(&city.database.pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

/// Gives some of what was paid back, as staff decide a dispute.
async fn give_back(city: &Serving, guard: &str, paid: &Open, amount_vnd: Option<i64>) {
    let receipt = text(&city.payment(paid).await["receipt_id"]);
    decide_dispute(city, guard, &receipt, amount_vnd).await;
}

/// Complains of a receipt, and gives some of it back, all where nothing is said, as staff decide it.
pub async fn decide_dispute(city: &Serving, guard: &str, receipt: &str, amount_vnd: Option<i64>) {
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    let body = json!({"reason": "other", "text": "Chỗ đã có xe khác."});
    let (status, dispute) = city.post_as("", &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{dispute}");
    let path = format!("/api/v1/staff/disputes/{}", text(&dispute["id"]));
    let body = json!({"decision": "refund", "answer": "Xin lỗi bạn.", "amount_vnd": amount_vnd});
    let reply = city.post(&path, &body).header(COOKIE, guard).send().await;
    assert_eq!(reply.unwrap().status(), StatusCode::OK);
}

async fn balance(city: &Serving, account: &str) -> i64 {
    let balances = city.database.store.ledger_balances().await.unwrap();
    let found = balances.iter().find(|balance| balance.code == account);
    found.map_or(0, |balance| balance.credits_vnd - balance.debits_vnd)
}

/// An operator's contract may change between the payment and its refund, and between two refunds of one payment.
#[tokio::test]
async fn each_gives_back_the_share_that_they_were_given() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let share = async |bp: u16| {
        let changed = format!("UPDATE operator SET city_share_bp = {bp} WHERE code = '{OPERATOR}'");
        run(&city, &changed).await;
    };
    share(2_000).await;
    let paid = city.paid_session("CN-01-001", 120).await;
    assert!(balance(&city, "city").await > 0);
    share(3_000).await;
    give_back(&city, &guard, &paid, Some(10_001)).await;
    city.assert_books_are_right().await;
    share(0).await;
    give_back(&city, &guard, &paid, None).await;
    for account in ["city", "vat", "operator:HNP"] {
        assert_eq!(balance(&city, account).await, 0, "{account}");
    }
    city.assert_books_are_right().await;

    // A share that stays behind is found.
    let moved = format!(
        "INSERT INTO transfer (transfer_id, kind, debit_id, credit_id, amount_vnd, payment_id, at)
         SELECT gen_random_uuid(), 'single', operator.account_id, city.account_id, 5, '{}', now()
         FROM account AS operator, account AS city
         WHERE operator.code = 'operator:HNP' AND city.code = 'city'",
        paid.payment
    );
    run(&city, &moved).await;
    let breaks = city.database.store.ledger_breaks().await.unwrap();
    assert!(
        breaks.iter().any(|line| line.contains("city kept 5 of it")),
        "{breaks:?}"
    );
}

/// What a gateway is giving back, people do not: it would go back twice.
#[tokio::test]
async fn people_pay_what_gateways_do_not_and_nothing_twice() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let clerk = city.staff("clerk", None).await;
    let paid = city.paid_session("CN-01-001", 60).await;
    give_back(&city, &guard, &paid, None).await;
    let manual = "refund WHERE status = 'manual'";
    eventually("VietQR to leave it to people", || async {
        city.database.count(manual).await == 1
    })
    .await;
    let id: Uuid = sqlx::query_scalar("SELECT refund_id FROM refund")
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    let says_paid = async |number: &str| {
        let path = format!("/staff/money/refunds/{id}");
        let form = [("gateway_ref", number)];
        let reply = city.form_as(&clerk, &path, &form).await;
        assert_eq!(reply.status(), StatusCode::SEE_OTHER);
        reply.headers()["location"].to_str().unwrap().to_owned()
    };
    run(&city, "UPDATE refund SET status = 'pending'").await;
    assert_eq!(says_paid("FT1").await, "/staff/money");
    let pending = "refund WHERE status = 'pending'";
    assert_eq!(city.database.count(pending).await, 1);
    run(&city, "UPDATE refund SET status = 'manual'").await;
    for _ in 0..2 {
        assert_eq!(says_paid("FT1").await, "/staff/money?decided");
    }
    assert_eq!(says_paid("FT2").await, "/staff/money");
    let told = city
        .database
        .store
        .refund_done(RefundId(id), "GW3", Utc::now());
    assert_eq!(told.await.unwrap(), Noted::UnderAnotherNumber);
    let recorded: Vec<String> = sqlx::query_scalar(
        "SELECT concat_ws(' ', actor, action, detail ->> 'gateway_ref') FROM audit
         WHERE action LIKE 'refund.done%' ORDER BY audit_id",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    assert_eq!(
        recorded,
        [
            "staff:clerk refund.done FT1",
            "staff:clerk refund.done_under_another_number FT2",
            "system refund.done_under_another_number GW3",
        ]
    );
    city.assert_books_are_right().await;
}

/// What a driver gets back for time that was not used depends on what has gone back already: of a dispute that is
/// decided at the same moment, one of both counts anew.
#[tokio::test]
async fn an_end_that_was_counted_before_a_refund_is_counted_anew() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let paid = city.paid_session("CN-01-001", 120).await;
    let id = SessionId(paid.session.parse().unwrap());
    let session = city.database.store.session(id).await.unwrap();
    let stop = |of_paid: i64| Stop {
        session: id,
        at: Utc::now(),
        by: StoppedBy::Driver,
        actor: "driver".to_owned(),
        expected_end: session.ends_at,
        money: StopMoney::GiveBack {
            back: Vnd::new(1_000),
            of_paid: Vnd::new(of_paid),
        },
    };
    give_back(&city, &guard, &paid, Some(10_000)).await;
    let ended = async |of_paid| {
        let stop = stop(of_paid);
        let ended = city.database.store.session_stop(&stop, Utc::now());
        ended.await.unwrap()
    };
    assert_eq!(ended(paid.amount_vnd).await, Stopped::Changed);
    assert_eq!(city.database.count("refund").await, 1);
    let done = ended(paid.amount_vnd - 10_000).await;
    assert!(matches!(done, Stopped::Done(ref refunds) if refunds.len() == 1));
    city.assert_books_are_right().await;
}

/// Nobody could take it out of the wallet again: people give it back.
#[tokio::test]
async fn what_goes_back_into_a_closed_wallet_is_paid_by_people() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let clerk = city.staff("clerk", None).await;
    let purse = Purse::full(&city).await;
    let body = json!({"bay": "CN-01-001", "plate": "30A-123.45", "class": "car", "minutes": 60});
    let (_, session) = city.post_as("", "/api/v1/sessions", &body).await;
    let path = format!("/api/v1/sessions/{}/payments", text(&session["id"]));
    let body = json!({"gateway": "wallet", "wallet": purse.key()});
    let (status, payment) = city.post_as(&text(&session["token"]), &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    let (left, _) = purse.look(&city).await;
    run(&city, "UPDATE wallet SET closed_at = now()").await;
    let receipt = text(&payment["receipt_id"]);
    decide_dispute(&city, &guard, &receipt, None).await;
    let manual = "refund WHERE status = 'manual' AND gateway = 'wallet'";
    assert_eq!(city.database.count(manual).await, 1);
    assert_eq!(city.database.count("outbox WHERE kind = 'refund'").await, 0);
    let id: Uuid = sqlx::query_scalar("SELECT refund_id FROM refund")
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    let path = format!("/staff/money/refunds/{id}");
    let form = [("gateway_ref", "FT77")];
    let reply = city.form_as(&clerk, &path, &form).await;
    assert_eq!(reply.headers()["location"], "/staff/money?decided");
    assert_eq!(balance(&city, "refund").await, 0);
    // What the bank has still is what lies in the wallet.
    assert_eq!(balance(&city, "clearing:vietqr").await, -left);
    assert_eq!(purse.look(&city).await, (left, 0));
    // It is in the bank's statement, and in ours.
    let (from, to) = (
        Utc::now() - TimeDelta::hours(1),
        Utc::now() + TimeDelta::hours(1),
    );
    let booked = city.database.store.reconcile_booked("vietqr", from, to);
    let booked = booked.await.unwrap();
    assert!(
        booked
            .iter()
            .any(|it| it.gateway_ref.as_deref() == Some("FT77")),
        "{booked:?}"
    );
    city.assert_books_are_right().await;
}
