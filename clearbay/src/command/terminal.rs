//! `clearbay terminal`: handheld terminals that upload what they sold without a signal.

use anyhow::Context;
use api::App;
use api::service::terminal;

use super::Database;
use crate::out::out;

/// Who makes and ends terminals by these commands, as the record says it.
const BY: &str = "operator of this system";

/// Make tokens for handheld terminals, list them, end one. Administrators do the same on the page /staff/terminals.
#[derive(Debug, clap::Subcommand)]
pub enum Terminals {
    /// Add a terminal, and print its token, once.
    Add(Add),
    /// List terminals, those that have ended last.
    List(List),
    /// End a terminal that is lost or given away: its token is good no more.
    End(End),
}

impl Terminals {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::End(command) => command.run().await,
        }
    }
}

/// Add a terminal, and print its token, once.
#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    database: Database,
    /// The terminal's name, such as the number on its case.
    name: String,
    /// The code of the operator in whose lots it sells.
    #[arg(long)]
    operator: String,
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open().await?;
        let token = terminal::put(&store, &self.operator, &self.name, BY, App::now()).await;
        store.close().await;
        let token = token.with_context(|| format!("{:?} was not added", self.name))?;
        out!("{token}");
        eprintln!(
            "{} uploads with this token. It is shown this once.",
            self.name
        );
        Ok(())
    }
}

/// List terminals, those that have ended last.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    database: Database,
    /// Only those of this operator, by its code.
    #[arg(long)]
    operator: Option<String>,
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open_to_read().await?;
        let terminals = store.terminals(self.operator.as_deref()).await?;
        store.close().await;
        for terminal in &terminals {
            let ended = terminal.ended_at.map_or_else(String::new, |at| {
                format!("  ended {}", at.format("%Y-%m-%d"))
            });
            out!(
                "{:<8} {:<20} made {} by {}{ended}",
                terminal.operator_code,
                terminal.name,
                terminal.made_at.format("%Y-%m-%d"),
                terminal.made_by,
            );
        }
        if terminals.is_empty() {
            eprintln!("There are no terminals; `clearbay terminal add --help` shows how.");
        }
        Ok(())
    }
}

/// End a terminal.
#[derive(Debug, clap::Args)]
pub struct End {
    #[command(flatten)]
    database: Database,
    /// Its name, as it was added.
    name: String,
    /// The code of its operator.
    #[arg(long)]
    operator: String,
}

impl End {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open().await?;
        let terminals = store.terminals(Some(&self.operator)).await?;
        let found = terminals
            .iter()
            .find(|terminal| terminal.name == self.name && terminal.ended_at.is_none());
        let found = found.with_context(|| {
            format!(
                "{} has no terminal {:?} in use; see `clearbay terminal list`",
                self.operator, self.name
            )
        })?;
        store.terminal_end(found.id, BY, App::now()).await?;
        store.close().await;
        out!("{} has ended: its token is good no more.", self.name);
        Ok(())
    }
}
