//! What feeds the board: the broker's deltas, and the database wherever one may have been lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::board::OccupancyDelta;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, SubscribeFilter, SubscribeReasonCode};
use store::Store;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::{LiveBoard, Word};
use crate::service::in_time;

/// Where ingest tells of bays.
const OCCUPANCY: &str = "clearbay/v1/occupancy/+";
/// Where processes that serve tell each other what they learn by requests.
const WORDS: &str = "clearbay/v1/serve/words";
const RELOAD_EVERY: Duration = Duration::from_secs(60);
/// However often it is asked for, the board is not read anew sooner than this. After a database
/// that was away it is asked again so soon.
const RELOAD_AGAIN: Duration = Duration::from_secs(2);
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How long after a refused subscription the broker is asked again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(5);

/// Feeds the board until told to stop: deltas as they come, a reload on every connection and once
/// a minute, a sweep every few seconds.
pub async fn feed(
    board: Arc<LiveBoard>,
    store: Store,
    mqtt: MqttOptions,
    now: fn() -> Timestamp,
    mut shutdown: watch::Receiver<bool>,
) {
    let (client, mut events) = AsyncClient::new(mqtt, 1_024);
    let speaker = tokio::spawn(speak(client.clone(), board.clone()));
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
                        let filters = [OCCUPANCY, WORDS]
                            .map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtMostOnce));
                        if client.try_subscribe_many(filters).is_err() {
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
                    Ok(Event::Incoming(Packet::Publish(message))) if message.topic == WORDS => {
                        match serde_json::from_slice::<Word>(&message.payload) {
                            // Our own comes back as well, and changes nothing.
                            Ok(word) => board.hear(word, now()).await,
                            // Of a process of another version.
                            Err(error) => tracing::debug!(%error, "unreadable word"),
                        }
                    }
                    // RabbitMQ hands over under another topic what by AMQP was sent to two of them.
                    Ok(Event::Incoming(Packet::Publish(message)))
                        if !message.topic.starts_with(OCCUPANCY.trim_end_matches('+')) =>
                    {
                        tracing::debug!(topic = message.topic, "no delta comes under this topic");
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
    let telling = tokio::spawn({
        let audience = board.audience.clone();
        async move { audience.keep_telling().await }
    });
    // By itself: a device that falls silent is unknown also while the database says nothing.
    let sweeping = tokio::spawn({
        let board = board.clone();
        async move {
            let mut sweeps = tokio::time::interval(SWEEP_EVERY);
            loop {
                sweeps.tick().await;
                board.sweep(now()).await;
            }
        }
    });
    let mut reloaded = None;
    let mut failed = false;
    let mut minutes = tokio::time::interval(RELOAD_EVERY);
    loop {
        tokio::select! {
            () = stopped(&mut shutdown) => break,
            _ = minutes.tick() => {}
            () = tokio::time::sleep(RELOAD_AGAIN), if failed => {}
            Some(()) = reloads.recv() => soon(reloaded).await,
            () = board.wanted.notified() => soon(reloaded).await,
        }
        reloaded = Some(Instant::now());
        let done = tokio::select! {
            () = stopped(&mut shutdown) => break,
            done = in_time(board.reload(&store, now())) => done,
        };
        failed = done.is_err();
        if let Err(error) = done {
            metrics::counter!("clearbay_live_reloads_failed_total").increment(1);
            tracing::warn!(%error, "the live board could not be read anew");
        }
    }
    telling.abort();
    sweeping.abort();
    speaker.abort();
    reader.abort();
}

/// Passes on what the other processes are to be told, as far as the broker takes it. While it is away nothing
/// waits for it: an old word would be told after a newer one of another process.
async fn speak(client: AsyncClient, board: Arc<LiveBoard>) {
    let mut words = board.words.subscribe();
    loop {
        let word = match words.recv().await {
            Ok(word) => word,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if !board.connected() {
            continue;
        }
        match serde_json::to_vec(&word) {
            Ok(payload) => {
                let told = client.try_publish(WORDS, QoS::AtMostOnce, false, payload);
                if told.is_err() {
                    metrics::counter!("clearbay_live_words_lost_total").increment(1);
                }
            }
            Err(error) => tracing::error!(%error, "a word could not be written"),
        }
    }
}

/// Waits, where the board has only just been read.
async fn soon(reloaded: Option<Instant>) {
    if reloaded.is_some_and(|at| at.elapsed() < RELOAD_AGAIN) {
        tokio::time::sleep(RELOAD_AGAIN).await;
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}
