//! What makes a tariff sound: every moment has exactly one price, and none is below zero.

use chrono::{NaiveTime, TimeDelta, Timelike};

use super::broken::MAX_RATE;
use super::clock::MINUTE;
use super::{
    Block, Broken, Day, Increments, MAX_QUOTED, Part, PassKind, Pricing, Spot, Tariff, TariffError,
    Window,
};
use crate::money::Vnd;

/// Collects what is wrong.
struct Faults(Vec<TariffError>);

impl Faults {
    fn add(&mut self, spot: &Spot, broken: Broken) {
        let spot = spot.clone();
        self.0.push(TariffError { spot, broken });
    }

    fn price(&mut self, spot: &Spot, field: &'static str, price: Option<Vnd>) {
        let spot = spot.with(Part::Field(field));
        match price {
            Some(price) if price < Vnd::ZERO => self.add(&spot, Broken::Negative(price)),
            Some(price) if price > MAX_RATE => self.add(&spot, Broken::TooHigh(price)),
            _ => {}
        }
    }

    fn names(&mut self, spot: &Spot, names: &[&str]) {
        if names.iter().any(|name| name.trim().is_empty()) {
            self.add(spot, Broken::Nameless);
        }
    }
}

impl Tariff {
    /// Checks that the tariff prices every moment exactly once and never below zero.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), TariffError> {
        self.check().into_iter().next().map_or(Ok(()), Err)
    }

    /// All that is wrong with the tariff; nothing where it is sound.
    pub fn check(&self) -> Vec<TariffError> {
        let mut faults = Faults(Vec::new());
        let whole = Spot::default();
        let field = |name| whole.with(Part::Field(name));
        let longest = MAX_QUOTED.num_minutes();
        if self.max_stay_min < 15 || i64::from(self.max_stay_min) > longest {
            faults.add(&field("max_stay_min"), Broken::MaxStay(self.max_stay_min));
        }
        if self.free_min > 24 * 60 {
            faults.add(&field("free_min"), Broken::Free(self.free_min));
        }
        if self.vat_bp > 10_000 {
            faults.add(&field("vat_bp"), Broken::Vat(self.vat_bp));
        }
        faults.price(&whole, "cap_24h_vnd", self.cap_24h_vnd);
        faults.price(&whole, "cap_day_vnd", self.cap_day_vnd);
        self.check_pricing(&whole, &self.pricing, &mut faults);
        self.check_days(&mut faults);
        self.check_offers(&mut faults);
        faults.0
    }

    fn check_days(&self, faults: &mut Faults) {
        let mut seen = Vec::new();
        for (index, rule) in self.days.iter().enumerate() {
            let spot = Spot::default().with(Part::Rule(index));
            let on = spot.with(Part::Field("on"));
            faults.names(&spot, &[&rule.name_vi, &rule.name_en]);
            if rule.on.is_empty() {
                faults.add(&on, Broken::NoDay);
            }
            for day in &rule.on {
                if seen.contains(day) {
                    faults.add(&on, Broken::DayTwice(*day));
                }
                seen.push(*day);
            }
            if rule.on.contains(&Day::Holiday) && self.holidays.is_empty() {
                faults.add(&on, Broken::NoHolidays);
            }
            self.check_pricing(&spot, &rule.pricing, faults);
        }
    }

    fn check_offers(&self, faults: &mut Faults) {
        for (index, offer) in self.passes.iter().enumerate() {
            let spot = Spot::default().with(Part::Pass(index));
            faults.price(&spot, "price_vnd", Some(offer.price_vnd));
            if offer.price_vnd == Vnd::ZERO {
                faults.add(&spot, Broken::FreePass);
            }
            if (offer.kind == PassKind::Day) != offer.hours.is_some() {
                faults.add(&spot, Broken::PassHours);
            }
            let before = &self.passes[..index];
            if before.iter().any(|known| known.kind == offer.kind) {
                faults.add(&spot, Broken::Twice(offer.kind.code().to_owned()));
            }
        }
        for (index, ground) in self.exemptions.iter().enumerate() {
            let spot = Spot::default().with(Part::Exemption(index));
            faults.names(&spot, &[&ground.code, &ground.name_vi, &ground.name_en]);
            let before = &self.exemptions[..index];
            if before.iter().any(|known| known.code == ground.code) {
                faults.add(&spot, Broken::Twice(ground.code.clone()));
            }
        }
    }

    fn check_pricing(&self, spot: &Spot, pricing: &Pricing, faults: &mut Faults) {
        match pricing {
            Pricing::Blocks(blocks) => self.check_blocks(spot, blocks, faults),
            Pricing::Windows(windows) => {
                for (index, window) in windows.iter().enumerate() {
                    let spot = spot.with(Part::Window(index));
                    faults.names(&spot, &[&window.name_vi, &window.name_en]);
                    faults.price(&spot, "rate_vnd", Some(window.rate_vnd));
                    if !window.blocks.is_empty() {
                        if window.rate_vnd != Vnd::ZERO {
                            faults.add(&spot, Broken::TwoPrices);
                        }
                        self.check_blocks(&spot, &window.blocks, faults);
                    }
                }
                check_day_is_filled(spot, windows, faults);
            }
        }
    }

    fn check_blocks(&self, spot: &Spot, blocks: &[Block], faults: &mut Faults) {
        if blocks.is_empty() {
            return faults.add(spot, Broken::Empty);
        }
        let mut begin = 0;
        for (index, block) in blocks.iter().enumerate() {
            let spot = spot.with(Part::Block(index));
            faults.price(&spot, "rate_vnd", Some(block.rate_vnd));
            faults.price(&spot, "min_vnd", block.min_vnd);
            faults.price(&spot, "max_vnd", block.max_vnd);
            if let (Some(min), Some(max)) = (block.min_vnd, block.max_vnd)
                && min > max
            {
                faults.add(&spot, Broken::Bounds { min, max });
            }
            let per_min = block.per_min;
            let sound = (1..=44_640).contains(&per_min);
            let increment = spot.with(Part::Field("per_min"));
            if !sound {
                faults.add(&increment, Broken::Increment(per_min));
            } else if self.increments == Increments::Calendar && 24 * 60 % per_min != 0 {
                faults.add(&increment, Broken::NoCalendar(per_min));
            }
            let last = index + 1 == blocks.len();
            let until = spot.with(Part::Field("until_min"));
            match block.until_min {
                None if last => {}
                None => faults.add(&spot, Broken::OpenTooEarly),
                Some(end) if last => faults.add(&until, Broken::NoEnd(end)),
                Some(end) if end <= begin => {
                    faults.add(&until, Broken::Backwards { begin, end });
                }
                Some(end) => {
                    let length = end - begin;
                    let rolling = self.increments == Increments::Rolling;
                    if sound && rolling && !length.is_multiple_of(per_min) {
                        faults.add(&until, Broken::Uneven { length, per_min });
                    }
                }
            }
            begin = block.until_min.unwrap_or(begin).max(begin);
        }
    }
}

