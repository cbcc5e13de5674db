//! From a city's past to its sums by lot and day.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::collection::{Collection, PaidSession, Rate, SeenBay, UnsureTime, collect};
use domain::id::{LotId, ZoneId};
use domain::licence::{self, Held};
use domain::occupancy::Span;
use domain::place::VehicleClass;
use domain::tariff::TariffBook;
use store::collection::{BayPast, CityPast};

use super::Collected;

type Books<'a> = HashMap<(ZoneId, VehicleClass), TariffBook<'a>>;
type Days<'a> = &'a [(NaiveDate, Span)];

/// Bay-microseconds of one lot, day and class of which it is not certain what is owed for them.
#[derive(Clone, Copy, Default)]
struct Unsure {
    /// All of them.
    all_us: i64,
    /// For which nobody had paid.
    unpaid_us: i64,
    /// Of which nothing is known.
    unknown_us: i64,
}

/// What is found of one lot, by day, before it is told what unsure time costs.
#[derive(Default)]
struct LotFound {
    zone: ZoneId,
    bays: i64,
    classes: BTreeSet<VehicleClass>,
    by_class: BTreeMap<VehicleClass, Collection>,
    unsure: BTreeMap<(NaiveDate, VehicleClass), Unsure>,
}

/// The sums of a city's past over days in order of time.
pub(super) fn assess(past: CityPast, days: Days<'_>, now: Timestamp, tz: Tz) -> Collected {
    let mut books: Books<'_> = HashMap::new();
    for bay in &past.bays {
        let tariffs = past.tariffs.get(&bay.zone).map_or(&[][..], Vec::as_slice);
        books
            .entry((bay.zone, bay.class))
            .or_insert_with(|| TariffBook::new(tariffs, bay.class, tz));
    }
    let mut by_lot: BTreeMap<LotId, Vec<&BayPast>> = BTreeMap::new();
    for bay in &past.bays {
        by_lot.entry(bay.lot).or_default().push(bay);
    }
    let mut collected = Collected::default();
    let mut found: BTreeMap<LotId, LotFound> = BTreeMap::new();
    for (lot, bays) in &by_lot {
        let of_lot = of_lot(*lot, bays, &books, days, now, &mut collected);
        found.insert(*lot, of_lot);
    }
    for names in &past.lots {
        let lot = LotId(names.lot_id);
        if let (Some(licensed), Some(bays)) = (names.licensed(), by_lot.get(&lot)) {
            add_loads(lot, bays, licensed, days, &mut collected);
        }
    }
    let zones = by_zone(&found);
    for (lot, of_lot) in &found {
        let rates = |class: VehicleClass| {
            let key = (of_lot.zone, class);
            [
                of_lot
                    .by_class
                    .get(&class)
                    .map(Rate::of)
                    .unwrap_or_default(),
                zones.get(&key).map(Rate::of).unwrap_or_default(),
                books
                    .get(&key)
                    .map_or_else(Rate::default, |book| dearest_hour(book, days)),
            ]
        };
        let classes = of_lot.classes.iter();
        let rates: BTreeMap<VehicleClass, [Rate; 3]> =
            classes.map(|class| (*class, rates(*class))).collect();
        let begun = past.begun.get(lot);
        for (day, span) in days {
            let from = begun.map_or(span.from, |begun| span.from.max(*begun));
            // Before the lot began there is nothing to tell.
            let Some(span) = span.overlap(&Span {
                from,
                until: span.until,
            }) else {
                continue;
            };
            let cell = collected.cells.entry((*lot, *day)).or_default();
            let known_us = past.known_us.get(&(*lot, *day)).copied().unwrap_or(0);
            tell_uncertainty(cell, of_lot, (*day, span), known_us, &rates);
        }
    }
    collected.lots = past.lots;
    collected
}

/// Adds a lot's sums to their cells, and gives what they leave open.
fn of_lot(
    lot: LotId,
    bays: &[&BayPast],
    books: &Books<'_>,
    days: Days<'_>,
    now: Timestamp,
    collected: &mut Collected,
) -> LotFound {
    let zone = bays.first().map(|bay| bay.zone).unwrap_or_default();
    let price = |class, from, to| {
        let quote = books.get(&(zone, class))?.quote(from, to).ok()?;
        Some(quote.amount_vnd.get())
    };
    let seen: Vec<SeenBay> = bays.iter().map(|bay| seen(bay, price)).collect();
    let assessed = collect(&seen, now, price);
    let mut found = LotFound {
        zone,
        bays: i64::try_from(bays.len()).unwrap_or(i64::MAX),
        classes: bays.iter().map(|bay| bay.class).collect(),
        ..LotFound::default()
    };
    for part in assessed.parts {
        let day = days.partition_point(|(_, span)| span.until <= part.at);
        if let Some((day, _)) = days.get(day).filter(|(_, span)| span.contains(part.at)) {
            *collected.cells.entry((lot, *day)).or_default() += part.sum;
            *found.by_class.entry(part.class).or_default() += part.sum;
        }
    }
    for UnsureTime {
        span,
        class,
        is_unknown,
        is_paid,
    } in assessed.unsure
    {
        let first = days.partition_point(|(_, day)| day.until <= span.from);
        for (day, time) in &days[first..] {
            let Some(within) = time.overlap(&span) else {
                break;
            };
            let sum = found.unsure.entry((*day, class)).or_default();
            let us = within.length_us();
            sum.all_us += us;
            sum.unpaid_us += if is_paid { 0 } else { us };
            sum.unknown_us += if is_unknown { us } else { 0 };
        }
    }
    found
}

