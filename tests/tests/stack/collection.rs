//! What was collected against what sensors saw: every way not to pay has its name, and sums come out.

use chrono::{DateTime, Days, NaiveDate, SubsecRound, TimeDelta, Utc};
use chrono_tz::Asia::Ho_Chi_Minh as TZ;
use domain::day::midnight;
use domain::vietqr::VietQr;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::eventually;
use tests::sensors::{Told, says, told};
use tests::serving::{IMPORT_TOKEN, Serving};
use uuid::Uuid;

use crate::refund::decide_dispute;

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
    let sum = |reasons: &[&str]| -> i64 {
        let vnd = |reason: &&str| amount(row, &format!("{reason}_vnd"));
        reasons.iter().map(vnd).sum()
    };
    let explained = sum(&[
        "collected",
        "given_back",
        "grace",
        "pass",
        "exempt",
        "paid_elsewhere",
        "unpaid",
        "short",
        "open",
    ]);
    let unseen = amount(row, "unseen_vnd");
    assert_eq!(unseen, sum(&["unknown", "elsewhere"]), "{row}");
    let over = amount(row, "beyond_vnd") + unseen;
    assert_eq!(amount(row, "due_vnd"), explained - over, "{row}");
    assert_eq!(amount(row, "owed_vnd"), sum(&["unpaid", "short"]), "{row}");
    let range = ["owed_low_vnd", "owed_vnd", "owed_high_vnd"].map(|field| amount(row, field));
    assert!(range.is_sorted(), "{row}");
    assert!(
        amount(row, "due_vnd") <= amount(row, "due_high_vnd"),
        "{row}"
    );
    let known = ["known_ms", "total_ms"].map(|field| amount(row, field));
    assert!(known.is_sorted() && known[0] >= 0, "{row}");
}

