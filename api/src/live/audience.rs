//! Those who watch the board, and what they were told last.
//!
//! A change is written as an event once, and all who watch share its bytes. Changes that follow one
//! another faster than so many can be told are told together, each lot as it is by then. Who has
//! fallen too far behind is told the whole anew instead of what was missed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use domain::board::{LotSummary, StaffBay};
use domain::id::BayId;
use serde::Serialize;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

/// How many times one may be told something without having read it; then the whole is told anew.
const BACKLOG: usize = 128;
/// For each who watches a topic, so long passes until they are told again: about twice what telling
/// one of them takes a processor.
const PER_WATCHER: Duration = Duration::from_micros(20);

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
    /// Something waits to be told.
    waiting: Notify,
}

#[derive(Debug, Default)]
struct Stage {
    shown: BTreeMap<String, Shown>,
    /// One for each topic that somebody watches.
    channels: HashMap<Topic, Channel>,
    /// The whole of each topic that was asked for since something changed.
    wholes: HashMap<Topic, Bytes>,
}

/// A lot as it was told last.
#[derive(Debug)]
struct Shown {
    lot: LotSummary,
    event: Bytes,
    bays: BTreeMap<BayId, StaffBay>,
}

#[derive(Debug)]
struct Channel {
    sender: broadcast::Sender<Bytes>,
    /// Lots and bays that changed and have not been told yet.
    waiting: BTreeMap<String, BTreeSet<BayId>>,
    /// When they may be told.
    next: Instant,
}

impl Audience {
    /// All there is to a topic, and every change from then on.
    pub(super) fn watch(self: &Arc<Self>, topic: Topic) -> Watching {
        let (told, whole) = self.stage().join(&topic);
        metrics::gauge!("clearbay_live_watchers").increment(1);
        Watching {
            audience: self.clone(),
            topic,
            whole,
            told,
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
            bays.retain(|id, bay| shown.bays.get(id) != Some(bay));
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
        stage.wholes.clear();
    }

    /// Tells, as soon as it may, what could not be told at once. Never returns.
    pub(super) async fn keep_telling(&self) {
        loop {
            let due = self.stage().tell_due(Instant::now());
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
    /// Joins those who watch a topic. Both at once, so that nothing falls between the whole and what
    /// follows it.
    fn join(&mut self, topic: &Topic) -> (broadcast::Receiver<Bytes>, Option<Bytes>) {
        let channel = self
            .channels
            .entry(topic.clone())
            .or_insert_with(|| Channel {
                sender: broadcast::channel(BACKLOG).0,
                waiting: BTreeMap::new(),
                next: Instant::now(),
            });
        (channel.sender.subscribe(), self.whole(topic))
    }

    /// All that is known of a topic; `None` where it is nothing.
    fn whole(&mut self, topic: &Topic) -> Option<Bytes> {
        if let Some(known) = self.wholes.get(topic) {
            return Some(known.clone());
        }
        let lots = self.shown.values();
        let whole = joined(match topic {
            Topic::All => lots.map(|lot| lot.event.clone()).collect(),
            Topic::City(city) => lots
                .filter(|shown| shown.lot.city == *city)
                .map(|lot| lot.event.clone())
                .collect(),
            Topic::Lot(code) => vec![self.shown.get(code)?.event.clone()],
            Topic::Staff(code) => {
                let lot = self.shown.get(code)?;
                let bays = lot.bays.keys().filter_map(|bay| lot.bay_event(*bay));
                std::iter::once(lot.event.clone()).chain(bays).collect()
            }
        });
        if whole.is_empty() {
            return None;
        }
        self.wholes.insert(topic.clone(), whole.clone());
        Some(whole)
    }

    /// Tells a lot and its bays that changed wherever that may be now; whether some must wait.
    fn tell(&mut self, lot: LotSummary, bays: BTreeMap<BayId, StaffBay>) -> bool {
        let (topics, code, now) = (Topic::of(&lot), lot.code.clone(), Instant::now());
        let changed: Vec<BayId> = bays.keys().copied().collect();
        let event = event("lot", &lot);
        match self.shown.get_mut(&code) {
            Some(shown) => {
                shown.lot = lot;
                shown.event = event;
                shown.bays.extend(bays);
            }
            None => {
                self.shown.insert(code.clone(), Shown { lot, event, bays });
            }
        }
        self.wholes.clear();
        let mut must_wait = false;
        for topic in topics {
            let Some(channel) = self.channels.get_mut(&topic) else {
                continue;
            };
            let waiting = channel.waiting.entry(code.clone()).or_default();
            waiting.extend(&changed);
            if channel.next <= now {
                channel.send(&topic, &self.shown, now);
            } else {
                must_wait = true;
            }
        }
        must_wait
    }

    /// Tells what waits and may be told; when there will be more to tell.
    fn tell_due(&mut self, now: Instant) -> Option<Instant> {
        let mut due = None;
        for (topic, channel) in &mut self.channels {
            if channel.waiting.is_empty() {
                continue;
            }
            if channel.next <= now {
                channel.send(topic, &self.shown, now);
            } else {
                due = Some(due.map_or(channel.next, |due: Instant| due.min(channel.next)));
            }
        }
        due
    }
}

impl Channel {
    /// Tells all that waits at once.
    fn send(&mut self, topic: &Topic, shown: &BTreeMap<String, Shown>, now: Instant) {
        let mut events = Vec::with_capacity(self.waiting.len());
        for (code, changed) in std::mem::take(&mut self.waiting) {
            let Some(lot) = shown.get(&code) else {
                continue;
            };
            events.push(lot.event.clone());
            if let Topic::Staff(_) = topic {
                events.extend(changed.iter().filter_map(|bay| lot.bay_event(*bay)));
            }
        }
        let told = joined(events);
        if !told.is_empty() {
            // An error means that the last of them has just left.
            let _ = self.sender.send(told);
        }
        let watchers = u32::try_from(self.sender.receiver_count()).unwrap_or(u32::MAX);
        self.next = now + PER_WATCHER.saturating_mul(watchers);
    }
}

impl Shown {
    fn bay_event(&self, bay: BayId) -> Option<Bytes> {
        let lot = self.lot.code.as_str();
        let bay = self.bays.get(&bay)?;
        Some(event("bay", &BayEvent { lot, bay }))
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
    /// To be told before anything else.
    whole: Option<Bytes>,
    told: broadcast::Receiver<Bytes>,
}

impl Watching {
    /// The next to be told: first the whole, then each change; the whole again in place of changes
    /// that were missed. It may be dropped before it is there, and nothing is lost.
    pub async fn next(&mut self) -> Bytes {
        loop {
            if let Some(whole) = self.whole.take() {
                return whole;
            }
            if let Ok(told) = self.told.recv().await {
                return told;
            }
            // What is left of the backlog is older than the whole.
            metrics::counter!("clearbay_live_resyncs_total").increment(1);
            (self.told, self.whole) = self.audience.stage().join(&self.topic);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        metrics::gauge!("clearbay_live_watchers").decrement(1);
        let mut stage = self.audience.stage();
        let channel = stage.channels.get(&self.topic);
        if channel.is_some_and(|channel| channel.sender.receiver_count() <= 1) {
            stage.channels.remove(&self.topic);
        }
    }
}
