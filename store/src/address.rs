//! The database's address, and what may go there in the clear.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::StoreError;

/// How addresses of a database begin.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// How to connect to a database.
///
/// What PostgreSQL's tools do where an address has no `sslmode`, to encrypt if the server would like to, protects
/// from nobody: whoever stands between says that it would not. So on this machine nothing is encrypted then,
/// and to another one the address must say what is wanted (<https://www.postgresql.org/docs/17/libpq-ssl.html>).
///
/// # Errors
/// [`StoreError::NoAddress`] where it is none; [`StoreError::MayBePlain`] where it leads to another machine and does not
/// say that what is sent must be encrypted, nor that it need not be.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if !scheme.is_some_and(|scheme| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())) {
        return Err(StoreError::NoAddress(match (url.trim(), scheme) {
            ("", _) => "it is empty".to_owned(),
            (_, Some(scheme)) => format!("{scheme}:// is another kind of address"),
            // It may hold a password.
            (_, None) => "it does not begin with postgres://".to_owned(),
        }));
    }
    let options: PgConnectOptions = url.parse().map_err(|error| match error {
        sqlx::Error::Configuration(why) => StoreError::NoAddress(why.to_string()),
        other => other.into(),
    })?;
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
    fn what_is_no_address_of_postgresql_s_is_called_that() {
        for (wrong, why) in [
            ("", "it is empty"),
            ("mysql://me:secret@db.example/city", "mysql://"),
            ("/run/postgresql", "postgres://"),
            ("me:secret@db.example", "postgres://"),
            ("postgres://me:secret@db.example:many/city", "port"),
        ] {
            let said = mode(wrong).unwrap_err();
            assert!(said.contains(why) && !said.contains("TLS"), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        assert_eq!(mode("postgresql://localhost/city"), Ok("disable"));
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
