//! Dates and times of a tariff file.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use toml::Spanned;
use toml::de::DeValue;
use toml::value::{Datetime, Offset};

use super::fields::Faults;
use super::kind;
use crate::Timestamp;

/// A date such as `2026-04-30`.
pub(super) fn date(value: &Spanned<DeValue<'_>>, faults: &mut Faults<'_>) -> Option<NaiveDate> {
    let read = |datetime: &Datetime| match (datetime.time, datetime.offset) {
        (None, None) => date_of(datetime),
        _ => None,
    };
    wanted(value, "a date such as 2026-04-30", read, faults)
}

/// A time of day such as `06:00`.
pub(super) fn of_day(value: &Spanned<DeValue<'_>>, faults: &mut Faults<'_>) -> Option<NaiveTime> {
    let read = |datetime: &Datetime| match (datetime.date, datetime.offset) {
        (None, None) => time_of(datetime),
        _ => None,
    };
    wanted(value, "a time of day such as 06:00", read, faults)
}

/// A date or a date with a time; without an offset it is the city's local time.
pub(super) fn instant(
    value: &Spanned<DeValue<'_>>,
    tz: Tz,
    faults: &mut Faults<'_>,
) -> Option<Timestamp> {
    let read = |datetime: &Datetime| {
        let date = date_of(datetime)?;
        let time = match datetime.time {
            Some(_) => time_of(datetime)?,
            None => NaiveTime::MIN,
        };
        resolve(date.and_time(time), datetime.offset, tz)
    };
    wanted(
        value,
        "a date such as 2027-01-01, or one with a time that exists",
        read,
        faults,
    )
}

fn resolve(local: NaiveDateTime, offset: Option<Offset>, tz: Tz) -> Option<Timestamp> {
    match offset {
        Some(Offset::Z) => Some(local.and_utc()),
        Some(Offset::Custom { minutes }) => {
            Some(local.and_utc() - TimeDelta::minutes(i64::from(minutes)))
        }
        None => tz
            .from_local_datetime(&local)
            .earliest()
            .map(|local| local.to_utc()),
    }
}

fn date_of(datetime: &Datetime) -> Option<NaiveDate> {
    let date = datetime.date?;
    NaiveDate::from_ymd_opt(
        i32::from(date.year),
        u32::from(date.month),
        u32::from(date.day),
    )
}

fn time_of(datetime: &Datetime) -> Option<NaiveTime> {
    let time = datetime.time?;
    let second = u32::from(time.second.unwrap_or(0));
    NaiveTime::from_hms_opt(u32::from(time.hour), u32::from(time.minute), second)
}

fn wanted<T>(
    value: &Spanned<DeValue<'_>>,
    what: &str,
    read: impl Fn(&Datetime) -> Option<T>,
    faults: &mut Faults<'_>,
) -> Option<T> {
    let Some(datetime) = value.get_ref().as_datetime() else {
        faults.add(
            value.span(),
            format!("this is {}, not {what}", kind(value.get_ref())),
        );
        return None;
    };
    let found = read(datetime);
    if found.is_none() {
        faults.add(value.span(), format!("{datetime} is not {what}"));
    }
    found
}
