//! What a payment costs whoever runs the system: processor time, bytes on the wire and on the disk. An event's cost
//! is in `ingest` and `cluster`.

use std::time::Duration;

use anyhow::Context;
use tests::faults::serving_runs::pay;
use tests::relay::Relay;
use tests::serving::Serving;
use tests::{cpu, eventually};

const PAYMENTS: usize = 2_000;
const WARM_UP: usize = 200;
/// Drivers at once.
const DRIVERS: usize = 8;

/// Measures and prints.
pub async fn run() -> anyhow::Result<()> {
    let mut city = Serving::without_bundle(80).await;
    let relay = Relay::to(city.serve.address.port()).await;
    city.url = format!("http://127.0.0.1:{}", relay.port);
    // What is done once: connections, statements, the first page of each table.
    many(&city, 0, WARM_UP).await;
    hang_up(&mut city)?;
    eventually("bytes to be counted", || async { relay.bytes() > 0 }).await;
    let before = Spent::until_now(&city, &relay).await;
    many(&city, WARM_UP, PAYMENTS).await;
    hang_up(&mut city)?;
    let bytes = before.wire;
    eventually("bytes to be counted", || async {
        relay.bytes() as f64 > bytes + PAYMENTS as f64
    })
    .await;
    // The public log is a part of the price.
    eventually("the log to have every receipt", || async {
        city.database.count("log_leaf").await == (WARM_UP + PAYMENTS) as i64
    })
    .await;
    let after = Spent::until_now(&city, &relay).await;
    let each = |figure: fn(&Spent) -> f64| (figure(&after) - figure(&before)) / PAYMENTS as f64;
    println!("payment_cpu_us_serve: {:.0}", each(|spent| spent.serve_us));
    println!(
        "payment_cpu_us_database: {:.0}",
        each(|spent| spent.database_us)
    );
    println!("payment_http_bytes: {:.0}", each(|spent| spent.wire));
    println!("payment_disk_bytes: {:.0}", each(|spent| spent.disk));
    println!("payment_wal_bytes: {:.0}", each(|spent| spent.wal));
    Ok(())
}

/// So many payments, of vehicles after the first so many: one that pays twice is given back what overlaps.
async fn many(city: &Serving, first: usize, payments: usize) {
    let drivers = (0..DRIVERS).map(|driver| async move {
        for turn in 0..payments / DRIVERS {
            let plate = format!("30A{:05}", driver * 5_000 + first + turn);
            pay(city, &format!("HK-01-00{}", turn % 2 + 1), &plate).await;
        }
    });
    futures::future::join_all(drivers).await;
}

/// Ends the client's connections, so that what went over them is counted.
fn hang_up(city: &mut Serving) -> anyhow::Result<()> {
    city.client = simulator::http::local().build().context("a new client")?;
    Ok(())
}

/// What was spent until some moment.
struct Spent {
    serve_us: f64,
    database_us: f64,
    wire: f64,
    disk: f64,
    wal: f64,
}

impl Spent {
    async fn until_now(city: &Serving, relay: &Relay) -> Self {
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        Self {
            serve_us: us(cpu::of_process(city.serve.id().await)),
            database_us: us(cpu::of_database(&city.database.pool).await),
            wire: relay.bytes() as f64,
            disk: city.database.bytes().await as f64,
            wal: city.database.wal_bytes().await as f64,
        }
    }
}
