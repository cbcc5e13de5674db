//! A cluster of brokers, several ingest processes: each device's messages are kept once, whichever node it
//! speaks to and whoever ends.

use std::time::Duration;

use chrono::Utc;
use ingest::{Options, Share};
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::eventually;
use tests::faults::{ClusterRig, Outcome, Unacknowledged, cluster_runs};
use tests::ingesting::{Ingesting, comings_and_goings};
use tests::oracle::assert_exact;
use tests::rabbit::{self, Cluster};
use tests::sensors::{Listener, Told, publish};

/// Events a second: ten times a city's peak.
const RATE: usize = 300;
const BAYS: usize = 6;
const EVENTS_PER_BAY: i64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_devices_tell_any_node_is_kept_once_by_the_workers_together() {
    let Some(root) = rabbit::unpacked() else {
        return;
    };
    let cluster = Cluster::start(root, 3);
    let database = TestDatabase::create().await;
    database
        .store
        .place_import(&city::small(1, BAYS), past())
        .await
        .unwrap();
    let mut deltas = Listener::subscribe(&cluster.mqtt_url(2), "clearbay/v1/occupancy/lot-0").await;

    // Nobody takes the first half: it waits in the shards.
    let of_bay = |bay| comings_and_goings(&format!("lot-0-{bay}-sensor"), EVENTS_PER_BAY);
    let bays: Vec<Vec<Told>> = (0..BAYS).map(of_bay).collect();
    let half = EVENTS_PER_BAY as usize / 2;
    for (bay, events) in bays.iter().enumerate() {
        publish(&cluster.mqtt_url(bay % 3), events[..half].to_vec()).await;
    }
    let workers = [0, 1].map(|index| {
        let mut options = Options::new(cluster.amqp_url(), format!("worker-{index}"));
        options.share = Share::Part { index, count: 2 };
        options.batch_max = 50;
        Ingesting::with(&database.store, options)
    });
    for (bay, events) in bays.iter().enumerate() {
        // To another node than before, as a device that was cut off does.
        publish(&cluster.mqtt_url((bay + 1) % 3), events[half..].to_vec()).await;
    }
    let all = BAYS as i64 * EVENTS_PER_BAY;
    eventually("all events", || async {
        database.count("event").await >= all
    })
    .await;
    // The workers tell of changes on the topics that devices' broker has always had.
    deltas.next().await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(database.count("event").await, all);
    assert_eq!(database.count("refused_message").await, 0);
    assert_exact(&database, "shared by a cluster's workers").await;

    // All was acknowledged: nothing comes again.
    let again = Ingesting::start(&database.store, &cluster.amqp_url());
    publish(&cluster.mqtt_url(0), comings_and_goings("stranger", 1)).await;
    eventually("a message of after", || async {
        database.count("refused_message").await > 0
    })
    .await;
    again.stop().await;
    assert_eq!(database.count("event").await, all);
}

/// Each shard is read by one process at any time: by whose it is, while that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_is_given_its_shards_and_who_goes_leaves_them_to_the_other() {
    const ALONE: [usize; 8] = [0; 8];
    const TOGETHER: [usize; 8] = [0, 1, 0, 1, 0, 1, 0, 1];
    let Some(root) = rabbit::unpacked() else {
        return;
    };
    let mut rig = ClusterRig::idle(root, 3, 2).await;
    let mut options = Options::new(rig.cluster.amqp_url(), "ingest-0".to_owned());
    options.share = Share::Part { index: 0, count: 2 };
    // Nobody waits for a minute here.
    options.give_back_every = Duration::from_secs(3);
    let first = Ingesting::with(&rig.database.store, options);
    let load = rig.load(RATE, Unacknowledged::SentAgain).await;
    rig.shards_are_held_by(&ALONE).await;

    rig.worker_start(1);
    rig.shards_are_held_by(&TOGETHER).await;
    rig.worker_stop(1).await;
    rig.shards_are_held_by(&ALONE).await;

    rig.worker_start(1);
    rig.shards_are_held_by(&TOGETHER).await;
    rig.worker_kill(1).await;
    rig.shards_are_held_by(&ALONE).await;
    rig.all_heard_after(Utc::now()).await;

    let audit = rig.audit(load).await;
    assert_eq!(audit.lost, 0, "{audit:?}");
    assert!(audit.is_consistent(), "{audit:?}");
    assert!(audit.acknowledged > RATE, "{audit:?}");
    first.crash().await;
}

fn nothing_lost(outcome: &Outcome) {
    println!("{outcome}");
    assert_eq!(outcome.audit.lost, 0, "{outcome:?}");
    assert!(outcome.audit.is_consistent(), "{outcome:?}");
    assert!(outcome.audit.acknowledged > RATE, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_killed_and_the_other_takes_its_shards() {
    if let Some(root) = rabbit::unpacked() {
        nothing_lost(&cluster_runs::kill_worker(root, 2, RATE).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_killed_and_devices_go_to_another() {
    if let Some(root) = rabbit::unpacked() {
        nothing_lost(&cluster_runs::kill_node(root, 2, RATE).await);
    }
}
