//! VNPAY, MoMo, ZaloPay and the bank, each by its own protocol over HTTP, well-behaved and not.

use reqwest::StatusCode;
use serde_json::json;
use simulator::providers::Faults;
use tests::database::run;
use tests::eventually;
use tests::providers::{Paying, Waiting};

const BAY: &str = "CN-01-001";
const GATEWAYS: [&str; 3] = ["vnpay", "momo", "zalopay"];
const ALWAYS: u32 = 10_000;

async fn becomes(paying: &Paying, waiting: &Waiting, status: &str) {
    eventually(status, || async {
        paying.hurry().await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        paying.payment(waiting).await["status"] == status
    })
    .await;
}

#[tokio::test]
async fn each_gateway_takes_money_and_gives_it_back() {
    let paying = Paying::start().await;
    for gateway in GATEWAYS {
        let waiting = paying.open(BAY, gateway).await;
        assert_eq!(paying.payment(&waiting).await["status"], "pending");
        paying.decide(&waiting, "pay").await;
        becomes(&paying, &waiting, "posted").await;
        let stop = format!("/api/v1/sessions/{}/stop", waiting.session);
        let (status, ended) = paying.city.post_as(&waiting.token, &stop, &json!({})).await;
        assert_eq!(status, StatusCode::OK);
        assert!(ended["refunded_vnd"].as_i64().unwrap() > 20_000, "{ended}");
        let done = format!("refund WHERE gateway = '{gateway}' AND status = 'done'");
        eventually("the money to be back", || async {
            paying.hurry().await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            paying.city.database.count(&done).await == 1
        })
        .await;
    }
    assert_eq!(paying.city.database.count("outbox").await, 0);
    paying.city.assert_books_are_right().await;
}

/// Providers are on the internet: what is told them and what they say must not be read or changed on
/// the way.
#[tokio::test]
async fn providers_are_called_over_tls_and_must_prove_who_they_are() {
    let paying = Paying::over_tls(true).await;
    for gateway in ["momo", "zalopay"] {
        let waiting = paying.open(BAY, gateway).await;
        assert!(waiting.address.is_some(), "{gateway} was asked");
        paying.decide(&waiting, "pay").await;
        becomes(&paying, &waiting, "posted").await;
    }
    paying.city.assert_books_are_right().await;

    let deceived = Paying::over_tls(false).await;
    for gateway in ["momo", "zalopay"] {
        let waiting = deceived.open(BAY, gateway).await;
        assert_eq!(waiting.address, None, "{gateway} was not believed");
        assert_eq!(deceived.payment(&waiting).await["status"], "pending");
    }
    assert_eq!(
        deceived.city.database.count("outbox").await,
        2,
        "asked again"
    );
}

#[tokio::test]
async fn a_banking_app_pays_what_the_phone_hands_over() {
    let paying = Paying::start().await;
    let waiting = paying.open(BAY, "vietqr").await;
    let address = waiting.address.clone().unwrap();
    let app = paying.city.client.get(&address).send().await.unwrap();
    assert_eq!(app.status(), StatusCode::OK);
    let address = reqwest::Url::parse(&address).unwrap();
    let filled: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let confirmed = paying.city.client.post(address).form(&filled).send();
    let confirmed = confirmed.await.unwrap();
    assert_eq!(confirmed.status(), StatusCode::SEE_OTHER);
    let back = confirmed.headers()["location"].to_str().unwrap();
    assert!(
        back.ends_with(&format!("/pay/{}", waiting.payment)),
        "{back}"
    );
    assert_eq!(paying.payment(&waiting).await["status"], "posted");
    paying.city.assert_books_are_right().await;
}

