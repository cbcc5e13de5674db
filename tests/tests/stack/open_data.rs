//! Open data: every format checked by something that we did not write, nothing of a person in any, and unknown
//! said as unknown in each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use api::open::catalogue::TOPICS;
use api::open::{FEEDS, Source};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::place::{LotKind, Place, VehicleClass};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::sensors::{Listener, Told, publish, told};
use tests::serving::{Serving, text};
use tests::{city, eventually};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Three lots: one with two days of past, one that has only just spoken, one that never did.
fn place() -> Place {
    let mut place = city::small(3, 4);
    let positions = [[105.85, 21.03], [105.83, 21.05], [105.81, 21.01]];
    for (lot, position) in place.lots.iter_mut().zip(positions) {
        lot.position = position;
        for (index, bay) in lot.bays.iter_mut().enumerate() {
            let east = 2.5 * index as f32;
            bay.outline = [[0.0, 0.0], [2.5, 0.0], [2.5, 5.0], [0.0, 5.0]]
                .map(|[x, y]: [f32; 2]| [x + east, y]);
        }
    }
    let street = &mut place.lots[1];
    street.kind = LotKind::Street;
    street.name = "Phố \"Bà Triệu\", đoạn 1".to_owned();
    for bay in &mut street.bays {
        bay.class = VehicleClass::Motorbike;
    }
    place.lots[0].bays[1].amenities.accessible = true;
    place.lots[0].bays[1].amenities.charging = true;
    let hanoi = simulator::city::hanoi(80).unwrap();
    // A motorbike's price goes by parts of the day.
    let all = hanoi.zones.iter().flat_map(|zone| &zone.tariffs);
    let motorbikes = all.filter(|tariff| tariff.class == VehicleClass::Motorbike);
    place.zones[0].tariffs.extend(motorbikes.take(1).cloned());
    place
}

/// The hour that began three to four hours ago; the same all through a test, though the clock may strike.
fn base() -> DateTime<Utc> {
    static BASE: OnceLock<DateTime<Utc>> = OnceLock::new();
    *BASE.get_or_init(|| {
        Utc::now().duration_trunc(TimeDelta::hours(1)).unwrap() - TimeDelta::hours(3)
    })
}

/// A city with a past: in `lot-0` a vehicle stayed for an hour, another still stands, a bay is free and one has
/// never been heard of; in `lot-1` one bay of four has just said that it is free.
async fn with_a_past() -> Serving {
    let place = place();
    let city = Serving::with(&place, Broker::rumqttd(), Vec::new(), None).await;
    let base = base();
    let minutes = (Utc::now() - base).num_minutes();
    let mut messages = Vec::new();
    for (bay, changes) in [
        ("lot-0-0", vec![(0, false), (10, true), (70, false)]),
        ("lot-0-1", vec![(0, false)]),
        ("lot-0-2", vec![(0, false), (20, true)]),
    ] {
        // Sensors say every twenty minutes what they see.
        let mut at: BTreeMap<i64, bool> = BTreeMap::new();
        for minute in (0..minutes).step_by(20) {
            let last = changes.iter().rfind(|(from, _)| *from <= minute).unwrap();
            at.insert(minute, last.1);
        }
        at.extend(changes);
        for (seq, (minute, occupied)) in at.into_iter().enumerate() {
            let device = format!("{bay}-sensor");
            let seconds = TimeDelta::seconds(17);
            let at = base + TimeDelta::minutes(minute) + seconds;
            messages.push(told(&device, at, i64::try_from(seq).unwrap() + 1, occupied));
        }
    }
    messages.push(told("lot-1-0-sensor", Utc::now(), 1, false));
    let count = i64::try_from(messages.len()).unwrap();
    city.sense(&messages, count, "event").await;
    eventually("the board to know", || async {
        let lots = city.json("/api/v1/lots").await;
        lots["lots"][0]["unknown"] == 1 && lots["lots"][1]["unknown"] == 3
    })
    .await;
    // Snapshots that were taken before are forgotten.
    eventually("open data to know", || async {
        let live = body(&city, "/open/csv/live.csv").await;
        live.contains("lot-0,4,1,2,1,") && live.contains("lot-1,4,0,1,3,")
    })
    .await;
    city
}

async fn ask(city: &Serving, path: &str) -> Response {
    city.get(path).send().await.unwrap()
}

