//! `clearbay verify` and `clearbay log-key`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chrono::Utc;
use domain::log::{LogKeys, LogSigner, WitnessKey, Witnesses};
use reqwest::StatusCode;
use tokio::task::JoinSet;
use verifier::{Answer, Memory, Next, Patience, Pinned, Verifier};

use crate::out::out;

mod offline;
mod tell;

use offline::{VerifyReceipt, VerifyReport};
pub(super) use tell::row;

/// Something does not hold. Errors are 1.
pub(super) const DOES_NOT_HOLD: u8 = 2;
/// How much is fetched at once.
const AT_ONCE: usize = 8;
/// No resource of a log is larger.
const MAX_BODY: usize = 16 * 1024 * 1024;

const EXAMPLES: &str = "\
Pin the key that the city has published by another way than this server, such as its gazette: a server
that lies can tell you any key. What is seen is remembered, so that the next check also shows that
nothing of it was changed or taken away since.

Exit code: 0 when all holds or nothing has been published yet, 2 when something does not or the log is signed by another key than yours, 1 when it
cannot be told (no connection, no public log at that address, what is given as a key is none).

Examples:
  clearbay verify --url https://parking.example --key parking.example/log+1a2b3c4d+AQ...
  clearbay verify receipt receipt.json --key @city.key      # from https://parking.example/api/v1/receipts/...
  clearbay verify report 2026-11-25.txt --key @city.key     # from https://parking.example/log/report/2026-11-25";

/// Check a city's public log, reports and published revenue, trusting nothing but a pinned key.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Verify {
    #[command(subcommand)]
    what: Option<What>,
    /// The city's address.
    #[arg(long, required = true)]
    url: Option<String>,
    #[command(flatten)]
    keys: Option<Keys>,
    /// Where it is remembered what was seen [default: a file for each log in the folder of programs' state,
    /// $XDG_STATE_HOME/clearbay or ~/.local/state/clearbay].
    #[arg(long)]
    state: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Check that one receipt is in the log, without any connection.
    Receipt(VerifyReceipt),
    /// Check that a day's report is signed and sums up, without any connection.
    Report(VerifyReport),
}

/// The pinned keys.
#[derive(Debug, clap::Args)]
struct Keys {
    /// The key that you trust: name+id+key, or @FILE with one. Twice while one takes the other's place.
    #[arg(long = "key", required = true)]
    key: Vec<String>,
    /// The key of a witness that you trust, or @FILE with some: others who have seen the log, so that you are
    /// not shown another one than everybody.
    #[arg(long = "witness")]
    witness: Vec<String>,
    /// How many of these must have seen it [default: all].
    #[arg(long, requires = "witness")]
    witnesses_needed: Option<usize>,
}

/// The lines of what somebody named: itself, or @FILE.
fn named(text: &str) -> anyhow::Result<Vec<String>> {
    let text = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the key in {file}"))?,
        None => text.to_owned(),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(str::to_owned).collect())
}

impl Keys {
    fn read(&self) -> anyhow::Result<LogKeys> {
        log_keys(&self.key)
    }

    fn witnesses(&self) -> anyhow::Result<Witnesses> {
        let mut keys = Vec::new();
        for key in &self.witness {
            for line in named(key)? {
                keys.push(line.parse::<WitnessKey>()?);
            }
        }
        let needed = self.witnesses_needed.unwrap_or(keys.len());
        Witnesses::new(keys, needed).context("more witnesses are needed than are named")
    }
}

/// The pinned keys of one log.
fn log_keys(named_keys: &[String]) -> anyhow::Result<LogKeys> {
    let mut lines = Vec::new();
    for key in named_keys {
        lines.extend(named(key)?);
    }
    let pinned = Pinned::parse(&lines.join("\n")).context("--key")?;
    anyhow::ensure!(
        pinned.witnesses.is_empty(),
        "--key: a witness's key is named by --witness"
    );
    Ok(pinned.log)
}

