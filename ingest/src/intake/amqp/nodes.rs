//! The cluster's nodes: a connection to one of them, and to another where that is away.

use std::sync::Arc;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};

use super::{QUEUES, over_tls};
use crate::IngestError;
use crate::intake::{BACKOFF_MAX, BACKOFF_MIN, CLOSE_WITHIN};

const HEARTBEAT_S: u16 = 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A connection that stood so long was a good one: the next is made at once.
const GOOD_AFTER: Duration = Duration::from_secs(5);

/// Whoever uses a connection, until it breaks or all is done.
pub(super) trait Session {
    async fn on(&mut self, connection: &Arc<Connection>) -> Result<(), SessionError>;

    /// Whether it is on one.
    fn show(&self, _is_connected: bool) {}

    fn is_over(&self) -> bool;
}

/// The cluster's nodes, as one connection finds them.
#[derive(Clone)]
pub(super) struct Nodes {
    pub addresses: Vec<AMQPUri>,
    /// With which to begin.
    pub first: usize,
    /// The process's name, as the broker shows it.
    pub name: String,
}

impl Nodes {
    /// The same for another connection of the process.
    pub(super) fn named(mut self, ending: &str) -> Self {
        self.name.push_str(ending);
        self
    }

    /// Keeps a connection to some node until its user is done.
    pub(super) async fn keep(self, mut session: impl Session) {
        let mut backoff = BACKOFF_MIN;
        let count = self.addresses.len();
        for node in (0..count).cycle().skip(self.first % count) {
            let node = &self.addresses[node];
            let address = format!("{}:{}", node.authority.host, node.authority.port);
            let started = tokio::time::Instant::now();
            match self.one(node.clone(), &address, &mut session).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, node = address, name = self.name, "the broker is away");
                }
            }
            if session.is_over() {
                return;
            }
            if started.elapsed() >= GOOD_AFTER {
                backoff = BACKOFF_MIN;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// One connection, until it breaks or its user is done.
    async fn one(
        &self,
        node: AMQPUri,
        address: &str,
        session: &mut impl Session,
    ) -> Result<(), SessionError> {
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.clone().into());
        let connecting = async {
            match node.scheme {
                AMQPScheme::AMQP => Connection::connect_uri(node, properties).await,
                AMQPScheme::AMQPS => over_tls::connect(node, properties).await,
            }
        };
        let connection = tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .map_err(|_| SessionError::Slow)??;
        let connection = Arc::new(connection);
        tracing::info!(node = address, name = self.name, "connected to the broker");
        session.show(true);
        let done = session.on(&connection).await;
        session.show(false);
        // Its consumers must not go on where nobody listens to them.
        let closing = connection.close(200, "ended".into());
        let _ = tokio::time::timeout(CLOSE_WITHIN, closing).await;
        done
    }
}

/// The cluster's nodes, from addresses with a comma between them.
pub(super) fn addresses(urls: &str) -> Result<Vec<AMQPUri>, IngestError> {
    let address = |url: &str| {
        let mut uri: AMQPUri = url.trim().parse().map_err(IngestError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(uri)
    };
    urls.split(',').map(address).collect()
}

/// Why a connection is no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    #[error("it did not answer within {CONNECT_WITHIN:?}")]
    Slow,
    #[error("it has no queue {QUEUES}0: load deploy/rabbitmq/definitions.json")]
    NoShards,
    #[error("it has another number of shards than before")]
    OtherShards,
    #[error("it sends nothing any more")]
    Stopped,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cluster_is_several_addresses() {
        let urls = "amqp://ingest:secret@one:5672/city, amqp://ingest:secret@two:5673/city";
        let nodes = addresses(urls).unwrap();
        let named: Vec<(&str, u16)> = nodes
            .iter()
            .map(|node| (&*node.authority.host, node.authority.port))
            .collect();
        assert_eq!(named, [("one", 5672), ("two", 5673)]);
        assert!(nodes.iter().all(|node| node.vhost == "city"));
        assert!(addresses("amqp://one:many").is_err());
    }
}
