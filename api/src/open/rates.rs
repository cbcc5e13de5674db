//! Price boards taken apart, as the standards want them: one price for one class of vehicle on some days in one
//! part of the day.

use chrono::NaiveTime;
use domain::Timestamp;
use domain::tariff::{Block, Day, Pricing, Tariff};
use uuid::Uuid;

use super::ids;

/// The days of a week.
const WEEK: [Day; 7] = [
    Day::Mon,
    Day::Tue,
    Day::Wed,
    Day::Thu,
    Day::Fri,
    Day::Sat,
    Day::Sun,
];

/// One price.
#[derive(Debug)]
pub(super) struct Price<'a> {
    /// The version of the tariff to which it belongs.
    pub(super) tariff: &'a Tariff,
    /// When the next version begins.
    pub(super) until: Option<Timestamp>,
    /// What it is called, in Vietnamese and English; empty where there is one price only.
    pub(super) name: (String, String),
    pub(super) days: Days,
    /// From when to when; the whole day without.
    pub(super) hours: Option<(NaiveTime, NaiveTime)>,
    pub(super) steps: Vec<Step>,
    /// Which of the prices of its zone it is: another where anything about it is another.
    pub(super) id: Uuid,
}

/// On which days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    /// On these days of the week; empty where on none of them.
    pub(super) week: Vec<Day>,
    /// On holidays.
    pub(super) holidays: bool,
    /// Holidays have a price of their own, which goes before this one.
    pub(super) except_holidays: bool,
}

impl Days {
    pub(super) fn is_whole_week(&self) -> bool {
        self.week.len() == WEEK.len()
    }
}

/// What each started part of the stay costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// From so many minutes after the start of the stay.
    pub(super) from_min: u32,
    /// Until so many; to the end without.
    pub(super) until_min: Option<u32>,
    pub(super) rate_vnd: i64,
    /// For so many minutes, each started one whole.
    pub(super) per_min: u32,
    pub(super) min_vnd: Option<i64>,
    pub(super) max_vnd: Option<i64>,
    /// It is paid once, however long.
    pub(super) flat: bool,
}

/// The prices of a zone that are in force at `now` or will be.
pub(super) fn prices<'a>(zone: &str, tariffs: &'a [Tariff], now: Timestamp) -> Vec<Price<'a>> {
    let mut prices = Vec::new();
    for tariff in tariffs {
        let later = tariffs
            .iter()
            .filter(|other| other.class == tariff.class)
            .map(|other| other.effective_from)
            .filter(|from| *from > tariff.effective_from);
        let until = later.min();
        if until.is_some_and(|until| until <= now) {
            continue;
        }
        let named = |day: &Day| tariff.days.iter().any(|rule| rule.on.contains(day));
        let rest = Days {
            week: WEEK.into_iter().filter(|day| !named(day)).collect(),
            holidays: false,
            except_holidays: named(&Day::Holiday),
        };
        let mut parts: Vec<(Days, (&str, &str), &Pricing)> = Vec::new();
        for rule in &tariff.days {
            let holidays = rule.on.contains(&Day::Holiday);
            let days = Days {
                week: WEEK
                    .into_iter()
                    .filter(|day| rule.on.contains(day))
                    .collect(),
                holidays,
                except_holidays: !holidays && named(&Day::Holiday),
            };
            parts.push((days, (&rule.name_vi, &rule.name_en), &rule.pricing));
        }
        if !rest.week.is_empty() {
            parts.push((rest, ("", ""), &tariff.pricing));
        }
        for (days, name, pricing) in parts {
            let at = |name: (&str, &str), hours, steps| Price {
                tariff,
                until,
                id: ids::public(
                    "price",
                    &[
                        zone,
                        &format!("{tariff:?} {until:?} {days:?} {hours:?} {steps:?}"),
                    ],
                ),
                name: (name.0.to_owned(), name.1.to_owned()),
                days: days.clone(),
                hours,
                steps,
            };
            match pricing {
                Pricing::Blocks(blocks) => prices.push(at(name, None, steps(blocks))),
                Pricing::Windows(windows) => prices.extend(windows.iter().map(|window| {
                    let joined = |day: &str, own: &str| match day {
                        "" => own.to_owned(),
                        day => format!("{day}: {own}"),
                    };
                    let (vi, en) = (
                        joined(name.0, &window.name_vi),
                        joined(name.1, &window.name_en),
                    );
                    let hours = (window.from != window.to).then_some((window.from, window.to));
                    let steps = match &window.blocks[..] {
                        [] => vec![flat(window.rate_vnd.get(), minutes(hours))],
                        blocks => steps(blocks),
                    };
                    at((&vi, &en), hours, steps)
                })),
            }
        }
    }
    prices
}

