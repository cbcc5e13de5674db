//! How Vietnamese statements write headings, amounts, times and words.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::money::Vnd;
use domain::reconcile::MoneyKind;

/// Providers write times, and count days, in Vietnam's time, whatever city we serve.
pub const LOCAL: Tz = chrono_tz::Asia::Ho_Chi_Minh;

/// A heading or word as it is compared: small letters and digits, without accents. So `Số tiền`,
/// `SO TIEN` and `so_tien` are one, however the file composes its letters.
pub fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(base_letter)
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

/// The letter without its Vietnamese accents. A combining accent stays one, and [`fold`] drops it.
fn base_letter(c: char) -> char {
    const ACCENTED: [(char, &str); 7] = [
        ('a', "àáảãạăằắẳẵặâầấẩẫậ"),
        ('d', "đ"),
        ('e', "èéẻẽẹêềếểễệ"),
        ('i', "ìíỉĩị"),
        ('o', "òóỏõọôồốổỗộơờớởỡợ"),
        ('u', "ùúủũụưừứửữự"),
        ('y', "ỳýỷỹỵ"),
    ];
    ACCENTED
        .iter()
        .find(|(_, accented)| accented.contains(c))
        .map_or(c, |(base, _)| *base)
}

/// An amount in đồng: `25000`, `25.000`, `25,000`, `25 000 ₫`, `25.000,00 VND`, `(25,000)`, `-25000đ`.
///
/// A point or comma groups thousands where three digits follow each; one before another number of
/// zeros is a decimal mark. There is no part of a đồng, so other decimals are refused.
pub fn amount(text: &str) -> Result<Vnd, String> {
    let wrong = || format!("{text:?} is no amount in đồng");
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bare = bare.to_lowercase();
    let bare = ["vnd", "vnđ", "đ", "₫", "d"]
        .iter()
        .find_map(|unit| bare.strip_suffix(unit).or_else(|| bare.strip_prefix(unit)))
        .unwrap_or(&bare);
    let (negative, digits) = match bare.strip_prefix('-').or_else(|| bare.strip_prefix('−')) {
        Some(digits) => (true, digits),
        None => match bare.strip_prefix('(').and_then(|b| b.strip_suffix(')')) {
            Some(digits) => (true, digits),
            None => (false, bare.strip_prefix('+').unwrap_or(bare)),
        },
    };
    let dong: i64 = whole(digits)
        .and_then(|whole| whole.parse().ok())
        .ok_or_else(wrong)?;
    Ok(Vnd::new(if negative { -dong } else { dong }))
}

/// The digits before the decimal mark, without grouping.
fn whole(text: &str) -> Option<String> {
    let marks: Vec<(usize, char)> = text.match_indices(['.', ',']).map(first_char).collect();
    let Some(&(last, mark)) = marks.last() else {
        return digits(text).then(|| text.to_owned());
    };
    let decimals = text.get(last + 1..)?;
    let other = marks.iter().any(|(_, found)| *found != mark);
    let once = marks.iter().filter(|(_, found)| *found == mark).count() == 1;
    let is_decimal = once && (other || decimals.len() != 3);
    let (grouped, separator) = if is_decimal {
        if decimals.is_empty() || !decimals.bytes().all(|b| b == b'0') {
            return None;
        }
        let grouped = text.get(..last)?;
        (grouped, if mark == '.' { ',' } else { '.' })
    } else {
        (text, mark)
    };
    let mut groups = grouped.split(separator);
    let head = groups.next()?;
    let mut out = head.to_owned();
    let mut grouped = false;
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        grouped = true;
        out.push_str(group);
    }
    (digits(&out) && (!grouped || (1..=3).contains(&head.len()))).then_some(out)
}

fn first_char((at, found): (usize, &str)) -> (usize, char) {
    (at, found.chars().next().unwrap_or_default())
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A time, as the span in which it lies: a moment, or the whole day where only the day is told.
/// Without an offset it is Vietnam's.
pub fn time(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let text = text.trim();
    let wrong = || format!("{text:?} is no time that can be read");
    if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment(exact.to_utc()));
    }
    // MoMo and ZaloPay count milliseconds.
    if digits(text) && text.len() == 13 {
        let ms = text.parse().map_err(|_| wrong())?;
        return DateTime::from_timestamp_millis(ms)
            .map(moment)
            .ok_or_else(wrong);
    }
    // VNPAY's yyyyMMddHHmmss needs its length: chrono's %Y takes as many digits as there are.
    let compact = digits(text) && text.len() == 14;
    let formats = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%d/%m/%Y %H:%M",
        "%d-%m-%Y %H:%M:%S",
        "%d-%m-%Y %H:%M",
        "%H:%M:%S %d/%m/%Y",
        "%H:%M %d/%m/%Y",
    ];
    let local = if compact {
        let (day, clock) = text.split_at(8);
        NaiveDateTime::parse_from_str(&format!("{day} {clock}"), "%Y%m%d %H%M%S").ok()
    } else {
        formats
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    };
    if let Some(local) = local {
        return utc(local).map(moment).ok_or_else(wrong);
    }
    ["%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y"]
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text, format).ok())
        .and_then(day)
        .map(|(from, to)| (from, to - TimeDelta::microseconds(1)))
        .ok_or_else(wrong)
}

