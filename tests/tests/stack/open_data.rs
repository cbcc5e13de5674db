//! Open data: every format checked by something that we did not write, nothing of a person in any, and unknown
//! said as unknown in each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::open_city::{addresses, base, body, hour, with_a_past};
use tests::serving::text;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What published schemas and others' checkers find wrong with answers; nothing where there is no Python.
async fn wrong(answers: &[(&str, &str, String)]) -> Vec<String> {
    let Ok(python) = std::env::var("CLEARBAY_TEST_OPEN_DATA_PYTHON") else {
        println!("skipped: published schemas, for want of Python or of its registry");
        return Vec::new();
    };
    let answers: Vec<Value> = answers
        .iter()
        .map(|(format, what, body)| json!({"format": format, "what": what, "body": body}))
        .collect();
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("published/check.py");
    let mut child = Command::new(python)
        .arg(check)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(json!(answers).to_string().as_bytes())
        .await
        .unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "the checker failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn every_feed_is_what_its_standard_wants() {
    let city = with_a_past().await;
    let hour = hour();
    let mut answers = Vec::new();
    for (format, what, path) in [
        ("cds", "zones", "/open/cds/curbs/zones"),
        ("cds", "areas", "/open/cds/curbs/areas"),
        ("cds", "spaces", "/open/cds/curbs/spaces"),
        ("cds", "policies", "/open/cds/curbs/policies"),
        (
            "cds",
            "events",
            &format!("/open/cds/events/events?event_time={hour}"),
        ),
        ("cds", "status", "/open/cds/events/status"),
        ("cds-table", "session", "/open/cds/metrics/sessions"),
        ("cds-table", "aggregate", "/open/cds/metrics/aggregates"),
        ("apds", "places", "/open/apds/v4/places"),
        ("apds", "rates", "/open/apds/v4/rates"),
        ("apds", "rights", "/open/apds/v4/rights/specs"),
        ("apds", "sessions", "/open/apds/v4/sessions"),
        (
            "ngsi",
            "normalized",
            "/open/ngsi-ld/v1/entities?type=ParkingSpot,OnStreetParking,OffStreetParking&limit=100",
        ),
        (
            "ngsi",
            "simplified",
            "/open/ngsi-ld/v1/entities?type=ParkingSpot,OnStreetParking,OffStreetParking&limit=100&options=keyValues",
        ),
        ("parkapi", "cities", "/open/parkapi/"),
        ("parkapi", "lots", "/open/parkapi/hn"),
        ("geojson", "lots", "/open/geojson/lots"),
        ("geojson", "bays", "/open/geojson/bays"),
    ] {
        let request = city.get(path);
        // Their schema wants the context in each entity.
        let request = match format {
            "ngsi" => request.header("accept", "application/ld+json"),
            _ => request,
        };
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        answers.push((format, what, reply.text().await.unwrap()));
    }
    assert_eq!(wrong(&answers).await, Vec::<String>::new());
    // The checker can fail: each in its own way.
    let broken = |format: &'static str, what: &'static str, from: &str, to: &str| {
        let known = answers
            .iter()
            .find(|answer| answer.0 == format && answer.1 == what);
        let body = known.unwrap().2.replace(from, to);
        assert_ne!(body, known.unwrap().2, "{format} {what} has no {from}");
        (format, what, body)
    };
    let broken = [
        broken("cds", "zones", "curb_zone_id", "curb_zone"),
        broken("cds", "spaces", "\"Polygon\"", "\"Poly\""),
        broken("cds", "events", "park_start", "parked"),
        broken("cds", "policies", "\"hour\"", "\"hours\""),
        broken("cds-table", "aggregate", "occupancy_percent", "occupancy"),
        broken("apds", "places", "timeZone", "time_zone"),
        broken("apds", "sessions", "segments", "parts"),
        broken("ngsi", "simplified", "\"unknown\"", "\"silent\""),
        broken("ngsi", "normalized", "GeoProperty", "Geo"),
        broken("parkapi", "lots", "nodata", "full"),
        broken("geojson", "bays", "[105.8", "[305.8"),
    ];
    if std::env::var("CLEARBAY_TEST_OPEN_DATA_PYTHON").is_ok() {
        for answer in broken {
            let found = wrong(std::slice::from_ref(&answer)).await;
            assert!(
                !found.is_empty(),
                "nothing is wrong with {} {}",
                answer.0,
                answer.1
            );
        }
    }
}

