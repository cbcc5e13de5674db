//! Real brokers.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    /// The one in the demo's process.
    Rumqttd,
    /// The one for production.
    Mosquitto,
}

/// A broker for one test; mosquitto ends with this value, rumqttd with the process.
pub struct Broker {
    /// Its address.
    pub url: String,
    mosquitto: Option<Mosquitto>,
}

struct Mosquitto {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Broker {
    /// Starts a broker of that kind.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(kind: BrokerKind) -> Self {
        match kind {
            BrokerKind::Rumqttd => Self::rumqttd(),
            BrokerKind::Mosquitto => Self::mosquitto(),
        }
    }

    /// rumqttd in this process.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn rumqttd() -> Self {
        Self {
            url: clearbay::broker::start().unwrap(),
            mosquitto: None,
        }
    }

    /// mosquitto in a process of its own, which keeps sessions over a restart.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn mosquitto() -> Self {
        Self::mosquitto_with("")
    }

    /// The same with settings of one's own, as in its configuration file.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn mosquitto_with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let data = folder.path().display();
        // Run as root mosquitto would become another user, who may not write here.
        let config = format!(
            "listener {port} 127.0.0.1\n\
             allow_anonymous true\n\
             user root\n\
             persistence true\n\
             persistence_location {data}/\n\
             max_inflight_messages 20000\n\
             max_queued_messages 1000000\n\
             set_tcp_nodelay true\n\
             {settings}\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut mosquitto = Mosquitto {
            folder,
            port,
            child: None,
        };
        mosquitto.start();
        Self {
            url: format!("mqtt://127.0.0.1:{port}"),
            mosquitto: Some(mosquitto),
        }
    }

    /// Stops mosquitto, which writes down its sessions, and starts it on the same port.
    ///
    /// # Panics
    /// For rumqttd, which cannot be stopped.
    pub fn restart(&mut self) {
        let mosquitto = self
            .mosquitto
            .as_mut()
            .expect("only mosquitto can be restarted");
        mosquitto.stop();
        mosquitto.start();
    }
}

impl Mosquitto {
    fn start(&mut self) {
        let mut command = Command::new(crate::provided("CLEARBAY_TEST_MOSQUITTO"));
        if let Ok(libraries) = std::env::var("CLEARBAY_TEST_MOSQUITTO_LIBS") {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        for _ in 0..1_000 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("mosquitto did not start");
    }

    /// Asks it to end, as a service manager would, so that it saves its sessions.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.stop();
    }
}
