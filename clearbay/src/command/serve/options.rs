//! The options of a served city.

use std::net::SocketAddr;
use std::path::PathBuf;

use api::client::TrustedProxies;

use crate::command::oidc::OidcOptions;
use crate::command::push::PushOptions;
use crate::command::second_factor::SecondFactorOptions;

/// What the demo has in common with a served city.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeOptions {
    /// The city whose pages these are, by its code.
    #[arg(long, env = "CLEARBAY_CITY", default_value = "hanoi")]
    pub city: String,
    /// The folder with the browser's bundle; without it pages work by forms and plain events.
    #[arg(long, env = "CLEARBAY_WEB_DIR")]
    pub web_dir: Option<PathBuf>,
    /// Where drivers and gateways reach this service, such as https://parking.example: by a proxy that ends TLS.
    /// Without it, the address it listens on, which is then on loopback only.
    #[arg(long, env = "CLEARBAY_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Where readers of open data reach the broker, such as mqtts://mqtt.parking.example:8883; the catalogue
    /// says it. Without it the catalogue says that the city gives the address. No user and no password: it
    /// is published.
    #[arg(long, env = "CLEARBAY_PUBLIC_MQTT_URL", value_parser = public_broker)]
    pub public_mqtt_url: Option<String>,
    /// How many connections to the database to hold at most.
    #[arg(long, env = "CLEARBAY_DATABASE_CONNECTIONS", default_value_t = 16)]
    pub database_connections: u32,
    /// A replica of the database, as postgres://user:password@host:port/name, from which reports and open data
    /// are read while it is at most a minute behind; everything is read from the database if left out. As for the
    /// database, the address of another machine says its sslmode.
    #[arg(long, env = "CLEARBAY_REPLICA_URL", hide_env_values = true)]
    pub replica_url: Option<String>,
    /// How many connections to the replica to hold at most.
    #[arg(long, env = "CLEARBAY_REPLICA_CONNECTIONS", default_value_t = 8)]
    pub replica_connections: u32,
    /// How many requests to work on at once; more get 503.
    #[arg(long, env = "CLEARBAY_MAX_REQUESTS", default_value_t = 512)]
    pub max_requests: usize,
    /// How many live connections to hold at once; more get 503.
    #[arg(long, env = "CLEARBAY_MAX_STREAMS", default_value_t = 12_000)]
    pub max_streams: usize,
    /// Where to show metrics in Prometheus's text format, as 127.0.0.1:9102; nowhere if left out. Where pages are,
    /// nobody is shown them. The demo chooses an address where none is given.
    #[arg(long, env = "CLEARBAY_SERVE_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// After how many seconds a client is cut off that takes nothing of what is sent to it.
    #[arg(long, env = "CLEARBAY_STALLED_AFTER_S", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub stalled_after_s: u32,
    /// Addresses and networks of proxies in front, as 127.0.0.0/8,10.0.0.5, with commas between them: what these
    /// say in X-Forwarded-For of who comes to them is believed, and nobody else's word. Sign-ins, codes by text
    /// message, open data and all places are limited by address: a proxy that is not named here is one client.
    #[arg(
        long,
        env = "CLEARBAY_TRUSTED_PROXIES",
        default_value = "127.0.0.0/8,::1",
        value_name = "CIDR,..."
    )]
    pub trusted_proxies: TrustedProxies,
    /// How many requests a second one reader of open data may make for long; more get 429. Readers are told apart
    /// by address (--trusted-proxies); all together may make ten times as many.
    #[arg(long, env = "CLEARBAY_OPEN_REQUESTS_PER_S", default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub open_requests_per_s: u32,
    /// How drivers are told something while their page is closed.
    #[command(flatten)]
    pub push: PushOptions,
    /// Where people confirm who they are.
    #[command(flatten)]
    pub oidc: OidcOptions,
    /// Who must have a second factor.
    #[command(flatten)]
    pub second_factor: SecondFactorOptions,
    /// The program that reads plates off pictures for staff: tesseract, by its name or path. Without it
    /// plates are typed.
    #[arg(long, env = "CLEARBAY_PLATE_READER")]
    pub plate_reader: Option<PathBuf>,
    /// For how many days to keep the plate of what has ended (a session, a pass, an exemption, a notice that was paid or
    /// withdrawn), what banks said of money that is settled, and what drivers wrote in disputes. Longer than anybody may
    /// still object to a price or the books are compared with a bank's statements; docs/privacy.md has all of it.
    #[arg(long, env = "CLEARBAY_PLATE_DAYS", default_value_t = 180,
        value_parser = clap::value_parser!(u32).range(31..=3650))]
    pub plate_days: u32,
}

/// The address of a broker as it may be published: without a user, a password or a path, and of characters that
/// the catalogue's command can hold as they are.
fn public_broker(url: &str) -> Result<String, String> {
    let schemes = ["mqtt://", "mqtts://"];
    let host = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let host = host
        .map(|host| host.trim_end_matches('/'))
        .unwrap_or_default();
    let is_of_host = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    match !host.is_empty() && host.chars().all(is_of_host) {
        true => Ok(url.trim_end_matches('/').to_owned()),
        false => Err("it is of the form mqtt://host:port or mqtts://host:port".to_owned()),
    }
}
