//! Debian packages unpacked into a private folder: the system is neither asked nor changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::say;
use crate::workspace::{make_dir, wait_for_lock};

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
    /// The folder's name. Other packages need another name: what is there is not looked into.
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
///
/// # Errors
/// Where there is no apt, no network or no space, in one sentence.
pub fn install(state: &Path, wanted: &Wanted<'_>) -> anyhow::Result<PathBuf> {
    install_with(state, wanted, &[], |_, _| Ok(()))
}

/// As [`install`], without libraries whose names begin with one of `unused`, and with work on the
/// folder before it gets its name: `finish` is given the folder as it is called by then, and as it
/// will be called.
///
/// # Errors
/// As [`install`], or those of `finish`.
pub fn install_with(
    state: &Path,
    wanted: &Wanted<'_>,
    unused: &[&str],
    finish: impl FnOnce(&Path, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let debs = state.join("debs");
    let root = debs.join(wanted.name);
    if root.is_dir() {
        return Ok(root);
    }
    anyhow::ensure!(
        super::on_path("apt-get").is_some() && super::on_path("dpkg").is_some(),
        "this machine has no apt; install {} by hand",
        wanted.packages.join(", ")
    );
    make_dir(&debs)?;
    // The demo and the tests may both be fetching.
    let _lock = wait_for_lock(&debs.join("lock"))?;
    if root.is_dir() {
        return Ok(root);
    }
    let apt = Apt::new(state, wanted.suite)?;
    apt.run("update", &[])
        .context("the list of Debian's packages could not be fetched; is the network there?")?;
    let names = if wanted.libraries {
        apt.closure(wanted.packages, unused)?
    } else {
        owned(wanted.packages)
    };
    let folder = debs.join(format!("{}.part", wanted.name));
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
    finish(&folder, &root)?;
    fs::rename(&folder, &root)?;
    Ok(root)
}

/// As [`install_with`], saying what is fetched where it is not there yet, for that takes its time.
///
/// # Errors
/// As [`install_with`].
pub fn fetch(
    state: &Path,
    wanted: &Wanted<'_>,
    saying: &str,
    finish: impl FnOnce(&Path, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let there = state.join("debs").join(wanted.name).is_dir();
    let install = || install_with(state, wanted, &[], finish);
    if there {
        install()
    } else {
        say::step(saying, install)
    }
}

/// Makes programs of another Debian run here: they get that Debian's loader and libraries.
/// The programs are in `bin` under `part`, which will be called `root`; `tool` is a patchelf that
/// runs on this machine.
pub fn patch_programs(part: &Path, root: &Path, bin: &str, tool: &Path) -> anyhow::Result<()> {
    let libraries = Path::new("usr/lib").join(multiarch());
    let loader = fs::read_dir(part.join(&libraries))?
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .find(|name| name.to_string_lossy().starts_with("ld-linux"))
        .context("the fetched C library has no loader")?;
    let libraries = root.join(libraries);
    for entry in fs::read_dir(part.join(bin))? {
        let program = entry?.path();
        let head = fs::read(&program)?;
        if !head.starts_with(b"\x7fELF") {
            continue;
        }
        // An RPATH, unlike a RUNPATH, holds for the libraries of libraries too.
        say::run(
            Command::new(tool)
                .arg("--set-interpreter")
                .arg(libraries.join(&loader))
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

/// The folder of unpacked packages' libraries, for LD_LIBRARY_PATH.
pub fn libraries(root: &Path) -> PathBuf {
    root.join("usr/lib").join(multiarch())
}

/// Takes an unpacked C library away: the machine's own goes before it, whose loader it would not fit.
pub fn without_c_library(root: &Path) {
    for name in [
        "libc.so.6",
        "libm.so.6",
        "libpthread.so.0",
        "libdl.so.2",
        "librt.so.1",
    ] {
        for folder in [root.join("lib").join(multiarch()), libraries(root)] {
            let _ = fs::remove_file(folder.join(name));
        }
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
    fn closure(&self, packages: &[&str], unused: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut command = self.command("install");
        command
            .args(["-y", "--no-install-recommends", "--print-uris"])
            .args(packages);
        Ok(needed(&say::run(&mut command)?, packages, unused))
    }
}

/// What of apt's list of files to unpack: the packages, and libraries that are used.
fn needed(listed: &str, packages: &[&str], unused: &[&str]) -> Vec<String> {
    let used = |name: &str| {
        let unused = unused.iter().chain(&["libperl"]);
        name.starts_with("lib") && !unused.into_iter().any(|prefix| name.starts_with(prefix))
    };
    // 'URI' name_version_arch.deb size hash
    listed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.split('_').next())
        .filter(|name| packages.contains(name) || used(name))
        .map(str::to_owned)
        .collect()
}

/// Lines for sources.list, from the machine's own mirrors.
fn sources(suite: Suite) -> anyhow::Result<String> {
    let indextargets = |options: &[&str]| {
        let format = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)";
        say::run(
            Command::new("apt-get")
                .arg("indextargets")
                .args(options)
                .args(["--format", format, "Created-By: Packages"]),
        )
    };
    let mut debian = mirrors(&indextargets(&[])?);
    if debian.is_empty() {
        // Where apt never updated its lists it hides what it has not fetched, and knows no origin.
        debian = mirrors_unfetched(&indextargets(&["--no-release-info"])?);
    }
    let lines = source_lines(&debian, suite);
    anyhow::ensure!(
        !lines.is_empty(),
        "no mirror of Debian is configured on this machine"
    );
    Ok(lines)
}

/// Debian's own mirrors, each with a suite, from lines of `URI suite component origin`.
fn mirrors(listed: &str) -> Vec<(String, String)> {
    main_targets(listed, |_, origin| {
        matches!(origin, "Debian" | "Debian-Security")
    })
}

/// As [`mirrors`] where the origin is not known: a mirror of Debian says so in its path.
fn mirrors_unfetched(listed: &str) -> Vec<(String, String)> {
    main_targets(listed, |uri, _| {
        let path = uri.split_once("//").map_or(uri, |(_, rest)| rest);
        path.contains("/debian")
    })
}

fn main_targets(listed: &str, wanted: impl Fn(&str, &str) -> bool) -> Vec<(String, String)> {
    let mut targets = Vec::new();
    for line in listed.lines() {
        let mut fields = line.splitn(4, ' ');
        let (Some(uri), Some(suite), Some("main"), Some(origin)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let target = (uri.to_owned(), suite.to_owned());
        // One line for each architecture.
        if wanted(uri, origin) && !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

/// Lines for a suite from mirrors, each with the suite that this machine takes from it.
fn source_lines(debian: &[(String, String)], suite: Suite) -> String {
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let line = |uri: &str, suite: &str| format!("deb [signed-by={key}] {uri} {suite} main\n");
    match suite {
        Suite::Host => debian.iter().map(|(uri, suite)| line(uri, suite)).collect(),
        // Updates and security have mirrors of their own; the release is where the rest is.
        Suite::Trixie => debian
            .iter()
            .find(|(_, suite)| !suite.contains('-'))
            .map(|(uri, _)| line(uri, "trixie"))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_packages_and_libraries_are_unpacked() {
        let listed = "\
'mirror:/a.deb' perl-base_5.36.0-7_amd64.deb 1 SHA256:0
'mirror:/b.deb' libc6_2.41-12_amd64.deb 1 SHA256:0
'mirror:/c.deb' libperl5.40_5.40.1-6_amd64.deb 1 SHA256:0
'mirror:/d.deb' postgresql-17_17.6-0_amd64.deb 1 SHA256:0
'mirror:/e.deb' postgresql-common_278_all.deb 1 SHA256:0
'mirror:/f.deb' libllvm19_19.1.7-3_amd64.deb 1 SHA256:0
";
        assert_eq!(
            needed(listed, &["postgresql-17"], &["libllvm"]),
            ["libc6", "postgresql-17"]
        );
    }

    #[test]
    fn another_suite_comes_from_the_mirror_of_the_release() {
        let mirrors = [
            ("mirror:/security", "bookworm-security"),
            ("mirror:/debian", "bookworm"),
            ("mirror:/debian", "bookworm-updates"),
        ]
        .map(|(uri, suite)| (uri.to_owned(), suite.to_owned()));
        let trixie = source_lines(&mirrors, Suite::Trixie);
        assert!(trixie.ends_with("] mirror:/debian trixie main\n"));
        assert_eq!(trixie.lines().count(), 1);
        assert_eq!(source_lines(&mirrors, Suite::Host).lines().count(), 3);
        assert_eq!(source_lines(&[], Suite::Trixie), "");
    }
    #[test]
    fn mirrors_are_found_before_and_after_the_first_update() {
        let pair = |uri: &str, suite: &str| (uri.to_owned(), suite.to_owned());
        let fetched = "\
http://mirror.example/debian/ bookworm main Debian
http://mirror.example/debian/ bookworm main Debian
http://mirror.example/debian/ bookworm contrib Debian
http://other.example/apt/ bookworm main Some Vendor
";
        let release = pair("http://mirror.example/debian/", "bookworm");
        assert_eq!(mirrors(fetched), std::slice::from_ref(&release));
        let unfetched = "\
http://mirror.example/debian/ bookworm main $(ORIGIN)
http://mirror.example/debian-security/ bookworm-security main $(ORIGIN)
http://debian.example/apt/ bookworm main $(ORIGIN)
";
        assert_eq!(mirrors(unfetched), []);
        assert_eq!(
            mirrors_unfetched(unfetched),
            [
                release,
                pair(
                    "http://mirror.example/debian-security/",
                    "bookworm-security"
                )
            ]
        );
    }
}
