//! Complete payments a second: a session is opened, its money asked for, the bank's word taken;
//! against pgbench, which executes the very same statements on the same server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;
use api::gateway::vietqr;
use api::limit::Limits;
use api::service::payment::{Due, Means};
use api::service::session::SessionRequest;
use api::service::{payment, session, settlement};
use api::{App, Gateways, LiveBoard, Past, Secrets};
use chrono::{DateTime, TimeDelta, Utc};
use domain::payment::BankNotice;
use domain::place::VehicleClass;
use domain::plate::Plate;
use store::Store;
use store::settlement::NoticeOutcome;
use tests::city;
use tests::database::TestDatabase;
use tests::statements::Recorder;
use uuid::Uuid;

use super::pgbench::Work;

/// Drivers who pay at once, and as many clients of pgbench's.
const CLIENTS: usize = 32;
/// As many as `clearbay serve` holds.
pub(super) const CONNECTIONS: u32 = 16;
/// Payments of one run, a multiple of [`CLIENTS`].
pub(super) const PAYMENTS: usize = 2_048;
/// Runs of each kind, in turn; the median counts.
const RUNS: usize = 5;
pub(super) const LOTS: usize = 40;
const BAYS_PER_LOT: usize = 50;
const WEBHOOK_KEY: &str = "the-webhook-key-of-the-bench";

/// Measures and prints.
pub async fn run() -> anyhow::Result<()> {
    let work = record().await?;
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let (spread, pgbench) = (measure(LOTS).await?, compare(&work).await?);
        runs.push([spread, pgbench, measure(1).await?]);
    }
    // Each ratio is of runs that followed each other, whatever else the machine was doing.
    let median = |figure: fn(&[f64; 3]) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures[RUNS / 2]
    };
    println!(
        "pay_vs_pgbench: {:.2}",
        median(|[spread, pgbench, _]| spread / pgbench)
    );
    println!(
        "pay_hot_vs_spread: {:.2}",
        median(|[spread, _, hot]| hot / spread)
    );
    println!("pay_per_s: {:.0}", median(|[spread, ..]| *spread));
    println!("pay_hot_per_s: {:.0}", median(|[.., hot]| *hot));
    println!("pgbench_per_s: {:.0}", median(|[_, pgbench, _]| *pgbench));
    Ok(())
}

/// A city without a past.
pub(super) async fn new_city() -> anyhow::Result<TestDatabase> {
    let database = TestDatabase::create().await;
    let place = city::small(LOTS, BAYS_PER_LOT);
    database
        .store
        .place_import(&place, chrono::Utc::now())
        .await?;
    Ok(database)
}

/// Payments a second by many drivers at once, in so many lots of a new city.
async fn measure(lots: usize) -> anyhow::Result<f64> {
    let database = new_city().await?;
    let app = app(&database.url, CONNECTIONS).await?;
    let rate = drive(&app, lots).await?;
    app.store.close().await;
    check(&database).await?;
    Ok(rate)
}

/// The same in a city that is there.
pub(super) async fn drive(app: &App, lots: usize) -> anyhow::Result<f64> {
    let start = Utc::now();
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (app, next) = (app.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= PAYMENTS {
                        return anyhow::Ok(());
                    }
                    pay(&app, &Driver::new(index, lots, start)).await?;
                }
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(PAYMENTS as f64 / started.elapsed().as_secs_f64())
}

/// What pgbench makes of the recorded statements in a new city.
async fn compare(work: &Work) -> anyhow::Result<f64> {
    let database = new_city().await?;
    let rate = work.rate(&database, CLIENTS).await?;
    check(&database).await?;
    Ok(rate)
}

/// Whether everybody has paid, and the books are right.
async fn check(database: &TestDatabase) -> anyhow::Result<()> {
    let posted = database.count("payment WHERE status = 'posted'").await;
    anyhow::ensure!(posted == PAYMENTS as i64, "only {posted} have paid");
    let breaks = database.store.ledger_breaks().await?;
    anyhow::ensure!(breaks.is_empty(), "the books are not right: {breaks:?}");
    Ok(())
}

