//! Which push services may be called. An endpoint is an address from outside that this server would
//! call: nobody may lead it to a machine of their choice.

use std::str::FromStr;

use reqwest::Url;

/// The services of the browsers that people have: Chrome and those built on it, Firefox, Safari, Edge.
pub const KNOWN: &str =
    "fcm.googleapis.com,updates.push.services.mozilla.com,web.push.apple.com,*.notify.windows.com";

/// The longest endpoint, in bytes.
pub const ENDPOINT_MAX: usize = 1024;

/// The push services that may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushHosts(Vec<Service>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Service {
    /// That host, over https at its usual port.
    Host(String),
    /// Every host below that domain, which begins with a dot.
    Below(String),
    /// That scheme, host and port.
    Origin(String),
}

impl Service {
    fn parse(text: &str) -> Option<Self> {
        if text.contains("://") {
            let url = Url::parse(text).ok()?;
            let is_bare = matches!(url.path(), "" | "/")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none();
            let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
            return (is_bare && is_safe).then(|| Self::Origin(url.origin().ascii_serialization()));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        // As the address of a page would have it: the same characters, the same case.
        let url = Url::parse(&format!("https://{name}/")).ok()?;
        let host = url.domain().filter(|host| host.contains('.'))?;
        if url.port().is_some() || url.as_str() != format!("https://{host}/") {
            return None;
        }
        Some(if below {
            Self::Below(format!(".{host}"))
        } else {
            Self::Host(host.to_owned())
        })
    }

    fn takes(&self, url: &Url) -> bool {
        let over_https = url.scheme() == "https" && url.port().is_none();
        match self {
            Self::Host(host) => over_https && url.host_str() == Some(host),
            Self::Below(domain) => {
                over_https && url.host_str().is_some_and(|host| host.ends_with(domain))
            }
            Self::Origin(origin) => url.origin().ascii_serialization() == *origin,
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

impl FromStr for PushHosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let services = named.map(|name| {
            Service::parse(name).ok_or_else(|| {
                format!(
                    "{name:?} is no push service: name a host (push.example.com, *.example.com), or an origin over https, or over http on this machine (http://127.0.0.1:4000)"
                )
            })
        });
        services.collect::<Result<_, _>>().map(Self)
    }
}

impl PushHosts {
    /// The address of an endpoint, where it is one of a push service that may be called.
    pub fn allowed(&self, endpoint: &str) -> Option<Url> {
        // What readers of addresses take in different ways is not called.
        let is_plain_text = endpoint
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if endpoint.len() > ENDPOINT_MAX || !is_plain_text {
            return None;
        }
        let url = Url::parse(endpoint).ok()?;
        let is_plain =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let is_known = self.0.iter().any(|service| service.takes(&url));
        (is_plain && is_known).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &str, endpoint: &str) -> bool {
        let hosts: PushHosts = hosts.parse().expect("hosts");
        hosts.allowed(endpoint).is_some()
    }

    #[test]
    fn the_known_services_and_nobody_else_are_called() {
        for endpoint in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://FCM.googleapis.com:443/wp/abc",
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://web.push.apple.com/QGuQ",
            "https://wns2-sg2p.notify.windows.com/w/?token=BQ%2b",
        ] {
            assert!(allowed(KNOWN, endpoint), "{endpoint}");
        }
        for endpoint in [
            "",
            "fcm.googleapis.com",
            "http://fcm.googleapis.com/x",
            "https://fcm.googleapis.com:8443/x",
            "https://fcm.googleapis.com@169.254.169.254/x",
            "https://user:password@fcm.googleapis.com/x",
            "https://fcm.googleapis.com.attacker.example/x",
            "https://attacker.example/fcm.googleapis.com",
            "https://attacker.example#fcm.googleapis.com",
            "https://fcm.googleapis.com\\@attacker.example/x",
            "https://evilfcm.googleapis.com/x",
            "https://notify.windows.com/x",
            "https://evil-notify.windows.com/x",
            "https://127.0.0.1/x",
            "http://127.0.0.1:8080/x",
            "https://[::1]/x",
            "https://localhost/x",
            "file:///etc/passwd",
            "gopher://fcm.googleapis.com/x",
            "https://fcm.googleapis.com./x",
        ] {
            assert!(!allowed(KNOWN, endpoint), "{endpoint}");
        }
        let long = format!("https://fcm.googleapis.com/{}", "x".repeat(ENDPOINT_MAX));
        assert!(!allowed(KNOWN, &long));
    }

    #[test]
    fn an_origin_on_this_machine_is_named_with_its_port() {
        let hosts = "http://127.0.0.1:4000";
        assert!(allowed(hosts, "http://127.0.0.1:4000/push/1"));
        for other in [
            "http://127.0.0.1:4001/push/1",
            "https://127.0.0.1:4000/push/1",
            "http://127.0.0.2:4000/push/1",
            "https://fcm.googleapis.com/x",
        ] {
            assert!(!allowed(hosts, other), "{other}");
        }
        assert!(allowed(
            "https://push.example:8443",
            "https://push.example:8443/1"
        ));
        for bad in [
            "http://push.example",
            "http://10.0.0.1:80",
            "push.example/path",
            "push.example:8443",
            "*",
            "*.com",
            "https://push.example/path",
            "ftp://127.0.0.1",
        ] {
            assert!(bad.parse::<PushHosts>().is_err(), "{bad}");
        }
    }
}
