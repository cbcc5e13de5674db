//! An address that leads to one server, then to another: what a virtual address or a pooler does when a
//! replica takes over.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The address; nobody answers there once this value is gone.
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    to: Arc<RwLock<SocketAddr>>,
    bytes: Arc<AtomicU64>,
    silence: watch::Sender<u32>,
    gone: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Leads to a server on this machine.
    ///
    /// # Panics
    /// Where it cannot listen.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let to = Arc::new(RwLock::new(SocketAddr::from(([127, 0, 0, 1], port))));
        let bytes = Arc::new(AtomicU64::new(0));
        let (silence, silenced) = watch::channel(0);
        let gone = Arc::new(AtomicBool::new(false));
        let (leads, counted, is_gone) = (to.clone(), bytes.clone(), gone.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (to, counted) = (*leads.read().unwrap(), counted.clone());
                let mut silenced = silenced.clone();
                silenced.mark_unchanged();
                let is_gone = is_gone.load(Ordering::Relaxed);
                tokio::spawn(async move {
                    if is_gone {
                        std::future::pending().await
                    }
                    if let Ok(mut server) = TcpStream::connect(to).await {
                        let _ = server.set_nodelay(true);
                        let _ = from.set_nodelay(true);
                        tokio::select! {
                            copied = copy_bidirectional(&mut from, &mut server) => {
                                if let Ok((up, down)) = copied {
                                    counted.fetch_add(up + down, Ordering::Relaxed);
                                }
                            }
                            // Whoever has called is not even told that nobody is there any more.
                            Ok(()) = silenced.changed() => std::future::pending().await,
                        }
                    }
                });
            }
        });
        Self {
            port: address.port(),
            to,
            bytes,
            silence,
            gone,
            task,
        }
    }

    /// A server's URL by this way.
    ///
    /// # Panics
    /// For what is no URL.
    pub fn by(&self, url: &str) -> String {
        let mut url = reqwest::Url::parse(url).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }

    /// How many bytes went either way over connections that have ended in good order.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Lets all that are connected hear nothing any more, as where the other machine has lost its power; who connects
    /// from now on is led on.
    pub fn fall_silent(&self) {
        self.silence.send_modify(|times| *times += 1);
    }

    /// The same, and whoever connects from now on hears nothing either.
    pub fn be_gone(&self) {
        self.gone.store(true, Ordering::Relaxed);
        self.fall_silent();
    }

    /// Leads new connections elsewhere.
    ///
    /// # Panics
    /// Never, but where another thread has.
    pub fn lead_to(&self, port: u16) {
        self.to.write().unwrap().set_port(port);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
