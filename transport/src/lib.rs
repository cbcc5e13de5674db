//! How Clearbay speaks to other machines: whom it trusts over TLS, and what it says to nobody in the clear.
//!
//! One trust for all: payment providers, brokers and, beside an authority that its address may name, the
//! database are believed where an authority that this machine trusts has signed their certificate.

use std::net::IpAddr;

mod broker;
mod trust;

pub use broker::{AddressError, is_amqp, mqtt, plain_host};
pub use trust::{TlsError, tls};

/// Whether an address's host is this machine by its loopback interface, which nobody else can listen to.
/// Other names and numbers of this machine are not known, and so are another's.
pub fn is_this_machine(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let number = in_brackets.unwrap_or(host).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || number.is_ok_and(|number| number.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_its_loopback_interface() {
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.8.9.1",
            "::1",
            "[::1]",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "fd00::1",
            "database",
            "localhost.example",
            "127.0.0.1.example",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
