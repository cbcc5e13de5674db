//! Sensors that fail in every way: found, told to staff, unknown in every public figure, and known
//! again when they live.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::health::FaultKind;
use domain::occupancy::bucket_of;
use reqwest::StatusCode;
use serde_json::{Value, json};
use store::health::Checkup;
use store::repair::DevicesOf;
use tests::assessing::{assess, faults};
use tests::broker::Broker;
use tests::city;
use tests::database::TestDatabase;
use tests::eventually;
use tests::oracle::assert_exact;
use tests::sensors::{Told, says, told};
use tests::serve_process::ServeProcess;
use tests::serving::{Serving, text};

type At = DateTime<Utc>;

fn now() -> At {
    Utc::now().trunc_subsecs(6)
}

fn told_battery(device: &str, at: At, seq: i64, battery_mv: i32) -> Told {
    let payload = json!({"device": device, "at": at, "seq": seq, "occupied": false,
        "battery_mv": battery_mv});
    Told {
        topic: format!("clearbay/v1/devices/{device}/up"),
        payload: payload.to_string().into_bytes(),
    }
}

/// A bay of a lot, as anybody sees it through one of the processes.
async fn bay_state(city: &Serving, process: &ServeProcess, bay: usize) -> Value {
    let url = format!("{}/api/v1/lots/lot-0", process.url());
    let lot: Value = city
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    lot["bays"][bay]["state"].clone()
}

