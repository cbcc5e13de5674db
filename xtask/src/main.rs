//! Set-up and the developer's commands.
//!
//! Everything the project needs on a machine is found or fetched from here, into `.clearbay/`,
//! which may be deleted at any time. Nothing outside it is changed, except that Chromium is
//! installed as a system package for the browser test where it is missing and that is allowed.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod demo;
mod fuzz;
mod lint;
mod say;
mod screens;
mod setup;
mod supervise;
mod test;
mod upgrade;
mod web;
mod workspace;

const ENVIRONMENT: &str = "\
What is missing on this machine is fetched into .clearbay/, which may be deleted at any time: the
database (TimescaleDB), mosquitto, a compiler for the browser's bundle, cargo-fuzz. Only Chromium is
installed as a system package, for tests, where it is missing and root runs this.

Environment:
  DATABASE_URL  demo: a PostgreSQL 15 or newer to use instead of a private one
  MQTT_URL      demo: a broker to use instead of the one in the process
  CLEARBAY_LOG  demo: what is logged, such as info or debug,rumqttc=warn";

/// Runs, tests and measures Clearbay, and fetches what that needs.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true,
    after_help = ENVIRONMENT
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// What each says of itself stands beside its arguments: a line here would take the place of all its paragraphs.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Test(test::Test),
    Bench(bench::Bench),
    Upgrade(upgrade::Upgrade),
    Fuzz(fuzz::Fuzz),
    /// Check formatting, lints, licences and advisories.
    Lint,
    Screens(screens::Screens),
    /// Build the browser's bundle only.
    Web,
}

fn main() -> ExitCode {
    let done = workspace::Workspace::open().and_then(|workspace| match Cli::parse().command {
        Command::Demo(demo) => demo.run(&workspace),
        Command::Test(test) => test.run(&workspace),
        Command::Bench(bench) => bench.run(&workspace),
        Command::Upgrade(upgrade) => upgrade.run(&workspace),
        Command::Fuzz(fuzz) => fuzz.run(&workspace),
        Command::Screens(screens) => screens.run(&workspace),
        Command::Lint => lint::run(&workspace),
        Command::Web => {
            let built = workspace.in_turn("web", || web::build(&workspace));
            built.map(|outcome| {
                println!("web: {outcome}");
                ExitCode::SUCCESS
            })
        }
    });
    done.unwrap_or_else(|error| {
        eprintln!("cargo xtask: {}", say::sentence(&error));
        ExitCode::FAILURE
    })
}