/// Pays at a terminal, as its operator's office uploads it: bay, start, minutes.
async fn sell(city: &Serving, sold: &[(&str, DateTime<Utc>, i64)]) {
    let sale = |(bay, at, minutes): &(&str, DateTime<Utc>, i64)| {
        json!({"key": format!("sale-of-{bay}"), "bay": bay, "plate": "30A12345", "class": "car",
            "minutes": minutes, "at": at})
    };
    let sales = json!({ "sessions": sold.iter().map(sale).collect::<Vec<_>>() });
    let upload = city
        .client
        .post(format!("{}/api/v1/imports/sessions", city.url))
        .bearer_auth(IMPORT_TOKEN)
        .json(&sales);
    let reply: Value = upload.send().await.unwrap().json().await.unwrap();
    let opened = reply["sessions"].as_array().unwrap().iter();
    let transfers: Vec<Value> = opened
        .zip(sold)
        .enumerate()
        .map(|(index, (sale, (_, at, _)))| {
            let qr = VietQr::parse(sale["qr"].as_str().unwrap()).unwrap();
            json!({"bank_ref": format!("FT{index}"), "description": qr.purpose, "currency": "VND",
                "amount_vnd": qr.amount_vnd, "paid_at": *at + TimeDelta::minutes(1)})
        })
        .collect();
    let outcomes = city.outcomes(&transfers).await;
    assert!(
        outcomes.iter().all(|outcome| outcome == "posted"),
        "{outcomes:?}"
    );
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
    sell(&city, &[(PAID, start, 60), (NOBODY, start, 60)]).await;

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
    // Its sensor knew; whoever did not pay stood in another lot.
    assert_eq!(amount(total, "elsewhere_vnd"), hour);
    assert_eq!(amount(total, "paid_elsewhere_vnd"), 0);
    assert_eq!(amount(total, "owed_low_vnd"), two);
    assert!(amount(total, "owed_high_vnd") > two);
    // Of 80 sensors four were heard, for some hours of a week.
    assert_eq!(total["too_little_known"], true);
    let grace = amount(total, "grace_vnd");
    assert_eq!(amount(total, "due_vnd"), hour + two + grace);
    for none in ["pass", "exempt", "short", "beyond"] {
        assert_eq!(amount(total, &format!("{none}_vnd")), 0, "{total}");
    }
    for key in ["lot", "day", "lot_day", "ward", "operator"] {
        let report = by(key).await;
        let rows = report["rows"].as_array().unwrap();
        rows.iter().for_each(assert_balanced);
        let due: i64 = rows.iter().map(|row| amount(row, "due_vnd")).sum();
        assert_eq!(due, amount(total, "due_vnd"), "{key}");
    }
    let page = city.get("/city?lang=en").send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains(&format!("data-due=\"{}\"", hour + two + grace)));
    assert!(
        page.contains("cannot be told: less than half"),
        "no lone figure"
    );
    let long = "/api/v1/reports/collection?from=2026-01-01&to=2026-03-01";
    let long = city.get(long).send().await.unwrap();
    assert_eq!(long.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

/// A driver whose complaint was found to be right has paid nothing; that is neither grace nor their debt.
#[tokio::test]
async fn what_is_given_back_by_decision_has_its_name() {
    let city = Serving::city(80).await;
    let start = Utc::now().trunc_subsecs(0) - TimeDelta::hours(5);
    let place = simulator::city::hanoi(80).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let bay = bays.find(|bay| bay.code == PAID).unwrap();
    let device = bay.device.as_ref().unwrap().id.clone();
    let messages = [
        told(&device, start - TimeDelta::minutes(1), 1, false),
        told(&device, start, 2, true),
        told(&device, start + TimeDelta::minutes(60), 3, false),
    ];
    city.sense(&messages, 3, "event").await;
    sell(&city, &[(PAID, start, 60)]).await;
    let receipt: Uuid = sqlx::query_scalar("SELECT receipt_id FROM receipt")
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    let guard = city.staff("guard", Some("HNP")).await;
    decide_dispute(&city, &guard, &receipt.to_string(), None).await;

    let report = city.json("/api/v1/reports/collection?by=lot").await;
    let total = &report["total"];
    assert_balanced(total);
    assert_eq!(amount(total, "collected_vnd"), 0);
    assert!(amount(total, "due_vnd") > 0, "{total}");
    assert_eq!(amount(total, "given_back_vnd"), amount(total, "due_vnd"));
}

/// What a sensor of the small city says from yesterday's midnight until now, every half hour; a vehicle is
/// there from one minute to another, counted from `start`, and from one to another nothing else is said.
async fn says_all(
    city: &Serving,
    device: &str,
    start: DateTime<Utc>,
    there: Option<(i64, i64)>,
    silent: Option<(i64, i64)>,
) {
    let minute = |minutes: i64| start + TimeDelta::minutes(minutes);
    let within = |span: Option<(i64, i64)>, at: DateTime<Utc>| {
        span.is_some_and(|(from, until)| minute(from) <= at && at < minute(until))
    };
    let now = Utc::now();
    let first = midnight(local_day(now) - Days::new(1), TZ);
    let beats = (0..).map(|beat| first + TimeDelta::minutes(30 * beat));
    let beats = beats.take_while(|at| *at < now);
    let mut times: Vec<DateTime<Utc>> = beats.filter(|at| !within(silent, *at)).collect();
    times.extend(
        there
            .iter()
            .flat_map(|(from, until)| [minute(*from), minute(*until)]),
    );
    times.retain(|at| *at < now);
    times.sort_unstable();
    times.dedup();
    let words: Vec<_> = times
        .iter()
        .map(|at| (*at, *at, within(there, *at)))
        .collect();
    says(&city.database.store, device, &words).await;
}

fn local_day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&TZ).date_naive()
}

