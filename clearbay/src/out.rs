//! What commands print for people.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line, as `println!` does, but ends quietly where nobody reads on: `| head` is no error.
macro_rules! out {
    ($($arg:tt)*) => { $crate::out::line(format_args!($($arg)*)) };
}
pub(crate) use out;

/// How a process ends whose reader has gone: as if by SIGPIPE.
const READER_GONE: i32 = 128 + 13;

/// An error with its causes, in one line. Who passes an error on often says its text as well: what is said once is not
/// said again.
pub(crate) fn with_causes(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said.push_str(": ");
            said.push_str(&cause);
        }
    }
    said
}

pub(crate) fn line(line: Arguments<'_>) {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(READER_GONE),
        // A full disk and the like: whoever asked must not take the silence for an answer.
        Err(error) => {
            eprintln!("clearbay: cannot print: {error}");
            std::process::exit(1);
        }
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::with_causes;

    #[test]
    fn a_cause_is_said_once() {
        let refused = std::io::Error::other("refused by 10.0.0.1");
        let error = anyhow::Error::new(refused)
            .context("the database is away: refused by 10.0.0.1")
            .context("cannot reach the database");
        assert_eq!(
            with_causes(&error),
            "cannot reach the database: the database is away: refused by 10.0.0.1"
        );
        let error = anyhow::anyhow!("why").context("what");
        assert_eq!(with_causes(&error), "what: why");
    }
}
