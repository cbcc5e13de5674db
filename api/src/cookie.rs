//! Cookies: what ours are called, how they are set and read.
//!
//! Where browsers reach us by TLS only, a cookie's name begins with `__Host-` (RFC 6265bis, section 4.1.3.2): a browser
//! takes such a one from this host alone, by TLS alone, and for all of its paths. So a sibling's domain, or whoever
//! answers for one in the clear, plants none of ours; what is called otherwise is not looked at. In the clear, which
//! is on loopback alone, browsers take no such name.

use axum::http::HeaderMap;

/// How a name begins that is this host's alone.
const HOST_ONLY: &str = "__Host-";

/// With whose requests a browser sends a cookie along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With those of our own pages.
    Strict,
    /// And where a link of another's page leads to one of ours.
    Lax,
}

/// The cookies of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    is_secure: bool,
}

impl Cookies {
    /// Of a service that browsers reach by TLS only, or of another.
    pub const fn new(is_secure: bool) -> Self {
        Self { is_secure }
    }

    /// What browsers call a cookie of ours.
    pub fn name(self, name: &str) -> String {
        format!("{}{name}", self.prefix())
    }

    const fn prefix(self) -> &'static str {
        if self.is_secure { HOST_ONLY } else { "" }
    }

    /// The value of a cookie of ours that a browser holds.
    pub fn get<'a>(self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        self.ours(headers)
            .find_map(|(held, value)| (held == name).then_some(value))
    }

    /// Those whose names begin so: the rest of the name, and the value.
    pub fn beginning<'a>(
        self,
        headers: &'a HeaderMap,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.ours(headers)
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value)))
    }

    fn ours(self, headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
        let prefix = self.prefix();
        pairs(headers).filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value)))
    }

    /// A value of `Set-Cookie` for one that no script reads. It ends after `age_s` seconds, at once with 0.
    pub fn set(
        self,
        name: &str,
        value: &str,
        age_s: impl std::fmt::Display,
        same_site: SameSite,
    ) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let name = self.name(name);
        format!("{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite={same_site:?}{secure}")
    }
}

/// The value of a cookie that is nobody's secret: a page's script or another's domain may have set it.
pub fn plain<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Cookies::new(false).get(headers, name)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all("cookie")
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn held(cookies: &str) -> HeaderMap {
        [("cookie".parse().unwrap(), cookies.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_cookie_is_secure_and_this_host_s_alone_where_pages_are() {
        assert_eq!(
            Cookies::new(true).set("a", "b", 60, SameSite::Strict),
            "__Host-a=b; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            Cookies::new(false).set("a", "b", 60, SameSite::Lax),
            "a=b; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn what_another_host_can_set_is_not_looked_at() {
        let headers = held("a=planted; __Host-a=ours; a_1=planted; __Host-a_2=ours; =; b");
        let secure = Cookies::new(true);
        assert_eq!(secure.get(&headers, "a"), Some("ours"));
        assert_eq!(secure.get(&held("a=planted"), "a"), None);
        let several: Vec<_> = secure.beginning(&headers, "a_").collect();
        assert_eq!(several, [("2", "ours")]);
        assert_eq!(Cookies::new(false).get(&headers, "a"), Some("planted"));
    }
}
