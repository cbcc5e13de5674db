//! How open data is offered: a catalogue whose every example can be run, answers that any page may read and that
//! are not sent twice, and problems that say what is wrong.

use api::open::catalogue::{BROKER_OF_THE_CITY, TOPICS};
use api::open::{BESIDE, feeds};
use chrono::Utc;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::citizen::{self, clearbay};
use tests::open_city::{addresses, ask, body, header, with_a_past};
use tests::serving::{Serving, text};

#[tokio::test]
async fn every_feed_can_be_read_from_any_page_and_is_not_sent_twice() {
    let city = with_a_past().await;
    let document = city.json("/api/openapi.json").await;
    let catalogue = city.json("/open/catalogue.json").await;
    let datasets = catalogue["dataset"].as_array().unwrap();
    assert_eq!(
        datasets.len(),
        feeds().count() + BESIDE.len() + TOPICS.len()
    );
    let page = body(&city, "/open?lang=en").await;
    let trang = body(&city, "/open?lang=vi").await;
    assert!(body(&city, "/city").await.contains(r#"href="/open""#));
    for (feed, (_, path)) in feeds().zip(addresses(&city).await) {
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
        // Each parameter with its unit, wherever it is told.
        for param in feed.params {
            let mut all = known["parameters"].as_array().unwrap().iter();
            let told = all.find(|known| known["name"] == param.name).unwrap();
            assert_eq!(told["description"], param.about.en, "{path}");
            assert!(
                page.contains(param.about.en) && trang.contains(param.about.vi),
                "{path}: {}",
                param.name
            );
        }
        let units = feed.standard.unwrap().units;
        assert!(text(&known["description"]).contains(units.en), "{path}");
        assert!(
            page.contains(units.en) && trang.contains(units.vi),
            "{path}"
        );
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
    assert_eq!(open.count(), feeds().count());
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
    for (path, status, kind, wrong) in [
        ("/open/ngsi-ld/v1/entities", 400, "BadRequestData", "type"),
        (
            "/open/ngsi-ld/v1/entities?type=ParkingSpot&limit=0",
            400,
            "BadRequestData",
            "count=true",
        ),
        (
            "/open/ngsi-ld/v1/entities?type=ParkingSpot&limit=1001",
            400,
            "BadRequestData",
            "1000",
        ),
        (
            "/open/ngsi-ld/v1/entities/urn:ngsi-ld:ParkingSpot:clearbay:none",
            404,
            "ResourceNotFound",
            "not found",
        ),
    ] {
        let reply = ask(&city, path).await;
        assert_eq!(reply.status(), status, "{path}");
        assert_eq!(header(reply.headers(), "content-type"), "application/json");
        let problem: Value = reply.json().await.unwrap();
        assert_eq!(
            problem["type"],
            format!("https://uri.etsi.org/ngsi-ld/errors/{kind}")
        );
        assert!(!text(&problem["title"]).is_empty());
        assert!(
            text(&problem["detail"]).contains(wrong),
            "{path}: {problem}"
        );
    }
    // What takes no parameter says so, and names none.
    let reply = ask(&city, "/open/csv/live.csv?lott=1").await;
    let problem: Value = reply.json().await.unwrap();
    let detail = text(&problem["detail"]);
    assert!(detail.contains("takes none"), "{detail}");
    assert!(!detail.contains("there are:"), "{detail}");
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

/// What a command of the catalogue reads: it is pasted as it stands.
fn address_in<'a>(command: &'a str, url: &str) -> &'a str {
    let quoted = |text: &'a str| text.strip_prefix('\'')?.strip_suffix('\'');
    let bare = command.strip_prefix("curl ").unwrap();
    let address = quoted(bare).unwrap_or(bare);
    // What a shell would read as its own stands between quotes.
    let special = ['&', '?', '{', '}', '<', '>', '\'', ' ', '$', '*'];
    assert!(!bare.contains(special) || bare != address, "{command}");
    assert!(!address.contains(['{', '}', '\'', ' ']), "{command}");
    address.strip_prefix(url).unwrap()
}

#[tokio::test]
async fn every_example_can_be_run_as_it_stands_money_and_its_log_as_well() {
    let city = citizen::with_a_past().await;
    let catalogue = city.json("/open/catalogue.json").await;
    let datasets = catalogue["dataset"].as_array().unwrap();
    let page = body(&city, "/open?lang=en").await;
    let of = |path: &str| {
        let address = format!("{}{path}", city.url);
        let mut all = datasets.iter();
        let found = all.find(|dataset| dataset["distribution"][0]["accessURL"] == address);
        found.unwrap_or_else(|| panic!("{path} is not in the catalogue"))
    };
    for entry in feeds().map(api::open::Feed::entry) {
        let command = text(&of(entry.path)["example"]);
        body(&city, address_in(&command, &city.url)).await;
    }
    for entry in BESIDE {
        let dataset = of(entry.path);
        assert_eq!(
            dataset["license"],
            "https://creativecommons.org/licenses/by/4.0/"
        );
        assert_eq!(dataset["freshnessSeconds"], entry.fresh_s);
        let command = text(&dataset["example"]);
        let address = address_in(&command, &city.url);
        let reply = ask(&city, address).await;
        assert_eq!(reply.status(), StatusCode::OK, "{command}");
        let kind = header(reply.headers(), "content-type").to_owned();
        assert_eq!(kind, entry.media[0], "{command}");
        let told = reply.bytes().await.unwrap();
        let told = String::from_utf8_lossy(&told);
        // The lines of a note and the bytes of a tile have no names.
        let nameless = ["/log/checkpoint", "/log/keys", "/log/tile/{level}/{N}"];
        if !nameless.contains(&entry.path) {
            for field in entry.fields.iter().filter(|field| **field != "day") {
                assert!(
                    told.contains(&format!("\"{field}\"")),
                    "{command} has no {field}"
                );
            }
        }
        assert!(page.contains(entry.title.en), "{}", entry.path);
        assert!(
            page.contains(address.split('?').next().unwrap()),
            "{address}"
        );
    }
}

#[tokio::test]
async fn the_broker_s_address_is_told_where_the_city_publishes_it() {
    let broker = "mqtts://mqtt.parking.example:8883";
    let filter = "clearbay/v1/open/lots/+";
    let settings = [("CLEARBAY_PUBLIC_MQTT_URL", broker)];
    for settings in [&settings[..], &[]] {
        let city = Serving::with_settings(80, settings).await;
        let catalogue = city.json("/open/catalogue.json").await;
        let mut datasets = catalogue["dataset"].as_array().unwrap().iter();
        let topic = datasets.find(|dataset| dataset["title"] == TOPICS[0].topic);
        let topic = topic.unwrap();
        let distribution = &topic["distribution"][0];
        assert_eq!(distribution["mqttTopic"], filter);
        let page = body(&city, "/open?lang=en").await;
        if settings.is_empty() {
            assert_eq!(distribution["accessURL"], Value::Null);
            assert_eq!(topic["example"], Value::Null);
            let told = distribution["description"].to_string();
            assert!(told.contains(BROKER_OF_THE_CITY.vi), "{told}");
            assert!(page.contains(BROKER_OF_THE_CITY.en));
            // No address is another's, and none is that of the inside.
            assert!(!page.contains(&city.broker.url) && !page.contains("mosquitto_sub"));
        } else {
            assert_eq!(distribution["accessURL"], broker);
            let command = format!("mosquitto_sub -L '{broker}/{filter}' -u open-data-reader -v");
            assert_eq!(topic["example"], command);
            assert!(page.contains(broker) && page.contains("mosquitto_sub"));
        }
    }
    // It is published: no password may be in it.
    for wrong in [
        "mqtt://serve:secret@mqtt.parking.example",
        "amqp://mqtt.parking.example",
        "mqtt://",
        "mqtt://host/'; rm -r x",
    ] {
        let said = clearbay(&["serve", "--public-mqtt-url", wrong]).await;
        assert_ne!(said.code, Some(0), "{wrong}");
        assert!(said.text.contains("mqtts://host:port"), "{}", said.text);
    }
}

/// Not of the document: pages, and what there is not.
const OTHERS: [&str; 7] = [
    "/",
    "/city",
    "/open",
    "/verify",
    "/staff",
    "/nothing",
    "/api/v1/nothing",
];

#[tokio::test]
async fn pages_of_others_read_what_is_public_and_nothing_else() {
    let city = Serving::city(80).await;
    let open = city.paid_session("CN-01-001", 60).await;
    let receipt = text(&city.payment(&open).await["receipt_id"]);
    let document = city.json("/api/openapi.json").await;
    let documented = document["paths"].as_object().unwrap().iter();
    let documented = documented.filter(|(_, methods)| methods.get("get").is_some());
    let documented = documented.map(|(path, _)| path.clone());
    let there_is_none = [
        "/log/nothing",
        "/log/tile/9/000",
        "/log/tile/entries/999",
        "/log/report/2020-01-01",
        "/log/report/never",
        "/api/v1/reports/revenue?from=never",
        "/api/v1/receipts/nothing",
    ];
    let others = OTHERS.into_iter().chain(there_is_none).map(str::to_owned);
    let (mut public, mut closed) = (0, 0);
    for path in documented.chain(others) {
        let is_public = (path.starts_with("/open/") && path != "/open")
            || path.starts_with("/log/")
            || path.starts_with("/api/v1/reports/")
            || (path.starts_with("/api/v1/receipts/") && path.matches('/').count() == 4);
        // Each thing is the driver's own, who brings all that opens it.
        let address = path
            .replace("/receipts/{id}", &format!("/receipts/{receipt}"))
            .replace("/sessions/{id}", &format!("/sessions/{}", open.session))
            .replace("/payments/{id}", &format!("/payments/{}", open.payment))
            .replace("{id}", &receipt)
            .replace("{code}", "CN-01")
            .replace("{day}", "2020-01-01")
            .replace("{revision}", "1")
            .replace("{path}", "0/000.p/1")
            .replace("{gateway}", "vnpay")
            .replace("{subscription}", &receipt);
        let reply = city
            .get(&address)
            .bearer_auth(&open.token)
            .header("origin", "https://elsewhere.example")
            .send()
            .await
            .unwrap();
        let any = header(reply.headers(), "access-control-allow-origin");
        assert_eq!(any, if is_public { "*" } else { "" }, "{address}");
        // With `*` and without this one a browser sends and shows nothing of a visitor's own.
        let theirs = header(reply.headers(), "access-control-allow-credentials");
        assert_eq!(theirs, "", "{address}");
        public += usize::from(is_public);
        closed += usize::from(!is_public);
    }
    assert!(public > 40 && closed > 25, "{public} and {closed}");
    let reply = ask(&city, "/log/nothing").await;
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
    let kind = header(reply.headers(), "content-type");
    assert_eq!(kind, "application/problem+json");
}
