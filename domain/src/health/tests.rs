#![allow(clippy::unwrap_used)]

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::health::{Battery, LastCheck, LotArrivals, Refused, listened_until};
use crate::id::BayId;

const LIMIT_S: i32 = 3_600;

fn now() -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn ago(minutes: i64) -> Timestamp {
    now() - TimeDelta::minutes(minutes)
}

/// A sensor with which all is well, and of which all is known.
fn well() -> DeviceRecord {
    DeviceRecord {
        installed_from: Some(ago(60 * 24 * 30)),
        noted_at: ago(60 * 24 * 30),
        listened_until: now(),
        silence_after_s: LIMIT_S,
        heard: Some(Heard {
            at: ago(5),
            occupied: true,
            since: ago(45),
            known_from: ago(45),
        }),
        lately: Changes {
            count: 2,
            short: 0,
            first_short_at: None,
        },
        newest: Some(Newest {
            count: 12,
            first_at: ago(600),
            first_received_at: ago(600),
            last_received_at: ago(5),
            lag_min: TimeDelta::seconds(1),
            lag_max: TimeDelta::minutes(40),
            wrong_received_at: Some(ago(500)),
            battery: Some(Battery {
                lowest_mv: 3_560,
                highest_mv: 3_600,
                at: ago(5),
            }),
        }),
        refused: None,
        arrivals_beside: Some(40),
        battery_limit_mv: 3_300,
        open: Vec::new(),
    }
}

fn with(change: impl FnOnce(&mut DeviceRecord)) -> DeviceRecord {
    let mut record = well();
    change(&mut record);
    record
}

/// What begins, with how many minutes ago.
fn begun(record: &DeviceRecord) -> Vec<(FaultKind, i64)> {
    let changes = assess(record, now());
    let begins = changes.into_iter().filter_map(|change| match change {
        FaultChange::Begins(fault) => Some((fault.kind, (now() - fault.since).num_minutes())),
        FaultChange::Ends { .. } => None,
    });
    begins.collect()
}

/// When a fault that began so many minutes ago ends, in minutes ago.
fn ended(kind: FaultKind, since: i64, change: impl FnOnce(&mut DeviceRecord)) -> Option<i64> {
    let mut record = with(change);
    record.open = vec![(kind, ago(since))];
    let changes = assess(&record, now());
    changes.iter().find_map(|change| match change {
        FaultChange::Ends { kind: ended, until } if *ended == kind => {
            Some((now() - *until).num_minutes())
        }
        _ => None,
    })
}

fn last_heard(record: &mut DeviceRecord, minutes: i64) {
    let at = ago(minutes);
    record.heard = Some(Heard {
        at,
        occupied: false,
        since: at,
        known_from: at,
    });
    record.lately = Changes::default();
}

#[test]
fn all_is_well_with_a_sensor_like_any_other() {
    assert_eq!(assess(&well(), now()), []);
}

#[test]
fn a_silent_device_is_lost_from_its_limit_on() {
    let lost = FaultKind::CommsLost;
    assert_eq!(begun(&with(|record| last_heard(record, 60))), []);
    assert_eq!(begun(&with(|record| last_heard(record, 90))), [(lost, 30)]);
    // While what had waited comes in, nobody is heard beyond it.
    let catching_up = |minutes| {
        with(|record| {
            last_heard(record, 900);
            record.listened_until = ago(minutes);
        })
    };
    assert_eq!(begun(&catching_up(850)), []);
    assert_eq!(begun(&catching_up(830)), [(lost, 840)]);
    // A recording's, or a device that nobody has waited for long enough.
    let never = with(|record| record.heard = None);
    assert_eq!(begun(&never), [(lost, 60 * 24 * 30 - 60)]);
    let new = |record: &mut DeviceRecord| {
        record.heard = None;
        record.newest = None;
        record.lately = Changes::default();
        record.installed_from = None;
        record.noted_at = ago(50);
    };
    assert_eq!(begun(&with(new)), []);
    let missing = with(|record| {
        new(record);
        record.noted_at = ago(70);
    });
    assert_eq!(begun(&missing), [(lost, 10)]);
}