async fn body(city: &Serving, path: &str) -> String {
    let reply = ask(city, path).await;
    let status = reply.status();
    let body = reply.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

fn hour() -> String {
    base().format("%Y-%m-%dT%H").to_string()
}

/// The address of each feed, with something that exists where it wants an id, and what lets it tell most.
async fn addresses(city: &Serving) -> Vec<(Source, String)> {
    let first = async |list: &str, name: &str| {
        let (path, id) = (format!("/open/cds/curbs/{list}"), format!("curb_{name}_id"));
        text(&city.json(&path).await["data"][list][0][&id])
    };
    let mut addresses = Vec::new();
    for feed in FEEDS {
        let id = match feed.source {
            Source::CdsZone => first("zones", "zone").await,
            Source::CdsArea => first("areas", "area").await,
            Source::CdsSpace => first("spaces", "space").await,
            Source::CdsPolicy => first("policies", "policy").await,
            Source::NgsiEntity => "urn:ngsi-ld:ParkingSpot:clearbay:lot-0-3".to_owned(),
            Source::ParkApiLots => "hn".to_owned(),
            _ => String::new(),
        };
        let query = match feed.source {
            Source::CdsEvents => format!("?event_time={}", hour()),
            Source::NgsiEntities => {
                "?type=ParkingSpot,OnStreetParking,OffStreetParking&limit=100".to_owned()
            }
            _ => String::new(),
        };
        addresses.push((feed.source, feed.path.replace("{id}", &id) + &query));
    }
    addresses
}

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

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap())
        .unwrap_or_default()
}