/// The columns of a table by their names.
fn rows(table: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells = line.split(',').map(str::to_owned);
        names
            .iter()
            .map(|name| (*name).to_owned())
            .zip(cells)
            .collect()
    };
    lines.map(row).collect()
}

#[tokio::test]
async fn unknown_is_neither_free_nor_full_in_any_feed() {
    let city = with_a_past().await;
    // lot-0: one occupied, two free, one unknown; lot-2: nothing is known.
    let zones = city.json("/open/cds/curbs/zones").await["data"]["zones"].clone();
    let free: Vec<&Value> = zones
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| &zone["available_spaces"])
        .collect();
    assert_eq!(free, [&json!(2), &json!(1), &Value::Null]);
    let spaces = city.json("/open/cds/curbs/spaces").await["data"]["spaces"].clone();
    let available = spaces
        .as_array()
        .unwrap()
        .iter()
        .map(|space| (text(&space["name"]), space["available"].as_bool()));
    let available: BTreeMap<String, Option<bool>> = available.collect();
    assert_eq!(available["lot-0-1"], Some(true));
    assert_eq!(available["lot-0-2"], Some(false));
    assert_eq!(available["lot-0-3"], None);
    assert_eq!(available["lot-2-0"], None);
    let status = city.json("/open/cds/events/status").await["data"]["status"].clone();
    let online = status
        .as_array()
        .unwrap()
        .iter()
        .filter(|sensor| sensor["sensor_status_is_online"] == true);
    assert_eq!((online.count(), status.as_array().unwrap().len()), (4, 12));

    let places = city.json("/open/apds/v4/places").await["data"].clone();
    let level = |index: usize| {
        places[index]["occupancyLevel"]["occupancyIndicator"]["entryDefinedValue"].clone()
    };
    assert_eq!(
        [level(0), level(1), level(2)],
        ["spacesAvailable", "spacesAvailable", "unknown"]
    );
    let demand =
        |index: usize| &places[index]["hierarchyElementReference"]["demandTable"][0]["demandType"];
    assert_eq!(demand(0)[0]["count"], 1);
    assert_eq!(demand(0)[0]["percentage"], 33.3);
    assert_eq!(demand(2), &Value::Null);

    let entities = "/open/ngsi-ld/v1/entities?options=keyValues&limit=100&type=";
    let spots = city.json(&format!("{entities}ParkingSpot")).await;
    let states = spots
        .as_array()
        .unwrap()
        .iter()
        .map(|spot| (text(&spot["name"]), text(&spot["status"])));
    let states: BTreeMap<String, String> = states.collect();
    let state = |bay: &str| states[bay].as_str();
    assert_eq!(
        [state("lot-0-1"), state("lot-0-2"), state("lot-0-3")],
        ["free", "occupied", "unknown"]
    );
    let lots = city.json(&format!("{entities}OffStreetParking")).await;
    assert_eq!(lots[0]["availableSpotNumber"], 2);
    assert_eq!(
        (&lots[1]["availableSpotNumber"], &lots[1]["totalSpotNumber"]),
        (&Value::Null, &json!(4))
    );

    let lots = city.json("/open/parkapi/hn").await["lots"].clone();
    assert_eq!(
        (&lots[0]["state"], &lots[0]["free"], &lots[0]["unknown"]),
        (&json!("open"), &json!(2), &json!(1))
    );
    assert_eq!(
        (&lots[2]["state"], &lots[2]["free"], &lots[2]["unknown"]),
        (&json!("nodata"), &Value::Null, &json!(4))
    );

    let bays = city.json("/open/geojson/bays?lot=lot-0").await["features"].clone();
    assert_eq!(bays[3]["properties"]["state"], "unknown");
    let live = rows(&body(&city, "/open/csv/live.csv").await);
    let counts =
        |index: usize| ["occupied", "free", "unknown"].map(|name| live[index][name].clone());
    assert_eq!(
        [counts(0), counts(1), counts(2)],
        [["1", "2", "1"], ["0", "1", "3"], ["0", "0", "4"]]
    );
}

