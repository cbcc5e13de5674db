//! Debian packages unpacked into a private folder: the system is neither asked nor changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::say;
use crate::workspace::make_dir;

/// Which Debian to take packages from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// The one that this machine runs.
    Host,
    /// Debian 13, whatever this machine runs. Its programs need [`patch_programs`].
    Trixie,
}

/// What to unpack.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The folder's name.
    pub name: &'a str,
    /// From where.
    pub suite: Suite,
    /// The packages.
    pub packages: &'a [&'a str],
    /// Whether to unpack the libraries that they need as well.
    pub libraries: bool,
}

/// Unpacks packages into `<state>/debs/<name>` and returns that folder. Does nothing where it is
/// there; a folder that is there is whole, since it gets its name last.
pub fn install(state: &Path, wanted: &Wanted<'_>) -> anyhow::Result<PathBuf> {
    let root = state.join("debs").join(wanted.name);
    if root.is_dir() {
        return Ok(root);
    }
    anyhow::ensure!(
        super::on_path("apt-get").is_some() && super::on_path("dpkg").is_some(),
        "this machine has no apt; install {} by hand",
        wanted.packages.join(", ")
    );
    let apt = Apt::new(state, wanted.suite)?;
    apt.run("update", &[])
        .context("the list of Debian's packages could not be fetched; is the network there?")?;
    let names = if wanted.libraries {
        apt.closure(wanted.packages)?
    } else {
        owned(wanted.packages)
    };
    let folder = state.join("debs").join(format!("{}.part", wanted.name));
    let _ = fs::remove_dir_all(&folder);
    make_dir(&folder)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let files = folder.join(".files");
    make_dir(&files)?;
    say::run(apt.command("download").args(&names).current_dir(&files))
        .context("packages could not be fetched; is the network there?")?;
    for file in fs::read_dir(&files)? {
        say::run(
            Command::new("dpkg")
                .arg("-x")
                .arg(file?.path())
                .arg(&folder),
        )?;
    }
    fs::remove_dir_all(&files)?;
    fs::rename(&folder, &root)?;
    Ok(root)
}

/// Makes programs of another Debian run here: they get that Debian's loader and libraries.
/// `tool` is a patchelf that runs on this machine.
pub fn patch_programs(root: &Path, bin: &Path, tool: &Path) -> anyhow::Result<()> {
    let libraries = root.join("usr/lib").join(multiarch());
    let loader = fs::read_dir(&libraries)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("ld-linux"))
        })
        .context("the fetched C library has no loader")?;
    for entry in fs::read_dir(bin)? {
        let program = entry?.path();
        let head = fs::read(&program)?;
        if !head.starts_with(b"\x7fELF") {
            continue;
        }
        // An RPATH, unlike a RUNPATH, holds for the libraries of libraries too.
        say::run(
            Command::new(tool)
                .arg("--set-interpreter")
                .arg(&loader)
                .arg("--force-rpath")
                .arg("--set-rpath")
                .arg(&libraries)
                .arg(&program),
        )?;
    }
    Ok(())
}

/// The folder of this machine's libraries under /usr/lib.
pub fn multiarch() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "aarch64-linux-gnu"
    } else {
        "x86_64-linux-gnu"
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// apt with lists, caches and a (blank) record of installed packages of its own.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(state: &Path, suite: Suite) -> anyhow::Result<Self> {
        let name = match suite {
            Suite::Host => "apt-host",
            Suite::Trixie => "apt-trixie",
        };
        let folder = state.join("debs").join(name);
        for sub in ["lists/partial", "cache/archives/partial"] {
            make_dir(&folder.join(sub))?;
        }
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("sources.list"), sources(suite)?)?;
        Ok(Self { folder })
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new("apt-get");
        let at = |name: &str| self.folder.join(name).display().to_string();
        for option in [
            format!("Dir::Etc::sourcelist={}", at("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State={}", at("")),
            format!("Dir::State::lists={}", at("lists")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            "APT::Sandbox::User=root".to_owned(),
            "APT::Get::List-Cleanup=0".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=3".to_owned(),
            "Debug::NoLocking=1".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command.arg("-qq").arg(verb);
        command
    }

    fn run(&self, verb: &str, args: &[&str]) -> anyhow::Result<String> {
        say::run(self.command(verb).args(args))
    }

    /// The packages and the shared libraries that they need, directly or not. What else Debian
    /// would install beside them (services, scripts, perl) is not for a private folder.
    fn closure(&self, packages: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut command = self.command("install");
        command
            .args(["-y", "--no-install-recommends", "--print-uris"])
            .args(packages);
        let listed = say::run(&mut command)?;
        // 'URI' name_version_arch.deb size hash
        let names = listed
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1)?.split('_').next());
        let needed = |name: &str| {
            packages.contains(&name) || (name.starts_with("lib") && !name.starts_with("libperl"))
        };
        Ok(names
            .filter(|name| needed(name))
            .map(str::to_owned)
            .collect())
    }
}

/// Lines for sources.list, from the machine's own mirrors.
fn sources(suite: Suite) -> anyhow::Result<String> {
    let format = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)";
    let listed = say::run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        format,
        "Created-By: Packages",
    ]))?;
    let debian: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() == 4 && fields[3] == "main")
        .filter(|fields| matches!(fields[0], "Debian" | "Debian-Security"))
        .collect();
    let debian = if debian.is_empty() {
        unlisted()?
    } else {
        debian
            .iter()
            .map(|f| (f[1].to_owned(), f[2].to_owned()))
            .collect()
    };
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let line = |uri: &str, suite: &str| format!("deb [signed-by={key}] {uri} {suite} main\n");
    let lines: String = match suite {
        Suite::Host => debian.iter().map(|(uri, suite)| line(uri, suite)).collect(),
        Suite::Trixie => debian
            .iter()
            .find(|(_, suite)| !suite.contains('-'))
            .map(|(uri, _)| line(uri, "trixie"))
            .unwrap_or_default(),
    };
    anyhow::ensure!(
        !lines.is_empty(),
        "no mirror of Debian is configured on this machine"
    );
    Ok(lines)
}

/// Mirrors of a machine that has never updated its lists: apt knows their origin only afterwards.
fn unlisted() -> anyhow::Result<Vec<(String, String)>> {
    let format = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)";
    let listed = say::run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        format,
        "Created-By: Packages",
    ]))?;
    Ok(listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|f| f.len() >= 3 && f[2] == "main")
        .filter(|f| f.get(3).is_none_or(|key| key.contains("debian-archive")))
        .map(|f| (f[0].to_owned(), f[1].to_owned()))
        .collect())
}
