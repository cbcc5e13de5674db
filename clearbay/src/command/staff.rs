//! `clearbay staff`: the first administrators; these say who else works here, on `/staff/people`.

use anyhow::Context;
use api::App;
use api::hashing::Hashing;
use api::service::people::{self, NewMember};
use domain::staff::Role;

use super::Database;
use crate::out::out;

/// What the record calls whoever runs commands.
const OPERATOR: &str = "operator of this system";

/// Let staff in, and list them. Administrators do the rest on the page /staff/people.
#[derive(Debug, clap::Subcommand)]
pub enum People {
    /// Add a member of staff, and print the password, once.
    Add(Add),
    /// List who may sign in.
    List(List),
    /// Take the second factor of somebody away who has lost the phone and the recovery codes.
    EndSecondFactor(EndSecondFactor),
}

impl People {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::EndSecondFactor(command) => command.run().await,
        }
    }
}

/// Add a member of staff, and print the password, once.
#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    database: Database,
    /// The login: letters, digits and . _ - @
    login: String,
    /// The name, as colleagues see it.
    #[arg(long)]
    name: String,
    /// The code of the operator whose lots they see; the city, which sees all, where none is named.
    #[arg(long)]
    operator: Option<String>,
    /// Whether they say who else may work here.
    #[arg(long)]
    administrator: bool,
    /// Whether they read all that the city's staff read, and change nothing.
    #[arg(long, conflicts_with_all = ["operator", "administrator"])]
    auditor: bool,
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open().await?;
        let role = match (self.administrator, self.auditor) {
            (true, _) => Role::Administrator,
            (false, true) => Role::Auditor,
            (false, false) => Role::Staff,
        };
        let new = NewMember {
            login: self.login,
            name: self.name,
            operator: self.operator,
            role,
        };
        let (hashing, by) = (Hashing::start(), OPERATOR);
        let password = people::put(&store, &hashing, &new, by, App::now()).await;
        let password = password.with_context(|| format!("{:?} was not added", new.login))?;
        out!("{password}");
        eprintln!(
            "{} may sign in at /staff with this password. It is shown this once.",
            new.login
        );
        Ok(())
    }
}

/// Take the second factor of somebody away who has lost the phone and the recovery codes.
#[derive(Debug, clap::Args)]
pub struct EndSecondFactor {
    #[command(flatten)]
    database: Database,
    /// The login.
    login: String,
}

impl EndSecondFactor {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open().await?;
        let by = OPERATOR;
        let ended = store.second_factor_end(&self.login, None, by, App::now());
        let ended = ended.await.with_context(|| self.login.clone())?;
        store.close().await;
        anyhow::ensure!(ended, "{} has no second factor", self.login);
        eprintln!(
            "{} signs in by the password alone now, and is signed out everywhere.",
            self.login
        );
        Ok(())
    }
}

/// List who may sign in.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    database: Database,
    /// Only this operator's, by its code.
    #[arg(long)]
    operator: Option<String>,
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open_to_read().await?;
        let members = store.members(self.operator.as_deref()).await?;
        store.close().await;
        for member in &members {
            let out = if member.disabled_at.is_some() {
                "  shut out"
            } else {
                ""
            };
            let factor = match member.enrolled_at {
                Some(_) => "  second factor",
                None => "",
            };
            out!(
                "{:<20} {:<14} {:<10} {}{factor}{out}",
                member.login,
                member.role.code(),
                member.operator.as_deref().unwrap_or("(city)"),
                member.name,
            );
        }
        if members.is_empty() {
            eprintln!("Nobody may sign in yet; `clearbay staff add --help` shows how.");
        }
        Ok(())
    }
}
