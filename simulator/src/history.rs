//! The past, through the same doors as the present: messages over MQTT, sales as terminals upload
//! them, transfers as the bank tells them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use domain::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use crate::city::Demand;
use crate::http::Api;
use crate::mqtt::Publisher;
use crate::plan;
use crate::purchase::{Purchase, Sold, Terminal, UPLOAD_MAX};
use crate::scene::{Happenings, Scene};
use crate::sensor;
use crate::timeline::{Report, Window};

/// How many uploads are under way at once.
const UPLOADS: usize = 4;
/// How long the board may stand still, before the city goes on without it. As long as it moves, ingest is at work.
const STANDS_STILL: Duration = Duration::from_secs(120);

/// What was sent of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Sensors' messages.
    pub messages: u64,
    /// What became of what drivers bought.
    pub sold: Sold,
}

/// Sends the past.
pub struct History<'a> {
    /// The city.
    pub scene: Arc<Scene>,
    /// The API.
    pub api: &'a Api,
    /// The terminals that upload sales.
    pub terminal: &'a Terminal,
    /// The time at which it is the past.
    pub now: Timestamp,
    /// Until when drivers have bought before, at the kerb: a terminal that uploaded their stays as
    /// well would sell them twice.
    pub sold_until: Option<Timestamp>,
}

impl History<'_> {
    /// Sends everything from `from` up to `now`, a day at a time, and waits until the city's board
    /// shows it. The result tells whether it does.
    ///
    /// # Errors
    /// Where the API or the broker fails for good.
    pub async fn send(&self, from: Timestamp, publisher: &mut Publisher) -> anyhow::Result<bool> {
        let started = Instant::now();
        let mut total = Sent::default();
        let mut last = None;
        for (day, from, to) in days(from, self.now) {
            let day_started = Instant::now();
            let happenings = self.happenings(from, to).await?;
            last = happenings.reports.last().cloned().or(last);
            let (messages, sold) = tokio::try_join!(
                self.publish(publisher, &happenings.reports),
                self.sell(&happenings.purchases)
            )?;
            total.messages += messages;
            total.sold += sold;
            println!(
                "history {day}: {messages} sensor messages, {} sessions, {} of them paid, in {:.1} s",
                sold.sessions,
                sold.posted,
                day_started.elapsed().as_secs_f64()
            );
        }
        let seconds = started.elapsed().as_secs_f64();
        let Sent { messages, sold } = total;
        println!(
            "history sent in {seconds:.1} s: {messages} sensor messages ({:.0} a second), {} sessions, \
             {} payments, {} transfers held, {} sessions known already or refused",
            messages as f64 / seconds.max(0.001),
            sold.sessions,
            sold.posted,
            sold.held,
            sold.refused
        );
        match last {
            Some(report) => Ok(self.caught_up(&report).await),
            None => Ok(true),
        }
    }

    /// Plans a part of the past on a thread of its own: it may take a while.
    async fn happenings(&self, from: Timestamp, to: Timestamp) -> anyhow::Result<Happenings> {
        let scene = self.scene.clone();
        let window = Window { from, to };
        let mut found = tokio::task::spawn_blocking(move || scene.happenings(window)).await?;
        let is_sold = |at| self.sold_until.is_some_and(|until| at < until);
        found.purchases.retain(|purchase| !is_sold(purchase.at));
        Ok(found)
    }

    async fn publish(&self, publisher: &mut Publisher, reports: &[Report]) -> anyhow::Result<u64> {
        let mut count = 0;
        for report in reports {
            if let Some(bay) = self.scene.bay(report) {
                let payload = sensor::payload(&bay.device, report);
                publisher
                    .publish(sensor::topic(&bay.device), payload)
                    .await?;
                count += 1;
            }
        }
        publisher.flush().await?;
        Ok(count)
    }

    async fn sell(&self, purchases: &[Purchase]) -> anyhow::Result<Sold> {
        let sold = stream::iter(purchases.chunks(UPLOAD_MAX))
            .map(|purchases| self.terminal.upload(purchases, self.now))
            .buffer_unordered(UPLOADS)
            .try_fold(Sold::default(), |mut sum, sold| async move {
                sum += sold;
                Ok(sum)
            })
            .await?;
        Ok(sold)
    }

    /// Waits until the board shows the last message sent: what the broker has taken may not be
    /// kept yet, and a broker may forget.
    async fn caught_up(&self, last: &Report) -> bool {
        let Some(bay) = self.scene.bay(last) else {
            return true;
        };
        let started = Instant::now();
        let (mut moved, mut newest) = (started, None);
        while moved.elapsed() < STANDS_STILL {
            let lots: Result<Lots, _> = self.api.send(|| self.api.get("/api/v1/lots")).await;
            let lots = lots.map_or_else(|_| Vec::new(), |lots| lots.lots);
            let now = lots.iter().filter_map(|lot| lot.updated_at).max();
            if now > newest {
                (moved, newest) = (Instant::now(), now);
            }
            let shown = lots.into_iter().find(|lot| lot.code == bay.lot);
            let shown = shown.and_then(|lot| lot.updated_at);
            if shown.is_some_and(|shown| shown >= last.at) {
                println!(
                    "The board shows the past, {:.1} s later.",
                    started.elapsed().as_secs_f64()
                );
                return true;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        tracing::warn!("the board does not show what the sensors said; is ingest running?");
        false
    }
}

#[derive(Deserialize)]
struct Lots {
    lots: Vec<Lot>,
}

#[derive(Deserialize)]
struct Lot {
    code: String,
    updated_at: Option<Timestamp>,
}

/// When `history_days` days of history begin: with a planned day, so that the first is whole.
pub fn begins(now: Timestamp, history_days: u32) -> Timestamp {
    let first = plan::day_of(Demand::Office, now) - TimeDelta::days(i64::from(history_days));
    if history_days == 0 {
        now
    } else {
        plan::day_start(Demand::Office, first)
    }
}

/// The planned days between two instants: date, from, to.
fn days(
    from: Timestamp,
    to: Timestamp,
) -> impl Iterator<Item = (chrono::NaiveDate, Timestamp, Timestamp)> {
    let first = plan::day_of(Demand::Office, from);
    first
        .iter_days()
        .map(move |day| {
            let start = plan::day_start(Demand::Office, day);
            let end = plan::day_start(Demand::Office, day + TimeDelta::days(1));
            (day, start.max(from), end.min(to))
        })
        .take_while(|(_, from, to)| from < to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_tile_the_past() {
        let now = chrono::DateTime::from_timestamp(1_795_472_000, 0).unwrap_or_default();
        let from = begins(now, 7);
        assert!(from <= now - TimeDelta::days(7) && from > now - TimeDelta::days(8));
        let days: Vec<_> = days(from, now).collect();
        assert_eq!(days.len(), 8);
        assert_eq!(days[0].1, from);
        assert_eq!(days[7].2, now);
        assert!(days.windows(2).all(|pair| pair[0].2 == pair[1].1));
        assert_eq!(begins(now, 0), now);
    }
}
