//! Messages that are kept in one transaction, or, where the database refuses their content, what of
//! them it does not refuse.

use domain::event::Event;
use store::event::Ingested;
use store::quarantine::RefusedMessage;
use store::{Store, StoreError};

use crate::intake::Delivery;
use crate::judge::{Sound, Verdict, refused, unknown_device};
use crate::{Reason, Refusal, counter};

/// After so many failures that are its own a batch is kept in parts.
const WHOLE_TRIES: u32 = 3;

/// What is done about a batch that the database does not take, by how often it has not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Less at once would not help, or it is too early to say.
    Whole,
    /// Its parts are tried by themselves.
    Parts,
    /// So is an event that cannot be kept alone refused.
    Last,
}

impl Effort {
    /// After so many failures that are the batch's own, of which `most` are borne.
    pub(crate) fn after(failures: u32, most: u32) -> Self {
        match failures {
            n if n >= most => Self::Last,
            n if n >= WHOLE_TRIES => Self::Parts,
            _ => Self::Whole,
        }
    }

    fn splits(self, error: &StoreError) -> bool {
        error.is_about_content() || self != Self::Whole && error.may_pass_in_parts()
    }

    fn refuses(self, error: &StoreError) -> bool {
        error.is_about_content() || self == Self::Last
    }
}

/// Where an event came from.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    /// The position of its message in the batch.
    message: usize,
    /// Whether that is signed.
    pub(crate) signed: bool,
}

/// Judged messages, and what of them is to be kept.
pub(crate) struct Batch {
    messages: Vec<Delivery>,
    events: Vec<(i32, Event)>,
    /// Of each event.
    origins: Vec<Origin>,
    refusals: Vec<RefusedMessage>,
}

impl Batch {
    /// Of messages whose strangers have been judged again: who is one still has no device.
    pub(crate) fn of(mut messages: Vec<Delivery>) -> Self {
        let mut events = Vec::with_capacity(messages.len());
        let mut origins = Vec::with_capacity(messages.len());
        let mut refusals = Vec::new();
        for (position, delivery) in messages.iter_mut().enumerate() {
            let (device, refusal) = match delivery.verdict.take() {
                Some(Verdict::Event(Sound {
                    device,
                    signed,
                    event,
                })) => {
                    events.push((device, event));
                    origins.push(Origin {
                        message: position,
                        signed,
                    });
                    continue;
                }
                Some(Verdict::Stranger(unwrapped)) => (Some(unwrapped.device), unknown_device()),
                Some(Verdict::Refused(device, refusal)) => (device, refusal),
                None => continue,
            };
            refusals.push(refused(&delivery.message, device, refusal));
        }
        Self {
            messages,
            events,
            origins,
            refusals,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The messages, to be acknowledged once they are kept.
    pub(crate) fn into_messages(self) -> Vec<Delivery> {
        self.messages
    }

    /// Keeps it whole. Where the database refuses its content, keeps what it does not refuse, and
    /// the rest as refused messages.
    ///
    /// # Errors
    /// Database errors; what was kept before stays kept, and is no more than repeated by the next
    /// attempt.
    pub(crate) async fn keep(
        &mut self,
        store: &Store,
        effort: Effort,
    ) -> Result<Ingested, StoreError> {
        for position in counter::replayed(store, &self.events, &self.origins).await? {
            let (_, event) = self.events.remove(position);
            let message = &self.messages[self.origins.remove(position).message].message;
            let refusal = counter::refusal(event.seq);
            self.refusals
                .push(refused(message, Some(event.device), refusal));
        }
        if self.events.is_empty() && self.refusals.is_empty() {
            return Ok(Ingested::default());
        }
        let mut kept = Kept::default();
        match store.event_ingest(&self.events, &self.refusals).await {
            Err(error) if effort.splits(&error) => {
                self.whole().keep(store, effort, &mut kept).await?;
                if let Some(error) = kept.stuck {
                    return Err(error);
                }
                // Last, so that a repetition after a failure between the parts finds events that
                // are kept already, which changes nothing, and no message refused twice.
                let refusals = [&self.refusals[..], &kept.refusals].concat();
                keep_refused(store, &refusals, effort).await?;
            }
            other => kept.ingested = other?,
        }
        self.count(&kept);
        Ok(kept.ingested)
    }

    fn whole(&self) -> Part<'_> {
        Part {
            events: &self.events,
            origins: &self.origins,
            messages: &self.messages,
        }
    }

    fn count(&self, kept: &Kept) {
        let total = |result: &'static str, count: u64| {
            metrics::counter!("clearbay_ingest_messages_total", "result" => result)
                .increment(count);
        };
        total("event", kept.ingested.inserted);
        total("repeated", kept.ingested.repeated);
        for refusal in self.refusals.iter().chain(&kept.refusals) {
            total(refusal.reason, 1);
        }
        // How far what devices say lies behind: network, broker and queue together.
        let lag = |(_, event): &(i32, Event)| event.received_at - event.at;
        if let Some(lag) = self.events.iter().map(lag).max() {
            metrics::gauge!("clearbay_ingest_device_lag_seconds").set(lag.as_seconds_f64());
        }
    }
}

/// What became of the parts of a batch.
#[derive(Default)]
struct Kept {
    ingested: Ingested,
    /// Messages whose events the database refuses.
    refusals: Vec<RefusedMessage>,
    /// Why an event could not be kept even alone, while it is not given up.
    stuck: Option<StoreError>,
}

/// Some events of a batch.
#[derive(Clone, Copy)]
struct Part<'a> {
    events: &'a [(i32, Event)],
    origins: &'a [Origin],
    messages: &'a [Delivery],
}

impl Part<'_> {
    fn halves(self) -> [Self; 2] {
        let middle = self.events.len() / 2;
        let (events, origins) = (self.events.split_at(middle), self.origins.split_at(middle));
        [(events.0, origins.0), (events.1, origins.1)].map(|(events, origins)| Self {
            events,
            origins,
            messages: self.messages,
        })
    }

    /// Keeps a part of a batch, or, where the database refuses it, its halves, down to the one
    /// event that it refuses.
    async fn keep(self, store: &Store, effort: Effort, kept: &mut Kept) -> Result<(), StoreError> {
        match store.event_ingest(self.events, &[]).await {
            Ok(ingested) => {
                kept.ingested.inserted += ingested.inserted;
                kept.ingested.repeated += ingested.repeated;
                kept.ingested.deltas.extend(ingested.deltas);
            }
            Err(error) if effort.splits(&error) => match (self.events, self.origins) {
                ([(_, event)], [origin]) if effort.refuses(&error) => {
                    tracing::error!(%error, device = %event.device, "the database refuses an event");
                    let message = &self.messages[origin.message].message;
                    let refusal = Refusal::new(Reason::Rejected, &error);
                    kept.refusals
                        .push(refused(message, Some(event.device.clone()), refusal));
                }
                ([_], _) => kept.stuck = Some(error),
                _ => {
                    for half in self.halves() {
                        Box::pin(half.keep(store, effort, kept)).await?;
                    }
                }
            },
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Keeps refused messages, fewer at once where the database does not take them all.
async fn keep_refused(
    store: &Store,
    refusals: &[RefusedMessage],
    effort: Effort,
) -> Result<(), StoreError> {
    match store.event_ingest(&[], refusals).await {
        Err(error) if effort.splits(&error) && refusals.len() > 1 => {
            let (left, right) = refusals.split_at(refusals.len() / 2);
            Box::pin(keep_refused(store, left, effort)).await?;
            Box::pin(keep_refused(store, right, effort)).await
        }
        other => other.map(drop),
    }
}
