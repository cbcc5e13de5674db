//! A city that offers every gateway, and the simulated providers behind them.

use domain::vietqr::VietQr;
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::providers::{Faults, Keys, Providers};
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

use crate::broker::Broker;
use crate::serving::{Serving, WEBHOOK_KEY, text};
use crate::tls::TlsDoor;

const SECRETS: [(&str, &str); 7] = [
    ("CLEARBAY_VNPAY_HASH_SECRET", "a-vnpay-secret-of-tests"),
    ("CLEARBAY_MOMO_ACCESS_KEY", "a-momo-access-key-of-tests"),
    ("CLEARBAY_MOMO_SECRET_KEY", "a-momo-secret-of-tests"),
    ("CLEARBAY_ZALOPAY_KEY1", "a-zalopay-key-1-of-tests"),
    ("CLEARBAY_ZALOPAY_KEY2", "a-zalopay-key-2-of-tests"),
    ("CLEARBAY_ESMS_API_KEY", "an-esms-api-key-of-tests"),
    ("CLEARBAY_ESMS_SECRET_KEY", "an-esms-secret-of-tests"),
];

/// A running city with its providers. Everything ends with it.
pub struct Paying {
    /// The city.
    pub city: Serving,
    /// Where the providers are.
    pub url: String,
    _stop: watch::Sender<bool>,
    _door: Option<TlsDoor>,
}

/// A payment that waits at a provider.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its session.
    pub session: String,
    /// The only key to it.
    pub token: String,
    /// The payment.
    pub payment: String,
    /// The provider's page, once there is one.
    pub address: Option<String>,
}

