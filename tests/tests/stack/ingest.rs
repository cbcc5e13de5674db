//! From a sensor's message to what is kept of it, over both brokers.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::board::OccupancyDelta;
use tests::broker::BrokerKind;
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::ingesting::{Ingesting, comings_and_goings, set_up, subscribed_once};
use tests::sensors::{Listener, Told, publish, told};
use tests::{eventually, over_both_brokers};

over_both_brokers!(
    messages_become_events_stays_and_states,
    what_gives_no_event_is_kept_with_its_reason,
    a_delta_is_told_after_the_commit,
    a_message_that_is_too_large_holds_up_nothing,
    what_a_broken_sensor_says_without_end_is_counted_and_not_kept,
    a_clock_far_behind_is_not_believed,
    what_the_database_refuses_holds_up_nothing,
    more_than_a_transaction_holds_is_kept_in_parts,
    what_fails_again_and_again_is_put_aside,
    a_device_is_known_as_soon_as_it_is_installed,
    a_quiet_device_is_heard_once_it_is_installed,
);

async fn messages_become_events_stays_and_states(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    publish(&broker.url, comings_and_goings("lot-0-0-sensor", 201)).await;
    publish(&broker.url, comings_and_goings("lot-0-1-sensor", 200)).await;
    eventually("all events", || async {
        database.count("event").await == 402
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("stay").await, 201);
    let states: Vec<(String, bool, bool)> = sqlx::query_as(
        "SELECT code, occupied, since = last_at FROM bay_state JOIN bay USING (bay_id)
         WHERE code LIKE 'lot-0-%' ORDER BY code",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let expected = [
        ("lot-0-0".to_owned(), true, true),
        ("lot-0-1".to_owned(), false, true),
    ];
    assert_eq!(states, expected);
    assert_eq!(database.refused().await, []);
}

async fn what_gives_no_event_is_kept_with_its_reason(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let on = |topic: &str, payload: &[u8]| Told {
        topic: topic.into(),
        payload: payload.into(),
    };
    let known = "clearbay/v1/devices/lot-0-0-sensor/up";
    let messages = vec![
        told("nobody-sensor", past(), 1, true),
        on(known, b"{"),
        on(known, b"\xff\x00"),
        on(known, b""),
        on(
            known,
            br#"{"device":"lot-0-1-sensor","at":"2026-01-01T00:00:00Z","seq":1,"occupied":true}"#,
        ),
        told("lot-0-0-sensor", Utc::now() + TimeDelta::days(1), 2, true),
        on("application/a/device/0011223344556677/event/join", b"{}"),
        on(
            "application/a/device/0011223344556677/event/status",
            br#"{"batteryLevel":75.0}"#,
        ),
    ];
    let ingest = Ingesting::start(&database.store, &broker.url);
    publish(&broker.url, messages.clone()).await;
    publish(&broker.url, vec![told("lot-0-0-sensor", past(), 3, true)]).await;
    eventually("the good one", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
    let counts = [
        ("clock_ahead", 1),
        ("no_occupancy", 2),
        ("undecodable", 4),
        ("unknown_device", 1),
    ];
    assert_eq!(
        database.refused().await,
        counts.map(|(reason, n)| (reason.to_owned(), n))
    );
    let kept: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT topic, payload FROM refused_message ORDER BY refused_message_id")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    let sent: Vec<_> = messages.into_iter().map(|m| (m.topic, m.payload)).collect();
    assert_eq!(kept, sent, "kept whole, as they came");
    // They were acknowledged: whoever reads next meets none of them.
    let ingest = Ingesting::start(&database.store, &broker.url);
    publish(&broker.url, vec![told("lot-0-0-sensor", past(), 4, false)]).await;
    eventually("one more", || async { database.count("event").await == 3 }).await;
    ingest.stop().await;
    assert_eq!(database.count("refused_message").await, 8);
}

async fn a_delta_is_told_after_the_commit(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let mut listener = Listener::subscribe(&broker.url, "clearbay/v1/occupancy/+").await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    for message in comings_and_goings("lot-1-2-sensor", 30) {
        publish(&broker.url, vec![message]).await;
        let heard = listener.next().await;
        assert_eq!(heard.topic, "clearbay/v1/occupancy/lot-1");
        let delta: OccupancyDelta = serde_json::from_slice(&heard.payload).unwrap();
        let [bay] = &delta.bays[..] else {
            panic!("one bay spoke: {delta:?}")
        };
        let kept: (bool, DateTime<Utc>, DateTime<Utc>) = sqlx::query_as(
            "SELECT bay_state.occupied, since, last_at FROM bay_state JOIN bay USING (bay_id)
             JOIN device_assignment USING (bay_id) JOIN event USING (device_id)
             WHERE bay_id = $1 AND bay.code = 'lot-1-2' AND event.at = last_at",
        )
        .bind(bay.bay.0)
        .fetch_one(&database.pool)
        .await
        .unwrap();
        assert_eq!(kept, (bay.occupied, bay.since, bay.heard_at));
    }
    ingest.stop().await;
}

async fn what_a_broken_sensor_says_without_end_is_counted_and_not_kept(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let noise = |size: usize| Told {
        topic: "clearbay/v1/devices/lot-0-0-sensor/up".to_owned(),
        payload: vec![b'?'; size],
    };
    let mut messages: Vec<Told> = (0..60)
        .flat_map(|_| [noise(5_000), noise(70_000)])
        .collect();
    messages.push(told("lot-0-0-sensor", past(), 1, true));
    publish(&broker.url, messages).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("the one behind them", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
    let counted: Vec<(String, i64)> =
        sqlx::query_as("SELECT reason, total FROM refused_tally ORDER BY reason")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    let expected = [("too_large", 60), ("undecodable", 60)].map(|(r, n)| (r.to_owned(), n));
    assert_eq!(counted, expected);
    // Twenty of each in an hour; one may have begun meanwhile.
    let (rows, longest): (i64, i32) =
        sqlx::query_as("SELECT count(*), max(length(payload)) FROM refused_message")
            .fetch_one(&database.pool)
            .await
            .unwrap();
    assert!((40..=80).contains(&rows), "{rows}");
    assert_eq!(longest, 1_024);
}

async fn a_message_that_is_too_large_holds_up_nothing(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let topic = "clearbay/v1/devices/lot-0-0-sensor/up".to_owned();
    let large = Told {
        topic,
        payload: vec![b' '; 100_000],
    };
    publish(
        &broker.url,
        vec![large, told("lot-0-0-sensor", past(), 1, true)],
    )
    .await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("the one behind it", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.refused().await, [("too_large".to_owned(), 1)]);
    let kept: i32 = sqlx::query_scalar("SELECT length(payload) FROM refused_message")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(
        kept, 1_024,
        "of a message without bound only so much is kept"
    );
}

async fn a_clock_far_behind_is_not_believed(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let lost_its_time = told("lot-0-0-sensor", DateTime::UNIX_EPOCH, 1, true);
    let a_year_late = told("lot-0-0-sensor", Utc::now() - TimeDelta::days(366), 2, true);
    publish(&broker.url, vec![lost_its_time.clone(), a_year_late]).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("the one that may be", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
    let refused = vec![("clock_behind".to_owned(), lost_its_time.payload)];
    assert_eq!(refused_payloads(&database).await, refused);
}

/// The reason and payload of each refused message, as they came.
async fn refused_payloads(database: &TestDatabase) -> Vec<(String, Vec<u8>)> {
    sqlx::query_as("SELECT reason, payload FROM refused_message ORDER BY refused_message_id")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

async fn what_the_database_refuses_holds_up_nothing(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    fail_where(&database, "NEW.seq = 666", "23514").await;
    let mut messages = comings_and_goings("lot-0-0-sensor", 40);
    let refused = told("lot-0-0-sensor", past(), 666, true);
    messages.insert(23, refused.clone());
    publish(&broker.url, messages).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("all others", || async {
        database.count("event").await == 41
    })
    .await;
    ingest.stop().await;
    assert_eq!(
        refused_payloads(&database).await,
        [("rejected".to_owned(), refused.payload)]
    );
}

/// Makes the database fail, as it would by itself, under a condition on a new row of `event`.
async fn fail_where(database: &TestDatabase, condition: &str, sqlstate: &str) {
    let function = format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE
             rows integer := 1 + coalesce(nullif(current_setting('test.rows', true), ''), '0')::integer;
         BEGIN
             PERFORM set_config('test.rows', rows::text, true);
             IF {condition} THEN
                 RAISE EXCEPTION 'no more' USING ERRCODE = '{sqlstate}';
             END IF;
             RETURN NEW;
         END $$"
    );
    let trigger = "CREATE TRIGGER fail BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION fail()";
    for statement in [function.as_str(), trigger] {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&database.pool)
            .await
            .unwrap();
    }
}

/// As one device whose events lie weeks apart makes it: each takes a chunk of `event`, and each
/// chunk a lock.
async fn more_than_a_transaction_holds_is_kept_in_parts(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    fail_where(&database, "rows > 10", "53200").await;
    publish(&broker.url, comings_and_goings("lot-0-0-sensor", 200)).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("all events", || async {
        database.count("event").await == 201
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("stay").await, 100);
    assert_eq!(database.refused().await, []);
}

async fn what_fails_again_and_again_is_put_aside(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    fail_where(&database, "NEW.seq = 23", "XX000").await;
    let messages = comings_and_goings("lot-0-0-sensor", 40);
    publish(&broker.url, messages.clone()).await;
    let mut options = ingest::Options::new(broker.url.clone(), "test-ingest".to_owned());
    options.retry_after = Duration::from_millis(1);
    options.tries_max = 6;
    let ingest = Ingesting::with(&database.store, options);
    eventually("all others, and it set aside", || async {
        database.count("event").await == 40 && database.count("refused_message").await == 1
    })
    .await;
    publish(&broker.url, comings_and_goings("lot-0-1-sensor", 20)).await;
    eventually("those behind it", || async {
        database.count("event").await == 60
    })
    .await;
    ingest.stop().await;
    let refused = vec![("rejected".to_owned(), messages[23].payload.clone())];
    assert_eq!(refused_payloads(&database).await, refused);
}

async fn a_device_is_known_as_soon_as_it_is_installed(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    let start = past();
    let minute = |n| start + TimeDelta::minutes(n);
    let before = [(1, 1, true), (3, 3, false), (2, 2, true)];
    let before =
        before.map(|(at, seq, occupied)| told("lot-2-0-sensor", minute(at), seq, occupied));
    publish(&broker.url, before.to_vec()).await;
    let stranger = told("nobody-s-sensor", past(), 1, true);
    publish(&broker.url, vec![stranger]).await;
    let refused = || async { database.count("refused_message").await == 4 };
    eventually("strangers' messages", refused).await;
    database
        .store
        .place_import(&city::small(3, 5), chrono::Utc::now())
        .await
        .unwrap();
    publish(
        &broker.url,
        vec![told("lot-2-0-sensor", minute(4), 4, true)],
    )
    .await;
    eventually(
        "the installed device's, and what had come before",
        || async { database.count("event").await == 5 },
    )
    .await;
    ingest.stop().await;
    assert_eq!(database.refused().await, [("unknown_device".to_owned(), 1)]);
    let store = &database.store;
    let bay = store.bay_place("lot-2-0").await.unwrap().id;
    assert_eq!(
        store.bay_stays(bay, minute(0), minute(9)).await.unwrap(),
        [(minute(1), Some(minute(3))), (minute(4), None)],
        "as if it had been there from the first message"
    );
}

async fn a_quiet_device_is_heard_once_it_is_installed(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let mut options = ingest::Options::new(broker.url.clone(), "test-ingest".to_owned());
    options.directory_every = Duration::from_millis(50);
    let ingest = Ingesting::with(&database.store, options);
    // It may be as old as no living device's clock: why it is not taken is told then.
    let ancient = told("lot-2-1-sensor", past() - TimeDelta::days(5_000), 1, true);
    let waiting = vec![told("lot-2-0-sensor", past(), 1, true), ancient];
    publish(&broker.url, waiting).await;
    let refused = || async { database.count("refused_message").await == 2 };
    eventually("strangers' messages", refused).await;
    let place = city::small(3, 5);
    database
        .store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    eventually("the message that waited", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.refused().await, [("clock_behind".to_owned(), 1)]);
}
