//! Progress, and commands whose failure is told in one sentence.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

/// Says what is being done, does it, and says how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    print!("{what} ... ");
    let _ = std::io::stdout().flush();
    let started = Instant::now();
    let done = work();
    match &done {
        Ok(_) => println!("done in {:.1} s", started.elapsed().as_secs_f32()),
        Err(_) => println!("failed"),
    }
    done
}

/// Runs a command quietly and returns what it printed; its last words are the reason if it fails.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}; is it installed?"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stderr
        .lines()
        .chain(stdout.lines())
        .rfind(|line| !line.trim().is_empty());
    let whole = format!("{stderr}{stdout}");
    if whole.contains("No space left on device") {
        return Err(io::Error::from(io::ErrorKind::StorageFull))
            .with_context(|| format!("{name} failed"));
    }
    anyhow::bail!(
        "{name} failed: {}",
        last.unwrap_or("it gave no reason").trim()
    )
}

/// Whether something failed for want of space on the disk, which no other way of doing it helps.
pub fn is_disk_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
    })
}

/// A failure in one sentence: what, and what to do.
pub fn sentence(error: &anyhow::Error) -> String {
    if is_disk_full(error) {
        return format!("the disk is full; free some space and start again ({error:#})");
    }
    format!("{error:#}")
}

/// Runs a command in sight and fails where it does.
pub fn show(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    anyhow::ensure!(status.success(), "{name} failed; its own words are above");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such_whoever_met_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'tar: x: No space left on device' >&2; exit 2"]);
        let error = run(&mut command).context("unpacking").unwrap_err();
        assert!(is_disk_full(&error));
        assert!(sentence(&error).starts_with("the disk is full; free some space"));
    }

    #[test]
    fn a_failure_is_told_in_the_last_words_of_the_command() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo why >&2; exit 1"]);
        let error = run(&mut command).unwrap_err();
        assert!(!is_disk_full(&error));
        assert_eq!(sentence(&error), "sh failed: why");
    }
}
