//! `clearbay ingest` against COPY and against the broker, over a real mosquitto and database.
//!
//! Two modes, because on two cores the broker itself is the wall while a publisher runs. **Drain**:
//! a backlog that was queued while ingest was down, timed from its start to the commit of the last
//! event, with all that follows from it. **Live**: the publisher runs; ingest is set against a
//! subscriber that acknowledges and throws away.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tests::broker::Broker;
use tests::city::{self, past};
use tests::cpu;
use tests::database::TestDatabase;
use tests::flood::flood;
use tests::ingesting::{IngestProcess, subscribed};
use tests::sensors::{Told, told};

use crate::{BAYS_PER_LOT, LOTS};

const BAYS: usize = LOTS * BAYS_PER_LOT;
const EVENTS_PER_BAY: usize = 100;
const EVENTS: usize = BAYS * EVENTS_PER_BAY;
/// Each figure, and each ratio within a round, is the middle one of so many.
const ROUNDS: usize = 7;
/// A broker that limits neither its queues nor what is in flight, and writes its sessions down.
const UNLIMITED: &str = "max_inflight_messages 0\nmax_queued_messages 0\nautosave_interval 1800";

/// Measures and prints.
pub async fn run() -> anyhow::Result<()> {
    let backlog = backlog();
    let (mut copies, mut drains, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut discards, mut lives) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (drained, database) = drain(&backlog, 1).await?;
        drains.push(drained);
        copies.push(copy(&database).await?);
        pairs.push(drain(&backlog, 2).await?.0.elapsed);
        discards.push(discard(&backlog).await?);
        lives.push(live(&backlog).await?);
    }
    let vs_copy = middle_ratio(&drains, &copies);
    let vs_pair = middle_ratio(&drains, &pairs);
    let vs_discard = middle_ratio(&lives, &discards);
    let (drained, lived) = (middle_cost(drains), middle_cost(lives));
    let (copied, discarded) = (middle(copies), middle(discards));
    let rate = |elapsed: Duration| EVENTS as f64 / elapsed.as_secs_f64();
    println!("ingest_vs_copy: {vs_copy:.2}");
    println!("ingest_vs_broker: {vs_discard:.2}");
    println!("ingest_two_vs_one: {:.2}", 1.0 / vs_pair);
    println!("ingest_drain_events_per_s: {:.0}", rate(drained.elapsed));
    println!("ingest_live_events_per_s: {:.0}", rate(lived.elapsed));
    println!("copy_rows_per_s: {:.0}", rate(copied));
    println!("broker_discard_events_per_s: {:.0}", rate(discarded));
    drained.print("drain");
    lived.print("live");
    Ok(())
}

/// What it took until all was kept.
struct Cost {
    elapsed: Duration,
    /// Processor time of the ingest processes.
    ingest: Duration,
    database: Duration,
    broker: Duration,
}

impl Cost {
    fn print(&self, mode: &str) {
        for (who, cpu) in [
            ("", self.ingest),
            ("_database", self.database),
            ("_broker", self.broker),
        ] {
            let each = cpu.as_secs_f64() * 1e6 / EVENTS as f64;
            println!("ingest_{mode}{who}_cpu_us_per_event: {each:.1}");
        }
    }
}

/// What had been used when measuring began.
struct Meter {
    started: Instant,
    database: Duration,
    broker: Duration,
}

impl Meter {
    async fn start(database: &TestDatabase, broker: &Broker) -> Self {
        Self {
            database: cpu::of_database(&database.pool).await,
            broker: broker.cpu(),
            started: Instant::now(),
        }
    }

    /// Once all is kept.
    async fn stop(
        self,
        database: &TestDatabase,
        broker: &Broker,
        processes: &[IngestProcess],
    ) -> anyhow::Result<Cost> {
        settled(database).await?;
        Ok(Cost {
            elapsed: self.started.elapsed(),
            ingest: processes.iter().map(IngestProcess::cpu).sum(),
            database: cpu::of_database(&database.pool).await - self.database,
            broker: broker.cpu() - self.broker,
        })
    }
}

