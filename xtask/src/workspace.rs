//! Where things are.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use nix::sys::stat::{Mode, umask};

/// The checkout, and the folder that holds all that is fetched or made.
#[derive(Debug)]
pub struct Workspace {
    /// The checkout.
    pub root: PathBuf,
    /// `.clearbay`, made where it is missing.
    pub state: PathBuf,
}

/// A lock that ends with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Workspace {
    /// The checkout that this program was built from.
    pub fn open() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies outside a checkout")?
            .to_owned();
        if nix::unistd::geteuid().is_root() {
            // What is fetched is run by another user than the one who fetches it.
            umask(Mode::from_bits_truncate(0o022));
        }
        let state = root.join(".clearbay");
        make_dir(&state)?;
        Ok(Self { root, state })
    }

    /// Where programs that must not run as root, and their data, can lie: under `.clearbay`, or
    /// under /var/tmp where the checkout is closed to other users, as it is in /root.
    pub fn open_state(&self) -> anyhow::Result<PathBuf> {
        if !nix::unistd::geteuid().is_root() || self.state.ancestors().all(is_open) {
            return Ok(self.state.clone());
        }
        let record = self.state.join("elsewhere");
        let recorded = fs::read_to_string(&record).ok().map(PathBuf::from);
        let path = recorded.clone().unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            self.root.hash(&mut hasher);
            PathBuf::from(format!("/var/tmp/clearbay-{:016x}", hasher.finish()))
        });
        // Without the record `.clearbay` was deleted, which is to forget everything.
        own_dir(&path, recorded.is_some())?;
        fs::write(&record, path.display().to_string())
            .with_context(|| format!("cannot write {}", record.display()))?;
        println!(
            "database: {} is closed to other users, so its files lie in {}",
            self.root.display(),
            path.display()
        );
        Ok(path)
    }

    /// Takes the checkout for one command; two of a kind would share a database and its port.
    pub fn lock(&self, name: &str) -> anyhow::Result<Lock> {
        let path = self.state.join(format!("{name}.lock"));
        match open_lock(&path)? {
            (file, true) => Ok(Lock { _file: file }),
            (_, false) => {
                anyhow::bail!("another `cargo xtask {name}` runs in this checkout; stop it first")
            }
        }
    }

    /// Does work that commands of different kinds share, one after the other.
    pub fn in_turn<T>(
        &self,
        name: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let _lock = wait_for_lock(&self.state.join(format!("{name}.lock")))?;
        work()
    }

    /// Cargo, in the checkout.
    pub fn cargo<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).args(args);
        // What `cargo xtask` was started with concerns xtask, not what it builds.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        command.env_remove("CARGO_MANIFEST_DIR");
        command
    }

    /// Cargo, to build the program and, where one is named, a program of the tests'.
    pub fn build(&self, of_tests: Option<&str>) -> Command {
        let mut command = self.cargo(["build", "--package", "clearbay", "--bin", "clearbay"]);
        if let Some(name) = of_tests {
            command.args(["--package", "clearbay-tests", "--bin", name]);
        }
        command
    }

    /// A program that cargo has built.
    pub fn built(&self, profile: &str, name: &str) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), PathBuf::from);
        self.root.join(target).join(profile).join(name)
    }
}

/// Waits until no other process holds the lock, and takes it.
pub fn wait_for_lock(path: &Path) -> anyhow::Result<Lock> {
    let (file, taken) = open_lock(path)?;
    if !taken {
        println!(
            "waiting for another `cargo xtask` that holds {}",
            path.display()
        );
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(Lock { _file: file })
}

/// A lock's file, and whether it was taken.
fn open_lock(path: &Path) -> anyhow::Result<(File, bool)> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok((file, true)),
        Err(TryLockError::WouldBlock) => Ok((file, false)),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// A folder of ours in a place where everybody may write. What somebody else put there is
/// refused, since programs in it are run as root; what is ours is emptied unless `keep`.
fn own_dir(path: &Path, keep: bool) -> anyhow::Result<()> {
    if let Ok(meta) = fs::symlink_metadata(path) {
        let ours = meta.is_dir()
            && meta.uid() == nix::unistd::geteuid().as_raw()
            && meta.permissions().mode() & 0o022 == 0;
        anyhow::ensure!(
            ours,
            "{} belongs to somebody else, or others may write in it; remove it and start again",
            path.display()
        );
        if keep {
            return Ok(());
        }
        fs::remove_dir_all(path).with_context(|| format!("cannot empty {}", path.display()))?;
    }
    // Fails where somebody was faster, rather than to use what they made.
    fs::DirBuilder::new()
        .mode(0o755)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Makes a folder and those above it, or says what is wrong.
pub fn make_dir(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

fn is_open(path: &Path) -> bool {
    path.as_os_str().is_empty()
        || fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o005 == 0o005)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_second_command_of_a_kind_is_refused() {
        let root = scratch("lock");
        let state = root.join(".clearbay");
        make_dir(&state).unwrap();
        let workspace = Workspace {
            root: root.clone(),
            state,
        };
        let _first = workspace.lock("demo").unwrap();
        assert!(workspace.lock("demo").is_err());
        assert!(workspace.lock("test").is_ok());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_write_or_a_link_is_refused() {
        let path = scratch("own");
        own_dir(&path, false).unwrap();
        fs::write(path.join("kept"), "").unwrap();
        own_dir(&path, true).unwrap();
        assert!(path.join("kept").is_file());
        own_dir(&path, false).unwrap();
        assert!(!path.join("kept").exists());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(own_dir(&path, true).is_err());
        let link = scratch("link");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(own_dir(&link, true).is_err());
        fs::remove_file(link).unwrap();
        fs::remove_dir_all(path).unwrap();
    }
}
