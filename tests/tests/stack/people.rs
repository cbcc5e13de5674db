//! Who may work behind the counter, and who says so.

use chrono::{TimeDelta, Utc};
use domain::staff::Role;
use reqwest::StatusCode;
use reqwest::header::COOKIE;
use serde_json::json;
use store::staff::{Proof, StaffSignIn};
use tests::database::TestDatabase;
use tests::serving::{Serving, session_cookie, text};
use tests::{eventually, provided};
use tokio::process::Command;

/// The password that the page shows once.
fn password(page: &str) -> String {
    let after = page.split_once("data-password").expect(page).1;
    let (_, after) = after.split_once('>').unwrap();
    after.split_once('<').unwrap().0.to_owned()
}

async fn deed(
    city: &Serving,
    who: &str,
    path: &str,
    form: &[(&str, &str)],
) -> (StatusCode, String) {
    let reply = city.form_as(who, path, form).await;
    (reply.status(), reply.text().await.unwrap())
}

async fn signs_in(city: &Serving, login: &str, password: &str) -> Option<String> {
    let reply = city.sign_in(login, password).await;
    (reply.status() == StatusCode::SEE_OTHER).then(|| session_cookie(&reply))
}

async fn status(city: &Serving, who: &str, path: &str) -> StatusCode {
    let reply = city.get(path).header(COOKIE, who).send().await.unwrap();
    reply.status()
}

/// Adds somebody on the command line; the password, or nothing.
async fn command(city: &Serving, args: &[&str]) -> Option<String> {
    let output = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["staff", "add"])
        .args(args)
        .env("DATABASE_URL", &city.database.url)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| printed.trim().to_owned())
}

#[tokio::test]
async fn administrators_say_who_works_for_their_operator() {
    let city = Serving::city(80).await;
    let args = [
        "boss",
        "--name",
        "The boss",
        "--operator",
        "HNP",
        "--administrator",
    ];
    let secret = command(&city, &args).await.unwrap();
    assert_eq!(command(&city, &args).await, None, "there is such a login");
    let strange = ["other", "--name", "Somebody", "--operator", "nobody"];
    assert_eq!(command(&city, &strange).await, None);
    let boss = signs_in(&city, "boss", &secret).await.unwrap();

    let guard = [("login", "guard"), ("name", "Chị Hoa")];
    let (code, page) = deed(&city, &boss, "/staff/people", &guard).await;
    assert_eq!(code, StatusCode::OK, "{page}");
    let secret = password(&page);
    let guard = signs_in(&city, "guard", &secret).await.unwrap();
    // She works for the same operator, and says of nobody what they may do.
    assert_eq!(
        status(&city, &guard, "/staff/lots/CN-01").await,
        StatusCode::OK
    );
    assert_eq!(
        status(&city, &guard, "/staff/lots/HK-01").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(&city, &guard, "/staff/people").await,
        StatusCode::FORBIDDEN
    );
    let more = [("login", "friend"), ("name", "A friend")];
    assert_eq!(
        deed(&city, &guard, "/staff/people", &more).await.0,
        StatusCode::FORBIDDEN
    );
    let promoted = [("deed", "administrator")];
    for (who, expected) in [
        (&guard, StatusCode::FORBIDDEN),
        (&String::new(), StatusCode::OK),
    ] {
        let (code, page) = deed(&city, who, "/staff/people/guard", &promoted).await;
        assert_eq!(code, expected);
        assert!(who.is_empty() == page.contains("name=\"password\""));
    }

    // Another operator's administrator has no say here, nor does one add for another operator.
    let theirs = [
        "theirs",
        "--name",
        "Their boss",
        "--operator",
        "HKP",
        "--administrator",
    ];
    let theirs = command(&city, &theirs).await.unwrap();
    let theirs = signs_in(&city, "theirs", &theirs).await.unwrap();
    let out = [("deed", "out")];
    assert_eq!(
        deed(&city, &theirs, "/staff/people/guard", &out).await.0,
        StatusCode::FORBIDDEN
    );
    let spy = [("login", "spy"), ("name", "A spy"), ("operator", "HNP")];
    assert_eq!(
        deed(&city, &theirs, "/staff/people", &spy).await.0,
        StatusCode::FORBIDDEN
    );
    assert!(city.database.store.member("spy").await.is_err());

    // Shut out is out at once, everywhere; nobody shuts themselves out.
    assert_eq!(
        deed(&city, &boss, "/staff/people/boss", &out).await.0,
        StatusCode::CONFLICT
    );
    assert_eq!(
        deed(&city, &boss, "/staff/people/guard", &out).await.0,
        StatusCode::OK
    );
    let page = city.get("/api/v1/staff/lots/CN-01").header(COOKIE, &guard);
    assert_eq!(
        page.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(signs_in(&city, "guard", &secret).await, None);
    deed(&city, &boss, "/staff/people/guard", &[("deed", "in")]).await;
    assert!(signs_in(&city, "guard", &secret).await.is_some());

    // A new password ends the old one.
    let (_, page) = deed(&city, &boss, "/staff/people/guard", &[("deed", "password")]).await;
    let renewed = password(&page);
    assert_eq!(signs_in(&city, "guard", &secret).await, None);
    assert!(signs_in(&city, "guard", &renewed).await.is_some());
}

/// A password was given, and that is on the record: both, or neither.
#[tokio::test]
async fn a_new_password_and_its_record_are_one() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let boss = city.administrator("boss", Some("HNP")).await;
    sqlx::query(
        "ALTER TABLE audit ADD CONSTRAINT unwritable CHECK (action <> 'staff.password') NOT VALID",
    )
    .execute(&city.database.pool)
    .await
    .unwrap();
    let renew = [("deed", "password")];
    let (code, page) = deed(&city, &boss, "/staff/people/guard", &renew).await;
    assert_eq!(code, StatusCode::INTERNAL_SERVER_ERROR, "{page}");
    assert_eq!(status(&city, &guard, "/staff").await, StatusCode::OK);
    assert_eq!(
        status(&city, &guard, "/api/v1/staff/lots/CN-01").await,
        StatusCode::OK,
        "what was not recorded was not done"
    );
    assert!(signs_in(&city, "guard", "a password").await.is_some());
}

