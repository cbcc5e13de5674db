//! What `cargo xtask demo --cluster` does where parts are killed: a replica takes over, and losses are counted.

use chrono::{TimeDelta, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use simulator::acknowledged::{Acknowledged, Event, Line};
use tests::broker::Broker;
use tests::city::{self, past};
use tests::city_cluster::databases::Databases;
use tests::city_cluster::tally::Tally;
use tests::database::TestDatabase;
use tests::eventually;
use tests::ingesting::{Ingesting, hears};
use tests::sensors::{publish, told};

const DEVICE: &str = "lot-0-0-sensor";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_and_is_not_stored_is_counted() {
    let database = TestDatabase::create().await;
    let place = city::small(1, 2);
    let placed = database.store.place_import(&place, past());
    placed.await.unwrap();
    let broker = Broker::rumqttd();
    let ingest = Ingesting::start(&database.store, &broker.url);
    hears(&database, &broker).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acknowledged");
    let record = Acknowledged::open(&path).unwrap();
    let mut tally = Tally::of(&path);
    tally.look(&database.pool).await;
    assert!(tally.to_string().starts_with("nothing counted yet"));

    // One was never sent, and one of those after it is only on its way.
    let at = |seq| past() + TimeDelta::seconds(seq);
    let sent = [0, 2].map(|seq| told(DEVICE, at(seq), seq, seq == 0));
    publish(&broker.url, sent.to_vec()).await;
    eventually("both events", || async {
        database.count("event").await == 2
    })
    .await;
    let events = (0..4).map(|seq| Event {
        device: DEVICE.to_owned(),
        at: at(seq),
        seq,
    });
    record.add(events.map(Line::Event)).unwrap();
    record.add([Line::Transfer("FT1".to_owned())]).unwrap();
    tally.look(&database.pool).await;
    tally.look(&database.pool).await;
    assert_eq!(
        tally.to_string(),
        "since the city is live: 4 events acknowledged, 2 stored, 1 on their way, 1 lost; \
         1 payments confirmed to the bank, 0 in the books, 1 lost"
    );

    let rest = [1, 3].map(|seq| told(DEVICE, at(seq), seq, seq == 3));
    publish(&broker.url, rest.to_vec()).await;
    sqlx::query(
        "INSERT INTO bank_notice (gateway, bank_ref, description, amount_vnd, currency, paid_at, outcome, received_at)
         VALUES ('vietqr', 'FT1', '', 1000, 'VND', $1, 'unknown', $1)",
    )
    .bind(Utc::now())
    .execute(&database.pool)
    .await
    .unwrap();
    eventually("all events", || async {
        database.count("event").await == 4
    })
    .await;
    tally.look(&database.pool).await;
    assert_eq!(
        tally.to_string(),
        "since the city is live: 4 events acknowledged, 4 stored, 0 on their way, 0 lost; \
         1 payments confirmed to the bank, 1 in the books, 0 lost"
    );
    ingest.stop().await;
}

/// Three times a primary is killed as people do it, its first process alone: who has just come back takes its turn too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_database_server_is_killed_the_others_go_on_and_it_comes_back() {
    let mut databases = Databases::start().await;
    let database = TestDatabase::create_on(&databases.url()).await;
    sqlx::query("CREATE TABLE drill (round bigint)")
        .execute(&database.pool)
        .await
        .unwrap();
    for round in 1..=3_i64 {
        let primary = (0..databases.len()).find(|member| databases.is_primary(*member));
        let primary = primary.unwrap();
        let id = databases.server(primary).id().unwrap();
        kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL).unwrap();
        let status = loop {
            if let Some(status) = databases.has_ended(primary) {
                break status;
            }
            tokio::task::yield_now().await;
        };
        let next = databases.after_end_of(primary, status).await;
        assert!(next.is_some_and(|next| next != primary), "{next:?}");
        // A commit waits for the replica that follows now.
        eventually("the next primary to take changes", || async {
            let written = sqlx::query("INSERT INTO drill VALUES ($1)")
                .bind(round)
                .execute(&database.pool);
            written.await.is_ok()
        })
        .await;
        databases.start_again(primary).await.unwrap();
        let url = databases.server(primary).same_database(&database.url);
        eventually("who was killed to have it as a replica", || async {
            let asked = async {
                let pool = sqlx::PgPool::connect(&url).await?;
                let has = sqlx::query_scalar(
                    "SELECT pg_is_in_recovery() AND count(DISTINCT round) = $1 FROM drill",
                );
                has.bind(round).fetch_one(&pool).await
            };
            matches!(asked.await, Ok::<bool, sqlx::Error>(true))
        })
        .await;
    }
}