impl Verify {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            Some(What::Receipt(receipt)) => return receipt.run(),
            Some(What::Report(report)) => return report.run(),
            None => {}
        }
        let trusted = self.keys.context("--key is needed")?;
        let (keys, witnesses) = (trusted.read()?, trusted.witnesses()?);
        let url = self.url.context("--url is needed")?;
        let url = url.trim_end_matches('/').to_owned();
        let state = match self.state {
            Some(file) => file,
            None => state_file(keys.origin())?,
        };
        let known = recall(&state)?;
        let mut patience = Patience::default();
        let verdict = loop {
            let asked = Utc::now();
            let mut verifier = Verifier::new(keys.clone(), witnesses.clone(), known.clone());
            fetch_all(&mut verifier, &url).await?;
            let verdict = verifier.verdict();
            match patience.next(&verdict, asked) {
                Next::Tell => break verdict,
                Next::NotYet => {
                    tell::not_yet(&verdict, patience.times());
                    return Ok(ExitCode::FAILURE);
                }
                Next::AskAgain => {}
            }
            eprintln!(
                "what is published is not what the log has; that may be money on its way into the log: asked again in \
                 {} s",
                Patience::PAUSE.num_seconds()
            );
            tokio::time::sleep(Patience::PAUSE.to_std()?).await;
        };
        if let Some(why) = verdict.no_log {
            anyhow::bail!(
                "it cannot be told whether all holds: {why} below {url}; --url is the address of the city alone, such as \
                 https://parking.example"
            );
        }
        if let Some(memory) = &verdict.memory {
            remember(&state, memory)?;
        }
        tell::verdict(&verdict, patience.times(), &keys, &state);
        Ok(match verdict.holds() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(DOES_NOT_HOLD),
        })
    }
}

/// Fetches what the verifier wants until it wants nothing.
async fn fetch_all(verifier: &mut Verifier, url: &str) -> anyhow::Result<()> {
    let client = api::gateway::client()?;
    let progress = std::io::IsTerminal::is_terminal(&std::io::stderr());
    loop {
        let wanted = verifier.wants();
        if wanted.is_empty() {
            break;
        }
        let mut wanted = wanted.into_iter();
        let mut fetching = JoinSet::new();
        loop {
            while fetching.len() < AT_ONCE
                && let Some(path) = wanted.next()
            {
                let request = client.get(format!("{url}{path}"));
                fetching.spawn(async move {
                    let answer = answer(request.send().await, &path).await;
                    (path, answer)
                });
            }
            let Some(done) = fetching.join_next().await else {
                break;
            };
            let (path, answer) = done?;
            verifier.give(&path, answer?);
        }
        let done = verifier.progress();
        if progress && done.of > 0 {
            eprint!("\r{} of {} entries ", done.entries, done.of);
        }
    }
    if progress {
        eprint!("\r\x1b[K");
    }
    Ok(())
}

/// What a server says to a request for a part of its log.
pub(super) async fn answer(
    reply: Result<reqwest::Response, reqwest::Error>,
    path: &str,
) -> anyhow::Result<Answer> {
    let cannot = || format!("{path} cannot be fetched");
    let mut reply = reply.with_context(cannot)?;
    match reply.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(Answer::NotFound),
        status => anyhow::bail!("{path}: the server answers {status}"),
    }
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await.with_context(cannot)? {
        body.extend(chunk);
        anyhow::ensure!(
            body.len() <= MAX_BODY,
            "{path} is larger than any part of a log"
        );
    }
    Ok(Answer::Body(body))
}

/// The file in which a log is remembered, unless another is named.
fn state_file(origin: &str) -> anyhow::Result<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = var("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(var("HOME")?).join(".local/state")))
        .context("neither HOME nor XDG_STATE_HOME is set: name a file with --state")?;
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => letter,
        _ => '_',
    };
    let name: String = origin.chars().map(plain).collect();
    Ok(folder.join("clearbay").join(format!("{name}.json")))
}

fn recall(file: &Path) -> anyhow::Result<Option<Memory>> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let memory = Memory::parse(&text).with_context(|| file.display().to_string())?;
            Ok(Some(memory))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Whole or not at all: a file that is half written would be no memory.
fn remember(file: &Path, memory: &Memory) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    let new = file.with_extension("new");
    std::fs::write(&new, memory.to_text()).with_context(cannot)?;
    std::fs::rename(&new, file).with_context(cannot)
}

/// Make a key for the public log. The private one is kept secret as CLEARBAY_LOG_KEY; the public one is
/// published where citizens look it up, such as the city's gazette.
#[derive(Debug, clap::Args)]
pub struct LogKeyCommand {
    /// The log's name: the city's address without https://, and /log.
    #[arg(value_name = "NAME")]
    name: String,
}

impl LogKeyCommand {
    /// Runs the command.
    pub fn run(&self) -> anyhow::Result<()> {
        let made = LogSigner::generate(&self.name, rand::random());
        // Why a text is no key says nothing to whoever gave a name.
        let (signer, private) = made.map_err(|_| {
            anyhow::anyhow!(
                "{:?} is no log's name: without spaces and plus, such as parking.example/log",
                self.name
            )
        })?;
        out!("{private}");
        // Apart from the secret, so that each can be sent to its own file.
        eprintln!("public key, to be published: {}", signer.public());
        Ok(())
    }
}
