//! A push service as browsers' makers run them, and browsers that have subscribed there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{self, ECDSA_P256_SHA256_FIXED};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path that was called.
    pub path: String,
    /// The headers, by their names in small letters.
    pub headers: HashMap<String, String>,
    body: Vec<u8>,
}

#[derive(Default)]
struct Desk {
    received: Vec<Received>,
    /// What it answers; `201` where nothing is said.
    answer: Option<(StatusCode, Vec<(&'static str, String)>)>,
}

/// A running push service; it ends with the test.
pub struct PushService {
    /// Where it is: scheme, host and port.
    pub url: String,
    desk: Arc<Mutex<Desk>>,
}

impl PushService {
    /// Starts one on this machine.
    ///
    /// # Panics
    /// Where there is no port for it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let desk: Arc<Mutex<Desk>> = Arc::default();
        let router = Router::new()
            .fallback(any(receive))
            .with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk }
    }

    /// Answers like this from now on.
    ///
    /// # Panics
    /// Never.
    pub fn answer(&self, status: u16, headers: &[(&'static str, &str)]) {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let status = StatusCode::from_u16(status).unwrap();
        self.desk.lock().unwrap().answer = Some((status, headers.collect()));
    }

    /// Every message so far.
    ///
    /// # Panics
    /// Never.
    pub fn received(&self) -> Vec<Received> {
        self.desk.lock().unwrap().received.clone()
    }

    /// A browser that has subscribed here.
    ///
    /// # Panics
    /// Where the machine gives no random numbers.
    pub fn browser(&self) -> Browser {
        let random = SystemRandom::new();
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &random).unwrap();
        let mut auth = [0; 16];
        random.fill(&mut auth).unwrap();
        Browser {
            endpoint: format!("{}/push/{}", self.url, Uuid::new_v4()),
            public: key.compute_public_key().unwrap().as_ref().to_vec(),
            key,
            auth,
        }
    }
}

async fn receive(
    State(desk): State<Arc<Mutex<Desk>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut desk = desk.lock().unwrap();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    desk.received.push(Received {
        path: uri.path().to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
    });
    let (status, headers) = desk.answer.clone().unwrap_or((StatusCode::CREATED, vec![]));
    let mut response = status.into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A browser that has subscribed to a push service. It reads one message.
pub struct Browser {
    /// Its address there.
    pub endpoint: String,
    public: Vec<u8>,
    key: EphemeralPrivateKey,
    auth: [u8; 16],
}

impl Browser {
    /// Its subscription as its page sends it.
    pub fn subscription(&self, lang: &str) -> Value {
        json!({
            "endpoint": self.endpoint,
            "expirationTime": null,
            "keys": {
                "p256dh": URL_SAFE_NO_PAD.encode(&self.public),
                "auth": URL_SAFE_NO_PAD.encode(self.auth),
            },
            "lang": lang,
        })
    }

    /// The path of its address.
    ///
    /// # Panics
    /// Never.
    pub fn path(&self) -> String {
        reqwest::Url::parse(&self.endpoint)
            .unwrap()
            .path()
            .to_owned()
    }

    /// What a message says (RFC 8291).
    ///
    /// # Panics
    /// Where it is not for this browser.
    pub fn read(self, message: &Received) -> Value {
        let (salt, rest) = message.body.split_at(16);
        let (size, rest) = rest.split_at(4);
        assert_eq!(size, 4096u32.to_be_bytes());
        let (length, rest) = rest.split_first().unwrap();
        let (sender, record) = rest.split_at((*length).into());
        let other = UnparsedPublicKey::new(&ECDH_P256, sender);
        let secret = agree_ephemeral(self.key, &other, <[u8]>::to_vec).unwrap();
        let info: [&[u8]; 3] = [b"WebPush: info\0", &self.public, sender];
        let keying: [u8; 32] = derive(&self.auth, &secret, &info);
        let key: [u8; 16] = derive(salt, &keying, &[b"Content-Encoding: aes128gcm\0"]);
        let nonce: [u8; 12] = derive(salt, &keying, &[b"Content-Encoding: nonce\0"]);
        let mut record = record.to_vec();
        let text = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap())
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut record,
            )
            .unwrap();
        let (end, text) = text.split_last().unwrap();
        assert_eq!(*end, 2, "the last record");
        serde_json::from_slice(text).unwrap()
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    key.expand(info, Length(N)).unwrap().fill(&mut out).unwrap();
    out
}

impl Received {
    /// What its sender claims (RFC 8292), once the signature has been checked, and by which key.
    ///
    /// # Panics
    /// Where it is not signed as it should be.
    pub fn claims(&self) -> (Value, String) {
        let value = &self.headers["authorization"];
        let rest = value.strip_prefix("vapid t=").unwrap();
        let (token, key) = rest.split_once(", k=").unwrap();
        let (signed, signed_by) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key))
            .verify(signed.as_bytes(), &decode(signed_by))
            .unwrap();
        let claims = signed.split_once('.').unwrap().1;
        let claims = serde_json::from_slice(&decode(claims)).unwrap();
        (claims, key.to_owned())
    }
}
