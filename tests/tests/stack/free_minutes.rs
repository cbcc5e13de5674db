//! Free minutes are had once, however many sessions a stay is made of.

use serde_json::json;
use tests::database::run;
use tests::paying::Purse;
use tests::serving::Serving;

const BAY: &str = "CN-01-001";
const SAME_ZONE: &str = "CN-01-002";
const OTHER_ZONE: &str = "HK-01-001";

/// Parks by the minute for so many minutes; what that costs.
async fn parks(city: &Serving, purse: &Purse, bay: &str, plate: &str, minutes: u32) -> i64 {
    purse.fill(city).await;
    let (had, _) = purse.look(city).await;
    let (session, token) = purse.park_by_the_minute(city, bay, plate).await;
    let ago = format!(
        "UPDATE purchase SET starts_at = starts_at - interval '{minutes} minutes' WHERE session_id = '{session}';
         UPDATE session SET starts_at = starts_at - interval '{minutes} minutes' WHERE session_id = '{session}'"
    );
    run(&city.database.pool, &ago).await;
    city.stop(&session, &token).await;
    had - purse.look(city).await.0
}

#[tokio::test]
async fn who_stops_and_starts_again_has_no_more_free_minutes() {
    let city = Serving::city(80).await;
    let purse = Purse::open(&city).await;
    let (plate, other) = ("30A-123.45", "30A-543.21");
    assert_eq!(parks(&city, &purse, BAY, plate, 6).await, 0);
    city.time_passes(10).await;
    // Ten are free in all: three are left of them, then none.
    assert_eq!(parks(&city, &purse, SAME_ZONE, plate, 3).await, 0);
    city.time_passes(10).await;
    let price = parks(&city, &purse, BAY, plate, 3).await;
    assert!(price > 0);
    let said = "purchase WHERE lines::text LIKE '%No free minutes%'";
    assert_eq!(city.database.count(said).await, 1);
    // Another vehicle's, and those of other prices, are another matter.
    assert_eq!(parks(&city, &purse, BAY, other, 9).await, 0);
    assert_eq!(parks(&city, &purse, OTHER_ZONE, plate, 9).await, 0);
    city.time_passes(61).await;
    assert_eq!(parks(&city, &purse, BAY, plate, 9).await, 0);
    city.assert_books_are_right().await;
}

/// Under one plate after the other they would be had without end.
#[tokio::test]
async fn who_corrects_the_plate_has_no_free_minutes() {
    let city = Serving::city(80).await;
    let purse = Purse::full(&city).await;
    let (had, _) = purse.look(&city).await;
    let (session, token) = purse.park_by_the_minute(&city, BAY, "30A-123.45").await;
    let path = format!("/api/v1/sessions/{session}/plate");
    let body = json!({"plate": "30A-123.46"});
    let (status, told) = city.post_as(&token, &path, &body).await;
    assert!(status.is_success(), "{status} {told}");
    city.stop(&session, &token).await;
    assert!(purse.look(&city).await.0 < had);
    city.assert_books_are_right().await;
}
