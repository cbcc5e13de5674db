//! What one address may hold of what many need, and who is turned away before a byte of a body is waited for.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::Utc;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::StatusCode;
use serde_json::json;
use tests::eventually;
use tests::serving::Serving;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Few enough to be taken: 4 requests at work, 16 that send their body, 8 streams, 24 connections.
const FEW: [(&str, &str); 2] = [
    ("CLEARBAY_MAX_REQUESTS", "4"),
    ("CLEARBAY_MAX_STREAMS", "8"),
];
const NO_PROXY: (&str, &str) = ("CLEARBAY_TRUSTED_PROXIES", "203.0.113.0/24");
/// A quarter of the connections.
const SHARE: usize = 6;

const ONE: &str = "x-forwarded-for: 192.0.2.1\r\n";
const OTHER: &str = "x-forwarded-for: 192.0.2.2\r\n";

/// Sends what a request begins with, over a connection of its own from that address.
async fn send(to: SocketAddr, from: Ipv4Addr, begun: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    stream.write_all(begun.as_bytes()).await.unwrap();
    stream
}

/// The status of the reply, or nothing where the connection ends without one.
async fn status(stream: &mut TcpStream) -> Option<String> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.ok()?;
    Some(String::from_utf8_lossy(&start[9..]).into_owned())
}

/// What somebody is told who announces a body and does not send it.
async fn without_a_body(city: &Serving, path: &str, headers: &str) -> String {
    let begun = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n{headers}\r\n{{"
    );
    let mut stream = send(city.serve.address, Ipv4Addr::LOCALHOST, &begun).await;
    status(&mut stream).await.unwrap()
}

/// The same of so many at once, in the order in which they are told.
fn all_without_a_body<'a>(
    city: &'a Serving,
    count: usize,
    path: &'a str,
    headers: &'a str,
) -> FuturesUnordered<impl Future<Output = String> + 'a> {
    (0..count)
        .map(|_| without_a_body(city, path, headers))
        .collect()
}

/// So many are told at once that there is no place for them; then all others hold one.
async fn refused(slow: &mut FuturesUnordered<impl Future<Output = String>>, count: usize) {
    for _ in 0..count {
        assert_eq!(slow.next().await.unwrap(), "503");
    }
}

/// Whoever is left held a place until there was no more time to send.
async fn waited_for(slow: FuturesUnordered<impl Future<Output = String>>, count: usize) {
    let told: Vec<String> = slow.collect().await;
    assert_eq!(told, vec!["408"; count]);
}

#[tokio::test]
async fn nobody_keeps_connections_by_saying_little_or_takes_all_of_them() {
    let city = Serving::with_settings(80, &[FEW[0], FEW[1], NO_PROXY]).await;
    let (one, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let begun = "GET /livez HTTP/1.1\r\nhost: a\r\n";
    let whole = format!("{begun}\r\n");
    let mut held = Vec::new();
    for _ in 0..SHARE {
        held.push(send(city.serve.address, one, begun).await);
    }
    let mut more = send(city.serve.address, one, &whole).await;
    assert_eq!(status(&mut more).await, None, "one more than its share");
    let mut others = send(city.serve.address, other, &whole).await;
    assert_eq!(status(&mut others).await.as_deref(), Some("200"));
    // What is begun and not gone on with ends, and so does what waits for its next request.
    held.push(others);
    for stream in &mut held {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest));
        let _ = ended.await.expect("a connection that says nothing ends");
    }
    eventually("the share to be free", || async {
        let mut again = send(city.serve.address, one, &whole).await;
        status(&mut again).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_proxy_s_connections_are_not_one_client_s() {
    let city = Serving::with_settings(80, &FEW).await;
    let mut held = Vec::new();
    for _ in 0..2 * SHARE {
        let begun = "GET /livez HTTP/1.1\r\nhost: a\r\n";
        held.push(send(city.serve.address, Ipv4Addr::LOCALHOST, begun).await);
    }
    for stream in &mut held {
        stream.write_all(b"\r\n").await.unwrap();
        assert_eq!(status(stream).await.as_deref(), Some("200"));
    }
}

#[tokio::test]
async fn one_address_that_sends_slowly_leaves_places_to_others() {
    let city = Serving::with_settings(80, &FEW).await;
    let path = "/api/v1/quotes";
    let mut slow = all_without_a_body(&city, 10, path, ONE);
    // Of sixteen places four are its own.
    refused(&mut slow, 6).await;
    let quote = json!({"bay": "nowhere", "class": "car", "minutes": 60});
    let request = city.post(path, &quote);
    let request = request.header("x-forwarded-for", "192.0.2.2");
    let quick = request.send().await.unwrap().status();
    assert_eq!(quick, StatusCode::NOT_FOUND, "read and answered");
    waited_for(slow, 4).await;
}

#[tokio::test]
async fn one_address_takes_a_quarter_of_the_live_streams() {
    let city = Serving::with_settings(80, &FEW).await;
    let watch = async |headers: &str| {
        let begun = format!("GET /api/v1/live HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        let mut stream = send(city.serve.address, Ipv4Addr::LOCALHOST, &begun).await;
        (status(&mut stream).await.unwrap(), stream)
    };
    let mut watching = Vec::new();
    for (headers, expected) in [
        (ONE, "200"),
        (ONE, "200"),
        (ONE, "503"),
        (OTHER, "200"),
        ("", "200"),
        ("", "200"),
        ("", "200"),
    ] {
        let (told, stream) = watch(headers).await;
        assert_eq!(told, expected, "{headers}");
        watching.push(stream);
    }
    // Whoever leaves makes room for others of the same address.
    watching.remove(0);
    eventually("a place of the address", || async {
        watch(ONE).await.0 == "200"
    })
    .await;
}

#[tokio::test]
async fn who_is_neither_bank_nor_terminal_takes_no_place_by_a_body() {
    let city = Serving::city(80).await;
    let bank = "/api/v1/gateways/vietqr/webhook";
    // More than may send at once. Nobody waits for what they do not send.
    let old = Utc::now().timestamp() - 3_600;
    for header in [
        String::new(),
        "clearbay-signature: no\r\n".to_owned(),
        format!("clearbay-signature: t={old},v1=00\r\n"),
    ] {
        let told: Vec<_> = all_without_a_body(&city, 100, bank, &header)
            .collect()
            .await;
        assert_eq!(told, vec!["401"; 100], "{header}");
    }
    for (path, status) in [
        ("/api/v1/gateways/x/webhook", "404"),
        ("/api/v1/imports/sessions", "401"),
    ] {
        let told: Vec<_> = all_without_a_body(&city, 100, path, "").collect().await;
        assert_eq!(told, vec![status; 100], "{path}");
    }

    // Whoever makes up a signature holds up nobody else.
    let now = Utc::now().timestamp();
    let made_up = format!("{ONE}clearbay-signature: t={now},v1=00\r\n");
    let mut slow = all_without_a_body(&city, 100, bank, &made_up);
    // Of 256 places a quarter are its own.
    refused(&mut slow, 36).await;
    assert_eq!(city.bank(&[]).await.status(), StatusCode::OK);
    waited_for(slow, 64).await;
}
