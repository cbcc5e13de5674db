//! What stands behind the question mark. A parameter that a feed does not know is refused: a filter that is
//! misspelt must not read as none.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use chrono::DateTime;
use domain::Timestamp;
use uuid::Uuid;

use super::catalogue::Param;
use crate::ApiError;
use crate::percent::percent_encoded;

/// The longest value.
const LENGTH_MAX: usize = 4_000;

/// The parameters of a request, each at most once.
#[derive(Clone, Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// # Errors
    /// Where one is not among those allowed, comes twice or is too long.
    pub(super) fn new(given: Vec<(String, String)>, allowed: &[Param]) -> Result<Self, ApiError> {
        let mut params = BTreeMap::new();
        for (name, value) in given {
            if !allowed.iter().any(|param| param.name == name) {
                let known: Vec<&str> = allowed.iter().map(|param| param.name).collect();
                let known = match known[..] {
                    [] => "this address takes none".to_owned(),
                    _ => format!("there are: {}", known.join(", ")),
                };
                return Err(bad(format!("there is no parameter {name:?} here; {known}")));
            }
            if value.len() > LENGTH_MAX {
                return Err(bad(format!(
                    "{name} is longer than {LENGTH_MAX} characters"
                )));
            }
            if params.insert(name.clone(), value).is_some() {
                return Err(bad(format!("{name} is given twice")));
            }
        }
        // An empty field of a form says nothing.
        params.retain(|_, value| !value.is_empty());
        Ok(Self(params))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, ApiError> {
        let parse = |text: &str| {
            let value = text.trim().parse();
            value.map_err(|_| bad(format!("{name} is {what}, not {text:?}")))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn uuid(&self, name: &str) -> Result<Option<Uuid>, ApiError> {
        self.parsed(name, "a UUID")
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.parsed(name, "true or false")
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, ApiError> {
        match self.parsed::<f64>(name, "a number")? {
            Some(number) if !number.is_finite() => Err(bad(format!("{name} is a number"))),
            number => Ok(number),
        }
    }

    /// Milliseconds since 1970, as the Curb Data Specification counts time.
    pub(super) fn millis(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let what = "a time in milliseconds since 1970-01-01T00:00:00Z";
        let Some(ms) = self.parsed::<i64>(name, what)? else {
            return Ok(None);
        };
        let time = DateTime::from_timestamp_millis(ms).filter(is_sane);
        time.map(Some)
            .ok_or_else(|| bad(format!("{name} is {what}")))
    }

    /// Seconds since 1970, as the Alliance for Parking Data Standards counts time.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let seconds = text.parse().ok();
        let time = seconds.and_then(|s| DateTime::from_timestamp(s, 0));
        time.filter(is_sane)
            .map(Some)
            .ok_or_else(|| bad(format!("{name} is a time in seconds since 1970")))
    }

    /// Which part of a list: how many, at most `limit_max`, and after how many.
    pub(super) fn part(&self, limit: usize, limit_max: usize) -> Result<Part, ApiError> {
        let what = format!("a whole number from 1 to {limit_max}");
        let limit = self.parsed("limit", &what)?.unwrap_or(limit);
        if !(1..=limit_max).contains(&limit) {
            return Err(bad(format!("limit is {what}")));
        }
        let offset = self
            .parsed("offset", "a whole number from 0 to 1000000")?
            .unwrap_or(0);
        if offset > 1_000_000 {
            return Err(bad("offset is a whole number from 0 to 1000000".to_owned()));
        }
        Ok(Part { limit, offset })
    }

    /// The query of the same request without some of its parameters, encoded, each followed by `&`.
    pub(super) fn without(&self, left_out: &[&str]) -> String {
        let mut query = String::new();
        for (name, value) in &self.0 {
            if left_out.contains(&name.as_str()) {
                continue;
            }
            let _ = write!(query, "{name}={}&", percent_encoded(value, "-_.,:"));
        }
        query
    }
}

/// Far from the ends of what can be reckoned with.
pub(super) fn is_sane(at: &Timestamp) -> bool {
    (1900..=2200).contains(&chrono::Datelike::year(at))
}

pub(super) fn bad(why: impl Into<String>) -> ApiError {
    ApiError::BadRequest(why.into())
}

/// Part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// How many at most.
    pub(super) limit: usize,
    /// How many to pass over.
    pub(super) offset: usize,
}

impl Part {
    /// The part, and where the next begins if there is one.
    pub(super) fn of<'a, T>(&self, all: &'a [T]) -> (&'a [T], Option<usize>) {
        let from = self.offset.min(all.len());
        let until = from.saturating_add(self.limit).min(all.len());
        (&all[from..until], (until < all.len()).then_some(until))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ALLOWED: &[Param] = &[
        Param::new("limit", "", ""),
        Param::new("offset", "", ""),
        Param::new("lat", "", ""),
        Param::new("time", "", ""),
    ];

    fn params(given: &[(&str, &str)]) -> Result<Params, ApiError> {
        let given = given
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Params::new(given.collect(), ALLOWED)
    }

    #[test]
    fn what_is_misspelt_repeated_or_no_number_is_refused() {
        assert!(params(&[("latt", "1")]).is_err());
        assert!(params(&[("lat", "1"), ("lat", "1")]).is_err());
        for bad in ["x", "NaN", "inf", "1e999"] {
            assert!(
                params(&[("lat", bad)]).unwrap().number("lat").is_err(),
                "{bad}"
            );
        }
        for bad in ["-9223372036854775808", "99999999999999999999", "2026-01-01"] {
            assert!(
                params(&[("time", bad)]).unwrap().millis("time").is_err(),
                "{bad}"
            );
        }
        for bad in ["0", "-1", "11", "1.5", "18446744073709551616"] {
            assert!(
                params(&[("limit", bad)]).unwrap().part(5, 10).is_err(),
                "{bad}"
            );
        }
        assert_eq!(params(&[("lat", "")]).unwrap().number("lat").unwrap(), None);
    }

    #[test]
    fn what_is_known_is_told_only_where_something_is() {
        let why = |allowed: &[Param]| {
            let given = vec![("latt".to_owned(), "1".to_owned())];
            Params::new(given, allowed).unwrap_err().to_string()
        };
        assert_eq!(
            why(ALLOWED),
            "there is no parameter \"latt\" here; there are: limit, offset, lat, time"
        );
        assert_eq!(
            why(&[]),
            "there is no parameter \"latt\" here; this address takes none"
        );
    }

    #[test]
    fn a_list_is_read_part_by_part() {
        let all = [1, 2, 3, 4, 5];
        let part = |limit, offset| Part { limit, offset }.of(&all);
        assert_eq!(part(2, 0), (&all[0..2], Some(2)));
        assert_eq!(part(2, 3), (&all[3..5], None));
        assert_eq!(part(2, 9), (&all[5..5], None));
    }
}
