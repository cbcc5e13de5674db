//! Taking leave: a process that is told to end works on for a moment, so that whoever sends it requests finds
//! another first.
//!
//! From the first moment `/readyz` says so, and every answer ends its connection. Live streams end in the second
//! half of that time, each at a moment of its own: by then nobody who connects again is led here.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// What `/readyz` says meanwhile. `deploy/haproxy.cfg` looks for its first word: such a process gets nothing new,
/// and what it has begun is not cut off.
pub const DRAINING: &str = "draining: this process is about to end";

/// After how long a browser connects again whose stream ends, in milliseconds: soon, and not all at once.
const COME_AGAIN_MS: Range<u64> = 100..1_500;

/// How far a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    Ending,
}

/// Whether this process is about to end. Cheap to clone; clones are of the same process.
#[derive(Clone, Debug)]
pub struct Drain {
    stage: Arc<watch::Sender<Stage>>,
    length: Duration,
}

impl Drain {
    /// Of a process that, once told to end, takes requests for so long.
    pub fn new(length: Duration) -> Self {
        Self {
            stage: Arc::new(watch::Sender::new(Stage::Serving)),
            length,
        }
    }

    /// Drains from now on, and returns when no more requests are to be taken.
    pub async fn run(&self) {
        self.stage.send_replace(Stage::Draining);
        tokio::time::sleep(self.length).await;
        self.stage.send_replace(Stage::Ending);
    }

    /// Whether it is about to end.
    pub fn has_begun(&self) -> bool {
        *self.stage.borrow() > Stage::Serving
    }

    /// Returns when a stream is to end.
    pub(crate) async fn stream_ends(self) {
        let mut stage = self.stage.subscribe();
        reached(&mut stage, Stage::Draining).await;
        let share = rand::random_range(0.5..1.0);
        tokio::select! {
            () = tokio::time::sleep(self.length.mul_f64(share)) => {}
            // Of a stream that was opened late.
            () = reached(&mut stage, Stage::Ending) => {}
        }
    }
}

/// After how long whoever watched a stream that ends now is to connect again.
pub(crate) fn come_again() -> Duration {
    Duration::from_millis(rand::random_range(COME_AGAIN_MS))
}

async fn reached(stage: &mut watch::Receiver<Stage>, at_least: Stage) {
    // Its sender lives with whoever waits.
    let _ = stage.wait_for(|stage| *stage >= at_least).await;
}
