//! Secrets come from files or from the environment, never from the command line, which every user of the machine can
//! read.
//!
//! Of a secret `NAME` the file is the one that `NAME_FILE` names, else `clearbay_NAME` among the credentials that
//! systemd hands a service (`LoadCredential=`, systemd.exec(5)), else there is none and the variable `NAME` counts.
//! What a process has in its environment, whatever it starts has too, and a dump of it shows.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use api::{gateway, sms};
use clap::builder::StyledStr;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// The largest file of a secret, in bytes.
const MAX: u64 = 64 * 1024;
/// Where systemd puts a service's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Under what they stand in `--help`.
const HEADING: &str = "Secrets, in the environment or in a file that NAME_FILE names:";

/// The command line in which each secret that a file holds has its value. Secrets are no options of it: help names
/// their variables, and [`check`] sees to those that are needed.
///
/// # Errors
/// For a file that cannot be read, and a secret that is in two places.
pub fn filled(command: Command) -> anyhow::Result<Command> {
    let mut failed = None;
    let filled = fill(command, &mut failed);
    failed.map_or(Ok(filled), Err)
}

fn fill(command: Command, failed: &mut Option<anyhow::Error>) -> Command {
    let mut told = String::new();
    let command = command.mut_args(|arg| {
        let Some(name) = secret(&arg) else { return arg };
        tell(&arg, &name, &mut told);
        let held = of_file(&name).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            None
        });
        let arg = arg.required(false).hide(true);
        match held {
            // For as long as the program runs, as an option's value is. Not asked of the environment.
            Some(text) => arg.env(None::<&'static str>).default_value(&*text.leak()),
            None => arg,
        }
    });
    let command = command.mut_subcommands(|inner| fill(inner, failed));
    if told.is_empty() {
        return command;
    }
    let after = command.get_after_help().map(StyledStr::to_string);
    let after = after.map_or_else(String::new, |after| format!("\n{after}"));
    let heading = command.get_styles().get_header();
    let heading = format!("{heading}{HEADING}{heading:#}");
    command.after_help(format!("{heading}\n{told}{after}"))
}

/// A secret, as `--help` tells of an option.
fn tell(arg: &Arg, name: &str, told: &mut String) {
    let what = arg.get_long_help().or(arg.get_help());
    let what = what.map(StyledStr::to_string).unwrap_or_default();
    let default = arg.get_default_values().first();
    let note = match default.filter(|value| !value.is_empty()) {
        Some(default) => format!(" [default: {}]", default.display()),
        None if arg.is_required_set() => " (required)".to_owned(),
        None => String::new(),
    };
    let _ = writeln!(told, "  {name}{note}\n          {what}");
}

/// Refuses secrets that stand on the command line, and says which are missing.
///
/// # Errors
/// With the names, of options that are told there or of variables that are not set.
pub fn check(declared: &Command, matches: &ArgMatches) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for arg in declared.get_arguments() {
        let Some(name) = secret(arg) else { continue };
        let id = arg.get_id().as_str();
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            let option = arg.get_long().unwrap_or_default();
            anyhow::bail!(
                "--{option} is a secret, and everybody on this machine reads command lines; set {name}, or {name}_FILE to the name of a file"
            );
        }
        let mut values = matches.get_raw(id).into_iter().flatten();
        if arg.is_required_set() && values.all(|value| value.is_empty()) {
            missing.push(name);
        }
    }
    match missing.as_slice() {
        [] => {}
        [name] => anyhow::bail!("{name} is not set, nor {name}_FILE to the name of a file with it"),
        names => anyhow::bail!(
            "{} are not set, nor {}_FILE and so on to the names of files with them",
            names.join(", "),
            names[0]
        ),
    }
    match matches.subcommand() {
        Some((name, inner)) => match declared.find_subcommand(name) {
            Some(declared) => check(declared, inner),
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
