//! A server's data, laid out from a copy and the changes since.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};

use super::{Copy, Folder, private_folder};

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

    #[test]
    fn settings_are_kept_but_those_of_replication() {
        let had = "# by hand\nwork_mem = '8MB'\nprimary_conninfo = 'password=secret'\n\
                   Recovery_target_time = 'then'\nsynchronous_standby_names = 'ANY 1 (a)'\n";
        assert_eq!(without_replication(had), "# by hand\nwork_mem = '8MB'\n");
    }

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
