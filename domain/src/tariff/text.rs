//! The words of a quote's lines, in Vietnamese and English.
//!
//! Written without `core::fmt`: the words are most of the work of a quote, and a pay page asks for
//! dozens of quotes.

use super::clock::Clock;
use super::{Block, DayRule, PassKind, Tariff, Window};
use crate::money::Vnd;

/// One reason in both languages.
pub(super) type Texts = (String, String);

/// What a charged line is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// The version, where it is not the one in force at the start of the stay.
    pub changed: Option<&'a Tariff>,
    /// The rule of the day.
    pub rule: Option<&'a DayRule>,
    /// The window of the day.
    pub window: Option<&'a Window>,
    /// The blocks, and which of them.
    pub blocks: Option<(&'a [Block], usize)>,
}

/// `units` increments of a block, or a window's flat price.
pub(super) fn charge(subject: &Subject<'_>, clock: Clock, rate: Vnd, units: i64) -> Texts {
    let (mut vi, mut en) = (String::with_capacity(64), String::with_capacity(64));
    if let Some(tariff) = subject.changed {
        let date = day(tariff.effective_from.timestamp_micros(), clock);
        push(&mut vi, &["Giá mới từ ", &date, ": "]);
        push(&mut en, &["New price from ", &date, ": "]);
    }
    if let Some(rule) = subject.rule {
        push(&mut vi, &[&rule.name_vi, ": "]);
        push(&mut en, &[&rule.name_en, ": "]);
    }
    if let Some(window) = subject.window {
        push(&mut vi, &[&window.name_vi, ": "]);
        push(&mut en, &[&window.name_en, ": "]);
    }
    let block = subject
        .blocks
        .and_then(|(blocks, index)| Some((blocks, index, blocks.get(index)?)));
    let Some((blocks, index, block)) = block else {
        money(&mut vi, rate, VI);
        money(&mut en, rate, EN);
        vi.push_str(" mỗi lượt");
        en.push_str(" flat");
        return (vi, en);
    };
    let start = index
        .checked_sub(1)
        .and_then(|before| blocks.get(before)?.until_min);
    match (start.unwrap_or(0), block.until_min) {
        _ if blocks.len() == 1 => {}
        (first, Some(last)) => {
            vi.push_str("Từ ");
            hours(&mut vi, first);
            vi.push_str(" đến ");
            hours(&mut vi, last);
            vi.push_str(" giờ: ");
            en.push_str("Hours ");
            hours(&mut en, first);
            en.push_str(" to ");
            hours(&mut en, last);
            en.push_str(": ");
        }
        (first, None) => {
            vi.push_str("Sau ");
            hours(&mut vi, first);
            vi.push_str(" giờ: ");
            en.push_str("After ");
            hours(&mut en, first);
            en.push_str(if first == 60 { " hour: " } else { " hours: " });
        }
    }
    for (text, separator) in [(&mut vi, VI), (&mut en, EN)] {
        number(text, units);
        text.push_str(" × ");
        money(text, rate, separator);
    }
    vi.push_str(" mỗi ");
    en.push_str(" per ");
    match block.per_min {
        60 => {
            vi.push_str("giờ");
            en.push_str("hour");
        }
        n if n.is_multiple_of(60) => {
            number(&mut vi, i64::from(n / 60));
            number(&mut en, i64::from(n / 60));
            vi.push_str(" giờ");
            en.push_str(" hours");
        }
        n => {
            number(&mut vi, i64::from(n));
            number(&mut en, i64::from(n));
            vi.push_str(" phút");
            en.push_str(" minutes");
        }
    }
    (vi, en)
}

/// The free minutes of a short stay.
pub(super) fn free_minutes(minutes: u32) -> Texts {
    around(
        ("Miễn phí ", " phút đầu"),
        ("First ", " minutes free"),
        |text, _| {
            number(text, i64::from(minutes));
        },
    )
}

