//! The rules by which faults begin and end.

use chrono::TimeDelta;

use super::{Changes, DeviceRecord, Fault, FaultChange, FaultDetail, FaultKind, Heard, Newest};
use crate::Timestamp;
use crate::device::is_silent;

/// How long a bay's state must not have changed for its sensor to be called stuck: longer than a
/// weekend's stay.
pub const STUCK_AFTER: TimeDelta = TimeDelta::hours(72);
/// How many vehicles must have come meanwhile to a bay beside it, at the median. Where vehicles come
/// as a Poisson process, a bay like its neighbours sees none of so many once in 22,000 times
/// (e^-10): less than once in 10,000. Vehicles are counted and not changes, of which each makes two.
pub const STUCK_ARRIVALS: u32 = 10;
/// How many bays there must be to compare one with.
pub const STUCK_NEIGHBOURS: usize = 3;
/// How many days of the neighbours' arrivals are compared at most.
pub const STUCK_DAYS: usize = 14;

/// How many changes in an hour are more than vehicles make, if most of the states between them are
/// shorter than [`SHORT_STATE`]: a bay in which people are only dropped has short stays, too, but
/// longer pauses.
pub const FLAPPING_CHANGES: u32 = 12;
/// Below how many changes in an hour a sensor flaps no longer.
pub const FLAPPING_OVER: u32 = 6;
/// A state that is shorter is no vehicle's.
pub const SHORT_STATE: TimeDelta = TimeDelta::minutes(2);

/// How long after their own time all messages reach us from a clock that runs behind. Late ones are
/// usual; that even the fastest takes so long is not.
pub const CLOCK_BEHIND: TimeDelta = TimeDelta::minutes(10);
/// How long before their own time all messages reach us from a clock that runs ahead.
pub const CLOCK_AHEAD: TimeDelta = TimeDelta::minutes(1);
/// How many messages must agree on it,
pub const CLOCK_MESSAGES: u32 = 4;
/// The lags of a wrong clock differ by no more than this: so long a message may be on its way.
pub const CLOCK_STEADY: TimeDelta = TimeDelta::minutes(5);
/// and over how long they must have reached us: what was kept back comes all at once.
pub const CLOCK_OBSERVED: TimeDelta = TimeDelta::hours(1);
/// How many messages must have been refused for their time, with none believed after them.
pub const CLOCK_REFUSED: u32 = 3;
/// How long a clock must have been right again.
pub const CLOCK_RIGHT_FOR: TimeDelta = TimeDelta::hours(1);

/// By how many millivolts a new battery is above the limit: more than warmth makes of an old one.
pub const BATTERY_RISE_MV: i32 = 100;

/// For how many whole days a bay's state has not changed, as far as its sensor is then suspected of
/// being stuck; `None` where it is not.
pub fn unchanged_days(record: &DeviceRecord, now: Timestamp) -> Option<usize> {
    let unchanged = now - unchanged_from(record, now)?;
    let days = usize::try_from(unchanged.num_days()).unwrap_or(0);
    (unchanged >= STUCK_AFTER).then(|| days.min(STUCK_DAYS))
}

/// From when on a device that is heard has said the same.
fn unchanged_from(record: &DeviceRecord, now: Timestamp) -> Option<Timestamp> {
    let heard = record.heard.filter(|heard| !silent(record, heard, now))?;
    // What another device said before it was installed is not this one's.
    let from = record.installed_from.unwrap_or(heard.known_from);
    Some(heard.known_from.max(from))
}

fn silent(record: &DeviceRecord, heard: &Heard, now: Timestamp) -> bool {
    is_silent(heard.at, Some(record.silence_after_s), now)
}

/// Which faults of a device begin at `now`, and which end.
pub fn assess(record: &DeviceRecord, now: Timestamp) -> Vec<FaultChange> {
    let change = |kind| {
        let open = record.open.iter().find(|(open, _)| *open == kind);
        match open {
            None => begins(record, kind, now).map(FaultChange::Begins),
            // A fault ends after it began, even where clocks disagree.
            Some((_, since)) => ends(record, kind, *since, now)
                .filter(|until| until > since)
                .map(|until| FaultChange::Ends { kind, until }),
        }
    };
    FaultKind::ALL.into_iter().filter_map(change).collect()
}

fn begins(record: &DeviceRecord, kind: FaultKind, now: Timestamp) -> Option<Fault> {
    let (since, detail) = match kind {
        FaultKind::CommsLost => comms_lost(record, now),
        FaultKind::Stuck => stuck(record, now),
        FaultKind::Flapping => flapping(record),
        FaultKind::Clock => clock(record, now),
        FaultKind::Battery => battery(record),
    }?;
    // What went wrong before it was installed was another device's, or elsewhere.
    let begun_here = record.installed_from.is_none_or(|from| since >= from);
    begun_here.then_some(Fault {
        kind,
        since,
        detail,
    })
}

