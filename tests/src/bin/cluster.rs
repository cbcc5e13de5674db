//! A city on a cluster, to look at and to break: three RabbitMQ nodes, two ingest processes, two serving ones
//! behind HAProxy, a primary database and its replica. `cargo xtask demo --cluster` provides what it needs.
//! It forgets everything when it ends.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::Context;
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::ingesting::IngestProcess;
use tests::proxy::{self, Proxy};
use tests::rabbit::{self, Cluster};
use tests::serve_process::{ServeProcess, ServeSettings};
use tests::serving::{IMPORT_TOKEN, SESSION_KEY, WEBHOOK_KEY, log_key};

const NODES: usize = 3;
const WORKERS: usize = 2;
const SERVERS: usize = 2;

// One thread: what is started ends with the thread that has started it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::var("CLEARBAY_CLUSTER_PORT")?.parse()?;
    let bays: u32 = std::env::var("CLEARBAY_CLUSTER_BAYS")?.parse()?;
    let history_days = std::env::var("CLEARBAY_CLUSTER_HISTORY_DAYS")?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let rabbitmq = rabbit::unpacked().context("RabbitMQ could not be fetched")?;
    let haproxy = proxy::provided().context("HAProxy could not be fetched")?;

    println!("database: a primary and its replica ...");
    let primary = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&primary.url).await;
    let place = simulator::city::hanoi(bays)?;
    database
        .store
        .place_import(&place, chrono::Utc::now())
        .await?;
    let password = uuid::Uuid::new_v4().simple().to_string()[..10].to_owned();
    let hash = api::service::staff::hash_password(&password)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    database
        .store
        .staff_put("city", "City", &hash, None)
        .await?;
    let replica = primary.replica("clearbay_replica").await;

    println!("broker: {NODES} nodes of RabbitMQ, one after the other ...");
    let cluster = Cluster::start(rabbitmq, NODES);
    let workers: Vec<IngestProcess> = (0..WORKERS)
        .map(|worker| {
            let (id, share) = (
                format!("ingest-{worker}"),
                format!("{}/{WORKERS}", worker + 1),
            );
            let env = [
                ("CLEARBAY_INGEST_ID", &*id),
                ("CLEARBAY_INGEST_SHARE", &*share),
            ];
            IngestProcess::with(&database.url, &cluster.amqp_url(), &env)
        })
        .collect();
    let servers: Vec<ServeProcess> = (0..SERVERS)
        .map(|server| {
            let mut env = vec![
                ("DATABASE_URL", database.url.clone()),
                ("CLEARBAY_REPLICA_URL", replica.same_database(&database.url)),
                ("MQTT_URL", cluster.mqtt_url(server % NODES)),
                ("CLEARBAY_SESSION_KEY", SESSION_KEY.to_owned()),
                ("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY.to_owned()),
                ("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN.to_owned()),
                ("CLEARBAY_LOG_KEY", log_key(1).1),
                ("CLEARBAY_PUBLIC_URL", format!("http://{address}")),
            ];
            if let Ok(folder) = std::env::var("CLEARBAY_TEST_WEB_DIR") {
                env.push(("CLEARBAY_WEB_DIR", folder));
            }
            ServeProcess::start(ServeSettings {
                program: None,
                env,
                city: place.city.code.clone(),
                log: None,
                open_files: None,
            })
        })
        .collect();
    let processes: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let proxy = Proxy::start_at(haproxy, address, &processes).await;
    let client = simulator::http::local().build()?;
    tests::eventually("the city to be ready", || async {
        let reply = client.get(format!("{}/readyz", proxy.url())).send().await;
        reply.is_ok_and(|reply| reply.status().is_success())
    })
    .await;

    let state = tempfile::tempdir()?;
    let mut simulator = tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"))
        .args([
            "simulate",
            "--until-end-of-input",
            "--api-url",
            &proxy.url(),
        ])
        .args(["--bays", &bays.to_string(), "--history-days", &history_days])
        .arg("--state-file")
        .arg(state.path().join("simulator.json"))
        .env("MQTT_URL", cluster.mqtt_url(NODES - 1))
        .env("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY)
        .env("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;

    let mut ids = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        ids.push(format!(
            "serve {number}: kill -9 {}   ({})",
            server.id().await,
            server.url()
        ));
    }
    for (number, worker) in workers.iter().enumerate() {
        ids.push(format!("ingest {number}: kill -9 {}", worker.id()));
    }
    for node in 0..cluster.len() {
        ids.push(format!("broker {node}: kill -9 {}", cluster.id(node)));
    }
    println!(
        "
A city of {bays} bays on a cluster, on this machine. It forgets everything when it ends.

  Find parking      {url}/
  Staff             {url}/staff        login city, password {password}
  City              {url}/city

Each of these may be killed; nothing that was confirmed is lost. What is killed stays away: start the demo anew.

  {}

The database's primary is on port {}, its replica on port {}.
Ctrl-C ends it.
",
        ids.join("\n  "),
        primary.port,
        replica.port,
        url = proxy.url(),
    );
    let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = told.recv() => {}
        ended = simulator.wait() => println!("The simulated city ended by itself: {}", ended?),
    }
    println!("Ending ...");
    Ok(())
}
