#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::publish::changed;
use super::*;

#[test]
fn every_row_of_birmingham_is_accounted_for() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/birmingham.csv");
    if !path.exists() {
        println!("skipped: {} is not on this machine", path.display());
        return;
    }
    let recording = Recording::read(&path).unwrap();
    let (rows, taken, refused) = recording.account();
    assert_eq!(rows, 35_717);
    assert_eq!(taken, 35_116);
    assert_eq!(
        refused,
        [
            (RowRefusal::Unreadable, 0),
            (RowRefusal::BelowZero, 12),
            (RowRefusal::OverCapacity, 373),
            (RowRefusal::Repeated, 216),
        ]
    );
    let place = recording.place();
    assert_eq!(place.validate(), Ok(()));
    assert_eq!(place.lots.len(), 30);
    assert_eq!(
        place.lots.iter().map(|lot| lot.bays.len()).sum::<usize>(),
        39_956
    );
    assert_eq!(recording.expected().len(), 30);
    println!(
        "{} messages\n{}",
        recording.message_count(),
        recording.table()
    );
}

fn recording(rows: &str) -> anyhow::Result<Recording> {
    let text = format!("{}\n{rows}", COLUMNS.join(","));
    Recording::parse(text.as_bytes())
}

#[test]
fn a_bad_row_is_counted_once_and_hides_no_good_one() {
    let rows = "A 1,10,12,2016-10-04 08:00:00\n\
                A 1,10,9,2016-10-04 08:00:00\n\
                A 1,10,9,2016-10-04 08:00:00\n\
                A 1,10,-1,2016-10-04 08:30:00\n\
                A 1,10,nine,2016-10-04 08:30:00\n\
                A 1,10\n\
                A 1,10,3,2017-03-26 01:30:00\n\
                ,10,3,2016-10-04 09:00:00\n\
                A 1,10,4,2016-10-04 07:00:00\n";
    let recording = recording(rows).unwrap();
    let (rows, taken, refused) = recording.account();
    assert_eq!((rows, taken), (9, 2));
    // No number, too short, a time that clocks skipped, no name.
    assert_eq!(refused.map(|(_, count)| count), [4, 1, 1, 1]);
    // The last by time, not by place in the file. British summer time: 08:00 is 07:00 UTC.
    assert_eq!(recording.expected().get("A-1"), Some(&9));
    assert_eq!(
        recording.readings[1].at.to_rfc3339(),
        "2016-10-04T07:00:00+00:00"
    );
    assert_eq!(recording.message_count(), 10 + 5);
}

#[test]
fn what_is_no_recording_is_refused() {
    assert!(Recording::parse("a,b\n1,2\n".as_bytes()).is_err());
    assert!(recording("A,1,2,2016-10-04 08:00:00\n").is_err());
    assert!(recording("A B,9,2,2016-10-04 08:00:00\nA-B,9,2,2016-10-04 08:00:00\n").is_err());
}

#[test]
fn only_bays_that_change_speak() {
    assert_eq!(changed(None, 3, 10), 0..10);
    assert_eq!(changed(Some(3), 5, 10), 3..5);
    assert_eq!(changed(Some(5), 3, 10), 3..5);
    assert!(changed(Some(4), 4, 10).is_empty());
}

#[test]
fn speeds_are_checked() {
    assert_eq!("max".parse(), Ok(Speed::Max));
    assert_eq!("3600".parse(), Ok(Speed::Times(3_600.0)));
    for bad in ["", "0", "-1", "inf", "NaN", "fast"] {
        assert!(bad.parse::<Speed>().is_err(), "{bad}");
    }
}