/// How long a part of the day is, in minutes.
pub(super) fn minutes(hours: Option<(NaiveTime, NaiveTime)>) -> u32 {
    let Some((from, to)) = hours else {
        return 24 * 60;
    };
    let length = (to - from).num_minutes().rem_euclid(24 * 60);
    u32::try_from(length).unwrap_or(24 * 60)
}

fn flat(rate_vnd: i64, per_min: u32) -> Step {
    Step {
        from_min: 0,
        until_min: None,
        rate_vnd,
        per_min,
        min_vnd: None,
        max_vnd: None,
        flat: true,
    }
}

fn steps(blocks: &[Block]) -> Vec<Step> {
    let mut from_min = 0;
    let step = |block: &Block| {
        let step = Step {
            from_min,
            until_min: block.until_min,
            rate_vnd: block.rate_vnd.get(),
            per_min: block.per_min.max(1),
            min_vnd: block.min_vnd.map(|vnd| vnd.get()),
            max_vnd: block.max_vnd.map(|vnd| vnd.get()),
            flat: false,
        };
        from_min = block.until_min.unwrap_or(from_min);
        step
    };
    blocks.iter().map(step).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use domain::money::Vnd;
    use domain::place::VehicleClass;
    use domain::tariff::{DayRule, Window};

    use super::*;

    #[test]
    fn a_board_is_taken_apart_by_days_and_hours_and_old_versions_are_left_out() {
        let hour = |h| NaiveTime::from_hms_opt(h, 0, 0).unwrap();
        let window = |from, to, vnd| Window {
            name_vi: String::new(),
            name_en: "part".to_owned(),
            from: hour(from),
            to: hour(to),
            rate_vnd: Vnd::new(vnd),
            blocks: Vec::new(),
        };
        let from = DateTime::UNIX_EPOCH;
        let old = Tariff::new(
            VehicleClass::Car,
            from,
            Pricing::Blocks(vec![Block::open(Vnd::new(1), 60)]),
        );
        let mut new = Tariff::new(
            VehicleClass::Car,
            from + TimeDelta::days(1),
            Pricing::Blocks(vec![
                Block::until(120, Vnd::new(25_000), 60),
                Block::open(Vnd::new(35_000), 60),
            ]),
        );
        new.days = vec![DayRule {
            name_vi: String::new(),
            name_en: "Rest days".to_owned(),
            on: vec![Day::Sun, Day::Holiday],
            pricing: Pricing::Windows(vec![window(6, 18, 5_000), window(18, 6, 8_000)]),
        }];
        let tariffs = [old, new];
        let prices = prices("A", &tariffs, from + TimeDelta::days(2));
        let names: Vec<&str> = prices.iter().map(|price| price.name.1.as_str()).collect();
        assert_eq!(names, ["Rest days: part", "Rest days: part", ""]);
        assert!(prices[0].days.holidays && prices[0].days.week == [Day::Sun]);
        assert!(prices[2].days.except_holidays && prices[2].days.week.len() == 6);
        assert_eq!(minutes(prices[1].hours), 12 * 60);
        assert!(prices[1].steps[0].flat && prices[1].steps[0].per_min == 720);
        let steps = &prices[2].steps;
        assert_eq!((steps[0].from_min, steps[0].until_min), (0, Some(120)));
        assert_eq!((steps[1].from_min, steps[1].until_min), (120, None));
        assert_ne!(prices[0].id, prices[1].id);
    }
}
