//! Demand-responsive price advice: dearer where places are hard to find, cheaper where they stand
//! empty, by rules that the city sets. After the San Francisco Municipal Transportation Agency's
//! SFpark pilot (Pierce and Shoup, "Getting the Prices Right", Journal of the American Planning
//! Association 79, 2013), which raised prices at 80 % and above, held them from 60 to 80 % and lowered
//! them below. Advice is not a tariff: people decide.

use serde::{Deserialize, Serialize};

use crate::money::Vnd;
use crate::occupancy::Tally;

/// A city's rules. Shares in basis points, prices for an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRules {
    /// At this share of occupied time and above, raise.
    pub raise_from_bp: u32,
    /// Below this share, lower.
    pub lower_below_bp: u32,
    /// By how much at once.
    pub step_vnd: Vnd,
    /// Never below this.
    pub floor_vnd: Vnd,
    /// Never above this.
    pub ceiling_vnd: Vnd,
}

impl Default for PriceRules {
    fn default() -> Self {
        Self {
            raise_from_bp: 8_000,
            lower_below_bp: 6_000,
            step_vnd: Vnd::new(5_000),
            floor_vnd: Vnd::new(5_000),
            ceiling_vnd: Vnd::new(100_000),
        }
    }
}

/// Why rules are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceRulesError {
    /// The two limits, or the two ends, are in the wrong order.
    #[error("prices cannot be lowered below {} % and raised from {} %", .0 / 100, .1 / 100)]
    Shares(u32, u32),
    /// A step that leads nowhere, or beyond both ends.
    #[error("the step must be above 0 and not above the ceiling")]
    Step,
    /// Ends in the wrong order.
    #[error("the floor must not be below 0, nor above the ceiling")]
    Ends,
}

impl PriceRules {
    /// Whether they can be followed.
    ///
    /// # Errors
    /// [`PriceRulesError`].
    pub fn check(&self) -> Result<(), PriceRulesError> {
        if self.lower_below_bp > self.raise_from_bp || self.raise_from_bp > 10_000 {
            return Err(PriceRulesError::Shares(
                self.lower_below_bp,
                self.raise_from_bp,
            ));
        }
        if self.floor_vnd < Vnd::ZERO || self.ceiling_vnd < self.floor_vnd {
            return Err(PriceRulesError::Ends);
        }
        if self.step_vnd <= Vnd::ZERO || self.step_vnd > self.ceiling_vnd {
            return Err(PriceRulesError::Step);
        }
        Ok(())
    }
}

/// What to do about a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Advice {
    /// Raise it to this: places are hard to find.
    Raise {
        /// The price for an hour.
        to_vnd: Vnd,
    },
    /// Leave it: about as full as it should be.
    Hold,
    /// Lower it to this: places stand empty.
    Lower {
        /// The price for an hour.
        to_vnd: Vnd,
    },
    /// Full, and as dear as it may become.
    AtCeiling,
    /// Empty, and as cheap as it may become.
    AtFloor,
    /// Too little is known.
    NotKnown,
}

/// Of the time in question this much must be known, in basis points.
pub const KNOWN_FROM_BP: u32 = 5_000;

/// How full bays were in a band of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// The share of known time in which a bay was occupied, in basis points.
    pub occupied_bp: u32,
    /// The share of all time that is known, in basis points.
    pub known_bp: u32,
}

impl Use {
    /// Of what some bays did, out of `bay_us`: microseconds in the band times bays.
    pub fn of(tally: Tally, bay_us: i64) -> Self {
        let known = i128::from(tally.occupied_us) + i128::from(tally.free_us);
        let bp = |part: i128, whole: i128| {
            let share = part.max(0) * 10_000 / whole.max(1);
            u32::try_from(share.min(10_000)).unwrap_or(10_000)
        };
        Self {
            occupied_bp: bp(tally.occupied_us.into(), known),
            known_bp: bp(known, bay_us.into()),
        }
    }
}

/// What to do about a price for an hour, by how full it was.
pub fn advise(used: Use, price_vnd: Vnd, rules: &PriceRules) -> Advice {
    let moved = |by: Option<Vnd>| {
        let to = by.unwrap_or(price_vnd);
        Vnd::new(
            to.get()
                .clamp(rules.floor_vnd.get(), rules.ceiling_vnd.get()),
        )
    };
    if used.known_bp < KNOWN_FROM_BP {
        return Advice::NotKnown;
    }
    if used.occupied_bp >= rules.raise_from_bp {
        let to_vnd = moved(price_vnd.checked_add(rules.step_vnd));
        return match to_vnd > price_vnd {
            true => Advice::Raise { to_vnd },
            false => Advice::AtCeiling,
        };
    }
    if used.occupied_bp < rules.lower_below_bp {
        let to_vnd = moved(price_vnd.checked_sub(rules.step_vnd));
        return match to_vnd < price_vnd {
            true => Advice::Lower { to_vnd },
            false => Advice::AtFloor,
        };
    }
    Advice::Hold
}

/// A band of the day on working days or on weekends, for which one price would hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Band {
    /// Saturday and Sunday, or the other days.
    pub weekend: bool,
    /// Its first hour, local.
    pub from_hour: u32,
    /// The hour at which it ends; at or below `from_hour` it is on the next day.
    pub to_hour: u32,
}

