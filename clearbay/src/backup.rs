//! Copies of a database's server by PostgreSQL's own tools.
//!
//! A folder holds `copies/<when it was whole>/`, each a base backup that pg_verifybackup has checked, and
//! `changes/`, the log of all changes (WAL) as pg_receivewal writes it. A copy with the changes since is the
//! server at any moment from then on.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, NaiveDateTime, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

mod restore;
pub mod tools;

pub use restore::restore;
use tools::{Server, Tools};

/// A copy's folder is called by when it was whole.
const NAME: &str = "%Y%m%dT%H%M%SZ";
/// How the folder of one ends that is being deleted.
const GOING: &str = "going";

/// One copy.
#[derive(Clone, Debug)]
pub struct Copy {
    /// When it was whole: it cannot be brought back to an earlier moment.
    pub made_at: DateTime<Utc>,
    /// Its folder.
    pub path: PathBuf,
}

impl Copy {
    /// The first file of changes that it needs, as `backup_label` names it.
    fn first_change(&self) -> anyhow::Result<String> {
        let label = self.path.join("backup_label");
        let text = fs::read_to_string(&label)
            .with_context(|| format!("cannot read {}", label.display()))?;
        let line = text
            .lines()
            .find(|line| line.starts_with("START WAL LOCATION:"));
        let file = line.and_then(|line| line.split("(file ").nth(1)?.split(')').next());
        Ok(file
            .with_context(|| format!("{} names no file", label.display()))?
            .to_owned())
    }
}

/// Where copies and changes are.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A folder, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where changes are.
    pub fn changes(&self) -> PathBuf {
        self.0.join("changes")
    }

    /// Whole copies, the oldest first.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn copies(&self) -> anyhow::Result<Vec<Copy>> {
        let folder = self.0.join("copies");
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut copies: Vec<Copy> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let made_at = NaiveDateTime::parse_from_str(name.to_str()?, NAME).ok()?;
                Some(Copy {
                    made_at: made_at.and_utc(),
                    path: entry.path(),
                })
            })
            .collect();
        copies.sort_by_key(|copy| copy.made_at);
        Ok(copies)
    }

    /// Until when changes are kept, where any are.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn changes_until(&self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let folder = self.changes();
        if !folder.is_dir() {
            return Ok(None);
        }
        // A file's time is that of the last change in it, or a little later: the server tells where there are none, too.
        let written = fs::read_dir(folder)?.flatten();
        let written = written.filter_map(|entry| entry.metadata().ok()?.modified().ok());
        Ok(written.max().map(DateTime::<Utc>::from))
    }

    /// Lets nobody else make or delete copies here before the result is dropped.
    ///
    /// # Errors
    /// Where somebody does, or the folder cannot be made.
    pub fn locked(&self) -> anyhow::Result<File> {
        let copies = self.0.join("copies");
        private_folder(&copies)?;
        let file =
            File::open(&copies).with_context(|| format!("cannot read {}", copies.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "a copy is being made in {} already: try again when it has ended",
                copies.display()
            ),
            // Where the disk knows no locks, nobody can be told from anybody.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(file),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", copies.display()))
            }
        }
    }

    /// Deletes all but the newest `keep` copies, what an earlier run was cut off in deleting, and changes that nobody
    /// needs then; returns what copies.
    ///
    /// # Errors
    /// Where something cannot be deleted.
    pub fn forget(&self, tools: &Tools, keep: usize) -> anyhow::Result<Vec<PathBuf>> {
        for entry in fs::read_dir(self.0.join("copies"))?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == GOING) {
                fs::remove_dir_all(&path)
                    .with_context(|| format!("cannot delete {}", path.display()))?;
            }
        }
        let mut copies = self.copies()?;
        let kept = copies.split_off(copies.len().saturating_sub(keep));
        let mut forgotten = Vec::new();
        for copy in copies {
            // Half a copy must not bear a whole one's name.
            let going = copy.path.with_extension(GOING);
            fs::rename(&copy.path, &going)
                .and_then(|()| fs::remove_dir_all(&going))
                .with_context(|| format!("cannot delete {}", copy.path.display()))?;
            forgotten.push(copy.path);
        }
        if let (Some(oldest), true) = (kept.first(), self.changes().is_dir()) {
            let changes = self.changes().display().to_string();
            tools.run(
                "pg_archivecleanup",
                &[&changes, &oldest.first_change()?],
                None,
            )?;
        }
        Ok(forgotten)
    }
}

/// Copies all of a server, and checks the copy.
///
/// # Errors
/// Where a tool fails or the folder cannot be written; no half copy remains under a copy's name.
pub fn make(
    tools: &Tools,
    folder: &Folder,
    server: &Server,
    now: fn() -> DateTime<Utc>,
) -> anyhow::Result<Copy> {
    let copies = folder.0.join("copies");
    let part = copies.join("unfinished");
    let _ = fs::remove_dir_all(&part);
    let at = part.display().to_string();
    tools.run(
        "pg_basebackup",
        &[
            "--pgdata",
            &at,
            "--checkpoint=fast",
            "--wal-method=stream",
            "--progress",
        ],
        Some(server),
    )?;
    tools.run("pg_verifybackup", &["--quiet", &at], None)?;
    // To the second, and not before it was whole.
    let made_at = now();
    let path = copies.join(
        (made_at + chrono::TimeDelta::seconds(1))
            .format(NAME)
            .to_string(),
    );
    fs::rename(&part, &path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(Copy { made_at, path })
}

/// Begins to keep every change. It ends where the server is away, or is another than before: then it is begun anew.
///
/// # Errors
/// Where a tool fails or the folder cannot be written.
pub fn follow(
    tools: &Tools,
    folder: &Folder,
    server: &Server,
    slot: &str,
) -> anyhow::Result<tokio::process::Child> {
    let changes = folder.changes();
    private_folder(&changes)?;
    // A server that has taken over has no slot yet.
    let slot = ["--slot", slot];
    let make = [&slot[..], &["--create-slot", "--if-not-exists"]].concat();
    tools.run("pg_receivewal", &make, Some(server))?;
    let receiving = tokio::process::Command::from(tools.command("pg_receivewal", Some(server)))
        .args(slot)
        .args(["--synchronous", "--no-loop", "--directory"])
        .arg(&changes)
        .kill_on_drop(true)
        .spawn();
    receiving.context("pg_receivewal cannot be run")
}

/// Asks what [`follow`] began to end.
///
/// # Errors
/// Where the system refuses.
pub fn stop(receiving: &tokio::process::Child) -> anyhow::Result<()> {
    if let Some(id) = receiving.id() {
        kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM)?;
    }
    Ok(())
}

/// Makes a folder that only its owner can look into: a copy holds plates and phone numbers.
fn private_folder(path: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.with_context(|| format!("cannot make {}", path.display()))?;
    fs::set_permissions(path, PermissionsExt::from_mode(0o700))?;
    Ok(())
}
