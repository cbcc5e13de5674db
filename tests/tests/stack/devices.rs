//! Sensors are replaced, exchanged and taken away, and no bay keeps a word that nobody stands by.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::board::Occupancy;
use domain::place::Place;
use store::Store;
use store::quarantine::RefusedMessage;
use tests::city;
use tests::database::TestDatabase;
use tests::sensors;

/// The device that stands in each bay that has one, in order of the device's name.
async fn installed(database: &TestDatabase) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT name, code FROM device JOIN device_assignment USING (device_id)
              JOIN bay USING (bay_id)
         WHERE upper_inf(during) ORDER BY name",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap()
}

async fn says_at(store: &Store, device: &str, at: DateTime<Utc>, occupied: bool) {
    sensors::says(store, device, &[(at, Utc::now(), occupied)]).await;
}

async fn says(store: &Store, device: &str, occupied: bool) {
    says_at(store, device, Utc::now().trunc_subsecs(6), occupied).await;
}

async fn occupancy(store: &Store, bay: &str) -> Occupancy {
    let now = Utc::now();
    let board = store.board_load(now).await.unwrap();
    let mut bays = board.iter().flat_map(|lot| lot.bays.values());
    bays.find(|seen| seen.code == bay).unwrap().occupancy(now).0
}

fn name_device(place: &mut Place, lot: usize, bay: usize, name: &str) {
    let device = place.lots[lot].bays[bay].device.as_mut().unwrap();
    device.id = name.to_owned();
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec()
}

#[tokio::test]
async fn a_sensor_is_replaced_and_two_are_exchanged() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let mut place = city::small(2, 1);
    store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    let as_built = [("lot-0-0-sensor", "lot-0-0"), ("lot-1-0-sensor", "lot-1-0")];
    assert_eq!(installed(&database).await, pairs(as_built));

    name_device(&mut place, 0, 0, "lot-1-0-sensor");
    name_device(&mut place, 1, 0, "lot-0-0-sensor");
    store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    let exchanged = [("lot-0-0-sensor", "lot-1-0"), ("lot-1-0-sensor", "lot-0-0")];
    assert_eq!(installed(&database).await, pairs(exchanged));

    name_device(&mut place, 0, 0, "a-new-one");
    store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    let replaced = [("a-new-one", "lot-0-0"), ("lot-0-0-sensor", "lot-1-0")];
    assert_eq!(installed(&database).await, pairs(replaced));
    // Its events name the old one, so that it is still known, without a bay.
    assert_eq!(database.count("device").await, 3);
}

#[tokio::test]
async fn a_bay_whose_sensor_has_gone_is_unknown() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let mut place = city::small(1, 3);
    store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    for (bay, state) in [
        ("lot-0-0", Occupancy::Occupied),
        ("lot-0-1", Occupancy::Free),
    ] {
        says(
            store,
            &format!("{bay}-sensor"),
            state == Occupancy::Occupied,
        )
        .await;
        assert_eq!(occupancy(store, bay).await, state);
    }
    // One is taken away; the other is moved to the third bay. Of which the file names none keep theirs.
    let now = chrono::Utc::now();
    let removed = store.devices_remove(&["lot-0-0-sensor"], now, now);
    removed.await.unwrap();
    place.lots[0].bays[0].device = None;
    place.lots[0].bays[2].device = place.lots[0].bays[1].device.take();
    let mut none = place.clone();
    for bay in &mut none.lots[0].bays {
        bay.device = None;
    }
    let unchanged = store.place_import(&none, chrono::Utc::now()).await.unwrap();
    assert_eq!(unchanged.moves.len(), 0);
    store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    for bay in ["lot-0-0", "lot-0-1", "lot-0-2"] {
        assert_eq!(occupancy(store, bay).await, Occupancy::Unknown, "{bay}");
    }
    says(store, "lot-0-1-sensor", true).await;
    assert_eq!(occupancy(store, "lot-0-2").await, Occupancy::Occupied);
    assert_eq!(occupancy(store, "lot-0-1").await, Occupancy::Unknown);
}

/// `clearbay device import` of that file.
async fn import(database: &TestDatabase, text: &str) -> std::process::Output {
    import_with(database, text, &[]).await
}

async fn import_with(database: &TestDatabase, text: &str, with: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    device(database, &[&["import", file], with].concat()).await
}