#[tokio::test]
async fn hours_without_data_are_minus_one_and_the_others_are_the_figures_of_the_api() {
    let city = with_a_past().await;
    let base = base();
    let (from, to) = (base - TimeDelta::hours(1), base + TimeDelta::hours(2));
    let path = format!(
        "/open/cds/metrics/aggregates?start_time={}&end_time={}",
        from.timestamp_millis(),
        to.timestamp_millis()
    );
    let table = rows(&body(&city, &path).await);
    let zones = city.json("/open/cds/curbs/zones").await["data"]["zones"].clone();
    let zone = |index: usize| text(&zones[index]["curb_zone_id"]);
    let value = |zone: &str, metric: &str, at: DateTime<Utc>| {
        let local = at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
        let (date, hour) = (
            local.date_naive().to_string(),
            local.format("%-H").to_string(),
        );
        let mut found = table.iter().filter(|row| {
            row["curb_place_id"] == zone
                && row["metric_type"] == metric
                && row["date"] == date
                && row["hour"] == hour
        });
        let value = found.next().map(|row| row["value"].clone());
        assert!(found.next().is_none(), "twice");
        value.unwrap_or_default()
    };
    for metric in [
        "total_sessions",
        "turnover",
        "average_dwell_time",
        "occupancy_percent",
    ] {
        // Before anything was heard, and of lots that were silent.
        assert_eq!(value(&zone(0), metric, from), "-1", "{metric}");
        for index in [1, 2] {
            assert_eq!(value(&zone(index), metric, base), "-1", "{metric}");
        }
    }
    // Two came, one of them stayed for an hour; of 3 bays' hour, 50 and 40 minutes were occupied.
    assert_eq!(value(&zone(0), "total_sessions", base), "2");
    assert_eq!(value(&zone(0), "average_dwell_time", base), "60");
    let share: f64 = value(&zone(0), "occupancy_percent", base).parse().unwrap();
    let told = city
        .json(&format!(
            "/api/v1/lots/lot-0/occupancy?from={}&to={}&step=60",
            base.format("%Y-%m-%dT%H:%M:%SZ"),
            to.format("%Y-%m-%dT%H:%M:%SZ")
        ))
        .await;
    let row = &told["rows"][0];
    let (occupied, free) = (
        row["occupied"].as_f64().unwrap(),
        row["free"].as_f64().unwrap(),
    );
    assert!(
        (share - 0.5).abs() < 0.01 && (share - occupied / (occupied + free)).abs() < 0.01,
        "{share}: {row}"
    );
    // Nobody came in the second hour: of no stay there is no average.
    assert_eq!(
        value(&zone(0), "total_sessions", base + TimeDelta::hours(1)),
        "0"
    );
    assert_eq!(
        value(&zone(0), "average_dwell_time", base + TimeDelta::hours(1)),
        ""
    );
    // The ward has all three: most of it is unknown.
    let area = text(&zones[0]["curb_area_ids"][0]);
    let path = format!("{path}&curb_place_type=area&curb_place_id={area}&metric_type=turnover");
    let table = rows(&body(&city, &path).await);
    assert!(
        table
            .iter()
            .all(|row| row["curb_place_id"] == area && row["value"] == "-1"),
        "{table:?}"
    );
    assert_eq!(table.len(), 3);
}

