use chrono::DateTime;

use super::*;

fn at(minute: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

fn paid_time(session: u128, from: i64, until: i64) -> PaidTime {
    PaidTime {
        session: SessionId(uuid::Uuid::from_u128(session)),
        from: at(from),
        until: at(until),
    }
}

fn bay(told: Option<(bool, i64)>, paid: Option<(i64, i64)>) -> BoardBay {
    BoardBay {
        id: BayId(1),
        code: "B1".into(),
        class: VehicleClass::Car,
        amenities: Amenities::default(),
        outline: [[0.0; 2]; 4],
        silence_after_s: Some(3 * 3600),
        believed_from: Some(Timestamp::MIN_UTC),
        told: told.map(|(occupied, minute)| BayDelta {
            bay: BayId(1),
            occupied,
            since: at(minute),
            heard_at: at(minute),
        }),
        paid: paid
            .map(|(from, until)| paid_time(1, from, until))
            .into_iter()
            .collect(),
    }
}

#[test]
fn unknown_is_neither_free_nor_full() {
    assert_eq!(bay(None, None).occupancy(at(0)), (Occupancy::Unknown, None));
    for occupied in [true, false] {
        let bay = bay(Some((occupied, 0)), None);
        assert_ne!(bay.occupancy(at(180)).0, Occupancy::Unknown);
        assert_eq!(bay.occupancy(at(181)), (Occupancy::Unknown, Some(at(0))));
        assert_eq!(bay.status(at(181)).0, BayStatus::Unknown);
    }
}

#[test]
fn staff_see_who_has_paid() {
    let status = |told, paid, minute| bay(told, paid).status(at(minute)).0;
    let arrived = Some((true, 100));
    assert_eq!(status(arrived, None, 110), BayStatus::Unpaid);
    assert_eq!(status(arrived, Some((103, 163)), 110), BayStatus::Paid);
    assert_eq!(status(arrived, Some((92, 152)), 110), BayStatus::Paid);
    assert_eq!(status(arrived, Some((103, 163)), 167), BayStatus::Paid);
    assert_eq!(
        status(arrived, Some((103, 163)), 168),
        BayStatus::Overstayed
    );
    // The former vehicle's time, still running or over, does not pay for this one.
    assert_eq!(status(arrived, Some((40, 160)), 110), BayStatus::Unpaid);
    assert_eq!(status(arrived, Some((40, 90)), 110), BayStatus::Unpaid);
    assert_eq!(
        status(Some((false, 100)), Some((40, 160)), 110),
        BayStatus::Free
    );
}

/// Somebody pays for long and leaves early; the next pays for less. Both have paid.
#[test]
fn each_vehicle_has_its_own_paid_time() {
    let mut bay = bay(Some((true, 100)), Some((40, 400)));
    bay.paid.push(paid_time(2, 102, 162));
    assert_eq!(bay.status(at(110)).0, BayStatus::Paid);
    assert_eq!(bay.status(at(200)).0, BayStatus::Overstayed);
    assert_eq!(staff_bay(&bay, at(110)).paid_until, Some(at(162)));
}

#[test]
fn who_outstays_is_known_only_where_the_sensor_is() {
    let mine = paid_time(1, 100, 160);
    let outstays = |told, paid, minute| bay(told, paid).outstays(&mine, at(minute));
    // The board may know an earlier end of the same session.
    assert!(outstays(Some((true, 101)), Some((100, 130)), 160));
    assert!(!outstays(Some((true, 101)), None, 159), "not over yet");
    assert!(!outstays(Some((false, 150)), None, 160), "it has left");
    assert!(!outstays(Some((true, 155)), None, 160), "another vehicle");
    assert!(!outstays(Some((true, 101)), None, 101 + 181), "silent");
    let mut bay = bay(Some((true, 101)), None);
    bay.paid.push(paid_time(2, 159, 219));
    assert!(!bay.outstays(&mine, at(160)), "paid anew");
}

#[test]
fn a_driver_is_asked_about_the_bay_next_door() {
    let place = |id: i32, told, paid| {
        let x = id as f32 * 2.5;
        BoardBay {
            id: BayId(id),
            code: format!("B{id}"),
            outline: [[x, 0.0], [x + 2.5, 0.0], [x + 2.5, 5.0], [x, 5.0]],
            ..bay(told, paid)
        }
    };
    let bays = |neighbour, paid| {
        [
            place(1, Some((true, 10)), Some((10, 500))),
            place(2, Some((false, 50)), None),
            place(3, neighbour, paid),
            place(7, Some((true, 99)), None),
        ]
    };
    let asked = |neighbour, paid, now| {
        let bays = bays(neighbour, paid);
        likelier_bay(bays.iter(), "B2", at(now)).map(|bay| bay.code.clone())
    };
    assert_eq!(asked(Some((true, 97)), None, 100), Some("B3".to_owned()));
    // It has paid, came long ago, or is not there: nobody is asked.
    assert_eq!(asked(Some((true, 97)), Some((97, 200)), 100), None);
    assert_eq!(asked(Some((true, 80)), None, 100), None);
    assert_eq!(asked(Some((false, 97)), None, 100), None);
    // A bay that is taken, or whose sensor is silent, is believed.
    let bays = bays(Some((true, 97)), None);
    assert!(likelier_bay(bays.iter(), "B3", at(100)).is_none());
    assert!(likelier_bay(bays.iter(), "B2", at(400)).is_none());
}

#[test]
fn only_the_present_device_is_believed() {
    let heard_at = at(0);
    let seen = |believed_from| {
        let bay = BoardBay {
            believed_from,
            ..bay(Some((true, 0)), None)
        };
        bay.occupancy(heard_at).0
    };
    assert_eq!(seen(Some(heard_at)), Occupancy::Occupied);
    assert_eq!(
        seen(Some(heard_at + TimeDelta::microseconds(1))),
        Occupancy::Unknown
    );
    assert_eq!(seen(None), Occupancy::Unknown);
}

/// Counts by what bays have follow each change, and never count a bay twice.
#[test]
fn bays_are_counted_by_what_they_have() {
    let amenities = |accessible, charging| Amenities {
        accessible,
        charging,
    };
    let (disabled, charger) = (amenities(true, false), amenities(false, true));
    let kinds = [
        (VehicleClass::Car, Amenities::default()),
        (VehicleClass::Car, disabled),
        (VehicleClass::Car, charger),
        (VehicleClass::Car, amenities(true, true)),
        (VehicleClass::Motorbike, charger),
    ];
    let bays = (1..).zip(kinds).map(|(id, (class, amenities))| BoardBay {
        id: BayId(id),
        class,
        amenities,
        ..bay(None, None)
    });
    let mut lot = BoardLot {
        id: LotId(1),
        city: "hn".into(),
        code: "lot".into(),
        name: "Lot".into(),
        kind: LotKind::OffStreet,
        ward: "Ward".into(),
        operator: "operator".into(),
        position: [105.85, 21.03],
        bays: bays.map(|bay| (bay.id, bay)).collect(),
    };
    let count = |capacity, occupied, free, unknown| {
        Some(BayCount {
            capacity,
            occupied,
            free,
            unknown,
        })
    };
    let (car, motorbike) = (Some(VehicleClass::Car), Some(VehicleClass::Motorbike));
    let summary = lot.summary(at(0));
    assert_eq!(summary.having(car, disabled), count(2, 0, 0, 2));
    assert_eq!(summary.having(None, charger), count(3, 0, 0, 3));
    let tell = |bay, occupied| BayDelta {
        bay: BayId(bay),
        occupied,
        since: at(10),
        heard_at: at(10),
    };
    for (bay, occupied) in [(2, false), (4, true), (5, false)] {
        assert!(lot.apply(&tell(bay, occupied)));
    }
    let summary = lot.summary(at(11));
    assert_eq!(
        summary.having(None, Amenities::default()),
        count(5, 1, 2, 2)
    );
    assert_eq!(summary.having(car, disabled), count(2, 1, 1, 0));
    assert_eq!(summary.having(car, charger), count(2, 1, 0, 1));
    assert_eq!(
        summary.having(car, amenities(true, true)),
        count(1, 1, 0, 0)
    );
    assert_eq!(summary.having(motorbike, charger), count(1, 0, 1, 0));
    assert_eq!(summary.having(motorbike, disabled), None);
    let bays = lot.public_bays(at(11));
    assert!(bays[1].amenities.accessible && !bays[1].amenities.charging);
}
