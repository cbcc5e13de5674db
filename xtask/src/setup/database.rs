//! A private PostgreSQL cluster with TimescaleDB.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use crate::say;
use crate::workspace::{Workspace, make_dir};

mod find;
mod leftover;

const USER: &str = "clearbay";
/// What PostgreSQL calls its socket, by the number of its port.
const SOCKET: &str = ".s.PGSQL.5432";
/// The longest path of a socket on Linux, in bytes: unix(7).
const SOCKET_PATH_MAX: usize = 107;
/// How long a server has to write down what it holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a cluster is for, which decides how careful it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The demo: as careful as in production.
    Demo,
    /// Tests: what a crash of the machine would lose does not matter.
    Test,
    /// Measuring: as careful as in production, apart from the demo's data.
    Bench,
}

impl Purpose {
    const fn folder(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Test => "test",
            Self::Bench => "bench",
        }
    }
}

/// A database to use. A private cluster ends with it.
#[derive(Debug)]
pub struct Database {
    /// Of a database whose owner may make others.
    pub url: String,
    /// Whether TimescaleDB can be had in it.
    pub timescale: bool,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    child: Child,
    bin: PathBuf,
    /// The folder in which it listens, and nowhere else: no network reaches it, and on one machine it
    /// is quicker than TCP.
    socket: PathBuf,
    password: String,
}

/// PostgreSQL's programs.
struct Programs {
    bin: PathBuf,
    timescale: bool,
}

impl Programs {
    /// The major version, such as 17.
    fn version(&self) -> anyhow::Result<String> {
        // postgres (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)
        let told = say::run(Command::new(self.bin.join("postgres")).arg("--version"))?;
        let version = told
            .split_whitespace()
            .nth(2)
            .and_then(|version| version.split('.').next());
        version
            .map(str::to_owned)
            .context("PostgreSQL does not tell its version")
    }
}

/// A database for a purpose: `DATABASE_URL` where it is set and the purpose is the demo, else a
/// private cluster of the best PostgreSQL that can be had.
pub fn start(workspace: &Workspace, purpose: Purpose) -> anyhow::Result<Database> {
    if purpose == Purpose::Demo
        && let Some(url) = given()
    {
        println!("database: the one that DATABASE_URL names");
        return Ok(Database {
            url,
            timescale: true,
            server: None,
        });
    }
    let state = workspace.open_state()?;
    let programs = find::programs(&state)?;
    // A cluster belongs to the version that made it.
    let data = state
        .join("db")
        .join(format!("{}-{}", purpose.folder(), programs.version()?));
    let owner = Owner::of_cluster()?;
    let password = initialise(&programs, &data, owner.as_ref())?;
    let timescale = programs.timescale;
    let what = if timescale {
        "PostgreSQL with TimescaleDB"
    } else {
        "PostgreSQL"
    };
    let server = say::step(&format!("database: starting {what}"), || {
        leftover::clear(&data)?;
        let socket = socket_folder(&data, owner.as_ref())?;
        let mut server = Server {
            child: launch(&programs, &data, owner.as_ref(), &socket, purpose)?,
            bin: programs.bin.clone(),
            socket,
            password,
        };
        server.wait_until_ready(&data)?;
        anyhow::Ok(server)
    })?;
    // For a developer's psql.
    write_secret(&data.with_extension("url"), &server.url("clearbay"))?;
    Ok(Database {
        url: server.url("postgres"),
        timescale,
        server: Some(server),
    })
}

