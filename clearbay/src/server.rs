//! Takes connections and answers what is asked over them.
//!
//! As axum's own server does, but that a request's head must be there in time, and that connections are counted: all of
//! them, and those of one address. HTTP/1.1, for a proxy ends TLS in front and speaks HTTP/2 to browsers.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use api::client::{Client, TrustedProxies};
use api::places::{Place, Places};
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::header;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::Service;

use crate::connections::{bound, listen};
use crate::shutdown;

/// How long a request's head may take to arrive, and how long a connection may wait for its next request: nobody
/// holds one by saying nothing.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait where the system gives no connection, for too many files are open for instance.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How many connections may ask for metrics at once.
const METRICS: usize = 16;
/// After how long whoever asks for them and takes nothing is cut off.
const METRICS_WITHIN: Duration = Duration::from_secs(30);

/// Shows metrics in Prometheus's text format to whoever reaches that address, for as long as the process lives:
/// figures are for those who run it, not for everybody who may ask for pages.
///
/// # Errors
/// Where the address cannot be taken.
pub fn show_metrics(
    address: SocketAddr,
    page: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let server = Server {
        listener: listen(address)?,
        places: Arc::new(Places::new("metrics", METRICS)),
        proxies: Arc::default(),
        stalled: METRICS_WITHIN,
    };
    let shown = move || {
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
        std::future::ready((kind, page()))
    };
    let router = Router::new().route("/metrics", get(shown));
    tokio::spawn(async move {
        let (_never, refuse) = watch::channel(false);
        server.run(router, refuse).await;
    });
    Ok(())
}

/// What serves.
#[derive(Debug)]
pub struct Server {
    /// Where connections come in.
    pub listener: TcpListener,
    /// How many there may be. At most a quarter of one address; where all are taken, others wait.
    pub places: Arc<Places>,
    /// Who speaks for many and so is not counted by address.
    pub proxies: Arc<TrustedProxies>,
    /// After how long a client is cut off that takes nothing of what is sent to it.
    pub stalled: Duration,
}

impl Server {
    /// Answers by that router until told to refuse. Then no connection more is taken, those that wait for a request
    /// end, and the others once they have their answer, which this waits for.
    pub async fn run(self, router: Router, mut refuse: watch::Receiver<bool>) {
        // Made once: for each connection all its routes would take 120 kB.
        let router = router.with_state(());
        loop {
            let (place, connection, peer) = tokio::select! {
                () = shutdown::told(&mut refuse) => break,
                Some(accepted) = self.accept() => accepted,
            };
            let address = peer.ip().to_canonical();
            let from = match self.proxies.trusts(address) {
                true => None,
                false => Client(Some(address)).turns_of(),
            };
            // Dropped, it is closed.
            let Some(place) = self.places.give(place, from) else {
                continue;
            };
            bound(&connection, self.stalled);
            tokio::spawn(answer(
                place,
                connection,
                peer,
                router.clone(),
                refuse.clone(),
            ));
        }
        drop(self.listener);
        self.places.all_free().await;
    }

    async fn accept(&self) -> Option<(Place, TcpStream, SocketAddr)> {
        let place = self.places.next().await?;
        loop {
            match self.listener.accept().await {
                Ok((connection, peer)) => return Some((place, connection, peer)),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be taken");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }
}

/// Whether a connection ended before it was taken, which is nobody else's trouble.
fn is_of_one_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

async fn answer(
    place: Place,
    connection: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut refuse: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(connection), service);
    let mut served = pin!(served);
    let done = tokio::select! {
        done = served.as_mut() => done,
        () = shutdown::told(&mut refuse) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended in disorder");
    }
    drop(place);
}
