//! Signing in at an identity provider that is away, or says what it should not.

use hmac::{Hmac, Mac};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use tests::identity_provider::{
    Browser, CLIENT_ID, CLIENT_SECRET, Hostile, NAME, city, location, settings, told,
};
use tests::page::field;
use tests::serving::Serving;
use tests::{eventually, free_address};
use tokio::net::TcpListener;

/// Where somebody is led whom the provider sends back, with what besides the state.
async fn led(browser: &Browser, address: &str, more: &str) -> String {
    let state = told(address, "state");
    location(
        &browser
            .get(&format!("/sign-in/return?state={state}{more}"))
            .await,
    )
}

/// Somebody signs in, and the provider says that token.
async fn outcome(
    city: &Serving,
    hostile: &Hostile,
    token: impl FnOnce(Value) -> String,
) -> (Browser, String) {
    let browser = Browser::of(city);
    let address = browser.begin("/exemptions").await;
    hostile.say(token(hostile.claims(&address)));
    let led = led(&browser, &address, "&code=a-code").await;
    (browser, led)
}

fn es256() -> Value {
    json!({"alg": "ES256", "kid": "key-1"})
}

#[tokio::test]
async fn no_token_is_believed_that_is_not_as_it_must_be() {
    let hostile = Hostile::start().await;
    let city = city(settings(&hostile.issuer, CLIENT_SECRET), None).await;
    let changed = |name: &'static str, value: Value| {
        let hostile = &hostile;
        move |mut claims: Value| {
            claims[name] = value;
            hostile.token(&es256(), &claims)
        }
    };
    let now = chrono::Utc::now().timestamp();
    // First that what is right is believed, or the rest says nothing.
    let (browser, home) = outcome(&city, &hostile, |claims| hostile.token(&es256(), &claims)).await;
    assert_eq!(home, "/exemptions");
    assert!(browser.page("/exemptions").await.contains("Nguyễn Văn A"));
    for (name, value) in [
        ("aud", json!([CLIENT_ID])),
        ("exp", json!(now - 30)),
        ("iat", json!(now + 30)),
        ("azp", json!(CLIENT_ID)),
    ] {
        let (_, home) = outcome(&city, &hostile, changed(name, value)).await;
        assert_eq!(home, "/exemptions", "{name}");
    }
    let (_, home) = outcome(&city, &hostile, |claims| {
        hostile.token(&json!({"alg": "ES256"}), &claims)
    })
    .await;
    assert_eq!(home, "/exemptions", "one key needs no name");

    let wrong = [
        ("iss", json!("https://other.example")),
        ("iss", json!(format!("{}/", hostile.issuer))),
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("aud", json!([CLIENT_ID, "another"])),
        ("azp", json!("another")),
        ("exp", json!(now - 3_600)),
        ("exp", json!((now + 300).to_string())),
        ("exp", Value::Null),
        ("iat", json!(now - 3_600)),
        ("iat", json!(now + 3_600)),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("sub", json!("")),
    ];
    for (name, value) in wrong {
        let (browser, home) = outcome(&city, &hostile, changed(name, value.clone())).await;
        assert_eq!(home, "/exemptions?sign_in=failed", "{name}: {value}");
        let page = browser.page(&home).await;
        assert!(page.contains("could not be confirmed") && field(&page, "confirmed").is_none());
    }

    // Not signed, signed by the public key as if it were a secret, by a key that nobody knows, and changed.
    let unsigned = |header: Value, claims: &Value| {
        let token = hostile.token(&header, claims);
        token.rsplit_once('.').unwrap().0.to_owned()
    };
    let none = outcome(&city, &hostile, |claims| {
        format!("{}.", unsigned(json!({"alg": "none"}), &claims))
    });
    assert_eq!(none.await.1, "/exemptions?sign_in=failed");
    let confused = outcome(&city, &hostile, |claims| {
        use base64::Engine;
        let signed = unsigned(json!({"alg": "HS256", "kid": "key-1"}), &claims);
        let mut mac = Hmac::<Sha256>::new_from_slice(&hostile.public_key()).unwrap();
        mac.update(signed.as_bytes());
        let tag =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{tag}")
    });
    assert_eq!(confused.await.1, "/exemptions?sign_in=failed");
    for header in [
        json!({"alg": "ES256", "kid": "key-2"}),
        json!({"alg": "RS256", "kid": "key-1"}),
    ] {
        let (_, home) = outcome(&city, &hostile, |claims| hostile.token(&header, &claims)).await;
        assert_eq!(home, "/exemptions?sign_in=failed", "{header}");
    }
    let others = Hostile::start().await;
    let (_, home) = outcome(&city, &hostile, |claims| others.token(&es256(), &claims)).await;
    assert_eq!(
        home, "/exemptions?sign_in=failed",
        "another's key by the same name"
    );
    for nonsense in ["", "a.b.c", &"x".repeat(100_000)] {
        let (_, home) = outcome(&city, &hostile, |_| nonsense.to_owned()).await;
        assert!(home.starts_with("/exemptions?sign_in="), "{home}");
    }
    assert_eq!(city.database.count("confirmed_name").await, 0);
}

