//! A planned day as a list of acts: who does what at which moment.

use chrono::{NaiveDate, TimeDelta};
use domain::Timestamp;
use domain::device::Device;
use domain::place::{Place, VehicleClass};
use rand::Rng;
use uuid::Uuid;

use crate::city;
use crate::plan::{Habit, PlannedStay, chance, day_start, stays};
use crate::sensor::{Statement, message};

/// Something that happens at a moment.
#[derive(Clone, Debug)]
pub struct Act {
    /// When.
    pub when: Timestamp,
    /// What.
    pub kind: Kind,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A sensor's message reaches the broker.
    Message {
        /// Where it is published.
        topic: String,
        /// What it says.
        payload: Vec<u8>,
        /// Whether it only repeats the state, once an hour.
        heartbeat: bool,
    },
    /// A driver buys a session.
    Sale(Sale),
}

/// A driver's purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The idempotency key: the same purchase has the same key whenever it is sent.
    pub key: Uuid,
    /// The bay's code.
    pub bay: String,
    /// The vehicle.
    pub class: VehicleClass,
    /// The plate.
    pub plate: String,
    /// For how many minutes.
    pub minutes: u32,
    /// How many seconds later the bank has the money; `None` never.
    pub paid_after_s: Option<u32>,
    /// By how many đồng the driver errs.
    pub error_vnd: i64,
}

/// Whether a lot's bay has a sensor that died, and at what hour of the planned day `day`.
fn dies(seed: u64, bay: u32) -> bool {
    chance(seed, bay, NaiveDate::MIN, 3).random_bool(0.01)
}

/// All acts of a planned day that fall into `[from, to)`, in order of time.
pub fn acts(
    place: &Place,
    seed: u64,
    day: NaiveDate,
    (from, to): (Timestamp, Timestamp),
    dead_since: Timestamp,
) -> Vec<Act> {
    let mut out = Vec::new();
    let mut number = 0;
    for lot in &place.lots {
        let demand = city::demand(&lot.code);
        for bay in &lot.bays {
            number += 1;
            let plan = stays(seed, number, bay.class, demand, day);
            let mut rng = chance(seed, number, day, 1);
            if let Some(device) = &bay.device {
                let dead = dies(seed, number).then_some(dead_since);
                sense(&mut out, &mut rng, device, &plan, day, number, dead);
            }
            let mut rng = chance(seed, number, day, 2);
            out.extend(
                plan.iter()
                    .filter_map(|stay| sale(&mut rng, seed, &bay.code, bay.class, stay)),
            );
        }
    }
    out.retain(|act| from <= act.when && act.when < to);
    out.sort_by_key(|act| act.when);
    out
}

/// What a sensor says over a day: changes, some late, some twice, some lost; and heartbeats.
fn sense(
    out: &mut Vec<Act>,
    rng: &mut impl Rng,
    device: &Device,
    plan: &[PlannedStay],
    day: NaiveDate,
    number: u32,
    dead: Option<Timestamp>,
) {
    let start = day_start(day);
    let alive = |at: Timestamp| dead.is_none_or(|dead| at < dead);
    let mut say = |at: Timestamp, statement: Statement, delay_ms: i64, heartbeat: bool| {
        if alive(at) {
            let (topic, payload) = message(device, &statement);
            let when = at + TimeDelta::milliseconds(delay_ms);
            out.push(Act {
                when,
                kind: Kind::Message {
                    topic,
                    payload,
                    heartbeat,
                },
            });
        }
    };
    let mut before = start;
    let changes = plan
        .iter()
        .flat_map(|stay| [(stay.from, true), (stay.to, false)]);
    for (at, occupied) in changes {
        let previous_min = u16::try_from((at - before).num_minutes())
            .ok()
            .or(Some(u16::MAX));
        let statement = Statement {
            at,
            occupied,
            previous_min,
        };
        before = at;
        // One in two hundred never arrives: the next heartbeat tells.
        if rng.random_bool(0.005) {
            continue;
        }
        // Radio and network take a moment; three in a hundred wait for a gateway to come back.
        let delay_ms = match rng.random_bool(0.03) {
            true => rng.random_range(10_000..600_000),
            false => rng.random_range(200..3_000),
        };
        say(at, statement, delay_ms, false);
        if rng.random_bool(0.02) {
            say(
                at,
                statement,
                delay_ms + rng.random_range(500..20_000),
                false,
            );
        }
    }
    let offset_s = i64::from(number * 7 % 3_600);
    for hour in 0..24 {
        let at = start + TimeDelta::seconds(hour * 3_600 + offset_s);
        let occupied = plan.iter().any(|stay| stay.from <= at && at < stay.to);
        say(
            at,
            Statement {
                at,
                occupied,
                previous_min: None,
            },
            rng.random_range(200..3_000),
            true,
        );
    }
}

fn sale(
    rng: &mut impl Rng,
    seed: u64,
    bay: &str,
    class: VehicleClass,
    stay: &PlannedStay,
) -> Option<Act> {
    let delay_s = rng.random_range(8..75);
    let error = rng.random_range(1..5) * 1_000;
    if stay.habit == Habit::NeverPays {
        return None;
    }
    let name = format!("{seed}/{bay}/{}", stay.from.timestamp());
    Some(Act {
        when: stay.from + TimeDelta::seconds(i64::from(stay.pays_after_s)),
        kind: Kind::Sale(Sale {
            key: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
            bay: bay.to_owned(),
            class,
            plate: stay.plate.clone(),
            minutes: stay.paid_min,
            paid_after_s: (stay.habit != Habit::GivesUp).then_some(delay_s),
            error_vnd: if stay.habit == Habit::WrongAmount {
                -error
            } else {
                0
            },
        }),
    })
}
