//! The live board: every bay in memory, fed by ingest's deltas and by payments, read by pages.
//!
//! A delta that was lost is healed: the board is read anew from the database whenever the broker
//! connects, and once a minute. What is told while it is being read may be missing there, and counts after it; what was
//! told before is there, for it is told once it is committed. So the board is what the database holds, also where that
//! has taken a word back: sensors that were exchanged, a bay whose history is another by now.
//!
//! Each process has a board of its own. What one learns by a request it tells the others through the broker
//! ([`Word`]), as ingest tells all of them of bays.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Timestamp;
use domain::board::{
    BayDelta, BaySummary, BoardLot, LotSummary, OccupancyDelta, PaidTime, StaffBay, likelier_bay,
    staff_bay,
};
use domain::id::{BayId, PaymentId, SessionId};
use serde::{Deserialize, Serialize};
use store::Store;
use tokio::sync::{Notify, RwLock, broadcast};

mod audience;
mod feed;

use audience::Audience;
pub use audience::{Topic, Watching};
pub use feed::feed;

/// How many payments' changes whoever waits for one may fall behind before it is looked up.
const PAYMENT_BACKLOG: usize = 1024;
/// How many checkpoints may wait for whoever publishes the log; the newest tells what the others did.
const CHECKPOINT_BACKLOG: usize = 16;
/// How many payments and moves are kept while the database is being read; beyond that it is read once more.
const MEANWHILE: usize = 16 * 1024;

/// What one process tells the others, which hear it at most once. The broker lets nobody else speak on its
/// topic; still it moves no money and opens nothing: who waits for a payment reads it from the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// Time was paid for in a bay, or a session left it.
    Parking(ParkingChange),
    /// A payment is not what it was.
    Payment(PaymentId),
    /// A checkpoint of the public log is published. Whoever hears it believes its signature alone.
    Checkpoint(String),
}

/// How many bays are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BayCounts {
    /// Known to be free.
    pub free: u64,
    /// Known to be occupied.
    pub occupied: u64,
    /// Neither.
    pub unknown: u64,
}

/// The board and those who watch it.
#[derive(Debug)]
pub struct LiveBoard {
    state: RwLock<State>,
    audience: Arc<Audience>,
    payments: broadcast::Sender<PaymentId>,
    /// The public log's, that other processes publish.
    checkpoints: broadcast::Sender<String>,
    /// What the other processes are to be told.
    words: broadcast::Sender<Word>,
    connected: AtomicBool,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    lots: HashMap<String, BoardLot>,
    lot_of: HashMap<BayId, String>,
    /// What was told while the database is being read: the reading may miss it.
    meanwhile: Option<Meanwhile>,
}

#[derive(Debug, Default)]
struct Meanwhile {
    parking: Vec<ParkingChange>,
    /// The last word of each bay.
    bays: HashMap<BayId, BayDelta>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ParkingChange {
    Paid(BayId, PaidTime),
    Left(BayId, SessionId),
}

impl State {
    /// Takes a change; the lot's code and the bay where it made a difference.
    fn take(&mut self, change: ParkingChange) -> Option<(String, BayId)> {
        let (ParkingChange::Paid(bay, _) | ParkingChange::Left(bay, _)) = change;
        let code = self.lot_of.get(&bay)?;
        let lot = self.lots.get_mut(code)?;
        let changed = match change {
            ParkingChange::Paid(bay, paid) => lot.pay(bay, paid),
            ParkingChange::Left(bay, session) => lot.unpay(bay, session),
        };
        changed.then(|| (code.clone(), bay))
    }

