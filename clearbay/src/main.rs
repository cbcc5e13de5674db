//! The Clearbay program: every service of the platform behind one command.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clearbay::secret_files;
use telemetry::LogFormat;

mod backup;
mod command;
mod connections;
mod housekeeping;
mod out;
mod recorder;
mod server;
mod shutdown;
mod telemetry;
mod textfile;

/// Cashless parking for a city: live bays, prices that explain themselves, open revenue.
#[derive(Debug, Parser)]
#[command(name = "clearbay", version, arg_required_else_help = true)]
struct Cli {
    /// Which messages to log, as in RUST_LOG.
    #[arg(
        long,
        global = true,
        env = "CLEARBAY_LOG",
        default_value = "info,lapin=off,rumqttd=off,rumqttc=warn,sqlx=warn"
    )]
    log: String,
    /// How to log: lines for people or JSON for machines.
    #[arg(
        long,
        global = true,
        env = "CLEARBAY_LOG_FORMAT",
        default_value = "text"
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the database's schema up to date, and stop.
    Migrate(command::migrate::Migrate),
    /// Take sensors' messages from the broker into the database.
    Ingest(command::ingest::Ingest),
    /// Serve the API and the pages.
    Serve(command::serve::Serve),
    /// Look into the books, prove that they are right, correct them.
    #[command(subcommand)]
    Ledger(command::ledger::Ledger),
    /// Play a city's sensors, drivers and bank against a running system.
    Simulate(command::simulate::Simulate),
    /// Send recorded occupancy through the broker and account for every row.
    #[command(subcommand)]
    Replay(command::replay::Replay),
    /// Install a city from a file: operators, lots, bays, sensors, map.
    #[command(subcommand)]
    Place(command::place::Place),
    /// Import tariffs from a file, and explain prices.
    #[command(subcommand)]
    Tariff(command::tariff::Tariff),
    /// Install sensors from a file, and list the models that can be read.
    #[command(subcommand)]
    Device(command::device::Devices),
    /// Make passwords for the broker, and write its files from the registry.
    #[command(subcommand)]
    Broker(command::broker::Rights),
    /// Let staff in, and list them.
    #[command(subcommand)]
    Staff(command::staff::People),
    /// Make tokens for handheld terminals, list them, end one.
    #[command(subcommand)]
    Terminal(command::terminal::Terminals),
    /// Compare a gateway's statement with what was booked, and show every difference.
    Reconcile(command::reconcile::Reconcile),
    /// Check a city's public log, reports and published revenue, trusting nothing but a pinned key.
    Verify(command::verify::Verify),
    /// Add up what several cities have signed, and route their hosts.
    #[command(subcommand)]
    Country(command::country::Country),
    /// Make a key for the public log.
    LogKey(command::verify::LogKeyCommand),
    /// Keep copies of the database, and bring one back as it was at a moment.
    #[command(subcommand)]
    Backup(command::backup::Backup),
    /// Make a key for push messages to drivers' phones.
    PushKey(command::push::PushKey),
    /// Run everything at once on this machine: broker, ingest, API, pages and a simulated city.
    Demo(command::demo::Demo),
    /// Print docs/configuration.md: every option and variable of every command.
    Configuration(command::configuration::Configuration),
}

impl Command {
    /// As traces name whoever sends them.
    const fn name(&self) -> &'static str {
        match self {
            Self::Serve(_) => "serve",
            Self::Ingest(_) => "ingest",
            Self::Demo(_) => "demo",
            _ => "command",
        }
    }
}

fn main() -> ExitCode {
    let declared = Cli::command();
    let command = match secret_files::filled(declared.clone()) {
        Ok(command) => command,
        Err(error) => return fail(&error),
    };
    let told = match command.try_get_matches() {
        Ok(told) => told,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = secret_files::check(&declared, &told) {
        return fail(&error);
    }
    let cli = match Cli::from_arg_matches(&told) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let name = cli.command.name();
    let telemetry = match telemetry::start(&runtime, &cli.log, cli.log_format, name) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error),
    };
    let done = runtime.block_on(async {
        let done = match cli.command {
            Command::Migrate(command) => command.run().await,
            Command::Ingest(command) => command.run().await,
            Command::Serve(command) => command.run().await,
            Command::Ledger(command) => command.run().await,
            Command::Simulate(command) => command.run().await,
            Command::Replay(command) => command.run().await,
            Command::Place(command) => command.run().await,
            Command::Tariff(command) => command.run().await,
            Command::Device(command) => command.run().await,
            Command::Broker(command) => command.run().await,
            Command::Demo(command) => command.run().await,
            Command::Staff(command) => command.run().await,
            Command::Terminal(command) => command.run().await,
            Command::Backup(command) => command.run().await,
            Command::PushKey(command) => command.run(),
            Command::LogKey(command) => command.run(),
            Command::Country(command) => return command.run().await,
            Command::Configuration(command) => {
                command.run(&Cli::command());
                Ok(())
            }
            Command::Verify(command) => return command.run().await,
            Command::Reconcile(command) => return command.run().await,
        };
        done.map(|()| ExitCode::SUCCESS)
    });
    telemetry.finish();
    // A worker that still waits for a closed connection does not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match done {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// What clap has to say: why the command line is none of ours, or the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    // Not clap's own 2: that is `reconcile`'s word for money that does not agree.
    match error.use_stderr() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// One sentence, with its causes.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("clearbay: {}", out::with_causes(error));
    ExitCode::FAILURE
}
