//! Times on the command line.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;
use domain::Timestamp;

/// Reads a time with an offset, or without one as the city's local time. Where clocks show a time
/// twice, the first is meant.
pub(super) fn instant(text: &str, tz: Tz) -> anyhow::Result<Timestamp> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let spaced = text.replacen('T', " ", 1);
    let local = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&spaced, format).ok())
        .or_else(|| Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN)))
        .with_context(|| {
            format!("{text:?} is no time; write 2026-11-23T08:00, or 2026-11-23T08:00:00+07:00")
        })?;
    let at = tz.from_local_datetime(&local).earliest();
    let at = at.with_context(|| format!("clocks in {tz} never show {text}"))?;
    Ok(at.to_utc())
}

/// A moment in local time, without what is zero.
pub(super) fn local(at: Timestamp, tz: Tz) -> String {
    let local = at.with_timezone(&tz);
    let format = if local.time() == NaiveTime::MIN {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%d %H:%M"
    };
    local.format(format).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono_tz::Asia::Ho_Chi_Minh;
    use chrono_tz::Europe::Berlin;

    use super::*;

    #[test]
    fn without_an_offset_it_is_local_time() {
        let utc = |text| instant(text, Ho_Chi_Minh).unwrap().to_rfc3339();
        for text in [
            "2026-11-23T08:00",
            "2026-11-23 08:00",
            "2026-11-23 08:00:00",
        ] {
            assert_eq!(utc(text), "2026-11-23T01:00:00+00:00");
        }
        assert_eq!(utc("2026-11-23"), "2026-11-22T17:00:00+00:00");
        assert_eq!(utc("2026-11-23T08:00:00Z"), "2026-11-23T08:00:00+00:00");
        assert_eq!(
            utc("2026-11-23T08:00:00+01:00"),
            "2026-11-23T07:00:00+00:00"
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert!(instant("8 o'clock", Berlin).is_err());
        let skipped = instant("2026-03-29 02:30", Berlin).unwrap_err().to_string();
        assert_eq!(
            skipped,
            "clocks in Europe/Berlin never show 2026-03-29 02:30"
        );
    }
}
