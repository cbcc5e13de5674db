//! What a process wrote to its log, and what it must never write.

use std::path::Path;

/// What it wrote; it must have written each of `parts`, or the test sees nothing.
///
/// # Panics
/// Where it did not.
pub fn log_with(path: &Path, parts: &[&str]) -> String {
    let log = std::fs::read_to_string(path).unwrap();
    for part in parts {
        assert!(
            log.contains(part),
            "nothing of {part:?} was logged: the test is blind"
        );
    }
    log
}

/// Wants none of these in any line.
///
/// # Panics
/// With the first lines that hold one.
pub fn assert_says_none_of(log: &str, secrets: &[String]) {
    let lines = log
        .lines()
        .filter(|line| secrets.iter().any(|secret| line.contains(secret)));
    let told: Vec<&str> = lines.take(10).collect();
    assert!(told.is_empty(), "secrets were logged: {told:#?}");
}
