//! Several processes behind the proxy that operators take.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::json;
use tests::eventually;
use tests::faults::serving_runs;
use tests::proxy::{self, Proxy};
use tests::serving::Serving;

/// A driver opens a session at one process, pays at another, waits at a third place for the news; the bank
/// speaks to whoever is next. Meanwhile a process is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_process_takes_any_request_and_one_may_die() {
    let Some(program) = proxy::provided() else {
        return;
    };
    let mut city = Serving::city(80).await;
    let second = city.another().await;
    let proxy = Proxy::start(program, &[city.serve.address, second.address]).await;
    city.url = proxy.url();
    city.is_back().await;
    let (stop, paid) = (AtomicBool::new(false), AtomicUsize::new(0));
    let paying = async {
        let mut bay = 0;
        while !stop.load(Ordering::SeqCst) {
            bay = bay % 2 + 1;
            let open = city.open_payment(&format!("HK-01-00{bay}"), 60).await;
            let stream = city.get(&format!("/api/v1/live/payments/{}", open.payment));
            let stream = stream.bearer_auth(&open.token).send().await.unwrap();
            let bank = city.bank_request(&[open.transfer()]).send().await.unwrap();
            assert!(bank.status().is_success(), "{}", bank.status());
            let mut events = stream.bytes_stream();
            let heard = async {
                let mut heard = String::new();
                while !heard.contains("\"posted\"") {
                    match events.next().await {
                        Some(Ok(event)) => heard.push_str(&String::from_utf8_lossy(&event)),
                        // The process that told is gone; a page connects again, and is told at once.
                        _ => return,
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(10), heard)
                .await
                .expect("the news");
            paid.fetch_add(1, Ordering::SeqCst);
        }
    };
    let killing = async {
        eventually("some payments", || async {
            paid.load(Ordering::SeqCst) >= 3
        })
        .await;
        // The proxy sees within two seconds that nobody answers; until then it asks the other.
        second.kill().await;
        let before = paid.load(Ordering::SeqCst);
        eventually("more payments", || async {
            paid.load(Ordering::SeqCst) >= before + 3
        })
        .await;
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(paying, killing);
    city.assert_books_are_right().await;
    assert!(city.database.count("receipt").await >= 6);

    assert_eq!(
        city.get("/metrics").send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    // Text messages and passwords' hashes cost: one address asks for 20 a minute.
    let mut replies = Vec::new();
    for _ in 0..25 {
        let request = city.post("/api/v1/drivers/codes", &json!({"phone": "no"}));
        replies.push(request.send().await.unwrap().status());
    }
    assert_eq!(
        replies.last(),
        Some(&StatusCode::TOO_MANY_REQUESTS),
        "{replies:?}"
    );
    assert_ne!(replies[0], StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_payment_is_lost_when_processes_are_killed_one_after_the_other() {
    let Some(program) = proxy::provided() else {
        return;
    };
    let outcome = serving_runs::kill_serve(program, 3, 4).await;
    println!("{outcome}");
    assert_eq!((outcome.lost, outcome.duplicates), (0, 0), "{outcome}");
    // Each driver paid after each kill.
    assert!(outcome.acknowledged >= 12, "{outcome}");
}
