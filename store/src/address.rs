//! The database's address, and what may go there in the clear.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::StoreError;

/// How to connect to a database.
///
/// What PostgreSQL's tools do where an address has no `sslmode`, to encrypt if the server would like to, protects
/// from nobody: whoever stands between says that it would not. So on this machine nothing is encrypted then,
/// and to another one the address must say what is wanted (<https://www.postgresql.org/docs/17/libpq-ssl.html>).
///
/// # Errors
/// Where the address cannot be read; [`StoreError::MayBePlain`] where it leads to another machine and does not
/// say that what is sent must be encrypted, nor that it need not be.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse()?;
    let host = options.get_host();
    // The database's socket is a path.
    let is_here =
        options.get_socket().is_some() || host.starts_with('/') || transport::is_this_machine(host);
    match options.get_ssl_mode() {
        PgSslMode::Prefer if is_here && !names_mode(url) => {
            Ok(options.ssl_mode(PgSslMode::Disable))
        }
        // sqlx takes the one for plain, the other for whatever the server likes.
        PgSslMode::Allow | PgSslMode::Prefer if !is_here => {
            Err(StoreError::MayBePlain(host.to_owned()))
        }
        PgSslMode::Require if !is_here => {
            tracing::warn!(
                host,
                "sslmode=require encrypts, but believes whoever answers to be the database; verify-full does not"
            );
            Ok(options)
        }
        _ => Ok(options),
    }
}

/// Whether an address has the parameter, by either of the names that sqlx knows.
fn names_mode(url: &str) -> bool {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let mut names = parameters
        .split('&')
        .filter_map(|part| Some(part.split_once('=')?.0));
    names.any(|name| matches!(name, "sslmode" | "ssl-mode"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mode(url: &str) -> Result<&'static str, String> {
        match options(url) {
            Ok(options) => Ok(match options.get_ssl_mode() {
                PgSslMode::Disable => "disable",
                PgSslMode::Prefer => "prefer",
                PgSslMode::Require => "require",
                PgSslMode::VerifyFull => "verify-full",
                _ => "other",
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn to_another_machine_nothing_is_left_to_chance() {
        for to_be_refused in ["", "?sslmode=prefer", "?sslmode=allow", "?host=db.example"] {
            let host = if to_be_refused.contains("host") {
                "127.0.0.1"
            } else {
                "db.example"
            };
            let why =
                mode(&format!("postgres://me:secret@{host}/city{to_be_refused}")).unwrap_err();
            assert!(
                why.contains("db.example") && why.contains("sslmode=verify-full"),
                "{why}"
            );
            assert!(!why.contains("secret"), "{why}");
        }
        for said in ["disable", "require", "verify-full"] {
            let url = format!("postgres://me:secret@db.example/city?sslmode={said}");
            assert_eq!(mode(&url), Ok(said));
        }
    }

    #[test]
    fn on_this_machine_it_is_as_the_address_says() {
        for here in [
            "127.0.0.1:5432",
            "localhost",
            "[::1]",
            "%2Frun%2Fpostgresql",
        ] {
            let url = format!("postgres://me:secret@{here}/city");
            assert_eq!(mode(&url), Ok("disable"), "{here}");
            assert_eq!(mode(&format!("{url}?sslmode=prefer")), Ok("prefer"));
            assert_eq!(
                mode(&format!("{url}?sslmode=verify-full")),
                Ok("verify-full")
            );
        }
    }
}