#[tokio::test]
async fn whatever_else_a_provider_says_is_looked_at_too() {
    let hostile = Hostile::start().await;
    let city = city(settings(&hostile.issuer, CLIENT_SECRET), None).await;

    // The code is redeemed by who asked for it, who says who they are.
    let browser = Browser::of(&city);
    let address = browser.begin("/exemptions").await;
    hostile.say(hostile.token(&es256(), &hostile.claims(&address)));
    assert_eq!(led(&browser, &address, "&code=a-code").await, "/exemptions");
    let (form, header) = hostile.last_redeemed();
    let challenge = api::oidc::pkce::challenge(&form["code_verifier"]);
    assert_eq!(challenge, told(&address, "code_challenge"));
    assert_eq!(form["redirect_uri"], told(&address, "redirect_uri"));
    assert_eq!(
        (form["code"].as_str(), form["grant_type"].as_str()),
        ("a-code", "authorization_code")
    );
    assert!(header.unwrap().starts_with("Basic ") && !form.contains_key("client_secret"));

    // Mixed up with another provider: nothing is redeemed, whether it is an answer or an error.
    let count = hostile.redeemed();
    for more in [
        "&code=a-code&iss=https://other.example",
        "&error=access_denied&iss=https://other.example",
    ] {
        let browser = Browser::of(&city);
        let address = browser.begin("/exemptions").await;
        assert_eq!(
            led(&browser, &address, more).await,
            "/exemptions?sign_in=failed"
        );
    }
    for (more, why) in [
        ("&error=access_denied", "denied"),
        ("&error=temporarily_unavailable", "unavailable"),
        ("&error=%3Cscript%3E", "failed"),
        ("", "failed"),
        ("&code=", "failed"),
    ] {
        let browser = Browser::of(&city);
        let address = browser.begin("/exemptions").await;
        let iss = format!("{more}&iss={}", hostile.issuer);
        assert_eq!(
            led(&browser, &address, &iss).await,
            format!("/exemptions?sign_in={why}")
        );
    }
    assert_eq!(hostile.redeemed(), count);

    // A name at the UserInfo endpoint is believed where it is the same person's.
    let nameless = |mut claims: Value| {
        claims.as_object_mut().unwrap().remove("name");
        hostile.token(&es256(), &claims)
    };
    for (told, why) in [
        (json!({"sub": "subject-1", "name": "Trần \u{202e}B"}), ""),
        (
            json!({"sub": "subject-2", "name": "Another"}),
            "?sign_in=failed",
        ),
        (json!({"name": "Nobody"}), "?sign_in=unavailable"),
        (json!({"sub": "subject-1"}), "?sign_in=nameless"),
        (
            json!({"sub": "subject-1", "name": "x".repeat(101)}),
            "?sign_in=nameless",
        ),
    ] {
        hostile.say_of_user(told.clone());
        let (browser, home) = outcome(&city, &hostile, nameless).await;
        assert_eq!(home, format!("/exemptions{why}"), "{told}");
        assert_eq!(
            browser.page("/exemptions").await.contains(">Trần B<"),
            why.is_empty()
        );
    }
    for (status, why) in [
        (StatusCode::BAD_REQUEST, "failed"),
        (StatusCode::INTERNAL_SERVER_ERROR, "unavailable"),
        (StatusCode::FOUND, "unavailable"),
    ] {
        hostile.answer_with(status);
        let (_, home) = outcome(&city, &hostile, |claims| hostile.token(&es256(), &claims)).await;
        assert_eq!(home, format!("/exemptions?sign_in={why}"));
    }

    // A cookie that was not made here is none.
    let forged = city
        .get("/exemptions")
        .header("cookie", "clearbay_identity=AAAA");
    let page = forged.send().await.unwrap().text().await.unwrap();
    assert!(field(&page, "confirmed").is_none());
    // Where pages come over TLS, so do cookies.
    let secure = city.serve.another_with(|settings| {
        settings
            .env
            .push(("CLEARBAY_PUBLIC_URL", "https://parking.example".to_owned()));
    });
    let url = format!("{}/sign-in?to=/exemptions", secure.url());
    eventually("the other process", || async {
        city.client.get(&url).send().await.is_ok()
    })
    .await;
    let begun = city.client.get(&url).send().await.unwrap();
    assert!(
        begun.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .ends_with("; Secure")
    );
    assert_eq!(
        told(&location(&begun), "redirect_uri"),
        "https://parking.example/sign-in/return"
    );
}

