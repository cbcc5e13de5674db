//! Those who watch the board, and what they were told last.
//!
//! Whoever watches is woken when something has changed, and then told each lot that changed since
//! what they were told before, as it is by now. So nobody is ever told what is no longer true, and
//! who reads slowly, or is woken late by a busy machine, holds up nothing and misses nothing: at most
//! they are told the whole. An event is written once, however many watch; they share its bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::board::{LotSummary, StaffBay};
use domain::id::BayId;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// For each who watches a topic, so long passes until they are woken again: about twice what telling
/// one of them takes a processor.
const PER_WATCHER: Duration = Duration::from_micros(20);
/// For so many different pasts of those who watch a topic, what changed since is kept for the next.
const PASTS: usize = 16;

/// What can be watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Every lot.
    All,
    /// The lots of a city, by its code.
    City(String),
    /// One lot, by its code.
    Lot(String),
    /// One lot with its bays as staff see them, by its code.
    Staff(String),
}

impl Topic {
    /// Those that a lot belongs to.
    fn of(lot: &LotSummary) -> [Self; 4] {
        [
            Self::All,
            Self::City(lot.city.clone()),
            Self::Lot(lot.code.clone()),
            Self::Staff(lot.code.clone()),
        ]
    }
}

/// All who watch.
#[derive(Debug, Default)]
pub(super) struct Audience {
    stage: Mutex<Stage>,
    /// Somebody waits to be woken.
    waiting: Notify,
}

#[derive(Debug, Default)]
struct Stage {
    /// Counts changes.
    version: u64,
    shown: BTreeMap<String, Shown>,
    /// One for each topic that somebody watches.
    channels: HashMap<Topic, Channel>,
}

/// A lot as it is told.
#[derive(Debug)]
struct Shown {
    lot: LotSummary,
    event: Bytes,
    /// When it changed last.
    version: u64,
    /// Each with when it changed last.
    bays: BTreeMap<BayId, (StaffBay, u64)>,
}

#[derive(Debug)]
struct Channel {
    /// Wakes those who watch.
    wake: watch::Sender<()>,
    /// When something of the topic changed last.
    version: u64,
    /// Something changed of which they have not been woken.
    waits: bool,
    /// When they may be.
    next: Instant,
    /// What changed since an earlier version.
    since: HashMap<u64, Bytes>,
}

impl Audience {
    /// All there is to a topic, and every change from then on.
    pub(super) fn watch(self: &Arc<Self>, topic: Topic) -> Watching {
        let woken = self.stage().join(&topic);
        metrics::gauge!("clearbay_live_watchers").increment(1);
        Watching {
            audience: self.clone(),
            topic,
            told: None,
            woken,
        }
    }

    /// A lot as it was told last.
    pub(super) fn shown(&self, code: &str) -> Option<LotSummary> {
        Some(self.stage().shown.get(code)?.lot.clone())
    }

    /// Tells a lot as it is now, and those of its bays that changed.
    pub(super) fn tell(&self, lot: LotSummary, bays: BTreeMap<BayId, StaffBay>) {
        if self.stage().tell(lot, bays) {
            self.waiting.notify_one();
        }
    }

    /// Tells what differs from what was told last, given all of a lot's bays.
    pub(super) fn correct(&self, lot: LotSummary, mut bays: BTreeMap<BayId, StaffBay>) {
        let mut stage = self.stage();
        if let Some(shown) = stage.shown.get_mut(&lot.code) {
            shown.bays.retain(|id, _| bays.contains_key(id));
            bays.retain(|id, bay| shown.bays.get(id).is_none_or(|(known, _)| known != bay));
            if bays.is_empty() && shown.lot == lot {
                return;
            }
        }
        if stage.tell(lot, bays) {
            self.waiting.notify_one();
        }
    }

    /// Forgets all lots but those.
    pub(super) fn keep(&self, is_known: impl Fn(&str) -> bool) {
        let mut stage = self.stage();
        stage.shown.retain(|code, _| is_known(code));
        for channel in stage.channels.values_mut() {
            channel.since.clear();
        }
    }

