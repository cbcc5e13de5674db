//! Running a program until it ends or we are told to.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a program has to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a program to its end, in a process group of its own. On SIGINT or SIGTERM it is told to
/// end, and killed when it does not; that is a success. It dies with us whatever happens.
pub fn run(program: &Command) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM", "--"])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    let mut child = command
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", program.get_program().to_string_lossy()))?;
    let group = Pid::from_raw(-child.id().cast_signed());
    let mut told: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            // Whoever the program left behind goes with it.
            let _ = kill(group, Signal::SIGKILL);
            let stopped = told.is_some();
            let code = u8::try_from(status.code().unwrap_or(1)).unwrap_or(1);
            return Ok(if stopped {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(code)
            });
        }
        if signals.pending().next().is_some() && told.is_none() {
            told = Some(Instant::now());
            println!("\nStopping ...");
            let _ = kill(group, Signal::SIGTERM);
        }
        if told.is_some_and(|at| at.elapsed() > PATIENCE) {
            let _ = kill(group, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
