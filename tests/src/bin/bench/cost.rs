//! What a payment costs whoever runs the system: processor time, bytes on the wire and on the disk. An event's cost
//! is in `ingest` and `cluster`.

use std::time::Duration;

use anyhow::Context;
use domain::place::VehicleClass;
use tests::faults::serving_runs::ask_to_pay;
use tests::relay::Relay;
use tests::serving::Serving;
use tests::{cpu, eventually};

const PAYMENTS: usize = 2_000;
const WARM_UP: usize = 200;
/// Drivers at once.
const DRIVERS: usize = 8;
/// More for cars than payments, so that each has a bay to itself, as in a street.
const BAYS: u32 = 8_000;

/// Measures and prints.
pub async fn run() -> anyhow::Result<()> {
    let mut city = Serving::without_bundle(BAYS).await;
    let bays = car_bays()?;
    let relay = Relay::to(city.serve.address.port()).await;
    city.url = format!("http://127.0.0.1:{}", relay.port);
    // What is done once: connections, statements, the first page of each table.
    many(&city, &bays[..WARM_UP]).await;
    hang_up(&mut city)?;
    eventually("bytes to be counted", || async { relay.bytes() > 0 }).await;
    let before = Spent::until_now(&city, &relay).await;
    many(&city, &bays[WARM_UP..]).await;
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

/// A bay for each payment.
fn car_bays() -> anyhow::Result<Vec<(usize, String)>> {
    let lots = simulator::city::hanoi(BAYS)?.lots;
    let bays = lots.into_iter().flat_map(|lot| lot.bays);
    let cars = bays.filter(|bay| bay.class == VehicleClass::Car);
    let codes: Vec<_> = cars.map(|bay| bay.code).enumerate().collect();
    let wanted = WARM_UP + PAYMENTS;
    let found = codes.get(..wanted);
    Ok(found.context("too few bays for cars")?.to_vec())
}

/// A payment in each bay, of a vehicle each: one that pays twice is given back what overlaps.
async fn many(city: &Serving, bays: &[(usize, String)]) {
    let drivers = (0..DRIVERS).map(|driver| async move {
        for (number, bay) in bays.iter().skip(driver).step_by(DRIVERS) {
            let payment = ask_to_pay(city, bay, &format!("30A{number:05}")).await;
            city.pay_by_bank_told_once(&payment).await;
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
