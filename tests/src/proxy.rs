//! HAProxy with the configuration that operators take, in front of some processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::free_address;
use crate::tls::Identity;

/// A proxy; it ends with this value.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    folder: TempDir,
}

/// HAProxy's program, if there is one; says that a test skips where not.
pub fn provided() -> Option<PathBuf> {
    let program = std::env::var_os("CLEARBAY_TEST_HAPROXY").map(PathBuf::from);
    if program.is_none() {
        println!("skipped: there is no HAProxy here");
    }
    program
}

impl Proxy {
    /// Starts one in front of processes on this machine. Must be called where it lives as long as the proxy is
    /// to: it ends with the thread that has started it.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start(program: PathBuf, processes: &[SocketAddr]) -> Self {
        Self::start_at(program, free_address(), processes).await
    }

    /// The same at an address of one's own.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_at(program: PathBuf, address: SocketAddr, processes: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = configuration(address, processes);
        Self::with(program, folder, address, &settings).await
    }

    /// The same with TLS, as it is deployed: it shows who it is, and has no other way in but one that leads there.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_over_tls(
        program: PathBuf,
        doors: &Doors,
        identity: &Identity,
        processes: &[SocketAddr],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("clearbay.pem");
        let both = [&*identity.certificate, &*identity.key].concat();
        std::fs::write(&certificate, both).unwrap();
        let settings = configuration_over_tls(doors, &certificate, processes);
        Self::with(program, folder, doors.https, &settings).await
    }

    async fn with(program: PathBuf, folder: TempDir, address: SocketAddr, settings: &str) -> Self {
        let file = folder.path().join("haproxy.cfg");
        let page = folder.path().join("503.http");
        std::fs::write(&page, PAGE).unwrap();
        let settings = settings.replace(PAGE_AT, &page.display().to_string());
        std::fs::write(&file, settings).unwrap();
        let log = std::fs::File::create(folder.path().join(LOG)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        if let Some(libraries) = std::env::var_os("CLEARBAY_TEST_HAPROXY_LIBS") {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let child = command
            .arg("-db")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .unwrap();
        let proxy = Self {
            address,
            child,
            folder,
        };
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return proxy;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("HAProxy did not start");
    }

    /// What it has logged so far.
    ///
    /// # Panics
    /// Where that cannot be read.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(LOG)).unwrap()
    }

    /// Where it listens, where it has no TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a proxy with TLS listens, and which broker it leads sensors to.
pub struct Doors {
    /// People, by HTTPS.
    pub https: SocketAddr,
    /// People who come without.
    pub http: SocketAddr,
    /// Sensors, by MQTT over TLS.
    pub mqtts: SocketAddr,
    /// The broker, which takes them in the clear.
    pub broker: SocketAddr,
}

const DEPLOYED: &str = include_str!("../../deploy/haproxy.cfg");
/// What it says where no process answers, and where that lies.
const PAGE: &str = include_str!("../../deploy/haproxy-503.http");
const PAGE_AT: &str = "/etc/haproxy/clearbay-503.http";
const LOG: &str = "log";
/// Lines of a service of Debian's, which has a user and a folder of its own.
const OF_DEBIAN: [&str; 3] = ["user ", "group ", "chroot "];

/// What is deployed, but for the addresses and for TLS.
fn configuration(address: SocketAddr, processes: &[SocketAddr]) -> String {
    let kept = DEPLOYED
        .lines()
        .filter(|line| !line.starts_with("    bind :80") && !line.contains("redirect scheme"));
    let lines = kept.map(|line| match line.starts_with("    bind :443") {
        true => format!("    bind {address}"),
        false => line.to_owned(),
    });
    leading_to(lines, processes)
}

/// What is deployed, sensors' part as well, but for the addresses and where the certificate is.
fn configuration_over_tls(doors: &Doors, certificate: &Path, processes: &[SocketAddr]) -> String {
    let certificate = certificate.display().to_string();
    let bind = |from: &str, to: SocketAddr| (format!("bind {from}"), format!("bind {to}"));
    let changes = [
        bind(":443", doors.https),
        bind(":80", doors.http),
        bind(":8883", doors.mqtts),
        ("/etc/haproxy/clearbay.pem".to_owned(), certificate),
    ];
    let mut of_sensors = false;
    let mut lines = Vec::new();
    for line in DEPLOYED.lines() {
        let was_of_sensors = of_sensors;
        of_sensors = (of_sensors || line == "#listen mqtt") && line.starts_with('#');
        if was_of_sensors && !of_sensors {
            lines.push(format!("    server-broker {} check", doors.broker));
        }
        let line = line
            .strip_prefix('#')
            .filter(|_| of_sensors)
            .unwrap_or(line);
        let change = |line: String, (from, to): &(String, String)| line.replace(from, to);
        lines.push(changes.iter().fold(line.to_owned(), change));
    }
    // Not one of the servers that are left out.
    let text = leading_to(lines.into_iter(), processes);
    text.replace("server-broker", "server broker")
}

/// A configuration with these processes in the place of those that it names; its last part is theirs.
fn leading_to(lines: impl Iterator<Item = String>, processes: &[SocketAddr]) -> String {
    let is_kept = |line: &String| {
        let line = line.trim_start();
        !line.starts_with("server ") && !OF_DEBIAN.iter().any(|word| line.starts_with(word))
    };
    let kept = lines.filter(is_kept);
    let mut lines: Vec<String> = kept
        .map(|line| match line.trim_start().starts_with("maxconn") {
            // As many as this machine lets a process open files for.
            true => "    maxconn 2000".to_owned(),
            false => line,
        })
        .collect();
    let servers = processes.iter().enumerate();
    lines.extend(servers.map(|(number, process)| format!("    server process-{number} {process}")));
    lines.join("\n") + "\n"
}
