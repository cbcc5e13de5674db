//! What the providers' messages have in common.

use chrono::{FixedOffset, NaiveDateTime, TimeZone};
use domain::Timestamp;
use hmac::{Hmac, Mac};
use serde_json::{Map, Value};
use sha2::Sha512;

use super::Reply;
use crate::percent::{percent_decoded, percent_encoded};
use crate::secret::{equal, hmac_sha256};

/// The object that a reply is, or why it cannot be told.
pub(super) fn object(reply: &Reply) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(&reply.body) {
        Ok(Value::Object(told)) => Ok(told),
        Ok(_) => Err("no object".to_owned()),
        Err(_) => Err(format!("status {} without JSON", reply.status)),
    }
}

/// A value as it stands in a signature, whatever its type in JSON; empty where there is none.
pub(super) fn text(told: &Map<String, Value>, name: &str) -> String {
    match told.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A number that is one in JSON, too.
pub(super) fn code(told: &Map<String, Value>, name: &str) -> Option<i64> {
    told.get(name).and_then(Value::as_i64)
}

/// A text that says something.
pub(super) fn said(told: &Map<String, Value>, name: &str) -> Option<String> {
    let found = told.get(name).and_then(Value::as_str);
    found.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// HMAC-SHA256 as lower-case hex.
pub(super) fn sha256_hex(key: &str, text: &str) -> String {
    hex::encode(hmac_sha256(key.as_bytes(), &[text.as_bytes()]))
}

/// HMAC-SHA512 as lower-case hex.
pub(super) fn sha512_hex(key: &str, text: &str) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Whether a signature in hex, in either case, is the right one; in constant time.
pub(super) fn same_hex(right: &str, told: &str) -> bool {
    equal(right.as_bytes(), told.to_ascii_lowercase().as_bytes())
}

/// As HTML forms encode a text: a space is `+`, letters, digits and `-_.*` stay.
pub(super) fn form_encode(text: &str) -> String {
    percent_encoded(text, "-_.* ").replace(' ', "+")
}

/// Undoes [`form_encode`]; `None` where the text is not so encoded.
pub(super) fn form_decode(text: &str) -> Option<String> {
    percent_decoded(text, b' ')
}

/// Vietnam's time, which all providers write: seven hours ahead of UTC, the whole year.
fn vietnam() -> Option<FixedOffset> {
    FixedOffset::east_opt(7 * 3600)
}

/// A time in Vietnam, by a pattern of `chrono`'s.
pub(super) fn local(at: Timestamp, pattern: &str) -> String {
    vietnam().map_or_else(String::new, |zone| {
        at.with_timezone(&zone).format(pattern).to_string()
    })
}

/// A time in Vietnam written as `yyyyMMddHHmmss`.
pub(super) fn from_local(text: &str) -> Option<Timestamp> {
    let naive = NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S").ok()?;
    Some(vietnam()?.from_local_datetime(&naive).single()?.to_utc())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forms_survive_encoding() {
        for text in [
            "a b",
            "đỗ xe & 100%",
            "",
            "2024-05-21T02:17:31.249Z",
            "a+b*c~d",
        ] {
            assert_eq!(form_decode(&form_encode(text)).unwrap(), text);
        }
        assert_eq!(form_encode("a b:c"), "a+b%3Ac");
        assert_eq!(form_decode("%zz"), None);
        assert_eq!(form_decode("%f"), None);
        assert_eq!(form_decode("%ff"), None);
    }

    #[test]
    fn vietnam_is_seven_hours_ahead() {
        let at = from_local("20240521091806").unwrap();
        assert_eq!(at.to_rfc3339(), "2024-05-21T02:18:06+00:00");
        assert_eq!(local(at, "%Y%m%d%H%M%S"), "20240521091806");
        assert_eq!(from_local("20241399000000"), None);
    }
}
