//! The program that reads print: tesseract, in a process of its own, with limits.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::picture::Grey;

/// How long one line may take.
const TIME_MAX: Duration = Duration::from_secs(4);
/// What of its answer is read, in bytes.
const ANSWER_MAX: u64 = 256;
/// Memory in KiB and processor time in seconds, for the shell's `ulimit`. The program is a stranger's, and
/// what it reads came from outside.
const LIMITED: &str = "ulimit -v 1000000; ulimit -t 5; exec \"$@\"";

/// What it reads in a picture of one line, of those characters only; nothing where it fails.
pub(super) async fn read(program: &Path, line: &Grey, characters: &str) -> Option<String> {
    let mut picture = format!("P5\n{} {}\n255\n", line.width, line.height).into_bytes();
    picture.extend_from_slice(&line.shades);
    let allowed = format!("tessedit_char_whitelist={characters}");
    // One line; the reader that learnt, which is the only one that Debian's data has.
    let args = [
        "stdin", "stdout", "--psm", "7", "--oem", "1", "-c", &allowed,
    ];
    let answer = tokio::time::timeout(TIME_MAX, run(program, args, &picture)).await;
    let text = match answer {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the plate reader failed");
            return None;
        }
        Err(_) => {
            tracing::warn!("the plate reader took too long");
            return None;
        }
    };
    Some(text.chars().filter(char::is_ascii_alphanumeric).collect())
}

/// Whether the program is there and starts.
pub(super) async fn starts(program: &Path) -> std::io::Result<()> {
    run(program, ["--version"], &[]).await.map(|_| ())
}

/// Runs it with something to read; what it says. It ends with the wait for it.
async fn run<const COUNT: usize>(
    program: &Path,
    args: [&str; COUNT],
    input: &[u8],
) -> std::io::Result<String> {
    let mut command = Command::new("/bin/sh");
    command
        .args([OsStr::new("-c"), OsStr::new(LIMITED), OsStr::new("sh")])
        .arg(program)
        .args(args)
        // Nothing of ours, keys least of all, is for it to see.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        // It would take every core for a line of nine letters.
        .env("OMP_THREAD_LIMIT", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // Where it reads no further, its answer tells.
            let _ = stdin.write_all(input).await;
        }
    };
    let read = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        }
        std::io::Result::Ok(answer)
    };
    let ((), answer) = tokio::join!(write, read);
    let status = child.wait().await?;
    if !status.success() {
        return Err(std::io::Error::other(format!("it ended with {status}")));
    }
    Ok(String::from_utf8_lossy(&answer?).into_owned())
}
