//! One shard: its messages are asked for, handed over and acknowledged once they are kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{SubsecRound, Utc};
use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::nodes::SessionError;
use super::topic::topic;
use crate::intake::{self, Intake};

/// How many messages of a shard may be on their way to us or at work. With all shards and the largest messages
/// that the broker takes (`max_message_size`) they are no more than [`crate::Options::queue_bytes_max`].
const PREFETCH: u16 = 500;
/// So long after its own a process asks for the others' shards.
const STAND_BY: Duration = Duration::from_secs(3);
/// So long to wait for what was sent before we let go.
const DRAIN: Duration = Duration::from_millis(500);

/// A message's number within what a shard was asked for.
pub(crate) struct Ticket {
    shard: Arc<watch::Sender<u64>>,
    tag: u64,
}

impl Ticket {
    /// Acknowledges it and all that its shard delivered before: batches are kept in that order.
    pub(in crate::intake) fn acknowledge(self) {
        self.shard.send_if_modified(|kept| {
            let is_new = *kept < self.tag;
            *kept = (*kept).max(self.tag);
            is_new
        });
    }
}

/// One shard, as this process takes it.
pub(super) struct Shard {
    pub queue: String,
    /// The process's name.
    pub name: String,
    /// Whether it is this process's before it is another's.
    pub is_own: bool,
    /// So often the process lets go of it where it is another's. RabbitMQ 4 hands it over by itself (`x-priority`);
    /// older ones do not even tell that somebody waits.
    pub give_back_every: Duration,
    pub intake: Intake,
    pub shutdown: watch::Receiver<bool>,
}

/// Why a shard is not read any longer.
enum Ended {
    Stopping,
    /// Whoever waits for it may have it.
    LetGo,
}

impl Shard {
    /// Reads it whenever its turn is, until told to stop.
    pub(super) async fn run(self, connection: Arc<Connection>) -> Result<(), SessionError> {
        let mut shutdown = self.shutdown.clone();
        if !self.is_own
            && tokio::time::timeout(STAND_BY, stopped(&mut shutdown))
                .await
                .is_ok()
        {
            return Ok(());
        }
        loop {
            // Whoever waited for it has it since we let go: we are behind them. Where nobody did, nobody is kept
            // waiting for its messages.
            match self.take(&connection).await? {
                Ended::Stopping => return Ok(()),
                Ended::LetGo => tracing::debug!(queue = self.queue, "let go of another's shard"),
            }
        }
    }

    /// Asks for the shard's messages and hands them over, whenever its turn is.
    async fn take(&self, connection: &Connection) -> Result<Ended, SessionError> {
        let channel = connection.create_channel().await?;
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let (queue, tag) = (self.queue.as_str().into(), self.name.as_str().into());
        let options = BasicConsumeOptions::default();
        let mut arguments = FieldTable::default();
        arguments.insert(
            "x-priority".into(),
            AMQPValue::LongInt(i32::from(self.is_own)),
        );
        let mut messages = channel
            .basic_consume(queue, tag, options, arguments)
            .await?;
        let (kept, acknowledged) = watch::channel(0);
        let kept = Arc::new(kept);
        let mut acknowledging = JoinSet::new();
        acknowledging.spawn(acknowledge(channel.clone(), acknowledged));
        let mut shutdown = self.shutdown.clone();
        let mut give_back = tokio::time::interval(self.give_back_every);
        give_back.reset();
        let mut is_active = false;
        let ended = loop {
            tokio::select! {
                biased;
                () = stopped(&mut shutdown) => break Ended::Stopping,
                Some(ended) = acknowledging.join_next() => {
                    ended.map_err(|_| SessionError::Stopped)??;
                    return Err(SessionError::Stopped);
                }
                _ = give_back.tick(), if is_active && !self.is_own => break Ended::LetGo,
                message = messages.next() => {
                    let message = message.ok_or(SessionError::Stopped)??;
                    if !std::mem::replace(&mut is_active, true) {
                        // From now on: who stood by for long does not let go of what it has just taken over.
                        give_back.reset();
                        tracing::info!(queue = self.queue, own = self.is_own, "took a shard");
                    }
                    self.hand_over(message, &kept).await;
                }
            }
        };
        if matches!(ended, Ended::LetGo) {
            let cancel = BasicCancelOptions::default();
            channel
                .basic_cancel(self.name.as_str().into(), cancel)
                .await?;
            // What was on its way is ours still.
            while let Ok(Some(message)) = tokio::time::timeout(DRAIN, messages.next()).await {
                self.hand_over(message?, &kept).await;
            }
        }
        // Once the last ticket is gone, all that was handed over is acknowledged or given up. What was not
        // handed over goes back to its place in the queue with the channel.
        drop(kept);
        while let Some(ended) = acknowledging.join_next().await {
            ended.map_err(|_| SessionError::Stopped)??;
        }
        channel.close(200, "done".into()).await?;
        Ok(ended)
    }

    async fn hand_over(&self, message: lapin::message::Delivery, kept: &Arc<watch::Sender<u64>>) {
        let ticket = intake::Ticket::Amqp(Ticket {
            shard: kept.clone(),
            tag: message.delivery_tag,
        });
        let topic = topic(message.routing_key.as_str());
        let now = Utc::now().trunc_subsecs(6);
        let payload = Bytes::from(message.data);
        self.intake.hand_over(topic, payload, now, ticket).await;
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Acknowledges what is kept, until nothing more can be.
async fn acknowledge(channel: Channel, mut kept: watch::Receiver<u64>) -> Result<(), SessionError> {
    while kept.changed().await.is_ok() {
        let tag = *kept.borrow_and_update();
        let options = BasicAckOptions { multiple: true };
        channel.basic_ack(tag, options).await?;
    }
    Ok(())
}
