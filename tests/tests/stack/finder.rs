//! Where can I park? The finder as links and forms, what bays have, and the map from the city's file.

use std::process::Output;

use chrono::Utc;
use domain::map::{FeatureKind, MapFeature};
use domain::place::{Amenities, LotKind, Place, VehicleClass};
use futures::StreamExt;
use serde_json::Value;
use tests::broker::Broker;
use tests::database::TestDatabase;
use tests::phone::Phone;
use tests::sensors::{publish, told};
use tests::serving::{Serving, text};
use tests::{city, eventually, provided};
use tokio::process::Command;

/// Three lots, some kilometres apart: the first with a bay for disabled people, one with a charger and
/// one with both, the second with a charger for motorbikes, the third with nothing.
fn place() -> Place {
    let mut place = city::small(3, 4);
    let amenities = |accessible, charging| Amenities {
        accessible,
        charging,
    };
    let lots = &mut place.lots;
    for (lot, position) in lots
        .iter_mut()
        .zip([[105.85, 21.03], [105.83, 21.05], [105.81, 21.01]])
    {
        lot.position = position;
    }
    lots[0].bays[1].amenities = amenities(true, false);
    lots[0].bays[2].amenities = amenities(false, true);
    lots[0].bays[3].amenities = amenities(true, true);
    lots[1].kind = LotKind::Street;
    lots[1].name = "Phố Bà Triệu".to_owned();
    for bay in &mut lots[1].bays {
        bay.class = VehicleClass::Motorbike;
    }
    lots[1].bays[0].amenities = amenities(false, true);
    place.map = vec![
        MapFeature {
            kind: FeatureKind::Street,
            name: "Hàng <Bài>".to_owned(),
            points: vec![[105.81, 21.03], [105.85, 21.03]],
        },
        MapFeature {
            kind: FeatureKind::Water,
            name: "Hồ Tây".to_owned(),
            points: vec![[105.815, 21.04], [105.84, 21.04], [105.83, 21.055]],
        },
    ];
    place
}

async fn page(city: &Serving, path: &str) -> String {
    let reply = city.get(path).send().await.unwrap();
    assert!(reply.status().is_success(), "{path}: {}", reply.status());
    reply.text().await.unwrap()
}

/// A page without its tags.
fn words(page: &str) -> String {
    let parts = page
        .split('<')
        .filter_map(|part| Some(part.split_once('>')?.1));
    parts.collect()
}

