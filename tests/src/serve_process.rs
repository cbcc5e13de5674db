//! `clearbay serve` in a process of its own, which can be killed and started again where it was.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::{free_address, provided};

/// How it is started; the same each time.
#[derive(Clone)]
pub struct ServeSettings {
    /// Another program than the one that `cargo xtask test` built.
    pub program: Option<PathBuf>,
    /// Variables of its environment.
    pub env: Vec<(&'static str, String)>,
    /// The city whose pages it serves.
    pub city: String,
    /// Where what it logs goes instead of the test's own output.
    pub log: Option<PathBuf>,
    /// How many files the system lets it open, where fewer than others.
    pub open_files: Option<u32>,
}

/// A served city; killed with this value.
pub struct ServeProcess {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it shows its metrics.
    metrics: SocketAddr,
    settings: ServeSettings,
    child: Mutex<Child>,
}

impl ServeProcess {
    /// Starts the program that `cargo xtask test` built.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(settings: ServeSettings) -> Self {
        Self::start_at(settings, free_address())
    }

    /// The same at an address of one's own.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start_at(settings: ServeSettings, address: SocketAddr) -> Self {
        let metrics = free_address();
        let child = Mutex::new(spawn(&settings, (address, metrics), None));
        Self {
            address,
            metrics,
            settings,
            child,
        }
    }

    /// One more, started the same way, at an address of its own.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn another(&self) -> Self {
        Self::start(self.settings.clone())
    }

    /// One more at an address of its own, with other settings.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn another_with(&self, change: impl FnOnce(&mut ServeSettings)) -> Self {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Self::start(settings)
    }

    /// Where its pages and API are.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its metrics are.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }

    /// Ends it with SIGKILL: it gets no chance to finish anything.
    ///
    /// # Panics
    /// Where it had ended before.
    pub async fn kill(&self) {
        let mut child = self.child.lock().await;
        assert!(
            child.try_wait().unwrap().is_none(),
            "serve ended by itself: {child:?}"
        );
        child.kill().await.unwrap();
    }

    /// Tells it to end, as a service manager does.
    ///
    /// # Panics
    /// Where it had ended before.
    pub async fn terminate(&self) {
        let process = Pid::from_raw(self.id().await.cast_signed());
        kill(process, Signal::SIGTERM).unwrap();
    }

    /// How it has ended, if it has.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub async fn has_ended(&self) -> Option<ExitStatus> {
        self.child.lock().await.try_wait().unwrap()
    }

    /// The process's number.
    ///
    /// # Panics
    /// Where it has ended.
    pub async fn id(&self) -> u32 {
        self.child.lock().await.id().unwrap()
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub async fn ended(&self) -> ExitStatus {
        self.child.lock().await.wait().await.unwrap()
    }

    /// Starts it again after its end; `failpoint` is where it is to end once more.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start_again(&self, failpoint: Option<&str>) {
        *self.child.lock().await = spawn(&self.settings, (self.address, self.metrics), failpoint);
    }
}

fn spawn(
    settings: &ServeSettings,
    (address, metrics): (SocketAddr, SocketAddr),
    failpoint: Option<&str>,
) -> Child {
    let program = settings.program.clone();
    let program = program.unwrap_or_else(|| provided("CLEARBAY_TEST_BIN").into());
    let mut command = match settings.open_files {
        None => Command::new(program),
        Some(limit) => {
            let mut shell = Command::new("sh");
            let limited = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
            shell.args(["-c", &limited]).arg(program);
            shell
        }
    };
    command
        .args(["serve", "--listen", &address.to_string()])
        .args(["--city", &settings.city])
        // No argument: a program of an earlier version does not know it.
        .env("CLEARBAY_SERVE_METRICS", metrics.to_string())
        .envs(settings.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(point) = failpoint {
        command.env("CLEARBAY_FAILPOINT", point);
    }
    if let Some(path) = &settings.log {
        let log = File::options().append(true).create(true).open(path);
        command.stderr(log.unwrap());
    }
    command.spawn().unwrap()
}