    /// Takes a bay's word; whether that made a difference.
    fn hear(&mut self, delta: &BayDelta) -> bool {
        let lot = self.lot_of.get(&delta.bay);
        let lot = lot.and_then(|code| self.lots.get_mut(code));
        lot.is_some_and(|lot| lot.apply(delta))
    }
}

impl Default for LiveBoard {
    fn default() -> Self {
        Self {
            state: RwLock::default(),
            audience: Arc::default(),
            payments: broadcast::channel(PAYMENT_BACKLOG).0,
            checkpoints: broadcast::channel(CHECKPOINT_BACKLOG).0,
            words: broadcast::channel(PAYMENT_BACKLOG).0,
            connected: AtomicBool::new(false),
            wanted: Notify::new(),
        }
    }
}

impl LiveBoard {
    /// Whether the broker's deltas arrive.
    pub fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// All there is to a topic, and every change from then on.
    pub fn watch(&self, topic: Topic) -> Watching {
        self.audience.watch(topic)
    }

    /// A lot as those who watch were told of it last.
    pub fn shown(&self, code: &str) -> Option<LotSummary> {
        self.audience.shown(code)
    }

    /// Every payment that changes from now on.
    pub fn watch_payments(&self) -> broadcast::Receiver<PaymentId> {
        self.payments.subscribe()
    }

    /// Every checkpoint of the public log that another process publishes from now on, or says that it does.
    pub fn watch_checkpoints(&self) -> broadcast::Receiver<String> {
        self.checkpoints.subscribe()
    }

    /// Tells the other processes that a checkpoint is published.
    pub fn checkpoint(&self, checkpoint: String) {
        let _ = self.words.send(Word::Checkpoint(checkpoint));
    }

    /// The lots of a city (all cities without one), in order of code.
    pub async fn lots(&self, city: Option<&str>, now: Timestamp) -> Vec<LotSummary> {
        let state = self.state.read().await;
        let mut lots: Vec<_> = state
            .lots
            .values()
            .filter(|lot| city.is_none_or(|city| lot.city == city))
            .map(|lot| lot.summary(now))
            .collect();
        lots.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        lots
    }

    /// How many bays of a city are free, occupied and unknown.
    pub async fn counts(&self, city: &str, now: Timestamp) -> BayCounts {
        let mut counts = BayCounts::default();
        for lot in self.lots(Some(city), now).await {
            counts.free += u64::from(lot.free);
            counts.occupied += u64::from(lot.occupied);
            counts.unknown += u64::from(lot.unknown);
        }
        counts
    }

    /// One lot with its bays as anybody may see them.
    pub async fn lot(&self, code: &str, now: Timestamp) -> Option<(LotSummary, Vec<BaySummary>)> {
        let state = self.state.read().await;
        let lot = state.lots.get(code)?;
        Some((lot.summary(now), lot.public_bays(now)))
    }

    /// One lot with its bays as staff see them.
    pub async fn staff_lot(
        &self,
        code: &str,
        now: Timestamp,
    ) -> Option<(LotSummary, Vec<StaffBay>)> {
        let state = self.state.read().await;
        let lot = state.lots.get(code)?;
        Some((lot.summary(now), lot.staff_bays(now)))
    }

    /// Asks [`feed`] to read the database anew, soon: something has changed that no delta tells.
    pub fn want_reload(&self) {
        self.wanted.notify_one();
    }

    /// Takes what the database holds, and what is told while it is being read.
    ///
    /// # Errors
    /// Where the database cannot be read; the board stays as it is.
    pub async fn reload(&self, store: &Store, now: Timestamp) -> Result<(), store::StoreError> {
        self.state.write().await.meanwhile = Some(Meanwhile::default());
        let loaded = store.board_load(now).await;
        let mut state = self.state.write().await;
        let Meanwhile { parking, bays } = state.meanwhile.take().unwrap_or_default();
        let loaded = loaded?;
        state.lots = loaded
            .into_iter()
            .map(|lot| (lot.code.clone(), lot))
            .collect();
        state.lot_of = state
            .lots
            .values()
            .flat_map(|lot| lot.bays.keys().map(|bay| (*bay, lot.code.clone())))
            .collect();
        self.audience.keep(|code| state.lots.contains_key(code));
        for change in parking {
            state.take(change);
        }
        for delta in bays.values() {
            state.hear(delta);
        }
        drop(state);
        self.sweep(now).await;
        Ok(())
    }

