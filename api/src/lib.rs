//! The REST interface, the payment gateways and the live board.
//!
//! `service` does the work and knows nothing of HTTP; `routes` says it in JSON; `dashboard` says
//! the same in pages. So a figure on a page and in the API cannot differ.

use std::sync::Arc;

use chrono::Utc;
use domain::Timestamp;
use domain::second_factor::SecondFactorPolicy;
use store::Store;
use store::place::CityInfo;

pub mod client;
pub mod cookie;
pub mod csv;
pub mod drain;
pub mod error;
pub mod extract;
pub mod gateway;
pub mod hashing;
pub mod limit;
pub mod live;
pub mod oidc;
pub mod open;
pub mod past;
pub mod percent;
pub mod places;
pub mod plate_reader;
pub mod push;
pub mod rate;
pub mod remembered;
pub mod request_id;
pub mod routes;
pub mod secret;
pub mod service;
pub mod sms;
mod throttle;
pub mod totp;

pub use drain::Drain;
pub use error::ApiError;
pub use gateway::config::Gateways;
pub use live::LiveBoard;
pub use oidc::Oidc;
pub use past::Past;
pub use push::Push;
pub use secret::Secrets;
pub use sms::Sms;

/// What every request may use. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// Where reports and open data read.
    pub past: Past,
    /// The live board.
    pub live: Arc<LiveBoard>,
    /// The keys.
    pub secrets: Arc<Secrets>,
    /// The gateways that drivers may pay by.
    pub gateways: Arc<Gateways>,
    /// Delivers codes to drivers' phones, where the city has somebody who does.
    pub sms: Option<Arc<Sms>>,
    /// How browsers are told something while their page is closed, where they are.
    pub push: Option<Arc<Push>>,
    /// Where people confirm who they are, where the city has such a provider.
    pub oidc: Option<Arc<Oidc>>,
    /// Who must have a second factor, of staff who sign in by a password.
    pub second_factor: SecondFactorPolicy,
    /// The keys of the public log, where the city has one.
    pub log: Option<Arc<service::public_log::PublicLog>>,
    /// Calls gateways, push services and the identity provider.
    pub http: reqwest::Client,
    /// Where drivers and gateways reach us, without a slash at the end.
    pub public_url: Arc<str>,
    /// Where readers of open data reach the broker, where the city publishes it.
    pub public_mqtt_url: Option<Arc<str>>,
    /// The city whose pages and reports these are.
    pub city: Arc<CityInfo>,
    /// Whether this process is about to end.
    pub drain: Drain,
    /// Whose word is believed about who sends a request.
    pub proxies: Arc<client::TrustedProxies>,
    /// Limits on what is done at once.
    pub limits: Arc<limit::Limits>,
    /// Costly answers, as they were computed last.
    pub answers: Arc<remembered::Answers>,
    /// What open data's readers share.
    pub open: Arc<open::OpenData>,
    /// Reads plates off pictures, where a program for that is named.
    pub plate_reader: Option<Arc<plate_reader::PlateReader>>,
}

impl App {
    /// The present, to the microsecond as the database keeps it.
    pub fn now() -> Timestamp {
        use chrono::SubsecRound;
        Utc::now().trunc_subsecs(6)
    }

    /// Whether browsers reach us by TLS only, so that cookies may be `Secure`.
    pub fn is_secure(&self) -> bool {
        is_over_tls(&self.public_url)
    }

    /// The cookies that browsers keep of ours.
    pub fn cookies(&self) -> cookie::Cookies {
        cookie::Cookies::new(self.is_secure())
    }
}

/// Whether whoever opens that address comes by TLS.
pub fn is_over_tls(url: &str) -> bool {
    url.starts_with("https:")
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("city", &self.city.code)
            .finish_non_exhaustive()
    }
}
