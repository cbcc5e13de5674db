//! The live board: every bay in memory, fed by ingest's deltas and by payments, read by pages.
//!
//! A delta that was lost is healed: the board is read anew from the database whenever the broker
//! connects, and once a minute. Merging keeps whichever word is newer, so nothing goes backwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::board::{
    BayStatus, BaySummary, BoardLot, LotSummary, OccupancyDelta, PaidTime, StaffBay, likelier_bay,
    staff_bay,
};
use domain::id::{BayId, PaymentId, ReceiptId, SessionId};
use domain::payment::PaymentStatus;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, SubscribeReasonCode};
use store::Store;
use tokio::sync::{RwLock, broadcast, watch};

/// How many changes a slow reader may fall behind before it is given the whole board again.
const BACKLOG: usize = 1024;
const RELOAD_EVERY: Duration = Duration::from_secs(60);
/// However often it is asked for, the board is not read anew sooner than this.
const RELOAD_AGAIN: Duration = Duration::from_secs(2);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How long after a refused subscription the broker is asked again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(5);

/// What changed in one lot.
#[derive(Debug)]
pub struct LotChange {
    /// The lot as it is now.
    pub lot: LotSummary,
    /// Its bays that changed, as staff see them.
    pub bays: Vec<StaffBay>,
}

/// What changed about one payment.
#[derive(Clone, Copy, Debug)]
pub struct PaymentChange {
    /// Which.
    pub id: PaymentId,
    /// What it is now.
    pub status: PaymentStatus,
    /// Its proof.
    pub receipt: Option<ReceiptId>,
}

/// The board and those who watch it.
#[derive(Debug)]
pub struct LiveBoard {
    state: RwLock<State>,
    lots: broadcast::Sender<Arc<LotChange>>,
    payments: broadcast::Sender<PaymentChange>,
    connected: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    lots: HashMap<String, Watched>,
    lot_of: HashMap<BayId, String>,
    /// What was paid or moved while the database was being read: the reading may miss it.
    meanwhile: Vec<ParkingChange>,
}

#[derive(Clone, Copy, Debug)]
enum ParkingChange {
    Paid(BayId, PaidTime),
    Left(BayId, SessionId),
}

impl State {
    /// Takes a change; the lot's code and the bay where it made a difference.
    fn take(&mut self, change: ParkingChange) -> Option<(String, BayId)> {
        let (ParkingChange::Paid(bay, _) | ParkingChange::Left(bay, _)) = change;
        let code = self.lot_of.get(&bay)?;
        let lot = &mut self.lots.get_mut(code)?.lot;
        let changed = match change {
            ParkingChange::Paid(bay, paid) => lot.pay(bay, paid),
            ParkingChange::Left(bay, session) => lot.unpay(bay, session),
        };
        changed.then(|| (code.clone(), bay))
    }
}

#[derive(Debug)]
struct Watched {
    lot: BoardLot,
    /// What watchers were told last, to find what time alone has changed.
    told: Option<LotSummary>,
    statuses: HashMap<BayId, BayStatus>,
}

impl Default for LiveBoard {
    fn default() -> Self {
        Self {
            state: RwLock::default(),
            lots: broadcast::channel(BACKLOG).0,
            payments: broadcast::channel(BACKLOG).0,
            connected: AtomicBool::new(false),
        }
    }
}

impl LiveBoard {
    /// Whether the broker's deltas arrive.
    pub fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Every change of a lot from now on.
    pub fn watch_lots(&self) -> broadcast::Receiver<Arc<LotChange>> {
        self.lots.subscribe()
    }

    /// Every change of a payment from now on.
    pub fn watch_payments(&self) -> broadcast::Receiver<PaymentChange> {
        self.payments.subscribe()
    }

    /// The lots of a city (all cities without one), in order of code.
    pub async fn lots(&self, city: Option<&str>, now: Timestamp) -> Vec<LotSummary> {
        let state = self.state.read().await;
        let mut lots: Vec<_> = state
            .lots
            .values()
            .filter(|watched| city.is_none_or(|city| watched.lot.city == city))
            .map(|watched| watched.lot.summary(now))
            .collect();
        lots.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        lots
    }

