//! Running a program until it ends or we are told to.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a program has to end by itself, unless it has more to tidy up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a shell says of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// How a program ended.
enum Ended {
    /// By itself, with this code.
    Itself(u8),
    /// Because we were told to stop.
    Stopped,
}

/// Runs a program that has work to finish. Its exit code is ours; being interrupted is a failure,
/// since the work is not done.
pub fn run(program: &Command) -> anyhow::Result<ExitCode> {
    Ok(match watch(program, PATIENCE)? {
        Ended::Itself(code) => ExitCode::from(code),
        Ended::Stopped => ExitCode::from(INTERRUPTED),
    })
}

/// Runs a program that runs until it is told to stop, which is then a success, and has so long to end.
pub fn run_until_stopped(program: &Command, patience: Duration) -> anyhow::Result<ExitCode> {
    Ok(match watch(program, patience)? {
        Ended::Itself(code) => ExitCode::from(code),
        Ended::Stopped => ExitCode::SUCCESS,
    })
}

/// Runs a program to its end, in a process group of its own. On SIGINT or SIGTERM it is told to
/// end, and killed when it does not. It dies with us whatever happens.
fn watch(program: &Command, patience: Duration) -> anyhow::Result<Ended> {
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
    // Not the terminal: outside its foreground group, whoever reads it is suspended.
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot run setpriv; install util-linux")?;
    let group = Pid::from_raw(-child.id().cast_signed());
    let mut told: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            // Whoever the program left behind goes with it.
            let _ = kill(group, Signal::SIGKILL);
            let code = u8::try_from(status.code().unwrap_or(1)).unwrap_or(1);
            return Ok(if told.is_some() {
                Ended::Stopped
            } else {
                Ended::Itself(code)
            });
        }
        if signals.pending().next().is_some() && told.is_none() {
            told = Some(Instant::now());
            println!("\nStopping ...");
            let _ = kill(group, Signal::SIGTERM);
        }
        if told.is_some_and(|at| at.elapsed() > patience) {
            let _ = kill(group, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
