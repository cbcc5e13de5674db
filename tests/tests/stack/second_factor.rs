//! A second factor beside staff's password.

use chrono::{TimeDelta, Utc};
use futures::stream::{FuturesUnordered, StreamExt};
use reqwest::header::COOKIE;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use store::staff::{Proof, StaffSignIn};
use tests::authenticator::Authenticator;
use tests::identity_provider::location;
use tests::page::{field, marked};
use tests::provided;
use tests::serving::{Serving, session_cookie};
use tokio::process::Command;

pub const PASSWORD: &str = "a password";
pub const FACTOR: &str = "/staff/second-factor";
const CODE: &str = "/staff/login/code";

pub async fn deed(
    city: &Serving,
    who: &str,
    path: &str,
    form: &[(&str, &str)],
) -> (StatusCode, String) {
    let reply = city.form_as(who, path, form).await;
    (reply.status(), reply.text().await.unwrap())
}

pub async fn look(city: &Serving, who: &str, path: &str) -> (StatusCode, String) {
    let reply = city.get(path).header(COOKIE, who).send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

pub async fn ask(city: &Serving, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let request = city.post(path, body).header(COOKIE, who);
    let reply = request.send().await.unwrap();
    (reply.status(), reply.json().await.unwrap_or_default())
}

/// Gives whoever is signed in a second factor; the recovery codes.
pub async fn enrol(city: &Serving, who: &str) -> (Authenticator, Vec<String>) {
    let (status, page) = look(city, who, FACTOR).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let phone = Authenticator::read(&page);
    let shown = field(&page, "shown").unwrap();
    let form = [
        ("deed", "enrol"),
        ("shown", &shown),
        ("code", &phone.code()),
    ];
    let (status, page) = deed(city, who, FACTOR, &form).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    (phone, marked(&page, "data-recovery"))
}

/// Signs in by the password; what the browser holds that is asked for the code.
async fn half(city: &Serving, login: &str) -> String {
    let reply = city.sign_in(login, PASSWORD).await;
    assert_eq!(location(&reply), CODE);
    let cookie = session_cookie(&reply);
    assert!(cookie.starts_with("clearbay_staff_code="), "{cookie}");
    cookie
}

async fn with_code(city: &Serving, half: &str, code: &str) -> Response {
    city.form_as(half, CODE, &[("code", code)]).await
}

async fn with_recovery(city: &Serving, half: &str, code: &str) -> Response {
    city.form_as(half, CODE, &[("code", ""), ("recovery", code)])
        .await
}

pub async fn change(city: &Serving, statement: &str) {
    let done = sqlx::query(AssertSqlSafe(statement.to_owned()));
    let done = done.execute(&city.database.pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

/// Lets time go by, so that the code of now is another than those that were taken.
pub async fn later(city: &Serving) {
    change(city, "UPDATE staff_second_factor SET last_step = 0").await;
}

pub async fn record(city: &Serving, like: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', actor, action, detail ->> 'by', detail ->> 'left') FROM audit
         WHERE action LIKE $1 ORDER BY audit_id",
    )
    .bind(like)
    .fetch_all(&city.database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_code_is_asked_beside_the_password_and_counts_once() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let elsewhere = session_cookie(&city.sign_in("guard", PASSWORD).await);
    let lots = "/api/v1/staff/lots/CN-01";

    // Nothing counts before a code of it was right.
    let (_, page) = look(&city, &guard, FACTOR).await;
    let phone = Authenticator::read(&page);
    let shown = field(&page, "shown").unwrap();
    let form = [
        ("deed", "enrol"),
        ("shown", &*shown),
        ("code", &phone.wrong()),
    ];
    let (status, again) = deed(&city, &guard, FACTOR, &form).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(marked(&again, "data-secret"), marked(&page, "data-secret"));
    assert_eq!(city.database.count("staff_second_factor").await, 0);
    assert_eq!(look(&city, &elsewhere, lots).await.0, StatusCode::OK);
    // Nor a secret that somebody else was shown.
    let other = city.staff("other", Some("HNP")).await;
    let form = [
        ("deed", "enrol"),
        ("shown", &*shown),
        ("code", &phone.code()),
    ];
    let (status, _) = deed(&city, &other, FACTOR, &form).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let used = phone.code();
    let form = [("deed", "enrol"), ("shown", &*shown), ("code", &used)];
    let (status, page) = deed(&city, &guard, FACTOR, &form).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!(marked(&page, "data-recovery").len(), 10);
    assert_eq!(
        look(&city, &elsewhere, lots).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(look(&city, &guard, lots).await.0, StatusCode::OK);
    // A copy of the database makes no codes.
    let sealed: String = sqlx::query_scalar("SELECT sealed FROM staff_second_factor")
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    assert!(
        !sealed.contains(&phone.secret.base32())
            && !sealed.contains(&hex::encode(phone.secret.bytes()))
    );

    // The password leads to the question and to nothing else.
    let logins = city.database.count("staff_login").await;
    let asked = half(&city, "guard").await;
    let page = look(&city, &asked, CODE).await.1;
    for part in ["inputmode=\"numeric\"", "autocomplete=\"one-time-code\""] {
        assert!(page.contains(part), "{page}");
    }
    let as_token = asked.replace("clearbay_staff_code=", "clearbay_staff=");
    for cookie in [&asked, &as_token] {
        assert_eq!(look(&city, cookie, lots).await.0, StatusCode::UNAUTHORIZED);
        assert!(
            look(&city, cookie, "/staff")
                .await
                .1
                .contains("action=\"/staff/login\"")
        );
    }
    assert_eq!(city.database.count("staff_login").await, logins);

    // What is wrong and what was used look alike.
    let wrong = with_code(&city, &asked, &phone.wrong()).await;
    let reused = with_code(&city, &asked, &used).await;
    let none = with_code(&city, &asked, "").await;
    let mut pages = Vec::new();
    for reply in [wrong, reused, none] {
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        pages.push(reply.text().await.unwrap());
    }
    assert!(pages.windows(2).all(|two| two[0] == two[1]));
    later(&city).await;
    let code = phone.code();
    let inside = with_code(&city, &asked, &code).await;
    assert_eq!(location(&inside), "/staff");
    let inside = session_cookie(&inside);
    assert_eq!(look(&city, &inside, lots).await.0, StatusCode::OK);
    let reused = with_code(&city, &asked, &code).await;
    assert_eq!(reused.status(), StatusCode::UNAUTHORIZED);

    // With another password the question is over; so it is for whoever was never asked.
    let hash = api::service::staff::hash_password("another").unwrap();
    let store = &city.database.store;
    let renewed = store.member_set_password("guard", &hash, "test", Utc::now());
    renewed.await.unwrap();
    later(&city).await;
    for cookie in [asked.as_str(), "clearbay_staff_code=AAAA", ""] {
        let reply = with_code(&city, cookie, &phone.code()).await;
        assert_eq!(location(&reply), "/staff/login", "{cookie}");
    }
    let signed_in: Vec<String> = record(&city, "staff.sign_in").await;
    assert_eq!(
        signed_in,
        [
            "staff:guard staff.sign_in password",
            "staff:guard staff.sign_in password",
            "staff:other staff.sign_in password",
            "staff:guard staff.sign_in password and code",
        ]
    );
    assert_eq!(
        record(&city, "second_factor.%").await,
        [
            "staff:guard second_factor.enrol",
            "staff:guard second_factor.wrong_code",
            "staff:guard second_factor.wrong_code",
            "staff:guard second_factor.wrong_code",
        ]
    );
}

#[tokio::test]
async fn a_recovery_code_is_good_once() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let (_, codes) = enrol(&city, &guard).await;
    let asked = half(&city, "guard").await;
    let inside = with_recovery(&city, &asked, &codes[0]).await;
    assert_eq!(location(&inside), "/staff");
    let inside = session_cookie(&inside);
    let again = with_recovery(&city, &asked, &codes[0]).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    // However it is typed.
    let typed = codes[1].to_uppercase().replace('-', " ");
    let reply = with_recovery(&city, &asked, &typed).await;
    assert_eq!(location(&reply), "/staff");
    let page = look(&city, &inside, FACTOR).await.1;
    assert_eq!(marked(&page, "data-recovery-left"), ["8"]);

    // New ones take the place of all.
    let (_, page) = deed(&city, &inside, FACTOR, &[("deed", "codes")]).await;
    let renewed = marked(&page, "data-recovery");
    assert_eq!(renewed.len(), 10);
    let old = with_recovery(&city, &asked, &codes[2]).await;
    assert_eq!(old.status(), StatusCode::UNAUTHORIZED);
    let new = with_recovery(&city, &asked, &renewed[9]).await;
    assert_eq!(location(&new), "/staff");
    // None of them is in the database as it is told.
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT code_hash FROM staff_recovery_code")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    let plain = |code: &String| code.replace('-', "");
    let hashed = |code| api::secret::sha256(plain(code).as_bytes()).to_vec();
    assert!(!renewed.iter().map(hashed).any(|hash| kept.contains(&hash)));
    assert_eq!(
        record(&city, "second_factor.%").await,
        [
            "staff:guard second_factor.enrol",
            "staff:guard second_factor.recovery_code 9",
            "staff:guard second_factor.wrong_code",
            "staff:guard second_factor.recovery_code 8",
            "staff:guard second_factor.recovery_codes",
            "staff:guard second_factor.wrong_code",
            "staff:guard second_factor.recovery_code 9",
        ]
    );
}

#[tokio::test]
async fn who_guesses_codes_must_wait_at_every_process() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let (phone, codes) = enrol(&city, &guard).await;
    let other = city.staff("other", Some("HNP")).await;
    let (others, _) = enrol(&city, &other).await;
    later(&city).await;
    let asked = half(&city, "guard").await;
    let wrong = phone.wrong();
    let replies: FuturesUnordered<_> = (0..20).map(|_| with_code(&city, &asked, &wrong)).collect();
    let statuses: Vec<_> = replies.map(|reply| reply.status()).collect().await;
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    let refused = count(StatusCode::UNAUTHORIZED);
    assert_eq!(refused + count(StatusCode::TOO_MANY_REQUESTS), 20);
    // The sixth waits a second, which a slow machine may take.
    assert!((5..=8).contains(&refused), "{statuses:?}");
    let tried = record(&city, "second_factor.wrong_code").await;
    assert_eq!(tried.len(), refused);

    // More failures, a longer wait: the right code does not help meanwhile, here or at another process.
    change(
        &city,
        "UPDATE staff_second_factor SET failures = 12, failed_at = now() WHERE failures > 0",
    )
    .await;
    let another = city.another().await;
    for url in [city.url.clone(), another.url()] {
        for (code, recovery) in [
            (phone.code(), String::new()),
            (String::new(), codes[0].clone()),
        ] {
            let request = city
                .client
                .post(format!("{url}{CODE}"))
                .header(COOKIE, &asked);
            let form = [("code", &code), ("recovery", &recovery)];
            let reply = request.form(&form).send().await.unwrap();
            assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
        }
    }
    // Others go on.
    let inside = half(&city, "other").await;
    let inside = with_code(&city, &inside, &others.code()).await;
    assert_eq!(location(&inside), "/staff");
    change(
        &city,
        "UPDATE staff_second_factor SET failed_at = now() - interval '1 hour' WHERE failures > 0",
    )
    .await;
    let inside = with_code(&city, &asked, &phone.code()).await;
    assert_eq!(location(&inside), "/staff");
    assert_eq!(
        city.database
            .count("staff_second_factor WHERE failures > 0")
            .await,
        0
    );
}

#[tokio::test]
async fn an_administrator_takes_it_away() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let boss = city.administrator("boss", Some("HNP")).await;
    let stranger = city.administrator("stranger", Some("THP")).await;
    let friend = city.staff("friend", Some("HNP")).await;
    enrol(&city, &guard).await;
    let end = [("deed", "second_factor")];
    for who in [&stranger, &friend, &guard] {
        let (refused, _) = deed(&city, who, "/staff/people/guard", &end).await;
        assert_eq!(refused, StatusCode::FORBIDDEN);
    }
    assert_eq!(city.database.count("staff_second_factor").await, 1);
    let page = look(&city, &boss, "/staff/people").await.1;
    assert_eq!(marked(&page, "data-second-factor").len(), 1);
    let (done, page) = deed(&city, &boss, "/staff/people/guard", &end).await;
    assert_eq!(done, StatusCode::OK, "{page}");
    assert!(marked(&page, "data-second-factor").is_empty());
    for table in ["staff_second_factor", "staff_recovery_code"] {
        assert_eq!(city.database.count(table).await, 0);
    }
    let (out, _) = look(&city, &guard, "/api/v1/staff/lots/CN-01").await;
    assert_eq!(out, StatusCode::UNAUTHORIZED);
    let inside = city.sign_in("guard", PASSWORD).await;
    assert_eq!(location(&inside), "/staff");

    // One's own: off and on again. And by the command, where nobody is left who could.
    let guard = session_cookie(&inside);
    enrol(&city, &guard).await;
    let (off, _) = deed(&city, &guard, FACTOR, &[("deed", "end")]).await;
    assert_eq!(off, StatusCode::SEE_OTHER);
    assert_eq!(
        look(&city, &guard, "/api/v1/staff/lots/CN-01").await.0,
        StatusCode::OK
    );
    enrol(&city, &guard).await;
    for (login, ends) in [("guard", true), ("guard", false), ("nobody", false)] {
        let output = Command::new(provided("CLEARBAY_TEST_BIN"))
            .args(["staff", "end-second-factor", login])
            .env("DATABASE_URL", &city.database.url)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.success(), ends, "{login}");
    }
    assert_eq!(
        record(&city, "second_factor.end").await,
        [
            "staff:boss second_factor.end",
            "staff:guard second_factor.end",
            "operator of this system second_factor.end",
        ]
    );
}

