//! What `serve` warns of when it starts for a city that people reach.

use tests::eventually;
use tests::serving::{Serving, is_ready};

const ALONE: &str = "password alone";
const OWNER: &str = "owns the ledger";

/// Which of both one more process warns of that starts with these settings.
async fn warnings(city: &Serving, settings: &[(&'static str, &str)]) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let process = city.serve.another_with(|process| {
        let settings = settings.iter();
        let settings = settings.map(|(name, value)| (*name, (*value).to_owned()));
        process.env.extend(settings);
        process.log = Some(log.clone());
    });
    let url = process.url();
    eventually("it to be ready", || is_ready(&city.client, &url)).await;
    let said = std::fs::read_to_string(&log).unwrap();
    [ALONE, OWNER]
        .into_iter()
        .filter(|word| said.contains(word))
        .collect()
}

#[tokio::test]
async fn a_city_that_people_reach_is_told_what_is_for_a_first_look() {
    let city = Serving::city(80).await;
    let reached = ("CLEARBAY_PUBLIC_URL", "https://parking.example");
    let asked = ("CLEARBAY_REQUIRE_SECOND_FACTOR", "administrators");
    let owner = ("DATABASE_URL", &*city.database.url);
    assert_eq!(warnings(&city, &[reached, owner]).await, [ALONE, OWNER]);
    assert_eq!(warnings(&city, &[reached]).await, [ALONE]);
    assert_eq!(warnings(&city, &[reached, asked, owner]).await, [OWNER]);
    assert!(warnings(&city, &[reached, asked]).await.is_empty());
    assert!(warnings(&city, &[owner]).await.is_empty());
}
