//! Where things are.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

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
        let state = root.join(".clearbay");
        make_dir(&state)?;
        Ok(Self { root, state })
    }

    /// Where programs that must not run as root, and their data, can lie: under `.clearbay`, or
    /// under /var/tmp where the checkout is closed to other users, as it is in /root.
    pub fn open_state(&self) -> anyhow::Result<PathBuf> {
        if !nix::unistd::geteuid().is_root() || self.root.ancestors().all(is_open) {
            return Ok(self.state.clone());
        }
        let inode = fs::metadata(&self.root)?.ino();
        let path = PathBuf::from(format!("/var/tmp/clearbay-{inode}"));
        make_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        fs::write(
            self.state.join("elsewhere"),
            path.as_os_str().as_encoded_bytes(),
        )?;
        Ok(path)
    }

    /// Takes the checkout for one command; two of a kind would share a database and its port.
    pub fn lock(&self, name: &str) -> anyhow::Result<Lock> {
        let path = self.state.join(format!("{name}.lock"));
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        if file.try_lock().is_err() {
            anyhow::bail!("another `cargo xtask {name}` runs in this checkout; stop it first");
        }
        Ok(Lock { _file: file })
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

    /// A program that cargo has built.
    pub fn built(&self, profile: &str, name: &str) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), PathBuf::from);
        self.root.join(target).join(profile).join(name)
    }
}

/// Makes a folder and those above it, or says what is wrong.
pub fn make_dir(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

fn is_open(path: &Path) -> bool {
    path.as_os_str().is_empty()
        || fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o005 == 0o005)
}