#[test]
fn silence_counts_until_now_only_where_nothing_more_comes_in() {
    let check = |at, newest| Some(LastCheck { at, newest });
    let (now, hour) = (now(), TimeDelta::hours(1));
    let minute = TimeDelta::minutes(1);
    // The first look, a city that nobody has heard, and one that goes on as always.
    assert_eq!(listened_until(None, Some(now - hour), now), now);
    assert_eq!(listened_until(check(now - minute, None), None, now), now);
    let newest = Some(now - TimeDelta::seconds(3));
    let usual = listened_until(check(now - minute, Some(now - minute)), newest, now);
    assert_eq!(Some(usual), newest);
    // A backlog comes in; then nothing does.
    let backlog = now - hour * 5;
    let coming = listened_until(
        check(now - minute, Some(backlog - hour)),
        Some(backlog),
        now,
    );
    assert_eq!(coming, backlog);
    let quiet = listened_until(check(now - minute, Some(backlog)), Some(backlog), now);
    assert_eq!(quiet, now);
    // We were away: what had waited has not come yet.
    let away = listened_until(check(now - hour, Some(backlog)), Some(backlog), now);
    assert_eq!(away, backlog);
    // A clock that runs ahead.
    let ahead = listened_until(check(now - minute, Some(now)), Some(now + minute), now);
    assert_eq!(ahead, now);
}

#[test]
fn a_lost_device_is_restored_with_its_first_word() {
    let lost = FaultKind::CommsLost;
    assert_eq!(ended(lost, 30, |record| last_heard(record, 90)), None);
    assert_eq!(ended(lost, 30, |record| record.heard = None), None);
    let back = |record: &mut DeviceRecord| last_heard(record, 7);
    assert_eq!(ended(lost, 300, back), Some(7));
    // It has spoken and is silent again.
    let again = |record: &mut DeviceRecord| last_heard(record, 90);
    assert_eq!(ended(lost, 300, again), Some(90));
    // It has said the same since before, with nothing missing: it was the way that was long.
    assert_eq!(ended(lost, 30, |_| {}), Some(5));
    assert_eq!(ended(lost, 100, |_| {}), Some(45));
}

#[test]
fn a_sensor_that_never_changes_beside_lively_ones_is_stuck() {
    let day = 60 * 24;
    let unchanged = |days: i64, arrivals| {
        with(|record| {
            record.heard.as_mut().unwrap().since = ago(20 * day);
            record.heard.as_mut().unwrap().known_from = ago(days * day);
            record.lately = Changes::default();
            record.arrivals_beside = arrivals;
        })
    };
    let stuck = FaultKind::Stuck;
    assert_eq!(begun(&unchanged(2, Some(40))), []);
    assert_eq!(begun(&unchanged(3, Some(10))), [(stuck, 3 * day)]);
    assert_eq!(begun(&unchanged(9, Some(9))), []);
    // It has been in doubt no longer than it was compared.
    assert_eq!(begun(&unchanged(19, Some(10))), [(stuck, 14 * day)]);
    assert_eq!(begun(&unchanged(9, None)), []);
    // Silent: it is lost, and proves nothing else.
    let mut lost = unchanged(9, Some(40));
    lost.heard.as_mut().unwrap().at = ago(90);
    assert_eq!(begun(&lost), [(FaultKind::CommsLost, 30)]);
    // A new sensor has said it for an hour only.
    let mut new = unchanged(9, Some(40));
    new.installed_from = Some(ago(60));
    assert_eq!(begun(&new), []);
    assert_eq!(unchanged_days(&unchanged(30, None), now()), Some(14));
    assert_eq!(unchanged_days(&unchanged(4, None), now()), Some(4));
    assert_eq!(unchanged_days(&unchanged(2, None), now()), None);
}

#[test]
fn a_stuck_sensor_lives_again_with_a_change() {
    let stuck = FaultKind::Stuck;
    assert_eq!(ended(stuck, 5_000, |_| {}), Some(0));
    let same = |record: &mut DeviceRecord| {
        record.heard.as_mut().unwrap().since = ago(6_000);
        // Not even where the neighbours have become quiet, or it was silent in between.
        record.arrivals_beside = Some(0);
    };
    assert_eq!(ended(stuck, 5_000, same), None);
}

#[test]
fn the_median_of_the_others_is_compared() {
    let mut lot = LotArrivals::default();
    let mut bay = |id, today, before| {
        let mut days = [0; STUCK_DAYS];
        (days[0], days[5]) = (today, before);
        lot.0.insert(BayId(id), days);
        lot.clone()
    };
    bay(1, 0, 0);
    bay(2, 4, 100);
    let three = bay(3, 5, 100);
    assert_eq!(three.beside(BayId(1), 3), None);
    // One that flaps does not make the lot lively.
    let four = bay(4, 900, 0);
    assert_eq!(four.beside(BayId(1), 3), Some(5));
    assert_eq!(four.beside(BayId(1), 6), Some(105));
    let five = bay(5, 1, 0);
    assert_eq!(five.beside(BayId(1), 3), Some(4));
}