/// `clearbay device` with these arguments.
async fn device(database: &TestDatabase, args: &[&str]) -> std::process::Output {
    tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"))
        .arg("device")
        .args(args)
        .env("DATABASE_URL", &database.url)
        .env("CLEARBAY_CITY", "hn")
        .output()
        .await
        .unwrap()
}

/// What it printed, once it has succeeded.
fn printed(output: std::process::Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn devices_of_a_file_stand_in_its_bays_or_none_does() {
    let database = TestDatabase::with_city(1, 3).await;
    let store = &database.store;
    let headings = "device,bay,model,silence_after_s,occupied_below_mm\n";
    let before = installed(&database).await;

    let wrong = "new,lot-0-0,clearbay,3600,\nother,nowhere,clearbay,3600,\n";
    let output = import(&database, &format!("{headings}{wrong}")).await;
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("devices.csv:3: there is no bay nowhere"),
        "{told}"
    );
    assert_eq!(installed(&database).await, before, "nothing was written");

    // Two change places, a third is replaced.
    let right = "lot-0-1-sensor,lot-0-0,clearbay,3600,\nlot-0-0-sensor,lot-0-1,clearbay,3600,\n\
                 eye,lot-0-2,milesight-em400-mud,90000,1200\n";
    let output = import(&database, &format!("{headings}{right}")).await;
    assert!(output.status.success(), "{output:?}");
    let expected = [
        ("eye", "lot-0-2"),
        ("lot-0-0-sensor", "lot-0-1"),
        ("lot-0-1-sensor", "lot-0-0"),
    ];
    assert_eq!(installed(&database).await, pairs(expected));
    tests::oracle::assert_exact(&database, "after an import").await;
    let eye = &store.devices_named(&["eye"]).await.unwrap()["eye"];
    assert_eq!(eye.mounting.occupied_below_mm, Some(1_200));
}

#[tokio::test]
async fn what_is_listed_can_be_imported_and_a_try_tells_who_would_move() {
    let database = TestDatabase::with_city(1, 3).await;
    let store = &database.store;
    let at = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(30);
    for bay in 0..3 {
        says_at(store, &format!("lot-0-{bay}-sensor"), at, true).await;
    }
    let list = printed(device(&database, &["list"]).await);
    let lot = printed(device(&database, &["list", "--lot", "lot-0"]).await);
    assert_eq!(list, lot);
    assert_eq!(list.lines().count(), 4, "{list}");
    let unchanged = printed(import(&database, &list).await);
    assert_eq!(unchanged, "3 devices stand in their bays.\n");
    assert_eq!(printed(device(&database, &["list"]).await), list);

    // One goes to another's bay, and a new one comes.
    let file = "device,bay,model,silence_after_s\n\
                lot-0-0-sensor,lot-0-1,clearbay,3600\nnew,lot-0-0,clearbay,3600\n";
    let moves = "lot-0-0-sensor moves from lot-0-0 to lot-0-1.\n\
                 new is put into lot-0-0.\n\
                 lot-0-1-sensor is taken out of lot-0-1.\n\
                 2 devices stand in their bays.\n";
    let told = printed(import_with(&database, file, &["--dry-run"]).await);
    assert_eq!(
        told,
        format!("{moves}Nothing was written: this is what would be.\n")
    );
    assert_eq!(printed(device(&database, &["list"]).await), list);
    assert_eq!(printed(import(&database, file).await), moves);
    tests::oracle::assert_exact(&database, "after a move").await;
}

