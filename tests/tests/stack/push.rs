//! Drivers who are told before their time ends, although the page is closed.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::eventually;
use tests::push_service::Browser;
use tests::sensors::told;
use tests::serving::{Serving, text};
use tests::telling::{Telling, WARNED, cookie, path};

const BAY: &str = "CN-01-001";
const NEXT: &str = "CN-01-002";

fn clock(at: DateTime<Utc>) -> String {
    let city = at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    city.format("%H:%M").to_string()
}

#[tokio::test]
async fn a_driver_is_warned_once_of_each_end() {
    let telling = Telling::start().await;
    let open = telling.city.paid_session(BAY, 60).await;
    let (first, name) = telling.browser(&open, "vi").await;
    let (second, _) = telling.browser(&open, "en").await;
    telling.subscriptions("due_at > now()", 2).await;
    let known = telling
        .city
        .get_as(&open.token, &format!("{}/{name}", path(&open)))
        .await;
    let session = format!("/api/v1/sessions/{}", open.session);
    let ends_at = |session: &Value| text(&session["ends_at"]).parse::<DateTime<Utc>>().unwrap();
    let session_now = telling.city.get_as(&open.token, &session).await;
    let warns_at: DateTime<Utc> = text(&known["warns_at"]).parse().unwrap();
    assert_eq!(ends_at(&session_now) - warns_at, TimeDelta::minutes(10));
    assert!(telling.service.received().is_empty());

    let end = telling.set_time(&open, -51, 9).await;
    telling.subscriptions(WARNED, 2).await;
    let messages = telling.messages(&first);
    let [message] = &messages[..] else {
        panic!("not one message: {messages:?}")
    };
    let header = |name: &str| message.headers[name].as_str();
    assert_eq!(header("content-encoding"), "aes128gcm");
    assert_eq!(header("urgency"), "high");
    let ttl: i64 = header("ttl").parse().unwrap();
    assert!((1..=9 * 60).contains(&ttl), "{ttl}");
    let topic = header("topic").to_owned();
    assert!((1..=32).contains(&topic.len()), "{topic}");
    let (claims, key) = message.claims();
    assert_eq!(key, telling.public_key);
    assert_eq!(claims["aud"], telling.service.url);
    assert_eq!(claims["sub"], "mailto:push@city.example");
    let said = first.read(message);
    assert_eq!(
        said,
        json!({
            "kind": "ending",
            "title": "Sắp hết giờ đỗ xe",
            "body": format!("Chỗ {BAY}: được đỗ đến {}. Chạm vào đây để thêm giờ.", clock(end)),
            "bay": BAY,
            "ends_at": end,
            "lang": "vi",
            "url": format!("/s/{}", open.session),
        })
    );

    // More time moves the end, and is warned of again.
    let more = format!("{session}/extensions");
    let more = telling
        .city
        .post_as(&open.token, &more, &json!({"minutes": 60}))
        .await
        .1;
    let body = json!({"gateway": "vietqr", "purchase": more["purchase"]});
    let (_, payment) = telling
        .city
        .post_as(&open.token, &format!("{session}/payments"), &body)
        .await;
    telling.city.pay_by_bank(&payment).await;
    telling
        .subscriptions("due_at > now() + interval '55 minutes'", 2)
        .await;
    assert_eq!(telling.messages(&second).len(), 1);
    let end = telling.set_time(&open, -111, 9).await;
    telling.subscriptions(WARNED, 2).await;
    let messages = telling.messages(&second);
    assert_eq!(messages.len(), 2);
    assert_eq!(
        messages[1].headers["topic"], topic,
        "the newer replaces the older"
    );
    let said = second.read(&messages[1]);
    assert_eq!(said["title"], "Your parking ends soon");
    assert_eq!(
        said["body"],
        format!(
            "Bay {BAY}: you may park until {}. Tap to add time.",
            clock(end)
        )
    );
}

