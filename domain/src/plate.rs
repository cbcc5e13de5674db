//! Licence plates: personal data, so they print masked unless the caller asks for the whole.

use serde::{Deserialize, Serialize};

/// A licence plate in its normal form: upper-case letters and digits only, 4 to 12 of them.
///
/// `30A-123.45`, `30a 12345` and `30A12345` are the same plate. `Debug` and `Display` are masked,
/// so that a plate cannot reach a log by accident.
///
/// Of what ended long ago no plate is kept: there `•••••` stands in its place, whoever reads it ([`Plate::stored`]).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, example = "30A12345"))]
#[serde(try_from = "String", into = "String")]
pub struct Plate(String);

/// Why a text is no licence plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlateError {
    /// Fewer than 4 letters and digits.
    #[error("a licence plate has at least 4 letters and digits")]
    TooShort,
    /// More than 12 letters and digits.
    #[error("a licence plate has at most 12 letters and digits")]
    TooLong,
    /// A character that no plate has.
    #[error("a licence plate has letters, digits, spaces, dots and hyphens only")]
    BadCharacter,
    /// The form of the pseudonyms that take the place of plates.
    #[error("no licence plate looks like that")]
    Pseudonym,
}

/// What is read in place of a plate, and of any other personal text, that is kept no longer.
pub const FORGOTTEN: &str = "•••••";

/// How a pseudonym begins; ten digits of base 16 follow. Vietnamese plates begin with a digit, or with two letters
/// of which none is Đ and at most five digits.
const PSEUDONYM: &str = "ĐĐ";

impl Plate {
    /// Reads a plate as a person types it.
    ///
    /// # Errors
    /// [`PlateError`] where the text cannot be a plate of any country.
    pub fn parse(text: &str) -> Result<Self, PlateError> {
        let mut plain = String::with_capacity(12);
        for c in text.chars() {
            match c {
                ' ' | '.' | '-' => {}
                // Vietnamese plates carry Đ on some series.
                'đ' | 'Đ' => plain.push('Đ'),
                c if c.is_ascii_alphanumeric() => plain.push(c.to_ascii_uppercase()),
                _ => return Err(PlateError::BadCharacter),
            }
        }
        match plain.chars().count() {
            0..=3 => Err(PlateError::TooShort),
            // Nobody passes for a vehicle whose plate is kept no longer.
            12 if plain.starts_with(PSEUDONYM) => Err(PlateError::Pseudonym),
            4..=12 => Ok(Self(plain)),
            _ => Err(PlateError::TooLong),
        }
    }

    /// Reads a plate as it is stored: where a pseudonym has taken its place it is [`FORGOTTEN`], of every vehicle the
    /// same.
    ///
    /// # Errors
    /// [`PlateError`] where it is neither.
    pub fn stored(text: &str) -> Result<Self, PlateError> {
        match Self::parse(text) {
            Err(PlateError::Pseudonym) => Ok(Self(FORGOTTEN.to_owned())),
            read => read,
        }
    }

    /// The whole plate: for the driver, for staff and for the database, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The first three and last two characters: enough for the driver to know their own.
    pub fn masked(&self) -> String {
        if self.0 == FORGOTTEN {
            return self.0.clone();
        }
        let chars: Vec<char> = self.0.chars().collect();
        let (head, tail) = if chars.len() < 7 { (1, 1) } else { (3, 2) };
        chars
            .iter()
            .enumerate()
            .map(|(i, &c)| {
                if i < head || i + tail >= chars.len() {
                    c
                } else {
                    '•'
                }
            })
            .collect()
    }
}

impl TryFrom<String> for Plate {
    type Error = PlateError;
    fn try_from(text: String) -> Result<Self, PlateError> {
        Self::parse(&text)
    }
}

impl From<Plate> for String {
    fn from(plate: Plate) -> Self {
        plate.0
    }
}

impl std::fmt::Display for Plate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl std::fmt::Debug for Plate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plate({})", self.masked())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_plate_however_it_is_typed() {
        let plate = Plate::parse("30A-123.45").unwrap();
        assert_eq!(plate, Plate::parse(" 30a 12345").unwrap());
        assert_eq!(plate.reveal(), "30A12345");
        assert_eq!(format!("{plate} {plate:?}"), "30A•••45 Plate(30A•••45)");
    }

    #[test]
    fn refuses_what_is_no_plate() {
        assert_eq!(Plate::parse("  "), Err(PlateError::TooShort));
        assert_eq!(Plate::parse("30A<script>"), Err(PlateError::BadCharacter));
        assert_eq!(Plate::parse("1234567890123"), Err(PlateError::TooLong));
    }

    #[test]
    fn a_pseudonym_is_read_where_it_is_stored_and_typed_by_nobody() {
        let pseudonym = "ĐĐ0AF3B2C1D9";
        let stored = Plate::stored(pseudonym).unwrap();
        assert_eq!(stored.reveal(), FORGOTTEN);
        assert_eq!(stored.masked(), FORGOTTEN);
        for typed in [pseudonym, "đđ-0af3b.2c1d9"] {
            assert_eq!(Plate::parse(typed), Err(PlateError::Pseudonym));
        }
        assert_eq!(Plate::stored("30A12345"), Plate::parse("30A-123.45"));
        assert!(Plate::parse("29MĐ112345").is_ok());
        assert_eq!(Plate::stored("x"), Err(PlateError::TooShort));
    }
}
