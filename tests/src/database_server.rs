//! A PostgreSQL of one's own, as careful as in production, that can be killed and frozen.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::small_disk::{SmallDisk, open_to_all};
use crate::{free_address, provided};

const USER: &str = "clearbay";

/// A server and its cluster; both are gone with this value.
pub struct DatabaseServer {
    /// Of a database whose owner may make others.
    pub url: String,
    /// For its log and password.
    folder: TempDir,
    /// Where its data lie, where that is a disk of its own.
    disk: Option<SmallDisk>,
    data: PathBuf,
    /// Where it listens.
    pub port: u16,
    /// What else it is set to, as `name=value`.
    settings: Vec<String>,
    postmaster: Option<Child>,
}

impl DatabaseServer {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start() -> Self {
        Self::start_on(None).await
    }

    /// The same with its data on a disk of their own.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_on(disk: Option<SmallDisk>) -> Self {
        Self::start_with(disk, Vec::new()).await
    }

    /// The same with settings of one's own, as `name=value`.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start_with(disk: Option<SmallDisk>, settings: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let data = disk
            .as_ref()
            .map_or(folder.path(), SmallDisk::path)
            .join("data");
        let port = free_address().port();
        let password = Uuid::new_v4().simple().to_string();
        let mut server = Self {
            url: format!("postgres://{USER}:{password}@127.0.0.1:{port}/postgres"),
            folder,
            disk,
            data,
            port,
            settings,
            postmaster: None,
        };
        server.initialise(&password);
        server.start_again().await;
        server
    }

    fn initialise(&self, password: &str) {
        let password_file = self.folder.path().join("password");
        std::fs::write(&password_file, password).unwrap();
        if self.disk.is_none() {
            // On a disk of its own everybody may make folders.
            std::fs::create_dir(&self.data).unwrap();
            give_to_owner(&self.data);
        }
        let made = self
            .command("initdb")
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args(["--auth=scram-sha-256", "--wal-segsize=1"])
            .arg(format!("--username={USER}"))
            .arg(format!("--pwfile={}", password_file.display()))
            .arg("-D")
            .arg(&self.data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    /// Makes a replica: a copy of all that there is, which then follows, and calls itself `name` where it
    /// asks for more.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn replica(&self, name: &str) -> Self {
        let copied = self.copy(name, free_address().port()).await;
        let mut replica = copied.unwrap_or_else(|error| panic!("{error}"));
        replica.start_again().await;
        replica
    }

    /// Copies all that there is for a replica of that name at a port, which is not started yet.
    ///
    /// # Errors
    /// Where this one ends meanwhile, in the program's words.
    ///
    /// # Panics
    /// Where there is no place for it.
    pub async fn copy(&self, name: &str, port: u16) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).unwrap();
        give_to_owner(&data);
        let mut from = reqwest::Url::parse(&self.url).unwrap();
        from.query_pairs_mut().append_pair("application_name", name);
        let mut command = self.command("pg_basebackup");
        command
            .args([
                "--checkpoint=fast",
                "--wal-method=stream",
                "--write-recovery-conf",
                "--no-sync",
            ])
            .arg(format!("--dbname={from}"))
            .arg("-D")
            .arg(&data);
        let copied = tokio::process::Command::from(command).output().await;
        let copied = copied.unwrap();
        if !copied.status.success() {
            return Err(String::from_utf8_lossy(&copied.stderr).into_owned());
        }
        from.set_query(None);
        from.set_port(Some(port)).unwrap();
        Ok(Self {
            url: from.to_string(),
            folder,
            disk: None,
            data,
            port,
            settings: self.settings.clone(),
            postmaster: None,
        })
    }

    /// Follows another server from now on, a replica that has taken over.
    ///
    /// # Panics
    /// Where this one does not answer.
    pub async fn follow(&self, other: &Self, name: &str) {
        let url = reqwest::Url::parse(&other.url).unwrap();
        let from = format!(
            "host=127.0.0.1 port={} user={} password={} application_name={name}",
            other.port,
            url.username(),
            url.password().unwrap(),
        );
        let mut connection = self.connect().await;
        let change = format!("ALTER SYSTEM SET primary_conninfo = '{from}'");
        for statement in [change, "SELECT pg_reload_conf()".to_owned()] {
            let statement = sqlx::AssertSqlSafe(statement);
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }

    /// How far a replica has heard its primary.
    ///
    /// # Panics
    /// Where it does not answer, or is no replica.
    pub async fn heard(&self) -> i64 {
        sqlx::query_scalar("SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint")
            .fetch_one(&mut self.connect().await)
            .await
            .unwrap()
    }

    /// Another server on data that `lay_out` puts into a folder of its own, once it takes changes: while
    /// it is brought back it answers already, to readers.
    ///
    /// # Panics
    /// Where it does not start, or is still brought back after a while.
    pub async fn restored(&self, lay_out: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path());
        let data = folder.path().join("data");
        lay_out(&data);
        give_to_owner(&data);
        let port = free_address().port();
        let mut url = reqwest::Url::parse(&self.url).unwrap();
        url.set_port(Some(port)).unwrap();
        let mut server = Self {
            url: url.to_string(),
            folder,
            disk: None,
            data,
            port,
            settings: Vec::new(),
            postmaster: None,
        };
        server.start_again().await;
        crate::eventually("it to take changes", || async {
            let mut connection = server.connect().await;
            let is_in_recovery: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            !is_in_recovery
        })
        .await;
        server
    }

    /// A connection of its owner's.
    ///
    /// # Panics
    /// Where it does not answer.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// The address of a database here that has it on another server as well.
    ///
    /// # Panics
    /// Where that is no address.
    pub fn same_database(&self, url: &str) -> String {
        let mut url = reqwest::Url::parse(url).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }

    /// Runs a statement as its owner.
    ///
    /// # Panics
    /// Where it fails.
    pub async fn execute(&self, statement: &'static str) {
        let mut connection = self.connect().await;
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// Starts it again after its end, and returns once it answers.
    ///
    /// # Panics
    /// Where it does not within a minute.
    pub async fn start_again(&mut self) {
        self.launch();
        let options = PgConnectOptions::from_str(&self.url).unwrap();
        for _ in 0..6_000 {
            assert!(self.runs(), "PostgreSQL ended:\n{}", self.log());
            if let Ok(connection) = PgConnection::connect_with(&options).await {
                let _ = connection.close().await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("PostgreSQL did not start:\n{}", self.log());
    }

    /// Starts it again after its end, and waits for nothing.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn launch(&mut self) {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.log_file())
            .unwrap();
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data);
        let port = format!("port={}", self.port);
        let mut settings = vec![
            &*port,
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "timezone=UTC",
            "jit=off",
        ];
        settings.extend(self.settings.iter().map(String::as_str));
        if self.disk.is_none() {
            settings.push("max_wal_size=1GB");
        } else {
            settings.extend(["min_wal_size=2MB", "max_wal_size=16MB"]);
        }
        if provided("CLEARBAY_TEST_PG_KIND") == "timescale" {
            settings.extend([
                "shared_preload_libraries=timescaledb",
                "timescaledb.telemetry_level=off",
            ]);
        }
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        let postmaster = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.postmaster = Some(postmaster.unwrap());
    }

    /// The number of its first process.
    pub fn id(&self) -> Option<u32> {
        self.postmaster.as_ref().map(Child::id)
    }

    /// How its first process has ended, if it has.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.postmaster.as_mut()?.try_wait().unwrap()
    }

    /// Ends with SIGKILL whatever the first process has left behind: nobody there takes another change, and a new
    /// server can start.
    ///
    /// # Panics
    /// Where the folder of its data is gone.
    pub fn fence(&self) {
        let data = self.data.canonicalize().unwrap();
        // Every process of a server stands in the folder of its data.
        let is_left = |process: &Pid| {
            std::fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|folder| folder == data)
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let left: Vec<Pid> = all
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
            .filter(is_left)
            .collect();
        for process in &left {
            let _ = kill(*process, Signal::SIGKILL);
        }
        while left.iter().any(|process| parent(*process).is_some()) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether its first process is there.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn runs(&mut self) -> bool {
        let postmaster = self.postmaster.as_mut();
        postmaster.is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    /// Ends all its processes with SIGKILL: what is not on the disk is gone.
    ///
    /// # Panics
    /// Where it had ended before.
    pub fn kill(&mut self) {
        assert!(self.runs(), "PostgreSQL ended:\n{}", self.log());
        // Nobody who stands still can start another.
        self.freeze();
        let processes = self.processes();
        for process in &processes {
            let _ = kill(*process, Signal::SIGKILL);
        }
        self.postmaster.take().unwrap().wait().unwrap();
        // A new server finds no process of the old one.
        while processes.iter().any(|process| parent(*process).is_some()) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Makes all its processes stand still: connections stay, and nobody is answered.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn freeze(&mut self) {
        let mut still = Vec::new();
        loop {
            let processes = self.processes();
            if processes == still {
                return;
            }
            for process in &processes {
                // Some end by themselves meanwhile.
                let _ = kill(*process, Signal::SIGSTOP);
            }
            still = processes;
        }
    }

    /// Undoes [`DatabaseServer::freeze`].
    ///
    /// # Panics
    /// Where it has ended.
    pub fn thaw(&mut self) {
        for process in self.processes() {
            let _ = kill(process, Signal::SIGCONT);
        }
    }

    /// The disk of its own on which its data lie.
    ///
    /// # Panics
    /// Where it has none.
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("its data are on no such disk")
    }

    /// What it has logged.
    ///
    /// # Panics
    /// Where that cannot be read.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap()
    }

    /// Where it logs.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The first process, then its children.
    fn processes(&self) -> Vec<Pid> {
        let first = Pid::from_raw(self.postmaster.as_ref().unwrap().id().cast_signed());
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let mut children: Vec<Pid> = all
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
            .filter(|process| parent(*process) == Some(first))
            .collect();
        children.sort_unstable();
        children.insert(0, first);
        children
    }

    /// One of its programs, as who owns the cluster, on its disk. It ends with us.
    fn command(&self, program: &str) -> Command {
        let setpriv = Path::new("setpriv");
        let mut command = match &self.disk {
            Some(disk) => disk.command(setpriv),
            None => Command::new(setpriv),
        };
        command.args(["--pdeathsig", "INT"]);
        if let Some((user, group)) = owner() {
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={group}"))
                .arg("--clear-groups");
        }
        command
            .arg("--")
            .arg(Path::new(&provided("CLEARBAY_TEST_PG_BIN")).join(program))
            .current_dir("/");
        command
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if self.runs() {
            self.kill();
        }
    }
}

/// The parent of a process that has not ended; one that nobody has waited for has ended.
fn parent(process: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // pid (name) state ppid ...
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then(|| Pid::from_raw(parent))
}

/// Whether clusters belong to somebody else than who runs this.
pub fn owner_is_another() -> bool {
    owner().is_some()
}

/// Gives a folder to whom clusters belong to.
///
/// # Panics
/// Where the system refuses.
pub fn give_to_owner(folder: &Path) {
    if let Some((user, group)) = owner() {
        let whose = format!("{user}:{group}");
        let given = Command::new("chown")
            .arg("-R")
            .arg(whose)
            .arg(folder)
            .status();
        assert!(given.unwrap().success());
    }
}

/// Whom a cluster belongs to, user and group, where that is not who runs this: PostgreSQL refuses
/// root.
fn owner() -> Option<(u32, u32)> {
    let told = std::env::var("CLEARBAY_TEST_PG_OWNER").ok()?;
    let (user, group) = told.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}
