//! PostgreSQL's programs: where they are, and how they are told of a server.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use api::percent::percent_decoded;

/// Where Debian and Ubuntu keep them, in a folder for each version: of some only wrappers are in PATH, of others nothing.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What `clearbay backup make` runs. pg_verifybackup asks the pg_waldump that lies beside it.
pub const MAKE: [&str; 4] = [
    "pg_basebackup",
    "pg_verifybackup",
    "pg_waldump",
    "pg_archivecleanup",
];
/// What `clearbay backup follow` runs.
pub const FOLLOW: [&str; 1] = ["pg_receivewal"];

/// PostgreSQL's programs.
#[derive(Clone, Debug)]
pub struct Tools(Option<PathBuf>);

impl Tools {
    /// Sees that those programs are there before anything is begun: in the folder that is named, else in PATH, else
    /// where Debian has them, of the newest version.
    ///
    /// # Errors
    /// Where one is missing.
    pub fn find(named: Option<&Path>, programs: &[&str]) -> anyhow::Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        Self::find_in(named, &path, Path::new(DEBIAN), programs)
    }

    fn find_in(
        named: Option<&Path>,
        path: &OsStr,
        debian: &Path,
        programs: &[&str],
    ) -> anyhow::Result<Self> {
        if let Some(folder) = named {
            let missing = missing(folder, programs);
            ensure!(
                missing.is_empty(),
                "{}, which is to hold PostgreSQL's tools (--pg-bin, CLEARBAY_PG_BIN), lacks {}",
                folder.display(),
                missing.join(", ")
            );
            return Ok(Self(Some(folder.to_owned())));
        }
        let in_path =
            |program: &&str| env::split_paths(path).any(|one| is_program(&one.join(program)));
        if programs.iter().all(in_path) {
            return Ok(Self(None));
        }
        let entries = fs::read_dir(debian).into_iter().flatten().flatten();
        let versions = entries.filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        });
        let whole = versions.filter(|(_, folder)| missing(folder, programs).is_empty());
        match whole.max_by_key(|(version, _)| *version) {
            Some((_, folder)) => Ok(Self(Some(folder))),
            None => bail!(
                "PostgreSQL's tools are needed ({}), and are neither in PATH nor in {}/*/bin: install the package of \
                 the server's version (in Debian postgresql-17, say), or name their folder by --pg-bin (CLEARBAY_PG_BIN)",
                programs.join(", "),
                debian.display()
            ),
        }
    }

    /// One, to be run against a server, where it needs one.
    pub(super) fn command(&self, program: &str, server: Option<&Server>) -> Command {
        let mut command = match &self.0 {
            Some(folder) => Command::new(folder.join(program)),
            None => Command::new(program),
        };
        if let Some(Server { url, password }) = server {
            command.args(["--dbname", url]);
            command.envs(password.iter().map(|password| ("PGPASSWORD", password)));
        }
        command
    }

    /// Runs one; what it says goes where ours does.
    pub(super) fn run(
        &self,
        program: &str,
        args: &[&str],
        server: Option<&Server>,
    ) -> anyhow::Result<()> {
        let ended = self.command(program, server).args(args).status();
        let ended = ended.with_context(|| {
            format!(
                "{program} cannot be run; name PostgreSQL's tools by --pg-bin (CLEARBAY_PG_BIN)"
            )
        })?;
        ensure!(
            ended.success(),
            "{program} failed; its own words are above. Where it is of another version than the server, name the folder of the server's tools by --pg-bin (CLEARBAY_PG_BIN)"
        );
        Ok(())
    }
}

/// Those of the programs that a folder lacks.
fn missing<'a>(folder: &Path, programs: &[&'a str]) -> Vec<&'a str> {
    let programs = programs.iter().copied();
    programs
        .filter(|program| !is_program(&folder.join(program)))
        .collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A server, as PostgreSQL's tools are told of it: a command line can be read by everybody on the machine, so
/// no password is in it.
#[derive(Clone)]
pub struct Server {
    url: String,
    password: Option<String>,
}

