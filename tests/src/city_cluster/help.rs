//! What people are told who look at the cluster and break it.

use super::table::table;
use super::{CityCluster, NODES, Part};
use crate::provided;
use crate::serving::log_key;

impl CityCluster {
    /// The city's addresses, the table of parts, and commands to try.
    pub async fn help(&self) -> String {
        let url = self.proxy.url();
        let (rows, tries) = (self.rows().await, self.tries().await);
        format!(
            "
A city of {} bays on a cluster, on this machine. It lives until Ctrl-C, and then forgets everything.

  Find parking      {url}/
  Staff             {url}/staff        login city, password {}
  City              {url}/city

{}
Break something, one part at a time. What has ended is started again 10 s later, and a line here says so:

{}
See that nothing is lost. What was acknowledged is counted every 30 s, and again whenever something ends:

{}
What the parts say of themselves:

{}",
            self.wish.bays,
            self.password,
            table(&rows),
            table(&tries),
            self.checks(),
            self.sources(),
        )
    }

    async fn rows(&self) -> Vec<[String; 4]> {
        let head = ["part", "what it does", "pid", "address"];
        let mut rows = vec![head.map(str::to_owned)];
        for part in self.parts() {
            let (what, address) = match part {
                Part::Proxy => (
                    "everybody's way in, by HAProxy",
                    format!("{}, sensors {}", self.proxy.url(), self.sensors_door),
                ),
                Part::Serve(number) => ("pages and API", self.serves[number].url()),
                Part::Ingest(_) => (
                    "takes its half of the sensors' words into the database",
                    String::new(),
                ),
                Part::Broker(node) => (
                    "sensors' broker, a node of RabbitMQ",
                    self.brokers.mqtt_addresses()[node].to_string(),
                ),
                Part::Database(member) => (
                    match self.databases.is_primary(member) {
                        true => "PostgreSQL, the primary",
                        false => "PostgreSQL, a replica",
                    },
                    format!("127.0.0.1:{}", self.databases.server(member).port),
                ),
                Part::Simulator => ("the city's sensors, drivers and bank", String::new()),
            };
            let pid = self.id(part).await.to_string();
            rows.push([part.name(), what.to_owned(), pid, address]);
        }
        rows
    }

    async fn tries(&self) -> Vec<[String; 2]> {
        let mut tries = Vec::new();
        for part in self.parts() {
            let seen = match part {
                Part::Proxy => {
                    "nobody comes in until it is back; then sensors and drivers say again what was not answered"
                }
                Part::Serve(_) => {
                    "the proxy sends requests to the other; open pages connect again by themselves"
                }
                Part::Ingest(_) => {
                    "the other takes its shards over within seconds; given back a minute after it is back"
                }
                Part::Broker(_) => {
                    "sensors, pages and ingest go to another node; two of three have every word"
                }
                Part::Database(member) if self.databases.is_primary(member) => {
                    "the replica that has heard more takes over; it comes back as a copy of that one"
                }
                Part::Database(_) => {
                    "commits wait for the other replica alone; reports are read from the primary meanwhile"
                }
                Part::Simulator => "the city stands still; its sensors go on where they were",
            };
            let kill = format!("kill -9 {}", self.id(part).await);
            tries.push([kill, format!("# {}: {seen}", part.name())]);
        }
        tries
    }

    fn checks(&self) -> String {
        let program = provided("CLEARBAY_TEST_BIN");
        format!(
            "  DATABASE_URL='{}' {program} ledger check
  {program} verify --url {} --key '{}' --state {}
",
            self.database.url,
            self.proxy.url(),
            log_key(1).0,
            self.folder.path().join("verify.json").display(),
        )
    }

    fn sources(&self) -> String {
        let mut text = format!(
            "  tail -f {}/*.log    # serve and ingest\n",
            self.folder.path().display()
        );
        let mut logs = vec![("proxy".to_owned(), self.proxy.log_file())];
        logs.extend(
            (0..NODES).map(|node| (Part::Broker(node).name(), self.brokers.log_file(node))),
        );
        let servers = 0..self.databases.len();
        logs.extend(servers.map(|member| {
            let name = Part::Database(member).name();
            (name, self.databases.server(member).log_file())
        }));
        for (name, path) in logs {
            text += &format!("  tail -f {}    # {name}\n", path.display());
        }
        for (number, serve) in self.serves.iter().enumerate() {
            let name = Part::Serve(number).name();
            text += &format!("  curl -s {}    # {name}\n", serve.metrics_url());
        }
        for (number, ingest) in self.ingests.iter().enumerate() {
            let name = Part::Ingest(number).name();
            text += &format!("  curl -s http://{}/metrics    # {name}\n", ingest.metrics);
        }
        text
    }
}