    /// One lot with its bays as anybody may see them.
    pub async fn lot(&self, code: &str, now: Timestamp) -> Option<(LotSummary, Vec<BaySummary>)> {
        let state = self.state.read().await;
        let lot = &state.lots.get(code)?.lot;
        Some((lot.summary(now), lot.public_bays(now)))
    }

    /// One lot with its bays as staff see them.
    pub async fn staff_lot(
        &self,
        code: &str,
        now: Timestamp,
    ) -> Option<(LotSummary, Vec<StaffBay>)> {
        let state = self.state.read().await;
        let lot = &state.lots.get(code)?.lot;
        Some((lot.summary(now), lot.staff_bays(now)))
    }

    /// Merges what the database holds.
    ///
    /// # Errors
    /// Where the database cannot be read; the board stays as it is.
    pub async fn reload(&self, store: &Store, now: Timestamp) -> Result<(), store::StoreError> {
        self.state.write().await.meanwhile.clear();
        let loaded = store.board_load(now).await?;
        let mut state = self.state.write().await;
        let mut lots = HashMap::with_capacity(loaded.len());
        for mut lot in loaded {
            let before = state.lots.remove(&lot.code);
            if let Some(before) = &before {
                keep_newer(&mut lot, &before.lot);
            }
            let (told, statuses) =
                before.map_or_else(Default::default, |before| (before.told, before.statuses));
            lots.insert(
                lot.code.clone(),
                Watched {
                    lot,
                    told,
                    statuses,
                },
            );
        }
        state.lot_of = lots
            .values()
            .flat_map(|watched| {
                watched
                    .lot
                    .bays
                    .keys()
                    .map(|bay| (*bay, watched.lot.code.clone()))
            })
            .collect();
        state.lots = lots;
        for change in std::mem::take(&mut state.meanwhile) {
            state.take(change);
        }
        drop(state);
        self.sweep(now).await;
        Ok(())
    }

    /// Takes a delta of ingest's; `false` where the board does not know its lot.
    pub async fn apply(&self, delta: &OccupancyDelta, now: Timestamp) -> bool {
        let mut state = self.state.write().await;
        let Some(watched) = state.lots.get_mut(&delta.lot) else {
            return false;
        };
        let mut changed = Vec::with_capacity(delta.bays.len());
        for bay in &delta.bays {
            if watched.lot.apply(bay) {
                changed.push(bay.bay);
            }
        }
        if !changed.is_empty() {
            self.tell(watched, &changed, now);
        }
        true
    }

    /// Takes a session's paid time in a bay, as it is now.
    pub async fn pay(&self, bay: BayId, paid: PaidTime, now: Timestamp) {
        self.park(ParkingChange::Paid(bay, paid), now).await;
    }

    /// Takes that a session has moved away from a bay.
    pub async fn unpay(&self, bay: BayId, session: SessionId, now: Timestamp) {
        self.park(ParkingChange::Left(bay, session), now).await;
    }

    async fn park(&self, change: ParkingChange, now: Timestamp) {
        let mut state = self.state.write().await;
        state.meanwhile.push(change);
        // Without a reload for long, it is the board itself that remembers.
        if state.meanwhile.len() > BACKLOG * 16 {
            state.meanwhile.clear();
        }
        if let Some((code, bay)) = state.take(change)
            && let Some(watched) = state.lots.get_mut(&code)
        {
            self.tell(watched, &[bay], now);
        }
    }

    /// The bay that a driver who pays for `code` in `lot` more likely stands in, if there is one.
    pub async fn likelier_bay(&self, lot: &str, code: &str, now: Timestamp) -> Option<String> {
        let state = self.state.read().await;
        let bays = state.lots.get(lot)?.lot.bays.values();
        likelier_bay(bays, code, now).map(|bay| bay.code.clone())
    }

    /// Tells watchers of a payment. Nobody watching is no failure.
    pub fn payment(&self, change: PaymentChange) {
        let _ = self.payments.send(change);
    }

    /// Finds what time alone has changed: a sensor fallen silent, a session run out.
    pub async fn sweep(&self, now: Timestamp) {
        let mut state = self.state.write().await;
        for watched in state.lots.values_mut() {
            let changed: Vec<BayId> = watched
                .lot
                .bays
                .values()
                .filter(|bay| watched.statuses.get(&bay.id) != Some(&bay.status(now).0))
                .map(|bay| bay.id)
                .collect();
            if !changed.is_empty() || watched.told.is_none() {
                self.tell(watched, &changed, now);
            }
        }
    }

