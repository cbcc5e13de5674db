//! `clearbay backup`.

use std::path::PathBuf;

use crate::backup::tools::{FOLLOW, MAKE, Server, Tools};
use crate::backup::{self, Folder};
use crate::out::out;
use crate::shutdown;
use crate::textfile::MetricsDir;
use anyhow::Context;
use chrono::{DateTime, Utc};

/// Keep copies of the database, and bring one back as it was at a moment.
///
/// A copy is PostgreSQL's own: a base backup (pg_basebackup) and every change since (pg_receivewal). Both take
/// a database user with the right REPLICATION, and PostgreSQL's tools of the server's version.
#[derive(Debug, clap::Subcommand)]
pub enum Backup {
    /// Copy all of the database's server. Once a day, say, from a timer.
    Make(Make),
    /// Keep every change as it happens, until told to stop. Runs all the time, as a service.
    Follow(Follow),
    /// Which copies there are, and from when to when each can be brought back.
    List(List),
    /// Lay out a server's data as they were at a moment. The server itself is left alone.
    Restore(Restore),
}

/// So long after changes could not be kept it is tried again.
const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// Where copies are.
#[derive(Debug, clap::Args)]
pub struct At {
    /// The folder of the copies, on another disk than the database's, better in another building.
    #[arg(long, env = "CLEARBAY_BACKUP_DIR")]
    dir: PathBuf,
    /// Where PostgreSQL's tools are, if neither in PATH nor where Debian has them (/usr/lib/postgresql/*/bin, of which
    /// the newest version is taken).
    #[arg(long, env = "CLEARBAY_PG_BIN")]
    pg_bin: Option<PathBuf>,
}

impl At {
    /// Those that a command runs; it does not begin without one of them.
    fn tools(&self, programs: &[&str]) -> anyhow::Result<Tools> {
        Tools::find(self.pg_bin.as_deref(), programs)
    }

    fn folder(&self) -> Folder {
        Folder::new(self.dir.clone())
    }
}

/// Copy all of the database's server.
#[derive(Debug, clap::Args)]
pub struct Make {
    #[command(flatten)]
    at: At,
    /// The server, as postgres://user:password@host:port/name.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// How many copies to keep; older ones, and changes that only they need, are deleted once the new one is
    /// whole.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    #[command(flatten)]
    metrics: MetricsDir,
}

/// Keep every change as it happens.
#[derive(Debug, clap::Args)]
pub struct Follow {
    #[command(flatten)]
    at: At,
    /// The server, as postgres://user:password@host:port/name.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// The server keeps what was not taken yet under this name (a replication slot). Where nothing takes it for
    /// long, its disk fills: ClearbayBackupBehind tells; else drop the slot.
    #[arg(long, default_value = "clearbay_backup")]
    slot: String,
}

/// Which copies there are.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    at: At,
}

/// Lay out a server's data as they were at a moment.
#[derive(Debug, clap::Args)]
pub struct Restore {
    #[command(flatten)]
    at: At,
    /// The folder for the server's data: new or empty.
    #[arg(long)]
    into: PathBuf,
    /// The moment, such as 2026-11-26T08:30:00+07:00; the last there is if left out.
    #[arg(long)]
    to: Option<DateTime<Utc>>,
}

impl Backup {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Make(make) => make.run(),
            Self::Follow(follow) => follow.run().await,
            Self::List(list) => list.run(),
            Self::Restore(restore) => restore.run(),
        }
    }
}

impl Make {
    fn run(self) -> anyhow::Result<()> {
        let (folder, tools) = (self.at.folder(), self.at.tools(&MAKE)?);
        let server = Server::new(&self.database_url);
        let _alone = folder.locked()?;
        let made = backup::make(&tools, &folder, &server, Utc::now)?;
        out!("copied and checked: {}", made.path.display());
        for old in folder.forget(&tools, self.keep as usize)? {
            out!("deleted: {}", old.display());
        }
        self.metrics.leave(
            "clearbay_backup",
            &[(
                "clearbay_backup_made_timestamp_seconds",
                "When the last copy of the database was whole, in seconds since 1970.",
                made.made_at.timestamp(),
            )],
        )?;
        Ok(())
    }
}

impl Follow {
    async fn run(self) -> anyhow::Result<()> {
        let (_stop, mut told) = shutdown::on_signal()?;
        let (folder, server) = (self.at.folder(), Server::new(&self.database_url));
        let tools = self.at.tools(&FOLLOW)?;
        loop {
            // The server may be away, or another may have taken over, which has no slot yet.
            match backup::follow(&tools, &folder, &server, &self.slot) {
                Ok(mut receiving) => {
                    tracing::info!(dir = %folder.changes().display(), "every change is kept");
                    tokio::select! {
                        ended = receiving.wait() => tracing::warn!(ended = %ended?, "changes are not kept: pg_receivewal ended"),
                        () = shutdown::told(&mut told) => {
                            backup::stop(&receiving)?;
                            receiving.wait().await?;
                            return Ok(());
                        }
                    }
                }
                Err(error) => tracing::error!(error = format!("{error:#}"), "changes are not kept"),
            }
            tokio::select! {
                () = shutdown::told(&mut told) => return Ok(()),
                () = tokio::time::sleep(AGAIN_AFTER) => {}
            }
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let folder = self.at.folder();
        anyhow::ensure!(
            self.at.dir.is_dir(),
            "there is no folder {}",
            self.at.dir.display()
        );
        let copies = folder.copies()?;
        if copies.is_empty() {
            out!("There is no copy in {} yet.", self.at.dir.display());
            return Ok(());
        }
        let until = folder.changes_until()?;
        for copy in copies {
            out!(
                "{}  {}",
                copy.made_at.format("%Y-%m-%d %H:%M:%S UTC"),
                copy.path.display()
            );
        }
        match until {
            Some(until) => out!(
                "Changes are kept until {}: each copy can be brought back to any moment since it was made.",
                until.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            None => out!(
                "No changes are kept (`clearbay backup follow`): each copy can be brought back as it was made only."
            ),
        }
        Ok(())
    }
}

impl Restore {
    fn run(self) -> anyhow::Result<()> {
        let folder = self.at.folder();
        let copy = backup::restore(&folder, &self.into, self.to)
            .context("nothing was started or changed but that folder")?;
        let into = self.into.display();
        out!(
            "laid out in {into}, from the copy of {}",
            copy.made_at.format("%Y-%m-%d %H:%M:%S UTC")
        );
        out!(
            "Give it, and the right to read the backup, to the user that PostgreSQL runs as. Start PostgreSQL of the same"
        );
        out!(
            "version on it (where Debian keeps its settings in /etc, with -c config_file=/etc/postgresql/.../postgresql.conf):"
        );
        out!("    postgres -D {into}");
        match (folder.changes_until()?, self.to) {
            (None, _) => out!(
                "No changes are kept: it opens with what there was when the copy was made. Then look:"
            ),
            (_, None) => out!("It works off the changes, then opens. Then look:"),
            (_, Some(to)) => out!(
                "It works off the changes until {}, then opens. Then look:",
                to.format("%Y-%m-%d %H:%M:%S UTC")
            ),
        }
        out!("    clearbay ledger check");
        out!("    clearbay verify --url ... --key ...");
        if self.to.is_some() {
            out!(
                "A city that goes on from an earlier moment has a shorter public log than was published: every"
            );
            out!(
                "verifier that saw the longer one says so, rightly. Tell the public why before you open."
            );
        }
        Ok(())
    }
}