/// The statements of as many payments as a run has, one driver after the other.
async fn record() -> anyhow::Result<Work> {
    let database = new_city().await?;
    let recorder = Recorder::start(&database.url).await?;
    let app = app(&recorder.url, 1).await?;
    let start = Utc::now();
    // The first also reads what is read once.
    pay(&app, &Driver::new(PAYMENTS, LOTS, start)).await?;
    recorder.take();
    let mut payments = Vec::with_capacity(PAYMENTS);
    for index in 0..PAYMENTS {
        pay(&app, &Driver::new(index, LOTS, start)).await?;
        payments.push(recorder.take());
    }
    app.store.close().await;
    Work::new(&payments)
}

/// What `clearbay serve` works with.
pub(super) async fn app(database_url: &str, connections: u32) -> anyhow::Result<App> {
    let store = Store::connect(database_url, connections).await?;
    let live = Arc::new(LiveBoard::default());
    live.reload(&store, App::now()).await?;
    let env = |name: &str| (name == "CLEARBAY_WEBHOOK_KEY").then(|| WEBHOOK_KEY.to_owned());
    Ok(App {
        past: Past::of(store.clone()),
        log: None,
        city: Arc::new(store.city("hn").await?),
        store,
        live,
        secrets: Arc::new(Secrets {
            session_keys: "the-session-key-of-the-bench".parse()?,
            webhook_key: WEBHOOK_KEY.as_bytes().to_vec(),
            import_token: String::new(),
        }),
        gateways: Arc::new(Gateways::from_env(env).map_err(anyhow::Error::msg)?),
        sms: None,
        push: None,
        oidc: None,
        second_factor: Default::default(),
        http: api::gateway::client()?,
        public_url: "https://parking.example".into(),
        drain: api::Drain::new(std::time::Duration::ZERO),
        proxies: Arc::new("".parse()?),
        public_mqtt_url: None,
        limits: Arc::new(Limits::new(1, 1)),
        answers: Arc::default(),
        open: Arc::default(),
        plate_reader: None,
    })
}

struct Driver {
    bay: String,
    plate: String,
    at: DateTime<Utc>,
}

impl Driver {
    /// One after the other in each bay of so many lots, as vehicles are.
    fn new(index: usize, lots: usize, start: DateTime<Utc>) -> Self {
        let (lot, bay) = (index % lots, index / lots % BAYS_PER_LOT);
        let turn = index / (lots * BAYS_PER_LOT);
        Self {
            bay: format!("lot-{lot}-{bay}"),
            plate: format!("30A{index:05}"),
            at: start + TimeDelta::minutes(61 * turn as i64),
        }
    }
}

/// What the handlers of a phone's two requests and of a bank's webhook do, one after the other.
async fn pay(app: &App, driver: &Driver) -> anyhow::Result<()> {
    let (now, key) = (driver.at, Uuid::new_v4().to_string());
    let bay = app.store.bay_place(&driver.bay).await?;
    let request = SessionRequest {
        bay: driver.bay.clone(),
        plate: Plate::parse(&driver.plate)?,
        class: VehicleClass::Car,
        minutes: 60,
        at: None,
        metered: false,
        key: key.clone(),
    };
    let opened = session::open(app, &bay, &request, false, now).await?;

    let session = session::find(app, opened.session.id, &opened.token).await?;
    let bay = app.store.bay_place(&session.bay_code).await?;
    let due = Due::start(&bay, &session)?;
    let asked = payment::request(app, &due, Means::gateway(vietqr::CODE), key, now).await?;

    let notice = BankNotice {
        bank_ref: format!("FT{}", Uuid::new_v4().simple()),
        description: format!("IBFT {} GD", asked.reference),
        amount_vnd: asked.amount_vnd,
        currency: "VND".to_owned(),
        paid_at: now,
    };
    let outcomes = settlement::settle(app, vietqr::CODE, vec![notice], now).await?;
    let outcome = outcomes.first().context("no outcome")?;
    anyhow::ensure!(matches!(outcome, NoticeOutcome::Posted(_)), "{outcome:?}");
    Ok(())
}
