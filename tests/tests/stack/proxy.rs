//! Several processes behind the proxy that operators take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use reqwest::StatusCode;
use rustls::pki_types::ServerName;
use rustls::{ProtocolVersion, SupportedProtocolVersion, version};
use serde_json::json;
use tests::city::past;
use tests::faults::serving_runs;
use tests::proxy::{self, Doors, Proxy};
use tests::sensors::{publish_over_tls, told};
use tests::serving::{Serving, is_ready};
use tests::tls::Authority;
use tests::{eventually, free_address};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const HSTS: &str = "strict-transport-security";

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

/// People and sensors come by TLS, as `deploy/haproxy.cfg` has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_sensors_come_by_tls_and_nobody_otherwise() {
    let Some(program) = proxy::provided() else {
        return;
    };
    let [https, http, mqtts] = std::array::from_fn(|_| free_address());
    let url = format!("https://{https}");
    let mut city = Serving::with_settings(80, &[("CLEARBAY_PUBLIC_URL", &url)]).await;
    let doors = Doors {
        https,
        http,
        mqtts,
        broker: city.broker.url["mqtt://".len()..].parse().unwrap(),
    };
    let authority = Authority::new();
    let processes = [city.serve.address];
    let _proxy = Proxy::start_over_tls(program, &doors, &authority.issue(), &processes).await;
    let plain = city.client.clone();
    let trusting = |authority: &Authority| {
        let client = reqwest::Client::builder().no_proxy();
        let client = client.redirect(reqwest::redirect::Policy::none());
        let client = client.tls_backend_preconfigured(authority.client());
        client.build().unwrap()
    };
    city.client = trusting(&authority);
    city.url = url.clone();
    city.is_back().await;

    // A driver pays, and hears of it while they wait.
    let open = city.open_payment("HK-01-001", 60).await;
    let stream = city.get(&format!("/api/v1/live/payments/{}", open.payment));
    let stream = stream.bearer_auth(&open.token).send().await.unwrap();
    assert_eq!(city.outcomes(&[open.transfer()]).await, ["posted"]);
    let mut events = stream.bytes_stream();
    let heard = async {
        let mut heard = String::new();
        while !heard.contains("\"posted\"") {
            let event = events.next().await.unwrap().unwrap();
            heard.push_str(&String::from_utf8_lossy(&event));
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(10), heard);
    heard.await.expect("the news");

    // What is sealed in a cookie goes by TLS alone, and a browser comes by TLS from then on: the proxy's own answers
    // say so as well.
    let page = city.get("/city").send().await.unwrap();
    assert!(page.headers().contains_key(HSTS), "{page:?}");
    let refused = city.get("/metrics").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        refused.headers().get_all(HSTS).iter().count(),
        1,
        "{refused:?}"
    );
    city.staff("guard", None).await;
    let signed_in = city.sign_in("guard", "a password").await;
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; Secure"), "{cookie}");

    // Without, one is sent there, whatever one asks for.
    let address = format!("http://{http}/api/v1/sessions?from=here");
    for request in [plain.get(&address), plain.post(&address)] {
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::MOVED_PERMANENTLY);
        assert!(!reply.headers().contains_key(HSTS), "{reply:?}");
        let location = reply.headers()["location"].to_str().unwrap();
        assert_eq!(
            location,
            format!("https://{http}/api/v1/sessions?from=here")
        );
    }
    // Whoever answers in its place is not believed.
    assert!(!is_ready(&trusting(&Authority::new()), &url).await);

    // Both versions that are good, and the protocol that browsers like best.
    for (version, expected) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let (agreed, protocol) = agreed(&doors, &authority, version).await;
        assert_eq!(agreed, Some(expected));
        assert_eq!(protocol.as_deref(), Some(&b"h2"[..]));
    }

    // A sensor's word comes by TLS, too.
    let before = city.database.count("event").await;
    let device: String = sqlx::query_scalar(
        "SELECT device.name FROM device JOIN device_assignment USING (device_id)
             JOIN bay USING (bay_id) WHERE bay.code = 'HK-01-001'",
    )
    .fetch_one(&city.database.pool)
    .await
    .unwrap();
    let event = told(&device, past(), 1, true);
    publish_over_tls(mqtts.port(), &authority, vec![event]).await;
    eventually("the sensor's event", || async {
        city.database.count("event").await == before + 1
    })
    .await;
    city.assert_books_are_right().await;
}

/// Who asks too much is found in the proxy's log by address; whose session, receipt or plate it was is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_tells_addresses_and_kinds_of_pages_and_neither_whose_nor_of_whom() {
    let Some(program) = proxy::provided() else {
        return;
    };
    let mut city = Serving::city(80).await;
    let proxy = Proxy::start(program, &[city.serve.address]).await;
    city.url = proxy.url();
    city.is_back().await;
    let mut last = String::new();
    for (path, page) in [
        ("/s/018f5ECRET-1?plate=30A-777.77", "/s"),
        ("/r/018f5ECRET-2/dispute", "/r"),
        ("/api/v1/live/payments/018f5ECRET-3", "/api/v1/live"),
        ("/staff/people/secret.name", "/staff/people"),
        ("/open/csv/live.csv?who=5ECRET", "/open/csv"),
        ("/30A-777.77", "/"),
        ("//30A-777.77/5ECRET", "/"),
        ("/?q=30A-777.77#5ECRET", "/"),
    ] {
        let reply = city.get(path).send().await.unwrap();
        let number = reply.headers()["x-request-id"].to_str().unwrap().to_owned();
        eventually("its line of the log", || async {
            proxy.log().contains(&number)
        })
        .await;
        let log = proxy.log();
        let line = log.lines().find(|line| line.contains(&number)).unwrap();
        assert!(line.starts_with("127.0.0.1:"), "{line}");
        assert!(line.contains(&format!("\"GET {page} HTTP/1.1\"")), "{line}");
        last = log;
    }
    for hidden in ["5ECRET", "777.77", "secret", "30A", "?", "dispute"] {
        assert!(!last.contains(hidden), "{hidden}: {last}");
    }
}

/// On which version of TLS, and which protocol within, the proxy agrees with a client of one version.
async fn agreed(
    doors: &Doors,
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
) -> (Option<ProtocolVersion>, Option<Vec<u8>>) {
    let mut client = authority.client_of(&[version]);
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let plain = TcpStream::connect(doors.https).await.unwrap();
    let connected = TlsConnector::from(Arc::new(client)).connect(name, plain);
    let connected = connected.await.unwrap();
    let (_, tls) = connected.get_ref();
    let protocol = tls.alpn_protocol().map(<[u8]>::to_vec);
    (tls.protocol_version(), protocol)
}