fn seen(
    bay: &BayPast,
    price: impl Fn(VehicleClass, Timestamp, Timestamp) -> Option<i64>,
) -> SeenBay {
    let sessions = bay.sold.iter().map(|sold| {
        let below = |waiver| {
            let board = price(bay.class, sold.from, sold.to).unwrap_or_default();
            let paid = sold.collected_vnd.saturating_add(sold.given_back_vnd);
            (waiver, board.saturating_sub(paid).max(0))
        };
        PaidSession {
            from: sold.from,
            to: sold.to,
            collected_vnd: sold.collected_vnd,
            given_back_vnd: sold.given_back_vnd,
            waived: sold.waiver.map(below),
            is_unsettled: sold.is_unsettled,
        }
    });
    SeenBay {
        bay: bay.bay,
        class: bay.class,
        stays: bay.stays.clone(),
        sessions: sessions.collect(),
        unknown: bay.unknown.clone(),
    }
}

/// What was seen in each zone, by class.
fn by_zone(found: &BTreeMap<LotId, LotFound>) -> HashMap<(ZoneId, VehicleClass), Collection> {
    let mut zones: HashMap<(ZoneId, VehicleClass), Collection> = HashMap::new();
    for of_lot in found.values() {
        for (class, sum) in &of_lot.by_class {
            *zones.entry((of_lot.zone, *class)).or_default() += *sum;
        }
    }
    zones
}

/// The board's price of the dearest hour of the first day.
fn dearest_hour(book: &TariffBook<'_>, days: Days<'_>) -> Rate {
    let Some((_, first)) = days.first() else {
        return Rate::default();
    };
    let hour = |hour| {
        let from = first.from + TimeDelta::hours(hour);
        let quote = book.quote(from, from + TimeDelta::hours(1)).ok()?;
        Some(quote.amount_vnd.get())
    };
    Rate::hour((0..24).filter_map(hour).max().unwrap_or(0))
}

/// Tells a cell how much was known, and what the rest may have cost.
fn tell_uncertainty(
    cell: &mut Collection,
    of_lot: &LotFound,
    (day, span): (NaiveDate, Span),
    known_us: i64,
    rates: &BTreeMap<VehicleClass, [Rate; 3]>,
) {
    let total_us = of_lot.bays.saturating_mul(span.length_us());
    let mut unknown_us = 0;
    let (mut due, mut owed) = (0_i64, 0_i64);
    for (class, rates) in rates {
        let unsure = of_lot.unsure.get(&(day, *class));
        let unsure = unsure.copied().unwrap_or_default();
        due = due.saturating_add(Rate::cost_vnd(rates, unsure.all_us));
        owed = owed.saturating_add(Rate::cost_vnd(rates, unsure.unpaid_us));
        unknown_us += unsure.unknown_us;
    }
    // What is unknown of the lot but of none of its bays: events are forgotten, tallies are not.
    let missing_us = (total_us - unknown_us - known_us).max(0);
    let dearest = rates
        .values()
        .map(|rates| Rate::cost_vnd(rates, missing_us));
    let missing = dearest.max().unwrap_or(0);
    cell.uncertainty.total_us = total_us;
    cell.uncertainty.known_us = (total_us - unknown_us - missing_us).max(0);
    cell.uncertainty.due_more_vnd = (cell.uncertainty.due_more_vnd)
        .saturating_add(due)
        .saturating_add(missing);
    cell.uncertainty.owed_more_vnd = (cell.uncertainty.owed_more_vnd)
        .saturating_add(owed)
        .saturating_add(missing);
}

/// Adds what a lot held on each day.
fn add_loads(
    lot: LotId,
    bays: &[&BayPast],
    licensed: u32,
    days: Days<'_>,
    collected: &mut Collected,
) {
    let of_bay = |bay: &&BayPast| -> Vec<Held> {
        let stays = bay.stays.iter();
        stays
            .flat_map(|stay| licence::held(stay, &bay.unknown))
            .collect()
    };
    let held: Vec<Held> = bays.iter().flat_map(of_bay).collect();
    let spans: Vec<Span> = days.iter().map(|(_, span)| *span).collect();
    let loads = licence::loads(&held, licensed, &spans);
    for ((day, _), load) in days.iter().zip(loads) {
        collected.loads.insert((lot, *day), load);
    }
}
