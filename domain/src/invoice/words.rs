//! Amounts in Vietnamese words, as an invoice must say its total.

use crate::money::Vnd;

const DIGITS: [&str; 10] = [
    "không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín",
];

/// An amount in words, as a sentence: `Hai mươi lăm nghìn đồng`.
///
/// Northern usage: `linh` for a missing ten, `nghìn` for the thousand, `bốn` after `mươi`.
pub fn in_words(amount: Vnd) -> String {
    let mut words = Vec::new();
    if amount < Vnd::ZERO {
        words.push("âm");
    }
    match amount.get().unsigned_abs() {
        0 => words.push(DIGITS[0]),
        number => billions(number, &mut words),
    }
    words.push("đồng");
    let text = words.join(" ");
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Numbers are read in groups of nine digits, each followed by one more `tỷ`.
fn billions(number: u64, words: &mut Vec<&'static str>) {
    let (high, low) = (number / 1_000_000_000, number % 1_000_000_000);
    if high > 0 {
        billions(high, words);
        words.push("tỷ");
    }
    let groups = [
        (low / 1_000_000, Some("triệu")),
        (low / 1_000 % 1_000, Some("nghìn")),
        (low % 1_000, None),
    ];
    // Below the first group that is read, hundreds are said even where they are zero.
    let mut started = high > 0;
    for (group, unit) in groups {
        if group > 0 {
            hundreds(group as usize, started, words);
            words.extend(unit);
            started = true;
        }
    }
}

/// Three digits, of which at least one is not zero.
fn hundreds(group: usize, whole: bool, words: &mut Vec<&'static str>) {
    let (hundred, ten, one) = (group / 100, group / 10 % 10, group % 10);
    let has_hundreds = whole || hundred > 0;
    if has_hundreds {
        words.extend([DIGITS[hundred], "trăm"]);
    }
    match ten {
        0 if has_hundreds && one > 0 => words.push("linh"),
        0 => {}
        1 => words.push("mười"),
        _ => words.extend([DIGITS[ten], "mươi"]),
    }
    match (ten, one) {
        (_, 0) => {}
        (2.., 1) => words.push("mốt"),
        (1.., 5) => words.push("lăm"),
        _ => words.push(DIGITS[one]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_cashier_does() {
        for (amount, words) in [
            (0, "Không đồng"),
            (5, "Năm đồng"),
            (15, "Mười lăm đồng"),
            (21, "Hai mươi mốt đồng"),
            (24, "Hai mươi bốn đồng"),
            (105, "Một trăm linh năm đồng"),
            (111, "Một trăm mười một đồng"),
            (1_005, "Một nghìn không trăm linh năm đồng"),
            (25_000, "Hai mươi lăm nghìn đồng"),
            (-345_000, "Âm ba trăm bốn mươi lăm nghìn đồng"),
            (1_000_050, "Một triệu không trăm năm mươi đồng"),
            (2_000_000_001, "Hai tỷ không trăm linh một đồng"),
            (
                1_234_567_891,
                "Một tỷ hai trăm ba mươi bốn triệu năm trăm sáu mươi bảy nghìn tám trăm chín mươi mốt đồng",
            ),
            (3_000_000_000_000_000_000, "Ba tỷ tỷ đồng"),
        ] {
            assert_eq!(in_words(Vnd::new(amount)), words, "{amount}");
        }
        assert!(in_words(Vnd::new(i64::MIN)).starts_with("Âm chín tỷ hai trăm"));
    }
}