    fn tell(&self, watched: &mut Watched, changed: &[BayId], now: Timestamp) {
        let mut bays = Vec::with_capacity(changed.len());
        for id in changed {
            if let Some(bay) = watched.lot.bays.get(id) {
                let seen = staff_bay(bay, now);
                watched.statuses.insert(*id, seen.status);
                bays.push(seen);
            }
        }
        let lot = watched.lot.summary(now);
        watched.told = Some(lot.clone());
        // An error means that nobody is watching.
        let _ = self.lots.send(Arc::new(LotChange { lot, bays }));
    }
}

fn keep_newer(loaded: &mut BoardLot, known: &BoardLot) {
    for (id, bay) in &mut loaded.bays {
        let Some(before) = known.bays.get(id) else {
            continue;
        };
        let newer = |a: Timestamp, b: Option<Timestamp>| b.is_none_or(|b| a > b);
        if let Some(told) = &before.told
            && newer(told.heard_at, bay.told.as_ref().map(|told| told.heard_at))
        {
            bay.told = Some(told.clone());
        }
    }
}

/// Feeds the board until told to stop: deltas as they come, a reload on every connection and once
/// a minute, a sweep every few seconds.
pub async fn feed(
    board: Arc<LiveBoard>,
    store: Store,
    mqtt: MqttOptions,
    now: fn() -> Timestamp,
    mut shutdown: watch::Receiver<bool>,
) {
    let (client, mut events) = AsyncClient::new(mqtt, 64);
    let (reload, mut reloads) = tokio::sync::mpsc::channel::<()>(1);
    let reader = {
        let board = board.clone();
        tokio::spawn(async move {
            let mut backoff = Duration::from_millis(100);
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        backoff = Duration::from_millis(100);
                        // try_: this task drains the queue that subscribing would wait for.
                        if client
                            .try_subscribe("clearbay/v1/occupancy/+", QoS::AtMostOnce)
                            .is_err()
                        {
                            tracing::warn!("cannot ask the broker for deltas");
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(ack)))
                        if ack.return_codes.contains(&SubscribeReasonCode::Failure) =>
                    {
                        // Not ready, and asked again on a new connection: rights may change.
                        tracing::error!("the broker refuses the live board its deltas");
                        board.connected.store(false, Ordering::Relaxed);
                        tokio::time::sleep(SUBSCRIBE_AGAIN).await;
                        events.clean();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        board.connected.store(true, Ordering::Relaxed);
                        let _ = reload.try_send(());
                        tracing::info!("live board follows the broker");
                    }
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        match serde_json::from_slice::<OccupancyDelta>(&message.payload) {
                            Ok(delta) => {
                                // A lot that was installed since: the database knows it.
                                if !board.apply(&delta, now()).await {
                                    let _ = reload.try_send(());
                                }
                            }
                            Err(error) => tracing::warn!(%error, "unreadable occupancy delta"),
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        if board.connected.swap(false, Ordering::Relaxed) {
                            tracing::warn!(%error, "live board lost the broker");
                        }
                        tokio::time::sleep(backoff).await;
                        backoff = (backoff * 2).min(Duration::from_secs(5));
                    }
                }
            }
        })
    };
    let mut reloaded = None;
    let mut sweeps = tokio::time::interval(SWEEP_EVERY);
    let mut minutes = tokio::time::interval(RELOAD_EVERY);
    loop {
        tokio::select! {
            () = stopped(&mut shutdown) => break,
            _ = sweeps.tick() => { board.sweep(now()).await; continue; }
            _ = minutes.tick() => {}
            Some(()) = reloads.recv() => {
                if reloaded.is_some_and(|at: Instant| at.elapsed() < RELOAD_AGAIN) {
                    tokio::time::sleep(RELOAD_AGAIN).await;
                }
            }
        }
        reloaded = Some(Instant::now());
        if let Err(error) = board.reload(&store, now()).await {
            tracing::warn!(%error, "the live board could not be read anew");
        }
    }
    reader.abort();
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}
