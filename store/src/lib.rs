//! Everything Clearbay keeps: the one crate that speaks SQL.
//!
//! One file per noun; methods begin with the noun they work on (`session_open`, `lot_list`).
//! Every method that writes is one transaction. Times come from the caller: nothing here reads
//! the clock.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection, Postgres, Transaction};

pub mod account_change;
mod address;
pub mod assignment;
pub mod attempt;
pub mod audit;
mod board;
pub mod broker_credential;
pub mod clock;
pub mod collection;
mod copy;
pub mod device;
pub mod dispute;
pub mod driver;
pub mod driver_close;
pub mod driver_export;
pub mod entitlement;
pub mod event;
pub mod exemption;
pub mod exemption_decision;
pub mod exemption_request;
pub mod exemption_scan;
pub mod failpoint;
pub mod figures;
pub mod health;
mod health_record;
pub mod idempotency;
pub mod identity;
pub mod invoice;
mod known;
mod lease;
pub mod ledger;
mod map;
mod occupancy;
pub mod open_data;
pub mod outbox;
mod ownership;
pub mod parking_notice;
pub mod pass;
pub mod payment;
pub mod people;
pub mod personal_data;
pub mod place;
pub mod plate;
mod price_rule;
pub mod public_log;
pub mod purchase;
pub mod push_subscription;
pub mod quarantine;
pub mod receipt;
mod reconcile;
pub mod refund;
pub mod refund_decision;
pub mod refund_limits;
mod refused_tally;
pub mod repair;
mod replica;
pub mod report;
pub mod request;
pub mod retention;
pub mod roles;
mod schema;
pub mod second_factor;
pub mod session;
pub mod session_change;
pub mod session_double;
pub mod session_stop;
pub mod settlement;
pub mod shift;
mod signed_in;
pub mod signing;
pub mod staff;
pub mod staff_identity;
pub mod standbys;
pub mod standing;
mod stay;
mod stay_changes;
pub mod tariff;
pub mod terminal;
pub mod wallet;
mod watch;
mod watch_change;
pub mod whereabouts;

pub use schema::Engine;

/// How long a connection that lies unused is believed to be still there: under load it is never
/// unused for longer, and a server that goes away is seldom met within it.
const TRUSTED_FOR: Duration = Duration::from_millis(20);

/// A connection that is given back has to answer within this. Whose statement was given up waits for that: of a server
/// that stands still, or was replaced without a word, for ever, and its place in the pool with it.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait for connections to end in good order.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// How a database is connected to, beside its address.
#[derive(Clone, Copy, Debug)]
pub struct Connecting {
    /// How many connections to hold at most.
    pub max_connections: u32,
    /// A statement that takes as long is worth a line of the log.
    pub slow_after: Duration,
}

impl Connecting {
    /// So many connections. Slow is what takes five seconds: reports of a year may take some.
    pub const fn with(max_connections: u32) -> Self {
        Self {
            max_connections,
            slow_after: Duration::from_secs(5),
        }
    }

    fn options(&self, url: &str) -> Result<PgConnectOptions, StoreError> {
        let options = address::options(url)?;
        Ok(options.log_slow_statements(log::LevelFilter::Warn, self.slow_after))
    }
}

/// A pool whose connections cannot be held by a server that does not answer. That is a round trip more each time
/// that one is given back.
fn watchful(pool: PgPoolOptions) -> PgPoolOptions {
    pool.after_release(|connection, _| {
        Box::pin(async move {
            match tokio::time::timeout(GIVEN_BACK_WITHIN, connection.ping()).await {
                Ok(answer) => answer.map(|()| true),
                Err(_) => Err(sqlx::Error::PoolTimedOut),
            }
        })
    })
}