#[tokio::test]
async fn a_lot_s_days_say_how_sure_they_are_and_what_it_held() {
    let mut place = tests::city::small(3, 3);
    place.lots[0].licensed_places = Some(1);
    place.lots[1].licensed_places = Some(3);
    let city = Serving::place(&place, Broker::rumqttd()).await;
    let start = Utc::now().trunc_subsecs(0) - TimeDelta::hours(9);
    let all = |device: &'static str, there, silent| says_all(&city, device, start, there, silent);
    // Of the first lot everything is known: who stands in the first bay pays for the second; in the third
    // nobody pays. It is licensed for one.
    all("lot-0-0-sensor", Some((0, 120)), None).await;
    all("lot-0-1-sensor", None, None).await;
    all("lot-0-2-sensor", Some((60, 90)), None).await;
    // Of the second a sensor was silent for a part of a stay, which nobody noticed at the time, and a
    // vehicle is still there.
    all("lot-1-0-sensor", Some((0, 240)), Some((0, 240))).await;
    let ninety = 9 * 60 - 90;
    all("lot-1-1-sensor", Some((ninety, 10_000)), None).await;
    all("lot-1-2-sensor", None, None).await;
    // Of the third nothing is known, but that it was paid for.
    let minute = |minutes| start + TimeDelta::minutes(minutes);
    sell(
        &city,
        &[("lot-0-1", minute(5), 120), ("lot-2-0", start, 60)],
    )
    .await;

    let (to, from) = (local_day(Utc::now()), local_day(Utc::now()) - Days::new(1));
    let days = format!("from={from}&to={to}");
    let report = city
        .json(&format!("/api/v1/reports/collection?by=lot&{days}"))
        .await;
    let rows = report["rows"].as_array().unwrap();
    rows.iter().for_each(assert_balanced);
    assert_balanced(&report["total"]);
    let is = |lot: usize, expected: &[(&str, i64)]| {
        assert_eq!(rows[lot]["lot"], json!(format!("lot-{lot}")));
        for (field, value) in expected {
            assert_eq!(
                amount(&rows[lot], field),
                *value,
                "{field} of {}",
                rows[lot]
            );
        }
    };
    is(
        0,
        &[
            ("stays", 2),
            ("sensed_ms", 150 * 60_000),
            ("due_vnd", 75_000),
            ("collected_vnd", 50_000),
            ("paid_elsewhere_vnd", 50_000),
            ("elsewhere_vnd", 50_000),
            ("unpaid_vnd", 25_000),
            ("owed_low_vnd", 25_000),
            ("owed_high_vnd", 25_000),
            ("due_high_vnd", 75_000),
            ("known_ms", amount(&rows[0], "total_ms")),
        ],
    );
    is(
        1,
        &[
            ("stays", 1),
            ("open_stays", 1),
            ("open_vnd", 50_000),
            ("unsure_stays", 1),
            ("owed_low_vnd", 0),
            // A word is believed for an hour.
            ("known_ms", amount(&rows[1], "total_ms") - 3 * 3_600_000),
        ],
    );
    is(
        2,
        &[
            ("due_vnd", 0),
            ("unknown_vnd", 25_000),
            ("elsewhere_vnd", 0),
            ("known_ms", 0),
            ("owed_low_vnd", 0),
        ],
    );
    // What is open, and the four hours of the stay that was not seen whole, at what an hour of the other
    // cost: its second hour has just begun.
    let hours = amount(&rows[1], "sensed_ms") as f64 / 3_600_000.0;
    let high = amount(&rows[1], "owed_high_vnd");
    assert!(
        (high as f64 - (50_000.0 + 4.0 * 50_000.0 / hours)).abs() < 10.0,
        "{high}"
    );
    assert_eq!(amount(&rows[1], "due_high_vnd"), high);
    let range = format!(
        "between 0\u{a0}₫ and {},{:03}\u{a0}₫",
        high / 1_000,
        high % 1_000
    );
    // Three bays, less the hour that was paid for, at what an hour cost in the other lots of the zone.
    let seen = amount(&rows[0], "sensed_ms") + amount(&rows[1], "sensed_ms");
    let unpaid = amount(&rows[2], "total_ms") - 3_600_000;
    let high = amount(&rows[2], "owed_high_vnd") as f64;
    let expected = 125_000.0 * unpaid as f64 / seen as f64;
    assert!((high - expected).abs() < 10.0, "{high}, not {expected}");

    let by_day = city
        .json(&format!("/api/v1/reports/collection?by=lot_day&{days}"))
        .await;
    let by_day = by_day["rows"].as_array().unwrap();
    // The third began with what was sold in it.
    let of_third = if local_day(start) == from { 2 } else { 1 };
    assert_eq!(by_day.len(), 2 * 2 + of_third);
    by_day.iter().for_each(assert_balanced);
    assert_eq!(by_day[0]["key"], json!(format!("lot-0 {from}")));
    assert_eq!(by_day[0]["day"], json!(from));
    for field in ["due_vnd", "owed_vnd", "stays", "known_ms", "total_ms"] {
        let of_days: i64 = by_day.iter().map(|row| amount(row, field)).sum();
        // Of times, each row has whole milliseconds.
        let off = of_days.abs_diff(amount(&report["total"], field));
        let rounded = if field.ends_with("_ms") { 6 } else { 0 };
        assert!(off <= rounded, "{field}: {off}");
    }
    let one = city
        .json(&format!(
            "/api/v1/reports/collection?by=lot_day&lot=lot-0&{days}"
        ))
        .await;
    assert_eq!(one["rows"].as_array().unwrap()[..], by_day[..2]);
    assert_eq!(amount(&one["total"], "due_vnd"), 75_000);
    let text = |path: String| {
        let request = city.get(&path);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let csv = text(format!(
        "/api/v1/reports/collection?by=lot_day&format=csv&{days}"
    ))
    .await;
    let heading = "\u{feff}key,name,stays,due_vnd,collected_vnd,grace_vnd,pass_vnd,exempt_vnd,unpaid_vnd,short_vnd,beyond_vnd,unseen_vnd,";
    assert!(csv.starts_with(heading), "{csv}");
    assert_eq!(csv.lines().count(), 1 + by_day.len());
    let nowhere = city
        .get("/api/v1/reports/collection?lot=nowhere")
        .send()
        .await;
    assert_eq!(nowhere.unwrap().status(), StatusCode::NOT_FOUND);

    let path = format!("/api/v1/reports/over-capacity?{days}");
    let loads = city.json(&path).await;
    let loads = loads["rows"].as_array().unwrap();
    // The third lot's licence is not known.
    assert_eq!(loads.len(), 2 * 2);
    let of = |lot: &str, field: &str| -> Vec<i64> {
        let rows = loads.iter().filter(|row| row["lot"] == json!(lot));
        rows.map(|row| amount(row, field)).collect()
    };
    let sum = |lot: &str, field: &str| of(lot, field).iter().sum::<i64>();
    assert_eq!(sum("lot-0", "stays_beyond"), 1);
    assert_eq!(sum("lot-0", "beyond_ms"), 30 * 60_000);
    assert_eq!(of("lot-0", "most_vehicles").into_iter().max(), Some(2));
    assert_eq!(
        (sum("lot-1", "stays_beyond"), sum("lot-1", "beyond_ms")),
        (0, 0)
    );
    assert_eq!(of("lot-1", "licensed_places"), [3, 3]);
    let beyond = city.json(&format!("{path}&only_beyond=true")).await;
    let beyond = beyond["rows"].as_array().unwrap();
    assert!(!beyond.is_empty() && beyond.iter().all(|row| row["lot"] == json!("lot-0")));
    let csv = text(format!("{path}&format=csv")).await;
    assert!(
        csv.starts_with("\u{feff}day,lot,name,licensed_places,"),
        "{csv}"
    );

    let page = text(format!("/city?lang=en&lot=lot-1&{days}")).await;
    assert!(page.contains("data-beyond=\"lot-0\"") && !page.contains("data-beyond=\"lot-1\""));
    assert!(page.contains(&range), "{range}");
    assert!(page.contains("Lot 1: Day by day"));
    assert!(page.contains(&format!("/city?from={from}&amp;to={to}&amp;lot=lot-0#days")));
    // Of one lot all is known, of one nothing.
    assert!(page.contains(">25,000\u{a0}₫</td>"));
    assert!(page.contains("cannot tell") && !page.contains("cannot be told"));
    // Whatever is asked for as a lot.
    let strange = text(format!("/city?lang=vi&lot=%3Cscript%3E&{days}")).await;
    assert!(strange.contains("Nhận quá số chỗ được phép") && !strange.contains("id=\"days\""));
}

#[tokio::test]
async fn a_lot_counts_from_the_first_that_was_known_of_it() {
    let mut place = tests::city::small(3, 2);
    place.lots[0].licensed_places = Some(2);
    let city = Serving::place(&place, Broker::rumqttd()).await;
    let now = Utc::now().trunc_subsecs(0);
    let yesterday = local_day(now) - Days::new(1);
    let started = midnight(yesterday, TZ);
    let hours = |hours| started + TimeDelta::hours(hours);
    // Of the first lot both sensors speak from yesterday on; of the second one speaks for an hour, and the
    // other never; of the third nobody ever heard.
    for device in ["lot-0-0-sensor", "lot-0-1-sensor"] {
        says_all(&city, device, now, None, None).await;
    }
    says(
        &city.database.store,
        "lot-1-0-sensor",
        &[(hours(1), hours(1), false)],
    )
    .await;

    let report = |query: String| {
        let city = &city;
        async move {
            city.json(&format!("/api/v1/reports/collection?{query}"))
                .await
        }
    };
    let week = format!("from={}&to={}", yesterday - Days::new(5), local_day(now));
    let by_lot = report(format!("by=lot&{week}")).await;
    let of = |lot: usize, field: &str| amount(&by_lot["rows"][lot], field);
    assert_eq!(of(0, "known_ms"), of(0, "total_ms"), "{by_lot}");
    let hour = 3_600_000;
    assert_eq!(of(1, "known_ms"), hour);
    let since_first_word = (Utc::now() - hours(1)).num_milliseconds() * 2;
    assert!((since_first_word - of(1, "total_ms")).abs() < hour / 2);
    let all = (Utc::now() - midnight(yesterday - Days::new(5), TZ)).num_milliseconds() * 2;
    assert!((all - of(2, "total_ms")).abs() < hour / 2);
    assert_eq!(of(2, "known_ms"), 0);

    // Days before a lot began are no rows of it.
    let days = report(format!("by=lot_day&lot=lot-0&{week}")).await;
    assert_eq!(days["rows"].as_array().unwrap().len(), 2, "{days}");
    assert_eq!(days["total"]["too_little_known"], false);
    let loads = city
        .json(&format!("/api/v1/reports/over-capacity?{week}"))
        .await;
    assert_eq!(loads["rows"].as_array().unwrap().len(), 2, "{loads}");

    // A session that was paid for before any word is a beginning, too: what it paid for is not known.
    sell(&city, &[("lot-1-1", hours(-30), 60)]).await;
    let longer = format!("from={}&to={}", yesterday - Days::new(6), local_day(now));
    let sold = report(format!("by=lot&lot=lot-1&{longer}")).await;
    let earlier = amount(&sold["total"], "total_ms") - of(1, "total_ms");
    assert!((earlier - 2 * 31 * hour).abs() < hour / 2, "{sold}");
}

#[tokio::test]
async fn an_installation_file_tells_what_a_lot_is_licensed_for() {
    let database = tests::database::TestDatabase::create().await;
    let mut place = tests::city::small(1, 1);
    let mut licensed = async |places: Option<u32>| {
        place.lots[0].licensed_places = places;
        let imported = database.store.place_import(&place, Utc::now()).await;
        let told: Option<i32> = sqlx::query_scalar("SELECT licensed_places FROM lot")
            .fetch_one(&database.pool)
            .await
            .ok()
            .flatten();
        let imported = imported.map(drop).map_err(|error| error.to_string());
        (imported, told)
    };
    assert_eq!(licensed(Some(12)).await, (Ok(()), Some(12)));
    let (refused, told) = licensed(Some(0)).await;
    assert!(
        refused.unwrap_err().contains("licensed_places is 0"),
        "{told:?}"
    );
    assert_eq!(told, Some(12));
    assert_eq!(licensed(None).await, (Ok(()), None));
}