#[tokio::test]
async fn who_switched_it_off_or_left_is_not_told() {
    let telling = Telling::start().await;
    let open = telling.city.paid_session(BAY, 60).await;
    let (off, name) = telling.browser(&open, "vi").await;
    let (on, _) = telling.browser(&open, "vi").await;
    let one = format!("{}{}/{name}", telling.city.url, path(&open));
    let delete = || telling.city.client.delete(&one);
    let nobody = delete().send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    for _ in 0..2 {
        let reply = delete().bearer_auth(&open.token).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NO_CONTENT);
    }
    let reply = telling.city.client.get(&one).bearer_auth(&open.token);
    assert_eq!(reply.send().await.unwrap().status(), StatusCode::NOT_FOUND);
    telling.set_time(&open, -51, 9).await;
    telling.subscriptions(WARNED, 1).await;
    assert_eq!(telling.messages(&on).len(), 1);
    assert_eq!(telling.messages(&off).len(), 0);

    // An early end leaves nothing to tell.
    let stop = format!("/api/v1/sessions/{}/stop", open.session);
    let (status, _) = telling.city.post_as(&open.token, &stop, &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(telling.city.database.count("push_subscription").await, 0);
    let late = telling.service.browser().subscription("vi");
    assert_eq!(telling.wish(&open, &late).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn who_is_still_there_when_time_has_run_out_is_told() {
    let telling = Telling::start().await;
    let place = simulator::city::hanoi(80).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let device = bays.find(|bay| bay.code == BAY).unwrap().device.clone();
    let device = device.unwrap().id;
    let now = Utc::now().trunc_subsecs(3);
    let vehicle = [
        told(&device, now - TimeDelta::minutes(65), 1, true),
        told(&device, now, 2, true),
    ];
    telling.city.sense(&vehicle, 2, "event").await;
    eventually("the board to see the vehicle", || async {
        let lot = telling.city.json("/api/v1/lots/CN-01").await;
        lot["occupied"] == 1
    })
    .await;
    let stayed = telling.city.paid_session(BAY, 60).await;
    let unseen = telling.city.paid_session(NEXT, 60).await;
    let (there, _) = telling.browser(&stayed, "en").await;
    let (gone, _) = telling.browser(&unseen, "en").await;
    let end = telling.set_time(&stayed, -61, -1).await;
    telling.set_time(&unseen, -61, -1).await;
    telling
        .subscriptions("over_ends_at IS NOT NULL AND due_at > now()", 2)
        .await;
    assert!(telling.messages(&gone).is_empty(), "no sensor saw it stay");
    let messages = telling.messages(&there);
    assert_eq!(messages.len(), 1);
    let ttl: i64 = messages[0].headers["ttl"].parse().unwrap();
    assert!((1..=4 * 60).contains(&ttl), "{ttl}");
    let said = there.read(&messages[0]);
    assert_eq!(said["kind"], "over");
    assert_eq!(
        said["body"],
        format!(
            "Bay {BAY}: your time ended at {}, and your vehicle is still there. Tap to add time.",
            clock(end)
        )
    );
    // After the grace nothing is kept.
    telling.set_time(&stayed, -90, -30).await;
    telling.set_time(&unseen, -90, -30).await;
    telling.subscriptions("true", 0).await;
    assert_eq!(telling.service.received().len(), 1);
}

#[tokio::test]
async fn a_browser_that_is_gone_is_forgotten_and_an_ill_service_is_asked_again() {
    let telling = Telling::start().await;
    let open = telling.city.paid_session(BAY, 60).await;
    let (browser, _) = telling.browser(&open, "vi").await;
    telling.service.answer(503, &[("retry-after", "120")]);
    telling.set_time(&open, -51, 9).await;
    telling
        .subscriptions("attempts = 1 AND due_at > now() + interval '90 seconds'", 1)
        .await;
    // Nobody is led elsewhere, and what will never be taken is not sent again.
    let elsewhere = format!("{}/elsewhere", telling.service.url);
    telling.service.answer(307, &[("location", &elsewhere)]);
    telling.hurry().await;
    telling.subscriptions(WARNED, 1).await;
    let paths: Vec<String> = telling
        .service
        .received()
        .iter()
        .map(|m| m.path.clone())
        .collect();
    assert_eq!(paths, [browser.path(), browser.path()]);

    telling.service.answer(410, &[]);
    telling.set_time(&open, -52, 8).await;
    telling.subscriptions("true", 0).await;
    assert_eq!(telling.messages(&browser).len(), 3);
}

#[tokio::test]
async fn two_processes_tell_each_browser_once() {
    let telling = Telling::start().await;
    let _other = telling.city.another().await;
    let mut browsers = Vec::new();
    let mut sessions = Vec::new();
    for bay in [
        BAY,
        NEXT,
        "HK-01-001",
        "HK-01-002",
        "HK-02-001",
        "HK-02-002",
    ] {
        let open = telling.city.paid_session(bay, 60).await;
        for _ in 0..5 {
            browsers.push(telling.browser(&open, "vi").await.0);
        }
        let sixth = telling.service.browser().subscription("vi");
        assert_eq!(telling.wish(&open, &sixth).await.0, StatusCode::CONFLICT);
        // One that is told already may say so again.
        let known = browsers.last().unwrap().subscription("en");
        assert_eq!(telling.wish(&open, &known).await.0, StatusCode::CREATED);
        sessions.push(open);
    }
    for open in &sessions {
        telling.set_time(open, -51, 9).await;
    }
    telling.subscriptions(WARNED, 30).await;
    let mut paths: Vec<String> = telling
        .service
        .received()
        .into_iter()
        .map(|m| m.path)
        .collect();
    let mut expected: Vec<String> = browsers.iter().map(Browser::path).collect();
    paths.sort();
    expected.sort();
    assert_eq!(paths, expected);
}

#[tokio::test]
async fn only_known_push_services_are_called_and_only_for_the_driver() {
    let telling = Telling::start().await;
    let open = telling.city.paid_session(BAY, 60).await;
    let good = telling.service.browser().subscription("vi");
    let with = |path: &[&str], value: &str| {
        let mut wish = good.clone();
        let field = path.iter().fold(&mut wish, |at, name| &mut at[*name]);
        *field = value.into();
        wish
    };
    for wish in [
        with(&["endpoint"], "https://attacker.example/push"),
        with(&["endpoint"], "http://127.0.0.1:1/push"),
        with(&["endpoint"], "http://169.254.169.254/latest/meta-data"),
        with(&["endpoint"], "not an address"),
        with(
            &["endpoint"],
            &format!("{}/{}", telling.service.url, "x".repeat(2000)),
        ),
        with(&["keys", "p256dh"], "AAAA"),
        with(&["keys", "auth"], "AAAA"),
        with(&["keys", "auth"], "*"),
    ] {
        let (status, problem) = telling.wish(&open, &wish).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wish}");
        assert_eq!(problem["type"], "urn:clearbay:problem:unprocessable");
    }
    let wrong = telling.city.post_as("wrong", &path(&open), &good).await;
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    assert_eq!(telling.city.database.count("push_subscription").await, 0);
    // Our own pages send the cookie.
    let request = telling.city.post(&path(&open), &good);
    let reply = request
        .header("cookie", cookie(&open))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    let page = format!("/s/{}", open.session);
    let page = telling.city.get(&page).header("cookie", cookie(&open));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&telling.public_key), "{page}");

    // Without a key nobody is told, and no page offers it.
    let city = Serving::without_bundle(80).await;
    let open = city.paid_session(BAY, 60).await;
    let (status, _) = city.post_as(&open.token, &path(&open), &good).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = city.get(&format!("/s/{}", open.session));
    let page = page.header("cookie", cookie(&open)).send().await.unwrap();
    assert!(!page.text().await.unwrap().contains("data-push"));
}

/// The longest stay is a day.
#[tokio::test]
async fn who_can_have_no_more_time_is_not_told_to_add_some() {
    let telling = Telling::start().await;
    let open = telling.city.paid_session(BAY, 60).await;
    let (browser, _) = telling.browser(&open, "en").await;
    let end = telling.set_time(&open, 9 - 24 * 60, 9).await;
    telling.subscriptions(WARNED, 1).await;
    let messages = telling.messages(&browser);
    assert_eq!(messages.len(), 1);
    assert_eq!(
        browser.read(&messages[0])["body"],
        format!(
            "Bay {BAY}: you may park until {}. No more time can be added.",
            clock(end)
        )
    );
}