#[tokio::test]
async fn a_mistake_is_undone_and_leaves_nothing_behind() {
    let database = TestDatabase::with_city(1, 2).await;
    let store = &database.store;
    let at = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(50);
    for (bay, minutes) in [(0, 0), (1, 0), (0, 45), (1, 45)] {
        let device = format!("lot-0-{bay}-sensor");
        says_at(store, &device, at + TimeDelta::minutes(minutes), bay == 0).await;
    }
    let assignments = || async {
        let rows: Vec<(i32, i32, String)> = sqlx::query_as(
            "SELECT device_id, bay_id, during::text FROM device_assignment ORDER BY 1, 2",
        )
        .fetch_all(&database.pool)
        .await
        .unwrap();
        rows
    };
    let before = assignments().await;
    let from = (at + TimeDelta::minutes(10)).to_rfc3339();
    let headings = "device,bay,model,silence_after_s,from\n";
    // It stands where it stood: to say so from a later time on changes nothing.
    let same = format!("{headings}lot-0-0-sensor,lot-0-0,clearbay,3600,{from}\n");
    printed(import(&database, &same).await);
    assert_eq!(assignments().await, before);
    // Moved by mistake, and moved back from the same time on.
    let moved = format!("{headings}lot-0-0-sensor,lot-0-1,clearbay,3600,{from}\n");
    printed(import(&database, &moved).await);
    assert_ne!(assignments().await, before);
    tests::oracle::assert_exact(&database, "moved by mistake").await;
    let back = format!("{same}lot-0-1-sensor,lot-0-1,clearbay,3600,{from}\n");
    printed(import(&database, &back).await);
    assert_eq!(assignments().await, before);
    tests::oracle::assert_exact(&database, "moved back").await;
    // What the device itself is, is told.
    let signs =
        "device,bay,model,silence_after_s,signing\nlot-0-0-sensor,lot-0-0,clearbay,3600,hmac\n";
    let told = printed(import(&database, signs).await);
    assert!(told.contains("must sign"), "{told}");
    let told = printed(import_with(&database, &signs.replace("hmac", ""), &["--dry-run"]).await);
    assert!(
        told.contains("lot-0-0-sensor need not sign any more."),
        "{told}"
    );
}

#[tokio::test]
async fn a_device_is_taken_out_of_its_bay_also_in_the_past() {
    let database = TestDatabase::with_city(1, 2).await;
    let store = &database.store;
    let at = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(30);
    says_at(store, "lot-0-0-sensor", at, true).await;
    says_at(store, "lot-0-0-sensor", at + TimeDelta::minutes(20), false).await;
    let before = at + TimeDelta::minutes(10);
    let nobody = device(&database, &["remove", "lot-0-0-sensor", "nobody"]).await;
    let told = String::from_utf8(nobody.stderr).unwrap();
    assert!(
        !nobody.status.success() && told.contains("in no bay stands nobody;"),
        "{told}"
    );
    let removed = ["remove", "lot-0-0-sensor", "--at", &before.to_rfc3339()];
    let told = printed(device(&database, &removed).await);
    assert_eq!(told, "lot-0-0-sensor is taken out of lot-0-0.\n");
    assert_eq!(occupancy(store, "lot-0-0").await, Occupancy::Unknown);
    // That it went is no word of this bay any more.
    assert_eq!(stays(store, "lot-0-0", at).await, [(0, None)]);
    tests::oracle::assert_exact(&database, "after a removal").await;
    assert!(!device(&database, &removed).await.status.success());
}

#[tokio::test]
async fn whose_messages_were_refused_is_listed() {
    let database = TestDatabase::create().await;
    assert_eq!(printed(device(&database, &["refused"]).await), "");
    let refused = |device: Option<&str>, detail: &str| RefusedMessage {
        received_at: Utc::now().trunc_subsecs(6),
        topic: "clearbay/v1/devices/x/up".to_owned(),
        payload: b"{".to_vec(),
        device: device.map(str::to_owned),
        reason: "unknown_device",
        detail: detail.to_owned(),
        kept_per_hour: None,
    };
    let messages = [
        refused(Some("d1"), "first"),
        refused(None, "no\tname"),
        refused(Some("d1"), "second"),
    ];
    database.store.event_ingest(&[], &messages).await.unwrap();
    let told = printed(device(&database, &["refused"]).await);
    let lines: Vec<Vec<&str>> = told
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert_eq!(lines[0][..3], ["d1", "unknown_device", "2"]);
    assert_eq!(
        (lines[0][4], lines[1][0], lines[1][4]),
        ("second", "-", "no name")
    );
}

#[tokio::test]
async fn another_limit_of_silence_counts_for_all_the_time_that_a_sensor_has_stood_there() {
    let database = TestDatabase::with_city(1, 1).await;
    let store = &database.store;
    let at = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(30);
    says_at(store, "lot-0-0-sensor", at, true).await;
    for (limit, expected) in [
        (7_200, Occupancy::Occupied),
        (600, Occupancy::Unknown),
        (7_200, Occupancy::Occupied),
    ] {
        let file =
            format!("device,bay,model,silence_after_s\nlot-0-0-sensor,lot-0-0,clearbay,{limit}\n");
        let output = import(&database, &file).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(occupancy(store, "lot-0-0").await, expected, "{limit}");
        tests::oracle::assert_exact(&database, "another limit").await;
    }
}