/// The database that the environment names.
pub fn given() -> Option<String> {
    std::env::var("DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
}

impl Database {
    /// Its own pgbench, where it is a private cluster.
    pub fn pgbench(&self) -> Option<PathBuf> {
        let server = self.server.as_ref()?;
        Some(server.bin.join("pgbench"))
    }

    /// Where its programs are and whom a cluster of it belongs to, as `user:group`, where that is not
    /// who runs this; for those who need a server of their own.
    pub fn kit(&self) -> anyhow::Result<Option<(&Path, Option<String>)>> {
        let Some(server) = &self.server else {
            return Ok(None);
        };
        let owner = Owner::of_cluster()?.map(|Owner { user }| format!("{}:{}", user.uid, user.gid));
        Ok(Some((&server.bin, owner)))
    }

    /// The URL of the database `name`, made where it is missing, made anew where `fresh`. One that
    /// the environment names is taken as it is.
    pub fn named(&self, name: &str, fresh: bool) -> anyhow::Result<String> {
        let Some(server) = &self.server else {
            return Ok(self.url.clone());
        };
        if fresh {
            server.sql(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        }
        let there = server.sql(&format!(
            "SELECT 1 FROM pg_database WHERE datname = '{name}'"
        ))?;
        if there.trim().is_empty() {
            server.sql(&format!("CREATE DATABASE {name}"))?;
        }
        Ok(server.url(name))
    }
}

impl Server {
    fn url(&self, database: &str) -> String {
        let folder: String = self
            .socket
            .as_os_str()
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                    char::from(*byte).to_string()
                }
                byte => format!("%{byte:02X}"),
            })
            .collect();
        format!("postgres://{USER}:{}@{folder}/{database}", self.password)
    }

    fn sql(&self, text: &str) -> anyhow::Result<String> {
        say::run(
            Command::new(self.bin.join("psql"))
                .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
                .arg("-h")
                .arg(&self.socket)
                .args(["-U", USER, "-d", "postgres", "-c", text])
                .env("PGPASSWORD", &self.password),
        )
    }

    fn wait_until_ready(&mut self, data: &Path) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(data.with_extension("log")).unwrap_or_default();
                anyhow::bail!(
                    "PostgreSQL stopped at once ({status}): {}; see {}",
                    reason(&log).unwrap_or("it gave no reason"),
                    data.with_extension("log").display()
                );
            }
            if UnixStream::connect(self.socket.join(SOCKET)).is_ok() && self.sql("SELECT 1").is_ok()
            {
                return Ok(());
            }
            anyhow::ensure!(
                started.elapsed() < Duration::from_secs(120),
                "PostgreSQL did not come up within two minutes; see {}",
                data.with_extension("log").display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    /// A fast shutdown: sessions are cut, what was committed stays.
    fn drop(&mut self) {
        let process = Pid::from_raw(self.child.id().cast_signed());
        let _ = kill(process, Signal::SIGINT);
        let told = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if told.elapsed() > PATIENCE {
                // What was committed is recovered at the next start.
                let _ = kill(process, Signal::SIGQUIT);
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Why a server stopped, from its log, without the time and the process.
fn reason(log: &str) -> Option<&str> {
    let said = |level: &str| {
        log.lines()
            .rev()
            .find_map(|line| Some(line.split_once(level)?.1.trim()))
    };
    said("PANIC:").or_else(|| said("FATAL:"))
}

/// Whom the cluster belongs to, where that is not who runs this: PostgreSQL refuses root.
struct Owner {
    user: User,
}

impl Owner {
    fn of_cluster() -> anyhow::Result<Option<Self>> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Some(Self { user }));
            }
        }
        anyhow::bail!(
            "PostgreSQL refuses to run as root and there is no other user; run this as one"
        )
    }
}

/// A command that runs as the cluster's owner and dies with us.
fn as_owner(owner: Option<&Owner>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if let Some(Owner { user }) = owner {
        command
            .arg(format!("--reuid={}", user.uid))
            .arg(format!("--regid={}", user.gid));
        command.arg("--clear-groups");
    }
    command.arg("--").arg(program).current_dir("/");
    command
}

/// Makes the cluster where it is missing; the result is its password.
fn initialise(programs: &Programs, data: &Path, owner: Option<&Owner>) -> anyhow::Result<String> {
    let password_file = data.with_extension("password");
    if data.join("PG_VERSION").is_file()
        && let Ok(password) = fs::read_to_string(&password_file)
    {
        return Ok(password);
    }
    say::step("database: making a private cluster", || {
        // A cluster gets its name last, so that half of one is never started.
        let part = data.with_extension("part");
        let _ = fs::remove_dir_all(&part);
        let _ = fs::remove_dir_all(data);
        make_dir(&part)?;
        fs::set_permissions(&part, fs::Permissions::from_mode(0o700))?;
        let password = random_hex()?;
        write_secret(&password_file, &password)?;
        if let Some(Owner { user }) = owner {
            nix::unistd::chown(&part, Some(user.uid), Some(user.gid))?;
            nix::unistd::chown(&password_file, Some(user.uid), Some(user.gid))?;
        }
        say::run(
            as_owner(owner, &programs.bin.join("initdb"))
                .args([
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--auth=scram-sha-256",
                ])
                .arg(format!("--username={USER}"))
                .arg(format!("--pwfile={}", password_file.display()))
                .arg("-D")
                .arg(&part),
        )
        .context("the private cluster could not be made")?;
        fs::rename(&part, data)?;
        Ok(password)
    })
}