#[tokio::test]
async fn who_has_paid_otherwise_is_not_asked_again() {
    let paying = Paying::start().await;
    let waiting = paying.open(BAY, "vnpay").await;
    let page = async || {
        let request = paying
            .city
            .client
            .get(format!("{}/pay/{}", paying.city.url, waiting.payment));
        let cookie = format!(
            "clearbay_session_{}={}",
            waiting.session.replace('-', ""),
            waiting.token
        );
        let reply = request.header("cookie", cookie).send().await.unwrap();
        reply.text().await.unwrap()
    };
    assert!(page().await.contains("data-status=\"pending\""));
    let path = format!("/api/v1/sessions/{}/payments", waiting.session);
    let (_, other) = paying
        .city
        .post_as(&waiting.token, &path, &json!({"gateway": "vietqr"}))
        .await;
    paying.city.pay_by_bank(&other).await;
    assert!(page().await.contains("data-status=\"paid-otherwise\""));
    paying.decide(&waiting, "pay").await;
    assert!(page().await.contains("data-status=\"paid-otherwise\""));
    paying.city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_notice_without_our_money_waits_until_somebody_says_what_was_done() {
    let city = tests::serving::Serving::city(80).await;
    let notice = |bank_ref, currency, amount: i64| {
        json!({"bank_ref": bank_ref, "description": "?", "amount_vnd": amount, "currency": currency,
            "paid_at": chrono::Utc::now()})
    };
    city.outcomes(&[
        notice("F1", "USD", 50_000),
        notice("F2", "VND", 0),
        notice("F3", "VND", 7_000),
    ])
    .await;
    let staff = city.staff("city", None).await;
    let settle = async |bank_ref: &str, note: &str| {
        let reply = city
            .client
            .post(format!("{}/staff/money/suspense", city.url))
            .header("cookie", &staff)
            .form(&[
                ("gateway", "vietqr"),
                ("bank_ref", bank_ref),
                ("note", note),
            ])
            .send()
            .await
            .unwrap();
        reply.status()
    };
    assert_eq!(settle("F1", " ").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        settle("F3", "kept").await,
        StatusCode::NOT_FOUND,
        "it brought đồng"
    );
    for bank_ref in ["F1", "F2", "F2"] {
        let status = settle(bank_ref, "told the bank").await;
        assert!(status.is_redirection() || status.is_success(), "{status}");
    }
    let mut older = notice("F4", "VND", 9_000);
    older["paid_at"] = json!(chrono::Utc::now() - chrono::TimeDelta::hours(1));
    city.outcomes(&[older]).await;
    let waiting = city.database.store.suspense_list(false, 10).await.unwrap();
    let waiting: Vec<&str> = waiting.iter().map(|row| row.bank_ref.as_str()).collect();
    assert_eq!(waiting, ["F4", "F3"], "who waits longest comes first");
    assert_eq!(
        city.database
            .count("audit WHERE action = 'notice.settle'")
            .await,
        2
    );
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_driver_who_gives_up_may_pay_otherwise() {
    let paying = Paying::start().await;
    for gateway in GATEWAYS {
        let waiting = paying.open(BAY, gateway).await;
        paying.decide(&waiting, "cancel").await;
        // ZaloPay never tells of it: it is asked.
        becomes(&paying, &waiting, "voided").await;
        let path = format!("/api/v1/sessions/{}/payments", waiting.session);
        let (status, again) = paying
            .city
            .post_as(&waiting.token, &path, &json!({"gateway": "vietqr"}))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{again}");
        let (amount, purpose) = Paying::read(&again["qr"]);
        let transfer = json!({"bank_ref": format!("FT-{gateway}"), "description": purpose,
            "amount_vnd": amount, "currency": "VND", "paid_at": chrono::Utc::now()});
        assert_eq!(paying.city.outcomes(&[transfer]).await, ["posted"]);
    }
    paying.city.assert_books_are_right().await;
}

#[tokio::test]
async fn whatever_a_provider_does_money_is_taken_once() {
    let paying = Paying::start().await;
    let faults = [
        Faults {
            repeat: ALWAYS,
            ..Faults::default()
        },
        Faults {
            late: ALWAYS,
            ..Faults::default()
        },
        Faults {
            wrong_signature: ALWAYS,
            ..Faults::default()
        },
        Faults {
            lose_webhook: ALWAYS,
            ..Faults::default()
        },
        Faults {
            answer_500: 5_000,
            lose_webhook: ALWAYS,
            ..Faults::default()
        },
    ];
    let mut taken = 0;
    for fault in faults {
        for gateway in GATEWAYS {
            paying.misbehave(Faults::default()).await;
            let waiting = paying.open(BAY, gateway).await;
            paying.misbehave(fault).await;
            paying.decide(&waiting, "pay").await;
            becomes(&paying, &waiting, "posted").await;
            taken += 1;
        }
    }
    assert_eq!(paying.city.database.count("receipt").await, taken);
    assert_eq!(
        paying
            .city
            .database
            .count("transfer WHERE kind = 'post'")
            .await,
        taken
    );
    paying.city.assert_books_are_right().await;
}

#[tokio::test]
async fn money_that_comes_wrongly_goes_back_by_itself() {
    let paying = Paying::start().await;
    for gateway in ["vnpay", "momo"] {
        // Another amount than was asked for.
        paying
            .misbehave(Faults {
                wrong_amount: ALWAYS,
                ..Faults::default()
            })
            .await;
        let waiting = paying.open(BAY, gateway).await;
        paying.decide(&waiting, "pay").await;
        // It failed, and then it came after all.
        paying
            .misbehave(Faults {
                reorder: ALWAYS,
                ..Faults::default()
            })
            .await;
        let contrary = paying.open(BAY, gateway).await;
        paying.decide(&contrary, "pay").await;
        let done = |ground: &str| {
            format!(
                "refund WHERE gateway = '{gateway}' AND ground = '{ground}' AND status = 'done'"
            )
        };
        for ground in ["amount", "late"] {
            eventually(ground, || async {
                paying.hurry().await;
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                paying.city.database.count(&done(ground)).await == 1
            })
            .await;
        }
        assert_eq!(paying.payment(&contrary).await["status"], "voided");
    }
    assert_eq!(paying.city.database.count("receipt").await, 0);
    paying.city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_gateway_that_is_away_is_asked_again() {
    let paying = Paying::start().await;
    paying
        .misbehave(Faults {
            answer_500: ALWAYS,
            ..Faults::default()
        })
        .await;
    for gateway in ["momo", "zalopay"] {
        let waiting = paying.open(BAY, gateway).await;
        assert!(waiting.address.is_none(), "nothing to pay with yet");
        paying.misbehave(Faults::default()).await;
        eventually("a way to pay", || async {
            paying.hurry().await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            paying.payment(&waiting).await["redirect_url"].is_string()
        })
        .await;
        paying.decide(&waiting, "pay").await;
        becomes(&paying, &waiting, "posted").await;
        paying
            .misbehave(Faults {
                answer_500: ALWAYS,
                ..Faults::default()
            })
            .await;
    }
    paying.city.assert_books_are_right().await;
}

/// VNPAY takes no request of yesterday again, and may have done what it did not answer: then people would pay it once more.
#[tokio::test]
async fn a_refund_that_was_asked_for_yesterday_is_asked_after_and_not_given_to_people() {
    let paying = Paying::start().await;
    let pool = &paying.city.database.pool;
    let waiting = paying.open(BAY, "vnpay").await;
    paying.decide(&waiting, "pay").await;
    becomes(&paying, &waiting, "posted").await;
    let asked = async |faults: Faults, times: i64| {
        paying.misbehave(faults).await;
        eventually("it to be asked", || async {
            paying.hurry().await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            let tried = format!("outbox WHERE kind = 'refund' AND attempts >= {times}");
            let given = "refund WHERE status <> 'pending'";
            paying.city.database.count(&tried).await + paying.city.database.count(given).await == 1
        })
        .await;
    };
    let timeout = Faults {
        timeout: ALWAYS,
        ..Faults::default()
    };
    paying.misbehave(timeout).await;
    paying.city.stop(&waiting.session, &waiting.token).await;
    asked(timeout, 2).await;
    run(
        pool,
        "UPDATE refund SET created_at = created_at - interval '1 day'",
    )
    .await;
    let away = Faults {
        answer_500: ALWAYS,
        ..Faults::default()
    };
    asked(away, 5).await;
    let waits = "refund WHERE status = 'pending'";
    assert_eq!(paying.city.database.count(waits).await, 1);
    asked(Faults::default(), 100).await;
    let done = "refund WHERE status = 'done'";
    assert_eq!(paying.city.database.count(done).await, 1);
    paying.city.assert_books_are_right().await;
}

/// Nobody would ever ask for it, nor could people pay it.
#[tokio::test]
async fn a_refund_through_a_gateway_that_the_city_has_left_is_for_people_after_three_days() {
    let paying = Paying::start().await;
    let waiting = paying.open(BAY, "vnpay").await;
    paying.decide(&waiting, "pay").await;
    becomes(&paying, &waiting, "posted").await;
    let timeout = Faults {
        timeout: ALWAYS,
        ..Faults::default()
    };
    paying.misbehave(timeout).await;
    paying.city.stop(&waiting.session, &waiting.token).await;
    let left = |days: u8| {
        // What a refund says for ever is not changed otherwise.
        format!(
            "ALTER TABLE refund DISABLE TRIGGER refund_amount_stands;
             ALTER TABLE refund DROP CONSTRAINT IF EXISTS refund_of_money;
             ALTER TABLE bank_notice DISABLE TRIGGER USER;
             UPDATE bank_notice SET gateway = 'left';
             UPDATE refund SET gateway = 'left', created_at = now() - interval '{days} days'"
        )
    };
    run(&paying.city.database.pool, &left(2)).await;
    let noted = async |condition: &str| {
        eventually(condition, || async {
            paying.hurry().await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            paying.city.database.count(condition).await == 1
        })
        .await;
    };
    noted("outbox WHERE kind = 'refund' AND note LIKE '%not configured%'").await;
    let by_hand = "refund WHERE status = 'manual' AND note LIKE '%not configured%'";
    assert_eq!(paying.city.database.count(by_hand).await, 0);
    run(&paying.city.database.pool, &left(4)).await;
    noted(by_hand).await;
}

#[tokio::test]
async fn the_bank_pays_out_what_came_wrongly_and_a_receipt_has_its_invoice() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let open = city.open_payment(BAY, 60).await;
    let wrong = open.transfer_of(24_000, chrono::Utc::now());
    assert_eq!(
        city.outcomes(&[wrong, open.transfer(), open.transfer()])
            .await,
        ["amount_differs", "posted", "paid_twice"]
    );
    eventually("both to be paid out", || async {
        city.database
            .count("refund WHERE status = 'done' AND gateway_ref LIKE 'PO%'")
            .await
            == 2
    })
    .await;
    let receipt = tests::serving::text(&city.payment(&open).await["receipt_id"]);
    let path = format!("/api/v1/receipts/{receipt}/invoice.xml");
    let first = city.get(&path).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let first = first.text().await.unwrap();
    for part in [
        "<HDon>",
        "<SHDon>1</SHDon>",
        "<MST>0100000000</MST>",
        &receipt,
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    let again = city.get(&path).send().await.unwrap().text().await.unwrap();
    assert_eq!(again, first, "a number is given once");
    // Tax and share leave the operator's account with the payment.
    let balances = city.database.store.ledger_balances().await.unwrap();
    let owed = |code: &str| {
        let row = balances.iter().find(|row| row.code == code).unwrap();
        row.credits_vnd - row.debits_vnd
    };
    assert_eq!(owed("vat"), 1_852);
    assert_eq!(owed("city"), 4_629);
    assert_eq!(owed("suspense"), 0);
    assert_eq!(owed("refund"), 0);
    city.assert_books_are_right().await;
}

/// Who listens on the way sends nothing back that was meant for the other side.
#[tokio::test]
async fn a_bank_pays_out_nothing_for_a_notice_that_was_sent_to_us() {
    let paying = Paying::start().await;
    let body = json!({"request_id": "made-up", "to_bank_ref": "FT1", "amount_vnd": 1, "text": ""});
    let body = body.to_string();
    let now = chrono::Utc::now();
    let key = tests::serving::WEBHOOK_KEY.as_bytes();
    let notice = api::gateway::vietqr::sign(key, body.as_bytes(), now);
    let order = simulator::bank::payout_signature(key, now.timestamp(), body.as_bytes());
    for (signature, status) in [(notice, 401), (order, 200)] {
        let request = paying
            .city
            .client
            .post(format!("{}/bank/payouts", paying.url));
        let request = request.header("clearbay-signature", signature);
        let reply = request.body(body.clone()).send().await.unwrap();
        assert_eq!(reply.status(), status);
    }
}