#[tokio::test]
async fn every_feed_can_be_read_from_any_page_and_is_not_sent_twice() {
    let city = with_a_past().await;
    let document = city.json("/api/openapi.json").await;
    let catalogue = city.json("/open/catalogue.json").await;
    let datasets = catalogue["dataset"].as_array().unwrap();
    assert_eq!(datasets.len(), FEEDS.len() + TOPICS.len());
    let page = body(&city, "/open?lang=en").await;
    let trang = body(&city, "/open?lang=vi").await;
    assert!(body(&city, "/city").await.contains(r#"href="/open""#));
    for (feed, (_, path)) in FEEDS.iter().zip(addresses(&city).await) {
        let reply = ask(&city, &path).await;
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        let headers = reply.headers().clone();
        assert_eq!(
            header(&headers, "access-control-allow-origin"),
            "*",
            "{path}"
        );
        assert_eq!(header(&headers, "content-type"), feed.media[0], "{path}");
        let age: i64 = header(&headers, "cache-control")
            .strip_prefix("public, max-age=")
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=feed.fresh.seconds()).contains(&age), "{path}: {age}");
        let body = reply.text().await.unwrap();
        // What the catalogue says that there is, there is.
        for field in feed.fields {
            let conditional = ["observationDateTime", "validityEnd", "description"];
            assert!(
                body.contains(field) || conditional.contains(field),
                "{path} has no {field}: {body}"
            );
        }
        // Nothing is sent again to who has it.
        let again = city
            .get(&path)
            .header("if-none-match", header(&headers, "etag"));
        let again = again.send().await.unwrap();
        if again.status() == StatusCode::OK {
            // The city's state, as told, has changed meanwhile.
            assert_ne!(
                header(again.headers(), "etag"),
                header(&headers, "etag"),
                "{path}"
            );
        } else {
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
            assert_eq!(header(again.headers(), "etag"), header(&headers, "etag"));
            assert!(again.text().await.unwrap().is_empty());
        }
        let other = city
            .get(&path)
            .header("if-none-match", "\"another\"")
            .send()
            .await
            .unwrap();
        assert_eq!(other.status(), StatusCode::OK, "{path}");
        let known = &document["paths"][feed.path]["get"];
        assert_eq!(known["tags"][0], "open", "{path}");
        assert!(
            page.contains(feed.path) && trang.contains(feed.path),
            "{path}"
        );
        assert!(
            page.contains(feed.title.en) && trang.contains(feed.title.vi),
            "{path}"
        );
    }
    let open = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|path| path.starts_with("/open"));
    assert_eq!(open.count(), FEEDS.len());
    // Nothing changes: the answer is still good.
    let reply = ask(&city, "/open/csv/lots.csv").await;
    let etag = header(reply.headers(), "etag").to_owned();
    let again = city.get("/open/csv/lots.csv").header("if-none-match", etag);
    assert_eq!(
        again.send().await.unwrap().status(),
        StatusCode::NOT_MODIFIED
    );
    let preflight = city.client.request(
        reqwest::Method::OPTIONS,
        format!("{}/open/csv/lots.csv", city.url),
    );
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        header(preflight.headers(), "access-control-allow-origin"),
        "*"
    );
    assert!(header(preflight.headers(), "access-control-allow-headers").contains("if-none-match"));
    for method in [
        reqwest::Method::POST,
        reqwest::Method::PUT,
        reqwest::Method::DELETE,
    ] {
        let request = city
            .client
            .request(method, format!("{}/open/csv/lots.csv", city.url));
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_a_problem_that_says_so() {
    let city = with_a_past().await;
    let id = "0c4a1f0e-3f4c-4a4e-9d5c-8f9a3f0f8a11";
    let year = 365 * 86_400_000_i64;
    let now = Utc::now().timestamp_millis();
    for (path, status) in [
        ("/open/csv/live.csv?lott=1".to_owned(), 400),
        ("/open/geojson/lots?limit=0".to_owned(), 400),
        ("/open/geojson/lots?limit=5001".to_owned(), 400),
        ("/open/geojson/lots?offset=-1".to_owned(), 400),
        ("/open/geojson/lots?limit=1&limit=2".to_owned(), 400),
        ("/open/geojson/bays?lot=nowhere".to_owned(), 404),
        ("/open/geojson/bays?lot=%00".to_owned(), 404),
        ("/open/parkapi/nowhere".to_owned(), 404),
        ("/open/cds/curbs/zones?lat=21".to_owned(), 400),
        (
            "/open/cds/curbs/zones?lat=21&lng=105&radius=-1".to_owned(),
            400,
        ),
        (
            "/open/cds/curbs/zones?lat=NaN&lng=105&radius=1".to_owned(),
            400,
        ),
        (
            "/open/cds/curbs/zones?min_lat=22&max_lat=21&min_lng=105&max_lng=106".to_owned(),
            400,
        ),
        ("/open/cds/curbs/zones?area=x".to_owned(), 400),
        ("/open/cds/curbs/zones?include_geometry=2".to_owned(), 400),
        ("/open/cds/curbs/zones?time=yesterday".to_owned(), 400),
        ("/open/cds/curbs/policies?ids=1,2".to_owned(), 400),
        (format!("/open/cds/curbs/zones/{id}"), 404),
        (format!("/open/cds/curbs/spaces/{id}"), 404),
        (format!("/open/cds/curbs/areas/{id}"), 404),
        (format!("/open/cds/curbs/policies/{id}"), 404),
        ("/open/cds/curbs/zones/nothing".to_owned(), 404),
        ("/open/cds/events/events?event_time=now".to_owned(), 400),
        (
            "/open/cds/events/events?event_time=9999-99-99T99".to_owned(),
            400,
        ),
        (
            format!("/open/cds/events/events?curb_zone_id={id}&curb_area_id={id}"),
            400,
        ),
        (
            "/open/cds/metrics/sessions?curb_place_type=zone".to_owned(),
            400,
        ),
        (
            format!("/open/cds/metrics/sessions?curb_place_type=city&curb_place_id={id}"),
            400,
        ),
        (
            format!(
                "/open/cds/metrics/sessions?start_time={}&end_time={now}",
                now - year
            ),
            400,
        ),
        (
            format!(
                "/open/cds/metrics/sessions?start_time={now}&end_time={}",
                now - year
            ),
            400,
        ),
        (
            format!("/open/cds/metrics/sessions?start_time={}", i64::MIN),
            400,
        ),
        (
            format!(
                "/open/cds/metrics/aggregates?start_time={}&end_time={now}",
                now - year
            ),
            400,
        ),
        (
            "/open/cds/metrics/aggregates?metric_type=revenue".to_owned(),
            400,
        ),
        (
            "/open/apds/v4/places?latitude=21&longitude=105".to_owned(),
            400,
        ),
        ("/open/apds/v4/sessions?end_after=x".to_owned(), 400),
        ("/open/apds/v4/sessions?place=nowhere".to_owned(), 404),
        ("/open/nothing".to_owned(), 404),
    ] {
        let reply = ask(&city, &path).await;
        assert_eq!(reply.status(), status, "{path}");
        if path != "/open/nothing" {
            assert_eq!(
                header(reply.headers(), "content-type"),
                "application/problem+json",
                "{path}"
            );
            assert_eq!(
                header(reply.headers(), "access-control-allow-origin"),
                "*",
                "{path}"
            );
            let problem: Value = reply.json().await.unwrap();
            assert_eq!(problem["status"], status, "{path}");
        }
    }
    // An id of something that is not there has nothing in it.
    let none = city
        .json(&format!("/open/cds/events/events?curb_zone_id={id}"))
        .await;
    assert_eq!(none["data"]["events"], json!([]));
    // NGSI-LD has problems of its own kind.
    for (path, status, kind) in [
        ("/open/ngsi-ld/v1/entities", 400, "BadRequestData"),
        (
            "/open/ngsi-ld/v1/entities?type=ParkingSpot&limit=0",
            400,
            "BadRequestData",
        ),
        (
            "/open/ngsi-ld/v1/entities?type=ParkingSpot&limit=1001",
            400,
            "BadRequestData",
        ),
        (
            "/open/ngsi-ld/v1/entities/urn:ngsi-ld:ParkingSpot:clearbay:none",
            404,
            "ResourceNotFound",
        ),
    ] {
        let reply = ask(&city, path).await;
        assert_eq!(reply.status(), status, "{path}");
        let problem: Value = reply.json().await.unwrap();
        assert_eq!(
            problem["type"],
            format!("https://uri.etsi.org/ngsi-ld/errors/{kind}")
        );
    }
    // What is asked for in a form that there is not is refused; browsers and curl take anything.
    for (accept, status) in [
        ("application/vnd.cds+json;version=1.1", 200),
        ("application/vnd.cds+json;version=1.0", 200),
        ("*/*", 200),
        ("application/vnd.cds+json;version=3.0", 406),
        ("text/html", 406),
    ] {
        let reply = city.get("/open/cds/curbs/zones").header("accept", accept);
        assert_eq!(reply.send().await.unwrap().status(), status, "{accept}");
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
async fn who_asks_too_often_waits() {
    let city = Serving::with_settings(80, &[("CLEARBAY_OPEN_REQUESTS_PER_S", "1")]).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let reply = ask(&city, "/open/parkapi/").await;
        if reply.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(header(reply.headers(), "retry-after"), "1");
            assert_eq!(header(reply.headers(), "access-control-allow-origin"), "*");
        }
        statuses.push(reply.status());
    }
    assert_eq!(statuses[0], StatusCode::OK);
    assert!(
        statuses.contains(&StatusCode::TOO_MANY_REQUESTS),
        "{statuses:?}"
    );
    // Another reader behind the same proxy is not held up, nor are drivers.
    let other = city
        .get("/open/parkapi/")
        .header("x-forwarded-for", "192.0.2.7");
    assert_eq!(other.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask(&city, "/api/v1/lots").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_client_of_ngsi_ld_that_is_not_ours_reads_it() {
    let Ok(python) = std::env::var("CLEARBAY_TEST_NGSI_LD_PYTHON") else {
        println!("skipped: a client of NGSI-LD, for want of Python or of its registry");
        return;
    };
    let city = with_a_past().await;
    // The client knows brokers at the root of a host only: this is what a city's proxy does for it.
    let (url, client) = (city.url.clone(), city.client.clone());
    let proxy = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let (url, client) = (url.clone(), client.clone());
        async move {
            let path = request.uri().path_and_query().unwrap().as_str();
            let mut onward = client.get(format!("{url}/open{path}"));
            if let Some(accept) = request.headers().get("accept") {
                onward = onward.header("accept", accept);
            }
            let reply = onward.send().await.unwrap();
            let (status, headers) = (reply.status(), reply.headers().clone());
            (status, headers, reply.bytes().await.unwrap())
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let serving = tokio::spawn(async move { axum::serve(listener, proxy).await });
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("published/client.py");
    let output = Command::new(python)
        .arg(program)
        .args([&port, "urn:ngsi-ld:ParkingSpot:clearbay:lot-0-3"])
        .output()
        .await
        .unwrap();
    serving.abort();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&found["count"], &found["one"]),
        (&json!(12), &json!("unknown"))
    );
    assert_eq!(found["spots"].as_array().unwrap().len(), 12);
    // Without it: parts and their links, the context in a header, a count only where it is asked for.
    let path = "/open/ngsi-ld/v1/entities?type=ParkingSpot&limit=5&offset=5&count=true";
    let reply = ask(&city, path).await;
    let links: Vec<&str> = reply
        .headers()
        .get_all("link")
        .iter()
        .map(|link| link.to_str().unwrap())
        .collect();
    assert_eq!(header(reply.headers(), "ngsild-results-count"), "12");
    for rel in ["rel=\"next\"", "rel=\"prev\"", "ns/json-ld#context"] {
        assert_eq!(
            links.iter().filter(|link| link.contains(rel)).count(),
            1,
            "{rel}: {links:?}"
        );
    }
    assert!(
        reply.json::<Value>().await.unwrap()[0]
            .get("@context")
            .is_none()
    );
}

/// What lots are told to be over MQTT, until it is what is wanted.
async fn heard(
    listener: &mut Listener,
    lots: &mut BTreeMap<String, Value>,
    wanted: impl Fn(&BTreeMap<String, Value>) -> bool,
) {
    while !wanted(lots) {
        let Told { topic, payload } = listener.next().await;
        let code = topic
            .strip_prefix("clearbay/v1/open/lots/")
            .unwrap()
            .to_owned();
        lots.insert(code, serde_json::from_slice(&payload).unwrap());
    }
}

#[tokio::test]
async fn whoever_listens_is_told_of_each_lot_and_of_each_change() {
    let city = Serving::with(&place(), Broker::rumqttd(), Vec::new(), None).await;
    let mut lots = BTreeMap::new();
    // Retained: it does not matter when a reader comes.
    let mut listener = Listener::subscribe(&city.broker.url, "clearbay/v1/open/lots/+").await;
    heard(&mut listener, &mut lots, |lots| lots.len() == 3).await;
    let lot = &lots["lot-0"];
    assert_eq!(
        (&lot["unknown"], &lot["free"], &lot["occupied"]),
        (&json!(4), &json!(0), &json!(0))
    );
    for field in TOPICS[0].fields {
        assert!(lot.get(field).is_some(), "{field}: {lot}");
    }
    let now = Utc::now();
    let messages = vec![
        told("lot-0-0-sensor", now, 1, true),
        told("lot-0-1-sensor", now, 1, false),
    ];
    publish(&city.broker.url, messages).await;
    heard(&mut listener, &mut lots, |lots| {
        let lot = &lots["lot-0"];
        lot["occupied"] == 1 && lot["free"] == 1 && lot["unknown"] == 2
    })
    .await;
    let mut later = BTreeMap::new();
    let mut listener = Listener::subscribe(&city.broker.url, "clearbay/v1/open/lots/lot-0").await;
    heard(&mut listener, &mut later, |lots| !lots.is_empty()).await;
    assert_eq!(later["lot-0"]["occupied"], 1);
}

#[tokio::test]
async fn who_reads_open_data_at_the_broker_says_nothing_and_hears_nothing_else() {
    let rights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/mosquitto.acl");
    let broker = Broker::mosquitto_with(&format!("acl_file {}", rights.display()));
    let url_of = |user: &str| {
        broker
            .url
            .replace("mqtt://", &format!("mqtt://{user}:any@"))
    };
    let reader = url_of("open-data-reader");
    let message = |topic: &str, payload: &str| Told {
        topic: topic.to_owned(),
        payload: payload.as_bytes().to_vec(),
    };
    let mut listener = Listener::subscribe(&reader, "clearbay/v1/#").await;
    let lie = message("clearbay/v1/open/lots/lot-0", "a lie");
    publish(&reader, vec![lie]).await;
    publish(
        &url_of("clearbay-ingest"),
        vec![message("clearbay/v1/occupancy/lot-0", "inside")],
    )
    .await;
    publish(
        &url_of("clearbay-serve"),
        vec![message("clearbay/v1/open/lots/lot-0", "true")],
    )
    .await;
    assert_eq!(listener.next().await.payload, b"true");
}
