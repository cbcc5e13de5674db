//! How full lots were: averages of what was known, and no figure for what was not.

use chrono::{SecondsFormat, TimeDelta};
use domain::event::Event;
use domain::occupancy::bucket_of;
use serde_json::json;
use tests::broker::Broker;
use tests::city::{self, past};
use tests::eventually;
use tests::sensors::{publish, told};
use tests::serving::Serving;

#[tokio::test]
async fn a_lot_s_history_tells_what_was_known() {
    let city = Serving::place(&city::small(1, 4), Broker::mosquitto()).await;
    let start = bucket_of(past());
    let minute = |n| start + TimeDelta::minutes(n);
    let messages = vec![
        told("lot-0-0-sensor", minute(0), 1, true),
        told("lot-0-1-sensor", minute(0), 1, false),
        told("lot-0-0-sensor", minute(45), 2, false),
        told("lot-0-2-sensor", minute(70), 1, true),
    ];
    publish(&city.broker.url, messages).await;
    let text = |n| minute(n).to_rfc3339_opts(SecondsFormat::Secs, true);
    let path = format!(
        "/api/v1/lots/lot-0/occupancy?from={}&to={}&step=15",
        text(0),
        text(90)
    );
    let rows = || async { city.json(&path).await["rows"].clone() };
    eventually("all four", || async {
        rows().await[4]["arrivals"] == json!(1)
    })
    .await;
    let row = |n: i64, occupied: f64, free: f64, unknown: f64, arrivals: i64| json!({"at": text(n), "occupied": occupied, "free": free, "unknown": unknown, "arrivals": arrivals});
    let expected = json!([
        row(0, 1.0, 1.0, 2.0, 1),
        row(15, 1.0, 1.0, 2.0, 0),
        row(30, 1.0, 1.0, 2.0, 0),
        row(45, 0.0, 2.0, 2.0, 0),
        // The second bay's sensor has been silent for an hour; in the third a vehicle has come.
        row(60, 0.33, 1.0, 2.67, 1),
        row(75, 1.0, 1.0, 2.0, 0),
    ]);
    assert_eq!(rows().await, expected);
    let whole = city
        .json(&format!(
            "/api/v1/lots/lot-0/occupancy?from={}&to={}&step=45",
            text(0),
            text(45)
        ))
        .await;
    assert_eq!(whole["capacity"], json!(4));
    assert_eq!(whole["rows"], json!([row(0, 1.0, 1.0, 2.0, 1)]));

    // The city's figure for an hour of the day is of what was known, too.
    let report = city.json("/api/v1/reports/occupancy").await;
    let shares = report["rows"].as_array().unwrap().clone();
    assert!(
        shares
            .iter()
            .any(|row| row["occupied_bp"].as_u64().is_some_and(|bp| bp > 2_500)),
        "{shares:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_with_the_reason() {
    let city = Serving::place(&city::small(1, 1), Broker::mosquitto()).await;
    for (query, status, why) in [
        ("step=20", 422, "multiple of 15"),
        ("step=0", 422, "from 15 to 10080"),
        (
            "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
            422,
            "before to",
        ),
        (
            "from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&step=15",
            422,
            "2000 steps",
        ),
        ("from=yesterday", 400, "no time such as 2026-11-20T14"),
        // A + that nobody encoded.
        (
            "from=2026-01-02T07:00:00+07:00&to=2026-01-01T00:00:00Z",
            422,
            "before to",
        ),
    ] {
        let reply = city
            .get(&format!("/api/v1/lots/lot-0/occupancy?{query}"))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status().as_u16(), status, "{query}");
        let text = reply.text().await.unwrap();
        assert!(text.contains(why), "{query}: {text}");
    }
    let nowhere = city.get("/api/v1/lots/nowhere/occupancy").send().await;
    assert_eq!(nowhere.unwrap().status().as_u16(), 404);
    // Nothing was ever heard: a day of nothing known, and no row of the future.
    let empty = city.json("/api/v1/lots/lot-0/occupancy").await;
    let rows = empty["rows"].as_array().unwrap();
    assert!((24..=25).contains(&rows.len()), "{}", rows.len());
    assert!(
        rows.iter().all(|row| row["unknown"] == json!(1.0)),
        "{rows:?}"
    );
}

