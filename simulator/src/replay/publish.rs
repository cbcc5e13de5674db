//! Sending a recording.

use std::ops::Range;
use std::str::FromStr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use chrono::SecondsFormat;
use tokio::sync::watch;

use super::{Recording, device_id};
use crate::mqtt::Publisher;
use crate::sensor::own_json;

/// How often to say how far it is.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// Messages are written one after the other into pieces of memory of this size.
const CHUNK: usize = 256 * 1024;
/// More than any message needs.
const MESSAGE_MAX: usize = 512;

/// How fast a recording is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as the broker takes it.
    Max,
    /// So many times faster than it was recorded.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<f64>()) {
            ("max", _) => Ok(Self::Max),
            (_, Ok(factor)) if factor.is_finite() && factor > 0.0 => Ok(Self::Times(factor)),
            _ => Err("a speed is `max` or a positive number such as 3600".to_owned()),
        }
    }
}

impl Recording {
    /// How many messages the recording makes.
    pub fn message_count(&self) -> u64 {
        self.changes()
            .map(|(_, bays)| u64::from(bays.end - bays.start))
            .sum()
    }

    /// Sends all events over MQTT and waits until the broker has them; the result is how many.
    ///
    /// # Errors
    /// Where the broker is not there or stops taking messages, or when told to stop.
    pub async fn publish(
        &self,
        mqtt_url: &str,
        speed: Speed,
        mut shutdown: watch::Receiver<bool>,
    ) -> anyhow::Result<u64> {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => anyhow::bail!("stopped"),
            sent = self.send(mqtt_url, speed) => sent,
        }
    }

    async fn send(&self, mqtt_url: &str, speed: Speed) -> anyhow::Result<u64> {
        let mut publisher = Publisher::connect(mqtt_url).await?;
        let total = self.message_count();
        let first = self.readings.first().map(|reading| reading.at);
        let (started, mut said) = (Instant::now(), Instant::now());
        let mut memory = BytesMut::with_capacity(CHUNK);
        for (reading, bays) in self.changes() {
            if let (Speed::Times(factor), Some(first)) = (speed, first) {
                let due = (reading.at - first).as_seconds_f64() / factor;
                // A wait of more than a century is one that never ends.
                let due = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX);
                tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
            }
            let code = &self.car_parks[reading.car_park].code;
            let at = reading.at.to_rfc3339_opts(SecondsFormat::Millis, true);
            for bay in bays {
                let device = device_id(code, bay);
                if memory.capacity() < MESSAGE_MAX {
                    memory = BytesMut::with_capacity(CHUNK);
                }
                let occupied = bay < reading.occupied;
                own_json(
                    &mut memory,
                    &device,
                    &at,
                    reading.at.timestamp(),
                    occupied,
                    None,
                );
                let topic = format!("clearbay/v1/devices/{device}/up");
                publisher.publish(topic, memory.split().freeze()).await?;
            }
            if said.elapsed() > SAY_EVERY {
                said = Instant::now();
                let sent = publisher.published();
                println!(
                    "  {} of {total} messages ({} %), {:.0} a second, at {}",
                    sent,
                    sent * 100 / total.max(1),
                    sent as f64 / started.elapsed().as_secs_f64(),
                    reading.at.format("%Y-%m-%d %H:%M")
                );
            }
        }
        publisher.flush().await?;
        Ok(publisher.published())
    }

    /// Every reading in order of time with the bays that it changes.
    fn changes(&self) -> impl Iterator<Item = (super::Reading, Range<u32>)> {
        let mut known: Vec<Option<u32>> = vec![None; self.car_parks.len()];
        self.readings.iter().map(move |reading| {
            let capacity = self.car_parks[reading.car_park].capacity;
            let before = known[reading.car_park].replace(reading.occupied);
            (*reading, changed(before, reading.occupied, capacity))
        })
    }
}

/// Which bays of a stack change when it goes from `before` to `after` vehicles; all where nothing
/// was known.
pub(super) fn changed(before: Option<u32>, after: u32, capacity: u32) -> Range<u32> {
    match before {
        None => 0..capacity,
        Some(before) => before.min(after)..before.max(after),
    }
}
