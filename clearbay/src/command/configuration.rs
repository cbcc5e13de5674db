//! `clearbay configuration`: the reference of every option, out of the program itself.

use std::fmt::Write;

use api::{gateway, sms};
use clap::{Arg, Command};

use crate::out::out;

/// An option that so many commands have is told once, before them.
const SHARED_BY: usize = 3;

/// Print docs/configuration.md: every option and variable of every command.
#[derive(Debug, clap::Args)]
pub struct Configuration {}

impl Configuration {
    /// Runs the command, for the program's whole command line.
    #[allow(clippy::unused_self)]
    pub fn run(&self, program: &Command) {
        out!("{}", reference(program).trim_end());
    }
}

/// A command that does something, by its whole name.
struct Runs<'a> {
    name: String,
    command: &'a Command,
}

/// An option as it is told.
#[derive(Clone, PartialEq, Eq)]
struct Told {
    /// As it is written on the command line; the variable's name of a secret, which is not taken there.
    name: String,
    is_option: bool,
    is_secret: bool,
    variable: String,
    default: String,
    what: String,
}

const INTRODUCTION: &str = "\
# Configuration

Every option of `clearbay`, as the program itself tells it: `clearbay configuration` prints this page, and a test holds
the page to it. To change it, change the program, then `clearbay configuration > docs/configuration.md`.

An option is given on the command line or in the environment; the command line wins. **Required** is what has no
default. `deploy/` has files with the variables of a machine.

