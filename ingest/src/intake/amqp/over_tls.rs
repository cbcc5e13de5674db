//! A connection to a node of RabbitMQ over TLS.
//!
//! lapin's own way there would bring key stores of PKCS#12 with all their old ciphers, and a trust of its own.
//! Here a node is believed as everybody else is whom Clearbay calls ([`transport::tls`]).

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures::{AsyncRead, AsyncWrite, Stream};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connects to a node of `amqps://`, which must show that it is who its address says before anything is sent.
///
/// # Errors
/// Where it does not, and where it cannot be reached.
pub(super) async fn connect(
    mut node: AMQPUri,
    properties: ConnectionProperties,
) -> lapin::Result<Connection> {
    let name = ServerName::try_from(node.authority.host.clone()).map_err(io::Error::other)?;
    let reactor = OverTls {
        tokio: Tokio::current(),
        // Anew each time: an authority that was exchanged meanwhile is known with the next connection.
        tls: Arc::new(transport::tls().map_err(io::Error::other)?),
        name,
    };
    // What the reactor connects is encrypted already; lapin is to see bytes.
    node.scheme = AMQPScheme::AMQP;
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), reactor));
    Connection::connect_uri_with_runtime(node, properties, runtime).await
}

/// tokio's reactor, whose connections are encrypted.
#[derive(Clone, Debug)]
struct OverTls {
    tokio: Tokio,
    tls: Arc<ClientConfig>,
    /// Who has to answer.
    name: ServerName<'static>,
}

impl Reactor for OverTls {
    type TcpStream = Compat<TlsStream<TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.tokio.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.tokio.tcp_connect_addr(address);
        let (tls, name) = (TlsConnector::from(self.tls.clone()), self.name.clone());
        async move {
            let plain = connecting.await?.into_inner();
            Ok(Compat::new(tls.connect(name, plain).await?))
        }
    }
}
