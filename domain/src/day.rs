//! Days of a city's local time.

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::Timestamp;

/// Where a local day begins: at midnight, or at one where the clocks skip midnight.
pub fn midnight(day: NaiveDate, tz: Tz) -> Timestamp {
    let local = day.and_time(NaiveTime::MIN);
    let begins = [local, local + TimeDelta::hours(1)]
        .into_iter()
        .find_map(|local| tz.from_local_datetime(&local).earliest());
    begins.map_or_else(|| local.and_utc(), |begins| begins.to_utc())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono_tz::America::Santiago;
    use chrono_tz::Asia::Ho_Chi_Minh;

    use super::*;

    #[test]
    fn a_day_begins_though_its_midnight_is_skipped() {
        let begins = |day: &str, tz| midnight(day.parse().unwrap(), tz).to_rfc3339();
        assert_eq!(
            begins("2026-11-24", Ho_Chi_Minh),
            "2026-11-23T17:00:00+00:00"
        );
        // Chile's clocks go from 23:59 on Saturday to 1:00 on Sunday.
        assert_eq!(begins("2026-09-06", Santiago), "2026-09-06T04:00:00+00:00");
    }
}
