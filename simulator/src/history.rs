//! The past, through the same doors as the present: messages over MQTT, sales as terminals upload
//! them, transfers as the bank tells them.

use std::time::Instant;

use chrono::{SecondsFormat, TimeDelta};
use domain::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::json;

use crate::act::{Act, Kind, Sale};
use crate::bank::{Bank, transfer};
use crate::http::{Api, insist};
use crate::mqtt::Publisher;

/// How many sales go into one upload.
const UPLOAD: usize = 500;
/// How many uploads are under way at once.
const UPLOADS: usize = 4;
/// Heartbeats older than this are thinned out: only what is recent tells whether a sensor lives.
const HEARTBEATS_KEPT: TimeDelta = TimeDelta::hours(2);

#[derive(Deserialize)]
struct Uploaded {
    sessions: Vec<UploadResult>,
}

#[derive(Deserialize)]
struct UploadResult {
    qr: Option<String>,
    error: Option<String>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages of sensors.
    pub messages: usize,
    /// Sales that were uploaded.
    pub sales: usize,
    /// Sales that the API did not take.
    pub refused: usize,
    /// Transfers that the bank told of.
    pub transfers: usize,
}

/// Sends acts of the past, as of `now`.
///
/// # Errors
/// Where the API or the broker fails for good.
pub async fn send(
    api: &Api,
    bank: &Bank,
    publisher: &mut Publisher,
    acts: Vec<Act>,
    now: Timestamp,
) -> anyhow::Result<Sent> {
    let started = Instant::now();
    let (mut messages, mut sales) = (Vec::new(), Vec::new());
    for Act { when, kind } in acts {
        match kind {
            Kind::Message {
                topic,
                payload,
                heartbeat,
            } => {
                let old = heartbeat && when < now - HEARTBEATS_KEPT;
                if !old || chrono::Timelike::hour(&when).is_multiple_of(6) {
                    messages.push((topic, payload));
                }
            }
            Kind::Sale(sale) => sales.push((when, sale)),
        }
    }
    let mut sent = Sent {
        messages: messages.len(),
        sales: sales.len(),
        ..Sent::default()
    };
    let publish = async {
        for (topic, payload) in messages {
            publisher.publish(topic, payload).await?;
        }
        publisher.flush().await;
        anyhow::Ok(())
    };
    let uploads = stream::iter(sales.chunks(UPLOAD))
        .map(|sales| upload(api, bank, sales, now))
        .buffer_unordered(UPLOADS)
        .try_fold((0, 0), |sum, part| async move {
            Ok((sum.0 + part.0, sum.1 + part.1))
        });
    let ((), (refused, transfers)) = tokio::try_join!(publish, uploads)?;
    (sent.refused, sent.transfers) = (refused, transfers);
    tracing::debug!(
        ?sent,
        seconds = started.elapsed().as_secs_f32(),
        "sent a part of the past"
    );
    Ok(sent)
}

/// Uploads sales and has the bank tell of their money; the result is how many were refused and
/// how many transfers were told.
async fn upload(
    api: &Api,
    bank: &Bank,
    sales: &[(Timestamp, Sale)],
    now: Timestamp,
) -> anyhow::Result<(usize, usize)> {
    let items: Vec<_> = sales
        .iter()
        .map(|(when, sale)| {
            json!({
                "key": sale.key, "bay": sale.bay, "plate": sale.plate, "class": sale.class,
                "minutes": sale.minutes, "at": when.to_rfc3339_opts(SecondsFormat::Micros, true),
            })
        })
        .collect();
    let body = serde_json::to_vec(&json!({ "sessions": items }))?;
    let uploaded: Uploaded = insist(|| {
        api.import("/api/v1/imports/sessions")
            .header("content-type", "application/json")
            .body(body.clone())
    })
    .await?;
    let mut refused = 0;
    let mut notices = Vec::with_capacity(sales.len());
    for ((when, sale), result) in sales.iter().zip(uploaded.sessions) {
        if let Some(error) = result.error {
            tracing::debug!(bay = %sale.bay, %error, "a sale was not taken");
            refused += 1;
        }
        if let (Some(qr), Some(delay_s)) = (result.qr, sale.paid_after_s) {
            let paid_at = (*when + TimeDelta::seconds(i64::from(delay_s))).min(now);
            notices.push(transfer(&qr, sale.key, sale.error_vnd, paid_at)?);
        }
    }
    if !notices.is_empty() {
        bank.tell(&notices).await?;
    }
    Ok((refused, notices.len()))
}
