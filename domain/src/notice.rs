//! What a vehicle owes that stood without paying.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::place::codes;

/// Crockford's base 32: no letter that could be read as a digit, nor U.
/// <https://www.crockford.com/base32.html>
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Fifty bits: whoever guesses ten times a second finds one of a million notices in half a year.
const LENGTH: usize = 10;

/// The number of a parking notice, as it is printed and typed: `K7QM2-XPD4R`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoticeCode(String);

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// Waits for its money.
    Open,
    /// Paid.
    Paid,
    /// Taken back by staff: nothing is to be paid.
    Withdrawn,
}

codes!(NoticeState { Open = "open", Paid = "paid", Withdrawn = "withdrawn" });

/// A text is no number of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a notice's number has ten letters and digits, such as K7QM2-XPD4R")]
pub struct NoticeCodeError;

impl NoticeCode {
    /// Of that much chance: five bits of each number.
    pub fn of_random(random: [u8; LENGTH]) -> Self {
        let letter = |number: u8| char::from(ALPHABET[usize::from(number % 32)]);
        Self(random.into_iter().map(letter).collect())
    }

    /// Without a hyphen, as it is kept.
    pub fn plain(&self) -> &str {
        &self.0
    }
}

impl FromStr for NoticeCode {
    type Err = NoticeCodeError;

    /// Reads a number as a person types it: in small letters, with O for 0 and I or L for 1.
    fn from_str(text: &str) -> Result<Self, NoticeCodeError> {
        let mut plain = String::with_capacity(LENGTH);
        for letter in text.chars() {
            let letter = match letter.to_ascii_uppercase() {
                ' ' | '-' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                letter => letter,
            };
            let known = u8::try_from(letter).is_ok_and(|byte| ALPHABET.contains(&byte));
            if !known || plain.len() == LENGTH {
                return Err(NoticeCodeError);
            }
            plain.push(letter);
        }
        (plain.len() == LENGTH)
            .then_some(Self(plain))
            .ok_or(NoticeCodeError)
    }
}

impl fmt::Display for NoticeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, tail) = self.0.split_at(LENGTH / 2);
        write!(f, "{head}-{tail}")
    }
}

impl fmt::Debug for NoticeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for NoticeCode {
    type Error = NoticeCodeError;

    fn try_from(text: String) -> Result<Self, NoticeCodeError> {
        text.parse()
    }
}

impl From<NoticeCode> for String {
    fn from(code: NoticeCode) -> Self {
        code.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_alike_is_alike() {
        let read = |text: &str| text.parse::<NoticeCode>();
        assert_eq!(read("k7om2 xpdil"), read("K70M2-XPD11"));
        for wrong in [
            "",
            "K7QM2-XPD4",
            "K7QM2-XPD4RR",
            "K7QM2-XPD4U",
            "K7QM2-XPD4é",
        ] {
            assert_eq!(read(wrong), Err(NoticeCodeError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_number_reads_as_it_is_written(random: [u8; LENGTH]) {
            let code = NoticeCode::of_random(random);
            prop_assert_eq!(code.to_string().parse(), Ok(code.clone()));
            prop_assert_eq!(code.plain().parse(), Ok(code));
        }
    }
}