impl Band {
    /// All bands: no hour of the week lies in two of them or in none.
    pub const ALL: [Self; 8] = {
        const fn band(weekend: bool, from_hour: u32, to_hour: u32) -> Band {
            Band {
                weekend,
                from_hour,
                to_hour,
            }
        }
        [
            band(false, 6, 10),
            band(false, 10, 16),
            band(false, 16, 20),
            band(false, 20, 6),
            band(true, 6, 10),
            band(true, 10, 16),
            band(true, 16, 20),
            band(true, 20, 6),
        ]
    };

    /// How many hours it has.
    pub const fn hours(&self) -> u32 {
        (self.to_hour + 24 - self.from_hour) % 24
    }

    /// The band of an hour of the week, its weekday counted from Monday as 0. What lies after
    /// midnight belongs to the evening's day no more: it is of its own day.
    pub fn of(weekday: u32, hour: u32) -> Self {
        let weekend = weekday >= 5;
        let holds = |band: &&Self| {
            let inside = (hour + 24 - band.from_hour) % 24 < band.hours();
            band.weekend == weekend && inside
        };
        Self::ALL
            .iter()
            .find(holds)
            .copied()
            .unwrap_or(Self::ALL[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Vnd = Vnd::new(25_000);

    fn used(occupied_bp: u32) -> Use {
        Use {
            occupied_bp,
            known_bp: 9_000,
        }
    }

    #[test]
    fn dearer_where_it_is_full_and_cheaper_where_it_is_empty() {
        let rules = PriceRules::default();
        let to = |vnd| Vnd::new(vnd);
        for (share, advice) in [
            (10_000, Advice::Raise { to_vnd: to(30_000) }),
            (8_000, Advice::Raise { to_vnd: to(30_000) }),
            (7_999, Advice::Hold),
            (6_000, Advice::Hold),
            (5_999, Advice::Lower { to_vnd: to(20_000) }),
            (0, Advice::Lower { to_vnd: to(20_000) }),
        ] {
            assert_eq!(advise(used(share), PRICE, &rules), advice, "{share}");
        }
        let unknown = Use {
            known_bp: 4_999,
            ..used(10_000)
        };
        assert_eq!(advise(unknown, PRICE, &rules), Advice::NotKnown);
    }

    #[test]
    fn no_step_leads_beyond_the_floor_or_the_ceiling() {
        let rules = PriceRules {
            floor_vnd: Vnd::new(23_000),
            ceiling_vnd: Vnd::new(26_000),
            ..PriceRules::default()
        };
        let (full, empty) = (used(9_000), used(100));
        let to = |to_vnd| Vnd::new(to_vnd);
        assert_eq!(
            advise(full, PRICE, &rules),
            Advice::Raise { to_vnd: to(26_000) }
        );
        assert_eq!(advise(full, to(26_000), &rules), Advice::AtCeiling);
        assert_eq!(
            advise(empty, PRICE, &rules),
            Advice::Lower { to_vnd: to(23_000) }
        );
        assert_eq!(advise(empty, to(23_000), &rules), Advice::AtFloor);
        // What is already beyond an end is not pushed further, and not against the demand.
        assert_eq!(advise(full, to(30_000), &rules), Advice::AtCeiling);
        assert_eq!(advise(empty, to(1_000), &rules), Advice::AtFloor);
    }

    #[test]
    fn every_hour_of_the_week_lies_in_one_band() {
        let mut hours = [0; Band::ALL.len()];
        for weekday in 0..7 {
            for hour in 0..24 {
                let band = Band::of(weekday, hour);
                let index = Band::ALL.iter().position(|known| *known == band);
                hours[index.unwrap_or_default()] += 1;
                assert_eq!(band.weekend, weekday >= 5);
            }
        }
        for (band, hours) in Band::ALL.iter().zip(hours) {
            assert_eq!(hours, band.hours() * if band.weekend { 2 } else { 5 });
        }
    }

    #[test]
    fn what_is_unknown_says_nothing_about_the_share() {
        let tally = Tally {
            occupied_us: 30,
            free_us: 10,
            arrivals: 1,
        };
        let used = Use::of(tally, 80);
        assert_eq!((used.occupied_bp, used.known_bp), (7_500, 5_000));
        assert_eq!(Use::of(Tally::default(), 0), Use::default());
    }

    #[test]
    fn rules_that_contradict_themselves_are_refused() {
        let rules = PriceRules::default();
        assert_eq!(rules.check(), Ok(()));
        let shares = PriceRules {
            lower_below_bp: 8_500,
            ..rules
        };
        assert!(shares.check().is_err());
        let step = |step_vnd| PriceRules { step_vnd, ..rules };
        assert_eq!(step(Vnd::ZERO).check(), Err(PriceRulesError::Step));
        assert_eq!(step(Vnd::new(1 << 40)).check(), Err(PriceRulesError::Step));
        let ceiling_vnd = Vnd::new(4_000);
        let ends = PriceRules {
            ceiling_vnd,
            ..rules
        };
        assert_eq!(ends.check(), Err(PriceRulesError::Ends));
    }
}
