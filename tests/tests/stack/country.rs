//! Several cities, each with a database and processes of its own, and what they add up to.

use serde_json::{Value, json};
use tests::citizen::{clearbay, day, with_a_past};
use tests::serving::log_key;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_country_adds_up_what_its_cities_have_signed_and_nothing_else() {
    let cities = [with_a_past().await, with_a_past().await];
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("cities.toml").display().to_string();
    let key = log_key(1).0.to_string();
    let city = |code: &str, url: &str, key: &str| {
        format!(
            "[[city]]\ncode = \"{code}\"\nname = \"City {code}\"\nurl = \"{url}\"\n\
             keys = [\"{key}\"]\nbackend = \"serve-{code}\"\n"
        )
    };
    let write = |third: &str, key_of_third: &str| {
        let text = city("one", &cities[0].url, &key)
            + &city("two", &cities[1].url, &key)
            + &city("three", third, key_of_third);
        std::fs::write(&table, text).unwrap();
    };
    let (from, to) = (day(4), day(2));
    let report = async || {
        let args = [
            "country", "report", "--cities", &table, "--from", &from, "--to", &to, "--json",
        ];
        let said = clearbay(&args).await;
        let report: Value = serde_json::from_str(&said.text)
            .unwrap_or_else(|error| panic!("{error}: {}", said.text));
        (said.code, report)
    };

    // One city is away: it is unknown, and the sum says so.
    write("http://127.0.0.1:9", &key);
    let (code, away) = report().await;
    assert_eq!(code, Some(1), "{away}");
    let state = |report: &Value, city: usize| report["cities"][city]["state"].clone();
    assert_eq!(
        [state(&away, 0), state(&away, 1), state(&away, 2)],
        ["known", "known", "unknown"]
    );
    assert_eq!(away["complete"], 2);
    let path = format!("/api/v1/reports/revenue?from={from}&to={to}");
    let mut sum = 0;
    for city in &cities {
        sum += city.json(&path).await["total_vnd"].as_i64().unwrap();
    }
    assert!(sum > 0);
    assert_eq!(away["revenue_vnd"], json!(sum), "{away}");

    // Who answers for a city without its key is not believed.
    write(
        &cities[1].url.replace("127.0.0.1", "localhost"),
        &log_key(2).0.to_string(),
    );
    let (code, forged) = report().await;
    assert_eq!(code, Some(2), "{forged}");
    assert_eq!(state(&forged, 2), "wrong");
    assert_eq!(forged["revenue_vnd"], json!(sum), "{forged}");

    // A host leads to one city.
    write(&cities[0].url, &key);
    let twice = clearbay(&["country", "routes", "--cities", &table]).await;
    assert_eq!(twice.code, Some(1));
    // Not by its port either, which a proxy's map does not know. Whoever is led there needs no keys.
    let routes = async |second: &str| {
        let made_up = "parking.example/log+1a2b3c4d+AQ...";
        let text =
            city("one", "https://parking.one.example", made_up) + &city("two", second, made_up);
        std::fs::write(&table, text).unwrap();
        clearbay(&["country", "routes", "--cities", &table]).await
    };
    let twice = routes("https://parking.one.example:8443").await;
    assert_eq!(twice.code, Some(1), "{}", twice.text);
    assert!(!twice.text.contains("serve-"), "{}", twice.text);
    let two = routes("https://parking.two.example:8443").await;
    assert_eq!(two.code, Some(0), "{}", two.text);
    assert_eq!(
        two.text.lines().collect::<Vec<_>>(),
        [
            "parking.one.example serve-one",
            "parking.two.example serve-two"
        ]
    );
}
