//! HAProxy with the configuration that operators take, in front of some processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::free_address;

/// A proxy; it ends with this value.
pub struct Proxy {
    /// Where it listens, without TLS.
    pub address: SocketAddr,
    child: Child,
    _folder: TempDir,
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
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, configuration(address, processes)).unwrap();
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
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let proxy = Self {
            address,
            child,
            _folder: folder,
        };
        for _ in 0..500 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return proxy;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("HAProxy did not start");
    }

    /// Where it listens.
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

/// What is deployed, but for the addresses and for TLS, of which this machine has no certificate.
fn configuration(address: SocketAddr, processes: &[SocketAddr]) -> String {
    let deployed = include_str!("../../deploy/haproxy.cfg");
    let kept = deployed.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with("server ")
            && !line.starts_with("bind :80")
            && !line.contains("redirect scheme")
    });
    let mut lines: Vec<String> = kept
        .map(|line| match line.trim_start() {
            line if line.starts_with("bind :443") => format!("    bind {address}"),
            // As many as this machine lets a process open files for.
            line if line.starts_with("maxconn") => "    maxconn 2000".to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let servers = processes.iter().enumerate();
    lines.extend(servers.map(|(number, process)| format!("    server process-{number} {process}")));
    lines.join("\n") + "\n"
}
