//! Several ingest processes share one city, and leave what one would have left.

use ingest::{Options, Share};
use tests::broker::{Broker, BrokerKind};
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::ingesting::{Ingesting, comings_and_goings, subscribed};
use tests::oracle::assert_exact;
use tests::sensors::{Told, publish};
use tests::{eventually, over_both_brokers};

const BAYS: usize = 6;
const EVENTS_PER_BAY: i64 = 400;

/// The bays' events in turn, as a city's come.
fn messages() -> Vec<Told> {
    let of_bay = |bay| comings_and_goings(&format!("lot-0-{bay}-sensor"), EVENTS_PER_BAY);
    let bays: Vec<Vec<Told>> = (0..BAYS).map(of_bay).collect();
    let turn = |n: i64| {
        let n = usize::try_from(n).unwrap();
        bays.iter().map(move |bay| bay[n].clone())
    };
    (0..EVENTS_PER_BAY).flat_map(turn).collect()
}

async fn shared_by(kind: BrokerKind, shares: [Share; 2]) {
    let database = TestDatabase::create().await;
    database
        .store
        .place_import(&city::small(1, BAYS), past())
        .await
        .unwrap();
    let broker = Broker::start(kind);
    let mut processes = Vec::new();
    for (number, share) in shares.into_iter().enumerate() {
        let mut options = Options::new(broker.url.clone(), format!("share-{number}"));
        options.share = share;
        // Many small transactions, so that the two are at work at once.
        options.batch_max = 50;
        processes.push(Ingesting::with(&database.store, options));
        subscribed(&database, &broker).await;
    }
    publish(&broker.url, messages()).await;
    let all = BAYS as i64 * EVENTS_PER_BAY;
    eventually("all events", || async {
        database.count("event").await >= all
    })
    .await;
    for process in processes {
        process.stop().await;
    }
    assert_eq!(database.count("event").await, all);
    assert_exact(&database, "shared by two").await;
}

async fn parts_of_the_devices_have_a_process_each(kind: BrokerKind) {
    let part = |index| Share::Part { index, count: 2 };
    shared_by(kind, [part(0), part(1)]).await;
}

over_both_brokers!(parts_of_the_devices_have_a_process_each);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_subscription_is_divided_by_the_broker() {
    let group = Share::Group("city".to_owned());
    shared_by(BrokerKind::Mosquitto, [group.clone(), group]).await;
}