#[tokio::test]
async fn a_provider_that_is_away_is_in_nobody_s_way() {
    let address = free_address();
    let city = city(settings(&format!("http://{address}"), CLIENT_SECRET), None).await;
    let page = city.get("/exemptions").send().await.unwrap();
    assert!(page.text().await.unwrap().contains(NAME));
    assert!(
        !city.staff("guard", Some("HKP")).await.is_empty(),
        "passwords need no provider"
    );
    let browser = Browser::of(&city);
    for (to, back) in [
        ("/exemptions", "/exemptions?sign_in=unavailable"),
        ("/staff", "/staff/login?sign_in=unavailable"),
    ] {
        assert_eq!(browser.begin(to).await, back);
        let page = browser.get(back).await.text().await.unwrap();
        assert!(page.contains("cannot be reached at the moment"), "{page}");
    }
    // Once it is there, it is asked: a moment after it was not.
    let hostile = Hostile::on(TcpListener::bind(address).await.unwrap());
    eventually("the provider to be asked again", || async {
        browser
            .begin("/exemptions")
            .await
            .starts_with(&hostile.issuer)
    })
    .await;
}

#[tokio::test]
async fn nobody_is_asked_where_there_is_no_provider() {
    let city = Serving::without_bundle(80).await;
    let staff = city.staff("guard", Some("HKP")).await;
    for path in [
        "/sign-in?to=/exemptions",
        "/sign-in/return?state=a&code=b",
        "/staff/identity",
    ] {
        let reply = city
            .get(path)
            .header("cookie", &staff)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/exemptions", "/staff"] {
        let page = city.get(path).send().await.unwrap().text().await.unwrap();
        assert!(
            !page.contains("/sign-in") && !page.contains("data-sign-in"),
            "{path}"
        );
    }
    let half = city.serve.another_with(|settings| {
        settings
            .env
            .push(("CLEARBAY_OIDC_ISSUER", "https://id.example".to_owned()));
    });
    assert!(
        !half.ended().await.success(),
        "half a provider is a mistake"
    );
}
