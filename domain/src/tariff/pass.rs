//! Monthly passes.

use chrono::{Months, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::clock::{Clock, time_of_day};
use super::{Quote, text};
use crate::Timestamp;
use crate::day::midnight;
use crate::money::Vnd;
use crate::place::{VehicleClass, codes};

/// When a pass counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PassKind {
    /// Within its hours of each day.
    Day,
    /// At all times.
    DayAndNight,
}

codes!(PassKind { Day = "day", DayAndNight = "day_and_night" });

/// Hours of every day, in local time. They may cross midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Where they begin.
    pub from: NaiveTime,
    /// Where they end.
    pub to: NaiveTime,
}

/// A monthly pass that a tariff offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassOffer {
    /// When it counts.
    pub kind: PassKind,
    /// The hours of a day pass; `None` for day and night.
    #[serde(default)]
    pub hours: Option<Hours>,
    /// Its price for a month.
    pub price_vnd: Vnd,
}

/// A pass that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The vehicle.
    pub class: VehicleClass,
    /// Code of the zone.
    pub zone: String,
    /// What was bought.
    pub offer: PassOffer,
    /// From when it counts.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

impl PassOffer {
    /// The pass of the month that begins on `first`: until the same day of the next month, or its
    /// last day where it has no such day.
    pub fn month(self, class: VehicleClass, zone: &str, first: NaiveDate, tz: Tz) -> Pass {
        let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
        Pass {
            class,
            zone: zone.to_owned(),
            offer: self,
            from: midnight(first, tz),
            to: midnight(next, tz),
        }
    }
}

impl Pass {
    /// Its price, as one line.
    pub fn quote(&self) -> Quote {
        let texts = text::pass(self.offer.kind);
        Quote::line((self.from, self.to), self.offer.price_vnd, texts)
    }

    /// The pass that counts from the beginning of this one to the end of `next`, if that is of the
    /// same kind and begins no later than this one ends: a stay over the turn of the month rests on
    /// both.
    pub fn joined(&self, next: &Self) -> Option<Self> {
        let same = (self.class, &self.zone, self.offer.kind, self.offer.hours)
            == (next.class, &next.zone, next.offer.kind, next.offer.hours);
        (same && self.from <= next.from && next.from <= self.to).then(|| Self {
            to: self.to.max(next.to),
            ..self.clone()
        })
    }

    /// Whether it counts at `at`, and until when that stays so, in microseconds since 1970.
    pub(super) fn covers(&self, clock: Clock, at: i64) -> (bool, i64) {
        let (from, to) = (self.from.timestamp_micros(), self.to.timestamp_micros());
        if at < from {
            return (false, from);
        }
        if at >= to {
            return (false, i64::MAX);
        }
        let Some(hours) = self.offer.hours else {
            return (true, to);
        };
        let (from, until) = (time_of_day(hours.from), time_of_day(hours.to));
        let (_, now) = clock.local(at);
        let within = if from < until {
            (from..until).contains(&now)
        } else {
            now >= from || now < until
        };
        let change = if within { until } else { from };
        (within, clock.next(at, change).min(to))
    }
}
