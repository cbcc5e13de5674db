//! Phone numbers: personal data, so they print masked unless the caller asks for the whole.

use serde::{Deserialize, Serialize};

/// A Vietnamese mobile number in E.164 form, such as `+84912345678`.
///
/// Only those: a text message to any number of the world is what fraudsters have others pay for.
/// `Debug` and `Display` are masked, so that a number cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, example = "0912345678"))]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

/// A text is no Vietnamese mobile number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a Vietnamese mobile number has ten digits and begins with 03, 05, 07, 08 or 09")]
pub struct PhoneError;

/// How many digits follow the country's code.
const DIGITS: usize = 9;

impl Phone {
    /// Reads a number as a person types it: `0912 345 678`, `+84 912.345.678`.
    ///
    /// The first digits of mobile numbers are those of Circular 22/2014/TT-BTTTT.
    ///
    /// # Errors
    /// [`PhoneError`]
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let plain: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '.' | '-' | '(' | ')'))
            .collect();
        let number = plain
            .strip_prefix("+84")
            .or_else(|| plain.strip_prefix('0'))
            .or_else(|| plain.strip_prefix("84").filter(|n| n.len() == DIGITS))
            .ok_or(PhoneError)?;
        let mobile = number.starts_with(['3', '5', '7', '8', '9'])
            && number.len() == DIGITS
            && number.bytes().all(|byte| byte.is_ascii_digit());
        mobile
            .then(|| Self(format!("+84{number}")))
            .ok_or(PhoneError)
    }

    /// The whole number in E.164: for its owner, the database and who delivers messages, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The same as it is dialled at home: `0912345678`.
    pub fn national(&self) -> String {
        format!("0{}", self.0.trim_start_matches("+84"))
    }

    /// The last three digits: enough for its owner.
    pub fn masked(&self) -> String {
        format!("•••{}", &self.0[self.0.len() - 3..])
    }
}

impl TryFrom<String> for Phone {
    type Error = PhoneError;
    fn try_from(text: String) -> Result<Self, PhoneError> {
        Self::parse(&text)
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.0
    }
}

impl std::fmt::Display for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_number_however_it_is_typed() {
        let phone = Phone::parse("0912 345 678").unwrap();
        for same in ["+84 912.345.678", "84912345678", "(091) 234-5678"] {
            assert_eq!(Phone::parse(same), Ok(phone.clone()), "{same}");
        }
        assert_eq!(phone.reveal(), "+84912345678");
        assert_eq!(phone.national(), "0912345678");
        assert_eq!(format!("{phone} {phone:?}"), "•••678 Phone(•••678)");
    }

    #[test]
    fn refuses_what_is_no_vietnamese_mobile_number() {
        for text in [
            "",
            "0",
            "113",
            "091234567",
            "09123456789",
            "02438254911",
            "+1 202 555 0143",
            "84123",
            "0912-345-67x",
            "+8491234567é",
        ] {
            assert_eq!(Phone::parse(text), Err(PhoneError), "{text}");
        }
    }
}
