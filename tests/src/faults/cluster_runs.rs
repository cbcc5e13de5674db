//! The faults of a cluster, one a function.

use std::path::PathBuf;

use chrono::Utc;

use super::runs::pause;
use super::{ClusterRig, Outcome, Unacknowledged};

/// One node after the other is killed, and started again once events pass without it.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_node(root: PathBuf, times: usize, rate_per_s: usize) -> Outcome {
    let mut rig = ClusterRig::start(root, 3, 2).await;
    let load = rig.load(rate_per_s, Unacknowledged::SentAgain).await;
    let mut recoveries = Vec::new();
    for n in 0..times {
        pause(n, 500, 1_000).await;
        let node = n % rig.cluster.len();
        rig.cluster.kill(node);
        let down = Utc::now();
        recoveries.push(rig.all_heard_after(down).await);
        // Two of three are a majority: the node must be back, and have caught up, before the next goes.
        rig.cluster.start_again(node);
        pause(n, 3_000, 1_000).await;
    }
    Outcome {
        name: "kill_broker_node",
        audit: rig.audit(load).await,
        recoveries,
        others: Vec::new(),
    }
}

/// One ingest process after the other is killed, and started again once the other has taken its shards.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_worker(root: PathBuf, times: usize, rate_per_s: usize) -> Outcome {
    let mut rig = ClusterRig::start(root, 3, 2).await;
    let load = rig.load(rate_per_s, Unacknowledged::SentAgain).await;
    let mut recoveries = Vec::new();
    for n in 0..times {
        pause(n, 500, 1_000).await;
        let worker = n % rig.workers();
        rig.worker_kill(worker).await;
        recoveries.push(rig.all_heard_after(Utc::now()).await);
        rig.worker_start(worker);
        // It stands by before it is its turn to be all there is.
        pause(n, 4_000, 1_000).await;
    }
    Outcome {
        name: "kill_worker",
        audit: rig.audit(load).await,
        recoveries,
        others: Vec::new(),
    }
}
