//! HAProxy with the configuration that operators take, in front of some processes.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::free_address;
use crate::tls::Identity;

/// A proxy; it ends with this value.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    program: PathBuf,
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
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let settings = configuration(address, processes);
        Self::with(program, folder, address, &settings).await
    }

    /// The same at addresses of one's own, for people and for sensors, who are led to any of some brokers.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_at(
        program: PathBuf,
        [people, sensors]: [SocketAddr; 2],
        processes: &[SocketAddr],
        brokers: &[SocketAddr],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = configuration_with_brokers([people, sensors], processes, brokers);
        Self::with(program, folder, people, &settings).await
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
        let proxy = Self {
            address,
            child: spawn(&program, folder.path()),
            program,
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
        std::fs::read_to_string(self.log_file()).unwrap()
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Starts it again after its end, and waits for nothing.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn launch(&mut self) {
        self.child = spawn(&self.program, self.folder.path());
    }

    /// Where it logs.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join(LOG)
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

/// The program with what is in a folder.
fn spawn(program: &Path, folder: &Path) -> Child {
    let log = File::options()
        .append(true)
        .create(true)
        .open(folder.join(LOG))
        .unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    if let Some(libraries) = std::env::var_os("CLEARBAY_TEST_HAPROXY_LIBS") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command
        .arg("-db")
        .arg("-f")
        .arg(folder.join("haproxy.cfg"))
        .stdin(Stdio::null())
        .stdout(log)
        .spawn()
        .unwrap()
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
    without_tls(DEPLOYED.lines().map(str::to_owned), address, processes)
}

fn without_tls(
    lines: impl Iterator<Item = String>,
    address: SocketAddr,
    processes: &[SocketAddr],
) -> String {
    let is_kept = |line: &String| {
        !line.starts_with("    bind :80 ")
            && line != "    bind :80"
            && !line.contains("redirect scheme")
    };
    let lines = lines
        .filter(is_kept)
        .map(|line| match line.starts_with("    bind :443") {
            true => format!("    bind {address}"),
            false => line,
        });
    leading_to(lines, processes)
}

/// What is deployed with sensors' part, whose servers are these: each is written `server-broker` for now.
fn with_sensors_part(brokers: &[SocketAddr]) -> Vec<String> {
    let mut of_sensors = false;
    let mut lines = Vec::new();
    for line in DEPLOYED.lines() {
        let was_of_sensors = of_sensors;
        of_sensors = (of_sensors || line == "#listen mqtt") && line.starts_with('#');
        if was_of_sensors && !of_sensors {
            let brokers = brokers.iter().enumerate();
            lines.extend(brokers.map(|(number, broker)| {
                format!("    server-broker broker-{number} {broker} check")
            }));
        }
        let line = line
            .strip_prefix('#')
            .filter(|_| of_sensors)
            .unwrap_or(line);
        lines.push(line.to_owned());
    }
    lines
}

/// The same with sensors' part, without TLS too.
fn configuration_with_brokers(
    [people, sensors]: [SocketAddr; 2],
    processes: &[SocketAddr],
    brokers: &[SocketAddr],
) -> String {
    let lines = with_sensors_part(brokers).into_iter();
    let lines = lines.map(|line| match line.starts_with("    bind :8883") {
        true => format!("    bind {sensors}"),
        false => line,
    });
    without_tls(lines, people, processes)
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
    let change = |line: String, (from, to): &(String, String)| line.replace(from, to);
    let lines = with_sensors_part(&[doors.broker]).into_iter();
    leading_to(
        lines.map(|line| changes.iter().fold(line, change)),
        processes,
    )
}

/// How the parts begin whose servers are processes.
const OF_PROCESSES: &str = "backend serve";

/// A configuration with these processes in the place of those that it names.
fn leading_to(lines: impl Iterator<Item = String>, processes: &[SocketAddr]) -> String {
    let is_kept = |line: &String| {
        let line = line.trim_start();
        !line.starts_with("server ") && !OF_DEBIAN.iter().any(|word| line.starts_with(word))
    };
    let servers = processes.iter().enumerate();
    let servers: Vec<String> = servers
        .map(|(number, process)| format!("    server process-{number} {process}"))
        .collect();
    let mut of_processes = false;
    let mut changed = Vec::new();
    for line in lines.filter(is_kept) {
        if line.starts_with(|first: char| first.is_alphabetic()) {
            if of_processes {
                changed.extend_from_slice(&servers);
            }
            of_processes = line.starts_with(OF_PROCESSES);
        }
        changed.push(match line.trim_start().starts_with("maxconn") {
            // As many as this machine lets a process open files for.
            true => "    maxconn 2000".to_owned(),
            false => line,
        });
    }
    if of_processes {
        changed.extend_from_slice(&servers);
    }
    // Brokers are none of the servers that were left out.
    changed.join("\n").replace("server-broker", "server") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_are_led_to_every_broker_and_people_to_every_process() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let brokers = [at(1), at(2), at(3)];
        let text = configuration_with_brokers([at(80), at(1883)], &[at(4), at(5)], &brokers);
        let (sensors, people) = text.split_once("\nfrontend clearbay\n").unwrap();
        let (_, sensors) = sensors.split_once("\nlisten mqtt\n").unwrap();
        let servers = |text: &str| text.matches("\n    server ").count();
        assert!(sensors.contains("bind 127.0.0.1:1883\n"), "{text}");
        assert_eq!(servers(sensors), 3, "{text}");
        assert!(sensors.contains("server broker-2 127.0.0.1:3 check"));
        assert!(people.contains("bind 127.0.0.1:80\n"), "{text}");
        // Each by its own clock, and by any.
        assert_eq!(servers(people), 4, "{text}");
        assert!(!text.contains(" ssl crt "), "{text}");
    }
}