/// Why a short stay is charged: the free minutes were had before ([`super::FREE_AGAIN_AFTER`]), or may have been.
pub(super) fn no_free_minutes() -> Texts {
    let vi = "Không còn phút miễn phí: xe đã đỗ ở khu này trong vòng 1 giờ trước, hoặc biển số đã được sửa";
    let en = "No free minutes: this vehicle parked in this zone less than an hour before, or its plate was corrected";
    (vi.to_owned(), en.to_owned())
}

/// Nothing is charged. The ground is not named: whoever types a plate reads this, and what ails its owner is
/// nobody's business.
pub(super) fn exempt() -> Texts {
    let vi = "Miễn phí: xe được thành phố miễn phí";
    let en = "Free of charge: the city has exempted this vehicle";
    (vi.to_owned(), en.to_owned())
}

/// Time that a pass covers.
pub(super) fn pass(kind: PassKind) -> Texts {
    let (vi, en) = match kind {
        PassKind::Day => ("Vé tháng ban ngày", "Monthly pass by day"),
        PassKind::DayAndNight => ("Vé tháng ngày đêm", "Monthly pass by day and night"),
    };
    (vi.to_owned(), en.to_owned())
}

/// What was paid for the stay before.
pub(super) fn paid(amount: Vnd) -> Texts {
    around(
        ("Đã trả ", ""),
        ("Already paid ", ""),
        |text, separator| money(text, amount, separator),
    )
}

/// A price that was told at the start, and is the most.
pub(super) fn told_before(amount: Vnd) -> Texts {
    around(
        ("Không quá giá đã báo lúc bắt đầu, ", ""),
        ("No more than the price told at the start, ", ""),
        |text, separator| money(text, amount, separator),
    )
}

/// The least of a block.
pub(super) fn at_least(amount: Vnd) -> Texts {
    around(
        ("Tối thiểu ", " cho phần này"),
        ("At least ", " for this part"),
        |text, separator| money(text, amount, separator),
    )
}

/// The most of a block.
pub(super) fn at_most(amount: Vnd) -> Texts {
    around(
        ("Tối đa ", " cho phần này"),
        ("At most ", " for this part"),
        |text, separator| money(text, amount, separator),
    )
}

/// The cap of 24 hours.
pub(super) fn cap_24h(cap: Vnd) -> Texts {
    around(
        ("Không quá ", " cho 24 giờ"),
        ("No more than ", " in 24 hours"),
        |text, separator| money(text, cap, separator),
    )
}

/// The cap of the calendar day that `at` lies in.
pub(super) fn cap_day(cap: Vnd, at: i64, clock: Clock) -> Texts {
    let (mut vi, mut en) = around(
        ("Không quá ", " trong ngày "),
        ("No more than ", " on "),
        |text, separator| money(text, cap, separator),
    );
    let date = day(at, clock);
    vi.push_str(&date);
    en.push_str(&date);
    (vi, en)
}

fn around(vi: (&str, &str), en: (&str, &str), middle: impl Fn(&mut String, char)) -> Texts {
    let fill = |(before, after): (&str, &str), separator| {
        let mut text = String::with_capacity(before.len() + after.len() + 24);
        text.push_str(before);
        middle(&mut text, separator);
        text.push_str(after);
        text
    };
    (fill(vi, VI), fill(en, EN))
}

/// The local date as 23/11/2026, which reads the same in both languages.
fn day(at: i64, clock: Clock) -> String {
    let local = super::clock::instant(at).with_timezone(&clock.0);
    local.format("%d/%m/%Y").to_string()
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

/// Minutes as hours, with a fraction only where there is one.
fn hours(text: &mut String, minutes: u32) {
    number(text, i64::from(minutes / 60));
    let rest = minutes % 60;
    if rest > 0 {
        text.push(':');
        if rest < 10 {
            text.push('0');
        }
        number(text, i64::from(rest));
    }
}

/// Between groups of three digits, as each language writes numbers.
const VI: char = '.';
const EN: char = ',';

fn money(text: &mut String, amount: Vnd, separator: char) {
    amount.push_grouped(separator, text);
    text.push_str(" ₫");
}

fn number(text: &mut String, value: i64) {
    // A count that needs a separator is beyond any stay, and reads well with it.
    Vnd::new(value).push_grouped('.', text);
}
