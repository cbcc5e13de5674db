//! A primary and two replicas with the settings that operators take, of which any one may end. Where the primary has,
//! the replica that has heard more takes over, and the addresses follow.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::database_server::DatabaseServer;
use crate::relay::Relay;

/// By these names replicas ask for changes: those whose word a commit waits for.
const REPLICAS: [&str; 2] = ["clearbay_replica", "clearbay_replica_2"];
/// How long a replica may take to say how far it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The servers, and the addresses that lead to them.
pub struct Databases {
    members: Vec<Member>,
    primary: usize,
    /// Leads to the primary.
    writers: Relay,
    /// Leads to a replica.
    readers: Relay,
}

struct Member {
    server: DatabaseServer,
    /// What it calls itself as a replica; the primary's is nobody's.
    name: &'static str,
    /// Whether what it has can be no replica's any more.
    is_stale: bool,
}

impl Member {
    /// How far it has heard the primary, where it is a replica that answers.
    async fn heard(&self) -> anyhow::Result<i64> {
        let asking = async {
            let mut connection = PgConnection::connect(&self.server.url).await?;
            let heard = sqlx::query_scalar(
                "SELECT (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0')::bigint
                 WHERE pg_is_in_recovery()",
            );
            anyhow::Ok(heard.fetch_one(&mut connection).await?)
        };
        tokio::time::timeout(ANSWER_WITHIN, asking).await?
    }
}

impl Databases {
    /// Starts all three.
    ///
    /// # Panics
    /// Where one does not start.
    pub async fn start() -> Self {
        let primary = DatabaseServer::start_with(None, deployed_settings(None)).await;
        let mut members = Vec::new();
        for name in REPLICAS {
            members.push(Member {
                server: primary.replica(name).await,
                name,
                is_stale: false,
            });
        }
        let writers = Relay::to(primary.port).await;
        let readers = Relay::to(members[0].server.port).await;
        let primary = Member {
            server: primary,
            name: "",
            is_stale: false,
        };
        members.insert(0, primary);
        Self {
            members,
            primary: 0,
            writers,
            readers,
        }
    }

    /// A database's address by way of whoever is the primary.
    ///
    /// # Panics
    /// Where that is no address.
    pub fn of_writers(&self, url: &str) -> String {
        self.writers.by(url)
    }

    /// The same by way of a replica.
    ///
    /// # Panics
    /// Where that is no address.
    pub fn of_readers(&self, url: &str) -> String {
        self.readers.by(url)
    }

    /// The address of a database on the primary whose owner may make others.
    ///
    /// # Panics
    /// Never: it is one.
    pub fn url(&self) -> String {
        self.of_writers(&self.members[self.primary].server.url)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// One of them.
    pub fn server(&self, member: usize) -> &DatabaseServer {
        &self.members[member].server
    }

    /// Whether it is the primary.
    pub fn is_primary(&self, member: usize) -> bool {
        member == self.primary
    }

    /// How one of them has ended, if it has.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn has_ended(&mut self, member: usize) -> Option<ExitStatus> {
        self.members[member].server.has_ended()
    }

    /// Does what cannot wait when one has ended: no process of it is left, and where it was the primary another takes
    /// over, if both are there to ask who has heard more. The new primary's number.
    ///
    /// # Panics
    /// Where who takes over ends meanwhile.
    pub async fn after_end_of(&mut self, member: usize, status: ExitStatus) -> Option<usize> {
        self.members[member].server.fence();
        if member != self.primary {
            // What cannot go on from where it was is copied anew.
            self.members[member].is_stale |= status.code().is_some_and(|code| code != 0);
            return None;
        }
        let others = (0..self.members.len()).filter(|other| *other != member);
        let mut heard = Vec::new();
        for other in others {
            if self.members[other].server.has_ended().is_some() || self.members[other].is_stale {
                return None;
            }
            heard.push((self.members[other].heard().await.ok()?, other));
        }
        // One of the two has all that was confirmed: whoever has heard more.
        heard.sort_unstable();
        let (_, next) = heard.pop()?;
        let (_, other) = heard.pop()?;
        let server = &self.members[next].server;
        server.execute("SELECT pg_promote()").await;
        let following = &self.members[other];
        following.server.follow(server, following.name).await;
        self.writers.lead_to(server.port);
        self.readers.lead_to(following.server.port);
        // Who read reports here asks anew, and is led to the replica.
        server
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'clearbay-reports'",
            )
            .await;
        self.members[member].name = self.members[next].name;
        self.members[member].is_stale = true;
        self.primary = next;
        Some(next)
    }

    /// Starts one again after its end: where it was, or, if another has taken over meanwhile, as a copy of that.
    ///
    /// # Errors
    /// Where it cannot be copied now.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start_again(&mut self, member: usize) -> Result<(), String> {
        let Member { server, name, .. } = &self.members[member];
        if self.members[member].is_stale && member != self.primary {
            let primary = &self.members[self.primary].server;
            let copy = primary.copy(name, server.port).await?;
            let member = &mut self.members[member];
            (member.server, member.is_stale) = (copy, false);
        }
        self.members[member].server.fence();
        self.members[member].server.launch();
        Ok(())
    }
}

/// What `deploy/postgresql/primary.conf` sets, as `name=value`: with a certificate and its key, or without TLS.
///
/// # Panics
/// Where the file is not of lines such as `name = value`.
pub fn deployed_settings(identity: Option<(&Path, &Path)>) -> Vec<String> {
    let settings = include_str!("../../../deploy/postgresql/primary.conf");
    let settings = settings
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter(|line| identity.is_some() || !line.starts_with("ssl"));
    let setting = |line: &str| {
        let (name, value) = line.split_once(" = ").unwrap();
        match (name, identity) {
            ("ssl_cert_file", Some((certificate, _))) => {
                format!("{name}={}", certificate.display())
            }
            ("ssl_key_file", Some((_, key))) => format!("{name}={}", key.display()),
            _ => format!("{name}={}", value.replace('\'', "")),
        }
    };
    settings.map(setting).collect()
}