impl Server {
    /// From an address as `DATABASE_URL` has it, `postgres://user:password@host:port/name?...`.
    pub fn new(url: &str) -> Self {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut server = match without_password(address) {
            Some((url, password)) => Self {
                url,
                password: Some(password),
            },
            None => Self {
                url: address.to_owned(),
                password: None,
            },
        };
        let mut between = '?';
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match as_libpq_has_it(name) {
                Some("password") => server.password = Some(decoded(value)),
                Some(name) => {
                    server.url.push_str(&format!("{between}{name}={value}"));
                    between = '&';
                }
                None => {}
            }
        }
        server
    }
}

/// An address without the password that stands in it, and that.
fn without_password(address: &str) -> Option<(String, String)> {
    let (scheme, rest) = address.split_once("://")?;
    let (user, host) = rest.rsplit_once('@')?;
    let (user, password) = user.split_once(':')?;
    Some((format!("{scheme}://{user}@{host}"), decoded(password)))
}

fn decoded(text: &str) -> String {
    percent_decoded(text, b'+').unwrap_or_else(|| text.to_owned())
}

/// How PostgreSQL's tools call a parameter that sqlx reads out of an address, by more names than theirs; `None` for what
/// only sqlx knows. They refuse an address with a parameter that they do not know.
/// <https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-PARAMKEYWORDS>
fn as_libpq_has_it(name: &str) -> Option<&str> {
    match name {
        "statement-cache-capacity" => None,
        "ssl-mode" => Some("sslmode"),
        "ssl-root-cert" | "ssl-ca" => Some("sslrootcert"),
        "ssl-cert" => Some("sslcert"),
        "ssl-key" => Some("sslkey"),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::ffi::OsStr;

    use super::*;

    fn install(folder: &Path, programs: &[&str]) {
        fs::create_dir_all(folder).unwrap();
        for program in programs {
            let program = folder.join(program);
            fs::write(&program, "").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn an_address_of_ours_is_one_that_the_tools_take() {
        let server = Server::new(
            "postgres://clear%40bay:a%2Bb@[::1]:5433/hn?statement-cache-capacity=50&ssl-mode=verify-full&sslrootcert=/x",
        );
        assert_eq!(
            server.url,
            "postgres://clear%40bay@[::1]:5433/hn?sslmode=verify-full&sslrootcert=/x"
        );
        assert_eq!(server.password.as_deref(), Some("a+b"));
        // No command line has a password, wherever the address has it.
        let server = Server::new("postgres:///hn?host=/run&password=se%20cret&options=-c%20x");
        assert_eq!(server.url, "postgres:///hn?host=/run&options=-c%20x");
        assert_eq!(server.password.as_deref(), Some("se cret"));
        let server = Server::new("postgres://nobody@127.0.0.1/hn?statement-cache-capacity=0");
        assert_eq!(server.url, "postgres://nobody@127.0.0.1/hn");
        assert_eq!(server.password, None);
    }

    #[test]
    fn tools_are_found_where_debian_has_them() {
        let root = tempfile::tempdir().unwrap();
        let (path, debian) = (root.path().join("path"), root.path().join("debian"));
        let bin = |version: &str| debian.join(version).join("bin");
        let find = |named: Option<&Path>| Tools::find_in(named, path.as_os_str(), &debian, &MAKE);
        // Debian's PATH has wrappers of some, and a folder of the client's package lacks the server's.
        install(&path, &["pg_basebackup", "pg_archivecleanup"]);
        install(&bin("17"), &["pg_basebackup", "pg_verifybackup"]);
        let told = find(None).unwrap_err().to_string();
        assert!(told.contains("--pg-bin"), "{told}");
        install(&bin("9"), &MAKE);
        install(&bin("16"), &MAKE);
        install(&bin("common"), &MAKE);
        assert_eq!(find(None).unwrap().0, Some(bin("16")));
        // What is named is taken, or nothing is.
        let told = find(Some(&bin("17"))).unwrap_err().to_string();
        assert!(told.contains("pg_waldump, pg_archivecleanup"), "{told}");
        install(&path, &MAKE);
        assert_eq!(find(None).unwrap().0, None);
        assert!(Tools::find_in(None, OsStr::new(""), root.path(), &FOLLOW).is_err());
    }
}
