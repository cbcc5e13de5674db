//! The present: each act when its moment comes, after the past has been sent.

use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{Days, SubsecRound, TimeDelta, Utc};
use domain::Timestamp;
use domain::place::Place;
use serde::{Deserialize, Serialize};

use crate::Options;
use crate::act::{Act, Kind, acts};
use crate::bank::Bank;
use crate::driver::buy;
use crate::history::{Sent, send};
use crate::http::Api;
use crate::mqtt::Publisher;
use crate::plan::{day_of, day_start};

/// How often it is remembered how far the city has been played.
const REMEMBER_EVERY: Duration = Duration::from_secs(10);
/// How much of the future is planned at once.
const AHEAD: TimeDelta = TimeDelta::minutes(30);

/// How far the city has been played.
#[derive(Debug, Serialize, Deserialize)]
struct Played {
    seed: u64,
    bays: u32,
    until: Timestamp,
    /// Since when the sensors that died are dead.
    dead_since: Timestamp,
}

pub(crate) struct City<'a> {
    pub(crate) options: &'a Options,
    pub(crate) place: Place,
    pub(crate) api: Api,
    pub(crate) bank: Bank,
}

impl City<'_> {
    pub(crate) async fn play(&self) -> anyhow::Result<()> {
        let mut publisher = Publisher::connect(&self.options.mqtt_url, "clearbay-sensors")?;
        let now = now();
        let mut played = self.remembered(now);
        self.past(&mut publisher, &mut played, now).await?;
        println!("The city is live.");
        let mut remembered = Instant::now();
        loop {
            let until = self::now() + AHEAD;
            for act in self.between(&played, until) {
                let wait = (act.when - self::now()).to_std().unwrap_or_default();
                tokio::time::sleep(wait).await;
                played.until = act.when + TimeDelta::microseconds(1);
                self.carry_out(&mut publisher, act).await?;
                if remembered.elapsed() > REMEMBER_EVERY {
                    self.remember(&played)?;
                    remembered = Instant::now();
                }
            }
            played.until = until;
        }
    }

    /// Sends what has happened since the city was last played, a day at a time.
    async fn past(
        &self,
        publisher: &mut Publisher,
        played: &mut Played,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut total = Sent::default();
        while played.until < now {
            let day = day_of(played.until);
            let until = now.min(day_start(day + Days::new(1)).max(played.until + AHEAD));
            let acts = self.between(played, until);
            let sent = send(&self.api, &self.bank, publisher, acts, now).await?;
            println!(
                "history {day}: {} sensor messages, {} sales ({} refused), {} transfers",
                sent.messages, sent.sales, sent.refused, sent.transfers
            );
            total.messages += sent.messages;
            total.sales += sent.sales;
            played.until = until;
            self.remember(played)?;
        }
        let seconds = started.elapsed().as_secs_f32();
        println!(
            "history sent: {} messages and {} sales in {seconds:.1} s",
            total.messages, total.sales
        );
        Ok(())
    }

    /// Acts from where the city has been played to `until`. A late act belongs to the day of its
    /// cause, so the day before is looked at as well.
    fn between(&self, played: &Played, until: Timestamp) -> Vec<Act> {
        let first = day_of(played.until) - Days::new(1);
        let last = day_of(until);
        let mut out: Vec<Act> = first
            .iter_days()
            .take_while(|day| *day <= last)
            .flat_map(|day| {
                let range = (played.until, until);
                acts(
                    &self.place,
                    self.options.seed,
                    day,
                    range,
                    played.dead_since,
                )
            })
            .collect();
        out.sort_by_key(|act| act.when);
        out
    }

    async fn carry_out(&self, publisher: &mut Publisher, act: Act) -> anyhow::Result<()> {
        match act.kind {
            Kind::Message { topic, payload, .. } => publisher.publish(topic, payload).await?,
            Kind::Sale(sale) => {
                let (api, bank) = (self.api.clone(), self.bank.clone());
                tokio::spawn(async move {
                    if let Err(error) = buy(&api, &bank, &sale).await {
                        tracing::warn!(bay = %sale.bay, error = %format!("{error:#}"), "a driver could not pay");
                    }
                });
            }
        }
        Ok(())
    }

    fn remembered(&self, now: Timestamp) -> Played {
        let Options {
            seed,
            bays,
            history_days,
            state_file,
            ..
        } = self.options;
        let first = now - TimeDelta::days(i64::from(*history_days));
        let found = std::fs::read(state_file)
            .ok()
            .and_then(|text| serde_json::from_slice::<Played>(&text).ok())
            .filter(|played| played.seed == *seed && played.bays == *bays);
        match found {
            Some(played) => Played {
                until: played.until.clamp(first, now),
                ..played
            },
            None => Played {
                seed: *seed,
                bays: *bays,
                until: if *history_days == 0 {
                    now
                } else {
                    day_start(day_of(first)).max(first)
                },
                dead_since: now - TimeDelta::hours(9),
            },
        }
    }

    fn remember(&self, played: &Played) -> anyhow::Result<()> {
        let file = &self.options.state_file;
        let part = file.with_extension("part");
        std::fs::write(&part, serde_json::to_vec(played)?)
            .and_then(|()| std::fs::rename(&part, file))
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

fn now() -> Timestamp {
    Utc::now().trunc_subsecs(6)
}