What is marked **secret** is not taken on the command line, which every user of the machine can read, and never printed.
Of a secret `NAME` the value is in the file that `NAME_FILE` names; else in `clearbay_NAME` among a service's credentials
(systemd's `LoadCredential=`, as in `deploy/`), whose folder systemd names in `CREDENTIALS_DIRECTORY`; else in the
variable `NAME`, which whatever the program starts can read as well. A line's end at the end is not of it.
";

const BY_ENVIRONMENT: &str = "\
## Gateways and text messages

`clearbay serve` reads these from the environment alone. Of a gateway, set all or none: those of which everything is
set are offered to drivers. `CLEARBAY_VIETQR_PAYOUT_URL`, `CLEARBAY_VIETQR_APP_URL` and `CLEARBAY_ESMS_URL` may be left
out. README.md tells what they are.

| variable | |
|---|---|
";

/// The OpenTelemetry SDK reads these by itself.
const TRACES: &str = "\
## Traces

`clearbay serve` and `clearbay ingest` send traces by OTLP over HTTP where the first of these names a collector, such as
`http://127.0.0.1:4318`. OpenTelemetry's other variables hold as well.

| variable | |
|---|---|
| `OTEL_EXPORTER_OTLP_ENDPOINT` | the collector |
| `OTEL_EXPORTER_OTLP_HEADERS` | what it wants to be told besides, a token for instance (**secret**) |
| `OTEL_SERVICE_NAME` | whose traces these are |
| `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which are sent: `parentbased_traceidratio` and `0.1` for a tenth |
";

/// The whole page.
fn reference(program: &Command) -> String {
    let mut commands = Vec::new();
    gather(program, "", &mut commands);
    let options: Vec<Vec<Told>> = commands.iter().map(|runs| of(runs.command)).collect();
    let having = |told: &Told| options.iter().filter(|of| of.contains(told)).count();
    let mut shared: Vec<Told> = Vec::new();
    for told in options.iter().flatten() {
        if told.is_option && having(told) >= SHARED_BY && !shared.contains(told) {
            shared.push(told.clone());
        }
    }
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## All commands\n\n");
    table(&mut page, &of(program));
    page.push_str("\n## Several commands\n\nThose that take them name them.\n\n");
    table(&mut page, &shared);
    for (index, (runs, all)) in commands.iter().zip(&options).enumerate() {
        let _ = write!(page, "\n## `clearbay {}`\n\n", runs.name);
        if let Some(about) = runs.command.get_about() {
            let _ = writeln!(page, "{}.", escaped(&about.to_string()));
        }
        let earlier = |told: &&Told| {
            let before = options[..index].iter().position(|of| of.contains(told));
            before.filter(|_| told.is_option && !shared.contains(told))
        };
        let own = all.iter().filter(|told| !shared.contains(told));
        let own: Vec<Told> = own
            .filter(|told| earlier(told).is_none())
            .cloned()
            .collect();
        if !own.is_empty() {
            page.push('\n');
            table(&mut page, &own);
        }
        let names = |told: &[&Told]| {
            let names: Vec<String> = told.iter().map(|told| format!("`{}`", told.name)).collect();
            names.join(", ")
        };
        let as_shared: Vec<&Told> = all.iter().filter(|told| shared.contains(told)).collect();
        if !as_shared.is_empty() {
            let _ = write!(
                page,
                "\nOf those of several commands: {}.\n",
                names(&as_shared)
            );
        }
        for (before, other) in commands[..index].iter().enumerate() {
            let as_other = all.iter().filter(|told| earlier(told) == Some(before));
            let as_other: Vec<&Told> = as_other.collect();
            if !as_other.is_empty() {
                let (other, names) = (&other.name, names(&as_other));
                let _ = write!(page, "\nAs for `clearbay {other}`: {names}.\n");
            }
        }
    }
    page.push('\n');
    page.push_str(BY_ENVIRONMENT);
    let zalopay = (gateway::config::ZALOPAY_URL, false);
    let named = gateway::config::NAMES.into_iter().chain([zalopay]);
    for (name, is_secret) in named.chain(sms::NAMES) {
        let secret = if is_secret { "**secret**" } else { "" };
        let _ = writeln!(page, "| `{name}` | {secret} |");
    }
    page.push('\n');
    page.push_str(TRACES);
    page
}

/// All commands below one that do something, in their order.
fn gather<'a>(command: &'a Command, name: &str, into: &mut Vec<Runs<'a>>) {
    for inner in command.get_subcommands() {
        let name = format!("{name} {}", inner.get_name()).trim().to_owned();
        if !inner.has_subcommands() || inner.get_arguments().next().is_some() {
            let name = name.clone();
            into.push(Runs {
                name,
                command: inner,
            });
        }
        gather(inner, &name, into);
    }
}

fn of(command: &Command) -> Vec<Told> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown.map(Told::of).collect()
}

impl Told {
    fn of(arg: &Arg) -> Self {
        let value = arg.get_value_names().and_then(|names| names.first());
        let value = value.map_or_else(|| arg.get_id().to_string(), ToString::to_string);
        let is_secret = arg.is_hide_env_values_set();
        let variable = arg.get_env().map(|name| name.to_string_lossy());
        let name = match (arg.get_long(), &variable) {
            (_, Some(variable)) if is_secret => variable.to_string(),
            (Some(long), _) => format!("--{long}"),
            (None, _) => value.to_uppercase(),
        };
        let variable = variable.map_or_else(String::new, |variable| {
            let secret = if is_secret { ", **secret**" } else { "" };
            format!("`{variable}`{secret}")
        });
        let takes_value = arg.get_action().takes_values();
        let defaults = arg.get_default_values().iter();
        let defaults: Vec<String> = defaults
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let default = match defaults.join(" ") {
            _ if !takes_value => "off".to_owned(),
            text if !text.is_empty() => format!("`{}`", in_table(&text)),
            _ if arg.is_required_set() => "**required**".to_owned(),
            _ => String::new(),
        };
        let help = arg.get_long_help().or(arg.get_help());
        let mut what = help.map(ToString::to_string).unwrap_or_default();
        let choices = arg.get_possible_values();
        if takes_value && !choices.is_empty() {
            let choices: Vec<&str> = choices.iter().map(|choice| choice.get_name()).collect();
            let _ = write!(what, ": {}", choices.join(" or "));
        }
        Self {
            name,
            is_option: arg.get_long().is_some(),
            is_secret,
            variable,
            default,
            what: escaped(&what),
        }
    }
}

fn table(page: &mut String, options: &[Told]) {
    page.push_str("| option | variable | default | what it is |\n|---|---|---|---|\n");
    for told in options {
        let Told {
            name,
            is_secret,
            variable,
            default,
            what,
            ..
        } = told;
        let option = match is_secret {
            true => String::new(),
            false => format!("`{name}`"),
        };
        let _ = writeln!(page, "| {option} | {variable} | {default} | {what} |");
    }
}

/// A text that Markdown shows as it is, on one line.
fn escaped(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    in_table(&text.replace('<', "&lt;").replace('*', "\\*"))
}

fn in_table(text: &str) -> String {
    text.replace('|', "\\|")
}