#[tokio::test]
async fn slips_of_the_pen_are_told() {
    let database = TestDatabase::with_city(1, 1).await;
    let before = installed(&database).await;
    let output = import(
        &database,
        "device,bay,model,silence_after_s,from\nnew,lot-0-0,clearbay,3600,0025-11-20T14:30:00Z\n",
    )
    .await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("2: from lies more than ten years back"),
        "{told}"
    );
    assert_eq!(installed(&database).await, before);
    for (what, code) in [
        ("--lot", "lot-0"),
        ("--city", "hn"),
        ("--lot", "nope"),
        ("--city", "nope"),
    ] {
        let output = tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"))
            .args(["device", "faults", what, code])
            .env("DATABASE_URL", &database.url)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.success(), code != "nope", "{output:?}");
    }
}

/// The stays of a bay that the sensor noted, in minutes after `start`.
async fn stays(store: &Store, bay: &str, start: DateTime<Utc>) -> Vec<(i64, Option<i64>)> {
    let bay = store.bay_place(bay).await.unwrap().id;
    let minutes = |at: DateTime<Utc>| (at - start).num_minutes();
    let to = start + TimeDelta::hours(2);
    let stays = store.bay_stays(bay, start, to).await.unwrap();
    stays
        .into_iter()
        .map(|(from, until)| (minutes(from), until.map(minutes)))
        .collect()
}

#[tokio::test]
async fn a_sensor_that_was_moved_takes_no_history_along() {
    let database = TestDatabase::with_city(1, 2).await;
    let store = &database.store;
    let start = city::past();
    let minute = |n| start + TimeDelta::minutes(n);
    let device = "lot-0-0-sensor";
    for (at, occupied) in [(0, true), (10, false), (30, true), (40, false), (50, true)] {
        says_at(store, device, minute(at), occupied).await;
    }
    // It has been told too late that at minute 20 it was screwed to the bay next door, whose own
    // sensor was taken away.
    let headings = "device,bay,model,silence_after_s,occupied_below_mm,from\n";
    let moved = format!(
        "{headings}{device},lot-0-1,clearbay,3600,,{}\n",
        minute(20).to_rfc3339()
    );
    let output = import(&database, &moved).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stays(store, "lot-0-0", start).await, [(0, Some(10))]);
    assert_eq!(
        stays(store, "lot-0-1", start).await,
        [(30, Some(40)), (50, None)]
    );
    assert_eq!(occupancy(store, "lot-0-0").await, Occupancy::Unknown);
    tests::oracle::assert_exact(&database, "after a move in the past").await;
    // What it says late of the time before still belongs to the first bay.
    says_at(store, device, minute(15), true).await;
    assert_eq!(
        stays(store, "lot-0-0", start).await,
        [(0, Some(10)), (15, None)]
    );
    tests::oracle::assert_exact(&database, "after a late word of before the move").await;

    let future = (Utc::now() + TimeDelta::hours(1)).to_rfc3339();
    let output = import(
        &database,
        &format!("{headings}{device},lot-0-0,clearbay,3600,,{future}\n"),
    )
    .await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(":2: from lies in the future"), "{told}");
}

#[tokio::test]
async fn a_new_sensor_in_an_old_bay_is_unknown_until_it_speaks() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let mut place = city::small(1, 1);
    store.place_import(&place, Utc::now()).await.unwrap();
    says(store, "lot-0-0-sensor", true).await;
    assert_eq!(occupancy(store, "lot-0-0").await, Occupancy::Occupied);
    name_device(&mut place, 0, 0, "a-new-one");
    store.place_import(&place, Utc::now()).await.unwrap();
    assert_eq!(occupancy(store, "lot-0-0").await, Occupancy::Unknown);
    // The old one goes on talking in the installer's bag.
    says(store, "lot-0-0-sensor", false).await;
    assert_eq!(occupancy(store, "lot-0-0").await, Occupancy::Unknown);
    says(store, "a-new-one", false).await;
    assert_eq!(occupancy(store, "lot-0-0").await, Occupancy::Free);
    tests::oracle::assert_exact(&database, "after a replacement").await;
}
