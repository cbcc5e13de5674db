//! What questions cost as the past grows: the same month of the same city, asked while more and more
//! years lie before it. None may cost more for them.

use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::event::Event;
use sqlx::PgPool;
use tests::city;
use tests::database::TestDatabase;

use crate::{BAYS_PER_LOT, LOTS};

/// A month of the city: 2,000 bays speak every 90 minutes, and each time their state has changed.
const MONTH: TimeDelta = TimeDelta::days(31);
const SPEAKS_EVERY: TimeDelta = TimeDelta::minutes(90);
const EVENTS_PER_MONTH: i64 = 992_000;
/// How often each question is asked; the middle time counts.
const ASKED: usize = 9;

/// Measures and prints. How many millions of events there are at most says
/// `CLEARBAY_BENCH_MILLIONS`; 10 where it is not set.
pub async fn run() -> anyhow::Result<()> {
    let most: i64 = match std::env::var("CLEARBAY_BENCH_MILLIONS") {
        Ok(text) => text.parse()?,
        Err(_) => 10,
    };
    let database = TestDatabase::create().await;
    let place = city::small(LOTS, BAYS_PER_LOT);
    let now = Utc::now().trunc_subsecs(0);
    database.store.place_import(&place, now).await?;
    let mut months = 0;
    let mut first: Option<Vec<(&str, Duration)>> = None;
    for millions in [1, 10, 100]
        .into_iter()
        .filter(|millions| *millions <= most)
    {
        while months < millions {
            fill(&database.pool, now - MONTH * i32::try_from(months + 1)?).await?;
            months += 1;
            if months % 10 == 0 {
                eprintln!(
                    "growth: {} million events",
                    months * EVENTS_PER_MONTH / 1_000_000
                );
            }
        }
        sqlx::query("VACUUM ANALYZE")
            .execute(&database.pool)
            .await?;
        let asked = ask(&database, now).await?;
        match &first {
            None => first = Some(asked.clone()),
            Some(first) => {
                for ((what, before), (_, after)) in first.iter().zip(&asked) {
                    let ratio = after.as_secs_f64() / before.as_secs_f64();
                    println!("growth_{what}_{millions}m_vs_1m: {ratio:.2}");
                }
            }
        }
        for (what, time) in &asked {
            println!(
                "growth_{what}_{millions}m_ms: {:.2}",
                time.as_secs_f64() * 1_000.0
            );
        }
        chunks(&database.pool, now).await?;
    }
    Ok(())
}

/// Writes the month from `from` on, as ingest would have: no more than 100 million events can be
/// waited for otherwise.
async fn fill(pool: &PgPool, from: DateTime<Utc>) -> anyhow::Result<()> {
    let speaks_every = format!("{} minutes", SPEAKS_EVERY.num_minutes());
    for sql in [
        "INSERT INTO event (device_id, at, seq, occupied, received_at, battery_mv)
         SELECT device_id, at + device_id * interval '1 second', n, n % 2 = 0, at, 3600
         FROM generate_series($1::timestamptz, $1 + interval '31 days' - $2::text::interval, $2::text::interval)
                WITH ORDINALITY AS t (at, n), device",
        "INSERT INTO stay (bay_id, started_at, ended_at)
         SELECT bay_id, at + device_id * interval '1 second',
                at + device_id * interval '1 second' + $2::text::interval
         FROM generate_series($1::timestamptz, $1 + interval '31 days' - $2::text::interval, $2::text::interval)
                WITH ORDINALITY AS t (at, n), device_assignment
         WHERE n % 2 = 0",
        "INSERT INTO lot_occupancy (lot_id, bucket, occupied_us, free_us, arrivals)
         SELECT lot_id, date_bin('15 minutes', at, 'epoch'), 25 * 900 * 1000000::bigint,
                25 * 900 * 1000000::bigint, 4
         FROM generate_series($1::timestamptz, $1 + interval '31 days' - interval '15 minutes', interval '15 minutes') AS at, lot
         WHERE $2::text IS NOT NULL
         ON CONFLICT DO NOTHING",
        "INSERT INTO bay_state (bay_id, last_at, last_seq, occupied, since, known_from)
         SELECT bay_id, at, 1000000, false, at, at
         FROM device_assignment, LATERAL (SELECT $1 + interval '31 days' - interval '1 minute') AS t (at)
         WHERE $2::text IS NOT NULL
         ON CONFLICT DO NOTHING",
    ] {
        sqlx::query(sql)
            .bind(from)
            .bind(&speaks_every)
            .execute(pool)
            .await?;
    }
    Ok(())
}

/// How long each question takes.
async fn ask(
    database: &TestDatabase,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<(&'static str, Duration)>> {
    let store = &database.store;
    let bay = store.bay_place("lot-7-7").await?.id;
    let devices = store.devices_named(&["lot-9-9-sensor"]).await?;
    let device = devices["lot-9-9-sensor"].id;
    let (mut board, mut day, mut week, mut hours, mut paid, mut late) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    for turn in 0..ASKED {
        let started = Instant::now();
        store.board_load(now).await?;
        board.push(started.elapsed());

        let started = Instant::now();
        let of_day = store.bay_stays(bay, now - TimeDelta::days(1), now).await?;
        day.push(started.elapsed());
        anyhow::ensure!((7..=9).contains(&of_day.len()), "{} stays", of_day.len());

        let started = Instant::now();
        let of_week = store.lot_occupancy("lot-3", now - TimeDelta::days(7), now, now);
        anyhow::ensure!(of_week.await?.len() >= 7 * 96 - 1, "buckets are missing");
        week.push(started.elapsed());

        let started = Instant::now();
        store.report_weeks("hn", now - MONTH, now).await?;
        hours.push(started.elapsed());

        let started = Instant::now();
        store
            .report_sensed_paid("hn", now - MONTH, now, now)
            .await?;
        paid.push(started.elapsed());

        // A word that comes an hour and a half late, and changes what was folded since.
        let seconds = i64::try_from(turn)?;
        let at = now - TimeDelta::minutes(100) + TimeDelta::seconds(seconds);
        let event = Event {
            device: "lot-9-9-sensor".to_owned(),
            at,
            seq: seconds,
            occupied: turn % 2 == 0,
            battery_mv: None,
            temperature_dc: None,
            received_at: now,
        };
        let started = Instant::now();
        store.event_ingest(&[(device, event)], &[]).await?;
        late.push(started.elapsed());
    }
    let middle = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    Ok(vec![
        ("board", middle(board)),
        ("bay_day", middle(day)),
        ("lot_week", middle(week)),
        ("city_month", middle(hours)),
        ("city_month_paid", middle(paid)),
        ("late_event", middle(late)),
    ])
}

/// How many chunks a question about one device's day looks at, as the plan says.
async fn chunks(pool: &PgPool, now: DateTime<Utc>) -> anyhow::Result<()> {
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN SELECT at, occupied FROM event
         WHERE device_id = (SELECT min(device_id) FROM device) AND at >= $1 AND at < $2",
    )
    .bind(now - TimeDelta::days(1))
    .bind(now)
    .fetch_all(pool)
    .await?;
    let scanned = plan.iter().filter(|line| line.contains("_chunk ")).count();
    let all: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass")
            .fetch_one(pool)
            .await?;
    println!("growth_device_day_chunks: {scanned} of {all}");
    Ok(())
}
