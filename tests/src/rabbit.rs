//! A cluster of RabbitMQ on this machine, with what `deploy/rabbitmq` says it has to have, whose nodes can
//! be killed and started again.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{free_address, provided};

const USER: &str = "clearbay";

/// The cluster; its nodes end with this value.
pub struct Cluster {
    root: PathBuf,
    folder: TempDir,
    password: String,
    /// Where Erlang's nodes find each other.
    mapper_port: u16,
    mapper: Child,
    nodes: Vec<Node>,
}

struct Node {
    amqp: u16,
    mqtt: u16,
    distribution: u16,
    process: Option<Child>,
}

/// Where RabbitMQ was unpacked, if it was; says that a test skips where not.
pub fn unpacked() -> Option<PathBuf> {
    let root = std::env::var_os("CLEARBAY_TEST_RABBITMQ").map(PathBuf::from);
    if root.is_none() {
        println!("skipped: there is no RabbitMQ here");
    }
    root
}

impl Cluster {
    /// Starts that many nodes, one after the other, as RabbitMQ wants it the first time. Blocks, for they end
    /// with the thread that has started them.
    ///
    /// # Panics
    /// Where one does not start.
    pub fn start(root: PathBuf, nodes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mapper_port = free_address().port();
        let mapper = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(root.join("usr/lib/erlang/bin/epmd"))
            .args(["-port", &mapper_port.to_string()])
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = |_| Node {
            amqp: free_address().port(),
            mqtt: free_address().port(),
            distribution: free_address().port(),
            process: None,
        };
        let mut cluster = Self {
            root,
            folder,
            password: uuid::Uuid::new_v4().simple().to_string(),
            mapper_port,
            mapper,
            nodes: (0..nodes).map(node).collect(),
        };
        let users = users(&cluster.password);
        std::fs::write(cluster.file("users.json"), users.to_string()).unwrap();
        for node in 0..nodes {
            cluster.configure(node);
            cluster.start_again(node);
        }
        // The port for devices is open a moment before the node takes commands.
        cluster.control(&["await_startup"]);
        // A quorum queue has its copies on the nodes that are there when it is made.
        cluster.control(&[
            "import_definitions",
            &deployed("definitions.json").to_string_lossy(),
        ]);
        cluster
    }

    /// `rabbitmqctl` with these arguments, on the first node.
    ///
    /// # Panics
    /// Where it fails.
    pub fn control(&self, arguments: &[&str]) {
        self.asked(arguments);
    }

    /// The same; what it says.
    fn asked(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = self.command(0, "rabbitmqctl");
        let done = command.args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        done.stdout
    }

    /// Who is sent the messages of each shard, by the shard's number: the names of those who are, at that moment, of
    /// whom there is one at most.
    ///
    /// # Panics
    /// Where RabbitMQ does not tell, or says that it sends a shard's messages to two.
    pub fn shard_holders(&self) -> BTreeMap<u32, String> {
        let told = self.asked(&[
            "--quiet",
            "--formatter",
            "json",
            "list_consumers",
            "queue_name",
            "consumer_tag",
            "active",
        ]);
        let told: Vec<Value> = serde_json::from_slice(&told).unwrap();
        let mut holders = BTreeMap::new();
        for consumer in told.iter().filter(|it| it["active"] == json!(true)) {
            let queue = consumer["queue_name"].as_str().unwrap();
            let Some(shard) = queue.strip_prefix("clearbay.events.") else {
                continue;
            };
            let holder = consumer["consumer_tag"].as_str().unwrap().to_owned();
            let before = holders.insert(shard.parse().unwrap(), holder);
            assert!(
                before.is_none(),
                "{queue} is {before:?}'s as well: {told:?}"
            );
        }
        holders
    }

    /// All nodes, for ingest.
    pub fn amqp_url(&self) -> String {
        let address =
            |node: &Node| format!("amqp://{USER}:{}@127.0.0.1:{}", self.password, node.amqp);
        let nodes: Vec<String> = self.nodes.iter().map(address).collect();
        nodes.join(",")
    }

    /// One node, for devices.
    pub fn mqtt_url(&self, node: usize) -> String {
        let port = self.nodes[node].mqtt;
        format!("mqtt://{USER}:{}@127.0.0.1:{port}", self.password)
    }

    /// Devices' way in by a proxy in front of all nodes.
    pub fn mqtt_url_by(&self, proxy: SocketAddr) -> String {
        format!("mqtt://{USER}:{}@{proxy}", self.password)
    }

    /// Where each node takes devices' connections.
    pub fn mqtt_addresses(&self) -> Vec<SocketAddr> {
        let address = |node: &Node| SocketAddr::from((Ipv4Addr::LOCALHOST, node.mqtt));
        self.nodes.iter().map(address).collect()
    }

    /// Where a node takes devices' connections, as host:port, with the user that may do anything and its password.
    pub fn mqtt_address(&self, node: usize) -> (String, &str, &str) {
        let port = self.nodes[node].mqtt;
        (format!("127.0.0.1:{port}"), USER, &self.password)
    }

