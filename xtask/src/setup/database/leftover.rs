//! What a killed server leaves behind in its cluster.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a server that was left alone has to end by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a cluster fit to start: ends the server of a command that was killed, and removes its
/// lock file, which PostgreSQL trusts for as long as any process has that number.
///
/// The caller holds the command's lock, so no server that is wanted runs on these data.
pub fn clear(data: &Path) -> anyhow::Result<()> {
    let lock = data.join("postmaster.pid");
    if !lock.exists() {
        return Ok(());
    }
    let data = fs::canonicalize(data)?;
    let server = fs::read_to_string(&lock).ok().and_then(|text| pid(&text));
    if let Some(server) = server.filter(|server| at_work(&data).contains(server)) {
        let _ = kill(server, Signal::SIGINT);
    }
    let started = Instant::now();
    loop {
        let left = at_work(&data);
        if left.is_empty() {
            break;
        }
        if started.elapsed() > PATIENCE {
            for process in left {
                let _ = kill(process, Signal::SIGKILL);
            }
        }
        anyhow::ensure!(
            started.elapsed() < PATIENCE * 2,
            "a PostgreSQL that was left in {} cannot be stopped; stop it by hand",
            data.display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    match fs::remove_file(&lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", lock.display()))
        }
        _ => Ok(()),
    }
}

/// The server's process as its lock file tells it, in the first line.
fn pid(lock: &str) -> Option<Pid> {
    let number: i32 = lock.lines().next()?.trim().parse().ok()?;
    (number > 1).then(|| Pid::from_raw(number))
}

/// Processes of PostgreSQL that work in the cluster; a dead one that nobody waited for does not.
fn at_work(data: &Path) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            let folder = fs::read_link(entry.path().join("cwd")).ok()?;
            (name.trim() == "postgres" && folder == data).then(|| Pid::from_raw(number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_names_its_server_in_the_first_line() {
        assert_eq!(pid("4242\n/data\n1700000000\n"), Some(Pid::from_raw(4242)));
        // To signal process 0 or -1 is to signal many.
        assert_eq!(pid("0\n"), None);
        assert_eq!(pid("-1\n"), None);
        assert_eq!(pid(""), None);
    }
}