#[test]
fn more_changes_than_vehicles_make_are_flapping() {
    let changed = |count, short| {
        with(|record| {
            record.lately = Changes {
                count,
                short,
                first_short_at: Some(ago(50)),
            };
        })
    };
    assert_eq!(begun(&changed(12, 7)), [(FaultKind::Flapping, 50)]);
    assert_eq!(begun(&changed(11, 11)), []);
    // People are dropped: every stay is short, no pause is.
    assert_eq!(begun(&changed(24, 12)), []);
    let over = |count| {
        ended(FaultKind::Flapping, 100, |record| {
            record.lately.count = count;
        })
    };
    assert_eq!(over(6), None);
    assert_eq!(over(5), Some(0));
    let silent = |record: &mut DeviceRecord| last_heard(record, 90);
    assert_eq!(ended(FaultKind::Flapping, 100, silent), None);
}

/// A record whose newest messages all came so long after their own time.
fn late_by(fastest: TimeDelta, slowest: TimeDelta) -> DeviceRecord {
    with(|record| {
        let newest = record.newest.as_mut().unwrap();
        (newest.lag_min, newest.lag_max) = (fastest, slowest);
        newest.first_at = newest.first_received_at - slowest;
    })
}

#[test]
fn a_clock_is_wrong_where_even_the_fastest_message_is_late() {
    let clock = FaultKind::Clock;
    let minutes = TimeDelta::minutes;
    assert_eq!(begun(&late_by(minutes(1), minutes(300))), []);
    assert_eq!(begun(&late_by(minutes(30), minutes(31))), [(clock, 631)]);
    // Ahead: told by when the first reached us, which was before its own time.
    assert_eq!(begun(&late_by(minutes(-3), minutes(-2))), [(clock, 600)]);
    assert_eq!(begun(&late_by(minutes(-3), minutes(2))), []);
    // What was kept back comes all at once.
    let mut at_once = late_by(minutes(30), minutes(300));
    at_once.newest.as_mut().unwrap().first_received_at = ago(6);
    assert_eq!(begun(&at_once), []);
    // And once more hours later, without a word between.
    assert_eq!(begun(&late_by(minutes(12), minutes(130))), []);
    let mut few = late_by(minutes(30), minutes(31));
    few.newest.as_mut().unwrap().count = 3;
    assert_eq!(begun(&few), []);
}

#[test]
fn a_clock_is_wrong_where_nothing_but_refused_messages_comes() {
    let refused = |count, last: i64| {
        with(|record| {
            record.refused = Some(Refused {
                count,
                first_at: ago(200),
                last_at: ago(last),
            });
        })
    };
    assert_eq!(begun(&refused(3, 2)), [(FaultKind::Clock, 200)]);
    assert_eq!(begun(&refused(2, 2)), []);
    // A message that is believed has come since.
    assert_eq!(begun(&refused(3, 20)), []);
    let mut moved = refused(3, 2);
    moved.installed_from = Some(ago(100));
    assert_eq!(begun(&moved), [(FaultKind::Clock, 100)]);
}

#[test]
fn a_clock_must_be_right_for_a_while() {
    let wrong = |wrong: Option<i64>, refused: Option<i64>| {
        ended(FaultKind::Clock, 1_000, |record| {
            record.newest.as_mut().unwrap().wrong_received_at = wrong.map(ago);
            record.refused = refused.map(|last| Refused {
                count: 1,
                first_at: ago(last),
                last_at: ago(last),
            });
        })
    };
    assert_eq!(wrong(Some(59), None), None);
    assert_eq!(wrong(Some(60), None), Some(0));
    assert_eq!(wrong(None, None), Some(0));
    assert_eq!(wrong(Some(100), Some(30)), None);
    assert_eq!(wrong(Some(100), Some(90)), Some(0));
    let unheard = |record: &mut DeviceRecord| record.newest = None;
    assert_eq!(ended(FaultKind::Clock, 1_000, unheard), None);
}

#[test]
fn a_battery_is_weak_by_its_best_reading_and_new_by_its_worst() {
    let reading = |lowest_mv, highest_mv| {
        move |record: &mut DeviceRecord| {
            record.newest.as_mut().unwrap().battery = Some(Battery {
                lowest_mv,
                highest_mv,
                at: ago(5),
            });
        }
    };
    let weak = FaultKind::Battery;
    assert_eq!(begun(&with(reading(3_100, 3_299))), [(weak, 5)]);
    assert_eq!(begun(&with(reading(3_100, 3_300))), []);
    assert_eq!(ended(weak, 100, reading(3_399, 3_600)), None);
    assert_eq!(ended(weak, 100, reading(3_400, 3_600)), Some(0));
    let untold = |record: &mut DeviceRecord| record.newest.as_mut().unwrap().battery = None;
    assert_eq!(ended(weak, 100, untold), None);
}

