//! What was collected against what sensors saw: every way not to pay has its name, and sums come out.

#![allow(clippy::unwrap_used)]

use chrono::{SubsecRound, TimeDelta, Utc};
use domain::vietqr::VietQr;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::eventually;
use tests::sensors::{Told, told};
use tests::serving::{IMPORT_TOKEN, Serving};

const PAID: &str = "CN-01-001";
const UNPAID: &str = "CN-01-002";
/// In the same price zone.
const SHORT_VISIT: &str = "CN-02-001";
const NOBODY: &str = "CN-02-002";

fn amount(row: &Value, field: &str) -> i64 {
    row[field]
        .as_i64()
        .unwrap_or_else(|| panic!("no {field}: {row}"))
}

fn assert_balanced(row: &Value) {
    let sum: i64 = ["collected", "grace", "pass", "exempt", "unpaid", "short"]
        .iter()
        .map(|reason| amount(row, &format!("{reason}_vnd")))
        .sum();
    let over = amount(row, "beyond_vnd") + amount(row, "unseen_vnd");
    assert_eq!(amount(row, "due_vnd"), sum - over, "{row}");
}

#[tokio::test]
async fn what_came_and_why_it_differs_from_what_was_due() {
    let city = Serving::city(80).await;
    let start = Utc::now().trunc_subsecs(0) - TimeDelta::hours(5);
    let place = simulator::city::hanoi(80).unwrap();
    let device = |code: &str| {
        let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
        let bay = bays.find(|bay| bay.code == code).unwrap();
        bay.device.as_ref().unwrap().id.clone()
    };
    let visit = |code: &str, minutes: i64| -> Vec<Told> {
        let (device, end) = (device(code), start + TimeDelta::minutes(minutes));
        vec![
            told(&device, start - TimeDelta::minutes(1), 1, false),
            told(&device, start, 2, true),
            told(&device, end, 3, false),
        ]
    };
    let mut messages = [visit(PAID, 60), visit(UNPAID, 120), visit(SHORT_VISIT, 4)].concat();
    messages.push(told(&device(NOBODY), start, 1, false));
    city.sense(&messages, 10, "event").await;

    // Two drivers paid at a terminal; in one of the bays no vehicle was seen.
    let sale = |bay: &str| {
        json!({"key": format!("sale-of-{bay}"), "bay": bay, "plate": "30A12345", "class": "car",
            "minutes": 60, "at": start})
    };
    let sales = json!({ "sessions": [sale(PAID), sale(NOBODY)] });
    let upload = city
        .client
        .post(format!("{}/api/v1/imports/sessions", city.url))
        .bearer_auth(IMPORT_TOKEN)
        .json(&sales);
    let sold: Value = upload.send().await.unwrap().json().await.unwrap();
    let transfers: Vec<Value> = sold["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(index, sale)| {
            let qr = VietQr::parse(sale["qr"].as_str().unwrap()).unwrap();
            json!({"bank_ref": format!("FT{index}"), "description": qr.purpose, "currency": "VND",
                "amount_vnd": qr.amount_vnd, "paid_at": start + TimeDelta::minutes(1)})
        })
        .collect();
    assert_eq!(city.outcomes(&transfers).await, ["posted", "posted"]);

    let report = city
        .json("/api/v1/reports/collection?by=lot&from=2000-01-01&to=2000-01-02")
        .await;
    assert_eq!(amount(&report["total"], "stays"), 0, "{report}");
    let by = |by: &'static str| {
        let city = &city;
        async move {
            city.json(&format!("/api/v1/reports/collection?by={by}"))
                .await
        }
    };
    // The answer of a moment ago is given again for a while.
    let found = std::cell::RefCell::new(Value::Null);
    eventually("the report to know of all", || async {
        let report = by("lot").await;
        let knows = amount(&report["total"], "stays") == 3;
        *found.borrow_mut() = report;
        knows
    })
    .await;
    let report = found.into_inner();
    let total = &report["total"];
    assert_balanced(total);
    let price = |minutes: i64| {
        let city = &city;
        async move {
            let wish = json!({"bay": PAID, "class": "car", "minutes": minutes});
            let reply = city.post("/api/v1/quotes", &wish).send().await.unwrap();
            assert_eq!(reply.status(), StatusCode::OK);
            amount(&reply.json().await.unwrap(), "amount_vnd")
        }
    };
    let (hour, two) = (price(60).await, price(120).await);
    assert_eq!(amount(total, "collected_vnd"), 2 * hour);
    assert_eq!(amount(total, "unpaid_vnd"), two);
    assert_eq!(amount(total, "unseen_vnd"), hour);
    let grace = amount(total, "grace_vnd");
    assert_eq!(amount(total, "due_vnd"), hour + two + grace);
    for none in ["pass", "exempt", "short", "beyond"] {
        assert_eq!(amount(total, &format!("{none}_vnd")), 0, "{total}");
    }
    for key in ["lot", "day", "ward", "operator"] {
        let report = by(key).await;
        let rows = report["rows"].as_array().unwrap();
        rows.iter().for_each(assert_balanced);
        let due: i64 = rows.iter().map(|row| amount(row, "due_vnd")).sum();
        assert_eq!(due, amount(total, "due_vnd"), "{key}");
    }
    let page = city.get("/city?lang=en").send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains(&format!("data-due=\"{}\"", hour + two + grace)));
    let long = "/api/v1/reports/collection?from=2026-01-01&to=2026-03-01";
    let long = city.get(long).send().await.unwrap();
    assert_eq!(long.status(), StatusCode::UNPROCESSABLE_ENTITY);
}
