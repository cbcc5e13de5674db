//! An address that leads to one server, then to another: what a virtual address or a pooler does when a
//! replica takes over.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What whoever connects finds.
#[derive(Clone, Copy, Default)]
struct Leads {
    /// How often all that were connected have been cut off.
    silences: u32,
    /// Whether nothing answers any more.
    is_gone: bool,
}

/// The address; nobody answers there once this value is gone.
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    to: Arc<RwLock<SocketAddr>>,
    bytes: Arc<AtomicU64>,
    leads: watch::Sender<Leads>,
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
        let (leads, led) = watch::channel(Leads::default());
        let (server_at, counted) = (to.clone(), bytes.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let (to, counted) = (*server_at.read().unwrap(), counted.clone());
                let mut led = led.clone();
                let found = *led.borrow_and_update();
                tokio::spawn(async move {
                    if found.is_gone {
                        std::future::pending().await
                    }
                    if let Ok(mut server) = TcpStream::connect(to).await {
                        let _ = server.set_nodelay(true);
                        let _ = from.set_nodelay(true);
                        let silence = async {
                            if led
                                .wait_for(|now| now.silences > found.silences)
                                .await
                                .is_err()
                            {
                                std::future::pending().await
                            }
                        };
                        tokio::select! {
                            copied = copy_bidirectional(&mut from, &mut server) => {
                                if let Ok((up, down)) = copied {
                                    counted.fetch_add(up + down, Ordering::Relaxed);
                                }
                            }
                            // Whoever has called is not even told that nobody is there any more.
                            () = silence => std::future::pending().await,
                        }
                    }
                });
            }
        });
        Self {
            port: address.port(),
            to,
            bytes,
            leads,
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
        self.leads.send_modify(|leads| leads.silences += 1);
    }

    /// The same, and whoever connects from now on hears nothing either.
    pub fn be_gone(&self) {
        self.leads.send_modify(|leads| leads.is_gone = true);
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