/// Every minute of the day must lie in exactly one window.
fn check_day_is_filled(spot: &Spot, windows: &[Window], faults: &mut Faults) {
    const MINUTES: i64 = 24 * 60;
    let Some(first) = windows.first() else {
        return faults.add(spot, Broken::Empty);
    };
    for (index, window) in windows.iter().enumerate() {
        if window.from.second() != 0 || window.to.second() != 0 {
            let spot = spot.with(Part::Window(index));
            faults.add(&spot, Broken::Seconds);
        }
    }
    let start = i64::from(first.from.num_seconds_from_midnight()) / 60;
    let holding = |minute: i64| {
        let time = (start + minute) % MINUTES * MINUTE;
        let holds = windows
            .iter()
            .enumerate()
            .filter(move |(_, w)| w.holds(time));
        (
            holds.clone().count(),
            holds.map(|(index, _)| index).next_back(),
        )
    };
    let clock = |minute: i64| NaiveTime::MIN + TimeDelta::minutes((start + minute) % MINUTES);
    let mut minute = 0;
    while minute < MINUTES {
        let begin = minute;
        let (count, last) = holding(minute);
        while minute < MINUTES && holding(minute) == (count, last) {
            minute += 1;
        }
        let (from, to, minutes) = (clock(begin), clock(minute), minute - begin);
        // A gap is told of the window that should have begun there.
        let next = holding(minute % MINUTES).1;
        let spot = last
            .or(next)
            .map_or_else(|| spot.clone(), |index| spot.with(Part::Window(index)));
        match count {
            0 => faults.add(&spot, Broken::WindowGap { from, to, minutes }),
            1 => {}
            _ => faults.add(&spot, Broken::WindowOverlap { from, to, minutes }),
        }
    }
}