#[tokio::test]
async fn a_lot_s_next_hours_are_foretold_from_its_past() {
    let city = Serving::place(&city::small(1, 2), Broker::mosquitto()).await;
    let forecast = || city.json("/api/v1/lots/lot-0/forecast");
    let none = forecast().await;
    assert_eq!(none["steps"], json!([]));
    assert_eq!(
        none["none_because"],
        json!("the lot's history is too short for a forecast")
    );
    let nowhere = city.get("/api/v1/lots/nowhere/forecast").send().await;
    assert_eq!(nowhere.unwrap().status().as_u16(), 404);

    // Another lot's past: four weeks in which one bay is taken from eight to eighteen.
    let city = Serving::place(&city::small(1, 2), Broker::mosquitto()).await;
    let store = &city.database.store;
    let devices = store.device_directory().await.unwrap();
    let now = past();
    let mut events = Vec::new();
    for quarter in 0..28 * 96 {
        let at = bucket_of(now) - TimeDelta::minutes(15 * (28 * 96 - quarter));
        let hour = (at + TimeDelta::hours(7)).format("%H").to_string();
        let busy = (8..18).contains(&hour.parse::<i32>().unwrap());
        for (name, occupied) in [("lot-0-0-sensor", busy), ("lot-0-1-sensor", false)] {
            let event = Event {
                device: name.to_owned(),
                at,
                seq: quarter,
                occupied,
                battery_mv: None,
                temperature_dc: None,
                received_at: at,
            };
            events.push((devices[name].id, event));
        }
    }
    store.event_ingest(&events, &[]).await.unwrap();
    for name in ["lot-0-0-sensor", "lot-0-1-sensor"] {
        let at = chrono::Utc::now() - TimeDelta::minutes(1);
        publish(&city.broker.url, vec![told(name, at, 9_999, false)]).await;
    }
    eventually("the present to be known", || async {
        city.json("/api/v1/lots/lot-0").await["unknown"] == json!(0)
    })
    .await;
    let told = city.json("/api/v1/lots/lot-0/forecast").await;
    let steps = told["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 8, "{told}");
    for step in steps {
        let share = |name: &str| step[name].as_u64().unwrap();
        assert!(
            share("low_bp") <= share("expected_bp") && share("expected_bp") <= share("high_bp")
        );
        // Never both bays.
        assert!(share("high_bp") < 9_000, "{step}");
    }
}

#[tokio::test]
async fn prices_are_advised_by_how_full_bays_were_and_by_the_city_s_rules() {
    let city = Serving::place(&city::small(2, 4), Broker::mosquitto()).await;
    // All four bays of one lot, on the whole of yesterday: full in the morning, a quarter taken at
    // midday, nothing known otherwise. Nothing is known of the other lot.
    sqlx::query(
        "INSERT INTO lot_occupancy (lot_id, bucket, occupied_us, free_us, arrivals)
         SELECT lot_id, bucket, share * 4 * 900000000, (1 - share) * 4 * 900000000, 1
         FROM city JOIN lot USING (city_id),
              LATERAL (SELECT date_trunc('day', now() AT TIME ZONE timezone) AT TIME ZONE timezone
                              - interval '1 day' AS midnight) AS yesterday,
              generate_series(midnight + interval '6 hours', midnight + interval '15 hours 45 minutes',
                              interval '15 minutes') AS bucket,
              LATERAL (SELECT CASE WHEN bucket < midnight + interval '10 hours' THEN 1 ELSE 0.25 END AS share) AS s
         WHERE lot.code = 'lot-0'",
    )
    .execute(&city.database.pool)
    .await
    .unwrap();
    let tz = chrono_tz::Asia::Ho_Chi_Minh;
    let yesterday = chrono::Utc::now().with_timezone(&tz).date_naive() - TimeDelta::days(1);
    let path = format!("/api/v1/reports/price-advice?from={yesterday}&to={yesterday}");
    let advice = || async {
        let report = city.json(&path).await;
        let rows = report["rows"].as_array().unwrap().clone();
        assert_eq!(rows.len(), 2 * 8, "{report}");
        let known = rows.into_iter().filter(|row| row["known_bp"] != json!(0));
        let told = known.map(|row| {
            assert_eq!(
                (&row["lot"], &row["known_bp"]),
                (&json!("lot-0"), &json!(10_000))
            );
            let price = row["price_vnd"].as_i64().unwrap();
            let by = row["to_vnd"].as_i64().map(|to| to - price);
            let told = (
                row["from_hour"].clone(),
                row["occupied_bp"].clone(),
                row["advice"].clone(),
            );
            (told, by)
        });
        told.collect::<Vec<_>>()
    };
    let row = |hour: i64, bp: i64, advice: &str, by: Option<i64>| {
        ((json!(hour), json!(bp), json!(advice)), by)
    };
    let expected = [
        row(6, 10_000, "raise", Some(5_000)),
        row(10, 2_500, "lower", Some(-5_000)),
    ];
    assert_eq!(advice().await, expected);

    let week = city
        .json(&format!(
            "/api/v1/reports/week?from={yesterday}&to={yesterday}"
        ))
        .await;
    let rows = week["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 168);
    let known: Vec<_> = rows
        .iter()
        .filter(|row| !row["occupied_bp"].is_null())
        .collect();
    assert_eq!(known.len(), 10);
    let weekday = chrono::Datelike::weekday(&yesterday).num_days_from_monday();
    // Four vehicles an hour at four bays.
    assert_eq!(
        *known[0],
        json!({"weekday": weekday, "hour": 6, "occupied_bp": 10_000, "arrivals_per_100": 100})
    );
    let csv = city
        .get(&format!("{path}&format=csv"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        csv.starts_with("\u{feff}lot,name,class,weekend,from_hour,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 17);

    let rules = |args: &[&str]| {
        tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"))
            .args(["tariff", "rules", "--city", "hn"])
            .args(args)
            .env("DATABASE_URL", &city.database.url)
            .output()
    };
    let done = rules(&["--lower-below", "20", "--step", "2000"])
        .await
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let expected = [
        row(6, 10_000, "raise", Some(2_000)),
        row(10, 2_500, "hold", None),
    ];
    assert_eq!(advice().await, expected);
    let wrong = rules(&["--lower-below", "90"]).await.unwrap();
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        !wrong.status.success() && told.contains("lowered below 90 % and raised from 80 %"),
        "{told}"
    );
    assert_eq!(advice().await, expected);
}