/// What staff are told through one of the processes, with a cookie.
async fn repairs(city: &Serving, process: &ServeProcess, cookie: &str) -> Value {
    let url = format!("{}/api/v1/staff/devices", process.url());
    let request = city.client.get(url).header("cookie", cookie);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_silent_device_is_lost_and_restored_and_a_weak_battery_stands_after_it() {
    let city = Serving::place(&city::small(1, 4), Broker::mosquitto()).await;
    let start = now();
    let ago = |minutes| start - TimeDelta::minutes(minutes);
    let messages = [
        told("lot-0-0-sensor", ago(120), 1, true),
        told_battery("lot-0-1-sensor", ago(5), 1, 3_120),
        told_battery("lot-0-2-sensor", ago(5), 1, 3_590),
    ];
    city.sense(&messages, 3, "event").await;
    // Every process looks at all sensors when it starts.
    let second = city.another().await;
    let cookie = city.staff("city", None).await;
    eventually("what is wrong", || async {
        faults(&city.database).await.len() == 2
    })
    .await;
    let found = repairs(&city, &second, &cookie).await;
    assert_eq!(
        (&found["devices"], &found["well"]),
        (&json!(4), &json!(2)),
        "{found}"
    );
    let listed: Vec<(&Value, &Value, &Value, &Value)> = found["repairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let fault = &row["faults"][0];
            (
                &row["bay"],
                &fault["kind"],
                &fault["since"],
                &row["battery_mv"],
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            (
                &json!("lot-0-0"),
                &json!("comms_lost"),
                &json!(ago(60)),
                &Value::Null
            ),
            (
                &json!("lot-0-1"),
                &json!("battery"),
                &json!(ago(5)),
                &json!(3_120)
            ),
        ]
    );
    assert_eq!(bay_state(&city, &second, 0).await, "unknown");
    assert_eq!(bay_state(&city, &second, 1).await, "free");

    let back = told("lot-0-0-sensor", start, 2, true);
    city.sense(&[back], 4, "event").await;
    let _third = city.another().await;
    eventually("that it is back", || async {
        faults(&city.database).await[0].3 == Some(start)
    })
    .await;
    let rows = faults(&city.database).await;
    assert_eq!(rows[1].3, None, "the battery is still weak");
    let events = sqlx::query_as("SELECT event_type, at FROM device_comms_event ORDER BY at");
    let events: Vec<(String, At)> = events.fetch_all(&city.database.pool).await.unwrap();
    let events: Vec<_> = events.iter().map(|(kind, at)| (&**kind, *at)).collect();
    assert_eq!(events, [("comms_lost", ago(60)), ("comms_restored", start)]);
}

#[tokio::test]
async fn a_device_that_never_spoke_is_missed_from_its_limit_on() {
    let database = TestDatabase::create().await;
    let start = now();
    let store = &database.store;
    store.place_import(&city::small(1, 2), start).await.unwrap();
    let minutes = TimeDelta::minutes;
    assert_eq!(assess(&database, start + minutes(59)).await.begun, 0);
    assert_eq!(assess(&database, start + minutes(70)).await.begun, 2);
    assert_eq!(assess(&database, start + minutes(80)).await.begun, 0);
    let (_, kind, since, until) = faults(&database).await[0].clone();
    assert_eq!((kind.as_str(), until), ("comms_lost", None));
    assert_eq!(since, start + minutes(60));
    // A device that is taken away has no fault any more.
    let taken = start + minutes(90);
    let removed = store.devices_remove(&["lot-0-0-sensor"], taken, taken);
    removed.await.unwrap();
    let gone = start + minutes(91);
    assert_eq!(assess(&database, gone).await.ended, 1);
    assert_eq!(
        database.count("device_comms_event").await,
        2,
        "not restored"
    );
    let of = DevicesOf::City {
        city: "hn",
        operator: None,
    };
    let health = store.device_health(of, 10, gone).await.unwrap();
    assert_eq!((health.devices, health.faulty), (1, 1));
    assert_eq!(health.repairs[0].bay, "lot-0-1");
}

/// Hourly words of a sensor that never changes, over so many hours until `end`.
fn unchanging(device: &str, hours: i64, end: At) -> Vec<Told> {
    let word = |n| told(device, end - TimeDelta::minutes(50 * n), 1_000 - n, true);
    (0..=hours * 60 / 50).map(word).collect()
}

/// A vehicle every four hours, over so many hours until `end`; an even number of events.
fn lively(device: &str, hours: i64, end: At) -> Vec<Told> {
    let word = |n: i64| {
        let at = end - TimeDelta::minutes(50 * n);
        told(device, at, 1_000 - n, n % 5 < 2)
    };
    (0..=hours * 60 / 50).map(word).collect()
}

#[tokio::test]
async fn a_sensor_that_is_stuck_is_unknown_until_it_lives() {
    let city = Serving::place(&city::small(1, 5), Broker::mosquitto()).await;
    let end = now() - TimeDelta::minutes(1);
    let mut messages = unchanging("lot-0-0-sensor", 96, end);
    for bay in 1..5 {
        messages.extend(lively(&format!("lot-0-{bay}-sensor"), 96, end));
    }
    let count = messages.len() as i64;
    city.sense(&messages, count, "event").await;
    let day = bucket_of(end - TimeDelta::days(1));
    let path = format!(
        "/api/v1/lots/lot-0/occupancy?from={}&to={}&step=15",
        day.format("%Y-%m-%dT%H:%M:%SZ"),
        (day + TimeDelta::minutes(15)).format("%Y-%m-%dT%H:%M:%SZ"),
    );
    let unknown = || async { city.json(&path).await["rows"][0]["unknown"].clone() };
    // The first process may have looked at its sensors while they had told only a part.
    let second = city.another().await;
    eventually("the doubt", || async {
        bay_state(&city, &second, 0).await == "unknown"
    })
    .await;
    for bay in 1..5 {
        assert_ne!(bay_state(&city, &second, bay).await, "unknown");
    }
    assert_eq!(unknown().await, json!(1.0), "in the past as well");
    assert_exact(&city.database, "stuck").await;
    let rows = faults(&city.database).await;
    let kinds: Vec<_> = rows.iter().map(|row| (&*row.0, &*row.1, row.3)).collect();
    assert_eq!(kinds, [("lot-0-0-sensor", "stuck", None)]);
    let cookie = city.staff("city", None).await;
    let found = repairs(&city, &second, &cookie).await;
    let detail = &found["repairs"][0]["faults"][0]["detail"];
    assert_eq!(detail["occupied"], json!(true), "{found}");
    let page = city
        .client
        .get(format!("{}/staff/devices?lang=en", second.url()));
    let page = page.header("cookie", &cookie).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("4 of 5 sensors are well"), "{page}");
    assert!(page.contains("Stuck") && page.contains("always says occupied"));

    // Its word is not believed; but that it changes shows that it lives.
    let free = told("lot-0-0-sensor", now(), 2_000, false);
    city.sense(&[free], count + 1, "event").await;
    assert_eq!(bay_state(&city, &second, 0).await, "unknown");
    let third = city.another().await;
    eventually("that it is believed again", || async {
        bay_state(&city, &third, 0).await == "free"
    })
    .await;
    assert_exact(&city.database, "alive").await;
    assert_eq!(unknown().await, json!(1.0), "what was in doubt stays so");
    let page = city
        .client
        .get(format!("{}/staff/devices?lang=en", third.url()));
    let page = page.header("cookie", &cookie).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("All sensors are well"));
}