#[test]
fn whoever_installs_a_device_has_seen_to_its_faults() {
    for kind in FaultKind::ALL {
        let moved = |record: &mut DeviceRecord| {
            record.installed_from = Some(ago(50));
            record.heard = None;
            record.newest = None;
        };
        assert_eq!(ended(kind, 100, moved), Some(50), "{kind}");
    }
}

prop_compose! {
    /// Anything that the database may say of a device.
    fn any_record()(
        heard in prop::option::of((0i64..10_000, any::<bool>(), 0i64..10_000, 0i64..10_000)),
        lately in (0u32..40, 0u32..40),
        newest in prop::option::of((0u32..13, 0i64..2_000, 0i64..2_000, -10i64..60, 0i64..300)),
        wrong in prop::option::of(0i64..2_000),
        battery in prop::option::of((2_500i32..3_700, 0i32..300)),
        refused in prop::option::of((1u32..9, 0i64..1_440, 0i64..1_440)),
        installed in prop::option::of(0i64..10_000),
        arrivals_beside in prop::option::of(0u32..50),
    ) -> DeviceRecord {
        DeviceRecord {
            installed_from: installed.map(ago),
            noted_at: ago(9_000),
            listened_until: now(),
            silence_after_s: LIMIT_S,
            heard: heard.map(|(at, occupied, since, known)| Heard {
                at: ago(at),
                occupied,
                since: ago(at + since + known),
                known_from: ago(at + known),
            }),
            lately: Changes {
                count: lately.0,
                short: lately.1.min(lately.0),
                first_short_at: (lately.1 > 0).then(|| ago(59)),
            },
            newest: newest.map(|(count, first, span, lag, spread)| Newest {
                count,
                first_at: ago(first + span + lag),
                first_received_at: ago(first + span),
                last_received_at: ago(first),
                lag_min: TimeDelta::minutes(lag),
                lag_max: TimeDelta::minutes(lag + spread),
                // Where all are wrong, the last is.
                wrong_received_at: if lag > 10 || lag + spread < -1 {
                    Some(ago(first))
                } else {
                    wrong.map(|wrong| ago(wrong).min(ago(first)))
                },
                battery: battery.map(|(lowest_mv, spread)| Battery {
                    lowest_mv,
                    highest_mv: lowest_mv + spread,
                    at: ago(first),
                }),
            }),
            refused: refused.map(|(count, last, span)| Refused {
                count,
                first_at: ago(last + span),
                last_at: ago(last),
            }),
            arrivals_beside,
            battery_limit_mv: 3_300,
            open: Vec::new(),
        }
    }
}

proptest! {
    /// What has just begun does not end on the same evidence, and does not begin twice.
    #[test]
    fn no_fault_flaps(mut record in any_record()) {
        let mut begun = Vec::new();
        for change in assess(&record, now()) {
            let FaultChange::Begins(fault) = change else { panic!("{change:?}") };
            prop_assert!(fault.since <= now());
            prop_assert!(record.installed_from.is_none_or(|from| fault.since >= from));
            begun.push((fault.kind, fault.since));
        }
        record.open = begun;
        prop_assert_eq!(assess(&record, now()), []);
    }

    /// What has just ended does not begin again on the same evidence.
    #[test]
    fn no_end_is_taken_back(mut record in any_record(), since in 1i64..4_000) {
        record.open = FaultKind::ALL.map(|kind| (kind, ago(since))).to_vec();
        let mut restored = None;
        for change in assess(&record, now()) {
            let FaultChange::Ends { kind, until } = change else { panic!("{change:?}") };
            prop_assert!(until > ago(since));
            if kind == FaultKind::CommsLost {
                restored = Some(until);
            }
            // An installation ends whatever was wrong before, and proves nothing of what is wrong since.
            if record.installed_from.is_none_or(|from| from <= ago(since)) {
                record.open.retain(|(open, _)| *open != kind);
            }
        }
        for change in assess(&record, now()) {
            if let FaultChange::Begins(fault) = change {
                // Another silence, after the word that ended the first.
                prop_assert_eq!(fault.kind, FaultKind::CommsLost);
                prop_assert!(Some(fault.since) > restored);
            }
        }
    }
}
