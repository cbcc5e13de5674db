//! `clearbay migrate`.

use anyhow::Context;
use store::Store;

use super::{Database, warn_of};
use crate::out::out;

const EXAMPLES: &str = "\
Roles: clearbay_serve, clearbay_ingest and clearbay_read have no login. Whoever looks after the server gives
a login to each program that is a member of one of them, and confines it to the city's database:

  CREATE ROLE hanoi_serve LOGIN PASSWORD '...' IN ROLE clearbay_serve;
  CREATE ROLE hanoi_ingest LOGIN PASSWORD '...' IN ROLE clearbay_ingest;
  REVOKE CONNECT ON DATABASE clearbay FROM PUBLIC;
  GRANT CONNECT ON DATABASE clearbay TO hanoi_serve, hanoi_ingest;";

/// Bring the database's schema up to date, set the rights of its roles, and stop.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Migrate {
    #[command(flatten)]
    database: Database,
    /// Make the roles that are missing, for programs that do not own the tables. Needs CREATEROLE.
    #[arg(long)]
    roles: bool,
}

impl Migrate {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let store = Store::connect(&self.database.database_url, 2)
            .await
            .context("cannot reach the database; check DATABASE_URL")?;
        let engine = store.migrate().await?;
        if self.roles {
            store.roles_create().await.context(
                "cannot make roles; let whoever may say CREATE ROLE clearbay_serve; \
                 CREATE ROLE clearbay_ingest; CREATE ROLE clearbay_read;",
            )?;
        }
        // Also where nothing was to be migrated: roles may be new, and rights may have been changed by hand.
        let roles = store.roles_grant().await?;
        warn_of(engine);
        out!("The schema is up to date.");
        if roles.is_empty() {
            out!("There are no roles for programs that do not own it; --roles makes them.");
        } else {
            out!("Rights are set for {}.", roles.join(", "));
        }
        store.close().await;
        Ok(())
    }
}
