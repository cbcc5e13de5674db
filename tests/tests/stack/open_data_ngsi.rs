//! Entities of NGSI-LD, as clients that are not ours read them.

use std::path::Path;

use serde_json::{Value, json};
use tests::open_city::{ask, header, with_a_past};
use tokio::process::Command;

#[tokio::test]
async fn a_client_of_ngsi_ld_that_is_not_ours_reads_it() {
    let Ok(python) = std::env::var("CLEARBAY_TEST_NGSI_LD_PYTHON") else {
        println!("skipped: a client of NGSI-LD, for want of Python or of its registry");
        return;
    };
    let city = with_a_past().await;
    // The client knows brokers at the root of a host only: this is what a city's proxy does for it.
    let (url, client) = (city.url.clone(), city.client.clone());
    let proxy = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let (url, client) = (url.clone(), client.clone());
        async move {
            let path = request.uri().path_and_query().unwrap().as_str();
            let mut onward = client.get(format!("{url}/open{path}"));
            if let Some(accept) = request.headers().get("accept") {
                onward = onward.header("accept", accept);
            }
            let reply = onward.send().await.unwrap();
            let (status, headers) = (reply.status(), reply.headers().clone());
            (status, headers, reply.bytes().await.unwrap())
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let serving = tokio::spawn(async move { axum::serve(listener, proxy).await });
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("published/client.py");
    let output = Command::new(python)
        .arg(program)
        .args([&port, "urn:ngsi-ld:ParkingSpot:clearbay:lot-0-3"])
        .output()
        .await
        .unwrap();
    serving.abort();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&found["count"], &found["one"]),
        (&json!(12), &json!("unknown"))
    );
    assert_eq!(found["spots"].as_array().unwrap().len(), 12);
    // Without it: parts and their links, the context in a header, a count only where it is asked for.
    let path = "/open/ngsi-ld/v1/entities?type=ParkingSpot&limit=5&offset=5&count=true";
    let reply = ask(&city, path).await;
    let links: Vec<&str> = reply
        .headers()
        .get_all("link")
        .iter()
        .map(|link| link.to_str().unwrap())
        .collect();
    assert_eq!(header(reply.headers(), "ngsild-results-count"), "12");
    for rel in ["rel=\"next\"", "rel=\"prev\"", "ns/json-ld#context"] {
        assert_eq!(
            links.iter().filter(|link| link.contains(rel)).count(),
            1,
            "{rel}: {links:?}"
        );
    }
    assert!(
        reply.json::<Value>().await.unwrap()[0]
            .get("@context")
            .is_none()
    );
}

#[tokio::test]
async fn entities_are_read_by_the_core_context_last_of_all() {
    let city = with_a_past().await;
    let core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld";
    let entities =
        "/open/ngsi-ld/v1/entities?limit=100&type=ParkingSpot,OnStreetParking,OffStreetParking";
    for path in [
        entities,
        "/open/ngsi-ld/v1/entities/urn:ngsi-ld:ParkingSpot:clearbay:lot-0-3",
        "/open/ngsi-ld/context.jsonld",
    ] {
        let request = city.get(path).header("accept", "application/ld+json");
        let told: Value = request.send().await.unwrap().json().await.unwrap();
        let one = std::slice::from_ref(&told);
        for entity in told.as_array().map_or(one, Vec::as_slice) {
            let contexts = entity["@context"].as_array().unwrap();
            assert!(contexts.len() > 1, "{path}: {entity}");
            assert_eq!(contexts.last(), Some(&json!(core)), "{path}");
        }
    }
}