#[tokio::test]
async fn whoever_needs_one_does_nothing_else_first() {
    let required = [("CLEARBAY_REQUIRE_SECOND_FACTOR", "administrators")];
    let city = Serving::with_settings(80, &required).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let boss = city.administrator("boss", Some("HNP")).await;
    let official = city.staff("official", None).await;
    let auditor = city.auditor("auditor").await;
    let (inside, _) = look(&city, &guard, "/staff").await;
    assert_eq!(inside, StatusCode::OK, "a guard needs none");
    let plate = [("plate", "30A-123.45"), ("read", "")];
    let lines = city.database.count("audit").await;
    for who in [&boss, &official, &auditor] {
        for path in [
            "/staff",
            "/staff/lots/CN-01",
            "/staff/people",
            "/staff/money",
            "/staff/plates",
            "/staff/shift",
            "/staff/devices",
            "/staff/identity",
        ] {
            let reply = city.get(path).header(COOKIE, who).send().await.unwrap();
            assert_eq!(location(&reply), FACTOR, "{path}");
        }
        let looked_up = city.form_as(who, "/staff/plates", &plate).await;
        assert_eq!(location(&looked_up), FACTOR);
        for path in [
            "/api/v1/staff/devices",
            "/api/v1/staff/disputes",
            "/api/v1/staff/lots/CN-01",
        ] {
            let reply = city.get(path).header(COOKIE, who).send().await.unwrap();
            assert_eq!(reply.status(), StatusCode::FORBIDDEN, "{path}");
            let problem: Value = reply.json().await.unwrap();
            assert_eq!(
                problem["type"],
                "urn:clearbay:problem:second-factor-required"
            );
        }
        let (refused, problem) = ask(
            &city,
            who,
            "/api/v1/staff/plates",
            &json!({"plate": "30A-123.45"}),
        )
        .await;
        assert_eq!(refused, StatusCode::FORBIDDEN, "{problem}");
    }
    // Being an administrator, and having given the password just now, helps nobody.
    let new = [
        ("login", "new"),
        ("name", "Somebody"),
        ("confirm_password", PASSWORD),
    ];
    let added = city.form_as(&boss, "/staff/people", &new).await;
    assert_eq!(location(&added), FACTOR);
    assert!(city.database.store.member("new").await.is_err());
    assert_eq!(record(&city, "plate.%").await, Vec::<String>::new());
    assert_eq!(city.database.count("audit").await, lines);

    // With one they go on, in the same session; without one again, no more.
    enrol(&city, &boss).await;
    assert_eq!(look(&city, &boss, "/staff/people").await.0, StatusCode::OK);
    let (off, _) = deed(&city, &boss, FACTOR, &[("deed", "end")]).await;
    assert_eq!(off, StatusCode::SEE_OTHER);
    let reply = city
        .get("/staff")
        .header(COOKIE, &boss)
        .send()
        .await
        .unwrap();
    assert_eq!(location(&reply), FACTOR);
    // Signing out works all the same.
    let out = city.form_as(&auditor, "/staff/logout", &[]).await;
    assert_eq!(location(&out), "/staff");

    // Who comes by the identity provider was asked there.
    change(&city, "UPDATE staff_login SET by_identity = true").await;
    assert_eq!(look(&city, &official, "/staff").await.0, StatusCode::OK);
}

/// It may go between the check of the code and the beginning of the session.
#[tokio::test]
async fn a_code_of_a_factor_that_was_taken_away_signs_nobody_in() {
    let city = Serving::city(80).await;
    city.staff("guard", None).await;
    let store = &city.database.store;
    let (staff, checked) = store.staff_find("guard").await.unwrap().unwrap();
    let opened = async |token: u8, proof: Proof| {
        let sign_in = StaffSignIn {
            token_hash: [token; 32],
            replaces: None,
            from: "127.0.0.1".to_owned(),
            at: Utc::now(),
            expires_at: Utc::now() + TimeDelta::hours(1),
        };
        let opened = store.staff_login_open(staff.staff_id, &checked, proof, &sign_in);
        opened.await.unwrap()
    };
    assert!(!opened(1, Proof::Code).await);
    assert!(!opened(2, Proof::RecoveryCode).await);
    assert!(opened(3, Proof::Password).await);
}
