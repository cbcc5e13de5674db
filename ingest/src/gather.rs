//! When messages are let gather: each read of the broker and each transaction costs something, and
//! under load it pays to share that among more messages. What comes when it is quiet waits for nothing.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

/// For so long at most the task that reads rests while the worker has a batch at hand. Brokers send
/// every message by itself, and to wake up for each takes more of the processor than to keep it.
const REST: Duration = Duration::from_millis(5);
/// After a batch of so many messages, or with so many waiting, and fewer than [`ENOUGH`] of either,
/// the next is let gather: a bay that speaks twice in a batch is written once.
const FROM: usize = 1_000;
const ENOUGH: usize = 35_000;
/// For how long, in times of what the batch took, and at most.
const TIMES: u32 = 3;
const MOST: Duration = Duration::from_millis(250);
/// In such steps, each longer than a [`REST`].
const STEP: Duration = Duration::from_millis(10);
/// Where so many steps bring nothing, the broker holds no more, or waits for acknowledgements. On a
/// busy machine it may get no turn for one.
const QUIET: u32 = 3;

/// What the worker tells the task that reads: whether it has a batch at hand.
pub(crate) struct Busy(watch::Sender<bool>);

/// When the task that reads may rest.
pub(crate) struct Rest(watch::Receiver<bool>);

/// Both ends.
pub(crate) fn busy() -> (Busy, Rest) {
    let (busy, rest) = watch::channel(false);
    (Busy(busy), Rest(rest))
}

impl Busy {
    pub(crate) fn set(&self, busy: bool) {
        self.0.send_replace(busy);
    }
}

impl Rest {
    /// Rests while what were read would only wait.
    pub(crate) async fn take(&mut self) {
        let idle = self.0.wait_for(|busy| !*busy);
        let _ = tokio::time::timeout(REST, idle).await;
    }
}

/// Lets messages gather after a batch of `count` that took so long, where the next is worth it.
pub(crate) async fn next_batch<T>(messages: &mpsc::Receiver<T>, count: usize, took: Duration) {
    let (mut waiting, mut quiet) = (messages.len(), 0);
    if !(FROM..ENOUGH).contains(&count.max(waiting)) {
        return;
    }
    let until = Instant::now() + (took * TIMES).min(MOST);
    while waiting < ENOUGH && quiet < QUIET && Instant::now() < until {
        tokio::time::sleep(STEP).await;
        quiet = if messages.len() == waiting {
            quiet + 1
        } else {
            0
        };
        waiting = messages.len();
    }
}
