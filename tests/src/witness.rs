//! A witness of the public log, as somebody else would run one: <https://c2sp.org/tlog-witness>

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::log::{LogKeys, TreeHead, WitnessKey, check_tree, read_add_checkpoint};
use ed25519_dalek::{Signer, SigningKey};
use tokio::net::TcpListener;

use crate::serving::log_key;

struct Desk {
    signing: SigningKey,
    key: WitnessKey,
    /// The logs that it knows: one.
    log: LogKeys,
    /// What it signed last.
    latest: Option<TreeHead>,
    is_away: bool,
    asked: usize,
}

/// A running witness; it ends with the test.
pub struct Witness {
    /// Its public key.
    pub key: String,
    /// Where it takes checkpoints.
    pub url: String,
    desk: Arc<Mutex<Desk>>,
}

impl Witness {
    /// Starts one of that name on this machine, which knows the tests' log.
    ///
    /// # Panics
    /// Where there is no port for it.
    pub async fn start(name: &str, seed: u8) -> Self {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let key = WitnessKey::new(name, signing.verifying_key()).unwrap();
        let text = key.to_string();
        let desk = Arc::new(Mutex::new(Desk {
            signing,
            key,
            log: LogKeys::new(vec![log_key(1).0]).unwrap(),
            latest: None,
            is_away: false,
            asked: 0,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            key: text,
            url,
            desk,
        }
    }

    /// How `clearbay serve` is told of it.
    #[must_use]
    pub fn setting(&self) -> String {
        format!("{}@{}", self.key, self.url)
    }

    /// Answers nothing any more, or again.
    ///
    /// # Panics
    /// Never.
    pub fn is_away(&self, is_away: bool) {
        self.desk.lock().unwrap().is_away = is_away;
    }

    /// The size of the tree that it signed last.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn signed(&self) -> u64 {
        let latest = self.desk.lock().unwrap().latest;
        latest.map_or(0, |head| head.size)
    }

    /// How often it was asked.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.desk.lock().unwrap().asked
    }
}

async fn add_checkpoint(State(desk): State<Arc<Mutex<Desk>>>, body: Bytes) -> Response {
    let mut desk = desk.lock().unwrap();
    desk.asked += 1;
    if desk.is_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let Some((old, proof, checkpoint)) = read_add_checkpoint(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Ok(head) = desk.log.open_head(checkpoint) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    if old > head.size {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let latest = desk.latest.map_or(0, |latest| latest.size);
    if old != latest {
        let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
        return (StatusCode::CONFLICT, kind, format!("{latest}\n")).into_response();
    }
    if let Some(known) = desk.latest.filter(|known| known.size > 0) {
        if known.size == head.size {
            if known.root != head.root {
                return StatusCode::CONFLICT.into_response();
            }
        } else if check_tree(&proof, head.size, head.root, known.size, known.root).is_err() {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        }
    }
    desk.latest = Some(head);
    let at_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at_s = at_s.as_secs();
    let text = checkpoint
        .windows(2)
        .position(|two| two == b"\n\n")
        .unwrap();
    let message = WitnessKey::message(&checkpoint[..=text], at_s);
    let signature = desk.signing.sign(&message).to_bytes();
    desk.key.line(at_s, &signature).unwrap().into_response()
}
