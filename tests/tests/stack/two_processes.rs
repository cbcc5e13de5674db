//! Two processes serve one city.

use std::time::Duration;

use futures::StreamExt;
use tests::serving::Serving;

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
