//! Real brokers.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::small_disk::SmallDisk;
use crate::{cpu, free_address};

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
    /// Where it keeps what must survive it, where that is a disk of its own.
    disk: Option<SmallDisk>,
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
        Self::mosquitto_on(None, settings)
    }

    /// The same with its sessions on a disk of their own.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn mosquitto_on(disk: Option<SmallDisk>, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_address().port();
        let kept = disk.as_ref().map_or(folder.path(), SmallDisk::path);
        let data = kept.display();
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
            disk,
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
        self.stop();
        self.start_again();
    }

    /// Asks mosquitto to end, as a service manager would, so that it writes down its sessions.
    ///
    /// # Panics
    /// For rumqttd.
    pub fn stop(&mut self) {
        self.process().stop();
    }

    /// Ends mosquitto with SIGKILL: what it has not written down is gone.
    ///
    /// # Panics
    /// For rumqttd, and where mosquitto had ended before.
    pub fn kill(&mut self) {
        self.process().kill();
    }

    /// Starts mosquitto again where it was, and returns once it takes connections.
    ///
    /// # Panics
    /// For rumqttd, and where it does not start.
    pub fn start_again(&mut self) {
        self.process().start();
    }

    /// Makes mosquitto silent: its connections stay, and nobody is answered.
    ///
    /// # Panics
    /// For rumqttd, and where mosquitto has ended.
    pub fn freeze(&mut self) {
        self.process().signal(Signal::SIGSTOP);
    }

    /// Undoes [`Broker::freeze`].
    ///
    /// # Panics
    /// For rumqttd, and where mosquitto has ended.
    pub fn thaw(&mut self) {
        self.process().signal(Signal::SIGCONT);
    }

    /// Has mosquitto write down its sessions, and returns once it has tried.
    ///
    /// # Panics
    /// For rumqttd, and where mosquitto has ended.
    pub fn save(&mut self) {
        self.process().signal(Signal::SIGUSR1);
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Has mosquitto read its password file and its access rules anew, as `systemctl reload` does. Returns before
    /// it has.
    ///
    /// # Panics
    /// For rumqttd, and where mosquitto has ended.
    pub fn reload(&mut self) {
        self.process().signal(Signal::SIGHUP);
    }

    /// The processor time that mosquitto has used.
    ///
    /// # Panics
    /// For rumqttd, and where mosquitto has ended.
    pub fn cpu(&self) -> Duration {
        let mosquitto = self.mosquitto.as_ref();
        let child = mosquitto.and_then(|mosquitto| mosquitto.child.as_ref());
        cpu::of_process(child.expect("mosquitto does not run").id())
    }

    /// The disk of its own on which mosquitto keeps its sessions.
    ///
    /// # Panics
    /// Where it has none.
    pub fn disk(&self) -> &SmallDisk {
        let mosquitto = self.mosquitto.as_ref();
        mosquitto
            .and_then(|mosquitto| mosquitto.disk.as_ref())
            .expect("its sessions are on no disk of their own")
    }

    fn process(&mut self) -> &mut Mosquitto {
        self.mosquitto
            .as_mut()
            .expect("only mosquitto is a process of its own")
    }
}

impl Mosquitto {
    fn start(&mut self) {
        let program = PathBuf::from(crate::provided("CLEARBAY_TEST_MOSQUITTO"));
        let mut command = on_disk(self.disk.as_ref(), &program);
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
            let _ = kill(pid(&child), Signal::SIGTERM);
            let _ = child.wait();
        }
    }

    fn kill(&mut self) {
        let mut child = self.child.take().expect("mosquitto had ended");
        assert!(child.try_wait().unwrap().is_none(), "mosquitto ended");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn signal(&mut self, signal: Signal) {
        kill(pid(self.child.as_ref().unwrap()), signal).unwrap();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn on_disk(disk: Option<&SmallDisk>, program: &Path) -> Command {
    disk.map_or_else(|| Command::new(program), |disk| disk.command(program))
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            let _ = kill(pid(child), Signal::SIGCONT);
        }
        self.stop();
    }
}
