//! Two processes serve one city.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use futures::StreamExt;
use serde_json::{Value, json};
use tests::database::TestDatabase;
use tests::sensors::told;
use tests::serving::Serving;
use uuid::Uuid;

/// The page waits at one process, the bank speaks to the other, and other drivers pay all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_hears_of_money_that_came_to_the_other_process() {
    let city = Serving::city(80).await;
    let other = city.another().await;
    let open = city.open_payment("HK-01-001", 60).await;
    let reply = city
        .get(&format!("/api/v1/live/payments/{}", open.payment))
        .bearer_auth(&open.token)
        .send()
        .await
        .unwrap();
    let mut events = reply.bytes_stream();
    let first = events.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("pending"));

    let others_pay = async {
        loop {
            city.paid_session("HK-01-002", 60).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let paid = async {
        let transfers = [open.transfer()];
        let request = city.bank_request_to(&other.url(), &transfers);
        assert!(request.send().await.unwrap().status().is_success());
        while let Some(Ok(event)) = events.next().await {
            if String::from_utf8_lossy(&event).contains("posted") {
                return;
            }
        }
        panic!("the stream ended without the news");
    };
    tokio::select! {
        () = others_pay => {}
        paid = tokio::time::timeout(Duration::from_secs(20), paid) => paid.expect("news in time"),
    }
}

/// A member of staff watches a lot at one process while drivers pay at the other: the board does not wait
/// until the database is read anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_see_what_was_paid_at_the_other_process() {
    let city = Serving::city(80).await;
    let other = city.another().await;
    let place = simulator::city::hanoi(80).unwrap();
    let bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let arrived = Utc::now().trunc_subsecs(3) - TimeDelta::minutes(1);
    let vehicles: Vec<_> = bays
        .filter(|bay| bay.code.starts_with("HK-01-"))
        .map(|bay| told(&bay.device.as_ref().unwrap().id, arrived, 1, true))
        .collect();
    city.sense(&vehicles, 2, "event").await;
    let cookie = city.staff("guard", None).await;
    let reply = city
        .client
        .get(format!("{}/api/v1/live?lot=HK-01", other.url()))
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    let mut events = reply.bytes_stream();
    let is_paid = |text: &str, bay: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        lines
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .any(|data| data["code"] == json!(bay) && data["paid_until"].is_string())
    };
    // A board is read anew once a minute in any case, which is no news of the other process's.
    for bay in ["HK-01-001", "HK-01-002"] {
        city.paid_session(bay, 60).await;
        let heard = async {
            let mut heard = String::new();
            while !is_paid(&heard, bay) {
                let event = events.next().await.unwrap().unwrap();
                heard.push_str(&String::from_utf8_lossy(&event));
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), heard).await;
        in_time.unwrap_or_else(|_| panic!("nobody at the other process hears that {bay} is paid"));
    }
}

/// The clock of a database may be another machine's since a moment ago. A lease of one that was ahead does not last
/// until this one has caught up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_though_the_database_s_clock_was_set_back() {
    let database = TestDatabase::create().await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let asks = async |who| {
        let asking = database
            .store
            .lease_hold("work", who, Duration::from_secs(60));
        asking.await.unwrap()
    };
    let set_back = async |by: &'static str| {
        let later =
            "UPDATE lease SET renewed_at = renewed_at + $1::interval, until = until + $1::interval";
        let later = sqlx::query(later).bind(by).execute(&database.pool);
        later.await.unwrap();
    };
    assert!(asks(one).await);
    assert!(!asks(other).await);
    // A little: who has it keeps it.
    set_back("30 seconds").await;
    assert!(!asks(other).await);
    set_back("1 hour").await;
    assert!(asks(other).await);
    assert!(!asks(one).await);
}