fn ends(
    record: &DeviceRecord,
    kind: FaultKind,
    since: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    // Whoever put it into a bay meanwhile has seen to it.
    if let Some(installed) = record.installed_from.filter(|installed| *installed > since) {
        return Some(installed);
    }
    let heard = record.heard?;
    let over = match kind {
        FaultKind::CommsLost => {
            // Its first word after the silence; or the last, where what was kept back has closed the
            // gap. It may be silent again by now: that is another loss.
            let back = Some(heard.known_from).filter(|known_from| *known_from > since);
            return Some(back.unwrap_or(heard.at));
        }
        FaultKind::Stuck => heard.since > since,
        FaultKind::Flapping => !silent(record, &heard, now) && record.lately.count < FLAPPING_OVER,
        FaultKind::Clock => clock_is_right(record, now),
        FaultKind::Battery => {
            let battery = record.newest.and_then(|newest| newest.battery);
            battery.is_some_and(|battery| {
                battery.lowest_mv >= record.battery_limit_mv + BATTERY_RISE_MV
            })
        }
    };
    over.then_some(now)
}

fn comms_lost(record: &DeviceRecord, now: Timestamp) -> Option<(Timestamp, FaultDetail)> {
    let heard_at = record.heard.map(|heard| heard.at);
    let installed = record.installed_from.unwrap_or(record.noted_at);
    let last = heard_at.unwrap_or(installed);
    let as_of = record.listened_until.min(now);
    is_silent(last, Some(record.silence_after_s), as_of).then(|| {
        let limit = TimeDelta::seconds(record.silence_after_s.into());
        (last + limit, FaultDetail::CommsLost { heard_at })
    })
}

fn stuck(record: &DeviceRecord, now: Timestamp) -> Option<(Timestamp, FaultDetail)> {
    let days = unchanged_days(record, now)?;
    // No further back than bays are compared.
    let compared = TimeDelta::days(i64::try_from(days).unwrap_or(i64::MAX));
    let since = match days {
        STUCK_DAYS => now - compared,
        _ => unchanged_from(record, now)?,
    };
    let occupied = record.heard?.occupied;
    let arrivals = record
        .arrivals_beside
        .filter(|arrivals| *arrivals >= STUCK_ARRIVALS)?;
    Some((since, FaultDetail::Stuck { occupied, arrivals }))
}

fn flapping(record: &DeviceRecord) -> Option<(Timestamp, FaultDetail)> {
    let Changes {
        count,
        short,
        first_short_at,
    } = record.lately;
    let flaps = count >= FLAPPING_CHANGES && short * 2 > count;
    Some((
        first_short_at.filter(|_| flaps)?,
        FaultDetail::Flapping { changes: count },
    ))
}

fn clock(record: &DeviceRecord, now: Timestamp) -> Option<(Timestamp, FaultDetail)> {
    let believed_at = record.newest.map(|newest| newest.last_received_at);
    let refused = record.refused.filter(|refused| {
        refused.count >= CLOCK_REFUSED && believed_at.is_none_or(|at| at < refused.last_at)
    });
    if let Some(refused) = refused {
        let from = record.installed_from.unwrap_or(refused.first_at);
        let detail = FaultDetail::ClockRefused {
            refused: refused.count,
        };
        return Some((refused.first_at.max(from), detail));
    }
    let newest = record.newest?;
    let observed = newest.count >= CLOCK_MESSAGES
        && newest.last_received_at - newest.first_received_at >= CLOCK_OBSERVED
        && now - newest.last_received_at < TimeDelta::days(1);
    let behind = match newest {
        Newest { lag_min, .. } if lag_min > CLOCK_BEHIND => lag_min,
        Newest { lag_max, .. } if lag_max < -CLOCK_AHEAD => lag_max,
        _ => return None,
    };
    // A wrong clock is as wrong each time. What was kept back comes all at once, each message by another
    // time late, and may do so again hours later.
    if newest.lag_max - newest.lag_min > CLOCK_STEADY {
        return None;
    }
    observed.then(|| {
        let detail = FaultDetail::Clock {
            behind_s: behind.num_seconds(),
        };
        // Known time is told by the device's clock, and one that runs ahead says so too late.
        (newest.first_at.min(newest.first_received_at), detail)
    })
}

fn clock_is_right(record: &DeviceRecord, now: Timestamp) -> bool {
    let Some(newest) = record.newest else {
        return false;
    };
    let refused_at = record.refused.map(|refused| refused.last_at);
    newest
        .wrong_received_at
        .max(refused_at)
        .is_none_or(|wrong| newest.last_received_at > wrong && now - wrong >= CLOCK_RIGHT_FOR)
}

fn battery(record: &DeviceRecord) -> Option<(Timestamp, FaultDetail)> {
    let limit_mv = record.battery_limit_mv;
    let battery = record.newest?.battery?;
    (battery.highest_mv < limit_mv).then(|| {
        let battery_mv = battery.highest_mv;
        (
            battery.at,
            FaultDetail::Battery {
                battery_mv,
                limit_mv,
            },
        )
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
