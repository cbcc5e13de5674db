//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes a file that must not be there yet, for its owner's eyes only.
///
/// # Errors
/// Where it is there, or cannot be written.
pub fn write_once(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let written = create(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        File::open(folder_of(path))?.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Puts a file into another's place in one step: whoever opens it meanwhile has the old or the new one. It
/// belongs to whom the old one did, with the same mode; where there was none, to its owner's eyes only.
///
/// # Errors
/// Where it cannot be written; then the old one is there as it was.
pub fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    // What a link leads to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let cannot = || format!("cannot write {}", path.display());
    let name = path
        .file_name()
        .context("it has no name")
        .with_context(cannot)?;
    let new = folder_of(&path).join(format!(".{}.new", name.display()));
    // Of a run that was cut off.
    let _ = fs::remove_file(&new);
    let written = write_new(&new, &path, content);
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.with_context(cannot)
}

/// Waits until nobody else writes files of that folder, and lets nobody do so before the result is dropped: who has
/// read earlier would put back whom the later has taken out.
///
/// # Errors
/// Where the folder cannot be locked.
pub fn locked(path: &Path) -> anyhow::Result<File> {
    let folder = folder_of(path);
    let file = File::open(&folder).and_then(|file| file.lock().map(|()| file));
    file.with_context(|| format!("cannot lock {}", folder.display()))
}

fn write_new(new: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = create(new)?;
    match fs::metadata(path) {
        Ok(old) => {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
            file.set_permissions(old.permissions())?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(new, path)?;
    File::open(folder_of(path))?.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