/// Somebody's password is found to be right; before their session is there, the password is another, or they
/// are shut out.
#[tokio::test]
async fn no_session_outlives_its_password() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let now = Utc::now();
    let sign_in = |token: u8| StaffSignIn {
        token_hash: [token; 32],
        replaces: None,
        from: "192.0.2.1".to_owned(),
        at: now,
        expires_at: now + TimeDelta::hours(12),
    };
    store
        .staff_put("guard", "Guard", "old", None)
        .await
        .unwrap();
    let (guard, checked) = store.staff_find("guard").await.unwrap().unwrap();
    let id = guard.staff_id;
    let by = Proof::Password;
    let open = async |hash: &str| store.staff_login_open(id, hash, by, &sign_in(7)).await;

    // It had been changed a while ago.
    let renewed = store.member_set_password("guard", "new", "test", now);
    renewed.await.unwrap();
    assert!(!open(&checked).await.unwrap());
    assert_eq!(database.count("staff_login").await, 0);
    // Or they had been shut out, with the password they still have.
    store
        .member_shut_out("guard", true, "test", now)
        .await
        .unwrap();
    assert!(!open("new").await.unwrap());
    store
        .member_shut_out("guard", false, "test", now)
        .await
        .unwrap();
    assert!(open("new").await.unwrap());
    assert_eq!(database.count("staff_login").await, 1);

    // It is being changed just now: whoever signs in waits for that, and sees it.
    let mut change = database.pool.begin().await.unwrap();
    for statement in [
        "UPDATE staff SET password_hash = 'newer'",
        "DELETE FROM staff_login",
    ] {
        sqlx::query(statement).execute(&mut *change).await.unwrap();
    }
    let waits = || async {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&database.pool)
        .await
        .unwrap();
        waiting > 0
    };
    let eighth = sign_in(8);
    let (opened, ()) = tokio::join!(store.staff_login_open(id, "new", by, &eighth), async {
        eventually("the sign-in to wait", waits).await;
        change.commit().await.unwrap();
    });
    assert!(!opened.unwrap());
    assert_eq!(database.count("staff_login").await, 0);
}

