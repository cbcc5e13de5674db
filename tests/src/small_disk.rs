//! A disk that can be filled without harm to the machine's own.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A file system in memory, of limited size, that only programs started on it see: it is mounted
/// in a mount namespace of its own, and is gone with this value.
pub struct SmallDisk {
    folder: TempDir,
    /// Keeps the namespace while no other program is in it; ends with its standard input, so that
    /// it outlives nobody.
    holder: Child,
}

impl SmallDisk {
    /// Makes one; `None`, and a word why, where that is not allowed here. It needs root.
    ///
    /// # Panics
    /// Where the machine has no `unshare`.
    pub fn mount(size_mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "mount -t tmpfs -o size={size_mib}m,mode=1777 clearbay-test '{}' && echo mounted && exec cat",
            folder.path().display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c"])
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let _ = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut told);
        if told.trim() != "mounted" {
            let _ = holder.wait();
            println!("skipped: a disk that may be filled cannot be mounted here");
            return None;
        }
        // Whoever works on it need not be whoever runs this.
        open_to_all(folder.path());
        Some(Self { folder, holder })
    }

    /// Where programs that are started on it see it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command that sees it.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .arg("--")
            .arg(program);
        command
    }

    /// Writes until nothing more fits.
    ///
    /// # Panics
    /// Where it cannot be written for any other reason.
    pub fn fill(&self) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.seen("filling"))
            .unwrap();
        // Smaller and smaller pieces, for what is left when a larger one does not fit.
        for size in [1 << 20, 1 << 12] {
            let zeros = vec![0; size];
            loop {
                match file.write_all(&zeros) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Undoes [`SmallDisk::fill`].
    ///
    /// # Panics
    /// Where it was not filled.
    pub fn free(&self) {
        std::fs::remove_file(self.seen("filling")).unwrap();
    }

    /// A file of it, as it is seen from outside.
    fn seen(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), path.display()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Lets every user pass through a folder.
///
/// # Panics
/// Where the folder is not ours.
pub fn open_to_all(folder: &Path) {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}