#[tokio::test]
async fn messages_refused_for_their_time_tell_of_a_clock() {
    let city = Serving::place(&city::small(1, 2), Broker::mosquitto()).await;
    let device = "lot-0-0-sensor";
    let right = [
        told(device, now(), 1, true),
        told("lot-0-1-sensor", now(), 1, true),
    ];
    city.sense(&right, 2, "event").await;
    let ahead = |n| told(device, now() + TimeDelta::hours(3), n, true);
    city.sense(&[ahead(2), ahead(3), ahead(4)], 3, "refused_message")
        .await;
    let second = city.another().await;
    eventually("the doubt", || async {
        bay_state(&city, &second, 0).await == "unknown"
    })
    .await;
    assert_eq!(bay_state(&city, &second, 1).await, "occupied");
    let rows = faults(&city.database).await;
    let kinds: Vec<_> = rows.iter().map(|row| (&*row.0, &*row.1, row.3)).collect();
    assert_eq!(kinds, [(device, FaultKind::Clock.code(), None)]);
    // That it was offline and sends late is no fault.
    let late = |n| {
        told(
            "lot-0-1-sensor",
            now() - TimeDelta::minutes(40 - n),
            n,
            n % 2 == 0,
        )
    };
    city.sense(&[late(2), late(3), late(4), late(5)], 6, "event")
        .await;
    assess(&city.database, now()).await;
    assert_eq!(faults(&city.database).await.len(), 1);
}

