//! Text for people at a terminal.

use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;

/// A table whose columns are as wide as what is in them; the first row is its head.
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to memory cannot fail.
            let _ = write!(line, "  {cell:width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number with commas between thousands.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How a process ended: the signal's name, or its exit code.
pub fn how(status: ExitStatus) -> String {
    let signal = status.signal().and_then(|it| Signal::try_from(it).ok());
    match (signal, status.code()) {
        (Some(signal), _) => signal.as_str().to_owned(),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_one_another() {
        let rows = [
            ["part", "pid", "address"],
            ["broker-1", "7", "127.0.0.1:1883"],
            ["simulator", "12345", ""],
        ];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            table(&rows),
            "  part       pid    address\n  broker-1   7      127.0.0.1:1883\n  simulator  12345\n"
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn an_end_is_told_by_its_signal_or_code() {
        assert_eq!(how(ExitStatus::from_raw(9)), "SIGKILL");
        assert_eq!(how(ExitStatus::from_raw(256)), "exit code 1");
    }
}
