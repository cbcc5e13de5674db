//! Signing in at an identity provider, over one that others wrote: for exemptions, disputes and staff.

use chrono::{Days, TimeDelta, Utc};
use reqwest::header::COOKIE;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tests::identity_provider::{Browser, CLIENT_SECRET, NAME, Signing, location, told};
use tests::logged::{assert_says_none_of, log_with};
use tests::page::field;
use tests::phone::Phone;
use tests::serving::{Serving, text};

const BAY: &str = "HK-01-001";
const ALICE: &str = "Nguyễn Thị Alice";

/// Sends the form of a request for an exemption.
async fn ask(browser: &Browser, city: &Serving, key: &str, confirmed: &str) -> Response {
    let fields = [
        ("key", key),
        ("confirmed", confirmed),
        ("ground", "disabled"),
        ("plate", "30A-777.77"),
        ("class", "car"),
        ("document_kind", "Giấy xác nhận khuyết tật"),
        ("document_number", "KT-0123"),
    ];
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!(
            "--limit\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body += "--limit\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n\
             %PDF-1.7 and what a scanner saw\r\n--limit--\r\n";
    let request = browser.client.post(format!("{}/exemptions", city.url));
    let request = request
        .header("content-type", "multipart/form-data; boundary=limit")
        .header("accept-language", "en");
    request.body(body).send().await.unwrap()
}

/// A column of a table's rows.
async fn rows(city: &Serving, query: &str) -> Vec<String> {
    let rows = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
    rows.fetch_all(&city.database.pool).await.unwrap()
}

fn set_cookies(reply: &Response) -> Vec<String> {
    let cookies = reply.headers().get_all("set-cookie").iter();
    cookies
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect()
}

/// What a browser sends back of one of the cookies that a reply sets.
fn cookie_of(reply: &Response, name: &str) -> String {
    let cookies = set_cookies(reply);
    let cookie = cookies
        .iter()
        .find(|cookie| cookie.starts_with(name))
        .unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn look(city: &Serving, who: &str, path: &str) -> String {
    let request = city
        .get(path)
        .header(COOKIE, who)
        .header("accept-language", "en");
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_driver_asks_for_an_exemption_under_a_name_or_without() {
    let Some(signing) = Signing::start(CLIENT_SECRET, None).await else {
        return;
    };
    let city = &signing.city;
    let staff = city.staff("city", None).await;
    let alice = Browser::of(city);
    let form = alice.page("/exemptions").await;
    assert!(
        form.contains(&format!("Confirm who I am with {NAME}")),
        "{form}"
    );
    assert!(
        form.contains("Nobody has to") && field(&form, "confirmed").is_none(),
        "{form}"
    );

    // On the way a cookie that no script reads.
    let begun = alice.get("/sign-in?to=/exemptions").await;
    let cookies = set_cookies(&begun);
    assert_eq!(cookies.len(), 1);
    for part in [
        "clearbay_sign_in_",
        "; Path=/; ",
        "Max-Age=600",
        "HttpOnly",
        "SameSite=Lax",
    ] {
        assert!(cookies[0].contains(part), "{cookies:?}");
    }
    let address = location(&begun);
    for hidden in ["state", "nonce"] {
        assert!(!cookies[0].contains(&told(&address, hidden)));
    }
    assert_eq!(told(&address, "code_challenge_method"), "S256");
    assert_eq!(told(&address, "scope"), "openid profile");

    let home = signing.sign_in(&alice, "/exemptions", "alice").await;
    assert_eq!(
        (home.status(), location(&home)),
        (StatusCode::SEE_OTHER, "/exemptions".to_owned())
    );
    let cookies = set_cookies(&home);
    let identity = cookies
        .iter()
        .find(|cookie| cookie.starts_with("clearbay_identity="))
        .unwrap();
    assert!(
        identity.contains("Max-Age=1800") && identity.contains("HttpOnly"),
        "{identity}"
    );
    assert!(
        cookies
            .iter()
            .any(|c| c.starts_with("clearbay_sign_in_") && c.contains("Max-Age=0"))
    );
    assert_eq!(
        city.database.count("confirmed_name").await,
        0,
        "nothing is kept before it is used"
    );

    // The form says under which name it is sent; a second click comes to the same request.
    let form = alice.page("/exemptions").await;
    assert!(
        form.contains("You send this as") && form.contains(ALICE),
        "{form}"
    );
    let mark = field(&form, "confirmed").unwrap();
    let other = Browser::of(city);
    assert!(!other.page("/exemptions").await.contains(ALICE));
    let (one, two) = tokio::join!(
        ask(&alice, city, "a-key-of-tests", &mark),
        ask(&alice, city, "a-key-of-tests", &mark)
    );
    assert_eq!(location(&one), location(&two));
    let request = location(&one);
    assert!(
        set_cookies(&one)
            .iter()
            .any(|c| c.starts_with("clearbay_identity=;"))
    );
    let kept = rows(
        city,
        "SELECT concat_ws('|', issuer, subject, name) FROM confirmed_name",
    )
    .await;
    assert_eq!(kept.len(), 1);
    assert!(
        kept[0].ends_with(&format!("|subject-of-alice|{ALICE}")),
        "{kept:?}"
    );
    assert!(alice.page(&request).await.contains(ALICE));
    let id = request.strip_prefix("/exemptions/").unwrap();
    let case = format!("/staff/exemptions/requests/{id}");
    let shown = look(city, &staff, &case).await;
    assert!(
        shown.contains(&format!("Name confirmed by {NAME}")) && shown.contains(ALICE),
        "{shown}"
    );
    // It is used up: the next form shows no name, and a mark of before sends nothing.
    assert!(!alice.page("/exemptions").await.contains(ALICE));
    let late = ask(&alice, city, "another-key-of-tests", &mark).await;
    assert_eq!(late.status(), StatusCode::CONFLICT);
    assert!(late.text().await.unwrap().contains("nothing has been sent"));
    assert_eq!(city.database.count("exemption_request").await, 1);

    // Whoever is confirmed and shows no name sends none; nobody sends under another's.
    signing.sign_in(&alice, "/exemptions", "alice").await;
    assert_eq!(
        ask(&alice, city, "without-a-name", "").await.status(),
        StatusCode::SEE_OTHER
    );
    let bob = Browser::of(city);
    signing.sign_in(&bob, "/exemptions", "bob").await;
    assert_eq!(
        ask(&bob, city, "under-alice-s", &mark).await.status(),
        StatusCode::CONFLICT
    );
    assert_eq!(city.database.count("confirmed_name").await, 1);
    let forgotten = bob.post("/sign-in/forget", &[("to", "/exemptions")]).await;
    assert_eq!(location(&forgotten), "/exemptions");
    assert!(bob.page("/exemptions").await.contains("Confirm who I am"));

    // The city refuses; thirty days later the name is gone, with a line of the record.
    let url = format!("{}{case}/refuse", city.url);
    let refused = city
        .client
        .post(url)
        .header(COOKIE, &staff)
        .form(&[("reason", "Illegible.")]);
    assert_eq!(
        refused.send().await.unwrap().status(),
        StatusCode::SEE_OTHER
    );
    let store = &city.database.store;
    let now = Utc::now();
    assert_eq!(
        store
            .confirmed_names_forget(now + Days::new(29))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .confirmed_names_forget(now + Days::new(30) + TimeDelta::minutes(1))
            .await
            .unwrap(),
        1
    );
    assert!(!look(city, &staff, &case).await.contains(ALICE));
    let record = rows(
        city,
        "SELECT action FROM audit WHERE actor = 'system' AND action LIKE 'identity%'",
    )
    .await;
    assert_eq!(record, ["identity.forget"]);

    // Who takes a request back takes the name back at once.
    signing.sign_in(&bob, "/exemptions", "bob").await;
    let mark = field(&bob.page("/exemptions").await, "confirmed").unwrap();
    let request = location(&ask(&bob, city, "bob-s-request", &mark).await);
    assert_eq!(city.database.count("confirmed_name").await, 1);
    bob.post(&format!("{request}/withdraw"), &[]).await;
    assert_eq!(city.database.count("confirmed_name").await, 0);
    // Somebody whose name the provider does not tell goes on without.
    let nameless = Browser::of(city);
    let home = signing.sign_in(&nameless, "/exemptions", "dan").await;
    assert_eq!(location(&home), "/exemptions?sign_in=nameless");
    assert!(
        nameless
            .page(&location(&home))
            .await
            .contains("told no name")
    );
}

#[tokio::test]
async fn a_driver_objects_to_a_receipt_under_a_name() {
    let Some(signing) = Signing::start(CLIENT_SECRET, None).await else {
        return;
    };
    let city = &signing.city;
    let staff = city.staff("city", None).await;
    let open = city.paid_session(BAY, 60).await;
    let receipt = text(&city.payment(&open).await["receipt_id"]);
    let (page, form) = (format!("/r/{receipt}"), format!("/r/{receipt}/dispute"));
    let alice = Browser::of(city);
    assert!(
        alice
            .page(&page)
            .await
            .contains(&format!("href=\"{form}\""))
    );
    assert_eq!(
        alice.get("/r/nothing/dispute").await.status(),
        StatusCode::NOT_FOUND
    );
    let home = signing.sign_in(&alice, &form, "alice").await;
    assert_eq!(location(&home), form);
    let shown = alice.page(&form).await;
    assert!(
        shown.contains("You send this as") && shown.contains(ALICE),
        "{shown}"
    );
    // A receipt may be handed on, and a copy of it is kept on the phone: no name stands there.
    assert!(!alice.page(&page).await.contains(ALICE));
    let mark = field(&shown, "confirmed").unwrap();
    let words = [
        ("reason", "other"),
        ("text", "It was not me."),
        ("key", "a-key-of-tests"),
    ];
    // A name that has run out meanwhile: nothing is sent, and nothing that was typed is lost.
    let stranger = Browser::of(city);
    let late = stranger
        .post(&form, &[&words[..], &[("confirmed", &mark)]].concat())
        .await;
    assert_eq!(late.status(), StatusCode::CONFLICT);
    let late = late.text().await.unwrap();
    assert!(
        late.contains("It was not me.") && late.contains("nothing has been sent"),
        "{late}"
    );
    assert_eq!(city.database.count("dispute").await, 0);
    let sent = alice
        .post(&form, &[&words[..], &[("confirmed", &mark)]].concat())
        .await;
    assert_eq!(
        (sent.status(), location(&sent)),
        (StatusCode::SEE_OTHER, page.clone())
    );
    assert_eq!(
        location(&alice.get(&form).await),
        page,
        "one dispute at a time"
    );

    let work = look(city, &staff, "/staff/money").await;
    assert!(
        work.contains(&format!("Name confirmed by {NAME}")) && work.contains(ALICE),
        "{work}"
    );
    let listed = city.get("/api/v1/staff/disputes").header(COOKIE, &staff);
    let listed: Value = listed.send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["disputes"][0]["confirmed_name"], ALICE);
    // Nobody else sees it: not the receipt, not what the API says of it, not the public log.
    for public in [
        page.clone(),
        format!("/api/v1/receipts/{receipt}"),
        format!("/api/v1/receipts/{receipt}/disputes"),
    ] {
        assert!(!look(city, "", &public).await.contains("Alice"), "{public}");
    }
    let id = rows(city, "SELECT dispute_id::text FROM dispute")
        .await
        .remove(0);
    let url = format!("{}/staff/money/disputes/{id}", city.url);
    let answer = [("decision", "refuse"), ("answer", "It was you.")];
    let decided = city
        .client
        .post(url)
        .header(COOKIE, &staff)
        .form(&answer)
        .send()
        .await
        .unwrap();
    assert_eq!(decided.status(), StatusCode::SEE_OTHER);
    let store = &city.database.store;
    assert_eq!(
        store
            .confirmed_names_forget(Utc::now() + Days::new(29))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        store
            .confirmed_names_forget(Utc::now() + Days::new(31))
            .await
            .unwrap(),
        1
    );
    assert_eq!(city.database.count("dispute").await, 1);
}

/// Signs a member of staff in by their password, in a browser of their own.
async fn at_the_counter(city: &Serving, login: &str) -> Browser {
    let browser = Browser::of(city);
    let form = [("login", login), ("password", "a password")];
    assert_eq!(
        browser.post("/staff/login", &form).await.status(),
        StatusCode::SEE_OTHER
    );
    browser
}

async fn link(browser: &Browser) -> Response {
    let page = browser.page("/staff/identity").await;
    let mark = field(&page, "confirmed").unwrap_or_default();
    browser
        .post("/staff/identity", &[("deed", "link"), ("confirmed", &mark)])
        .await
}

/// Signs somebody in behind the counter; whether a page of staff's opens then.
async fn comes_in(signing: &Signing, browser: &Browser, who: &str) -> bool {
    let home = signing.sign_in(browser, "/staff", who).await;
    match home.status() {
        // Staff's cookie goes with what a page of ours leads to.
        StatusCode::OK => {
            assert_eq!(home.headers()["refresh"], "0; url=/staff");
            assert!(
                set_cookies(&home)
                    .iter()
                    .any(|c| c.starts_with("clearbay_staff=") && c.contains("SameSite=Strict"))
            );
            assert!(home.text().await.unwrap().contains("href=\"/staff\""));
        }
        StatusCode::SEE_OTHER => {
            assert_eq!(location(&home), "/staff/login?sign_in=unlinked");
            let page = browser.get(&location(&home)).await;
            assert_eq!(page.status(), StatusCode::UNAUTHORIZED);
            assert!(
                page.text()
                    .await
                    .unwrap()
                    .contains("is not linked to a member of staff")
            );
        }
        status => panic!("{status}"),
    }
    is_in(browser).await
}

async fn is_in(browser: &Browser) -> bool {
    !browser.page("/staff").await.contains("name=\"password\"")
}

#[tokio::test]
async fn staff_link_an_identity_and_come_in_by_it() {
    // A public client: PKCE alone.
    let Some(signing) = Signing::start("", None).await else {
        return;
    };
    let city = &signing.city;
    city.staff("guard", Some("HKP")).await;
    city.staff("other", Some("HKP")).await;
    city.administrator("boss", Some("HKP")).await;
    city.administrator("theirs", Some("HNP")).await;
    let phone = Browser::of(city);
    assert!(
        phone
            .page("/staff")
            .await
            .contains(&format!("Sign in with {NAME}"))
    );
    assert!(
        !comes_in(&signing, &phone, "alice").await,
        "nobody becomes a member this way"
    );
    assert_eq!(city.database.count("staff_login").await, 4);

    // Linked by whoever is signed in by their password, who sees whose it is.
    let guard = at_the_counter(city, "guard").await;
    assert!(
        guard
            .page("/staff")
            .await
            .contains("href=\"/staff/identity\"")
    );
    assert_eq!(
        link(&guard).await.status(),
        StatusCode::CONFLICT,
        "nothing was confirmed"
    );
    let home = signing.sign_in(&guard, "/staff/identity", "alice").await;
    assert_eq!(home.headers()["refresh"], "0; url=/staff/identity");
    assert_eq!(
        city.database.count("staff_identity").await,
        0,
        "it is theirs to say"
    );
    assert!(guard.page("/staff/identity").await.contains(ALICE));
    let forged = guard
        .post(
            "/staff/identity",
            &[("deed", "link"), ("confirmed", "another")],
        )
        .await;
    assert_eq!(forged.status(), StatusCode::CONFLICT);
    let cross = guard.client.post(format!("{}/staff/identity", city.url));
    let cross = cross
        .header("sec-fetch-site", "cross-site")
        .form(&[("deed", "link")]);
    assert_eq!(cross.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let (one, two) = tokio::join!(link(&guard), link(&guard));
    let done = [one.status(), two.status()];
    assert!(done.contains(&StatusCode::SEE_OTHER), "{done:?}");
    assert!(
        guard
            .page("/staff/identity")
            .await
            .contains("You may come in as")
    );
    let record = "SELECT concat_ws(' ', actor, action) FROM audit WHERE action LIKE 'staff.%link' ORDER BY audit_id";
    assert_eq!(
        rows(city, record).await,
        ["staff:guard staff.link"],
        "once on the record"
    );

    // Another browser comes in by it, as the same member, with the same rights.
    assert!(comes_in(&signing, &phone, "alice").await);
    let shift = phone.page("/staff").await;
    assert!(
        shift.contains("guard") && shift.contains("HK-01") && !shift.contains("CN-01"),
        "{shift}"
    );
    assert_eq!(
        phone.get("/staff/people").await.status(),
        StatusCode::FORBIDDEN
    );
    let how = "SELECT concat_ws(' ', login, by_identity) FROM staff_login JOIN staff USING (staff_id) ORDER BY created_at DESC LIMIT 1";
    assert_eq!(rows(city, how).await, ["guard t"]);

    // One identity, one member: neither a second member's nor a second one of the same member.
    let other = at_the_counter(city, "other").await;
    signing.sign_in(&other, "/staff/identity", "alice").await;
    let taken = link(&other).await;
    assert_eq!(taken.status(), StatusCode::CONFLICT);
    assert!(taken.text().await.unwrap().contains("another member"));
    // Who came in by an identity gives the member no other, not even where theirs is gone meanwhile.
    let staff_cookie = cookie_of(
        &signing.sign_in(&phone, "/staff", "alice").await,
        "clearbay_staff=",
    );
    let bob = Browser::of(city);
    let bob_s = signing.sign_in(&bob, "/exemptions", "bob").await;
    let both = format!(
        "{staff_cookie}; {}",
        cookie_of(&bob_s, "clearbay_identity=")
    );
    let mark = field(&bob.page("/exemptions").await, "confirmed").unwrap();
    let swap = [("deed", "link"), ("confirmed", mark.as_str())];
    let swap = city
        .client
        .post(format!("{}/staff/identity", city.url))
        .form(&swap);
    let swap = swap
        .header(COOKIE, both)
        .header("accept-language", "en")
        .send()
        .await
        .unwrap();
    assert_eq!(swap.status(), StatusCode::CONFLICT);
    assert!(
        swap.text()
            .await
            .unwrap()
            .contains("signed in by their password")
    );
    assert!(!comes_in(&signing, &bob, "bob").await);

    let deed = [("deed", "unlink")];
    let boss = at_the_counter(city, "boss").await;
    let theirs = at_the_counter(city, "theirs").await;
    let refused = theirs.post("/staff/people/guard", &deed).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);

    // Shut out is shut out, however one comes; let in again, they come in again.
    assert!(
        boss.page("/staff/people")
            .await
            .contains(&format!("Comes in as {ALICE}"))
    );
    boss.post("/staff/people/guard", &[("deed", "out")]).await;
    assert!(!is_in(&phone).await);
    assert!(!comes_in(&signing, &phone, "alice").await);
    boss.post("/staff/people/guard", &[("deed", "in")]).await;
    assert!(comes_in(&signing, &phone, "alice").await);

    // Unlinked, they are signed out wherever they came in by it, and nowhere else.
    let guard = at_the_counter(city, "guard").await;
    let done = boss.post("/staff/people/guard", &deed).await;
    assert_eq!(done.status(), StatusCode::OK);
    assert!(!is_in(&phone).await && is_in(&guard).await);
    assert!(!comes_in(&signing, &phone, "alice").await);
    assert_eq!(
        rows(city, record).await,
        ["staff:guard staff.link", "staff:boss staff.unlink"]
    );

    // A new password leaves nobody a way in who had the old one.
    signing.sign_in(&guard, "/staff/identity", "alice").await;
    assert_eq!(link(&guard).await.status(), StatusCode::SEE_OTHER);
    assert!(comes_in(&signing, &phone, "alice").await);
    boss.post("/staff/people/guard", &[("deed", "password")])
        .await;
    assert!(!is_in(&phone).await && !is_in(&guard).await);
    assert!(!comes_in(&signing, &phone, "alice").await);

    // Whoever tries an identity that lets nobody in again and again must wait, as with passwords.
    let mut last = String::new();
    for _ in 0..8 {
        last = location(&signing.sign_in(&Browser::of(city), "/staff", "carol").await);
    }
    assert_eq!(last, "/staff/login?sign_in=often");
}

/// Two members link one identity at the same time: it is one's.
#[tokio::test]
async fn an_identity_is_one_member_s_whoever_is_quicker() {
    let Some(signing) = Signing::start(CLIENT_SECRET, None).await else {
        return;
    };
    let city = &signing.city;
    city.staff("guard", Some("HKP")).await;
    city.staff("other", Some("HKP")).await;
    let (guard, other) = (
        at_the_counter(city, "guard").await,
        at_the_counter(city, "other").await,
    );
    for browser in [&guard, &other] {
        signing.sign_in(browser, "/staff/identity", "alice").await;
    }
    let (one, two) = tokio::join!(link(&guard), link(&other));
    let mut done = [one.status(), two.status()];
    done.sort();
    assert_eq!(done, [StatusCode::SEE_OTHER, StatusCode::CONFLICT]);
    assert_eq!(city.database.count("staff_identity").await, 1);
}

#[tokio::test]
async fn an_answer_counts_once_and_in_the_browser_that_asked() {
    let Some(signing) = Signing::start(CLIENT_SECRET, None).await else {
        return;
    };
    let city = &signing.city;
    let alice = Browser::of(city);
    let over = |reply: Response| async move {
        let status = reply.status();
        let cookies = set_cookies(&reply);
        let page = reply.text().await.unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
        assert!(
            page.contains("This sign-in is over") && cookies.is_empty(),
            "{page}"
        );
    };
    // In another browser, with the very address: it is nobody's.
    let back = signing.at_provider(&alice, "/exemptions", "alice").await;
    over(Browser::of(city).get(&back).await).await;
    // Two at once, and once more: one counts.
    let (one, two) = tokio::join!(alice.get(&back), alice.get(&back));
    let mut done = [one.status(), two.status()];
    done.sort();
    assert_eq!(done, [StatusCode::SEE_OTHER, StatusCode::BAD_REQUEST]);
    assert!(alice.page("/exemptions").await.contains(ALICE));
    over(alice.get(&back).await).await;
    // Its cookie kept aside by whoever wants it twice, at another process: it was used.
    let back = signing.at_provider(&alice, "/exemptions", "alice").await;
    let begun = Browser::of(city);
    let address = begun.get("/sign-in?to=/exemptions").await;
    let cookie = set_cookies(&address).remove(0);
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let denied = format!(
        "/sign-in/return?error=access_denied&state={}&iss={}",
        told(&location(&address), "state"),
        told(&back, "iss")
    );
    let send = |url: String| {
        city.client
            .get(format!("{url}{denied}"))
            .header(COOKIE, &cookie)
            .header("accept-language", "en")
            .send()
    };
    let another = city.another().await;
    let first = send(city.url.clone()).await.unwrap();
    assert_eq!(location(&first), "/exemptions?sign_in=denied");
    over(send(another.url()).await.unwrap()).await;
    assert!(
        alice
            .page("/exemptions?sign_in=denied")
            .await
            .contains("You did not confirm who you are")
    );

    // Two pages at once do not spoil each other.
    let two_pages = Browser::of(city);
    let begun = [
        two_pages.begin("/exemptions").await,
        two_pages.begin("/exemptions").await,
    ];
    // One after the other: with the second sign-in the provider forgets what it said at the first.
    for address in begun {
        let back = signing.led(&two_pages, address, "alice").await;
        assert_eq!(location(&two_pages.get(&back).await), "/exemptions");
    }
    // Without a state, with one that is nobody's, and with nonsense.
    for query in ["", "?state=a&code=b", "?state=a&state=b", "?code=b"] {
        over(alice.get(&format!("/sign-in/return{query}")).await).await;
    }
    // Only to pages of ours that need a name.
    for to in [
        "https://evil.example/",
        "//evil.example/",
        "/staff/people",
        "/%0d%0aset-cookie:a=b",
        "",
    ] {
        let reply = alice.get(&format!("/sign-in?to={to}")).await;
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{to}");
    }
    let gone = alice
        .post("/sign-in/forget", &[("to", "//evil.example/")])
        .await;
    assert_eq!(location(&gone), "/");
}

#[tokio::test]
async fn a_log_of_everything_says_of_nobody_who_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serve.log");
    let Some(signing) = Signing::start(CLIENT_SECRET, Some(path.clone())).await else {
        return;
    };
    let city = &signing.city;
    city.staff("guard", Some("HKP")).await;
    let mut secrets = vec![ALICE, "Alice", "subject-of-alice", CLIENT_SECRET]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let alice = at_the_counter(city, "guard").await;
    for to in ["/exemptions", "/staff/identity", "/staff"] {
        let back = signing.at_provider(&alice, to, "alice").await;
        secrets.extend([told(&back, "code"), told(&back, "state")]);
        let home = alice.get(&back).await;
        secrets.extend(set_cookies(&home).iter().filter_map(|cookie| {
            let value = cookie.split(['=', ';']).nth(1)?;
            (value.len() > 20).then(|| value.to_owned())
        }));
        match to {
            "/exemptions" => {
                let mark = field(&alice.page("/exemptions").await, "confirmed").unwrap();
                assert_eq!(
                    ask(&alice, city, "a-key-of-tests", &mark).await.status(),
                    StatusCode::SEE_OTHER
                );
                // The same answer again, and a code that is none.
                alice.get(&back).await;
                let begun = alice.begin("/exemptions").await;
                let wrong = format!(
                    "/sign-in/return?code=a-code-of-tests&state={}&iss={}",
                    told(&begun, "state"),
                    told(&back, "iss")
                );
                assert_eq!(
                    location(&alice.get(&wrong).await),
                    "/exemptions?sign_in=failed"
                );
                secrets.extend(["a-code-of-tests".to_owned(), told(&begun, "nonce")]);
            }
            "/staff/identity" => drop(link(&alice).await),
            _ => assert!(is_in(&alice).await),
        }
    }
    assert_eq!(city.database.count("confirmed_name").await, 1);
    assert_eq!(city.database.count("staff_identity").await, 1);
    let log = log_with(
        &path,
        &[
            "DEBUG",
            "could not be signed in at the identity provider",
            "sqlx::query",
        ],
    );
    assert_says_none_of(&log, &secrets);
}

/// Which cookies go with what another site leads to, and which forms may lead there, a browser says.
#[tokio::test]
async fn a_browser_comes_back_from_another_site() {
    // Another site than the city's, whose host is an address.
    let Some(signing) = Signing::at("localhost", CLIENT_SECRET, None).await else {
        return;
    };
    let city = &signing.city;
    city.staff("guard", Some("HKP")).await;
    let phone = Phone::start().await;
    phone.goto(&format!("{}/exemptions", city.url)).await;
    phone.click("[data-sign-in] a.button").await;
    phone.fill("input[name=login]", "subject-of-alice").await;
    phone.fill("input[name=password]", "any").await;
    phone.click("button[type=submit]").await;
    let shown = phone.find("[data-confirmed-name]").await;
    assert_eq!(shown.text().await.unwrap(), ALICE);
    phone.click("[data-sign-in] button").await;
    phone.find("[data-sign-in] a.button").await;

    phone.sign_in(&city.url, "guard", "a password").await;
    phone.goto(&format!("{}/staff/identity", city.url)).await;
    phone.click("section a.button").await;
    phone.click("button[value=link]").await;
    phone.find("[data-linked]").await;
    phone.click(".staff-bar button").await;
    phone.find("input[name=password]").await;
    phone.click("a[href='/sign-in?to=/staff']").await;
    phone.find(".staff-bar").await;
    phone.close().await;
}