/// The lots that a page lists.
async fn listed(city: &Serving, path: &str) -> Vec<String> {
    let page = page(city, path).await;
    let links = page.split(r#"<a href="/lots/"#).skip(1);
    let codes = links.filter_map(|rest| {
        let (code, rest) = rest.split_once('"')?;
        rest.starts_with(r#" class="lot""#).then(|| code.to_owned())
    });
    let mut codes: Vec<String> = codes.collect();
    codes.sort_unstable();
    codes
}

/// What a lot counts of its bays of the first class that have something: capacity, occupied, free,
/// unknown.
fn counts(lot: &Value, of: &str) -> Vec<i64> {
    let count = &lot["classes"][0][of];
    ["capacity", "occupied", "free", "unknown"]
        .iter()
        .map(|field| count[field].as_i64().unwrap_or(-1))
        .collect()
}

#[tokio::test]
async fn bays_for_disabled_people_and_with_a_charger_are_counted_live() {
    let city = Serving::place(&place(), Broker::rumqttd()).await;
    let lot = city.json("/api/v1/lots/lot-0").await;
    assert_eq!(counts(&lot, "accessible"), [2, 0, 0, 2]);
    let has = |index: usize, what: &str| lot["bays"][index][what].as_bool().unwrap();
    assert!(!has(0, "accessible") && !has(0, "charging"));
    assert!(has(1, "accessible") && !has(1, "charging"));
    assert!(has(3, "accessible") && has(3, "charging"));
    let none = city.json("/api/v1/lots/lot-2").await;
    assert!(none["classes"][0].get("accessible").is_none(), "{none}");

    // Who watches is told of each change, without asking.
    let reply = city.get("/api/v1/live?lot=lot-0").send().await.unwrap();
    let mut events = reply.bytes_stream();
    let now = Utc::now();
    let messages = ["lot-0-1", "lot-0-3"].map(|bay| {
        let device = format!("{bay}-sensor");
        told(&device, now, 1, bay == "lot-0-3")
    });
    publish(&city.broker.url, messages.to_vec()).await;
    let mut seen = String::new();
    let is_told = |seen: &str| {
        let told = seen.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut lots = told.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        lots.any(|lot| {
            counts(&lot, "accessible") == [2, 1, 1, 0]
                && counts(&lot, "charging") == [2, 1, 0, 1]
                && counts(&lot, "accessible_charging") == [1, 1, 0, 0]
        })
    };
    while !is_told(&seen) {
        let next = tokio::time::timeout(std::time::Duration::from_secs(60), events.next());
        let bytes = next.await.expect(&seen).unwrap().unwrap();
        seen.push_str(&String::from_utf8_lossy(&bytes));
    }
    let lots = city.json("/api/v1/lots").await;
    assert_eq!(counts(&lots["lots"][0], "accessible"), [2, 1, 1, 0]);
    assert_eq!(counts(&lots["lots"][1], "charging"), [1, 0, 0, 1]);

    // Said in words wherever somebody chooses the bay.
    for path in ["/b/lot-0-1", "/lots/lot-0"] {
        let page = page(&city, path).await;
        assert!(page.contains("Dành cho người khuyết tật"), "{path}");
        assert!(page.contains("id=\"accessible\""), "{path}");
    }
    assert!(
        page(&city, "/b/lot-0-2?lang=en")
            .await
            .contains("With EV charger")
    );
    assert!(
        !page(&city, "/b/lot-0-0")
            .await
            .contains("class=\"amenities\"")
    );
}

#[tokio::test]
async fn a_view_of_the_finder_is_a_link_that_needs_no_script() {
    let city = Serving::with(&place(), Broker::rumqttd(), Vec::new(), None).await;
    let views: [(&str, &[&str]); 14] = [
        ("/", &["lot-0", "lot-1", "lot-2"]),
        ("/?class=car", &["lot-0", "lot-2"]),
        ("/?class=motorbike", &["lot-1"]),
        ("/?accessible=1", &["lot-0"]),
        ("/?charging=1", &["lot-0", "lot-1"]),
        ("/?charging=1&class=motorbike", &["lot-1"]),
        ("/?accessible=1&class=motorbike", &[]),
        ("/?accessible=1&charging=1&class=car", &["lot-0"]),
        ("/?kind=street", &["lot-1"]),
        ("/?q=ba+trieu", &["lot-1"]),
        ("/?q=B%C3%A0%20Tri%E1%BB%87u&charging=1", &["lot-1"]),
        // A part of the map has the lots that lie in it.
        ("/?zoom=3&at=105.8300,21.0500", &["lot-1"]),
        ("/?zoom=3&at=105.8300,21.0500&class=car", &[]),
        // What means nothing is passed over.
        (
            "/?class=tank&zoom=x&at=1&minutes=-1&x=%FF",
            &["lot-0", "lot-1", "lot-2"],
        ),
    ];
    for (path, lots) in views {
        assert_eq!(listed(&city, path).await, lots, "{path}");
    }
    // A choice keeps the others, taken once more it is none.
    let chosen = page(&city, "/?class=car&accessible=1").await;
    for link in [
        r#"href="/?accessible=1""#,
        r#"href="/?class=car""#,
        r#"href="/?class=car&amp;accessible=1&amp;charging=1""#,
        r#"name="accessible" value="1""#,
    ] {
        assert!(chosen.contains(link), "{link}");
    }
    // What is counted is what was asked for: two of the lot's four bays.
    let said = words(&chosen);
    let counted = "0 chỗ trống ngay lúc này · 2 không rõ";
    assert!(said.contains(counted), "{said}");
}

#[tokio::test]
async fn the_code_on_a_sign_leads_to_its_bay() {
    let city = Serving::without_bundle(80).await;
    for typed in ["HK-01-001", "hk-01-001", "hk+01+001"] {
        let reply = city.get(&format!("/?q={typed}")).send().await.unwrap();
        assert_eq!(reply.status(), 303, "{typed}");
        assert_eq!(reply.headers()["location"], "/b/HK-01-001", "{typed}");
    }
    assert_eq!(listed(&city, "/?q=HK-01").await, ["HK-01"]);
    assert_eq!(listed(&city, "/?q=hk-99-001").await, [""; 0]);
}

#[tokio::test]
async fn the_map_comes_from_the_city_s_file() {
    let city = Serving::with(&place(), Broker::rumqttd(), Vec::new(), None).await;
    let drawn = page(&city, "/").await;
    assert!(drawn.contains("Hồ Tây</text>") && drawn.contains("class=\"street\""));
    assert!(drawn.contains("Hàng &lt;Bài&gt;") && !drawn.contains("<Bài>"));
    // Once, not again among what the island is given.
    assert_eq!(drawn.matches("Hồ Tây").count(), 1);
    assert!(drawn.contains(r#"class="map base zoom-0""#));
    let near = page(&city, "/?zoom=2&at=105.85,21.03").await;
    assert!(near.contains(r#"class="map base zoom-2""#));
    // What is imported again is drawn anew.
    let mut place = place();
    place.map[1].name = "Hồ Gươm".to_owned();
    place.map.remove(0);
    let store = &city.database.store;
    store.place_import(&place, Utc::now()).await.unwrap();
    assert_eq!(store.map_features("hn").await.unwrap(), place.map);
    assert_eq!(store.map_features("nowhere").await.unwrap(), []);
}

async fn clearbay_place(database: &TestDatabase, args: &[&str]) -> Output {
    Command::new(provided("CLEARBAY_TEST_BIN"))
        .arg("place")
        .args(args)
        .env("DATABASE_URL", &database.url)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_city_is_installed_from_a_file() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("city.json");
    let example = clearbay_place(&database, &["example", "--bays", "2000"]).await;
    assert!(example.status.success());
    let mut place: Place = serde_json::from_slice(&example.stdout).unwrap();
    assert_eq!(place, simulator::city::hanoi(2_000).unwrap());
    let import = |place: &Place, args: &'static [&'static str]| {
        std::fs::write(&file, serde_json::to_string(place).unwrap()).unwrap();
        let path = file.display().to_string();
        let database = &database;
        async move {
            let args: Vec<&str> = ["import", &path].iter().chain(args).copied().collect();
            clearbay_place(database, &args).await
        }
    };
    let dry = import(&place, &["--dry-run"]).await;
    assert!(dry.status.success(), "{dry:?}");
    assert!(
        database.store.city("hanoi").await.is_err(),
        "nothing was done"
    );
    let done = import(&place, &[]).await;
    assert!(done.status.success(), "{done:?}");
    assert_eq!(database.store.city_bay_count("hanoi").await.unwrap(), 2_000);
    assert_eq!(
        database.store.map_features("hanoi").await.unwrap(),
        place.map
    );
    let bay = database.store.bay_place("HK-09-001").await.unwrap();
    let mut given = place.lots.iter().flat_map(|lot| &lot.bays);
    let given = given.find(|bay| bay.code == "HK-09-001").unwrap();
    assert_eq!(bay.amenities, given.amenities);
    assert!(bay.amenities.accessible);
    // Latitude and longitude in each other's place: told, and nothing is changed.
    let kept = place.map.clone();
    place.map[0].points[0].reverse();
    let refused = import(&place, &[]).await;
    assert!(!refused.status.success());
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        why.contains(&place.map[0].name) && why.contains("longitude"),
        "{why}"
    );
    assert_eq!(database.store.map_features("hanoi").await.unwrap(), kept);
}

/// A phone's first screen answers: how much is free, the search, the choices, the map and the first lot;
/// and what the markers say can be read.
#[tokio::test]
async fn the_first_screen_answers() {
    let city = Serving::without_bundle(400).await;
    let phone = Phone::start().await;
    phone.goto(&format!("{}/", city.url)).await;
    phone.find(".lots li").await;
    let tops = phone
        .script(
            "const top = (selector) => document.querySelector(selector).getBoundingClientRect().top;
             return ['.hero .big', '#q', '.chips .chip:not(.needs-script)', '.more-choices summary', '.map-frame', '.lots li']
                .map(top)",
        )
        .await;
    let tops: Vec<f64> = tops
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert!(tops.is_sorted(), "{tops:?}");
    // This browser's window is lower than a phone's screen, and wider, so that its map is higher.
    let height = phone.script("return window.innerHeight").await;
    let height = height.as_f64().unwrap();
    assert!(tops[4] < height * 0.6, "{tops:?} {height}");
    assert!(tops[5] < height * 1.25, "{tops:?} {height}");
    let readable = "const seen = [...document.querySelectorAll('.marker')].filter((m) => m.checkVisibility());
        const boxes = seen.map((marker) => marker.querySelector('circle, .body').getBoundingClientRect());
        const touch = boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
            a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
            && Math.hypot(a.x - b.x, a.y - b.y) < Math.min(a.width, b.width)));
        const letters = seen.map((marker) => marker.querySelector('text'))
            .map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a);
        return [seen.length, touch.length, Math.min(...letters)]";
    let found = phone.script(readable).await;
    assert!(found[0].as_u64().unwrap() > 5, "{found}");
    assert_eq!(found[1], 0, "markers cover each other: {found}");
    assert!(found[2].as_f64().unwrap() >= 12.0, "{found}");
    // The old quarter is one marker; it leads to where its lots can be told apart.
    let several = phone
        .script("return [...document.querySelectorAll('.several')].find((m) => m.checkVisibility()).getAttribute('href')")
        .await;
    let several = text(&several);
    phone.goto(&format!("{}{several}", city.url)).await;
    phone.find(".lots li").await;
    let lots = "return document.querySelectorAll('.lots li').length";
    let count = phone.script(lots).await.as_u64().unwrap();
    assert!((2..40).contains(&count), "{several}: {count}");
    phone.find(".map.base:not(.zoom-0)").await;
    let wider = "return document.documentElement.scrollWidth - window.innerWidth";
    assert!(phone.script(wider).await.as_i64().unwrap() <= 0);
    phone.close().await;
}

#[tokio::test]
async fn the_map_is_drawn_along_by_a_finger() {
    let city = Serving::city(400).await;
    let phone = Phone::start().await;
    phone
        .goto(&format!("{}/?zoom=2&at=105.8500,21.0300", city.url))
        .await;
    // Drawn along by a finger, it shows another part, whose address can be shared; no link is followed.
    phone.find(".live .map-frame").await;
    let before = text(&phone.script("return location.search").await);
    let drawn = "const [frame] = document.querySelectorAll('.map-frame');
        const box = frame.getBoundingClientRect();
        const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
        const event = (name, x) => document.elementFromPoint(x, y).dispatchEvent(new PointerEvent(name,
            { bubbles: true, isPrimary: true, pointerId: 1, clientX: x, clientY: y }));
        event('pointerdown', x); event('pointermove', x - 90); event('pointerup', x - 90);";
    phone.script(drawn).await;
    eventually("the address to follow the finger", || async {
        let after = text(&phone.script("return location.search").await);
        after != before && after.contains("zoom=")
    })
    .await;
    let shown = "return document.querySelector('.markers').getAttribute('viewBox')";
    assert_eq!(phone.script(shown).await, "0 0 720 640");
    phone.close().await;
}

/// What `/` weighs on its way: streets are sent once, and packed.
#[tokio::test]
async fn the_page_is_light() {
    let city = Serving::city(2_000).await;
    let plain = page(&city, "/").await;
    let packed = city
        .get("/")
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.unwrap().len();
    println!("page: {} bytes, {packed} packed", plain.len());
    assert!(packed < 23_000, "{packed} bytes");
    eventually("the stream not to be packed", || async {
        let stream = city.get("/api/v1/live").header("accept-encoding", "gzip");
        let stream = stream.send().await.unwrap();
        stream.headers().get("content-encoding").is_none()
    })
    .await;
}