    /// Takes a delta of ingest's; `false` where the board does not know its lot.
    pub async fn apply(&self, delta: &OccupancyDelta, now: Timestamp) -> bool {
        let mut state = self.state.write().await;
        if let Some(meanwhile) = &mut state.meanwhile {
            let told = delta.bays.iter().map(|bay| (bay.bay, bay.clone()));
            meanwhile.bays.extend(told);
        }
        let changed = delta.bays.iter().filter(|bay| state.hear(bay));
        let changed: Vec<BayId> = changed.map(|bay| bay.bay).collect();
        let Some(lot) = state.lots.get(&delta.lot) else {
            return false;
        };
        if !changed.is_empty() {
            self.tell(lot, &changed, now);
        }
        true
    }

    /// Takes a session's paid time in a bay, as it is now.
    pub async fn pay(&self, bay: BayId, paid: PaidTime, now: Timestamp) {
        self.park_and_tell(ParkingChange::Paid(bay, paid), now)
            .await;
    }

    /// Takes that a session has moved away from a bay.
    pub async fn unpay(&self, bay: BayId, session: SessionId, now: Timestamp) {
        self.park_and_tell(ParkingChange::Left(bay, session), now)
            .await;
    }

    async fn park_and_tell(&self, change: ParkingChange, now: Timestamp) {
        // Where nobody listens, the broker is away; then the others read the database anew.
        let _ = self.words.send(Word::Parking(change));
        self.park(change, now).await;
    }

    /// Takes what another process tells.
    async fn hear(&self, word: Word, now: Timestamp) {
        match word {
            Word::Parking(change) => self.park(change, now).await,
            Word::Payment(id) => {
                let _ = self.payments.send(id);
            }
            Word::Checkpoint(checkpoint) => {
                let _ = self.checkpoints.send(checkpoint);
            }
        }
    }

    async fn park(&self, change: ParkingChange, now: Timestamp) {
        let mut state = self.state.write().await;
        if let Some(meanwhile) = &mut state.meanwhile {
            match meanwhile.parking.len() < MEANWHILE {
                true => meanwhile.parking.push(change),
                false => self.want_reload(),
            }
        }
        if let Some((code, bay)) = state.take(change)
            && let Some(lot) = state.lots.get(&code)
        {
            self.tell(lot, &[bay], now);
        }
    }

    /// The bay that a driver who pays for `code` in `lot` more likely stands in, if there is one.
    pub async fn likelier_bay(&self, lot: &str, code: &str, now: Timestamp) -> Option<String> {
        let state = self.state.read().await;
        let bays = state.lots.get(lot)?.bays.values();
        likelier_bay(bays, code, now).map(|bay| bay.code.clone())
    }

    /// Whether the vehicle of that paid time, which is over, still stands in a bay of `lot`.
    pub async fn outstays(&self, lot: &str, bay: BayId, paid: &PaidTime, now: Timestamp) -> bool {
        let state = self.state.read().await;
        let bay = state.lots.get(lot).and_then(|lot| lot.bays.get(&bay));
        bay.is_some_and(|bay| bay.outstays(paid, now))
    }

    /// Tells watchers, at every process, that a payment has changed. Nobody watching is no failure.
    pub fn payment(&self, id: PaymentId) {
        let _ = self.payments.send(id);
        let _ = self.words.send(Word::Payment(id));
    }

    /// Finds what differs from what was told: a sensor fallen silent, a session run out, what only
    /// the database knew.
    pub async fn sweep(&self, now: Timestamp) {
        let state = self.state.read().await;
        for lot in state.lots.values() {
            let bays = lot.bays.values().map(|bay| (bay.id, staff_bay(bay, now)));
            self.audience.correct(lot.summary(now), bays.collect());
        }
    }

    fn tell(&self, lot: &BoardLot, changed: &[BayId], now: Timestamp) {
        let bays = changed.iter().filter_map(|id| lot.bays.get(id));
        let bays = bays.map(|bay| (bay.id, staff_bay(bay, now)));
        self.audience.tell(lot.summary(now), bays.collect());
    }
}