#[tokio::test]
async fn an_auditor_reads_and_changes_nothing() {
    let city = Serving::city(80).await;
    let secret = command(&city, &["reader", "--name", "The reader", "--auditor"]).await;
    let reader = signs_in(&city, "reader", &secret.unwrap()).await.unwrap();
    for refused in [
        &["one", "--name", "One", "--auditor", "--administrator"][..],
        &["two", "--name", "Two", "--auditor", "--operator", "HNP"],
    ] {
        assert_eq!(command(&city, refused).await, None);
    }
    let open = city.paid_session("CN-01-001", 60).await;
    let receipt = text(&city.payment(&open).await["receipt_id"]);
    let dispute = json!({"reason": "other", "text": "nobody parked there"});
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    let (created, dispute) = city.post_as("", &path, &dispute).await;
    assert_eq!(created, StatusCode::CREATED);
    let lines = city.database.count("audit").await;

    // The pages are there, of all operators, and have no form but to sign out and to look plates up.
    for path in [
        "/staff",
        "/staff/money",
        "/staff/exemptions",
        "/staff/bays/CN-01-001",
    ] {
        let page = city.get(path).header(COOKIE, &reader).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        let page = page.text().await.unwrap();
        let forms = page.matches("<form").count();
        let known = ["/staff/logout", "/staff/plates", "/staff/exemptions/of"]
            .map(|action| page.matches(&format!("action=\"{action}\"")).count());
        assert_eq!(known[0], 1, "{path}: {page}");
        assert_eq!(forms, known.iter().sum::<usize>(), "{path}: {page}");
    }
    let plate = [("plate", "30A-123.45"), ("read", "")];
    let (looked, known) = deed(&city, &reader, "/staff/plates", &plate).await;
    assert_eq!(looked, StatusCode::OK);
    assert!(known.contains("CN-01-001"), "{known}");
    assert!(!known.contains("/staff/sessions/"), "{known}");
    assert_eq!(
        city.database.count("audit").await,
        lines + 1,
        "who looks a plate up is on the record"
    );

    // Nothing that is sent is done, not even as a driver in that browser.
    let decide = format!("/staff/money/disputes/{}", text(&dispute["id"]));
    let decision = [("decision", "refund"), ("answer", "sorry")];
    let (refused, _) = deed(&city, &reader, &decide, &decision).await;
    assert_eq!(refused, StatusCode::FORBIDDEN);
    for path in [
        "/staff/exemptions",
        "/staff/bays/CN-01-001/notice",
        "/b/CN-01-001",
    ] {
        let (refused, _) = deed(&city, &reader, path, &plate).await;
        assert_eq!(refused, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(city.database.count("audit").await, lines + 1);
    assert_eq!(
        status(&city, &reader, "/staff/people").await,
        StatusCode::FORBIDDEN
    );

    // An administrator makes them staff; then they work.
    let boss = city.administrator("boss", None).await;
    let (done, page) = deed(&city, &boss, "/staff/people/reader", &[("deed", "staff")]).await;
    assert_eq!(done, StatusCode::OK, "{page}");
    let (decided, _) = deed(&city, &reader, &decide, &decision).await;
    assert_eq!(decided, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn comings_and_goings_are_on_the_record_and_a_browser_is_somebody_once() {
    let city = Serving::city(80).await;
    let first = city.staff("guard", Some("HNP")).await;
    let again = async |login: &str, held: &str| {
        let request = city.client.post(format!("{}/staff/login", city.url));
        let request = request.header(COOKIE, held);
        let request = request.header("x-forwarded-for", "192.0.2.1");
        let form = [("login", login), ("password", "a password")];
        session_cookie(&request.form(&form).send().await.unwrap())
    };
    let another = city.staff("another", None).await;

    // Who signs in again in the same browser, or another there, ends what it was signed in as; elsewhere one
    // stays.
    let second = again("guard", &first).await;
    let third = again("another", &second).await;
    for (cookie, signed_in) in [
        (&first, false),
        (&second, false),
        (&third, true),
        (&another, true),
    ] {
        let page = city
            .get("/staff")
            .header(COOKIE, cookie)
            .send()
            .await
            .unwrap();
        let page = page.text().await.unwrap();
        assert_eq!(page.contains("/staff/logout"), signed_in, "{cookie}");
    }
    // A wrong password ends nothing.
    let request = city.client.post(format!("{}/staff/login", city.url));
    let request = request.header(COOKIE, &third);
    let form = [("login", "guard"), ("password", "wrong")];
    let wrong = request.form(&form).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(city.database.count("staff_login").await, 2);
    let (gone, _) = deed(&city, &third, "/staff/logout", &[]).await;
    assert_eq!(gone, StatusCode::SEE_OTHER);
    // Who is gone does not go again.
    deed(&city, &third, "/staff/logout", &[]).await;

    let record: Vec<String> = sqlx::query_scalar(
        "SELECT concat_ws(' ', actor, action, detail ->> 'from') FROM audit
         WHERE action IN ('staff.sign_in', 'staff.sign_out') ORDER BY audit_id",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    assert_eq!(
        record,
        [
            "staff:guard staff.sign_in unknown",
            "staff:another staff.sign_in unknown",
            "staff:guard staff.sign_out 192.0.2.1",
            "staff:guard staff.sign_in 192.0.2.1",
            "staff:guard staff.sign_out 192.0.2.1",
            "staff:another staff.sign_in 192.0.2.1",
            "staff:another staff.sign_out unknown",
        ]
    );
}

/// Else nobody would be left who could let either in again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_shut_each_other_out_one_stays() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let now = Utc::now();
    for login in ["one", "other"] {
        store.staff_put(login, login, "hash", None).await.unwrap();
        let made = store.member_set_role(login, Role::Administrator, "test", now);
        made.await.unwrap();
    }
    let [one, other] = ["one", "other"].map(|login| store.staff_find(login));
    let ((one, _), (other, _)) = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
    for _ in 0..10 {
        let outs = tokio::join!(
            store.member_shut_out("other", true, &one, now),
            store.member_shut_out("one", true, &other, now),
        );
        assert_eq!(
            [outs.0.is_ok(), outs.1.is_ok()]
                .iter()
                .filter(|ok| **ok)
                .count(),
            1
        );
        // Who was shut out does nothing any more that was under way.
        let (out, name) = if outs.0.is_ok() {
            (&other, "other")
        } else {
            (&one, "one")
        };
        let late = store.member_set_password(name, "new", out, now);
        assert!(late.await.is_err());
        let back = store.member_shut_out(name, false, "test", now);
        back.await.unwrap();
    }
}
