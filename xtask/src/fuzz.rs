//! `cargo xtask fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use serde_json::Value;

use crate::say;
use crate::workspace::{Workspace, make_dir};

/// What can be fuzzed; a file of `fuzz/fuzz_targets` each.
const TARGETS: [&str; 14] = [
    "bosch",
    "libelium",
    "milesight",
    "nwave",
    "own",
    "own_signed",
    "tts",
    "chirpstack",
    "log",
    "place",
    "served",
    "statement",
    "tariff",
    "webhook",
];
const CARGO_FUZZ: &str = "0.13.2";
/// The largest input that is tried, in bytes; a decoder's real ones have a few dozen, a file of tariffs some
/// thousand.
const MAX_LEN: u32 = 8_192;
/// The most models that one vendor's file reads.
const MODELS_MAX: u8 = 4;

/// Look for messages and files that make what reads them fail, guided by the code that they reach.
///
/// Sensors' messages (by vendor, and their envelopes), payment providers' notices and replies (webhook), files of
/// tariffs and of installations (tariff, place), providers' statements (statement), the forms of the public log
/// (log) and a whole log as it is served (served). Begins with the known messages of ingest/tests/golden, with
/// deploy/tariffs and fuzz/seeds, and with what earlier runs found, which .clearbay/fuzz keeps. What fails is kept
/// there, too, and named at the end.
#[derive(Debug, clap::Args)]
pub struct Fuzz {
    /// Which of them; each after the other where none is named.
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
    /// How long to look, for each, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Fuzz {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        let _lock = workspace.lock("fuzz")?;
        let program = cargo_fuzz(workspace)?;
        let folder = workspace.state.join("fuzz");
        let named: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        let targets = if named.is_empty() {
            TARGETS.to_vec()
        } else {
            named
        };
        for target in targets {
            let corpus = folder.join("corpus").join(target);
            let artifacts = folder.join("artifacts").join(target);
            make_dir(&corpus)?;
            make_dir(&artifacts)?;
            let seeds = seeds(workspace, target, &folder)?;
            println!("fuzz {target}: {} s", self.seconds);
            let mut command = Command::new(&program);
            command
                .current_dir(&workspace.root)
                // Coverage is a compiler's pass that only its nightly versions offer by default. No
                // sanitizer of memory: there is no unsafe code here that it could watch.
                .env("RUSTC_BOOTSTRAP", "1")
                .args(["run", "--sanitizer", "none", "--fuzz-dir", "fuzz"])
                .arg("--target-dir")
                .arg(folder.join("target"))
                .arg(target)
                .args([&corpus, &seeds])
                .arg("--")
                .arg(format!("-max_total_time={}", self.seconds))
                .arg(format!("-max_len={MAX_LEN}"))
                .arg(format!("-artifact_prefix={}/", artifacts.display()))
                .args(["-print_final_stats=1", "-verbosity=0", "-timeout=5"]);
            say::show(&mut command)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// cargo-fuzz, which is installed where it is missing.
fn cargo_fuzz(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = workspace.state.join("cargo-fuzz");
    let program = root.join("bin/cargo-fuzz");
    if !program.is_file() {
        say::step("cargo-fuzz: installing", || {
            let args = ["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ];
            say::run(workspace.cargo(args).arg("--root").arg(&root))
        })?;
    }
    Ok(program)
}

/// The folder with what a target begins with.
fn seeds(workspace: &Workspace, target: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let kept = match target {
        "tariff" => workspace.root.join("deploy/tariffs"),
        _ => workspace.root.join("fuzz/seeds").join(target),
    };
    if kept.is_dir() {
        return Ok(kept);
    }
    let written = folder.join("seeds").join(target);
    write_known_messages(workspace, target, &written)?;
    Ok(written)
}

/// Writes the known messages of a target as its code in `fuzz/src/sensor.rs` reads them.
fn write_known_messages(workspace: &Workspace, target: &str, folder: &Path) -> anyhow::Result<()> {
    let name = target.replace('_', "-");
    let golden = workspace.root.join("ingest/tests/golden");
    let path = golden.join(format!("{name}.json"));
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: Value = serde_json::from_slice(&text)?;
    make_dir(folder)?;
    let vectors = file["vectors"].as_array().context("no vectors")?;
    let seeds = vectors.iter().flat_map(seeds_of);
    for (number, seed) in seeds.enumerate() {
        fs::write(folder.join(format!("{number:04}")), seed)?;
    }
    Ok(())
}

fn seeds_of(vector: &Value) -> Vec<Vec<u8>> {
    let Some(hex) = vector["hex"].as_str() else {
        let payload = vector["payload"].as_str().unwrap_or_default();
        return vec![payload.as_bytes().to_vec()];
    };
    let number = |name: &str| vector[name].as_u64().unwrap_or_default();
    let below_mm = u16::try_from(number("occupied_below_mm")).unwrap_or(u16::MAX);
    let [low, high] = below_mm.to_le_bytes();
    let f_port = u8::try_from(number("f_port")).unwrap_or_default();
    let payload: Vec<u8> = (0..hex.len() / 2)
        .filter_map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    // Which model has which number is the vendor's file's to say.
    (0..MODELS_MAX)
        .map(|model| [&[model, f_port, low, high], payload.as_slice()].concat())
        .collect()
}
