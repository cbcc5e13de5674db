//! Who may bring the schema up to date, and whether it is for those who may not.

use std::collections::HashSet;

use crate::schema::MIGRATIONS;
use crate::{Engine, Store, StoreError};

impl Store {
    /// Brings the schema up to date where this role owns it; else sees that it is not too old. One that is newer
    /// will do: whoever changes it lets the programs before go on.
    ///
    /// # Errors
    /// [`StoreError::Outdated`] where it is too old and another role's, [`StoreError::TooOld`] where this program is; else as for [`Store::migrate`].
    pub async fn prepare(&self) -> Result<Engine, StoreError> {
        // Who may not even look into the schema finds no table in it. A database without ours belongs to whoever
        // may make tables there.
        let may_migrate = match self.owns("_sqlx_migrations").await? {
            Some(owns) => owns,
            None => {
                let may_make = "SELECT has_schema_privilege(current_schema(), 'CREATE')";
                let may_make: Option<bool> =
                    sqlx::query_scalar(may_make).fetch_one(&self.pool).await?;
                may_make == Some(true)
            }
        };
        if may_migrate {
            return self.migrate().await;
        }
        self.fits().await?;
        self.engine().await
    }

    /// Whether this role could switch off the triggers that keep the books as they are: it owns them, or is a
    /// superuser.
    ///
    /// # Errors
    /// Database errors.
    pub async fn owns_the_ledger(&self) -> Result<bool, StoreError> {
        Ok(self.owns("transfer").await? == Some(true))
    }

    /// Whether this role, or one that it is a member of, owns that table; `None` where it sees none of that name.
    async fn owns(&self, table: &str) -> Result<Option<bool>, StoreError> {
        let owns = sqlx::query_scalar(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass($1)",
        );
        Ok(owns.bind(table).fetch_optional(&self.pool).await?)
    }

    /// Sees that this program can work on the schema as it is, and changes nothing: so whoever only reads may read a
    /// replica, or a copy that was brought back.
    ///
    /// # Errors
    /// [`StoreError::Outdated`] where the schema is too old, [`StoreError::TooOld`] where this program is.
    pub async fn fits(&self) -> Result<(), StoreError> {
        self.fits_newer().await?;
        match self.migrations_missing().await? {
            0 => Ok(()),
            missing => Err(StoreError::Outdated { missing }),
        }
    }

    /// How many of this program's migrations the database has not had.
    pub(crate) async fn migrations_missing(&self) -> Result<usize, StoreError> {
        let begun: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&self.pool)
            .await?;
        let had: HashSet<i64> = if begun {
            sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
                .fetch_all(&self.pool)
                .await?
                .into_iter()
                .collect()
        } else {
            HashSet::new()
        };
        let ours = MIGRATIONS.iter();
        Ok(ours.filter(|one| !had.contains(&one.version)).count())
    }
}
