#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::*;
use crate::city::{hanoi, sensed_bays};

fn bays() -> Vec<SensedBay> {
    sensed_bays(&hanoi(400).unwrap())
}

fn days(bay: &SensedBay, count: usize) -> Vec<PlannedStay> {
    let first = NaiveDate::from_ymd_opt(2026, 11, 14).unwrap();
    first
        .iter_days()
        .take(count)
        .flat_map(|day| plan::stays(1, bay.index, bay.class, bay.demand, day))
        .collect()
}

fn noon(day: u32) -> Timestamp {
    NaiveDate::from_ymd_opt(2026, 11, day)
        .unwrap()
        .and_hms_opt(12, 0, 0)
        .unwrap()
        .and_utc()
}

fn all(from: Timestamp, to: Timestamp) -> Window {
    Window { from, to }
}

#[test]
fn windows_leave_nothing_out_and_repeat_nothing() {
    for bay in bays().iter().step_by(7) {
        let stays = days(bay, 5);
        let sorted = |mut reports: Vec<Report>| {
            reports.sort_by_key(|report| (report.sent_at, report.at));
            reports
        };
        let whole = sorted(reports(1, bay, &stays, all(noon(15), noon(17))));
        let mut parts = Vec::new();
        let mut from = noon(15);
        while from < noon(17) {
            let to = (from + TimeDelta::minutes(37)).min(noon(17));
            parts.extend(reports(1, bay, &stays, all(from, to)));
            from = to;
        }
        let parts = sorted(parts);
        let missing: Vec<_> = whole
            .iter()
            .filter(|report| !parts.contains(report))
            .collect();
        assert!(missing.is_empty(), "{}: {missing:?}", bay.code);
        assert_eq!(whole.len(), parts.len(), "{}", bay.code);
    }
}

#[test]
fn no_device_speaks_of_the_future() {
    for bay in bays().iter().step_by(5) {
        for report in reports(1, bay, &days(bay, 4), all(noon(15), noon(17))) {
            assert!(report.at <= report.sent_at, "{report:?}");
        }
    }
}

#[test]
fn things_go_wrong_as_often_as_they_should() {
    let (mut changes, mut late, mut told, mut dead) = (0, 0, BTreeMap::new(), 0);
    let all_bays = bays();
    for bay in &all_bays {
        let stays = days(bay, 4);
        let window = all(noon(15), noon(17));
        changes += stays
            .iter()
            .flat_map(|stay| [stay.from, stay.to])
            .filter(|at| window.from <= *at && *at < window.to)
            .count();
        for report in reports(1, bay, &stays, window)
            .iter()
            .filter(|report| !report.heartbeat)
        {
            late += usize::from(report.sent_at - report.at > TimeDelta::seconds(60));
            *told.entry((report.bay, report.at)).or_insert(0) += 1;
        }
        dead += usize::from(
            Sensor {
                seed: 1,
                bay: bay.index,
            }
            .is_dead(noon(16)),
        );
    }
    let repeated = told.values().filter(|count| **count > 1).count();
    println!(
        "{changes} changes, {} told, {late} late, {repeated} repeated, {dead} dead",
        told.len()
    );
    assert!(
        (changes / 200..changes / 12).contains(&(changes - told.len())),
        "lost or dead"
    );
    assert!((changes / 200..changes / 50).contains(&late));
    assert!((changes / 200..changes / 50).contains(&repeated));
    assert!(
        (1..=12).contains(&dead),
        "{dead} of {} dead",
        all_bays.len()
    );
}

#[test]
fn living_devices_are_heard_every_hour_and_tell_the_truth() {
    for bay in bays().iter().step_by(3) {
        let stays = days(bay, 4);
        let sensor = Sensor {
            seed: 1,
            bay: bay.index,
        };
        let mut told = reports(1, bay, &stays, all(noon(15), noon(17)));
        if sensor.is_stuck() || sensor.is_dead(noon(15)) || sensor.is_dead(noon(17)) {
            continue;
        }
        told.sort_by_key(|report| report.at);
        let gap = told
            .windows(2)
            .map(|pair| pair[1].at - pair[0].at)
            .max()
            .unwrap();
        assert!(gap <= HEARTBEAT_EVERY, "{}: {gap}", bay.code);
        for beat in told.iter().filter(|report| report.heartbeat) {
            let near = |at: Timestamp| (at - beat.at).abs() < TimeDelta::seconds(3);
            let there = stays
                .iter()
                .any(|stay| stay.from <= beat.at && beat.at < stay.to);
            let changing = stays.iter().any(|stay| near(stay.from) || near(stay.to));
            assert!(beat.occupied == there || changing, "{beat:?}");
        }
    }
}

#[test]
fn a_lost_change_is_corrected_by_the_next_heartbeat() {
    let mut corrected = 0;
    for bay in bays() {
        let stays = days(&bay, 4);
        let window = all(noon(15), noon(17));
        let told = reports(1, &bay, &stays, window);
        let sensor = Sensor {
            seed: 1,
            bay: bay.index,
        };
        let changes = stays.iter().flat_map(|stay| [stay.from, stay.to]);
        let changes = changes.filter(|_| !sensor.is_stuck());
        for at in changes.filter(|at| noon(15) < *at && *at < noon(17) - HEARTBEAT_EVERY * 2) {
            let next = sensor.heartbeat_after(at);
            if sensor.way(at).0 && !sensor.is_dead(at) && !sensor.is_dead(next) {
                let beat = told.iter().find(|report| {
                    report.heartbeat && (report.at - next).abs() < TimeDelta::seconds(2)
                });
                assert!(beat.is_some(), "{} at {at}", bay.code);
                corrected += 1;
            }
        }
    }
    assert!(corrected > 5, "{corrected}");
}

#[test]
fn some_devices_are_stuck_and_some_have_a_weak_battery() {
    let bays = sensed_bays(&hanoi(2_000).unwrap());
    let sensor = |bay: &SensedBay| Sensor {
        seed: 1,
        bay: bay.index,
    };
    let stuck: Vec<_> = bays.iter().filter(|bay| sensor(bay).is_stuck()).collect();
    let weak = bays.iter().filter(|bay| sensor(bay).battery_mv() < 3_300);
    println!("{} stuck, {} weak", stuck.len(), weak.clone().count());
    assert!((1..=9).contains(&stuck.len()) && (4..=24).contains(&weak.count()));
    // Hour by hour it says the same.
    let window = all(noon(15), noon(17));
    let told = reports(1, stuck[0], &days(stuck[0], 4), window);
    assert!(
        told.iter()
            .all(|report| report.occupied && report.heartbeat)
    );
    assert!((20..=49).contains(&told.len()), "{}", told.len());
}