    /// Wakes, as soon as it may, who could not be woken at once. Never returns.
    pub(super) async fn keep_telling(&self) {
        loop {
            let due = self.stage().wake_due(Instant::now());
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.waiting.notified() => {}
            }
        }
    }

    /// A panic elsewhere leaves nothing half done that the next change does not set right.
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Joins those who watch a topic.
    fn join(&mut self, topic: &Topic) -> watch::Receiver<()> {
        let version = self.version;
        let channel = self.channels.entry(topic.clone());
        let channel = channel.or_insert_with(|| Channel {
            wake: watch::Sender::new(()),
            version,
            waits: false,
            next: Instant::now(),
            since: HashMap::new(),
        });
        channel.wake.subscribe()
    }

    /// What of a topic changed since a version, the whole without one; and the version that it has
    /// now.
    fn since(&mut self, topic: &Topic, version: Option<u64>) -> (Bytes, u64) {
        let version = version.unwrap_or(0);
        let Some(channel) = self.channels.get_mut(topic) else {
            return (Bytes::new(), version);
        };
        if let Some(known) = channel.since.get(&version) {
            return (known.clone(), channel.version);
        }
        let changed = |lot: &&Shown| lot.version > version;
        let lots = self.shown.values().filter(changed);
        let told = joined(match topic {
            Topic::All => lots.map(|lot| lot.event.clone()).collect(),
            Topic::City(city) => lots
                .filter(|lot| lot.lot.city == *city)
                .map(|lot| lot.event.clone())
                .collect(),
            Topic::Lot(code) => {
                let lot = self.shown.get(code).filter(changed);
                lot.map(|lot| lot.event.clone()).into_iter().collect()
            }
            Topic::Staff(code) => {
                let lot = self.shown.get(code).filter(changed);
                lot.map(|lot| lot.with_bays(version)).unwrap_or_default()
            }
        });
        if channel.since.len() < PASTS {
            channel.since.insert(version, told.clone());
        }
        (told, channel.version)
    }

    /// Takes a lot as it is now and its bays that changed, and wakes who may be woken; whether some
    /// must wait.
    fn tell(&mut self, lot: LotSummary, bays: BTreeMap<BayId, StaffBay>) -> bool {
        self.version += 1;
        let (version, now) = (self.version, Instant::now());
        let (topics, code, event) = (Topic::of(&lot), lot.code.clone(), event("lot", &lot));
        let bays = bays.into_iter().map(|(id, bay)| (id, (bay, version)));
        let mut known = match self.shown.remove(&code) {
            Some(shown) => shown.bays,
            None => BTreeMap::new(),
        };
        known.extend(bays);
        let shown = Shown {
            lot,
            event,
            version,
            bays: known,
        };
        self.shown.insert(code, shown);
        let mut must_wait = false;
        for topic in topics {
            if let Some(channel) = self.channels.get_mut(&topic) {
                channel.version = version;
                channel.waits = true;
                channel.since.clear();
                must_wait |= !channel.wake(now);
            }
        }
        must_wait
    }

    /// Wakes whom it may; when there will be more to wake.
    fn wake_due(&mut self, now: Instant) -> Option<Instant> {
        let waiting = self.channels.values_mut().filter(|channel| channel.waits);
        let due = waiting.filter_map(|channel| (!channel.wake(now)).then_some(channel.next));
        due.min()
    }
}

impl Channel {
    /// Wakes all who watch, if they may be.
    fn wake(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.waits = false;
        self.wake.send_replace(());
        let watchers = u32::try_from(self.wake.receiver_count()).unwrap_or(u32::MAX);
        self.next = now + PER_WATCHER.saturating_mul(watchers);
        true
    }
}

impl Shown {
    /// The lot, and its bays that changed since a version.
    fn with_bays(&self, version: u64) -> Vec<Bytes> {
        let lot = self.lot.code.as_str();
        let changed = self.bays.values().filter(|(_, at)| *at > version);
        let bays = changed.map(|(bay, _)| event("bay", &BayEvent { lot, bay }));
        std::iter::once(self.event.clone()).chain(bays).collect()
    }
}

#[derive(Serialize)]
struct BayEvent<'a> {
    /// The lot's code.
    lot: &'a str,
    #[serde(flatten)]
    bay: &'a StaffBay,
}

/// A server-sent event (WHATWG HTML, 9.2). JSON has no line break outside of texts, where it is
/// escaped.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    if let Err(error) = serde_json::to_writer(&mut text, data) {
        tracing::error!(%error, "an event cannot be written");
        return Bytes::new();
    }
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// Events one after the other; a single one is not copied.
fn joined(mut events: Vec<Bytes>) -> Bytes {
    match events.len() {
        1 => events.remove(0),
        _ => events.concat().into(),
    }
}

/// Somebody who watches a topic.
#[derive(Debug)]
pub struct Watching {
    audience: Arc<Audience>,
    topic: Topic,
    /// The version that they were told, once they were told the whole.
    told: Option<u64>,
    woken: watch::Receiver<()>,
}

impl Watching {
    /// The next to be told: first the whole, then what changed since. It may be dropped before it is
    /// there, and nothing is lost.
    pub async fn next(&mut self) -> Bytes {
        loop {
            // It never fails: who watches keeps the channel.
            if self.told.is_some() && self.woken.changed().await.is_err() {
                self.woken = self.audience.stage().join(&self.topic);
            }
            let (news, version) = self.audience.stage().since(&self.topic, self.told);
            self.told = Some(version);
            if !news.is_empty() {
                return news;
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        metrics::gauge!("clearbay_live_watchers").decrement(1);
        let mut stage = self.audience.stage();
        let channel = stage.channels.get(&self.topic);
        if channel.is_some_and(|channel| channel.wake.receiver_count() <= 1) {
            stage.channels.remove(&self.topic);
        }
    }
}
