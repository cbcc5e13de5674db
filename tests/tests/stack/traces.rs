//! Traces by OpenTelemetry: whose they are, what they say, and that nobody waits for them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::broker::Broker;
use tests::collector::{Collected, Collector};
use tests::eventually;
use tests::serving::Serving;

const BAY: &str = "CN-01-001";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
/// So long that nothing is sent before the end.
const LATE_MS: &str = "3600000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_goes_on_with_the_trace_it_brings_and_the_last_spans_leave_at_the_end() {
    let collector = Collector::start().await;
    let city = Serving::with_settings(
        80,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
            ("OTEL_SERVICE_NAME", "a-city-of-tests"),
            ("OTEL_BSP_SCHEDULE_DELAY", LATE_MS),
        ],
    )
    .await;
    let brings = |flags: &str, path: String| {
        let request = city.get(&path);
        request.header("traceparent", format!("00-{TRACE}-{PARENT}-{flags}"))
    };
    let seen = brings("01", format!("/b/{BAY}?secret=a-secret-of-tests"));
    let seen = seen.send().await.unwrap();
    assert_eq!(seen.status(), 200);
    let number = seen.headers()["x-request-id"].to_str().unwrap().to_owned();
    // Whoever asks says that this one is not to be looked at.
    brings("00", "/city".to_owned()).send().await.unwrap();
    let lost = city.get("/lots/a-lot-of-tests").send().await.unwrap();
    assert_eq!(lost.status(), 404);
    let serve = Pid::from_raw(city.serve.id().await.try_into().unwrap());
    kill(serve, Signal::SIGTERM).unwrap();
    assert!(city.serve.ended().await.success());

    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.service == "a-city-of-tests"));
    let of_trace: Vec<&Collected> = spans.iter().filter(|span| span.trace == TRACE).collect();
    assert_eq!(of_trace.len(), 1, "{of_trace:#?}");
    let span = of_trace[0];
    assert_eq!(span.name, "GET /b/{code}");
    assert_eq!((span.kind, span.parent.as_str()), (2, PARENT));
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/b/{code}"),
        ("http.response.status_code", "200"),
        ("request_id", &number),
    ] {
        assert_eq!(
            span.attributes.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    assert!(spans.iter().any(|span| {
        span.name == "GET /lots/{code}" && span.parent.is_empty() && span.trace != TRACE
    }));
    assert!(!spans.iter().any(|span| span.name == "GET /city"));
    // Neither what was asked for nor by whom.
    let all = format!("{spans:?}");
    for personal in [BAY, "a-secret-of-tests", "a-lot-of-tests", "127.0.0.1"] {
        assert!(!all.contains(personal), "{personal} was exported");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_collector_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("serve.log");
    let env = vec![
        // Nobody listens there.
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://127.0.0.1:9".to_owned(),
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16".to_owned()),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8".to_owned()),
    ];
    let place = simulator::city::hanoi(80).unwrap();
    let city = Serving::with(&place, Broker::rumqttd(), env, Some(log.clone())).await;
    for _ in 0..200 {
        let page = city.get(&format!("/b/{BAY}")).send().await.unwrap();
        assert_eq!(page.status(), 200);
    }
    eventually("some attempts to send", || async {
        let failed = r#"clearbay_trace_exports_total{outcome="failed"}"#;
        city.metric(failed).await >= 3.0
    })
    .await;
    let told = std::fs::read_to_string(&log).unwrap();
    let told = told.matches("the collector takes no traces").count();
    assert_eq!(told, 1, "it is told once");
    city.paid_session(BAY, 60).await;
    city.assert_books_are_right().await;
}
