//! Where people reach the pages, and whether by TLS.

use std::net::SocketAddr;

/// Sees to it that nobody is asked for a password, or sent a cookie, where others read along: that people come
/// by TLS, from this machine alone, or that `plain_http` says that it is meant.
///
/// # Errors
/// Where none of these is so.
pub fn check(public_url: Option<&str>, listen: SocketAddr, plain_http: bool) -> anyhow::Result<()> {
    let is_here = |url: &str| {
        let url = url.parse::<reqwest::Url>();
        url.is_ok_and(|url| url.host_str().is_some_and(transport::is_this_machine))
    };
    let is_over_tls = public_url.is_some_and(api::is_over_tls);
    let is_only_here = listen.ip().is_loopback() && public_url.is_none_or(is_here);
    anyhow::ensure!(
        is_over_tls || is_only_here || plain_http,
        "people would come to {} without TLS; put a proxy that ends TLS in front (deploy/haproxy.cfg) and set CLEARBAY_PUBLIC_URL=https://..., or say --plain-http (CLEARBAY_PLAIN_HTTP=true) where everybody on the way may read along",
        public_url.map_or_else(|| listen.to_string(), str::to_owned)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_elsewhere_people_come_by_tls_or_it_is_meant() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 8080));
        let passes = |url, listen| check(url, listen, false).is_ok();
        assert!(passes(None, loopback));
        assert!(passes(Some("http://127.0.0.1:8080"), loopback));
        assert!(passes(Some("http://localhost:9000/"), loopback));
        assert!(passes(Some("https://parking.example"), loopback));
        assert!(passes(Some("https://parking.example"), everywhere));
        let refused = [
            (None, everywhere),
            (Some("http://127.0.0.1:8080"), everywhere),
            (Some("http://parking.example"), loopback),
            (Some("parking.example"), loopback),
            (Some(""), everywhere),
        ];
        for (url, listen) in refused {
            assert!(!passes(url, listen), "{url:?} on {listen}");
            assert!(check(url, listen, true).is_ok());
        }
    }
}
