//! The browser's bundle as WebAssembly: the dashboard's islands, which every live page loads, and the verifier,
//! which `/verify` alone does.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::say;
use crate::setup::debs::{Suite, Wanted, install, multiarch};
use crate::workspace::{Workspace, make_dir};

const TARGET: &str = "wasm32-unknown-unknown";

/// A part of the bundle, made from a package with one of its features.
struct Part {
    package: &'static str,
    feature: &'static str,
    /// The library's file, without its ending.
    library: &'static str,
    /// What its files are called.
    name: &'static str,
}

const PARTS: [Part; 2] = [
    Part {
        package: "clearbay-dashboard",
        feature: "hydrate",
        library: "dashboard",
        name: "clearbay",
    },
    Part {
        package: "clearbay-verifier",
        feature: "browser",
        library: "verifier",
        name: "verifier",
    },
];

/// What became of the bundle.
#[derive(Debug)]
pub enum Outcome {
    /// It is in this folder; so many compressed bytes of it are loaded by a live page.
    Ready(PathBuf, u64),
    /// It cannot be had; pages work by forms and plain events.
    Unavailable(String),
}

impl Outcome {
    /// The bundle's folder.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Ready(folder, _) => Some(folder),
            Self::Unavailable(_) => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(_, bytes) => write!(f, "bundle ready, {} kB compressed", bytes / 1000),
            Self::Unavailable(why) => {
                write!(f, "no bundle ({why}); pages work by forms and plain events")
            }
        }
    }
}

/// Builds the bundle, unless it is there and nothing it is made from has changed.
pub fn build(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let folder = workspace.state.join("web");
    let stamp = folder.join("stamp");
    let inputs = fingerprint(workspace)?;
    if fs::read_to_string(&stamp).is_ok_and(|found| found == inputs) {
        return Ok(ready(folder));
    }
    let toolchain = match Toolchain::find(workspace) {
        Ok(toolchain) => toolchain,
        Err(error) => return Ok(Outcome::Unavailable(format!("{error:#}"))),
    };
    let built = say::step(
        "web: building the browser's bundle (minutes at first)",
        || bundle(workspace, &toolchain, &folder),
    );
    if let Err(error) = built {
        return Ok(Outcome::Unavailable(format!("{error:#}")));
    }
    fs::write(&stamp, inputs)?;
    Ok(ready(folder))
}

fn ready(folder: PathBuf) -> Outcome {
    let size = |name: &str| fs::metadata(folder.join(name)).map_or(0, |meta| meta.len());
    let bytes = size("clearbay_bg.wasm.gz") + size("clearbay.js.gz");
    Outcome::Ready(folder, bytes)
}

/// What can compile for the browser.
enum Toolchain {
    /// The target came with the toolchain.
    Target,
    /// Debian's compiler for browsers, which builds its standard library from source.
    Debian { root: PathBuf },
}

impl Toolchain {
    fn find(workspace: &Workspace) -> anyhow::Result<Self> {
        let sysroot = say::run(Command::new("rustc").args(["--print", "sysroot"]))?;
        if Path::new(sysroot.trim())
            .join("lib/rustlib")
            .join(TARGET)
            .is_dir()
        {
            return Ok(Self::Target);
        }
        let wanted = Wanted {
            name: "rustc-web",
            suite: Suite::Host,
            packages: &["rustc-web", "rust-web-src", "lld-22", "libstd-rust-web-dev"],
            libraries: true,
        };
        if workspace.state.join("debs/rustc-web").is_dir() {
            return Ok(Self::Debian {
                root: install(&workspace.state, &wanted)?,
            });
        }
        let root = say::step(
            "web: fetching Debian's compiler for browsers (about 200 MB, once)",
            || install(&workspace.state, &wanted),
        )?;
        Ok(Self::Debian { root })
    }

    fn prepare(&self, command: &mut Command) {
        let Self::Debian { root } = self else { return };
        let libraries = [
            root.join("usr/lib").join(multiarch()),
            root.join("usr/lib/llvm-22/lib"),
        ];
        let libraries: Vec<_> = libraries
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        command
            .env("RUSTC", root.join("usr/bin/rustc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("LD_LIBRARY_PATH", libraries.join(":"))
            .env(
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                root.join("usr/bin/wasm-ld-22"),
            )
            .env_remove("RUSTUP_TOOLCHAIN")
            .arg("-Zbuild-std=std,panic_abort");
    }
}

fn bundle(workspace: &Workspace, toolchain: &Toolchain, folder: &Path) -> anyhow::Result<()> {
    // A folder gets its name last, so that half a bundle is never served.
    let part = workspace.state.join("web.part");
    let _ = fs::remove_dir_all(&part);
    make_dir(&part)?;
    for of in &PARTS {
        let module = compile(workspace, toolchain, of)?;
        let mut bundler = workspace.cargo(["run", "--quiet", "--package", "clearbay-bundler"]);
        say::run(bundler.arg("--").arg(module).arg(of.name).arg(&part))?;
    }
    let _ = fs::remove_dir_all(folder);
    fs::rename(&part, folder)?;
    Ok(())
}

/// The module of a part.
fn compile(workspace: &Workspace, toolchain: &Toolchain, part: &Part) -> anyhow::Result<PathBuf> {
    let target_dir = workspace.state.join("wasm-target");
    let mut command = workspace.cargo(["build", "--quiet", "--package", part.package, "--lib"]);
    command
        .args(["--no-default-features", "--features", part.feature])
        .args(["--target", TARGET, "--profile", "wasm"])
        .arg("--target-dir")
        .arg(&target_dir);
    toolchain.prepare(&mut command);
    say::run(&mut command)?;
    let module = target_dir.join(TARGET).join("wasm").join(part.library);
    Ok(module.with_extension("wasm"))
}

/// A hash of all that the bundle is made from.
fn fingerprint(workspace: &Workspace) -> anyhow::Result<String> {
    let mut files = vec![
        workspace.root.join("Cargo.lock"),
        workspace.root.join("Cargo.toml"),
    ];
    for folder in ["dashboard", "domain", "verifier", "xtask/bundler"] {
        collect(&workspace.root.join(folder), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.strip_prefix(&workspace.root)?.hash(&mut hasher);
        fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