#[tokio::test]
async fn staff_see_their_own_operator_s_sensors_only() {
    let city = Serving::city(80).await;
    let ours = city.staff("ours", Some("HKP")).await;
    let all = city.staff("city", None).await;
    let get = |path: &'static str, cookie: &str| {
        let request = city.get(path).header("cookie", cookie);
        async move { request.send().await.unwrap() }
    };
    for (path, cookie, status) in [
        ("/api/v1/staff/devices", "", StatusCode::UNAUTHORIZED),
        (
            "/api/v1/staff/devices?lot=HK-01",
            "clearbay_staff=wrong",
            StatusCode::UNAUTHORIZED,
        ),
        // HK-01 is HKP's, CN-01 is not.
        ("/api/v1/staff/devices?lot=HK-01", &*ours, StatusCode::OK),
        (
            "/api/v1/staff/devices?lot=CN-01",
            &*ours,
            StatusCode::FORBIDDEN,
        ),
        ("/api/v1/staff/devices?lot=CN-01", &*all, StatusCode::OK),
        (
            "/api/v1/staff/devices?lot=nowhere",
            &*all,
            StatusCode::NOT_FOUND,
        ),
        (
            "/api/v1/staff/devices?lot=%00",
            &*all,
            StatusCode::NOT_FOUND,
        ),
        ("/staff/devices", &*ours, StatusCode::OK),
        ("/staff/devices?lot=CN-01", &*ours, StatusCode::FORBIDDEN),
        ("/staff/devices?lot=nowhere", &*all, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(get(path, cookie).await.status(), status, "{path}");
    }
    // Every sensor of the city has been silent for a day.
    let limit = ingest::decoder::battery_limit_mv;
    let later = now() + TimeDelta::days(1);
    let store = &city.database.store;
    let found = store.devices_assess(Checkup::Quick, limit, later).await;
    assert_eq!(found.unwrap().unwrap().begun, 80);
    let count = |reply: Value| {
        let lots = reply["repairs"].as_array().unwrap().iter();
        let lots: std::collections::BTreeSet<_> = lots.map(|row| text(&row["lot"])).collect();
        (reply["devices"].as_i64().unwrap(), lots)
    };
    let (ours_count, ours_lots) = count(
        get("/api/v1/staff/devices", &ours)
            .await
            .json()
            .await
            .unwrap(),
    );
    let (all_count, all_lots) = count(
        get("/api/v1/staff/devices", &all)
            .await
            .json()
            .await
            .unwrap(),
    );
    assert!(ours_lots.contains("HK-01") && !ours_lots.contains("CN-01"));
    assert!(all_lots.contains("CN-01"));
    assert!(0 < ours_count && ours_count < all_count && all_count == 80);
    let page = get("/staff/devices", "").await.text().await.unwrap();
    assert!(
        page.contains("/staff/login"),
        "who is not signed in is asked to"
    );
    let page = get("/staff", &ours).await.text().await.unwrap();
    assert!(
        page.contains(&format!("<b>{ours_count}</b>")),
        "the list is linked"
    );
}

#[tokio::test]
async fn a_lost_sensor_s_time_is_neither_sensed_nor_depends_on_the_range() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let now = now();
    let arrived = now - TimeDelta::days(2);
    store
        .place_import(&city::small(1, 2), arrived)
        .await
        .unwrap();
    let hour = TimeDelta::hours(1);
    // One vehicle comes and its sensor says nothing more; another stays for three hours, into the
    // range's next day or not.
    says(store, "lot-0-0-sensor", &[(arrived, arrived, true)]).await;
    let words = [0, 1, 2, 3].map(|n| (arrived + hour * n, arrived + hour * n, n < 3));
    says(store, "lot-0-1-sensor", &words).await;
    assess(&database, now).await;
    let sensed = async |to: At| {
        let from = arrived - hour;
        let found = store.report_sensed_paid("hn", from, to, now).await;
        let days = found.unwrap();
        days.iter()
            .map(|day| (day.stays, day.sensed_s))
            .collect::<Vec<_>>()
    };
    let expected = [(2, 3_600 + 3 * 3_600)];
    for to in [arrived + TimeDelta::seconds(1), now] {
        assert_eq!(sensed(to).await, expected, "{to}");
    }
}

#[tokio::test]
async fn a_sensor_that_flaps_where_another_did_is_found() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let now = now();
    let minutes = |n| now - TimeDelta::minutes(n);
    store
        .place_import(&city::small(1, 1), minutes(600))
        .await
        .unwrap();
    let flaps = |from: At| {
        let word = |n: i32| (from + TimeDelta::seconds(10) * n, now, n % 2 == 0);
        (0..40).map(word).collect::<Vec<_>>()
    };
    says(store, "lot-0-0-sensor", &flaps(minutes(50))).await;
    let mut place = city::small(1, 1);
    place.lots[0].bays[0].device.as_mut().unwrap().id = "other".to_owned();
    store.place_import(&place, minutes(30)).await.unwrap();
    says(store, "other", &flaps(minutes(20))).await;
    assess(&database, now).await;
    let found: Vec<(String, At)> = sqlx::query_as(
        "SELECT name, since FROM device_fault JOIN device USING (device_id) WHERE kind = 'flapping'",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert_eq!(found, [("other".to_owned(), minutes(20))]);
    assert_exact(&database, "flapping").await;
}
