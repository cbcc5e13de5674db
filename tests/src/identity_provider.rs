//! People who confirm who they are: their browsers, a real OpenID Connect provider, and one that says whatever a
//! test wants it to.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response as Reply};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::broker::Broker;
use crate::serving::Serving;
use crate::{eventually, free_address};

/// By what name providers know the city.
pub const CLIENT_ID: &str = "clearbay";
/// By what secret.
pub const CLIENT_SECRET: &str = "a-client-secret-of-tests";
/// What the city's pages call its provider.
pub const NAME: &str = "CitizenID";

/// Where a reply leads.
///
/// # Panics
/// Where it leads nowhere.
pub fn location(reply: &Response) -> String {
    let status = reply.status();
    let location = reply.headers().get("location");
    let location = location.unwrap_or_else(|| panic!("{status} leads nowhere"));
    location.to_str().unwrap().to_owned()
}

/// What an address says under a name.
///
/// # Panics
/// Where it says nothing.
pub fn told(address: &str, name: &str) -> String {
    let url = Url::parse(address).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {address}"))
        .1
        .into_owned()
}

/// A city's settings for a provider.
pub fn settings(issuer: &str, secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CLEARBAY_OIDC_ISSUER", issuer.to_owned()),
        ("CLEARBAY_OIDC_CLIENT_ID", CLIENT_ID.to_owned()),
        ("CLEARBAY_OIDC_CLIENT_SECRET", secret.to_owned()),
        ("CLEARBAY_OIDC_NAME", NAME.to_owned()),
    ]
}

/// A city of 80 bays with settings of one's own.
///
/// # Panics
/// Where anything it needs is missing.
pub async fn city(env: Vec<(&'static str, String)>, log: Option<PathBuf>) -> Serving {
    let place = simulator::city::hanoi(80).unwrap();
    Serving::with(&place, Broker::rumqttd(), env, log).await
}

/// Somebody's browser: it keeps cookies, and goes where it is led when it is told to.
pub struct Browser {
    /// What it sends with.
    pub client: Client,
    url: String,
}

impl Browser {
    /// A new one.
    ///
    /// # Panics
    /// Where none can be made.
    pub fn of(city: &Serving) -> Self {
        let client = simulator::http::local()
            .redirect(Policy::none())
            .cookie_store(true)
            .build();
        Self {
            client: client.unwrap(),
            url: city.url.clone(),
        }
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with('/') {
            format!("{}{path}", self.url)
        } else {
            path.to_owned()
        }
    }

    /// What a page says.
    ///
    /// # Panics
    /// Where nobody answers.
    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.address(path));
        request
            .header("accept-language", "en")
            .send()
            .await
            .unwrap()
    }

    /// A page that is there.
    ///
    /// # Panics
    /// Where it is not.
    pub async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        let status = reply.status();
        let page = reply.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        page
    }

    /// Sends a form.
    ///
    /// # Panics
    /// Where nobody answers.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(self.address(path)).form(form);
        request
            .header("accept-language", "en")
            .send()
            .await
            .unwrap()
    }

    /// The provider's address to which the way to a page leads.
    ///
    /// # Panics
    /// Where it leads nowhere.
    pub async fn begin(&self, to: &str) -> String {
        let to = to.replace('?', "%3F").replace('=', "%3D");
        location(&self.get(&format!("/sign-in?to={to}")).await)
    }
}

/// A provider that others wrote: npm's oidc-provider, which `cargo xtask test` installs. Ends with this value.
pub struct Provider {
    _child: Child,
}

/// The city, and the provider at which its people sign in.
pub struct Signing {
    /// The city.
    pub city: Serving,
    _provider: Provider,
}

impl Signing {
    /// Both, with such a secret, or with none for a public client. Nothing where this machine has no such provider:
    /// then the test is skipped, and says so.
    ///
    /// # Panics
    /// Where they do not start.
    pub async fn start(secret: &str, log: Option<PathBuf>) -> Option<Self> {
        Self::at("127.0.0.1", secret, log).await
    }

    /// The same with a provider by that name of this machine: by another than the city's it is another site.
    ///
    /// # Panics
    /// Where they do not start.
    pub async fn at(host: &str, secret: &str, log: Option<PathBuf>) -> Option<Self> {
        let Ok(script) = std::env::var("CLEARBAY_TEST_OIDC") else {
            println!("skipped: there is no identity provider on this machine (CLEARBAY_TEST_OIDC)");
            return None;
        };
        let address = free_address();
        let port = address.port().to_string();
        let issuer = format!("http://{host}:{port}");
        let mut env = settings(&issuer, secret);
        if log.is_some() {
            env.push(("CLEARBAY_LOG", "trace".to_owned()));
        }
        let city = city(env, log).await;
        let back = format!("{}/sign-in/return", city.url);
        let child = Command::new("node")
            .args([&script, &port, CLIENT_ID, secret, &back, host])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let description = format!("{issuer}/.well-known/openid-configuration");
        eventually("the identity provider", || async {
            city.client.get(&description).send().await.is_ok()
        })
        .await;
        Some(Self {
            city,
            _provider: Provider { _child: child },
        })
    }

