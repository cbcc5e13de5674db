//! Secrets come from files or from the environment, never from the command line, which every user of the machine can
//! read.
//!
//! Of a secret `NAME` the file is the one that `NAME_FILE` names, else `clearbay_NAME` among the credentials that
//! systemd hands a service (`LoadCredential=`, systemd.exec(5)), else there is none and the variable `NAME` counts.
//! What a process has in its environment, whatever it starts has too, and a dump of it shows.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context;
use api::{gateway, sms};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// The largest file of a secret, in bytes.
const MAX: u64 = 64 * 1024;
/// Where systemd puts a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Under what such options stand in `--help`.
const HEADING: &str = "Secrets, in the environment or in a file that NAME_FILE names";

/// The command line in which each secret that a file holds has its value.
///
/// # Errors
/// For a file that cannot be read, and a secret that is in two places.
pub fn filled(command: Command) -> anyhow::Result<Command> {
    let mut failed = None;
    let filled = fill(command, &mut failed);
    failed.map_or(Ok(filled), Err)
}

fn fill(command: Command, failed: &mut Option<anyhow::Error>) -> Command {
    let command = command.mut_args(|arg| {
        let Some(name) = secret(&arg) else { return arg };
        let told = of_file(&name).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            None
        });
        let arg = arg.help_heading(HEADING);
        match told {
            // For as long as the program runs, as an option's value is. In no help, and not asked of the environment.
            Some(text) => arg
                .env(None::<&'static str>)
                .required(false)
                .default_value(&*text.leak())
                .hide_default_value(true),
            None => arg,
        }
    });
    command.mut_subcommands(|inner| fill(inner, failed))
}

/// Refuses secrets that stand on the command line.
///
/// # Errors
/// With the name of the first.
pub fn check(command: &Command, matches: &ArgMatches) -> anyhow::Result<()> {
    for arg in command.get_arguments() {
        let is_told = matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        if is_told && arg.is_hide_env_values_set() {
            let option = arg.get_long().unwrap_or_default();
            let hint = match secret(arg) {
                Some(name) => format!("set {name}, or {name}_FILE to the name of a file"),
                None => "it came from a file".to_owned(),
            };
            anyhow::bail!(
                "--{option} is a secret, and everybody on this machine reads command lines; {hint}"
            );
        }
    }
    match matches.subcommand() {
        Some((name, inner)) => match command.find_subcommand(name) {
            Some(command) => check(command, inner),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// The name of a secret of the command line.
fn secret(arg: &Arg) -> Option<String> {
    let name = arg.get_env().filter(|_| arg.is_hide_env_values_set())?;
    Some(name.to_string_lossy().into_owned())
}

/// A secret that no option of the command line has, such as a gateway's.
///
/// # Errors
/// For a file that cannot be read, and a secret that is in two places.
pub fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match of_file(name)? {
        Some(text) => Ok(Some(text)),
        None => Ok(std::env::var(name).ok()),
    }
}

/// What gateways and text messages need, by name.
///
/// # Errors
/// As [`variable`].
pub fn of_providers() -> anyhow::Result<impl Fn(&str) -> Option<String>> {
    let names = gateway::config::NAMES
        .into_iter()
        .chain([(gateway::config::ZALOPAY_URL, false)])
        .chain(sms::NAMES);
    let mut known = HashMap::new();
    for (name, _) in names {
        if let Some(value) = variable(name)? {
            known.insert(name, value);
        }
    }
    Ok(move |name: &str| known.get(name).cloned())
}

fn of_file(name: &str) -> anyhow::Result<Option<String>> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = set(&format!("{name}_FILE")).map(PathBuf::from);
    let handed = set(CREDENTIALS)
        .map(|folder| PathBuf::from(folder).join(format!("clearbay_{name}")))
        .filter(|path| path.exists());
    let Some(path) = named.or(handed) else {
        return Ok(None);
    };
    anyhow::ensure!(
        set(name).is_none(),
        "{name} is set, and {} has it, too; leave one",
        path.display()
    );
    let read = || {
        let size = std::fs::metadata(&path)?.len();
        anyhow::ensure!(size <= MAX, "it is larger than any secret");
        Ok(std::fs::read_to_string(&path)?)
    };
    let text = read().with_context(|| format!("{name}, in the file {}", path.display()))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}