/// The folder of a cluster's socket: beside its data, or with the system's temporary files where that
/// path is longer than a socket's may be.
fn socket_folder(data: &Path, owner: Option<&Owner>) -> anyhow::Result<PathBuf> {
    let mut folder = data.with_extension("socket");
    if folder.join(SOCKET).as_os_str().len() > SOCKET_PATH_MAX {
        let mut name = DefaultHasher::new();
        folder.hash(&mut name);
        folder = std::env::temp_dir().join(format!("clearbay-{:016x}", name.finish()));
    }
    make_dir(&folder)?;
    if let Some(Owner { user }) = owner {
        nix::unistd::chown(&folder, Some(user.uid), Some(user.gid))?;
    }
    let uid = owner.map_or_else(nix::unistd::geteuid, |owner| owner.user.uid);
    anyhow::ensure!(
        fs::metadata(&folder)?.uid() == uid.as_raw(),
        "{} belongs to somebody else; remove it",
        folder.display()
    );
    Ok(folder)
}

/// Writes a file that only its owner reads.
fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let _ = fs::remove_file(path);
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn launch(
    programs: &Programs,
    data: &Path,
    owner: Option<&Owner>,
    socket: &Path,
    purpose: Purpose,
) -> anyhow::Result<Child> {
    let log = fs::File::create(data.with_extension("log"))?;
    let mut command = as_owner(owner, &programs.bin.join("postgres"));
    command.arg("-D").arg(data).arg("-k").arg(socket);
    let mut set = |setting: &str| {
        command.arg("-c").arg(setting);
    };
    for setting in [
        "listen_addresses=",
        // Whatever PGPORT says.
        "port=5432",
        "max_connections=200",
        // A past of weeks comes within minutes: what the planner knows of a table must keep up.
        "autovacuum_naptime=5s",
        "shared_buffers=512MB",
        "max_wal_size=4GB",
        "checkpoint_timeout=15min",
        "timezone=UTC",
        "jit=off",
    ] {
        set(setting);
    }
    if programs.timescale {
        set("shared_preload_libraries=timescaledb");
        set("timescaledb.telemetry_level=off");
        // Tests hold a database each, and each wants a scheduler.
        set("timescaledb.max_background_workers=2");
    }
    if purpose == Purpose::Test {
        // What is committed survives the process, though not the machine.
        set("fsync=off");
        set("full_page_writes=off");
    }
    // A group of its own: Ctrl-C in the terminal must reach us first, and it last.
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0);
    command
        .spawn()
        .context("cannot start PostgreSQL; is util-linux's setpriv here?")
}

fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_socket_s_path_is_never_too_long() {
        let long = std::env::temp_dir().join(format!("xtask-{}", "long".repeat(30)));
        let folder = socket_folder(&long, None).unwrap();
        assert!(folder.join(SOCKET).as_os_str().len() <= SOCKET_PATH_MAX);
        assert_eq!(folder, socket_folder(&long, None).unwrap());
        fs::remove_dir(folder).unwrap();
    }

    #[test]
    fn a_server_s_reason_is_told_without_its_time() {
        let log = "2026-11-23 23:47:33.513 UTC [9] FATAL:  lock file exists\n\
                   2026-11-23 23:47:33.513 UTC [9] HINT:  Is another running?\n";
        assert_eq!(reason(log), Some("lock file exists"));
        assert_eq!(reason("2026-11-23 UTC [9] LOG:  all is well\n"), None);
    }
}