    /// Somebody signs in at the provider; the address with which their browser comes back.
    ///
    /// # Panics
    /// Where the provider does not let them.
    pub async fn at_provider(&self, browser: &Browser, to: &str, who: &str) -> String {
        let address = browser.begin(to).await;
        self.led(browser, address, who).await
    }

    /// The same, once they have been sent to the provider's `address`.
    ///
    /// # Panics
    /// Where the provider does not let them.
    pub async fn led(&self, browser: &Browser, mut address: String, who: &str) -> String {
        for _ in 0..6 {
            let reply = if address.contains("/interaction/") {
                let login = format!("subject-of-{who}");
                let login = [("prompt", "login"), ("login", &login), ("password", "any")];
                browser.post(&address, &login).await
            } else {
                browser.get(&address).await
            };
            let next = Url::parse(&address)
                .unwrap()
                .join(&location(&reply))
                .unwrap();
            address = next.into();
            if address.starts_with(&self.city.url) {
                return address;
            }
        }
        panic!("the provider leads nowhere: {address}")
    }

    /// Somebody signs in; where the city leads them then.
    ///
    /// # Panics
    /// Where it lets them nowhere.
    pub async fn sign_in(&self, browser: &Browser, to: &str, who: &str) -> Response {
        let back = self.at_provider(browser, to, who).await;
        browser.get(&back).await
    }
}

struct Said {
    id_token: String,
    user_info: Value,
    status: StatusCode,
    keys: Value,
    redeemed: Vec<(HashMap<String, String>, Option<String>)>,
}

struct Shared {
    issuer: String,
    said: Mutex<Said>,
}

/// A provider that says what a test tells it to.
pub struct Hostile {
    /// Its identifier.
    pub issuer: String,
    signer: EcdsaKeyPair,
    shared: Arc<Shared>,
}

impl Hostile {
    /// Starts one.
    ///
    /// # Panics
    /// Where it cannot.
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Starts one that listens there.
    ///
    /// # Panics
    /// Where it cannot.
    pub fn on(listener: TcpListener) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let signer = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let said = Said {
            id_token: String::new(),
            user_info: Value::Null,
            status: StatusCode::OK,
            keys: json!({ "keys": [jwk(&signer, "key-1")] }),
            redeemed: Vec::new(),
        };
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            said: Mutex::new(said),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(redeem))
            .route("/me", get(user_info))
            .with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            issuer,
            signer,
            shared,
        }
    }

    /// What an ID token should say of somebody who was sent here.
    pub fn claims(&self, address: &str) -> Value {
        let now = Utc::now().timestamp();
        json!({"iss": self.issuer, "sub": "subject-1", "aud": CLIENT_ID, "exp": now + 300, "iat": now,
            "nonce": told(address, "nonce"), "name": "Nguyễn Văn A"})
    }

    /// A token that is signed by the key it publishes.
    ///
    /// # Panics
    /// Never: the key signs.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.signer.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.unwrap()))
    }

    /// The public key's point, as who mistakes it for a secret would use it.
    pub fn public_key(&self) -> Vec<u8> {
        self.signer.public_key().as_ref().to_vec()
    }

    /// What it says from now on to whoever redeems a code.
    ///
    /// # Panics
    /// Never.
    pub fn say(&self, id_token: String) {
        self.shared.said.lock().unwrap().id_token = id_token;
    }

    /// What it says at the UserInfo endpoint.
    ///
    /// # Panics
    /// Never.
    pub fn say_of_user(&self, user_info: Value) {
        self.shared.said.lock().unwrap().user_info = user_info;
    }

    /// With what status it answers whoever redeems a code.
    ///
    /// # Panics
    /// Never.
    pub fn answer_with(&self, status: StatusCode) {
        self.shared.said.lock().unwrap().status = status;
    }

    /// How often a code was redeemed.
    ///
    /// # Panics
    /// Never.
    pub fn redeemed(&self) -> usize {
        self.shared.said.lock().unwrap().redeemed.len()
    }

    /// The last form by which a code was redeemed, and the header with it.
    ///
    /// # Panics
    /// Where none was.
    pub fn last_redeemed(&self) -> (HashMap<String, String>, Option<String>) {
        self.shared
            .said
            .lock()
            .unwrap()
            .redeemed
            .last()
            .unwrap()
            .clone()
    }
}

fn jwk(signer: &EcdsaKeyPair, kid: &str) -> Value {
    let point = signer.public_key().as_ref();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": part(&point[1..33]), "y": part(&point[33..])})
}

async fn describe(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = &shared.issuer;
    Json(
        json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        "userinfo_endpoint": format!("{issuer}/me")}),
    )
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.said.lock().unwrap().keys.clone())
}

async fn user_info(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.said.lock().unwrap().user_info.clone())
}

async fn redeem(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Reply {
    let mut said = shared.said.lock().unwrap();
    let header = headers.get("authorization");
    let header = header.map(|value| value.to_str().unwrap().to_owned());
    said.redeemed.push((form, header));
    let token = json!({"id_token": said.id_token, "access_token": "an-access-token-of-tests",
        "token_type": "Bearer"});
    (said.status, Json(token)).into_response()
}
