use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::get;
use axum::{Json, Router};
use chrono::DateTime;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const QUESTION: Question<'_> = Question {
    redirect_uri: "http://127.0.0.1/sign-in/return",
    state: "a-state",
    nonce: "a-nonce",
    verifier: "a-verifier",
};

fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
}

fn settings(issuer: String) -> Settings {
    let some = |text: &str| Some(text.to_owned());
    let settings = Settings::of(Some(issuer), some("clear bay"), some("s:c"), some("VNeID"));
    settings.unwrap().unwrap()
}

/// A provider that counts how often it is asked for its description and for its keys.
struct Counting {
    issuer: String,
    described: Arc<AtomicUsize>,
    asked_for_keys: Arc<AtomicUsize>,
}

async fn counting(change: fn(&mut Value)) -> Counting {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let mut metadata = json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/auth?tenant=1"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks")});
    change(&mut metadata);
    let (described, asked_for_keys) =
        (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (count, count_keys) = (described.clone(), asked_for_keys.clone());
    let describe = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        Json(metadata)
    };
    let keys = move || async move {
        count_keys.fetch_add(1, Ordering::SeqCst);
        Json(json!({"keys": []}))
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(describe))
        .route("/jwks", get(keys));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Counting {
        issuer,
        described,
        asked_for_keys,
    }
}

#[tokio::test]
async fn a_provider_is_asked_once_an_hour_and_for_keys_once_a_minute() {
    let counting = counting(|_| {}).await;
    let oidc = Oidc::new(settings(counting.issuer.clone()));
    let http = crate::gateway::client().unwrap();
    let asked = || {
        let (described, keys) = (&counting.described, &counting.asked_for_keys);
        (
            described.load(Ordering::SeqCst),
            keys.load(Ordering::SeqCst),
        )
    };
    assert_eq!(asked(), (0, 0), "nobody has signed in");
    let ask = async |seconds| oidc.sign_in_address(&http, QUESTION, at(seconds)).await;
    let many = futures::future::join_all((0..10).map(|_| ask(0))).await;
    let address = many[0].clone().unwrap();
    assert!(many.iter().all(|one| one.as_ref() == Ok(&address)));
    let challenge = pkce::challenge("a-verifier");
    for part in [
        "/auth?tenant=1&response_type=code&client_id=clear+bay&",
        "redirect_uri=http%3A%2F%2F127.0.0.1%2Fsign-in%2Freturn&scope=openid+profile&",
        "state=a-state&nonce=a-nonce&",
        &format!("code_challenge={challenge}&code_challenge_method=S256"),
    ] {
        assert!(address.contains(part), "{part} in {address}");
    }
    assert!(!address.contains("a-verifier"));
    ask(3_599).await.unwrap();
    assert_eq!(asked(), (1, 0));
    ask(3_600).await.unwrap();
    assert_eq!(asked(), (2, 0));

    let unknown = format!("{}.e30.AAAA", "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ");
    let metadata = oidc.metadata(&http, at(3_600)).await.unwrap();
    for (seconds, keys) in [
        (3_600, 1),
        (3_601, 1),
        (3_659, 1),
        (3_660, 2),
        (3_700, 2),
        (3_720, 3),
    ] {
        let checked = oidc
            .checked(&http, &metadata, &unknown, "a-nonce", at(seconds))
            .await;
        assert_eq!(checked, Err(Refused::Key.into()));
        assert_eq!(asked().1, keys, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_left_alone_for_a_moment() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let oidc = Oidc::new(settings(format!("http://{address}")));
    let http = crate::gateway::client().unwrap();
    let ask = async |seconds| {
        oidc.sign_in_address(&http, QUESTION, at(seconds))
            .await
            .unwrap_err()
    };
    let away = OidcError::Unavailable("the provider does not answer");
    let lately = OidcError::Unavailable("the provider was away a moment ago");
    assert_eq!(
        [ask(0).await, ask(9).await, ask(10).await],
        [away, lately, away]
    );
}

#[tokio::test]
async fn a_description_that_is_another_s_or_leads_elsewhere_is_not_believed() {
    let changes: [fn(&mut Value); 4] = [
        |metadata| metadata["issuer"] = json!("https://other.example"),
        |metadata| metadata["authorization_endpoint"] = json!("http://other.example/auth"),
        |metadata| metadata["authorization_endpoint"] = json!("javascript:alert(1)"),
        |metadata| metadata["token_endpoint"] = json!(["x".repeat(70_000)]),
    ];
    for change in changes {
        let counting = counting(change).await;
        let oidc = Oidc::new(settings(counting.issuer.clone()));
        let http = crate::gateway::client().unwrap();
        let asked = oidc.sign_in_address(&http, QUESTION, at(0)).await;
        assert!(matches!(asked, Err(OidcError::Unavailable(_))), "{asked:?}");
    }
}

#[tokio::test]
async fn an_answer_says_whose_it_is_where_the_provider_says_that_it_does() {
    let http = crate::gateway::client().unwrap();
    let silent = counting(|_| {}).await;
    let oidc = Oidc::new(settings(silent.issuer.clone()));
    assert_eq!(oidc.check_issuer(&http, None, at(0)).await, Ok(()));
    assert_eq!(
        oidc.check_issuer(&http, Some(&silent.issuer), at(0)).await,
        Ok(())
    );
    let other = oidc
        .check_issuer(&http, Some("https://other.example"), at(0))
        .await;
    assert_eq!(other, Err(OidcError::Issuer));
    let saying =
        counting(|m| m["authorization_response_iss_parameter_supported"] = json!(true)).await;
    let oidc = Oidc::new(settings(saying.issuer));
    assert_eq!(
        oidc.check_issuer(&http, None, at(0)).await,
        Err(OidcError::Issuer)
    );
}

/// RFC 6749, section 2.3.1: both parts are encoded before they are put together.
#[test]
fn a_secret_goes_where_the_provider_takes_it() {
    assert_eq!(
        basic("clear bay", "s:c"),
        format!("Basic {}", STANDARD.encode("clear%20bay:s%3Ac"))
    );
    let oidc = Oidc::new(settings("https://id.example".to_owned()));
    let http = crate::gateway::client().unwrap();
    let sent = |methods: Value| {
        let metadata = json!({"issuer": "https://id.example", "authorization_endpoint": "https://id.example/a",
            "token_endpoint": "https://id.example/t", "jwks_uri": "https://id.example/j",
            "token_endpoint_auth_methods_supported": methods});
        let metadata = serde_json::from_value(metadata).unwrap();
        let request = oidc
            .token_request(&http, &metadata, "a-code", QUESTION)
            .unwrap();
        let request = request.build().unwrap();
        let body = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
        assert!(
            body.contains("code=a-code") && body.contains("code_verifier=a-verifier"),
            "{body}"
        );
        (
            request.headers().contains_key("authorization"),
            body.contains("client_secret=s%3Ac"),
        )
    };
    assert_eq!(sent(Value::Null), (true, false));
    assert_eq!(
        sent(json!(["client_secret_post", "client_secret_basic"])),
        (true, false)
    );
    assert_eq!(sent(json!(["client_secret_post"])), (false, true));
}
