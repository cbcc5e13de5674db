//! An MQTT broker in the process, for the demo and the tests.
//!
//! rumqttd keeps sessions and retained messages in memory: right for a city that one can start
//! anew, not for one whose sensors must not be lost. `deploy/` shows mosquitto's settings.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::Context;
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

/// The largest message the broker passes on, in bytes.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// Starts a broker on a free loopback port and returns its URL. It runs until the process ends:
/// rumqttd has no way to be stopped.
///
/// # Errors
/// Where no port can be had or the broker does not come up within ten seconds.
pub fn start() -> anyhow::Result<String> {
    let listen = free_port()?;
    let settings = ServerSettings {
        name: "clearbay".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: 10_000,
            max_payload_size: MAX_PAYLOAD,
            max_inflight_count: 1_000,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    let config = Config {
        router: RouterConfig {
            max_connections: 1_000,
            max_outgoing_packet_count: 1_000,
            // What a slow reader may fall behind before messages are lost: 640 MiB.
            max_segment_size: 64 * 1024 * 1024,
            max_segment_count: 10,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("clearbay".to_owned(), settings)])),
        ..Config::default()
    };
    std::thread::Builder::new()
        .name("broker".to_owned())
        .spawn(move || {
            if let Err(error) = Broker::new(config).start() {
                tracing::error!(%error, "the broker stopped");
            }
        })?;
    let started = Instant::now();
    while std::net::TcpStream::connect(listen).is_err() {
        anyhow::ensure!(
            started.elapsed() < Duration::from_secs(10),
            "the broker did not start"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(format!("mqtt://{listen}"))
}

fn free_port() -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port for the broker")?;
    Ok(listener.local_addr()?)
}