fn moment(at: DateTime<Utc>) -> (Timestamp, Timestamp) {
    (at, at)
}

fn utc(local: NaiveDateTime) -> Option<Timestamp> {
    LOCAL
        .from_local_datetime(&local)
        .single()
        .map(|at| at.to_utc())
}

/// Vietnam's day: its beginning and the next one's.
pub fn day(day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
    let begins = |day: NaiveDate| utc(day.and_hms_opt(0, 0, 0)?);
    Some((begins(day)?, begins(day.succ_opt()?)?))
}

/// What kind of movement a word or VNPAY's `vnp_TransactionType` names.
pub fn kind(text: &str) -> Result<MoneyKind, String> {
    let word = fold(text);
    let begins = |words: &[&str]| words.iter().any(|begin| word.starts_with(begin));
    if begins(&["refund", "hoantien", "hoantra", "02", "03"]) {
        Ok(MoneyKind::Refund)
    } else if begins(&["payment", "thanhtoan", "muahang", "sale", "capture", "01"]) {
        Ok(MoneyKind::Payment)
    } else {
        Err(format!("{text:?} is neither a payment nor a refund"))
    }
}

/// Whether a status says that the money moved. `done` is the provider's code for it; every other
/// number is a failure or still open.
pub fn moved(text: &str, done: &str) -> Result<bool, String> {
    const DONE: [&str; 9] = [
        "thanhcong",
        "giaodichthanhcong",
        "dathanhtoan",
        "hoanthanh",
        "success",
        "successful",
        "succeeded",
        "completed",
        "paid",
    ];
    const NOT_DONE: [&str; 17] = [
        "thatbai",
        "giaodichthatbai",
        "khongthanhcong",
        "dahuy",
        "huy",
        "hethan",
        "loi",
        "choxuly",
        "dangxuly",
        "chothanhtoan",
        "failed",
        "failure",
        "error",
        "cancelled",
        "canceled",
        "expired",
        "pending",
    ];
    let word = fold(text);
    if word == done || DONE.contains(&word.as_str()) {
        Ok(true)
    } else if digits(&word) || NOT_DONE.contains(&word.as_str()) {
        Ok(false)
    } else {
        Err(format!("the status {text:?} is not known"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn accents_case_and_composition_do_not_matter() {
        for text in [
            "Số tiền",
            "SỐ TIỀN",
            "so_tien",
            "So\u{302}\u{301} tie\u{302}\u{300}n",
        ] {
            assert_eq!(fold(text), "sotien", "{text}");
        }
        assert_eq!(fold("Mã đơn hàng (ĐVCNTT)"), "madonhangdvcntt");
    }

    #[test]
    fn amounts_are_read_as_vietnam_writes_them() {
        for text in [
            "25000",
            "25.000",
            "25,000",
            "25 000",
            "25\u{a0}000 ₫",
            "25000 VND",
            "25.000đ",
            "VND 25,000",
            "25,000.00",
            "25.000,00",
            "25000.0",
            "+25.000",
        ] {
            assert_eq!(amount(text), Ok(Vnd::new(25_000)), "{text}");
        }
        assert_eq!(amount("(1,234,567)"), Ok(Vnd::new(-1_234_567)));
        assert_eq!(amount("-1.234.567 VNĐ"), Ok(Vnd::new(-1_234_567)));
        assert_eq!(amount("0"), Ok(Vnd::ZERO));
        for text in [
            "",
            "-",
            "abc",
            "25.50",
            "25,000.50",
            "2.5.000",
            "1234.567.890",
            "25.000.00",
            ".000",
            "1e5",
            "25000 USD",
            "99999999999999999999",
            "--5",
        ] {
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_without_an_offset_are_vietnams() {
        let nine: Timestamp = "2026-11-24T02:00:05Z".parse().unwrap();
        for text in [
            "2026-11-24T09:00:05+07:00",
            "2026-11-24T02:00:05Z",
            "2026-11-24 09:00:05",
            "24/11/2026 09:00:05",
            "09:00:05 24/11/2026",
            "20261124090005",
            " 1795485605000 ",
        ] {
            assert_eq!(time(text), Ok((nine, nine)), "{text}");
        }
        let (from, to) = time("24/11/2026").unwrap();
        assert_eq!(from, "2026-11-23T17:00:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(
            to,
            "2026-11-24T16:59:59.999999Z".parse::<Timestamp>().unwrap()
        );
        for text in ["", "yesterday", "24/13/2026", "99999999999999"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_that_are_not_known_are_not_guessed() {
        assert_eq!(kind("Hoàn tiền"), Ok(MoneyKind::Refund));
        assert_eq!(kind("01"), Ok(MoneyKind::Payment));
        assert!(kind("").is_err());
        assert_eq!(moved("Thành công", "00"), Ok(true));
        assert_eq!(moved("00", "00"), Ok(true));
        assert_eq!(moved("0", "00"), Ok(false));
        assert_eq!(moved("Thất bại", "00"), Ok(false));
        assert!(moved("maybe", "00").is_err());
    }
}
