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
