//! Progress, and commands whose failure is told in one sentence.

use std::io::Write;
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
        anyhow::bail!("the disk is full; free some space and start again");
    }
    anyhow::bail!(
        "{name} failed: {}",
        last.unwrap_or("it gave no reason").trim()
    )
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