/// What was done beside it took, in times of what it took itself, in the middle one of the rounds: the
/// machine is as quick for both of a round, and not in all of them.
fn middle_ratio(costs: &[Cost], others: &[Duration]) -> f64 {
    let of_round =
        |(cost, other): (&Cost, &Duration)| other.as_secs_f64() / cost.elapsed.as_secs_f64();
    let mut ratios: Vec<f64> = costs.iter().zip(others).map(of_round).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn middle_cost(mut costs: Vec<Cost>) -> Cost {
    costs.sort_unstable_by_key(|cost| cost.elapsed);
    costs.swap_remove(costs.len() / 2)
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Every bay speaks once a minute, and every other time its state has changed.
fn backlog() -> Vec<Told> {
    let start = past();
    let mut messages = Vec::with_capacity(EVENTS);
    for seq in 1..=EVENTS_PER_BAY {
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        for lot in 0..LOTS {
            for bay in 0..BAYS_PER_LOT {
                let device = format!("lot-{lot}-{bay}-sensor");
                let at = start + TimeDelta::minutes(seq) + TimeDelta::milliseconds(bay as i64);
                messages.push(told(&device, at, seq, seq % 4 < 2));
            }
        }
    }
    messages
}

async fn set_up() -> anyhow::Result<(TestDatabase, Broker)> {
    let database = TestDatabase::create().await;
    database
        .store
        .place_import(&city::small(LOTS, BAYS_PER_LOT), chrono::Utc::now())
        .await?;
    Ok((database, Broker::mosquitto_with(UNLIMITED)))
}

/// One of several processes that share what is queued.
fn start(database: &TestDatabase, broker: &Broker, workers: usize, number: usize) -> IngestProcess {
    let id = format!("bench-{number}");
    let mut env = vec![("CLEARBAY_INGEST_ID", id.as_str())];
    if workers > 1 {
        env.push(("CLEARBAY_INGEST_SHARE", "group:bench"));
    }
    IngestProcess::with(&database.url, &broker.url, &env)
}

/// From the start of the processes to the commit of what had been queued while they were away.
async fn drain(backlog: &[Told], workers: usize) -> anyhow::Result<(Cost, TestDatabase)> {
    let (database, broker) = set_up().await?;
    // Their sessions exist from their first subscription on.
    for number in 0..workers {
        let process = start(&database, &broker, workers, number);
        subscribed(&database, &broker).await;
        process.stop().await;
    }
    flood(&broker.url, backlog).await;
    let meter = Meter::start(&database, &broker).await;
    let processes: Vec<_> = (0..workers)
        .map(|number| start(&database, &broker, workers, number))
        .collect();
    let cost = meter.stop(&database, &broker, &processes).await?;
    for process in processes {
        process.stop().await;
    }
    anyhow::ensure!(
        database.count("event").await == EVENTS as i64,
        "events are missing"
    );
    Ok((cost, database))
}

/// From the first publish to the commit of the last event.
async fn live(backlog: &[Told]) -> anyhow::Result<Cost> {
    let (database, broker) = set_up().await?;
    let process = start(&database, &broker, 1, 0);
    subscribed(&database, &broker).await;
    let processes = [process];
    let meter = Meter::start(&database, &broker).await;
    let (_, cost) = tokio::join!(
        flood(&broker.url, backlog),
        meter.stop(&database, &broker, &processes)
    );
    for process in processes {
        process.stop().await;
    }
    cost
}

/// From the first publish to the last message's arrival at a subscriber that acknowledges and
/// throws away.
async fn discard(backlog: &[Told]) -> anyhow::Result<Duration> {
    let broker = Broker::mosquitto_with(UNLIMITED);
    let mut options = MqttOptions::parse_url(format!("{}?client_id=discard", broker.url))?;
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 1_000);
    client
        .subscribe("clearbay/v1/devices/+/up", QoS::AtLeastOnce)
        .await?;
    while !matches!(events.poll().await?, Event::Incoming(Packet::SubAck(_))) {}
    let reading = tokio::spawn(async move {
        let mut arrived = 0;
        while arrived < EVENTS {
            if let Event::Incoming(Packet::Publish(_)) = events.poll().await? {
                arrived += 1;
            }
        }
        anyhow::Ok(())
    });
    let started = Instant::now();
    let (_, read) = tokio::join!(flood(&broker.url, backlog), reading);
    read??;
    Ok(started.elapsed())
}

/// Waits until each bay's counter has come to its end, which is cheaper to watch than the events.
async fn settled(database: &TestDatabase) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let done: i64 = sqlx::query_scalar("SELECT count(*) FROM bay_state WHERE last_seq = $1")
            .bind(EVENTS_PER_BAY as i64)
            .fetch_one(&database.pool)
            .await?;
        if done == BAYS as i64 {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "only {done} bays are up to date");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How long PostgreSQL takes to copy the same rows, in the order of their arrival, into an empty
/// table of the same kind.
async fn copy(database: &TestDatabase) -> anyhow::Result<Duration> {
    let target = TestDatabase::create().await;
    let mut rows = Vec::new();
    let mut source = database.pool.acquire().await?;
    let order = "COPY (SELECT * FROM event ORDER BY seq, device_id) TO STDOUT";
    let mut out = source.copy_out_raw(order).await?;
    while let Some(chunk) = futures::StreamExt::next(&mut out).await {
        rows.extend_from_slice(&chunk?);
    }
    drop(out);
    let started = Instant::now();
    let mut connection = target.pool.acquire().await?;
    let mut copy = connection.copy_in_raw("COPY event FROM STDIN").await?;
    for chunk in rows.chunks(1 << 20) {
        copy.send(chunk).await?;
    }
    copy.finish().await?;
    Ok(started.elapsed())
}