    /// How many nodes it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node's process.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn id(&self, node: usize) -> u32 {
        self.nodes[node]
            .process
            .as_ref()
            .expect("the node had ended")
            .id()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Ends a node with SIGKILL.
    ///
    /// # Panics
    /// Where it had ended before.
    pub fn kill(&mut self, node: usize) {
        let mut process = self.nodes[node].process.take().expect("the node had ended");
        assert!(process.try_wait().unwrap().is_none(), "{}", self.log(node));
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Makes a node stand still: its connections stay, and nobody is answered.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn freeze(&self, node: usize) {
        self.signal(node, Signal::SIGSTOP);
    }

    /// Undoes [`Cluster::freeze`].
    ///
    /// # Panics
    /// Where it has ended.
    pub fn thaw(&self, node: usize) {
        self.signal(node, Signal::SIGCONT);
    }

    fn signal(&self, node: usize, signal: Signal) {
        let process = self.nodes[node]
            .process
            .as_ref()
            .expect("the node had ended");
        kill(Pid::from_raw(process.id().cast_signed()), signal).unwrap();
    }

    /// How a node has ended, if it has by itself or by somebody else's hand.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn has_ended(&mut self, node: usize) -> Option<ExitStatus> {
        let process = self.nodes[node].process.as_mut()?;
        process.try_wait().unwrap()
    }

    /// Starts a node where it was, and waits for nothing.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn launch(&mut self, node: usize) {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.log_file(node))
            .unwrap();
        let mut command = self.command(node, "rabbitmq-server");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.nodes[node].process = Some(command.spawn().unwrap());
    }

    /// Starts a node where it was, and returns once it takes devices' connections.
    ///
    /// # Panics
    /// Where it does not within two minutes.
    pub fn start_again(&mut self, node: usize) {
        self.launch(node);
        let mqtt = self.nodes[node].mqtt;
        for _ in 0..1_200 {
            let process = self.nodes[node].process.as_mut().unwrap();
            let runs = process.try_wait().unwrap().is_none();
            assert!(runs, "RabbitMQ ended:\n{}", self.log(node));
            if TcpStream::connect((Ipv4Addr::LOCALHOST, mqtt)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("RabbitMQ did not start:\n{}", self.log(node));
    }

    /// One of RabbitMQ's programs, as a node has it. It ends with the thread that starts it.
    fn command(&self, node: usize, program: &str) -> Command {
        let server = versioned(&self.root.join("usr/lib/rabbitmq/lib"), "rabbitmq_server-");
        let erlang = self.root.join("usr/lib/erlang");
        let path = std::env::var("PATH").unwrap_or_default();
        let at = |name: &str| self.file(&format!("{node}/{name}"));
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(server.join("sbin").join(program))
            .env("PATH", format!("{}/bin:{path}", erlang.display()))
            .env("LD_LIBRARY_PATH", provided("CLEARBAY_TEST_RABBITMQ_LIBS"))
            .env("HOME", at(""))
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // One process, not a shell that minds another.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_NODENAME", name(node))
            .env("RABBITMQ_DIST_PORT", self.nodes[node].distribution.to_string())
            .env("RABBITMQ_SYS_PREFIX", at(""))
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", at("logs"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_CONF_ENV_FILE", at("no-such-file"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                // Two schedulers that do not spin: the tests' machine is small.
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            );
        command
    }

    /// What a node has logged.
    ///
    /// # Panics
    /// Where that cannot be read.
    pub fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.log_file(node)).unwrap()
    }

    /// Where it logs.
    pub fn log_file(&self, node: usize) -> PathBuf {
        self.file(&format!("{node}/log"))
    }

    /// What is a node's own, beside what the city's operator keeps in `deploy/rabbitmq`.
    fn configure(&self, node: usize) {
        let folder = self.file(&node.to_string());
        std::fs::create_dir(&folder).unwrap();
        let Node { amqp, mqtt, .. } = self.nodes[node];
        let mut settings = std::fs::read_to_string(deployed("rabbitmq.conf")).unwrap();
        settings += &format!(
            "\nlisteners.tcp.1 = 127.0.0.1:{amqp}\n\
             mqtt.listeners.tcp.1 = 127.0.0.1:{mqtt}\n\
             load_definitions = {}\n\
             log.console = true\n\
             log.file = false\n",
            self.file("users.json").display()
        );
        for node in 0..self.nodes.len() {
            settings += &format!(
                "cluster_formation.classic_config.nodes.{} = {}\n",
                node + 1,
                name(node)
            );
        }
        std::fs::write(folder.join("rabbitmq.conf"), settings).unwrap();
        std::fs::copy(deployed("enabled_plugins"), folder.join("enabled_plugins")).unwrap();
        let cookie = folder.join(".erlang.cookie");
        std::fs::write(&cookie, &self.password).unwrap();
        std::fs::set_permissions(&cookie, PermissionsExt::from_mode(0o400)).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let nodes = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.process.as_mut());
        for process in nodes.chain([&mut self.mapper]) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The one user, as an operator would make it.
fn users(password: &str) -> Value {
    let salt = [1, 2, 3, 4];
    let mut salted = salt.to_vec();
    salted.extend_from_slice(password.as_bytes());
    let mut hash = salt.to_vec();
    hash.extend_from_slice(&Sha256::digest(&salted));
    json!({
        "vhosts": [{"name": "/"}],
        "users": [{
            "name": USER,
            "password_hash": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "",
        }],
        "permissions": [{"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    })
}

/// A file that operators take as it is.
fn deployed(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rabbitmq");
    folder.join(name)
}

fn name(node: usize) -> String {
    format!("clearbay{node}@localhost")
}

/// The folder in `parent` whose name begins so and ends with a version.
fn versioned(parent: &Path, prefix: &str) -> PathBuf {
    let folders = std::fs::read_dir(parent).unwrap().flatten();
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(prefix)
    };
    let mut folders = folders.map(|folder| folder.path());
    folders.find(named).expect("RabbitMQ was unpacked")
}
