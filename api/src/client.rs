//! Whose request it is, by the address that it comes from.
//!
//! Behind a proxy every connection is the proxy's, and `X-Forwarded-For` says for whom it speaks. Anybody can
//! write that header, so it is read only where the connection comes from a proxy that is trusted, and from the
//! right, each proxy having added who came to it: the first that is no trusted proxy is the client.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::App;

const FORWARDED: &str = "x-forwarded-for";

/// Who sends a request; nobody known where a trusted proxy does not say for whom it speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client(pub Option<IpAddr>);

impl Client {
    /// By what their turns are counted: of IPv6 the first 64 bits, for one subscriber has all that begin so.
    pub fn turns_of(self) -> Option<IpAddr> {
        self.0.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(long) => IpAddr::V6((long.to_bits() >> 64 << 64).into()),
        })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn has(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

/// Proxies whose word about who comes to them is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Why a list of networks cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address or network such as 10.0.0.0/8")]
pub struct NoNetwork(String);

impl FromStr for TrustedProxies {
    type Err = NoNetwork;

    /// Addresses and networks (CIDR), with commas between them; an empty text trusts nobody.
    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let parts = text.split(',').map(str::trim);
        let networks = parts.filter(|part| !part.is_empty()).map(|part| {
            let no_network = || NoNetwork(part.to_owned());
            let (address, bits) = match part.split_once('/') {
                Some((address, bits)) => (address, Some(bits)),
                None => (part, None),
            };
            let address: IpAddr = address.parse().map_err(|_| no_network())?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let bits: u32 = match bits {
                Some(bits) => bits.parse().map_err(|_| no_network())?,
                None => longest,
            };
            if bits > longest {
                return Err(no_network());
            }
            Ok(Network { address, bits })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Whether that is a proxy's address whose word is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address))
    }

    /// Who sends a request that comes over a connection from `peer`.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else {
            return Client(None);
        };
        if !self.trusts(peer) {
            if headers.contains_key(FORWARDED) {
                warn_once(peer);
            }
            return Client(Some(peer));
        }
        let lines: Vec<_> = headers.get_all(FORWARDED).iter().collect();
        let words = lines
            .into_iter()
            .rev()
            .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        let mut client = None;
        for word in words {
            // What stands beyond something that is no address was not written by a proxy of ours.
            let Some(address) = address(word.trim()) else {
                break;
            };
            client = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        Client(client)
    }
}

/// An address as proxies write it, some of them with a port.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(word).parse();
    let address = address.or_else(|_| word.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// Somebody runs a proxy of which this process has not been told, or tries to be another.
fn warn_once(peer: IpAddr) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            %peer,
            "X-Forwarded-For comes from an address that is no trusted proxy's and is not believed; \
             if it is your proxy, name it in CLEARBAY_TRUSTED_PROXIES"
        );
    }
}

/// Finds who sends a request, for all that asks, and says who was refused.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip());
    let client = app.proxies.client(peer, request.headers());
    request.extensions_mut().insert(client);
    let response = next.run(request).await;
    let status = response.status();
    if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
        tracing::info!(from = %client, status = status.as_u16(), "refused");
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn named(lines: &[&str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| HeaderValue::from_str(line).unwrap());
        lines
            .map(|line| ("x-forwarded-for".parse().unwrap(), line))
            .collect()
    }

    fn client(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let proxies: TrustedProxies = trusted.parse().unwrap();
        let peer = Some(peer.parse().unwrap());
        proxies.client(peer, &named(lines)).to_string()
    }

    #[test]
    fn nobody_is_another_by_writing_so() {
        for lines in [
            &[][..],
            &["192.0.2.1"],
            &["192.0.2.1, 127.0.0.1"],
            &["nonsense"],
        ] {
            assert_eq!(client("127.0.0.0/8", "203.0.113.9", lines), "203.0.113.9");
            assert_eq!(client("", "127.0.0.1", lines), "127.0.0.1");
        }
        // Before what the proxy has written anybody may have written anything.
        assert_eq!(
            client("127.0.0.0/8", "127.0.0.1", &["10.0.0.1, 192.0.2.1"]),
            "192.0.2.1"
        );
        assert_eq!(
            client("127.0.0.0/8", "127.0.0.1", &["10.0.0.1", "192.0.2.1"]),
            "192.0.2.1"
        );
        assert_eq!(
            client("127.0.0.0/8", "127.0.0.1", &["192.0.2.1, nonsense"]),
            "unknown"
        );
    }

    #[test]
    fn a_trusted_proxy_speaks_for_others() {
        let ours = "127.0.0.0/8, ::1, 10.1.0.0/16";
        assert_eq!(client(ours, "127.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(ours, "::1", &["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(
            client(ours, "::ffff:127.0.0.1", &["[2001:db8::1]"]),
            "2001:db8::1"
        );
        assert_eq!(
            client(ours, "127.0.0.1", &["[2001:db8::1]:443"]),
            "2001:db8::1"
        );
        // Through one proxy more, and from inside of it.
        assert_eq!(
            client(ours, "127.0.0.1", &["192.0.2.1, 10.1.2.3"]),
            "192.0.2.1"
        );
        assert_eq!(client(ours, "127.0.0.1", &["10.1.2.3"]), "10.1.2.3");
        assert_eq!(
            client(ours, "127.0.0.1", &["192.0.2.1, 10.2.2.3"]),
            "10.2.2.3"
        );
        assert_eq!(client(ours, "127.0.0.1", &[]), "unknown");
    }

    #[test]
    fn networks_are_read_and_nonsense_is_not() {
        for right in [
            "",
            "10.0.0.0/8",
            "::/0",
            "192.0.2.1",
            " 10.0.0.0/8 , fc00::/7 ",
        ] {
            assert!(right.parse::<TrustedProxies>().is_ok(), "{right}");
        }
        for wrong in [
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "proxy",
            "10.0.0.1/-1",
            "10.0.0.1/",
        ] {
            assert!(wrong.parse::<TrustedProxies>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one() {
        let turns = |address: &str| Client(Some(address.parse().unwrap())).turns_of();
        assert_eq!(turns("2001:db8::1"), turns("2001:db8::ffff:1"));
        assert_ne!(turns("2001:db8::1"), turns("2001:db8:0:1::1"));
        assert_ne!(turns("192.0.2.1"), turns("192.0.2.2"));
    }
}
