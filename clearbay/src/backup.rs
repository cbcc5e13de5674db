//! Copies of a database's server by PostgreSQL's own tools.
//!
//! A folder holds `copies/<when it was whole>/`, each a base backup that pg_verifybackup has checked, and
//! `changes/`, the log of all changes (WAL) as pg_receivewal writes it. A copy with the changes since is the
//! server at any moment from then on.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, NaiveDateTime, Utc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub mod tools;

use tools::{Server, Tools};

/// A copy's folder is called by when it was whole.
const NAME: &str = "%Y%m%dT%H%M%SZ";

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

    /// Deletes all but the newest `keep` copies, and changes that nobody needs then; returns what copies.
    ///
    /// # Errors
    /// Where something cannot be deleted.
    pub fn forget(&self, tools: &Tools, keep: usize) -> anyhow::Result<Vec<PathBuf>> {
        let mut copies = self.copies()?;
        let kept = copies.split_off(copies.len().saturating_sub(keep));
        let mut forgotten = Vec::new();
        for copy in copies {
            // Half a copy must not bear a whole one's name.
            let going = copy.path.with_extension("going");
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
    private_folder(&copies)?;
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

/// Lays out a server's data as they were at a moment, or as they are last known.
///
/// # Errors
/// Where there is no such copy, changes are not kept until that moment, or `into` is not empty; where something cannot be
/// copied.
pub fn restore(folder: &Folder, into: &Path, to: Option<DateTime<Utc>>) -> anyhow::Result<Copy> {
    let copies = folder.copies()?;
    let Some(oldest) = copies.first() else {
        bail!("there is no copy in {}", folder.0.display());
    };
    let newest = copies
        .iter()
        .rfind(|copy| to.is_none_or(|to| copy.made_at <= to));
    let Some(copy) = newest else {
        bail!(
            "the oldest copy was made at {}, after the moment that is asked for",
            oldest.made_at
        );
    };
    let changes = from_changes(folder)?;
    unbroken(folder, copy)?;
    if let Some(to) = to {
        reached(folder, to)?;
    }
    private_folder(into)?;
    let is_empty = fs::read_dir(into)?.next().is_none();
    ensure!(is_empty, "{} is not empty", into.display());
    copy_folder(&copy.path, into)?;
    let settings = into.join("postgresql.auto.conf");
    let had = match fs::read_to_string(&settings) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        had => had.with_context(|| format!("cannot read {}", settings.display()))?,
    };
    let mut lines = without_replication(&had);
    lines += "# Written by `clearbay backup restore`.\n\
              # No replica follows it yet: commits must not wait for one.\n\
              synchronous_standby_names = ''\n";
    // Of a copy that a replica has made: it follows nobody.
    let _ = fs::remove_file(into.join("standby.signal"));
    // Without it a server opens with what the copy itself holds.
    if let Some(changes) = changes {
        lines += &changes;
        fs::write(into.join("recovery.signal"), "")?;
    }
    if let Some(to) = to {
        lines += &format!(
            "recovery_target_time = '{}'\n",
            to.format("%Y-%m-%d %H:%M:%S%.6f+00")
        );
    }
    fs::write(&settings, lines)?;
    Ok(copy.clone())
}

/// The settings by which a server works off the kept changes; none where none are kept.
///
/// # Errors
/// Where the folder's name cannot stand in a shell's command in a file of settings.
fn from_changes(folder: &Folder) -> anyhow::Result<Option<String>> {
    let changes = folder.changes();
    if !changes.is_dir() {
        return Ok(None);
    }
    let changes = fs::canonicalize(&changes).unwrap_or(changes);
    let changes = changes.display().to_string();
    ensure!(
        !changes.contains(['\'', '"', '\\', '%', '$', '`']),
        "the folder's path has a character that no shell takes as it is"
    );
    // Beyond 125 PostgreSQL gives up; any other failure it takes for the end of the changes, and opens.
    Ok(Some(format!(
        "restore_command = 'test -x \"{changes}\" || exit 126; \
         if test -e \"{changes}/%f\"; then cp \"{changes}/%f\" \"%p\" || exit 126; \
         elif test -e \"{changes}/%f.partial\"; then cp \"{changes}/%f.partial\" \"%p\" || exit 126; \
         else exit 1; fi'\n\
         recovery_target_action = 'promote'\n"
    )))
}

/// A server's settings without whom it followed, with what password, and how far it once was brought back.
fn without_replication(settings: &str) -> String {
    const GONE: [&str; 5] = [
        "primary_",
        "restore_command",
        "recovery_",
        "synchronous_standby_names",
        "archive_cleanup_command",
    ];
    let kept = settings.lines().filter(|line| {
        let line = line.trim_start().to_ascii_lowercase();
        !GONE.iter().any(|gone| line.starts_with(gone))
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// Checks that changes are kept until a moment: PostgreSQL ends where they end before it.
fn reached(folder: &Folder, to: DateTime<Utc>) -> anyhow::Result<()> {
    match folder.changes_until()? {
        Some(until) => ensure!(
            to <= until,
            "changes are kept until {}, before the moment that is asked for; leave --to out for all there is",
            until.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        None => bail!(
            "no changes are kept, so a copy can be brought back as it was made only: leave --to out"
        ),
    }
    Ok(())
}

/// Checks that changes are kept without a gap from what a copy needs on: across one nothing can be brought back.
fn unbroken(folder: &Folder, copy: &Copy) -> anyhow::Result<()> {
    let changes = folder.changes();
    if !changes.is_dir() {
        return Ok(());
    }
    let first = copy.first_change()?;
    let names = fs::read_dir(&changes)
        .with_context(|| format!("cannot read {}", changes.display()))?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    // Timeline, log and segment, eight hexadecimal digits each. Another timeline begins where the one before ended.
    let mut numbers: Vec<(u64, u64)> = names
        .map(|name| name.trim_end_matches(".partial").to_owned())
        .filter(|name| name.len() == 24 && *name >= first)
        .filter_map(|name| {
            let timeline = u64::from_str_radix(&name[..8], 16).ok()?;
            Some((timeline, u64::from_str_radix(&name[8..], 16).ok()?))
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let Some((_, earliest)) = numbers.first() else {
        return Ok(());
    };
    let needed = u64::from_str_radix(&first[8..], 16).unwrap_or(0);
    ensure!(
        *earliest <= needed + 1,
        "changes are kept only from after the copy of {} on; `clearbay backup follow` began later",
        copy.made_at
    );
    for pair in numbers.windows(2) {
        let [(before, a), (after, b)] = pair else {
            continue;
        };
        // With the usual 16 MiB the last eight digits go to FF, with smaller segments further.
        let follows = *b == a + 1 || (b >> 32 == (a >> 32) + 1 && b & 0xffff_ffff == 0);
        // Who takes over begins in a segment that the one before had begun, or with the next.
        let took_over = before != after && b <= a;
        ensure!(
            follows || took_over,
            "changes have a gap after {before:08X}{a:016X}"
        );
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

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            private_folder(&target)?;
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Whether changes of those names are whole for a copy that needs them from the first on.
    fn are_whole(names: &[&str]) -> bool {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().to_owned());
        let copy = Copy {
            made_at: DateTime::UNIX_EPOCH,
            path: root.path().join("copy"),
        };
        fs::create_dir(&copy.path).unwrap();
        let label = format!("START WAL LOCATION: 0/5000028 (file {})\n", names[0]);
        fs::write(copy.path.join("backup_label"), label).unwrap();
        fs::create_dir(folder.changes()).unwrap();
        for name in names {
            fs::write(folder.changes().join(name), "").unwrap();
        }
        unbroken(&folder, &copy).is_ok()
    }

    #[test]
    fn nothing_may_be_missing_also_where_another_took_over() {
        let [five, six, seven] = [5, 6, 7].map(|n| format!("00000001000000000000000{n}"));
        let after = |n: u8| format!("00000002000000000000000{n}");
        assert!(are_whole(&[&five, &six, &seven]));
        assert!(!are_whole(&[&five, &seven]));
        // It took over in a segment that had begun, with the next one, or from before what the other still wrote.
        assert!(are_whole(&[&five, &format!("{six}.partial"), &after(6)]));
        assert!(are_whole(&[&five, &six, &after(7)]));
        assert!(are_whole(&[&five, &six, &seven, &after(6), &after(7)]));
        assert!(!are_whole(&[&five, &six, &after(8)]), "7 is missing");
        let (last, first) = ("0000000100000000000000FF", "000000010000000100000000");
        assert!(are_whole(&[last, first]));
    }
}