impl Paying {
    /// The synthetic city with 80 bays.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn start() -> Self {
        Self::behind(80, None, None).await
    }

    /// The same with that many bays, and the browser's bundle or without.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn with_pages(bays: u32, bundle: bool) -> Self {
        let folder = std::env::var("CLEARBAY_TEST_WEB_DIR").ok();
        Self::behind(bays, None, folder.filter(|_| bundle)).await
    }

    /// The code in the latest message that a phone was sent.
    ///
    /// # Panics
    /// Where none has come.
    pub async fn code(&self, phone: &str) -> String {
        let request = self.city.client.get(format!("{}/phone/messages", self.url));
        let messages: Value = request.send().await.unwrap().json().await.unwrap();
        let mut messages = messages.as_array().unwrap().iter();
        let message = messages.find(|message| message["phone"] == phone).unwrap();
        let (_, code) = message["text"].as_str().unwrap().rsplit_once('#').unwrap();
        code.to_owned()
    }

    /// The same, but the city calls the providers over TLS. Whether it trusts their certificate is
    /// for the caller to say.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn over_tls(trusted: bool) -> Self {
        Self::behind(80, Some(trusted), None).await
    }

    async fn behind(bays: u32, tls: Option<bool>, web_dir: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own_url = format!("http://{address}");
        let door = match tls {
            Some(_) => Some(TlsDoor::open(address).await),
            None => None,
        };
        let url = door.as_ref().map_or(&own_url, |door| &door.url);
        let mut env: Vec<(&'static str, String)> = SECRETS
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        env.extend([
            ("CLEARBAY_VNPAY_TMN_CODE", "CLEARBAY".to_owned()),
            ("CLEARBAY_VNPAY_PAY_URL", format!("{url}/vnpay/pay")),
            ("CLEARBAY_VNPAY_API_URL", format!("{url}/vnpay/api")),
            ("CLEARBAY_MOMO_PARTNER_CODE", "CLEARBAY".to_owned()),
            ("CLEARBAY_MOMO_URL", format!("{url}/momo")),
            ("CLEARBAY_ZALOPAY_APP_ID", "2553".to_owned()),
            ("CLEARBAY_ZALOPAY_URL", format!("{url}/zalopay")),
            ("CLEARBAY_ESMS_URL", format!("{url}/esms")),
            ("CLEARBAY_ESMS_BRANDNAME", "Clearbay".to_owned()),
            ("CLEARBAY_VIETQR_PAYOUT_URL", format!("{url}/bank/payouts")),
            (
                "CLEARBAY_VIETQR_APP_URL",
                format!("{own_url}/bank/app?account={{account}}&amount={{amount}}&text={{text}}&back={{back}}"),
            ),
        ]);
        if let (Some(door), Some(true)) = (&door, tls) {
            env.push(("SSL_CERT_FILE", door.authority.file.display().to_string()));
        }
        env.extend(web_dir.map(|folder| ("CLEARBAY_WEB_DIR", folder)));
        let place = simulator::city::hanoi(bays).unwrap();
        let city = Serving::with(&place, Broker::rumqttd(), env, None).await;
        let keys = Keys::from_env(|name| {
            let secret = SECRETS.iter().find(|(known, _)| *known == name);
            match name {
                "CLEARBAY_WEBHOOK_KEY" => Some(WEBHOOK_KEY.to_owned()),
                _ => secret.map(|(_, value)| (*value).to_owned()),
            }
        });
        let providers = Providers::new(keys, &city.url, &own_url, 1).unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(providers.serve(listener, stopped));
        Self {
            city,
            url: own_url,
            _stop: stop,
            _door: door,
        }
    }

    /// Makes the providers misbehave from now on.
    ///
    /// # Panics
    /// Where they do not answer.
    pub async fn misbehave(&self, faults: Faults) {
        let request = self.city.client.post(format!("{}/faults", self.url));
        let reply = request.json(&faults).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NO_CONTENT);
    }

    /// Opens a session for a car and asks for its money through a gateway.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn open(&self, bay: &str, gateway: &str) -> Waiting {
        // A vehicle of its own each time: the same one twice would be a double payment.
        let plate = format!("30A{:05}", Uuid::new_v4().as_u128() % 100_000);
        let body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 60});
        let reply = self
            .city
            .post("/api/v1/sessions", &body)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED);
        let session: Value = reply.json().await.unwrap();
        let (session, token) = (text(&session["id"]), text(&session["token"]));
        let path = format!("/api/v1/sessions/{session}/payments");
        let (status, payment) = self
            .city
            .post_as(&token, &path, &json!({ "gateway": gateway }))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{payment}");
        Waiting {
            session,
            token,
            payment: text(&payment["id"]),
            address: payment["redirect_url"].as_str().map(str::to_owned),
        }
    }

    /// Where a payment stands.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn payment(&self, waiting: &Waiting) -> Value {
        let path = format!("/api/v1/payments/{}", waiting.payment);
        self.city.get_as(&waiting.token, &path).await
    }

    /// The driver decides on the provider's page: `pay` or `cancel`.
    ///
    /// # Panics
    /// Where there is no page.
    pub async fn decide(&self, waiting: &Waiting, decision: &str) {
        let address = match &waiting.address {
            Some(address) => address.clone(),
            None => text(&self.payment(waiting).await["redirect_url"]),
        };
        let page = self.city.client.get(&address).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let page = page.text().await.unwrap();
        let action = page
            .split("action='")
            .skip(1)
            .filter_map(|rest| rest.split_once('\''))
            .map(|(action, _)| action)
            .find(|action| action.ends_with(decision))
            .unwrap();
        let request = self.city.client.post(format!("{}{action}", self.url));
        let back = request.send().await.unwrap();
        assert_eq!(back.status(), StatusCode::SEE_OTHER);
        let back = back.headers()["location"].to_str().unwrap();
        assert!(
            back.ends_with(&format!("/pay/{}", waiting.payment)),
            "{back}"
        );
    }

    /// Lets calls that are put off be due now.
    ///
    /// # Panics
    /// Where the database is away.
    pub async fn hurry(&self) {
        sqlx::query("UPDATE outbox SET due_at = now()")
            .execute(&self.city.database.pool)
            .await
            .unwrap();
    }

    /// The amount that a VietQR code asks for and what for.
    ///
    /// # Panics
    /// Where it is no such code.
    pub fn read(qr: &Value) -> (i64, String) {
        let code = VietQr::parse(qr.as_str().unwrap()).unwrap();
        (code.amount_vnd.unwrap(), code.purpose.unwrap())
    }
}
