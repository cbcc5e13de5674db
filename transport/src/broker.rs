//! Addresses of brokers.

use rumqttc::{MqttOptions, OptionError, Transport};
use url::Url;

use crate::{TlsError, is_this_machine, tls};

/// MQTT over TLS, <https://www.iana.org/assignments/service-names-port-numbers> (`secure-mqtt`).
const MQTTS_PORT: u16 = 8883;

/// How addresses begin that rumqttc reads, and `mqtts`, which is the usual name for what it calls `ssl`.
const MQTT: [&str; 4] = ["mqtt", "tcp", "mqtts", "ssl"];
const AMQP: [&str; 2] = ["amqp", "amqps"];

/// Why an address leads to no broker. It tells nothing of the password in it.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no address.
    #[error("no address of the form mqtt://user:password@host:port, or mqtts:// for TLS: {0}")]
    Url(#[from] url::ParseError),
    /// It is of another kind.
    #[error(
        "{0}:// is no broker's address: it begins with mqtt:// or mqtts://, for a cluster's nodes with amqp:// or amqps://"
    )]
    Scheme(String),
    /// It is no broker's.
    #[error("no broker's address: {0}")]
    Options(#[from] OptionError),
    /// It is one over TLS, which cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] TlsError),
}

/// Whether addresses are of brokers of AMQP: the nodes of a RabbitMQ cluster, with commas between them.
pub fn is_amqp(urls: &str) -> bool {
    urls.starts_with("amqp://") || urls.starts_with("amqps://")
}

/// A client of the broker at `mqtt://user:password@host:port`, or by TLS at `mqtts://…`, under a name that may
/// hold any character.
///
/// # Errors
/// [`AddressError`].
pub fn mqtt(url: &str, client_id: &str) -> Result<MqttOptions, AddressError> {
    let mut url = parse(url, &MQTT)?;
    let is_over_tls = is_over_tls(&url);
    if is_over_tls {
        // rumqttc would trust by itself, and panic at the first authority that it cannot read.
        let port = url.port().unwrap_or(MQTTS_PORT);
        url.set_port(Some(port))
            .and_then(|()| url.set_scheme("mqtt"))
            .map_err(|()| url::ParseError::EmptyHost)?;
    }
    url.query_pairs_mut().append_pair("client_id", client_id);
    let mut options = MqttOptions::try_from(url)?;
    if is_over_tls {
        options.set_transport(Transport::tls_with_config(tls()?.into()));
    }
    Ok(options)
}

/// The first host other than this machine to which passwords and messages would go in the clear, if any.
///
/// # Errors
/// [`AddressError::Url`] and [`AddressError::Scheme`]: of what cannot be read nobody knows where it leads.
pub fn plain_host(urls: &str) -> Result<Option<String>, AddressError> {
    // A password of MQTT may hold a comma.
    let addresses: Vec<&str> = match is_amqp(urls) {
        true => urls.split(',').collect(),
        false => vec![urls],
    };
    for address in addresses {
        let url = parse(address.trim(), if is_amqp(urls) { &AMQP } else { &MQTT })?;
        let host = url.host_str().unwrap_or_default();
        if !is_over_tls(&url) && !is_this_machine(host) {
            return Ok(Some(host.to_owned()));
        }
    }
    Ok(None)
}

fn parse(url: &str, schemes: &[&str]) -> Result<Url, AddressError> {
    let url: Url = url.parse()?;
    match schemes.contains(&url.scheme()) {
        true => Ok(url),
        false => Err(AddressError::Scheme(url.scheme().to_owned())),
    }
}

fn is_over_tls(url: &Url) -> bool {
    matches!(url.scheme(), "mqtts" | "ssl" | "amqps")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_says_whether_it_is_by_tls() {
        let plain = mqtt("mqtt://ingest:secret@broker.example", "a name/with #").unwrap();
        assert!(matches!(plain.transport(), Transport::Tcp));
        assert_eq!(plain.broker_address(), ("broker.example".to_owned(), 1883));
        assert_eq!(plain.client_id(), "a name/with #");

        let secret = mqtt(
            "mqtts://ingest:secret@broker.example?keep_alive_secs=7",
            "me",
        )
        .unwrap();
        assert!(matches!(secret.transport(), Transport::Tls(_)));
        assert_eq!(secret.broker_address(), ("broker.example".to_owned(), 8883));
        assert_eq!(secret.keep_alive().as_secs(), 7);
        let login = secret.credentials().unwrap();
        assert_eq!((&*login.username, &*login.password), ("ingest", "secret"));

        let own_port = mqtt("mqtts://broker.example:8884", "me").unwrap();
        assert_eq!(own_port.broker_address().1, 8884);
    }

    #[test]
    fn what_is_no_broker_s_address_is_refused_without_its_password() {
        for wrong in [
            "broker.example",
            "mqtts://",
            "mqtt://me:secret@one:many",
            "https://me:secret@broker.example",
            "mqtt://me:secret@broker.example?colour=red",
        ] {
            let error = mqtt(wrong, "me").unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn in_the_clear_one_speaks_to_this_machine_only() {
        let plain = |urls: &str| plain_host(urls).unwrap();
        assert_eq!(plain("mqtt://me:secret@localhost:1883"), None);
        assert_eq!(plain("mqtt://me:secret@[::1]:1883"), None);
        assert_eq!(plain("mqtts://me:secret@broker.example"), None);
        let elsewhere = Some("broker.example".to_owned());
        assert_eq!(plain("mqtt://me:secret@broker.example"), elsewhere);
        assert_eq!(plain("tcp://me:a,b@broker.example:1883"), elsewhere);
        // One node is enough.
        let nodes = "amqps://me:secret@one, amqp://me:secret@127.0.0.1:5672,amqp://me:secret@broker.example";
        assert_eq!(plain(nodes), elsewhere);
        assert_eq!(plain("amqps://me:secret@one,amqps://me:secret@two"), None);
        assert!(plain_host("amqp://me:secret@one:many").is_err());
        for other in ["http://me:secret@broker.example", "amqps://one,http://two"] {
            let error = plain_host(other).unwrap_err().to_string();
            assert!(
                error.contains("http://") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
