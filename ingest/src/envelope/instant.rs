//! Instants as devices write them, in RFC 3339.
//!
//! The usual form, `2026-11-22T00:00:00.123Z`, is read at once: what serves every form takes longer
//! than all else that is done to understand a message.

use chrono::{DateTime, NaiveDate, Utc};
use serde::de::{Deserializer, Error, Visitor};

/// For `#[serde(deserialize_with)]`: the same as [`DateTime<Utc>`]'s own.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<DateTime<Utc>, D::Error> {
    input.deserialize_str(InstantVisitor)
}

struct InstantVisitor;

impl Visitor<'_> for InstantVisitor {
    type Value = DateTime<Utc>;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("an RFC 3339 formatted date and time string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        usual(text.as_bytes()).map_or_else(|| text.parse().map_err(E::custom), Ok)
    }
}

/// An instant in the usual form, in UTC; nothing where it is another form, or no instant.
fn usual(text: &[u8]) -> Option<DateTime<Utc>> {
    let (
        &[
            ref year @ ..,
            b'-',
            mo1,
            mo2,
            b'-',
            d1,
            d2,
            b'T',
            h1,
            h2,
            b':',
            mi1,
            mi2,
            b':',
            s1,
            s2,
        ],
        rest,
    ) = text.split_first_chunk::<19>()?
    else {
        return None;
    };
    let [fraction @ .., b'Z'] = rest else {
        return None;
    };
    let nanosecond = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            number(digits)? * 10_u32.pow(9 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let year = i32::try_from(number(year)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[mo1, mo2])?, number(&[d1, d2])?)?;
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[mi1, mi2])?, number(&[s1, s2])?);
    date.and_hms_nano_opt(hour, minute, second, nanosecond)
        .map(|at| at.and_utc())
}

/// At most nine digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(text: &str) -> Option<DateTime<Utc>> {
        deserialize(Value::from(text)).ok()
    }

    #[test]
    fn the_usual_form_is_read_at_once() {
        for text in [
            "2026-11-22T00:00:00Z",
            "2024-02-29T23:59:59.1Z",
            "2026-11-22T12:34:56.123456789Z",
        ] {
            assert_eq!(usual(text.as_bytes()), text.parse().ok(), "{text}");
            assert!(usual(text.as_bytes()).is_some(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_chrono_reads(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|z|\\+07:00)?",
            spoilt in 0..40_usize,
            with in "[0-9:.Z+ -]",
        ) {
            prop_assert_eq!(read(&text), text.parse().ok());
            let mut other = text;
            if spoilt < other.len() {
                other.replace_range(spoilt..=spoilt, &with);
            }
            prop_assert_eq!(read(&other), other.parse().ok());
        }
    }
}