#[tokio::test]
async fn stays_are_given_out_once_they_have_ended_to_the_minute_and_each_list_has_names_of_its_own()
{
    let city = with_a_past().await;
    let sessions = rows(&body(&city, "/open/cds/metrics/sessions").await);
    // The vehicle that still stands there is in no list of sessions.
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let (start, end) = (
        base() + TimeDelta::minutes(10),
        base() + TimeDelta::minutes(70),
    );
    let session = &sessions[0];
    assert_eq!(
        session["event_time_start"],
        start.timestamp_millis().to_string()
    );
    assert_eq!(
        session["event_time_end"],
        end.timestamp_millis().to_string()
    );
    let path = format!("/open/cds/events/events?event_time={}", hour());
    let events = city.json(&path).await;
    let events = events["data"]["events"].as_array().unwrap();
    let kinds: Vec<(String, i64)> = events
        .iter()
        .map(|event| {
            (
                text(&event["event_type"]),
                event["event_time"].as_i64().unwrap(),
            )
        })
        .collect();
    let began = |minute: i64| {
        (
            "park_start".to_owned(),
            (base() + TimeDelta::minutes(minute)).timestamp_millis(),
        )
    };
    assert_eq!(kinds, [began(20), began(10)]);
    assert_eq!(session["event_id_start"], text(&events[1]["event_id"]));
    assert_eq!(
        session["event_session_id"],
        text(&events[1]["event_session_id"])
    );
    let apds = city.json("/open/apds/v4/sessions").await["data"].clone();
    assert_eq!(apds.as_array().unwrap().len(), 1);
    assert_eq!(
        apds[0]["actualStart"],
        start.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    );
    let names: BTreeSet<String> = [
        text(&apds[0]["id"]),
        text(&apds[0]["segments"][0]["id"]),
        text(&apds[0]["identifiedCredentials"][0]["identifier"]["id"]),
        session["event_session_id"].clone(),
        session["event_id_start"].clone(),
        session["event_id_end"].clone(),
    ]
    .into();
    assert_eq!(names.len(), 6);
    // Asked again they are the same, from another process, too.
    let another = city.another().await;
    let again = city
        .client
        .get(format!("{}/open/cds/metrics/sessions", another.url()));
    let again = rows(&again.send().await.unwrap().text().await.unwrap());
    assert_eq!(again, sessions);
}

#[tokio::test]
async fn no_feed_tells_anything_of_a_person() {
    let city = with_a_past().await;
    let open = city.paid_session("lot-0-2", 60).await;
    let payment = city.payment(&open).await;
    let receipt = text(&payment["receipt_id"]);
    let short = |id: &str| id.replace('-', "");
    let secrets = [
        "30A",
        "12345",
        "123.45",
        "sensor\"",
        "lot-0-2-sensor",
        "970418",
        "1234567890",
        &open.session,
        &open.token,
        &open.payment,
        &open.reference,
        &receipt,
        &short(&open.session),
        &short(&receipt),
    ]
    .map(str::to_owned);
    for (source, path) in addresses(&city).await {
        let body = body(&city, &path).await;
        for secret in &secrets {
            assert!(
                !body.contains(secret.as_str()),
                "{source:?} tells {secret}: {body}"
            );
        }
    }
}

