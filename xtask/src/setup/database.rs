//! A private PostgreSQL cluster with TimescaleDB.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use super::debs::{Suite, Wanted, install, patch_programs};
use crate::say;
use crate::workspace::{Workspace, make_dir};

/// The oldest PostgreSQL that the schema works on.
const OLDEST: u32 = 15;
const USER: &str = "clearbay";

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
    port: u16,
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
        && let Ok(url) = std::env::var("DATABASE_URL")
    {
        println!("database: the one that DATABASE_URL names");
        return Ok(Database {
            url,
            timescale: true,
            server: None,
        });
    }
    let state = workspace.open_state()?;
    let programs = programs(&state)?;
    // A cluster belongs to the version that made it.
    let data = state
        .join("db")
        .join(format!("{}-{}", purpose.folder(), programs.version()?));
    let owner = Owner::of_cluster()?;
    let password = initialise(&programs, &data, owner.as_ref())?;
    let port = free_port()?;
    let (bin, timescale) = (programs.bin.clone(), programs.timescale);
    let what = if timescale {
        "PostgreSQL with TimescaleDB"
    } else {
        "PostgreSQL"
    };
    let server = say::step(&format!("database: starting {what}"), || {
        let child = launch(&programs, &data, owner.as_ref(), port, purpose)?;
        let mut server = Server {
            child,
            bin,
            port,
            password,
        };
        server.wait_until_ready(&data)?;
        Ok(server)
    })?;
    Ok(Database {
        url: server.url("postgres"),
        timescale,
        server: Some(server),
    })
}

impl Database {
    /// The URL of the database `name`, made where it is missing, made anew where `fresh`.
    pub fn named(&self, name: &str, fresh: bool) -> anyhow::Result<String> {
        let Some(server) = &self.server else {
            anyhow::ensure!(
                !fresh,
                "--fresh would empty the database that DATABASE_URL names; do that by hand"
            );
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
        format!(
            "postgres://{USER}:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    fn sql(&self, text: &str) -> anyhow::Result<String> {
        say::run(
            Command::new(self.bin.join("psql"))
                .args([
                    "-X",
                    "-q",
                    "-A",
                    "-t",
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-h",
                    "127.0.0.1",
                ])
                .args([
                    "-p",
                    &self.port.to_string(),
                    "-U",
                    USER,
                    "-d",
                    "postgres",
                    "-c",
                    text,
                ])
                .env("PGPASSWORD", &self.password),
        )
    }

    fn wait_until_ready(&mut self, data: &Path) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(data.with_extension("log")).unwrap_or_default();
                let last = log
                    .lines()
                    .rfind(|line| line.contains("FATAL"))
                    .unwrap_or("no reason given");
                anyhow::bail!("PostgreSQL stopped at once ({status}): {last}");
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
                && self.sql("SELECT 1").is_ok()
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
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT);
        let _ = self.child.wait();
    }
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

fn programs(state: &Path) -> anyhow::Result<Programs> {
    let installed = installed();
    if let Some(programs) = installed.iter().find(|(_, timescale)| *timescale) {
        return Ok(Programs {
            bin: programs.0.clone(),
            timescale: true,
        });
    }
    match fetched(state) {
        Ok(bin) => Ok(Programs { bin, timescale: true }),
        Err(error) => match installed.into_iter().next() {
            Some((bin, _)) => {
                println!(
                    "Warning: TimescaleDB cannot be had ({error:#}), so events go to a plain table of {}; all else works.",
                    bin.display()
                );
                Ok(Programs { bin, timescale: false })
            }
            None => Err(error.context(
                "there is no PostgreSQL 15 or newer here and none can be fetched; install one or set DATABASE_URL",
            )),
        },
    }
}

/// PostgreSQL on this machine, newest first, and whether it has TimescaleDB.
fn installed() -> Vec<(PathBuf, bool)> {
    let mut versions: Vec<u32> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|version| *version >= OLDEST)
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions
        .into_iter()
        .map(|version| {
            let bin = PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
            let control = format!("/usr/share/postgresql/{version}/extension/timescaledb.control");
            (bin, Path::new(&control).is_file())
        })
        .filter(|(bin, _)| bin.join("initdb").is_file() && bin.join("psql").is_file())
        .collect()
}

/// Debian 13's PostgreSQL with TimescaleDB, unpacked privately and made to run here.
fn fetched(state: &Path) -> anyhow::Result<PathBuf> {
    let bin = "usr/lib/postgresql/17/bin";
    let done = state.join("debs/postgresql/.patched");
    if done.is_file() {
        return Ok(state.join("debs/postgresql").join(bin));
    }
    say::step(
        "database: fetching PostgreSQL and TimescaleDB from Debian (about 60 MB, once)",
        || {
            let patchelf = install(
                state,
                &Wanted {
                    name: "patchelf",
                    suite: Suite::Host,
                    packages: &["patchelf"],
                    libraries: false,
                },
            )?;
            let root = install(
                state,
                &Wanted {
                    name: "postgresql",
                    suite: Suite::Trixie,
                    packages: &[
                        "postgresql-17",
                        "postgresql-client-17",
                        "postgresql-17-timescaledb",
                    ],
                    libraries: true,
                },
            )?;
            patch_programs(&root, &root.join(bin), &patchelf.join("usr/bin/patchelf"))?;
            fs::write(&done, "")?;
            Ok(root.join(bin))
        },
    )
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
        let _ = fs::remove_dir_all(data);
        make_dir(data)?;
        fs::set_permissions(data, fs::Permissions::from_mode(0o700))?;
        let password = random_hex()?;
        fs::write(&password_file, &password)?;
        fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600))?;
        if let Some(Owner { user }) = owner {
            nix::unistd::chown(data, Some(user.uid), Some(user.gid))?;
            nix::unistd::chown(&password_file, Some(user.uid), Some(user.gid))?;
        }
        say::run(
            as_owner(owner, &programs.bin.join("initdb"))
                .args([
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--auth=scram-sha-256",
                    "--no-sync",
                ])
                .arg(format!("--username={USER}"))
                .arg(format!("--pwfile={}", password_file.display()))
                .arg("-D")
                .arg(data),
        )?;
        Ok(password)
    })
}

fn launch(
    programs: &Programs,
    data: &Path,
    owner: Option<&Owner>,
    port: u16,
    purpose: Purpose,
) -> anyhow::Result<Child> {
    let log = fs::File::create(data.with_extension("log"))?;
    let mut command = as_owner(owner, &programs.bin.join("postgres"));
    command.arg("-D").arg(data).arg("-p").arg(port.to_string());
    let mut set = |setting: &str| {
        command.arg("-c").arg(setting);
    };
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
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

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

fn random_hex() -> anyhow::Result<String> {
    use std::io::Read;
    let mut bytes = [0u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
