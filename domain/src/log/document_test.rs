//! The example of `docs/public-log.md`, which was made by another program, holds; and what is written there of bytes
//! is so.

use super::*;
use crate::money::Vnd;

const DOC: &str = include_str!("../../../docs/public-log.md");

/// The first indented block whose first line is as wanted, as it would be copied.
fn block(text: &str, is_first: impl Fn(&str) -> bool) -> String {
    let starts = |line: &&str| line.strip_prefix("    ").is_some_and(&is_first);
    let lines = text.lines().skip_while(|line| !starts(line));
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let lines = lines.map(|line| line.strip_prefix("    ").unwrap_or(line));
    let lines: Vec<&str> = lines.collect();
    assert!(!lines.is_empty(), "there is no such block");
    lines.join("\n").trim_end().to_owned() + "\n"
}

#[test]
fn the_example_holds() {
    let (_, example) = DOC.split_once("## An example").expect("an example");
    let key = block(example, |line| line.starts_with("parking.example/log+"));
    let keys = LogKeys::new(vec![key.parse().expect("a key")]).expect("one key");

    let entries = block(example, |line| line.starts_with("{\"v\":1,"));
    let mut edge = Edge::default();
    let mut sums = Sums::default();
    for line in entries.lines() {
        sums.add(&Entry::parse(line.as_bytes()).expect("an entry"));
        edge.push(record_hash(line.as_bytes()), |_, _| {});
    }
    let checkpoint = block(example, |line| line == "parking.example/log");
    let head = keys.open_head(checkpoint.as_bytes()).expect("a checkpoint");
    assert_eq!((head.size, head.root), (3, edge.root()));
    for hash in &edge.rows()[0] {
        assert!(example.contains(&format!("`{hash}`")), "{hash}");
    }
    let packed = pack(entries.lines().map(str::as_bytes));
    assert_eq!((packed[0], packed[1]), (0x00, 0xac));

    let receipt = block(example, |line| line.starts_with("{\"document\":"));
    let receipt: Inclusion = serde_json::from_str(&receipt).expect("a receipt");
    let shown = receipt.check(&keys).expect("it is in the log");
    assert_eq!(shown.head, head);
    assert_eq!(Some(receipt.entry.as_str()), entries.lines().nth(1));

    let report = block(DOC, |line| line == "parking.example/log/report");
    let report = DayReport::open(report.as_bytes(), &keys).expect("a report");
    assert_eq!((report.head, report.total()), (head, sums));
}

/// What "one form in bytes" means for texts that JSON could write in several ways.
#[test]
fn texts_of_entries_are_escaped_as_it_is_written() {
    let mut odd: String = (0..0x20_u8).map(char::from).collect();
    odd += "\"\\/\u{7f}\u{2028}đ😀";
    let entry = Entry {
        kind: EntryKind::Receipt,
        day: "2026-11-25".parse().expect("a day"),
        ward: odd,
        lot: String::new(),
        operator: String::new(),
        amount_vnd: Vnd::new(1),
        commitment: Commitment([0; 32]),
    };
    let bytes = entry.to_bytes();
    let text = std::str::from_utf8(&bytes).expect("text");
    let ward = concat!(
        r"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f",
        r"\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f",
        r#"\"\\/"#,
        "\u{7f}\u{2028}đ😀"
    );
    assert!(
        text.contains(&format!(r#""ward":"{ward}","lot""#)),
        "{text}"
    );
    assert_eq!(Entry::parse(&bytes).expect("the same"), entry);
    let other = text.replace(r"\u000b", r"\u000B");
    assert!(matches!(
        Entry::parse(other.as_bytes()),
        Err(EntryError::NotCanonical)
    ));
}