#[tokio::test]
async fn lists_are_read_part_by_part_and_by_place() {
    let city = with_a_past().await;
    let mut path = "/open/cds/curbs/spaces?limit=5".to_owned();
    let mut names = Vec::new();
    loop {
        let part = city.json(&path).await;
        let spaces = part["data"]["spaces"].as_array().unwrap();
        names.extend(spaces.iter().map(|space| text(&space["name"])));
        let Some(next) = part["links"]["next"].as_str() else {
            break;
        };
        path = next.strip_prefix(&city.url).unwrap().to_owned();
    }
    let all: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), all.len()), (12, 12));
    // A circle around lot-1: the nearest first.
    let near = "/open/cds/curbs/zones?lat=21.05&lng=105.83&radius=1000000";
    let zones = city.json(near).await["data"]["zones"].clone();
    let codes: Vec<String> = zones
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| text(&zone["user_zone_id"]))
        .collect();
    assert_eq!(codes, ["lot-1", "lot-0", "lot-2"]);
    let inside = "/open/cds/curbs/zones?min_lat=21.0&max_lat=21.02&min_lng=105.8&max_lng=105.82&include_geometry=false";
    let zones = city.json(inside).await["data"]["zones"].clone();
    assert_eq!(
        (zones.as_array().unwrap().len(), &zones[0]["user_zone_id"]),
        (1, &json!("lot-2"))
    );
    assert_eq!(zones[0].get("geometry"), None);
    // Zones name policies that there are, and their own vehicles' only.
    let zones = city.json("/open/cds/curbs/zones").await["data"]["zones"].clone();
    let ids: Vec<String> = zones[1]["curb_policy_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    let path = format!("/open/cds/curbs/policies?ids={}", ids.join(","));
    let policies = city.json(&path).await["data"]["policies"].clone();
    assert_eq!(policies.as_array().unwrap().len(), ids.len());
    for policy in policies.as_array().unwrap() {
        assert_eq!(policy["rules"][0]["user_classes"], json!(["motorcycle"]));
    }
    // A car's first hour costs what the quote says.
    let path = format!(
        "/open/cds/curbs/policies/{}",
        text(&zones[0]["curb_policy_ids"][0])
    );
    let rate = city.json(&path).await["data"]["rules"][0]["rate"][0].clone();
    assert_eq!(
        (&rate["rate"], &rate["rate_unit"]),
        (&json!(25_000), &json!("hour"))
    );
}

#[tokio::test]
async fn places_have_the_codes_of_the_log_beside_their_names_and_prices_are_told_in_vietnamese() {
    let city = with_a_past().await;
    let lot = city.json("/open/geojson/lots").await["features"][0]["properties"].clone();
    let table = rows(&body(&city, "/open/csv/lots.csv").await);
    let revenue = "/api/v1/reports/revenue?by=";
    city.paid_session("lot-0-2", 60).await;
    for (name, code) in [("ward", "hoan-kiem"), ("operator", "khai-thac")] {
        let row = city.json(&format!("{revenue}{name}")).await["rows"][0].clone();
        assert_eq!(row["key"], code);
        assert_eq!(lot[format!("{name}_code")], code, "{lot}");
        assert_eq!(lot[name], row["name"]);
        assert_eq!(table[0][&format!("{name}_code")], code);
        assert_eq!(table[0][name], text(&row["name"]));
    }
    for (path, field) in [
        ("/open/apds/v4/rights/specs", "description"),
        ("/open/apds/v4/rates", "rateTableName"),
    ] {
        let data = city.json(path).await["data"].clone();
        let mut vehicles = BTreeSet::new();
        for told in data.as_array().unwrap() {
            let words = |language: &str| {
                let mut all = told[field].as_array().unwrap().iter();
                let found = all.find(|word| word["language"] == language);
                text(&found.unwrap()["string"])
            };
            let (vi, en) = (words("vi"), words("en"));
            assert!(!vi.contains("car") && !vi.contains("motorbike"), "{vi}");
            for (vietnamese, english) in [("ô tô", "car"), ("xe máy", "motorbike")] {
                assert_eq!(vi.contains(vietnamese), en.contains(english), "{vi}; {en}");
                if vi.contains(vietnamese) {
                    vehicles.insert(english);
                }
            }
        }
        assert_eq!(vehicles.len(), 2, "{path}: {data}");
    }
}
