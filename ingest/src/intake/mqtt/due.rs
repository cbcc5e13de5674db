//! Acknowledgements, from the task that has them to the task that reads and writes the connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::{AsyncClient, Publish, QoS};

use super::Ticket;

/// What is due to the broker on the connection in force.
///
/// Packet numbers are a connection's own: on the next one the broker delivers again what was not
/// acknowledged, and an old acknowledgement would hit another message of the same number.
#[derive(Default)]
pub(super) struct Due {
    pub(super) connection: u64,
    /// For each acknowledgement that was queued as a request, those that follow it.
    pub(super) groups: VecDeque<Vec<u16>>,
}

pub(super) type Dues = Arc<Mutex<Due>>;

pub(super) fn lock(due: &Dues) -> MutexGuard<'_, Due> {
    due.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Acknowledges a message on the connection on which it came, and on no other.
pub(crate) struct Acknowledger {
    client: AsyncClient,
    due: Dues,
}

impl Acknowledger {
    pub(super) fn new(client: AsyncClient, due: Dues) -> Self {
        Self { client, due }
    }

    /// Queues the acknowledgements, in the order of the messages, as brokers want them. Never
    /// waits.
    ///
    /// rumqttc sends and flushes one request at a time, between reads of many messages each; with
    /// a request for every message, acknowledgements would fall behind without limit. So only the
    /// first is a request, which wakes the task that reads; that task writes the others at once.
    pub(in crate::intake) fn acknowledge(&self, tickets: impl IntoIterator<Item = Ticket>) {
        let mut due = lock(&self.due);
        let connection = due.connection;
        let mut pkids = tickets
            .into_iter()
            .filter(|ticket| ticket.qos != QoS::AtMostOnce && ticket.connection == connection)
            .map(|ticket| ticket.pkid);
        let Some(first) = pkids.next() else { return };
        let rest = pkids.collect();
        due.groups.push_back(rest);
        let mut publish = Publish::new("", QoS::AtLeastOnce, Vec::new());
        publish.pkid = first;
        if let Err(error) = self.client.try_ack(&publish) {
            // The task that reads has ended: the broker will deliver these again.
            due.groups.pop_back();
            tracing::warn!(%error, "messages were kept but could not be acknowledged");
        }
    }
}
