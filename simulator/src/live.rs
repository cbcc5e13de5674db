//! The present: each happening when its moment comes, after the past has been sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{SubsecRound, TimeDelta, Utc};
use domain::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::acknowledged::{Acknowledged, Event, Line};
use crate::bank::Bank;
use crate::driver;
use crate::http::Api;
use crate::mqtt::Publisher;
use crate::purchase::{Purchase, Terminal};
use crate::scene::Scene;
use crate::sensor;
use crate::state::StateFile;
use crate::timeline::{Report, Window};

/// How much of the future is planned at once.
const AHEAD: TimeDelta = TimeDelta::minutes(10);
/// How often it is remembered how far the city has been played.
pub(crate) const REMEMBER_EVERY: Duration = Duration::from_secs(15);
/// What sensors say again at a start, before what is remembered: the broker or ingest may have
/// stopped together with us, and repetition is harmless.
pub(crate) const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// How many drivers stand at the kerb at once.
const DRIVERS_MAX: usize = 256;
/// A purchase that is late by more, because this machine slept, is uploaded as a past one.
const LIVE_WITHIN: TimeDelta = TimeDelta::minutes(2);

/// Plays a city as time goes by.
pub(crate) struct Live {
    pub(crate) scene: Arc<Scene>,
    pub(crate) api: Api,
    pub(crate) bank: Bank,
    pub(crate) terminal: Terminal,
    /// Where to remember how far the city has been played; `None` where a part of the past is
    /// missing, so that the next start sends it again.
    pub(crate) state: Option<StateFile>,
    /// Where what the broker acknowledged is written down.
    pub(crate) acknowledged: Acknowledged,
}

enum Happening {
    Report(Report),
    Purchase(Purchase),
}

impl Happening {
    fn at(&self) -> Timestamp {
        match self {
            Self::Report(report) => report.sent_at,
            Self::Purchase(purchase) => purchase.at,
        }
    }
}

impl Live {
    /// Goes on from `from`, for ever.
    ///
    /// # Errors
    /// Where the broker or the state file fails.
    pub(crate) async fn play(
        &self,
        mut from: Timestamp,
        publisher: &mut Publisher,
    ) -> anyhow::Result<()> {
        let mut remembered = Instant::now();
        // What was published since: the broker has acknowledged it once the publisher is flushed.
        let mut said = Vec::new();
        // Dropped with this function, and the drivers with it.
        let mut drivers = JoinSet::new();
        let kerb = Arc::new(Semaphore::new(DRIVERS_MAX));
        loop {
            let to = from.max(now()) + AHEAD;
            for happening in self.planned(from, to).await? {
                let at = happening.at();
                tokio::time::sleep((at - now()).to_std().unwrap_or_default()).await;
                match happening {
                    Happening::Report(report) => {
                        said.extend(self.publish(publisher, &report).await?);
                    }
                    Happening::Purchase(purchase) => {
                        let place = kerb.clone().acquire_owned().await?;
                        let (api, bank) = (self.api.clone(), self.bank.clone());
                        let terminal = self.terminal.clone();
                        drivers.spawn(async move {
                            buy(&api, &bank, &terminal, &purchase).await;
                            drop(place);
                        });
                    }
                }
                while drivers.try_join_next().is_some() {}
                if remembered.elapsed() > REMEMBER_EVERY {
                    publisher.flush().await?;
                    self.acknowledged.add(said.drain(..).map(Line::Event))?;
                    if let Some(state) = &self.state {
                        state.save(at)?;
                    }
                    remembered = Instant::now();
                }
            }
            from = to;
        }
    }

    async fn planned(&self, from: Timestamp, to: Timestamp) -> anyhow::Result<Vec<Happening>> {
        let scene = self.scene.clone();
        let window = Window { from, to };
        let found = tokio::task::spawn_blocking(move || scene.happenings(window)).await?;
        let reports = found.reports.into_iter().map(Happening::Report);
        let purchases = found.purchases.into_iter().map(Happening::Purchase);
        let mut all: Vec<Happening> = reports.chain(purchases).collect();
        all.sort_by_key(Happening::at);
        Ok(all)
    }

    /// Publishes a report; what to write down of it.
    async fn publish(
        &self,
        publisher: &mut Publisher,
        report: &Report,
    ) -> anyhow::Result<Option<Event>> {
        let Some(bay) = self.scene.bay(report) else {
            return Ok(None);
        };
        publisher
            .publish(
                sensor::topic(&bay.device),
                sensor::payload(&bay.device, report),
            )
            .await?;
        Ok(self.acknowledged.is_kept().then(|| Event {
            device: bay.device.id.clone(),
            at: report.at,
            seq: sensor::seq_at(report.at),
        }))
    }
}

/// One driver's purchase. That one fails does not stop the city.
async fn buy(api: &Api, bank: &Bank, terminal: &Terminal, purchase: &Purchase) {
    let now = now();
    let done = if now - purchase.at > LIVE_WITHIN {
        terminal
            .upload(std::slice::from_ref(purchase), now)
            .await
            .map(|_| ())
    } else {
        driver::buy(api, bank, purchase).await.map(|_| ())
    };
    if let Err(error) = done {
        tracing::warn!(bay = %purchase.bay, %error, "a driver could not pay");
    }
}

pub(crate) fn now() -> Timestamp {
    Utc::now().trunc_subsecs(6)
}