/// The database, as the rest of Clearbay sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    accounts: ledger::Accounts,
    watches: watch::WatchCache,
}

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A named rule of the database was broken.
    #[error("the database refused it: {0}")]
    Constraint(String),
    /// A stored value is not what this version writes.
    #[error("stored {what} cannot be read: {why}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// Why it cannot be read.
        why: String,
    },
    /// A document is not sound, or does not fit what is there.
    #[error("{0}")]
    Unsound(String),
    /// What is given as the database's address is none.
    #[error("no address of the form postgres://user:password@host:port/name: {0}")]
    NoAddress(String),
    /// What is sent to a database on another machine might go in the clear, and nobody has said that it may.
    #[error(
        "the database on {0} would be spoken to without TLS; let its address end in ?sslmode=verify-full (with &sslrootcert=/path/to/ca.crt for an authority of your own), or in ?sslmode=disable where everybody on the way may read along"
    )]
    MayBePlain(String),
    /// The database is away or too slow.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// Anything else the database said.
    #[error("database error: {0}")]
    Database(#[source] sqlx::Error),
    /// This process's clock and the database's differ too much for either to be believed.
    #[error(
        "this process's clock is {ahead_s} s ahead of the database's (behind it where that is negative): one of both is wrong"
    )]
    WrongClock {
        /// How far ahead it is, in seconds.
        ahead_s: i64,
    },
    /// The database lacks a part of the public log that was published: it was set back, or who took over had not
    /// heard all.
    #[error(
        "a public log of {published} entries was published, and the database's, of {found}, does not go on from it"
    )]
    LogSetBack {
        /// How many entries the published one has.
        published: u64,
        /// How many the database's has.
        found: u64,
    },
    /// The schema could not be brought up to date.
    #[error("migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema no longer has what this program uses.
    #[error(
        "this program is too old for the database: migration {migration} took away what programs use that do not \
         know migration {since}; start a newer one"
    )]
    TooOld {
        /// Which migration took it away.
        migration: i64,
        /// What a program must know that does without.
        since: i64,
    },
    /// The schema is older than this program, and not this role's or this command's to change.
    #[error(
        "the schema is older than this program: it lacks {missing} migrations; run `clearbay migrate` as the role that \
         owns it, for a replica at its primary"
    )]
    Outdated {
        /// How many migrations it lacks.
        missing: usize,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.constraint().is_some() => {
                Self::Constraint(database.constraint().unwrap_or_default().to_owned())
            }
            sqlx::Error::Database(database)
                if database.code().is_some_and(|code| is_for_now(&code)) =>
            {
                Self::Unavailable(error)
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Tls(_)
            // Half a word of a server that ends in the middle of it.
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

/// Whether a server says by that SQLSTATE that the same work may do well in a moment, here or elsewhere: it is told to end,
/// has crashed or starts (57P), its connection failed (08), it has none left (53300), follows another (25006), or two were
/// in each other's way (40001, 40P01, 55P03). <https://www.postgresql.org/docs/17/errcodes-appendix.html>
fn is_for_now(code: &str) -> bool {
    const ALONE: [&str; 5] = ["53300", "25006", "40001", "40P01", "55P03"];
    code.starts_with("57P") || code.starts_with("08") || ALONE.contains(&code)
}

impl StoreError {
    /// Of a database that has said nothing for longer than whoever asks waits.
    pub fn no_answer() -> Self {
        Self::Unavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
    }

    /// Whether the data itself breaks a rule, so that trying again can never help.
    pub fn is_about_content(&self) -> bool {
        match self {
            Self::Constraint(_) | Self::Corrupt { .. } => true,
            Self::Database(sqlx::Error::Encode(_)) => true,
            // SQLSTATE class 22: data exception; 23: integrity constraint violation.
            Self::Database(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| code.starts_with("22") || code.starts_with("23")),
            _ => false,
        }
    }

    /// Whether the server itself gave up on the work for a reason that waiting need not cure: too
    /// much for one transaction (53200, 54000), an internal error. Less at once may pass.
    ///
    /// What only waiting, or somebody who puts the server right, can cure is not: lost connections,
    /// conflicts, a full disk, a missing right or table.
    pub fn may_pass_in_parts(&self) -> bool {
        // SQLSTATE classes and codes, https://www.postgresql.org/docs/17/errcodes-appendix.html
        const WAIT: [&str; 13] = [
            "08", "25", "28", "3D", "3F", "40", "42", "53100", "53300", "55", "57P", "58", "F0",
        ];
        match self {
            Self::Database(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| !WAIT.iter().any(|wait| code.starts_with(wait))),
            _ => false,
        }
    }
}

/// Whether PostgreSQL can hold a text at all: it has no NUL. What it cannot hold, it does not have.
pub(crate) fn storable(text: &str) -> bool {
    !text.contains('\0')
}

/// A text that PostgreSQL can hold: what it cannot is a space in it.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', " ")
}

/// How a column of that type is compared with the list `$1` of keys. PostgreSQL plans a statement that asks for a single
/// row once a connection, and one that takes a list each time anew.
pub(crate) fn among<T>(keys: &[T], sql_type: &'static str) -> String {
    match keys {
        [_] => format!("= ($1::{sql_type}[])[1]"),
        _ => "= ANY($1)".to_owned(),
    }
}

pub(crate) fn corrupt(what: &'static str, why: impl ToString) -> StoreError {
    StoreError::Corrupt {
        what,
        why: why.to_string(),
    }
}

impl Store {
    /// Connects, with at most `max_connections` at once.
    ///
    /// # Errors
    /// As [`Self::connect_with`].
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, StoreError> {
        Self::connect_with(url, Connecting::with(max_connections)).await
    }

    /// Connects.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the database does not answer within ten seconds, or is not who it has to
    /// be; [`StoreError::NoAddress`]; [`StoreError::MayBePlain`].
    pub async fn connect_with(url: &str, how: Connecting) -> Result<Self, StoreError> {
        let options = how.options(url)?;
        // Who has a single connection has no other to go on with.
        let pool = match how.max_connections {
            1 => watchful(PgPoolOptions::new()),
            _ => PgPoolOptions::new(),
        };
        let pool = pool
            .max_connections(how.max_connections)
            .acquire_timeout(Duration::from_secs(10))
            // The pool tests each connection that is given back. To test it again at once would be
            // a round trip for nothing, as costly as most of our statements.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options.clone().application_name(request::APPLICATION))
            .await;
        let pool = match pool {
            // All that the pool knows is that it has tried in vain; a single attempt tells why.
            Err(sqlx::Error::PoolTimedOut) => {
                return Err(match PgConnection::connect_with(&options).await {
                    Err(why) => why.into(),
                    Ok(_) => sqlx::Error::PoolTimedOut.into(),
                });
            }
            other => other?,
        };
        Ok(Self {
            pool,
            accounts: ledger::Accounts::default(),
            watches: watch::WatchCache::default(),
        })
    }

    /// Answers where the database does: for readiness probes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// A transaction. PostgreSQL shows for whose request it is (`pg_stat_activity`, `%a` of its log), by a
    /// setting that ends with the transaction and comes in the message that begins it: no round trip more.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        match request::current() {
            None => self.pool.begin().await,
            Some(id) => self.pool.begin_with(request::begin_for(&id)).await,
        }
    }

    /// The same for work whose every statement finds its few rows by their keys: money's. PostgreSQL plans each of
    /// them once a connection. Left to choose it plans whatever takes a list anew each time, for one whose length it
    /// does not know it takes for ten; and to plan such a statement costs more than to execute it.
    pub(crate) async fn begin_by_key(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let begin = request::begin_by_key(request::current().as_ref());
        self.pool.begin_with(begin).await
    }

    /// A transaction that sees one moment of the database and writes nothing.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(&mut *tx)
            .await?;
        Ok(tx)
    }

    /// Closes every connection, those of a server that does not answer without its word.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_WITHIN, self.pool.close()).await;
    }
}
